//! What is measured of each library, and how.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use shared::edit::Edit;

use crate::data::{self, FieldEdit, Person, WRITERS};
use crate::ours::Ours;
use crate::replica::{Replica, Syncs};

const FILLS: usize = 3;
const TIMES: usize = 100;
/// Edits that come at once, as in a round of ours.
const A_ROUND: usize = 1_000;

/// What one of them took; what was not measured is absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    pub version: String,
    /// In memory.
    pub fill: Option<Fill>,
    /// Over HTTP into a store, with pages of a thousand and of a hundred.
    pub fill_http: Option<Fill>,
    pub fill_small: Option<Fill>,
    pub sync: Option<Round>,
    pub idle: Option<Round>,
    /// The same once 100,000 concurrent edits were applied.
    pub sync_after: Option<Round>,
    pub idle_after: Option<Round>,
    /// Edits a second, applied as they come one by one, and a thousand at a time.
    pub each: Option<f64>,
    pub batched: Option<f64>,
    /// The same without reading them.
    pub pure: Option<f64>,
    /// Into a store.
    pub stored: Option<f64>,
    pub save: Option<Latency>,
    /// Writing 4 kB and syncing, in turns with the saves.
    pub fdatasync: Option<Latency>,
}

/// A replica made from nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fill {
    pub ms: f64,
    pub wire: usize,
    pub requests: Option<usize>,
    /// What the process grew by, in MB.
    pub memory: Option<f64>,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}

/// Two replicas finding out what the other lacks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Round {
    #[serde(flatten)]
    pub took: Latency,
    pub up: usize,
    pub down: usize,
    pub messages: usize,
}

impl Latency {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { p50: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the process has resident, in MB.
fn memory() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1e3)
}

/// A file that is written to its end and synced each time.
struct Log(std::fs::File);

impl Log {
    fn new(path: &Path) -> Result<Self> {
        Ok(Self(std::fs::File::create(path)?))
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes)?;
        Ok(self.0.sync_data()?)
    }
}

/// The `n`-th telephone number of the first resident.
fn one_field(people: &[Person], n: usize) -> Result<FieldEdit> {
    let record = people.first().context("a resident")?.id.clone();
    Ok(FieldEdit { writer: 7, n: n as u64 + 1, record, field: "phone", value: format!("1380000{:04}", n % 10_000) })
}

/// Everything but rounds. `packed` is the state under zstd; `updates` are of [`updates`].
pub fn replica<R: Replica>(people: &[Person], packed: &[u8], updates: &[Vec<u8>], dir: &Path) -> Result<Measured> {
    let there =
        people.iter().filter(|person| person.fields().any(|(field, value)| field == "name" && value.contains('王')));
    let there = there.count();
    let (mut took, mut grown) = (Vec::new(), None);
    for _ in 0..FILLS {
        let before = memory()?;
        let start = Instant::now();
        let state = unpacked(packed)?;
        let all = R::load(&state, 7)?;
        drop(state);
        let found = all.count("name", "王")?;
        took.push(ms(start.elapsed()));
        ensure!(found == there, "{found} of {there} are found after the fill");
        // Of the first only: later ones find memory that was given back.
        grown.get_or_insert(memory()? - before);
    }
    let fill = Fill { ms: Latency::of(took).p50, wire: packed.len(), requests: None, memory: grown };

    let state = unpacked(packed)?;
    let mut near = R::load(&state, 7)?;
    let mut log = Log::new(&dir.join("save.log"))?;
    let mut floor = Log::new(&dir.join("floor.log"))?;
    let (mut saves, mut syncs) = (Vec::new(), Vec::new());
    for n in 0..TIMES {
        let edit = one_field(people, n)?;
        let start = Instant::now();
        log.keep(&near.edit(&edit)?)?;
        saves.push(ms(start.elapsed()));
        let start = Instant::now();
        floor.keep(&[7; 4096])?;
        syncs.push(ms(start.elapsed()));
    }
    drop(near);

    let each = rate(&mut R::load(&state, 8)?, updates, 1)?;
    let batched = rate(&mut R::load(&state, 8)?, updates, A_ROUND)?;
    Ok(Measured {
        fill: Some(fill),
        save: Some(Latency::of(saves)),
        fdatasync: Some(Latency::of(syncs)),
        each: Some(each),
        batched: Some(batched),
        ..Measured::default()
    })
}

