//! `sync-server blobs verify --data DIR`.

use std::io::Write as _;

use anyhow::Context as _;
use assets::messages::Messages;

use super::verify::verify;
use crate::config::DataArgs;

/// `blobs …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BlobsCommand {
    /// Looks whether every photo is there and is what was delivered.
    Verify(VerifyArgs),
}

/// `blobs verify`
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// Runs `blobs …`; an error when a photo is missing or damaged.
pub fn command(command: &BlobsCommand) -> anyhow::Result<()> {
    let BlobsCommand::Verify(args) = command;
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let app = crate::commands::open(&args.data)?;
    let seen = verify(&*app.store, &*app.blobs)?;
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| writeln!(out, "{line}").context("cannot write the answer");
    for finding in &seen.found {
        say(finding.text(&words))?;
    }
    let arg = |n: usize| n.to_string().into();
    say(words.with("blobs-seen", &[("n", arg(seen.well)), ("strangers", arg(seen.strangers))]))?;
    let days = arg(usize::try_from(super::orphans::KEPT.num_days()).unwrap_or_default());
    say(words.with("blobs-orphans", &[("n", arg(seen.orphans)), ("days", days)]))?;
    match seen.found.len() {
        0 => Ok(()),
        n => anyhow::bail!(words.with("keep-found", &[("n", arg(n))])),
    }
}
