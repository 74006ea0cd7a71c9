//! `sync-server audit verify --data DIR`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use assets::messages::Messages;

use super::{Checked, check, time};
use crate::backup::Manifest;
use crate::config::DataArgs;
use crate::store::AuditMark;

/// `audit …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum AuditCommand {
    /// Looks whether every entry stands where it was written, as it was written.
    Verify(VerifyArgs),
}

/// `audit verify`
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// A head that an earlier run printed and somebody wrote down: it must still be there. Several times for several.
    #[arg(long = "head")]
    pub heads: Vec<AuditMark>,
    /// A folder of a backup: the heads noted in it must still be there.
    #[arg(long)]
    pub backup: Option<PathBuf>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// Runs `audit …`; an error when a chain does not fit.
pub fn command(command: &AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify(args) = command;
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let mut known = args.heads.clone();
    if let Some(folder) = &args.backup {
        let noted = Manifest::read(folder);
        known.extend(noted.with_context(|| words.text("keep-error-no-backup"))?.audit.iter().map(|noted| noted.head));
    }
    let app = crate::commands::open(&args.data)?;
    let report = check(&*app.store, &known)?;
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| writeln!(out, "{line}").context("cannot write the answer");
    for checked in &report.towns {
        say(told(checked, &words))?;
    }
    if report.towns.is_empty() {
        say(words.text("chain-empty"))?;
    }
    for mark in &report.unknown {
        say(words.with("chain-unknown", &[("head", mark.to_string().into())]))?;
    }
    let wrong = report.towns.iter().filter(|checked| checked.fault.is_some()).count() + report.unknown.len();
    match wrong {
        0 => Ok(()),
        n => anyhow::bail!(words.with("chain-broken", &[("n", n.to_string().into())])),
    }
}

/// One town: how many entries, from when to when, the head, and whether they fit.
fn told(checked: &Checked, words: &Messages) -> String {
    let at = |at: Option<_>| at.map(time).unwrap_or_default();
    let mut lines = vec![words.with(
        "chain-entries",
        &[
            ("town", checked.name.clone().into()),
            ("n", checked.entries.to_string().into()),
            ("first", at(checked.first).into()),
            ("last", at(checked.last).into()),
        ],
    )];
    if let Some(head) = checked.head {
        lines.push(words.with("chain-head", &[("head", head.mark.to_string().into())]));
    }
    lines.push(match checked.fault {
        None => words.text("chain-fits"),
        Some(fault) => fault.finding(&checked.name).text(words),
    });
    lines.join("\n")
}
