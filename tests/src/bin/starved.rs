//! The handheld in a browser on a disk that is full as long as the file named by `FULL_WHILE` is there: the preview
//! itself, with SQLite and our file layer refusing what needs room.

use anyhow::{Context, Result};
use clap::Parser;

#[tokio::main]
async fn main() -> Result<()> {
    let args = app::preview::Args::parse();
    let switch = std::env::var_os("FULL_WHILE").context("FULL_WHILE names a file")?;
    disk::create_dir_all(&args.data).context("making the folder")?;
    let watch = tests::faults::watch(&args.data).context("watching the folder")?;
    watch.flush(true);
    watch.full_while(Some(switch.into()));
    app::preview::serve(args).await
}
