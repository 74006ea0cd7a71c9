//! What the key of a handheld's database costs: the same handheld with it and without.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use app::handheld::{Filter, Handheld};
use app::platform::Services;
use app::store::go_without_key;
use shared::record::RecordKind;

use super::table::{Line, Times, millis, ratio, seconds};
use crate::centre::Centre;
use crate::story::Story;
use crate::township::Township;

/// How often each is filled; the faster one counts, for the disk is not always the same.
const FILLS: usize = 3;
const SAVES: usize = 300;

struct Taken {
    fill: Duration,
    save: Duration,
    search: Duration,
}

/// Fills, saves and searches, in turns with the key and without.
pub async fn run(dir: &Path, centre: &Centre, township: &Township) -> Result<Vec<Line>> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..FILLS {
        with.push(taken(&dir.join(format!("keyed-{round}")), centre, township).await?);
        go_without_key(true);
        let plain = taken(&dir.join(format!("keyless-{round}")), centre, township).await;
        go_without_key(false);
        without.push(plain?);
    }
    let best = |all: &[Taken], what: fn(&Taken) -> Duration| all.iter().map(what).min().context("nothing was measured");
    let line = |work: &str, what: fn(&Taken) -> Duration, words: fn(Duration) -> String| {
        let (ours, floor) = (best(&with, what)?, best(&without, what)?);
        let (work, goal) = (format!("{work}, encrypted"), "–");
        let floor_words = format!("without a key {}", words(floor));
        anyhow::Ok(Line { work, ours: words(ours), floor: floor_words, ratio: ratio(ours, floor), goal, met: None })
    };
    Ok(vec![
        line("first fill, whole town", |taken| taken.fill, seconds)?,
        line("save one edit, p50", |taken| taken.save, millis)?,
        line("search as typed, p50", |taken| taken.search, millis)?,
    ])
}

async fn taken(folder: &Path, centre: &Centre, township: &Township) -> Result<Taken> {
    let handheld = Handheld::open(folder, Services::files(folder), std::sync::Arc::new(app::system::System))?;
    handheld.enrol(&centre.url(), &centre.code("staff2").await?, crate::near::PIN).await?;
    let start = Instant::now();
    handheld.sync_now().await?;
    let fill = start.elapsed();
    handheld.set_offline(true);
    let (mut saves, mut searches) = (Times::default(), Times::default());
    let grid = township.grids.first().copied().context("a grid")?;
    let who = handheld.create(RecordKind::Person, grid, &[("name", "测量")])?.record;
    for n in 0..SAVES {
        let mut draft = handheld.open_form(who)?;
        draft.writes.insert(shared::path::Path::field("phone"), shared::value::Value::text(&format!("1380000{n:04}")));
        let start = Instant::now();
        handheld.save(draft, None)?;
        saves.add(start.elapsed());
    }
    for query in ["马", "建国", "祥和小区 3 号", "wang", "zhangw", "13800"] {
        for _ in 0..60 {
            let start = Instant::now();
            std::hint::black_box(handheld.search(query, &Filter::default(), 50, 0)?);
            searches.add(start.elapsed());
        }
    }
    Ok(Taken { fill, save: saves.p50(), search: searches.p50() })
}
