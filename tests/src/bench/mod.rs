//! `make bench`: the product and the floor beneath it, measured in the same run (see the README for how to read it).

mod apply;
pub mod batches;
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
use crate::story::Kept;
use crate::township::{Size, Township, fill as township_fill};
use table::seconds;

/// Rows as `(id, state)`, for the floors.
type Rows = Vec<(String, String)>;

/// Only the pages of the console, printed.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn only_pages(dir: &Path, small: bool) -> Result<()> {
    let lines = pages::run(dir, small).await?;
    println!("{}", table::table(&lines));
    Ok(())
}

/// Measures everything below a folder on a real disk, and writes the table into `report` if one is given.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn run(dir: &Path, size: Size, report: Option<&Path>) -> Result<()> {
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
    println!("first fills …");
    lines.extend(fill::run(dir, &centre, &rows).await.context("first fill")?);
    println!("rounds …");
    lines.extend(rounds::run(dir, &centre, &township).await.context("rounds")?);
    println!("saves, searches, photos …");
    lines.extend(local::run(dir, &centre, &rows).await.context("on the handheld")?);
    println!("in somebody's hands …");
    lines.extend(handling::run(dir).await.context("in somebody's hands")?);
    println!("what the key costs …");
    lines.extend(price::run(dir, &centre, &township).await.context("what the key costs")?);
    drop(centre);
    println!("the console's pages …");
    lines.extend(pages::run(dir, size == Size::small()).await.context("pages")?);
    println!("merges, batches …");
    let scratch = dir.to_owned();
    let merged = move || {
        let mut lines = apply::run(&scratch, &data, &township)?;
        lines.extend(batches::run(&scratch, &data, &rows).context("batches")?);
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
