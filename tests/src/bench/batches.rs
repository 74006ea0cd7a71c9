//! What staff take out of the whole town, each batch in a process of its own so that its memory can be told.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sync_server::AppState;
use sync_server::batch::{self, Format, Pull, Pulled, Since};

use super::handling::memory;
use super::table::{Line, ratio, seconds};
use super::{Rows, floor};

/// What the process that was measured says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    took: Duration,
    records: u64,
    bytes: u64,
    /// Resident before it began, and the most there was, in MB.
    before: f64,
    peak: f64,
}

/// A batch of everything in each format, and beside it the raw states as CSV.
pub fn run(dir: &Path, data: &Path, rows: &Rows) -> Result<Vec<Line>> {
    let floor = floor::csv(dir, rows)?;
    let goals = [
        (Format::Csv, "≤ 1 s for 72,000", Some(1.0)),
        (Format::Xlsx, "≤ 6 s for 72,000, memory flat", Some(6.0)),
        (Format::Ndjson, "–", None),
        (Format::GeoJson, "–", None),
    ];
    let line = |(format, goal, most): (Format, &'static str, Option<f64>)| {
        let output = std::process::Command::new(std::env::current_exe()?)
            .arg("--take")
            .arg(data)
            .args(["--format", format.code()])
            .output()
            .context("starting the batch that is measured")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Taken = serde_json::from_slice(&output.stdout).context("what it measured")?;
        Ok(Line {
            work: format!("batch of {} records, {}, sealed and synced", said.records, format.code()),
            ours: format!(
                "{}, {:.1} MB; memory {:.0} MB before, at most {:.0} MB",
                seconds(said.took),
                said.bytes as f64 / 1e6,
                said.before,
                said.peak
            ),
            floor: format!("CSV of the raw states: {}", seconds(floor)),
            ratio: ratio(said.took, floor),
            goal,
            met: most.map(|most| said.took.as_secs_f64() <= most),
        })
    };
    goals.into_iter().map(line).collect()
}

/// The process that is measured: takes everything of the town whose server's folder this is, and prints what it took.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub fn take(data: &Path, format: &str) -> Result<()> {
    let app = AppState::open(data, Arc::new(sync_server::system::System))?;
    let user = app.store.user_by_login("staff")?.context("the staff")?;
    let pull = Pull {
        user: &user,
        areas: vec![user.town],
        since: Since::All,
        formats: vec![Format::from_code(format).context("a format")?],
        unmasked: false,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: assets::messages::Lang::Zh,
    };
    let before = memory("VmRSS")?;
    let start = Instant::now();
    let pulled = batch::pull(&*app.store, &*app.outside, data, &*app.blobs, &app.forms, &pull)?;
    let took = start.elapsed();
    let Pulled::Sealed(sealed) = pulled else { bail!("an empty batch") };
    let (records, bytes) = (sealed.manifest.records(), sealed.manifest.bytes());
    println!("{}", serde_json::to_string(&Taken { took, records, bytes, before, peak: memory("VmHWM")? })?);
    Ok(())
}
