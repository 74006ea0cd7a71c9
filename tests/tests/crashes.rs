//! Files fail, at every step there is, one at a time: full disk, device errors, locks, files that end too early, a
//! process that dies, a power cut that takes what was not synced. After each, nothing acknowledged is lost, nothing half
//! there is visible, the databases are whole; and when the fault is gone the operation succeeds and the end is the same
//! as if nothing had happened.
//!
//! `make test` tries some of the points of each operation and kind, `make crashes` all; `POINT="save/full once/7"` in
//! the environment tries that one.
#![cfg(feature = "faults")]
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "the linter knows tests by their attribute and misses their helpers; the table is for people"
)]

#[path = "crashes/operations.rs"]
mod operations;
#[path = "crashes/postgres.rs"]
mod postgres;
#[path = "crashes/sweep.rs"]
mod sweep;
#[path = "crashes/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use operations::{OPERATIONS, Operation};
use shared::mutants::{Mutant, make};
use sweep::{KINDS, PANICS};
use world::Side;

/// Every so many points in `make test`: a prime, so that loops in the product do not hide the same place each time.
const STRIDE: u64 = 23;

fn runtime() -> Result<Arc<tokio::runtime::Runtime>> {
    Ok(Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?))
}

fn name(operation: &Operation) -> String {
    let side = if operation.side == Side::Handheld { "handheld" } else { "server" };
    format!("{side}: {}", operation.name)
}

/// A planted mistake is made in the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Points tried, of how many.
type Table = BTreeMap<(usize, usize), (u64, u64)>;

fn table(table: &Table) -> Result<String> {
    let mut out = String::from("| operation |");
    for kind in KINDS {
        write!(out, " {} |", kind.name)?;
    }
    writeln!(out, " all |")?;
    writeln!(out, "|{}", " --- |".repeat(KINDS.len() + 2))?;
    let mut all = (0, 0);
    for (o, operation) in OPERATIONS.iter().enumerate() {
        write!(out, "| {} |", name(operation))?;
        let mut row = (0, 0);
        for k in 0..KINDS.len() {
            let (tried, points) = table.get(&(o, k)).copied().unwrap_or_default();
            row = (row.0 + tried, row.1 + points);
            if tried == points { write!(out, " {points} |")? } else { write!(out, " {tried} of {points} |")? }
        }
        all = (all.0 + row.0, all.1 + row.1);
        writeln!(out, " {} of {} |", row.0, row.1)?;
    }
    writeln!(out, "\n{} of {} points", all.0, all.1)?;
    Ok(out)
}

fn count_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        default(info);
    }));
}

/// One point, or some of them: operation, kind and number.
type Wanted = (Option<String>, Option<String>, Option<u64>);

fn wanted() -> Result<Wanted> {
    let Ok(point) = std::env::var("POINT") else { return Ok((None, None, None)) };
    let parts: Vec<&str> = point.split('/').collect();
    let part = |n: usize| parts.get(n).map(|part| (*part).to_owned()).filter(|part| !part.is_empty());
    Ok((part(0), part(1), part(2).map(|point| point.parse::<u64>()).transpose()?))
}

fn stride(usual: u64) -> Result<u64> {
    Ok(std::env::var("STRIDE").ok().map(|stride| stride.parse()).transpose()?.unwrap_or(usual))
}

