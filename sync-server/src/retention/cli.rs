//! `sync-server retention --data DIR [--dry-run]`.

use std::io::Write as _;

use anyhow::Context as _;
use assets::messages::Messages;

use super::{Rules, find, run};
use crate::config::DataArgs;

/// `retention`
#[derive(Debug, Clone, clap::Args)]
pub struct RetentionArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// Only says which records have outlived their time, by id.
    #[arg(long)]
    pub dry_run: bool,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// Runs `retention`.
pub fn command(args: &RetentionArgs) -> anyhow::Result<()> {
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let app = crate::commands::open(&args.data.data)?;
    let mut lines = Vec::new();
    let mut number = |n: usize, key: &str| lines.push(words.with(key, &[("n", n.to_string().into())]));
    if args.dry_run {
        let found = find(&app, &Rules::open(&app)?)?;
        number(found.len(), "retention-would");
        lines.extend(
            found.iter().map(|it| format!("{}  {}", it.record, words.text(&format!("kind-{}", it.kind.code())))),
        );
    } else {
        let done = run(&app).with_context(|| words.text("erase-error"))?;
        number(done.records.len(), "retention-done");
        if !done.records.is_empty() {
            lines.push(words.text("erase-backups"));
        }
        if !done.swept {
            lines.push(words.text("erase-not-swept"));
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush()).context("cannot write the answer")
}
