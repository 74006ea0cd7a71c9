//! What a handheld does by itself: a save, a search, a photo.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use app::handheld::{Filter, Handheld};
use shared::record::RecordKind;

use super::table::{Line, Times, millis, ratio};
use super::{Rows, floor};
use crate::centre::Centre;
use crate::picture::{Camera, scene};
use crate::story::Story;

/// Saves, searches and photos on the handheld that holds the whole town.
pub async fn run(dir: &Path, centre: &Centre, rows: &Rows) -> Result<Vec<Line>> {
    // Filled in the first measurement.
    let handheld = centre.handheld(&dir.join("fill-staff"), "staff").await?;
    handheld.set_offline(true);
    let mut lines = vec![save(dir, &handheld)?];
    lines.extend(search(dir, &handheld, rows)?);
    lines.extend(photo(&handheld)?);
    Ok(lines)
}

/// From door to door: each save is of another person, as in use. (What waits to be sent of one record is put together anew
/// with each of its saves: hundreds of edits of one person before a sync cost more, and nobody makes them.)
fn save(dir: &Path, handheld: &Handheld) -> Result<Line> {
    let people = handheld.search("", &Filter { kind: Some(RecordKind::Person), ..Filter::default() }, 400, 0)?;
    let (mut taken, mut bare) = (Times::default(), Times::default());
    for (n, who) in people.hits.iter().enumerate() {
        let mut draft = handheld.open_form(who.id)?;
        let phone = format!("1380000{n:04}");
        draft.writes.insert(shared::path::Path::field("phone"), shared::value::Value::text(&phone));
        let start = Instant::now();
        handheld.save(draft, None)?;
        taken.add(start.elapsed());
        // Beside it, so that a slow moment of the disk meets both.
        bare.add(floor::fdatasync(dir, 1)?.p50());
    }
    Ok(Line {
        work: format!("save one edit on the handheld, of {} people", people.hits.len()),
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
            // Of fewer the 99th percentile would be the worst one, whatever else the machine did then.
            for _ in 0..400 {
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

fn photo(handheld: &Handheld) -> Result<Vec<Line>> {
    let camera = Camera { orientation: 6, gps: Some((37.62, 104.58)) };
    let (mut ours, mut kept, mut floor) = (Times::default(), Times::default(), Times::default());
    let (mut like_ours, mut like_theirs): (f64, f64) = (1.0, 1.0);
    for seed in 0..9 {
        let taken = scene(4_000, 3_000, Some(camera), seed)?;
        let start = Instant::now();
        let photo = app::photo::take_in(&taken, "")?;
        ours.add(start.elapsed());
        let start = Instant::now();
        handheld.take_in(&taken, None, None)?;
        kept.add(start.elapsed());
        let (took, theirs, lossless) = floor::photo(&taken)?;
        floor.add(took);
        let upright = lossless.rotate90();
        like_ours = like_ours.min(likeness(&photo.jpeg, &upright)?);
        like_theirs = like_theirs.min(likeness(&theirs, &lossless)?);
    }
    let theirs = format!("`image`, Lanczos3: {}", millis(floor.p50()));
    Ok(vec![
        Line {
            work: "12-megapixel photo → 1,600 px, thumbnail, hash; one thread".into(),
            ours: millis(ours.p50()),
            floor: theirs.clone(),
            ratio: ratio(ours.p50(), floor.p50()),
            goal: "≤ 140 ms",
            met: Some(ours.p50().as_secs_f64() <= 0.14),
        },
        Line {
            work: "the same, encrypted and kept with what the camera gave".into(),
            ours: millis(kept.p50()),
            floor: theirs,
            ratio: ratio(kept.p50(), floor.p50()),
            goal: "–",
            met: None,
        },
        Line {
            work: "its likeness (SSIM of luma) to the picture shrunk with Lanczos3 and not packed, worst of 9".into(),
            ours: format!("{like_ours:.4}"),
            floor: format!("`image`, Lanczos3, quality 80: {like_theirs:.4}"),
            ratio: None,
            goal: "not worse",
            met: Some(like_ours >= like_theirs - 0.0005),
        },
    ])
}

/// SSIM (Wang et al. 2004) of the brightness of a JPEG and of a picture of the same size.
fn likeness(jpeg: &[u8], of: &image::DynamicImage) -> Result<f64> {
    let jpeg = image::load_from_memory(jpeg).context("reading what was made")?.to_luma8();
    let like = image_compare::gray_similarity_structure(&image_compare::Algorithm::MSSIMSimple, &jpeg, &of.to_luma8());
    Ok(like.context("comparing pictures")?.score)
}
