//! Merged data for the centre, sealed and pulled.

/// `batch …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BatchCommand {}

/// Runs `batch …`.
pub fn command(command: BatchCommand) -> anyhow::Result<()> {
    match command {}
}
