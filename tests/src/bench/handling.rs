//! A handheld with the whole town in somebody's hands: how soon its lists stand, what memory it takes, and whether that grows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use app::handheld::{EventFilter, Filter, Handheld};
use app::platform::Services;
use serde::{Deserialize, Serialize};
use shared::record::RecordKind;
use tokio::process::Command;

use super::table::{Line, millis};
use crate::near::let_in;
use crate::story::Story;

/// What somebody does in ten minutes is some hundred presses; this many times that.
const ROUNDS: usize = 1_500;
/// After so many rounds everything that is kept for good is there.
const WARM: usize = 150;
/// Memory that is taken more after the rest of the rounds than this is a leak, in MB.
const GROWN: f64 = 8.0;

/// What the process that was measured says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handled {
    open: Duration,
    first_list: Duration,
    warm_list: Duration,
    today: Duration,
    /// The most memory there was, in MB.
    peak: f64,
    /// Resident when warm and at the end, in MB.
    warm: f64,
    end: f64,
}

/// Measures in a process of its own, so that nothing else is counted.
pub async fn run(dir: &Path) -> Result<Vec<Line>> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--handle")
        .arg(dir.join("fill-staff"))
        .output()
        .await
        .context("starting the handheld that is measured")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Handled = serde_json::from_slice(&output.stdout).context("what it measured")?;
    let line = |work: &str, ours: String, goal: &'static str, met: Option<bool>| Line {
        work: work.into(),
        ours,
        floor: "–".into(),
        ratio: None,
        goal,
        met,
    };
    Ok(vec![
        line(
            "whole town on the handheld: opened, first screen of a list, 今日",
            format!(
                "{}, {} (warm {}), {}",
                millis(said.open),
                millis(said.first_list),
                millis(said.warm_list),
                millis(said.today)
            ),
            "a list's first screen ≤ 100 ms",
            Some(said.first_list <= Duration::from_millis(100)),
        ),
        line(
            "memory of the same, scrolled, searched, opened, saved",
            format!("at most {:.0} MB", said.peak),
            "≤ 120 MB without the web view",
            Some(said.peak <= 120.0),
        ),
        line(
            &format!("memory after {WARM} and after {ROUNDS} rounds of use"),
            format!("{:.1} MB, {:.1} MB", said.warm, said.end),
            "does not grow",
            Some(said.end - said.warm <= GROWN),
        ),
    ])
}

/// The process that is measured: uses the handheld in `folder` and prints what it took.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub fn handle(folder: &Path) -> Result<()> {
    let start = Instant::now();
    let handheld = Handheld::open(folder, Services::files(folder), std::sync::Arc::new(app::system::System))?;
    let_in(&handheld)?;
    handheld.set_offline(true);
    let open = start.elapsed();
    let list = || -> Result<Duration> {
        let start = Instant::now();
        let filter = Filter { kind: Some(RecordKind::Person), ..Filter::default() };
        ensure!(handheld.search("", &filter, 50, 0)?.hits.len() == 50, "a list of all people is empty");
        Ok(start.elapsed())
    };
    let first_list = list()?;
    let warm_list = list()?;
    let start = Instant::now();
    handheld.today()?;
    let today = start.elapsed();
    let (mut warm, names) = (0.0, ["w", "wang", "王", "祥和", "1380", "石井村一组"]);
    for round in 0..ROUNDS {
        use_once(&handheld, round, names)?;
        if round == WARM {
            warm = memory("VmRSS")?;
        }
    }
    let said = Handled { open, first_list, warm_list, today, peak: memory("VmHWM")?, warm, end: memory("VmRSS")? };
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

/// A search, a scroll through it, a record opened, 今日 and 事件 looked at, a draft kept; now and then something saved.
fn use_once(handheld: &Handheld, round: usize, names: [&str; 6]) -> Result<()> {
    let name = names.get(round % names.len()).copied().unwrap_or_default();
    let page = |at: usize| handheld.search(name, &Filter::default(), 50, at * 50);
    let found = page(round % 5)?;
    let Some(hit) = found.hits.get(round % found.hits.len().max(1)) else { return Ok(()) };
    handheld.record(hit.id)?;
    handheld.events(EventFilter::MyArea, 50, 0)?;
    handheld.save_draft("measured", &format!("{{\"typed\": {round}}}"))?;
    if round.is_multiple_of(10) {
        handheld.today()?;
    }
    if round.is_multiple_of(25) && hit.kind == RecordKind::Person {
        handheld.change(hit.id, &[("note", &format!("第 {round} 次"))])?;
    }
    Ok(())
}

/// A figure of this process, in MB.
pub(super) fn memory(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading the memory of this process")?;
    let line = status.lines().find(|line| line.starts_with(name)).context("the kernel does not say it")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("a figure")?.parse()?;
    Ok(kilobytes / 1024.0)
}
