//! `make bench`: measures the product and the floor beneath it in the same run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tests::township::Size;

/// Measures the product and the floor beneath it in the same run.
#[derive(Debug, Parser)]
struct Options {
    /// A folder on the disk to be measured; what is measured lies in a new folder below it.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Writes the table into this file too.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Uses the handheld in this folder and says what it took: how the bench starts itself again.
    #[arg(long, hide = true)]
    handle: Option<PathBuf>,
    /// Likewise a handheld with a town and a new one: two folders, a server and a code.
    #[arg(long, hide = true, num_args = 4)]
    cheap: Vec<String>,
    /// Takes a batch out of the server's folder and says what it took, likewise.
    #[arg(long, hide = true)]
    take: Option<PathBuf>,
    /// Of that batch.
    #[arg(long, hide = true, default_value = "csv")]
    format: String,
    /// Only these stages, printed and not written down.
    #[arg(long, value_delimiter = ',', conflicts_with = "report")]
    only: Vec<tests::bench::Stage>,
    /// The small township: only to see that everything runs.
    #[arg(long)]
    small: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(folder) = &options.handle {
        return tests::bench::handling::handle(folder);
    }
    if !options.cheap.is_empty() {
        return tests::bench::cheap::handle(&options.cheap).await;
    }
    if let Some(folder) = &options.take {
        return tests::bench::batches::take(folder, &options.format);
    }
    std::fs::create_dir_all(&options.dir)?;
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(&options.dir).context("making a folder")?;
    // About 72,000 records in all, the size that performance.md speaks of.
    let size = if options.small { Size::small() } else { Size { residents: 50_600, ..Size::full() } };
    tests::bench::run(dir.path(), size, &options.only, options.report.as_deref()).await
}
