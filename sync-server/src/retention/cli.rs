//! `sync-server retention --data DIR [--dry-run]`.

use std::io::Write as _;

use anyhow::Context as _;
use assets::messages::Messages;

use super::{Outlived, Rules, find, find_parts, run};
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
    let app = crate::commands::open(&args.data)?;
    let mut lines = Vec::new();
    if args.dry_run {
        let rules = Rules::open(&app)?;
        let told = |it: &Outlived| format!("{}  {}", it.record, words.text(&format!("kind-{}", it.kind.code())));
        for (found, key) in
            [(find(&app, &rules)?, "retention-would"), (find_parts(&app, &rules)?, "retention-would-parts")]
        {
            lines.push(words.with(key, &[("n", found.len().to_string().into())]));
            lines.extend(found.iter().map(told));
        }
    } else {
        let done = run(&app).with_context(|| words.text("erase-error"))?;
        for (n, key) in [(done.records.len(), "retention-done"), (done.parts, "retention-done-parts")] {
            lines.push(words.with(key, &[("n", n.to_string().into())]));
        }
        if !done.records.is_empty() || done.parts > 0 {
            lines.push(words.text("erase-backups"));
        }
        if !done.swept {
            lines.push(words.text("erase-not-swept"));
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush()).context("cannot write the answer")
}
