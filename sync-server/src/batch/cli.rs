//! `sync-server batch pull --data DIR --user LOGIN --area … --since last --format csv --out DIR`.

use std::io::Write as _;
use std::path::PathBuf;

use assets::messages::Messages;

use super::approval;
use super::{BatchError, Format, Pull, Pulled, Sealed, Since, again, copy_out, pull};
use crate::AppState;
use crate::config::DataArgs;
use crate::store::User;

/// `batch …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BatchCommand {
    /// Seals what is new and copies it to a folder; with a number, copies that batch again, the same to the byte.
    Pull(PullArgs),
    /// Lists the batches a person may take.
    List(ListArgs),
    /// Looks whether the files of sealed batches are what was sealed.
    Verify(VerifyArgs),
}

/// `batch pull`
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// A sealed batch to take again, e.g. 2026-019.
    pub number: Option<String>,
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Who takes it out (login); their scope, clearance and right to unmask bound what they get.
    #[arg(long)]
    pub user: String,
    /// The areas: id, code or name; several times for several. By default the person's whole scope.
    #[arg(long = "area")]
    pub areas: Vec<String>,
    /// `last`: since the person's last batch of these areas; `all`; or the number of a batch.
    #[arg(long, default_value = "last")]
    pub since: String,
    /// `csv`, `xlsx`, `ndjson` or `geojson`; several times, or parted by commas, for several.
    #[arg(long = "format", default_value = "csv", value_delimiter = ',', value_parser = format)]
    pub formats: Vec<Format>,
    /// Numbers in full. Needs the right to it, and that another person has released exactly this at the console.
    #[arg(long)]
    pub unmasked: bool,
    /// With restricted columns. Needs clearance, and another person as well.
    #[arg(long)]
    pub restricted: bool,
    /// As an upper platform takes it: what is new since the last batch by this profile, whoever took it. `residents`, `events`, or
    /// the name of a file in the folder exports/ of the data.
    #[arg(long, conflicts_with_all = ["formats", "restricted"])]
    pub profile: Option<String>,
    /// With the photos of its records, in photos.zip.
    #[arg(long)]
    pub photos: bool,
    /// The folder in which a folder of the batch's number is made.
    #[arg(long)]
    pub out: PathBuf,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// `batch list`
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Who asks (login).
    #[arg(long)]
    pub user: String,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// `batch verify`
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// The batch, e.g. 2026-019; without it all.
    pub number: Option<String>,
    /// Where the data are; the server may be running.
    #[command(flatten)]
    pub data: DataArgs,
    /// A copy of the batch that was handed out, instead of the server's own files.
    #[arg(long, requires = "number")]
    pub folder: Option<PathBuf>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
}

/// A format of the command line.
pub fn format(code: &str) -> Result<Format, String> {
    Format::from_code(code).ok_or_else(|| "a format is csv, xlsx, ndjson or geojson".to_owned())
}

/// Runs `batch …`; says on standard output what was made.
pub fn command(command: BatchCommand) -> anyhow::Result<()> {
    match command {
        BatchCommand::Pull(args) => pull_command(&args),
        BatchCommand::List(args) => list_command(&args),
        BatchCommand::Verify(args) => verify_command(&args),
    }
}

fn user(app: &AppState, login: &str, words: &Messages) -> anyhow::Result<User> {
    let found = app.store.user_by_login(login)?.filter(|user| user.active);
    found.ok_or_else(|| anyhow::anyhow!(words.with("import-error-no-user", &[("name", login.to_owned().into())])))
}

