//! The handheld on a cheap device: the same work with a whole processor and with what [`Cheap`] leaves of one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use app::handheld::{Door, Filter, Handheld};
use app::platform::Services;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::record::RecordKind;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::handling::memory;
use super::table::{Line, Times, millis, ratio, seconds};
use crate::centre::Centre;
use crate::cheap::Cheap;
use crate::near::PIN;
use crate::picture::{Camera, scene};
use crate::story::Story;

/// Bytes that are hashed to see how slow the stand-in is.
const YARDSTICK: usize = 32 << 20;
/// Typed in this order; three characters, three of pinyin, three of a number.
const TYPED: [&str; 9] = ["王", "建国", "祥和小区 3", "w", "wang", "zhangw", "13", "1380", "138000"];

/// Photos that are taken in.
const SHOTS: u64 = 3;

/// Where what the camera gave lies: it was not made by the handheld.
fn shot(town: &Path, seed: u64) -> PathBuf {
    town.with_file_name(format!("cheap-shot-{seed}.jpg"))
}

/// What the process that was measured says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    yardstick: Duration,
    open: Duration,
    pin: Duration,
    list: Duration,
    today: Duration,
    search: [Duration; 2],
    save: [Duration; 2],
    photo: Duration,
    fill: Duration,
    filled: u64,
    peak: f64,
}

/// Both, each in a process of its own.
pub async fn run(dir: &Path, centre: &Centre) -> Result<Vec<Line>> {
    let town = dir.join("cheap-town");
    let handheld = Handheld::open(&town, Services::files(&town), std::sync::Arc::new(app::system::System))?;
    handheld.enrol(&centre.url(), &centre.code("staff").await?, PIN).await?;
    handheld.sync_now().await?;
    drop(handheld);
    for seed in 0..SHOTS {
        let camera = Camera { orientation: 6, gps: Some((37.62, 104.58)) };
        std::fs::write(shot(&town, seed), scene(4_000, 3_000, Some(camera), seed)?)?;
    }
    let whole = measured(&town, &dir.join("cheap-grid-whole"), centre, None).await?;
    let mut cheap = Cheap::new();
    let slow = measured(&town, &dir.join("cheap-grid-slow"), centre, Some(&mut cheap)).await?;
    let peak = cheap.peak().map_or(String::new(), |peak| format!("; {peak:.0} MB with what is kept of files"));
    let line = |work: &str, ours: String, floor: String, ratio, goal, met| Line {
        work: work.to_owned(),
        ours,
        floor: format!("a whole processor: {floor}"),
        ratio,
        goal,
        met,
    };
    let one = |work: &str, what: fn(&Taken) -> Duration, words: fn(Duration) -> String, goal, met| {
        line(work, words(what(&slow)), words(what(&whole)), ratio(what(&slow), what(&whole)), goal, met)
    };
    let two = |work: &str, what: fn(&Taken) -> [Duration; 2]| {
        let words = |[p50, p99]: [Duration; 2]| format!("p50 {}, p99 {}", millis(p50), millis(p99));
        let ([slow_50, _], [whole_50, _]) = (what(&slow), what(&whole));
        line(work, words(what(&slow)), words(what(&whole)), ratio(slow_50, whole_50), "–", None)
    };
    Ok(vec![
        one(&format!("a cheap handheld ({}): 32 MB hashed", cheap.words()), |t| t.yardstick, seconds, "–", None),
        one("there: PIN to key (Argon2id, slow on purpose)", |t| t.pin, seconds, "–", None),
        one(
            "there: store of the whole town opened, to the first list",
            |t| t.open + t.list,
            seconds,
            "≤ 1.5 s",
            Some(slow.open + slow.list <= Duration::from_millis(1_500)),
        ),
        one("there: 今日 for the first time", |t| t.today, millis, "–", None),
        two("there: search as typed", |t| t.search),
        two("there: save one edit", |t| t.save),
        one("there: 12-megapixel photo taken in, encrypted and kept", |t| t.photo, millis, "–", None),
        one(&format!("there: first fill of a grid, {} records", slow.filled), |t| t.fill, seconds, "–", None),
        line(
            "there: memory of the process",
            format!("at most {:.0} MB{peak}", slow.peak),
            format!("{:.0} MB", whole.peak),
            None,
            "–",
            None,
        ),
    ])
}

