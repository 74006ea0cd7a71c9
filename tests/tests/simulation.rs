//! Thousands of seeds of the simulation, some twice: every invariant holds, and a seed replays to the last byte.
//!
//! A failure names its seed and the invariant and tells a shrunk story. In the environment: `SEED=7` runs that one
//! alone, `SEEDS` and `STEPS` more or fewer, `TWICE=1` each of them twice.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use tests::postgres::Cluster;
use tests::simulation::drive::Driver;
use tests::simulation::invariant::Invariant;
use tests::simulation::plan::{Step, What, plan};
use tests::simulation::shrink::shrink;
use tests::simulation::trace::Counts;
use tests::simulation::world::Options;
use tests::simulation::{Outcome, run};

const SEEDS: u64 = 2_000;
/// With the server's records in PostgreSQL.
const SEEDS_ON_POSTGRES: u64 = 200;
/// Of a county of two towns.
const SEEDS_OF_TOWNS: u64 = 100;
const STEPS: usize = 300;
/// Every so manieth seed is run twice, to see that it replays.
const TWICE: u64 = 5;
/// Seeds beyond the usual ones that found something once.
const FOUND: &[u64] = &[3_850, 4_987, 5_991, 7_068, 11_178, 12_371, 14_844, 17_606];
/// Every so manieth seed is run with right clocks too.
const CLOCKS: u64 = 10;

/// What has to have happened at least once in all the seeds: each step, each fault, each thing worth telling of.
const COVERED: &[&str] = &[
    "what is restricted lies closed",
    "a clock is set right",
    "a clock is ten years ahead",
    "a clock is ten years behind",
    "a clock jumps back",
    "a clock runs backwards",
    "a clock stands still",
    "a backup of the server is made",
    "a conflict is decided",
    "a decision is taken back",
    "a form left open is saved",
    "a handheld has a clone",
    "a handheld begins with nothing",
    "a handheld is enrolled",
    "a handheld lost what was not synced",
    "a handheld's process ended",
    "a lamp says that a handheld can be handed in",
    "a machine on the way is busy",
    "a merge is undone",
    "a photo is taken",
    "a record is gone for good",
    "a restricted edit is saved",
    "a step is taken",
    "a sync came through",
    "a sync did not come through",
    "a user has another scope",
    "a value is altered behind everybody's back",
    "an edit is corrected",
    "an edit is dismissed",
    "an edit is released from quarantine",
    "an edit is withdrawn",
    "answer cut short",
    "answer lost",
    "arrives unexpected",
    "clearance is given",
    "clearance is taken",
    "duplicates are merged",
    "killed in the middle of a sync",
    "old files of a handheld are back",
    "request cut short",
    "request doubled",
    "request late or spoilt",
    "request lost",
    "the console saved",
    "the console takes a step of an event",
    "the form refuses",
    "the server is as it was",
    "the server lost what was not synced",
    "the server's process ended",
    "a handheld takes a new slot",
    "an answer begins a fill",
    "an answer is one page of several",
    "something is gone from a handheld's sight",
    "an edit comes back to its author",
];

const USUAL: Options = Options { wrong_clocks: true, true_ids: false, told: false, towns: false, postgres: None };

