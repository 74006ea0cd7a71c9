//! `sync-server person-export --data DIR --record ID --login WHO --reason request --to FILE.zip`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use assets::messages::Messages;
use shared::ids::RecordId;

use super::approval::{Wanted, released};
use super::{PersonError, Reason, hand_over, pack, ready};
use crate::AppState;
use crate::auth::Who;
use crate::config::DataArgs;

/// `person-export`
#[derive(Debug, Clone, clap::Args)]
pub struct PersonArgs {
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// One of the person's records.
    #[arg(long)]
    pub record: RecordId,
    /// The file that is made, a ZIP. There must be none of that name.
    #[arg(long)]
    pub to: PathBuf,
    /// Who takes it out. Another person must have released exactly this at the console.
    #[arg(long)]
    pub login: String,
    /// `request` (the person asked for it), `proxy` (who acts for them), `authority` (a court or supervising authority).
    #[arg(long, value_parser = reason)]
    pub reason: Reason,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

fn reason(code: &str) -> Result<Reason, String> {
    Reason::from_code(code).ok_or_else(|| "a reason is request, proxy or authority".to_owned())
}

/// Runs `person-export`.
pub fn command(args: &PersonArgs) -> anyhow::Result<()> {
    let lang = crate::import::lang(args.lang.as_deref());
    let words = Messages::of(lang);
    let app = crate::commands::open(&args.data)?;
    let user = app.store.user_by_login(&args.login)?.filter(|user| user.active);
    let user = user.with_context(|| words.with("import-error-no-user", &[("name", args.login.clone().into())]))?;
    let who = Who::of(user, &*app.areas()?);
    export(&app, &who, args, lang).map_err(|error| {
        let sentence = words.text(error.key());
        anyhow::Error::new(error).context(sentence)
    })?;
    let said = words.with("person-done", &[("file", args.to.display().to_string().into())]);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{said}").and_then(|()| out.flush()).context("cannot write the answer")
}

/// Whole on the disk first, then used up and written down, then under its name.
fn export(app: &AppState, who: &Who, args: &PersonArgs, lang: assets::messages::Lang) -> Result<(), PersonError> {
    let wanted = Wanted { record: args.record, reason: args.reason };
    if !super::may(app, who)? {
        return Err(PersonError::NotAllowed);
    }
    let id = released(app, who, wanted)?;
    // All about one person: what a command that was killed left of it must not lie about.
    disk::clear_parts(&args.to)?;
    let gathered = ready(app, who, &wanted, lang)?;
    let mut failed = None;
    let made = disk::create_new_with(&args.to, |file| {
        let written = pack(app, &gathered, std::io::BufWriter::new(&mut *file));
        let done = written.and_then(|()| Ok(file.sync()?)).and_then(|()| hand_over(app, who, id, &gathered));
        done.map_err(|error| {
            failed = Some(error);
            std::io::ErrorKind::Other.into()
        })
    });
    match (failed, made) {
        (Some(error), _) => Err(error),
        (None, Err(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(PersonError::Exists),
        (None, made) => Ok(made?),
    }
}