async fn measured(town: &Path, grid: &Path, centre: &Centre, cheap: Option<&mut Cheap>) -> Result<Taken> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--cheap")
        .args([town, grid])
        .args([&centre.url(), &centre.code("member1a").await?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the handheld that is measured")?;
    if let Some(cheap) = cheap {
        cheap.take(child.id().context("it runs")?)?;
    }
    let mut go = child.stdin.take().context("its input")?;
    go.write_all(b"go\n").await?;
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("what it measured")
}

/// The process that is measured: waits for a line, uses the handhelds in `folders` (one with a town, one that is new, the
/// address of the server and a code for it) and prints what it took.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn handle(folders: &[String]) -> Result<()> {
    let [town, grid, server, code] = folders else { anyhow::bail!("two folders, a server and a code are wanted") };
    std::io::stdin().read_line(&mut String::new())?;
    let start = Instant::now();
    std::hint::black_box(Sha256::digest(vec![7_u8; YARDSTICK]));
    let yardstick = start.elapsed();
    let (mut taken, handheld) = in_hands(&PathBuf::from(town))?;
    taken.yardstick = yardstick;
    drop(handheld);

    let grid = PathBuf::from(grid);
    let handheld = Handheld::open(&grid, Services::files(&grid), std::sync::Arc::new(app::system::System))?;
    handheld.enrol(server, code, PIN).await?;
    let start = Instant::now();
    handheld.sync_now().await?;
    ensure!(!handheld.search("wang", &Filter::default(), 50, 0)?.hits.is_empty(), "nothing is found after the fill");
    taken.fill = start.elapsed();
    taken.filled = handheld.today()?.counts.values().sum();
    taken.peak = memory("VmHWM")?;
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

/// The whole town in somebody's hands.
fn in_hands(folder: &Path) -> Result<(Taken, Handheld)> {
    let start = Instant::now();
    let handheld = Handheld::open(folder, Services::files(folder), std::sync::Arc::new(app::system::System))?;
    let Door::Locked(residents) = handheld.door() else { anyhow::bail!("it is not locked") };
    let locked = start.elapsed();
    // Giving a wrong one takes the same way up to the key and opens nothing.
    let who = residents.first().context("nobody is enrolled")?.user;
    let start = Instant::now();
    ensure!(handheld.unlock(who, "000000").is_err(), "a wrong PIN opens it");
    let pin = start.elapsed();
    let start = Instant::now();
    handheld.unlock(who, PIN)?;
    let open = locked + start.elapsed().saturating_sub(pin);
    handheld.set_offline(true);
    let people = Filter { kind: Some(RecordKind::Person), ..Filter::default() };
    let start = Instant::now();
    let listed = handheld.search("", &people, 50, 0)?;
    let list = start.elapsed();
    ensure!(listed.hits.len() == 50, "a list of all people is empty");
    let start = Instant::now();
    handheld.today()?;
    let today = start.elapsed();
    let (mut searches, mut saves, mut photos) = (Times::default(), Times::default(), Times::default());
    for _ in 0..12 {
        for query in TYPED {
            let start = Instant::now();
            std::hint::black_box(handheld.search(query, &Filter::default(), 50, 0)?);
            searches.add(start.elapsed());
        }
    }
    for (n, who) in listed.hits.iter().enumerate() {
        let mut draft = handheld.open_form(who.id)?;
        draft.writes.insert(shared::path::Path::field("phone"), shared::value::Value::text(&format!("1380000{n:04}")));
        let start = Instant::now();
        handheld.save(draft, None)?;
        saves.add(start.elapsed());
    }
    for seed in 0..SHOTS {
        let shot = std::fs::read(shot(folder, seed)).context("reading what the camera gave")?;
        let start = Instant::now();
        handheld.take_in(&shot, None, None)?;
        photos.add(start.elapsed());
    }
    let both = |times: &Times| [times.p50(), times.p99()];
    let taken = Taken {
        yardstick: Duration::ZERO,
        open,
        pin,
        list,
        today,
        search: both(&searches),
        save: both(&saves),
        photo: photos.p50(),
        fill: Duration::ZERO,
        filled: 0,
        peak: 0.0,
    };
    Ok((taken, handheld))
}