fn wanted(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What failed, told so that a person can follow it.
fn failure(
    driver: &Driver,
    (seed, steps): (u64, usize),
    (invariant, what): (Invariant, &str),
    options: Options,
) -> Result<String> {
    let told = shrink(driver, seed, &plan(seed, steps), invariant, options)?;
    let short = told.broken.map(|(_, what)| what).unwrap_or_default();
    let story = told.story.join("\n");
    Ok(format!("seed {seed} breaks {}\n{what}\n\nshrunk to:\n{story}\n{short}", invariant.name()))
}

/// Where two runs of a seed part.
fn parting(driver: &Driver, seed: u64, plan: &[Step], other: Options) -> Result<String> {
    let story = |options| Ok::<_, anyhow::Error>(run(driver, seed, plan, Options { told: true, ..options })?.story);
    let (first, second) = (story(USUAL)?, story(other)?);
    let same = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
    let end = first.len().min(same + 1);
    let before = first.get(same.saturating_sub(20)..end).unwrap_or_default().join("\n");
    Ok(format!("{before}\nor\n{}", second.get(same).map_or("", String::as_str)))
}

/// One seed: twice where its turn comes, and now and then with right clocks.
fn check(driver: &Driver, seed: u64, steps: usize, twice: u64) -> Result<Counts> {
    let plan = plan(seed, steps);
    let first = run(driver, seed, &plan, USUAL)?;
    if let Some((invariant, what)) = &first.broken {
        bail!(failure(driver, (seed, steps), (*invariant, what), USUAL)?);
    }
    if seed.is_multiple_of(twice) && first.trace != run(driver, seed, &plan, USUAL)?.trace {
        bail!("seed {seed} breaks {}:\n{}", Invariant::Replays.name(), parting(driver, seed, &plan, USUAL)?);
    }
    if seed.is_multiple_of(CLOCKS) {
        let with = |wrong_clocks| run(driver, seed, &plan, Options { wrong_clocks, true_ids: true, ..USUAL });
        let (right, wrong): (Outcome, Outcome) = (with(false)?, with(true)?);
        if right.clockless != wrong.clockless {
            let parts = right.clockless.lines().zip(wrong.clockless.lines()).find(|(a, b)| a != b);
            bail!("seed {seed} breaks {}:\n{parts:?}", Invariant::Clocks.name());
        }
    }
    Ok(first.counts)
}

/// Checks every seed from one to another, and some beyond, side by side; what happened in them.
fn all(
    from: u64,
    seeds: u64,
    again: &[u64],
    check: &(dyn Fn(&Driver, u64) -> Result<Counts> + Sync),
) -> Result<Counts> {
    let begun = Instant::now();
    let next = AtomicU64::new(from);
    let again = Mutex::new(again.to_vec());
    let all: Mutex<(Counts, Vec<String>)> = Mutex::default();
    // One more than there are cores: each waits now and then for its own blocking thread.
    let threads = 1 + std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let work = || -> Result<()> {
                    let driver = Driver::new()?;
                    let found = || again.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
                    loop {
                        let usual = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds);
                        let Some(seed) = usual.or_else(found) else {
                            return Ok(());
                        };
                        let counts = check(&driver, seed)?;
                        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        for (what, count) in counts {
                            *all.0.entry(what).or_default() += count;
                        }
                        drop(all);
                        if seed > 0 && seed.is_multiple_of(250) {
                            eprintln!("{seed} seeds of {seeds}, {} s", begun.elapsed().as_secs());
                        }
                    }
                };
                if let Err(error) = work() {
                    next.store(seeds, Ordering::Relaxed);
                    again.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
                    let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    all.1.push(format!("{error:#}"));
                }
            });
        }
    });
    let (counts, failures) = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !failures.is_empty() {
        bail!(failures.join("\n\n"));
    }
    Ok(counts)
}

/// One seed with the server's records in PostgreSQL: everything holds, and it goes as it does on SQLite.
fn check_on_postgres(driver: &Driver, seed: u64, steps: usize, socket: &'static Path) -> Result<Counts> {
    let plan = plan(seed, steps);
    let options = Options { postgres: Some(socket), ..USUAL };
    let there = run(driver, seed, &plan, options)?;
    if let Some((invariant, what)) = &there.broken {
        bail!("on PostgreSQL {}", failure(driver, (seed, steps), (*invariant, what), options)?);
    }
    let mut counts = there.counts;
    // A backup of PostgreSQL is another thing, and takes no ids.
    if !counts.contains_key("a backup of the server is made") {
        let here = run(driver, seed, &plan, USUAL)?;
        if here.trace != there.trace {
            bail!("seed {seed} goes another way on PostgreSQL:\n{}", parting(driver, seed, &plan, options)?);
        }
        counts.insert(ALIKE, 1);
    }
    Ok(counts)
}

/// What is counted where a seed went the same way on both stores.
const ALIKE: &str = "went as on SQLite";

