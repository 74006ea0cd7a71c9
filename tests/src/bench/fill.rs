//! The first fill of an empty handheld: one grid, and the whole town.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use app::handheld::{Filter, Handheld};
use app::platform::Services;

use super::table::{Line, millis, ratio, seconds};
use super::wire::Wire;
use super::{Rows, floor};
use crate::centre::Centre;

struct Filled {
    time: Duration,
    up: usize,
    down: usize,
    records: u64,
}

async fn fill(dir: &Path, centre: &Centre, login: &str) -> Result<Filled> {
    let folder = dir.join(format!("fill-{login}"));
    let wire = Wire::to(&centre.url()).await?;
    let handheld = Handheld::open(&folder, Services::files(&folder), std::sync::Arc::new(app::system::System))?;
    handheld.enrol(&wire.url, &centre.code(login).await?, crate::near::PIN).await?;
    wire.bytes();
    let start = Instant::now();
    handheld.sync_now().await?;
    // Filled means ready to search.
    let found = handheld.search("wang", &Filter::default(), 50, 0)?;
    let time = start.elapsed();
    ensure!(!found.hits.is_empty(), "nothing is found after the fill");
    let (up, down) = wire.bytes();
    Ok(Filled { time, up, down, records: handheld.today()?.counts.values().sum() })
}

/// Both fills, beside the raw transfer and insert of as many rows.
pub async fn run(dir: &Path, centre: &Centre, rows: &Rows) -> Result<Vec<Line>> {
    // The first one also makes the server warm its pages, as the first handheld of the morning does.
    let grid = fill(dir, centre, "member1a").await?;
    let cold = fill(dir, centre, "staff2").await?;
    let town = fill(dir, centre, "staff").await?;
    let insert = floor::insert(dir, rows)?;
    let (transfer, bytes) = floor::transfer(dir, rows).await?;
    let per = |filled: &Filled| format!("{} up, {:.2} MB down", filled.up, filled.down as f64 / 1e6);
    let small = usize::try_from(grid.records)?;
    let folder = dir.join("grid-floor");
    std::fs::create_dir_all(&folder)?;
    let (grid_floor, _) = floor::transfer(&folder, rows.get(..small).unwrap_or(rows)).await?;
    Ok(vec![
        Line {
            work: format!("first fill, one grid: {} records", grid.records),
            ours: format!("{}; {}", millis(grid.time), per(&grid)),
            floor: format!("transfer + insert {}", millis(grid_floor)),
            ratio: ratio(grid.time, grid_floor),
            goal: "–",
            met: None,
        },
        Line {
            work: format!("first fill, whole town, first reader: {} records", cold.records),
            ours: format!("{}; {}", seconds(cold.time), per(&cold)),
            floor: format!("transfer + insert {}", seconds(transfer)),
            ratio: ratio(cold.time, transfer),
            goal: "≤ 1.5 s and ≤ 3 × for 72,000",
            met: Some(cold.time.as_secs_f64() <= 1.5 && ratio(cold.time, transfer).is_some_and(|r| r <= 3.0)),
        },
        Line {
            work: format!("first fill, whole town, cleared reader: {} records", town.records),
            ours: format!("{}; {}", seconds(town.time), per(&town)),
            floor: format!(
                "insert {}; transfer + insert {}, {:.2} MB",
                seconds(insert),
                seconds(transfer),
                bytes as f64 / 1e6
            ),
            ratio: ratio(town.time, transfer),
            goal: "≤ 1.5 s, ≤ 3 ×, ≤ 7 MB for 72,000",
            met: Some(
                town.time.as_secs_f64() <= 1.5
                    && ratio(town.time, transfer).is_some_and(|r| r <= 3.0)
                    && town.down <= 7_000_000,
            ),
        },
    ])
}
