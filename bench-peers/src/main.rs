//! `make bench-peers`: what others that merge make of the township's data, beside ours.

mod data;
mod measure;
mod ours;
mod product;
mod replica;
mod report;
mod with_automerge;
mod with_loro;
mod with_yrs;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use data::RECORDS;
use measure::Measured;
use ours::Ours;
use product::Product;
use replica::{Replica, Syncs};
use report::Report;
use with_automerge::Automerge;
use with_loro::Loro;
use with_yrs::Yrs;

/// Measures automerge, yrs, loro and PouchDB on the township's data, beside ours.
#[derive(Debug, Parser)]
struct Options {
    /// A folder on the disk to be measured; what is measured lies in a new folder below it.
    #[arg(long, default_value = "target/peers")]
    dir: PathBuf,
    /// The bench of the product, in a release build.
    #[arg(long, default_value = "target/release/bench")]
    bench: PathBuf,
    /// The folder of the PouchDB measurement, its packages installed.
    #[arg(long, default_value = "bench-peers/pouchdb")]
    pouchdb: PathBuf,
    /// Writes the table into this file too.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Only so many residents, 5,000 at least: to see that everything runs.
    #[arg(long, default_value_t = RECORDS)]
    residents: usize,
    /// Makes the state in `--dir` that the measurement begins with: how the bench starts itself again.
    #[arg(long, hide = true)]
    fill: Option<Peer>,
    /// Measures one in a process of its own, likewise.
    #[arg(long, hide = true)]
    measure: Option<Peer>,
}

/// Each in a process of its own, so that its memory can be told.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Peer {
    Ours,
    Automerge,
    Yrs,
    Loro,
}

const PEERS: [(Peer, &str); 4] =
    [(Peer::Ours, "ours, `shared` alone"), (Peer::Automerge, "automerge"), (Peer::Yrs, "yrs"), (Peer::Loro, "loro")];

#[expect(clippy::print_stdout, reason = "it prints what it measures")]
fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.residents >= data::EDITED, "at least {} residents are needed", data::EDITED);
    let people = data::people(options.residents);
    if let Some(peer) = options.fill {
        let state = match peer {
            Peer::Ours => Ours::fill(&people),
            Peer::Automerge => Automerge::fill(&people),
            Peer::Yrs => Yrs::fill(&people),
            Peer::Loro => Loro::fill(&people),
        }?;
        return Ok(std::fs::write(options.dir.join("state"), measure::packed(&state)?)?);
    }
    if let Some(peer) = options.measure {
        let measured = match peer {
            Peer::Ours => ours(&people, &options.dir),
            Peer::Automerge => library::<Automerge>(&people, &options.dir),
            Peer::Yrs => library::<Yrs>(&people, &options.dir),
            Peer::Loro => library::<Loro>(&people, &options.dir),
        }?;
        println!("{}", serde_json::to_string(&measured)?);
        return Ok(());
    }

    std::fs::create_dir_all(&options.dir)?;
    let dir = tempfile::Builder::new().prefix("peers-").tempdir_in(&options.dir).context("making a folder")?;
    let dir = dir.path();
    let json: usize = people.iter().map(|person| person.json().map(|text| text.len())).sum::<Result<_>>()?;
    let load = load_average()?;
    let mut measured = Vec::new();
    for (peer, name) in PEERS {
        println!("{name} …");
        let version = version(name).unwrap_or_default();
        measured.push((name, Measured { version, ..apart(peer, options.residents, dir)? }));
    }
    println!("PouchDB …");
    measured.push(("PouchDB", pouchdb(&people, &options.pouchdb, dir)?));
    let product = match options.bench.exists() {
        true => {
            println!("the product …");
            Some(Product::measure(&options.bench, dir)?)
        }
        false => None,
    };
    let (records, json, load) = (people.len(), json / people.len().max(1), (load, load_average()?));
    let report = Report { records, json, load, measured, product }.markdown();
    println!("\n{report}");
    if let Some(file) = &options.report {
        std::fs::write(file, report).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// How many programs wanted to run in the last minute.
fn load_average() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn state(dir: &Path) -> Result<Vec<u8>> {
    std::fs::read(dir.join("state")).context("the state to begin with")
}

fn ours(people: &[data::Person], dir: &Path) -> Result<Measured> {
    let state = state(dir)?;
    let updates = measure::updates::<Ours>(people, &state)?;
    let pure = Some(measure::pure(&state, &updates)?);
    Ok(Measured { pure, ..measure::replica::<Ours>(people, &state, &updates, dir)? })
}

fn library<R: Syncs>(people: &[data::Person], dir: &Path) -> Result<Measured> {
    let state = state(dir)?;
    let updates = measure::updates::<R>(people, &state)?;
    let mut measured = measure::replica::<R>(people, &state, &updates, dir)?;
    measure::rounds::<R>(people, &state, &updates, dir, &mut measured)?;
    Ok(measured)
}

/// Fills in one process and measures in another.
fn apart(peer: Peer, residents: usize, dir: &Path) -> Result<Measured> {
    let name = peer.to_possible_value().context("a name")?;
    let start = |how: &str| -> Result<Vec<u8>> {
        let mut itself = Command::new(std::env::current_exe()?);
        itself.args([how, name.get_name(), "--residents", &residents.to_string(), "--dir"]).arg(dir);
        said(&mut itself)
    };
    start("--fill")?;
    serde_json::from_slice(&start("--measure")?).context("what it measured")
}

fn pouchdb(people: &[data::Person], program: &Path, dir: &Path) -> Result<Measured> {
    data::write(people, dir)?;
    // Both sides keep what they have below it.
    let stores = dir.join("pouchdb");
    std::fs::create_dir_all(&stores)?;
    let told = said(Command::new("node").arg(program.join("bench.mjs")).arg(dir).arg(&stores))?;
    serde_json::from_slice(&told).context("what PouchDB's side measured")
}

/// What a program printed, if it ended well.
fn said(program: &mut Command) -> Result<Vec<u8>> {
    let output = program.output().with_context(|| format!("starting {program:?}"))?;
    ensure!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// The version a crate was locked at.
fn version(name: &str) -> Option<String> {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
