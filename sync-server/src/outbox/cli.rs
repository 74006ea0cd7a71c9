//! `outbox import`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use assets::messages::Messages;

use super::import;
use crate::config::DataArgs;

/// `outbox …`
#[derive(Debug, clap::Subcommand)]
pub enum OutboxCommand {
    /// Takes what a handheld could not send any more from the file it wrote. Taking it again changes nothing.
    Import {
        /// Where the data are.
        #[command(flatten)]
        data: DataArgs,
        /// The file.
        file: PathBuf,
        /// `zh-CN` or `en`.
        #[arg(long, env = "LANG")]
        lang: Option<String>,
    },
}

/// Runs `outbox`.
pub fn command(command: &OutboxCommand) -> anyhow::Result<()> {
    let OutboxCommand::Import { data, file, lang } = command;
    let words = Messages::of(crate::import::lang(lang.as_deref()));
    let app = crate::commands::open(data)?;
    let done = import(&app, file, None).map_err(|error| {
        let sentence = words.text(error.key());
        anyhow::Error::new(error).context(sentence)
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", done.sentence(&words)).and_then(|()| out.flush()).context("cannot write the answer")
}
