//! Rounds on a warm connection: with one edit, and idle.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use app::handheld::Handheld;
use app::platform::Services;
use shared::ids::RecordId;
use shared::record::RecordKind;

use super::floor;
use super::table::{Line, Times, millis, ratio};
use super::wire::Wire;
use crate::centre::Centre;
use crate::story::Story;
use crate::township::Township;

const TIMES: usize = 300;

/// How long both kinds of rounds took.
pub struct Rounds {
    /// With one edited field.
    pub one: Times,
    /// With nothing.
    pub idle: Times,
}

/// Rounds of one handheld with one edit, and with none.
pub async fn both(dir: &Path, centre: &Centre, township: &Township) -> Result<Rounds> {
    let handheld = centre.handheld(&dir.join("rounds"), "member2a").await?;
    handheld.sync_now().await?;
    let grid = township.grids.get(1).copied().context("a second grid")?;
    let who = handheld.create(RecordKind::Person, grid, &[("name", "测量")])?.record;
    handheld.sync_now().await?;
    let mut one = Times::default();
    for n in 0..TIMES {
        edit(&handheld, who, n)?;
        let start = Instant::now();
        handheld.sync_now().await?;
        one.add(start.elapsed());
    }
    let mut idle = Times::default();
    for _ in 0..TIMES {
        let start = Instant::now();
        handheld.sync_now().await?;
        idle.add(start.elapsed());
    }
    Ok(Rounds { one, idle })
}

/// Latencies without, bytes with the counting line between.
pub async fn run(dir: &Path, centre: &Centre, township: &Township) -> Result<Vec<Line>> {
    let Rounds { one, idle } = both(dir, centre, township).await?;
    let wire = Wire::to(&centre.url()).await?;
    // A handheld of its own: one stays with the address it was enrolled at.
    let folder = dir.join("rounds-counted");
    let handheld = Handheld::open(&folder, Services::files(&folder), std::sync::Arc::new(app::system::System))?;
    handheld.enrol(&wire.url, &centre.code("member2b").await?, crate::near::PIN).await?;
    handheld.sync_now().await?;
    let grid = township.grids.get(1).copied().context("a second grid")?;
    let who = handheld.create(RecordKind::Person, grid, &[("name", "测量")])?.record;
    handheld.sync_now().await?;
    for n in 0..3 {
        edit(&handheld, who, n)?;
        handheld.sync_now().await?;
    }
    let (mut one_bytes, mut idle_bytes) = ((0, 0), (0, 0));
    for n in 0..10 {
        wire.bytes();
        edit(&handheld, who, n)?;
        handheld.sync_now().await?;
        one_bytes = wire.bytes();
        handheld.sync_now().await?;
        idle_bytes = wire.bytes();
    }

    let synced = floor::synced_post(dir, TIMES, 290).await?;
    let bare = floor::bare_post(TIMES).await?;
    let both = |(up, down): (usize, usize)| format!("{up} + {down} = {} B", up + down);
    Ok(vec![
        Line {
            work: "sync of one edited field".into(),
            ours: format!("{}; {}", one.words(), both(one_bytes)),
            floor: format!("one fsynced POST: {}", synced.words()),
            ratio: ratio(one.p50(), synced.p50()),
            goal: "1 request, ≤ 600 B, p50 ≤ 1.5 ms, p99 ≤ 4 ms",
            met: Some(
                one_bytes.0 + one_bytes.1 <= 600
                    && one.p50().as_secs_f64() <= 1.5e-3
                    && one.p99().as_secs_f64() <= 4e-3,
            ),
        },
        Line {
            work: "idle sync".into(),
            ours: format!("{}; {}", idle.words(), both(idle_bytes)),
            floor: format!("bare POST: {}", millis(bare.p50())),
            ratio: ratio(idle.p50(), bare.p50()),
            goal: "1 request, ≤ 350 B, ≤ 0.6 ms",
            met: Some(idle_bytes.0 + idle_bytes.1 <= 350 && idle.p50().as_secs_f64() <= 0.6e-3),
        },
    ])
}

fn edit(handheld: &Handheld, who: RecordId, n: usize) -> Result<()> {
    handheld.change(who, &[("phone", &format!("1380000{:04}", n % 10_000))])?;
    Ok(())
}
