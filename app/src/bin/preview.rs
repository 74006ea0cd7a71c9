//! The handheld in a browser: see [`app::preview`].

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    app::preview::serve(app::preview::Args::parse()).await
}
