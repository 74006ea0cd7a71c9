//! `make load`: many handhelds at one centre, and what it took.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tests::load::{Load, Place};
use tests::township::Size;

/// Lets many handhelds come to one centre, over real HTTP, and says what it took.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    load: Load,
    /// A folder on the disk to be measured; all of it lies in a new folder below it.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// The small township: only to see that everything runs.
    #[arg(long)]
    small: bool,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
async fn main() -> Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.dir)?;
    let dir = tempfile::Builder::new().prefix("load-").tempdir_in(&options.dir).context("making a folder")?;
    let size = if options.small { Size::small() } else { Size { residents: 50_600, ..Size::full() } };
    let place = Place::make(dir.path(), size, options.load.postgres, options.load.processes).await?;
    let borne = place.bear(&options.load).await?;
    println!("{} handhelds: {}", options.load.handhelds, borne.words());
    Ok(())
}
