//! `make bench`: the product and the floor beneath it, measured in the same run (see the README for how to read it).

mod apply;
pub mod batches;
pub mod cheap;
mod county;
mod crowd;
mod fill;
mod floor;
pub mod handling;
mod local;
pub mod pages;
mod price;
mod rounds;
mod table;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::centre::{Centre, day};
use crate::load::Place;
use crate::story::Kept;
use crate::township::{Size, Township, fill as township_fill};
pub use table::Times;
use table::seconds;

/// Rows as `(id, state)`, for the floors.
type Rows = Vec<(String, String)>;

/// What is measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// First fills.
    Fill,
    /// Rounds of one edit and of none.
    Rounds,
    /// Saves, searches and photos on the handheld.
    Local,
    /// The handheld in somebody's hands; uses what the first fill made.
    Handling,
    /// The handheld with an eighth of a processor and half a gigabyte.
    Cheap,
    /// What the key of the handheld's database costs.
    Price,
    /// The console's pages.
    Pages,
    /// Merges.
    Apply,
    /// Batches.
    Batches,
    /// All handhelds of a town at once, on either store.
    Crowd,
    /// The same rounds beside a hundred towns (TOWNS=…): only when it is asked for, it takes a quarter of an hour and 20 GB.
    County,
    /// The same with the records in PostgreSQL (30 GB).
    CountyPostgres,
}

/// Measures below a folder on a real disk, everything or only some stages, and writes the table into `report` if one is given.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn run(dir: &Path, size: Size, only: &[Stage], report: Option<&Path>) -> Result<()> {
    let wanted = |stage| only.is_empty() || only.contains(&stage);
    if only == [Stage::Pages] {
        // It has a township of its own.
        println!("{}", table::table(&pages::run(dir, size == Size::small()).await?));
        return Ok(());
    }
    let data = dir.join("server");
    println!("machine: {} cores, {} build", cores(), if cfg!(debug_assertions) { "DEBUG" } else { "release" });
    let start = Instant::now();
    let folder = data.clone();
    let (township, filled) = tokio::task::spawn_blocking(move || {
        let township = Township::new(7, day(), size)?;
        let (_, filled) = township_fill::fill(&township, &folder, Arc::new(sync_server::system::System))?;
        anyhow::Ok((township, filled))
    })
    .await??;
    println!(
        "township: {} records, {} edits, made and accepted in {}",
        filled.records,
        filled.edits,
        seconds(start.elapsed())
    );
    let centre = Centre::open(&data).await?;
    let rows: Rows = {
        let kept = Kept::open(&data, township.town)?;
        let all: Vec<_> = township.areas.iter().map(|area| area.id).collect();
        kept.open_parts(&all)?.into_iter().map(|(id, state)| (id.to_string(), state)).collect()
    };
    let bytes: usize = rows.iter().map(|(_, state)| state.len()).sum();
    let open = rows.len();
    println!("open parts: {open}, {} B of JSON each", bytes / open.max(1));

    let mut lines = Vec::new();
    if wanted(Stage::Fill) {
        println!("first fills …");
        lines.extend(fill::run(dir, &centre, &rows).await.context("first fill")?);
    }
    if wanted(Stage::Rounds) {
        println!("rounds …");
        lines.extend(rounds::run(dir, &centre, &township).await.context("rounds")?);
    }
    if wanted(Stage::Local) {
        println!("saves, searches, photos …");
        lines.extend(local::run(dir, &centre, &rows).await.context("on the handheld")?);
    }
    if wanted(Stage::Handling) {
        println!("in somebody's hands …");
        lines.extend(handling::run(dir).await.context("in somebody's hands")?);
    }
    if wanted(Stage::Cheap) {
        println!("a cheap handheld …");
        lines.extend(cheap::run(dir, &centre).await.context("a cheap handheld")?);
    }
    if wanted(Stage::Price) {
        println!("what the key costs …");
        lines.extend(price::run(dir, &centre, &township).await.context("what the key costs")?);
    }
    drop(centre);
    if only.contains(&Stage::County) {
        println!("a county …");
        lines.extend(county::run(dir, &data, &township, None).await.context("a county")?);
    }
    if only.contains(&Stage::CountyPostgres) {
        println!("a county in PostgreSQL …");
        let place = Place::make(dir, size, true, 0).await?;
        let measured = county::run(dir, &place.data, &place.township, place.cluster.as_ref()).await;
        lines.extend(measured.context("a county in PostgreSQL")?);
    }
    if wanted(Stage::Crowd) {
        println!("all at once …");
        let handhelds = if size == Size::small() { 40 } else { 820 };
        lines.extend(crowd::run(dir, size, handhelds).await.context("all at once")?);
    }
    if wanted(Stage::Pages) {
        println!("the console's pages …");
        lines.extend(pages::run(dir, size == Size::small()).await.context("pages")?);
    }
    println!("merges, batches …");
    let scratch = dir.to_owned();
    let (merges, batches) = (wanted(Stage::Apply), wanted(Stage::Batches));
    let merged = move || {
        let mut lines = Vec::new();
        if merges {
            lines.extend(apply::run(&scratch, &data, &township)?);
        }
        if batches {
            lines.extend(batches::run(&scratch, &data, &rows).context("batches")?);
        }
        anyhow::Ok(lines)
    };
    lines.extend(tokio::task::spawn_blocking(merged).await??);
    let table = table::table(&lines);
    println!("\n{table}");
    if let Some(report) = report {
        let text = format!(
            "# Measured\n\n\
             Written by `make bench`; what is said here is what that run measured. {} records ({} B of JSON an open \
             part) on {} cores, loopback, every benchmark that touches the disk durable at its end. Absolute figures \
             depend on the machine and on what else runs there; the ratio to the floor of the same run says more.\n\n\
             {table}",
            filled.records,
            bytes / open.max(1),
            cores()
        );
        std::fs::write(report, text).with_context(|| format!("writing {}", report.display()))?;
    }
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
