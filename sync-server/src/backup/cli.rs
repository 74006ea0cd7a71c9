//! `sync-server backup`, `verify`, `restore`.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use assets::messages::Messages;
use shared::calendar::Calendar;

use super::{BackupError, Finding, make, restore, verify_backup, verify_data};
use crate::commands::open;
use crate::config::DataArgs;
use crate::system::System;

/// `backup`
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// The folder in which a folder of the backup is made.
    #[arg(long)]
    pub to: PathBuf,
    /// How many backups stay in that folder, this one included; without it all.
    #[arg(long)]
    pub keep: Option<usize>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// `verify`
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// The folder of one backup.
    #[arg(long, required_unless_present = "data", conflicts_with = "data")]
    pub backup: Option<PathBuf>,
    /// A data folder; the server may be running.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// `restore`
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// The folder of one backup.
    #[arg(long)]
    pub from: PathBuf,
    /// The folder it is put into: empty, or not there.
    #[command(flatten)]
    pub data: DataArgs,
    /// The list of erased records, `erased.list`, or the old data folder that has it.
    #[arg(long)]
    pub erased: Option<PathBuf>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

fn words(lang: Option<&str>) -> Messages {
    Messages::of(crate::import::lang(lang))
}

/// The error with its sentence before it, and what was found.
fn said(error: BackupError, words: &Messages) -> anyhow::Error {
    let mut sentence = words.text(error.key());
    if let BackupError::NotWhole(found) = &error {
        for finding in found {
            sentence.push('\n');
            sentence.push_str(&finding.text(words));
        }
        return anyhow::anyhow!(sentence);
    }
    anyhow::Error::new(error).context(sentence)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write the answer")
}

/// Runs `backup`.
pub fn backup_command(args: &BackupArgs) -> anyhow::Result<()> {
    let words = words(args.lang.as_deref());
    let app = open(&args.data)?;
    let made = make(&app, &args.to, args.keep.unwrap_or(usize::MAX)).map_err(|error| said(error, &words))?;
    let bytes = crate::console::bytes(&words, made.manifest.bytes());
    let files = made.manifest.files.len().to_string();
    say(&words.with(
        "keep-made",
        &[("folder", made.folder.display().to_string().into()), ("files", files.into()), ("bytes", bytes.into())],
    ))
}

/// Runs `verify`; an error when something was found.
pub fn verify_command(args: &VerifyArgs) -> anyhow::Result<()> {
    let words = words(args.lang.as_deref());
    let found = match (&args.backup, &args.data) {
        (Some(folder), _) => {
            let calendar = Calendar::parse(assets::CALENDAR).context("the calendar is broken")?;
            verify_backup(folder, &calendar).map_err(|error| said(error, &words))?.1
        }
        (None, Some(data)) => {
            let app = open(&DataArgs { data: data.clone(), database: None })?;
            verify_data(&app).map_err(|error| said(error, &words))?
        }
        (None, None) => anyhow::bail!("--backup or --data"),
    };
    told(&found, &words)
}

fn told(found: &[Finding], words: &Messages) -> anyhow::Result<()> {
    for finding in found {
        say(&finding.text(words))?;
    }
    if found.is_empty() {
        return say(&words.text("keep-verified"));
    }
    anyhow::bail!(words.with("keep-found", &[("n", found.len().to_string().into())]))
}

/// Runs `restore`.
pub fn restore_command(args: &RestoreArgs) -> anyhow::Result<()> {
    let words = words(args.lang.as_deref());
    let done = restore(&args.from, &args.data.data, args.erased.as_deref(), Arc::new(System));
    let done = done.map_err(|error| said(error, &words))?;
    let at = crate::export::show::beijing(done.manifest.at).format("%Y-%m-%d %H:%M:%S").to_string();
    say(&words.with(
        "keep-restored",
        &[
            ("at", at.into()),
            ("data", args.data.data.display().to_string().into()),
            ("epoch", done.epoch.to_string().into()),
            ("erased", done.erased.to_string().into()),
        ],
    ))?;
    if done.list_found { Ok(()) } else { say(&words.text("keep-restored-no-list")) }
}
