//! All handhelds of a town at once, on either store.

use std::path::Path;

use anyhow::Result;

use super::floor;
use super::table::{Line, ratio, seconds};
use crate::load::{Load, Place};
use crate::township::Size;

/// As many edits one after the other, each in a request that is made durable: what their bytes alone take.
const EDITS: usize = 20;

/// The return of `handhelds` on SQLite and on PostgreSQL.
pub async fn run(dir: &Path, size: Size, handhelds: usize) -> Result<Vec<Line>> {
    // Another stage may have been faster.
    rustls::crypto::ring::default_provider().install_default().ok();
    let dir = &dir.join("crowd");
    std::fs::create_dir_all(dir)?;
    let floor = floor::synced_post(dir, handhelds, EDITS * 300).await?;
    let floor_all = floor.p50() * u32::try_from(handhelds)?;
    let mut lines = Vec::new();
    for (postgres, store) in [(false, "SQLite"), (true, "PostgreSQL")] {
        let load = Load { handhelds, up: EDITS, down: 500, rounds: 1, spread: 0, postgres, processes: 1 };
        let place = Place::make(dir, size, postgres, load.processes).await?;
        let borne = place.bear(&load).await?;
        lines.push(Line {
            work: format!("{handhelds} handhelds return at once, {store}"),
            ours: borne.words(),
            floor: format!("{handhelds} fsynced POSTs of {EDITS} edits: {}", seconds(floor_all)),
            ratio: ratio(borne.all, floor_all),
            goal: "all ≤ 3 s, p99 ≤ 3 s, none refused for good, ≤ 300 MB",
            met: Some(
                borne.all.as_secs_f64() <= 3.0 && borne.returns.p99().as_secs_f64() <= 3.0 && borne.memory <= 300.0,
            ),
        });
    }
    Ok(lines)
}