/// Tries every `stride`-th point of every operation and kind on every core there is.
fn sweep(stride: u64, (operation, kind, point): Wanted) -> Result<()> {
    let _alone = ALONE.lock();
    tests::faults::install();
    tests::faults::never_wait(true);
    count_panics();
    let done = Mutex::new(Table::new());
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        let runtime = runtime()?;
        loop {
            let o = next.fetch_add(1, Ordering::SeqCst);
            let Some(tried) = OPERATIONS.get(o) else { return Ok(()) };
            if operation.as_ref().is_some_and(|wanted| *wanted != name(tried)) {
                continue;
            }
            let template = tried.template(&runtime).with_context(|| name(tried))?;
            for (k, how) in KINDS.into_iter().enumerate() {
                if kind.as_ref().is_some_and(|wanted| wanted != how.name) {
                    continue;
                }
                let points = template.points(how);
                let mut count = 0;
                let mut at = point.unwrap_or(1 + (7 * k as u64 + 3 * o as u64) % stride);
                loop {
                    match tried.point(&template, how, at, &runtime) {
                        Ok(true) => count += 1,
                        Ok(false) => break,
                        Err(error) => {
                            count += 1;
                            let which = format!("{}/{}/{at}", name(tried), how.name);
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{which}: {error:#}"));
                        }
                    }
                    if point.is_some() {
                        break;
                    }
                    at += stride;
                }
                let total = if stride == 1 { count } else { points };
                done.lock().unwrap_or_else(PoisonError::into_inner).insert((o, k), (count, total));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..std::thread::available_parallelism()?.get()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("the sweep itself does not panic"))
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", table(&done)?);
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let shown = failures.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    ensure!(failures.is_empty(), "{} points fail:\n\n{shown}", failures.len());
    Ok(())
}

#[test]
fn nothing_is_lost_wherever_a_disk_fails() -> Result<()> {
    sweep(stride(STRIDE)?, wanted()?)
}

/// The same of a server with its records in PostgreSQL; one of so many messages in `make test`, and every commit.
const MESSAGES: u64 = 1_009;

/// Where it matters most: before a commit is asked for, and before the answer to it; one kind of what befalls at each.
fn at_commits(template: &postgres::Template, kind: usize) -> impl Iterator<Item = u64> {
    let moments = template.commits.iter().flat_map(|at| [*at, at + 1]);
    moments.enumerate().filter(move |(n, _)| n % postgres::KINDS.len() == kind).map(|(_, at)| at)
}

#[test]
fn nothing_is_lost_wherever_postgresql_or_the_line_to_it_fails() -> Result<()> {
    let _alone = ALONE.lock();
    count_panics();
    let (stride, (operation, kind, point)) = (stride(MESSAGES)?, wanted()?);
    let told = Mutex::new(BTreeMap::new());
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        let ground = postgres::Ground::new(runtime()?)?;
        loop {
            let o = next.fetch_add(1, Ordering::SeqCst);
            let Some(tried) = postgres::all().nth(o) else { return Ok(()) };
            if operation.as_ref().is_some_and(|wanted| *wanted != name(tried)) {
                continue;
            }
            let template = ground.template(tried).with_context(|| name(tried))?;
            for (k, (how, befalls)) in postgres::KINDS.into_iter().enumerate() {
                if kind.as_ref().is_some_and(|wanted| wanted != how) {
                    continue;
                }
                let first = 1 + (43 * k as u64 + 17 * o as u64) % stride.min(template.points);
                let points: Vec<u64> = match point {
                    Some(point) => vec![point],
                    // One more than there were: what runs beside it may say a word more.
                    None if stride == 1 => (1..=template.points + 1).collect(),
                    None => (first..=template.points)
                        .step_by(usize::try_from(stride)?)
                        .chain(at_commits(&template, k))
                        .collect(),
                };
                let mut count = 0;
                for at in points {
                    match ground.point(tried, &template, befalls, at) {
                        Ok(befell) => count += u64::from(befell),
                        Err(error) => {
                            let which = format!("{}/{how}/{at}", name(tried));
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{which}: {error:#}"));
                        }
                    }
                }
                let line = format!("| {} | {how} | {count} of {} |", name(tried), template.points);
                told.lock().unwrap_or_else(PoisonError::into_inner).insert((o, k), line);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..std::thread::available_parallelism()?.get()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("the sweep itself does not panic"))
    })?;
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", told.into_values().collect::<Vec<_>>().join("\n"));
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let shown = failures.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    ensure!(failures.is_empty(), "{} points fail:\n\n{shown}", failures.len());
    Ok(())
}

/// A server that answers before PostgreSQL has said that it keeps anything would be found: see [`at_commits`].
#[test]
fn an_answer_before_the_commit_is_noticed() -> Result<()> {
    let _alone = ALONE.lock();
    let ground = postgres::Ground::new(runtime()?)?;
    let accept = postgres::all().find(|one| one.name == "accept").context("a push")?;
    let template = ground.template(accept)?;
    let (_, lost) = postgres::KINDS[0];
    let noticed = template.commits.iter().filter(|at| {
        make(Some(Mutant::AckBeforeCommit));
        let found = ground.point(accept, &template, lost, **at).is_err();
        make(None);
        found
    });
    let noticed = noticed.count();
    println!("noticed at {noticed} of {} commits", template.commits.len());
    ensure!(noticed > 0, "nobody notices");
    Ok(())
}
