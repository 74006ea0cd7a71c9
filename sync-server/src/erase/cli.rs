//! `sync-server erase --data DIR --record ID --reason request`.

use std::io::Write as _;

use anyhow::Context as _;
use assets::messages::Messages;
use shared::ids::RecordId;

use super::{Reason, erase};
use crate::config::DataArgs;

/// `erase`
#[derive(Debug, Clone, clap::Args)]
pub struct EraseArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// The record, with all that were merged into it. It cannot be undone.
    #[arg(long)]
    pub record: RecordId,
    /// `request` (the person asked for it), `mistake` (it should not have been recorded), `expired` (its time is over).
    #[arg(long, value_parser = reason)]
    pub reason: Reason,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

fn reason(code: &str) -> Result<Reason, String> {
    Reason::from_code(code).ok_or_else(|| "a reason is request, mistake or expired".to_owned())
}

/// Runs `erase`.
pub fn command(args: &EraseArgs) -> anyhow::Result<()> {
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let app = crate::commands::open(&args.data)?;
    let done = erase(&app, None, args.record, args.reason).with_context(|| words.text("erase-error"))?;
    let mut lines = vec![words.with(
        "erase-done",
        &[
            ("records", done.records.len().to_string().into()),
            ("photos", done.photos.to_string().into()),
            ("batches", done.batches.len().to_string().into()),
        ],
    )];
    lines.push(words.text("erase-backups"));
    if !done.swept {
        lines.push(words.text("erase-not-swept"));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush()).context("cannot write the answer")
}