#[test]
fn on_postgresql_everything_holds_too_and_goes_as_on_sqlite() -> Result<()> {
    let steps = usize::try_from(wanted("STEPS").unwrap_or(STEPS as u64))?;
    let (from, seeds) = (wanted("FROM").unwrap_or(0), wanted("SEEDS").unwrap_or(SEEDS_ON_POSTGRES));
    let cluster = Cluster::start()?;
    let socket: &'static Path = Box::leak(cluster.socket().to_owned().into_boxed_path());
    let begun = Instant::now();
    let counts = match wanted("SEED") {
        Some(seed) => check_on_postgres(&Driver::new()?, seed, steps, socket)?,
        None => all(from, seeds, &[], &|driver, seed| check_on_postgres(driver, seed, steps, socket))?,
    };
    eprintln!("on PostgreSQL: seeds {from} to {seeds} of {steps} steps in {} s: {counts:?}", begun.elapsed().as_secs());
    let needed = ["the server is as it was", "the server's process ended", "a record is gone for good", ALIKE];
    let never: Vec<&str> = needed.into_iter().filter(|what| !counts.contains_key(what)).collect();
    ensure!(
        wanted("SEED").is_some() || seeds < from + SEEDS_ON_POSTGRES || never.is_empty(),
        "never happened: {never:?}"
    );
    Ok(())
}

/// One seed of a county of two towns.
fn check_towns(driver: &Driver, seed: u64, steps: usize, options: Options) -> Result<Counts> {
    let plan = plan(seed, steps);
    let first = run(driver, seed, &plan, options)?;
    if let Some((invariant, what)) = &first.broken {
        bail!("between two towns {}", failure(driver, (seed, steps), (*invariant, what), options)?);
    }
    if seed.is_multiple_of(TWICE) && first.trace != run(driver, seed, &plan, options)?.trace {
        bail!("seed {seed} between two towns breaks {}", Invariant::Replays.name());
    }
    Ok(first.counts)
}

#[test]
fn between_two_towns_everything_holds_too() -> Result<()> {
    let steps = usize::try_from(wanted("STEPS").unwrap_or(STEPS as u64))?;
    let (from, seeds) = (wanted("FROM").unwrap_or(0), wanted("SEEDS").unwrap_or(SEEDS_OF_TOWNS));
    let options = Options { towns: true, ..USUAL };
    let counts = match wanted("SEED") {
        Some(seed) => check_towns(&Driver::new()?, seed, steps, options)?,
        None => all(from, seeds, &[], &|driver, seed| check_towns(driver, seed, steps, options))?,
    };
    eprintln!("between two towns: seeds {from} to {seeds} of {steps} steps: {counts:?}");
    let needed = ["a record goes to another town", "an edit is released from quarantine", "a record is gone for good"];
    let never: Vec<&str> = needed.into_iter().filter(|what| !counts.contains_key(what)).collect();
    ensure!(wanted("SEED").is_some() || seeds < from + SEEDS_OF_TOWNS || never.is_empty(), "never happened: {never:?}");
    Ok(())
}

#[test]
fn after_the_links_heal_everything_holds_and_every_seed_replays() -> Result<()> {
    let steps = usize::try_from(wanted("STEPS").unwrap_or(STEPS as u64))?;
    if let Some(seed) = wanted("SEED") {
        let driver = Driver::new()?;
        let told = run(&driver, seed, &plan(seed, steps), Options { told: true, ..USUAL })?;
        eprintln!("{}\n{:?}", told.story.join("\n"), told.broken);
        return check(&driver, seed, steps, 1).map(drop);
    }
    let (seeds, twice) = (wanted("SEEDS").unwrap_or(SEEDS), wanted("TWICE").unwrap_or(TWICE).max(1));
    let from = wanted("FROM").unwrap_or(0);
    ensure!(from < seeds, "FROM={from} leaves no seed below SEEDS={seeds}");
    let begun = Instant::now();
    // Those that found something before come along with the usual run.
    let again = if wanted("FROM").is_none() { FOUND } else { &[] };
    let counts = all(from, seeds, again, &|driver, seed| check(driver, seed, steps, twice))?;
    eprintln!("seeds {from} to {seeds} of {steps} steps, 1 in {twice} twice, in {} s", begun.elapsed().as_secs());
    for (what, count) in &counts {
        eprintln!("{count:>10}  {what}");
    }
    let steps_too = What::ALL.iter().map(|(what, _)| what.text());
    let never: Vec<&str> = COVERED.iter().copied().chain(steps_too).filter(|what| !counts.contains_key(what)).collect();
    if seeds >= from + SEEDS && !never.is_empty() {
        bail!("never happened in {seeds} seeds: {never:?}");
    }
    Ok(())
}