fn pull_command(args: &PullArgs) -> anyhow::Result<()> {
    let lang = crate::import::lang(args.lang.as_deref());
    let words = Messages::of(lang);
    let app = crate::commands::open(&args.data)?;
    let user = user(&app, &args.user, &words)?;
    let said = |error: BatchError| {
        let sentence = words.text(error.key());
        anyhow::Error::new(error).context(sentence)
    };
    let sealed = match &args.number {
        Some(number) => again(&*app.store, &*app.outside, &app.data, &user, number).map_err(said)?,
        None => {
            let mut areas = args
                .areas
                .iter()
                .map(|text| crate::import::area(&app, text))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| anyhow::anyhow!(crate::import::sentence(&error, &words)))?;
            if areas.is_empty() {
                areas.clone_from(&user.scope);
            }
            let since = match args.since.as_str() {
                "last" => Since::Last,
                "all" => Since::All,
                number => Since::Batch(number.to_owned()),
            };
            let mut formats = args.formats.clone();
            formats.sort_unstable();
            formats.dedup();
            let (unmasked, restricted, photos) = (args.unmasked, args.restricted, args.photos);
            let (user, profile) = (&user, args.profile.clone());
            if profile.is_some() {
                formats.clear();
            }
            let mut wanted =
                Pull { user, areas, since, formats, unmasked, restricted, profile, photos, released: None, lang };
            wanted.released = approval::released(&app, &wanted).map_err(said)?;
            match pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.in_force(user.town)?.forms, &wanted)
                .map_err(said)?
            {
                Pulled::Sealed(sealed) => *sealed,
                Pulled::NothingNew => return say(&words.text("batch-nothing-new")),
            }
        }
    };
    let folder = copy_out(&sealed, &args.out).map_err(said)?;
    say(&summary(&sealed, &words, &folder.display().to_string()))
}

fn summary(sealed: &Sealed, words: &Messages, folder: &str) -> String {
    let manifest = &sealed.manifest;
    let mut lines = vec![words.with(
        "batch-sealed",
        &[
            ("number", manifest.number.clone().into()),
            ("n", manifest.records().to_string().into()),
            ("folder", folder.to_owned().into()),
        ],
    )];
    for file in &manifest.files {
        lines.push(format!("{}  {}  {}", file.sha256, file.rows, file.name));
    }
    if let Some(missing) = manifest.photos_missing.filter(|missing| *missing > 0) {
        lines.push(words.with("batch-photos-missing", &[("n", missing.to_string().into())]));
    }
    lines.join("\n")
}

fn list_command(args: &ListArgs) -> anyhow::Result<()> {
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let app = crate::commands::open(&args.data)?;
    let user = user(&app, &args.user, &words)?;
    for (batch, manifest) in super::list(&*app.store, &user)? {
        let areas: Vec<&str> = manifest.areas.values().map(String::as_str).collect();
        let records = manifest.records();
        say(&format!(
            "{}  {}  {}  {records}  {}",
            manifest.number,
            manifest.sealed_at,
            areas.join("、"),
            batch.format
        ))?;
    }
    Ok(())
}

fn verify_command(args: &VerifyArgs) -> anyhow::Result<()> {
    let words = Messages::of(crate::import::lang(args.lang.as_deref()));
    let app = crate::commands::open(&args.data)?;
    let looked = super::verify(&*app.store, &app.data, args.number.as_deref(), args.folder.as_deref());
    let looked = looked.map_err(|error| {
        let sentence = words.text(error.key());
        anyhow::Error::new(error).context(sentence)
    })?;
    let mut wrong = 0;
    for batch in &looked {
        for finding in &batch.found {
            say(&finding.text(&words))?;
        }
        wrong += batch.found.len();
        let key = match (batch.found.is_empty(), batch.erased && args.folder.is_none()) {
            (false, _) => continue,
            (true, true) => "batch-well-erased",
            (true, false) => "batch-well",
        };
        say(&words.with(key, &[("number", batch.number.clone().into()), ("n", batch.well.to_string().into())]))?;
        if batch.unnoted {
            say(&words.with("batch-unnoted", &[("number", batch.number.clone().into())]))?;
        }
    }
    if looked.is_empty() {
        say(&words.text("batch-none"))?;
    }
    match wrong {
        0 => Ok(()),
        n => anyhow::bail!(words.with("keep-found", &[("n", n.to_string().into())])),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}
