//! What a handheld does by itself: a save, a search, a photo.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use app::handheld::{Filter, Handheld};
use shared::record::RecordKind;

use super::table::{Line, Times, millis, ratio};
use super::{Rows, floor};
use crate::centre::Centre;
use crate::picture::{Camera, jpeg};
use crate::story::Story;
use crate::township::Township;

/// Saves, searches and photos on the handheld that holds the whole town.
pub async fn run(dir: &Path, centre: &Centre, township: &Township, rows: &Rows) -> Result<Vec<Line>> {
    // Filled in the first measurement.
    let handheld = centre.handheld(&dir.join("fill-staff"), "staff").await?;
    handheld.set_offline(true);
    let mut lines = vec![save(dir, &handheld, township)?];
    lines.extend(search(dir, &handheld, rows)?);
    lines.push(photo(&handheld)?);
    Ok(lines)
}

fn save(dir: &Path, handheld: &Handheld, township: &Township) -> Result<Line> {
    let grid = township.grids.first().copied().context("a grid")?;
    let who = handheld.create(RecordKind::Person, grid, &[("name", "测量")])?.record;
    let (mut taken, mut bare) = (Times::default(), Times::default());
    for n in 0..400 {
        let mut draft = handheld.open_form(who)?;
        let phone = format!("1380000{n:04}");
        draft.writes.insert(shared::path::Path::field("phone"), shared::value::Value::text(&phone));
        let start = Instant::now();
        handheld.save(draft, None)?;
        taken.add(start.elapsed());
        // Beside it, so that a slow moment of the disk meets both.
        bare.add(floor::fdatasync(dir, 1)?.p50());
    }
    Ok(Line {
        work: "save one edit on the handheld".into(),
        ours: taken.words(),
        floor: format!("fdatasync: {}", bare.words()),
        ratio: ratio(taken.p99(), bare.p99()),
        goal: "p99 ≤ 3 × fdatasync",
        met: ratio(taken.p99(), bare.p99()).map(|r| r <= 3.0),
    })
}

fn search(dir: &Path, handheld: &Handheld, rows: &Rows) -> Result<Vec<Line>> {
    let texts = ["马", "建国", "王秀英", "祥和小区", "祥和小区 3", "祥和小区 3 号", "石井村一组 2", "祥和小区 3 号楼"];
    let pinyin = ["w", "wx", "wxy", "zhan", "zhang", "zhangw", "wangxiu", "wangxiuy"];
    let phones = ["1", "13", "138", "1380", "13800", "138000", "1380000", "13800001"];
    let words: Vec<String> = rows.iter().map(|(_, state)| state.clone()).collect();
    let like = floor::like(dir, &words, &texts.map(str::to_owned))?;
    let mut lines = Vec::new();
    for (what, queries) in [("characters", texts), ("pinyin, initials", pinyin), ("phone", phones)] {
        let mut by_length = Vec::new();
        let mut worst = Duration::ZERO;
        for query in queries {
            let mut taken = Times::default();
            for _ in 0..60 {
                let start = Instant::now();
                std::hint::black_box(handheld.search(query, &Filter::default(), 50, 0)?);
                taken.add(start.elapsed());
            }
            worst = worst.max(taken.p99());
            by_length.push(format!("{:.1}", taken.p99().as_secs_f64() * 1e3));
        }
        lines.push(Line {
            work: format!("search as typed, {what}, 1 to 8 keys"),
            ours: format!("p99 {} ms", by_length.join(" / ")),
            floor: format!("LIKE: p50 {}", millis(like.p50())),
            ratio: ratio(worst, like.p50()),
            goal: "p99 ≤ 3 ms at any length",
            met: Some(worst.as_secs_f64() <= 3e-3),
        });
    }
    Ok(lines)
}

fn photo(handheld: &Handheld) -> Result<Line> {
    let camera = Camera { orientation: 6, gps: Some((37.62, 104.58)) };
    let mut ours = Times::default();
    let mut floor = Times::default();
    for seed in 0..5 {
        let taken = jpeg(4_000, 3_000, Some(camera), seed)?;
        let start = Instant::now();
        handheld.take_in(&taken, None, None)?;
        ours.add(start.elapsed());
        floor.add(floor::photo(&taken)?);
    }
    Ok(Line {
        work: "12-megapixel photo → 1,600 px, thumbnail, hash, encrypted and kept".into(),
        ours: millis(ours.p50()),
        floor: format!("`image`, Lanczos3: {}", millis(floor.p50())),
        ratio: ratio(ours.p50(), floor.p50()),
        goal: "≤ 140 ms",
        met: Some(ours.p50().as_secs_f64() <= 0.14),
    })
}