/// Rounds, before and after the township was changed in 100,000 places.
pub fn rounds<R: Syncs>(
    people: &[Person],
    packed: &[u8],
    updates: &[Vec<u8>],
    dir: &Path,
    into: &mut Measured,
) -> Result<()> {
    let state = unpacked(packed)?;
    let mut far = R::load(&state, 8)?;
    (into.sync, into.idle) = of_two(people, &mut R::load(&state, 7)?, &mut far, dir)?;
    let mut far = R::load(&state, 8)?;
    for round in updates.chunks(A_ROUND) {
        far.apply(round)?;
    }
    let state = far.state()?;
    (into.sync_after, into.idle_after) = of_two(people, &mut R::load(&state, 7)?, &mut far, dir)?;
    Ok(())
}

fn of_two<R: Syncs>(
    people: &[Person],
    near: &mut R,
    far: &mut R,
    dir: &Path,
) -> Result<(Option<Round>, Option<Round>)> {
    let mut link = R::link(near, far)?;
    let mut log = Log::new(&dir.join("far.log"))?;
    let mut one = |n: Option<usize>| -> Result<(f64, Round)> {
        let update = n.map(|n| near.edit(&one_field(people, n)?)).transpose()?;
        let start = Instant::now();
        let messages = R::round(near, far, &mut link)?;
        // The other side says that it has it once it is durable there; nothing else of the two is on a disk.
        update.map(|update| log.keep(&update)).transpose()?;
        let took = ms(start.elapsed());
        let sum = |up| messages.iter().filter(|message| message.up == up).map(|message| message.bytes).sum();
        Ok((took, Round { took: Latency::default(), up: sum(true), down: sum(false), messages: messages.len() }))
    };
    let mut many = |edits: bool| -> Result<Option<Round>> {
        let (mut times, mut last) = (Vec::new(), Round::default());
        for n in 0..TIMES {
            let (took, round) = one(edits.then_some(n))?;
            times.push(took);
            last = round;
        }
        Ok(Some(Round { took: Latency::of(times), ..last }))
    };
    let both = (many(true)?, many(false)?);
    let value = one_field(people, TIMES - 1)?.value;
    ensure!(far.count("phone", &value)? > 0, "what one wrote did not reach the other");
    Ok(both)
}

/// What five writers wrote who had not seen each other, each edit as it travels.
pub fn updates<R: Replica>(people: &[Person], packed: &[u8]) -> Result<Vec<Vec<u8>>> {
    let state = unpacked(packed)?;
    // One after the other in one piece of memory, so that what is kept lies not between what a library allocates.
    let (mut all, mut ends) = (Vec::with_capacity(64 << 20), Vec::with_capacity(100_000));
    for writer in 0..WRITERS {
        let edits = data::edits(people, writer);
        let mut own = R::load(&state, writer as u64 + 100)?;
        for edit in edits {
            all.extend(own.edit(&edit)?);
            ends.push(all.len());
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    Ok(starts.zip(&ends).filter_map(|(start, end)| Some(all.get(start..*end)?.to_vec())).collect())
}

/// What ours does in a second with edits that were read before.
pub fn pure(packed: &[u8], updates: &[Vec<u8>]) -> Result<f64> {
    let state = unpacked(packed)?;
    let edits: Vec<Edit> = updates.iter().map(|bytes| Ok(shared::json::from_slice(bytes)?)).collect::<Result<_>>()?;
    let mut all = Ours::load(&state, 8)?;
    let start = Instant::now();
    edits.iter().for_each(|edit| all.take(edit));
    let took = start.elapsed().as_secs_f64();
    ensure!(all.count("residence_status", "away")? >= data::EDITED, "the edits are not there");
    Ok(edits.len() as f64 / took)
}

fn rate<R: Replica>(all: &mut R, updates: &[Vec<u8>], at_once: usize) -> Result<f64> {
    let start = Instant::now();
    for some in updates.chunks(at_once) {
        all.apply(some)?;
    }
    let took = start.elapsed().as_secs_f64();
    ensure!(all.count("residence_status", "away")? >= data::EDITED, "the edits are not there");
    Ok(updates.len() as f64 / took)
}

/// A state as it travels.
pub fn packed(state: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::bulk::compress(state, 3)?)
}

fn unpacked(packed: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::stream::decode_all(packed)?)
}
