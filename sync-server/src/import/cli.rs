//! `sync-server import residents.csv --data DIR`.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use assets::messages::{FluentValue, Lang, Messages};
use shared::area::AreaId;
use shared::record::RecordKind;

use super::areas::{Areas, Named};
use super::{BadEncoding, BadRows, Encoding, ImportError, Note, Options, Report, import};
use crate::AppState;
use crate::config::DataArgs;
use crate::system::System;

/// `import`
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// The table: CSV in UTF-8 or GB 18030, its header by the labels of the form or by field names.
    pub file: PathBuf,
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where rows without an area cell belong: id, code or name; rows of others must lie in it.
    #[arg(long)]
    pub area: Option<String>,
    /// `person`, `place`, `object`, `event` or `organization`.
    #[arg(long, default_value = "person", value_parser = kind)]
    pub kind: RecordKind,
    /// `utf-8` or `gb18030`, if the file does not tell it rightly.
    #[arg(long, value_parser = encoding)]
    pub encoding: Option<Encoding>,
    /// In whose name (login); their scope bounds what is taken.
    #[arg(long)]
    pub user: Option<String>,
    /// `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
    /// Only say what would become of it.
    #[arg(long)]
    pub dry_run: bool,
}

fn kind(code: &str) -> Result<RecordKind, String> {
    RecordKind::from_code(code).ok_or_else(|| "a kind is person, place, object, event or organization".to_owned())
}

fn encoding(name: &str) -> Result<Encoding, String> {
    Encoding::from_name(name).ok_or_else(|| "an encoding is utf-8 or gb18030".to_owned())
}

/// The language of `--lang` or `LANG`.
pub fn lang(named: Option<&str>) -> Lang {
    Lang::from_tag(named.unwrap_or_default())
}

/// The area of an option: id, code or name.
pub fn area(app: &AppState, text: &str) -> Result<AreaId, ImportError> {
    match Areas::of(&*app.areas()?).find(text) {
        Named::One(area) => Ok(area),
        Named::Several | Named::None => Err(ImportError::BadArea(text.to_owned())),
    }
}

/// Runs `import`: the report on standard output, the reason why nothing was taken as the error.
pub fn command(args: ImportArgs) -> anyhow::Result<()> {
    let words = Messages::of(lang(args.lang.as_deref()));
    let app = AppState::open(&args.data.data, Arc::new(System))?;
    let said = |error: ImportError| anyhow::anyhow!(sentence(&error, &words));
    let user = match &args.user {
        Some(login) => {
            let found = app.store.user_by_login(login)?;
            Some(found.ok_or_else(|| said(ImportError::NoUser(login.clone())))?)
        }
        None => None,
    };
    let area = args.area.as_deref().map(|text| area(&app, text)).transpose().map_err(said)?;
    let label = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = disk::File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let options = Options { kind: args.kind, area, encoding: args.encoding, user, label, dry_run: args.dry_run };
    let report = import(&app, &options, file).map_err(said)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text(&report, args.dry_run, &words).as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The report in words.
pub fn text(report: &Report, dry_run: bool, words: &Messages) -> String {
    let mut lines = Vec::new();
    for note in &report.notes {
        lines.push(reason(note, words));
    }
    if report.more_notes > 0 {
        lines.push(words.with("import-more-notes", &[("n", report.more_notes.to_string().into())]));
    }
    if !report.ignored.is_empty() {
        let shown: Vec<&str> = report.ignored.iter().take(10).map(String::as_str).collect();
        let args = [("n", report.ignored.len().to_string().into()), ("names", shown.join("、").into())];
        lines.push(words.with("import-ignored", &args));
    }
    let n = |n: u64| -> FluentValue<'static> { n.to_string().into() };
    lines.push(words.with(
        if dry_run { "import-would-be" } else { "import-done" },
        &[
            ("encoding", report.encoding.name().into()),
            ("rows", n(report.rows)),
            ("new", n(report.new)),
            ("changed", n(report.changed)),
            ("same", n(report.same)),
            ("doubtful", n(report.doubtful)),
            ("refused", n(report.refused)),
        ],
    ));
    lines.push(String::new());
    lines.join("\n")
}

/// One reason: line, column, what it is.
pub fn reason(note: &Note, words: &Messages) -> String {
    let args: Vec<(&str, FluentValue<'_>)> =
        note.args.iter().map(|(name, text)| (name.as_str(), FluentValue::from(text.as_str()))).collect();
    let why = words.with(&note.key, &args);
    let state = words.text(if note.refused { "import-row-refused" } else { "import-row-doubtful" });
    let mut args =
        vec![("line", FluentValue::from(note.line.to_string())), ("state", state.into()), ("why", why.into())];
    match &note.column {
        Some(column) => {
            args.push(("column", column.as_str().into()));
            words.with("import-row-column", &args)
        }
        None => words.with("import-row", &args),
    }
}

/// Why nothing of a file was taken, in words, and what mends it.
pub fn sentence(error: &ImportError, words: &Messages) -> String {
    let line = |key: &str, line: &u64| words.with(key, &[("line", line.to_string().into())]);
    let name = |key: &str, name: &str| words.with(key, &[("name", name.to_owned().into())]);
    match error {
        ImportError::Store(error) => format!("{}: {error}", words.text("import-error-store")),
        ImportError::Encoding(BadEncoding::Utf16) => words.text("import-error-utf16"),
        ImportError::Encoding(BadEncoding::Workbook) => words.text("import-error-workbook"),
        ImportError::Encoding(BadEncoding::NotText) => words.text("import-error-not-text"),
        ImportError::Encoding(BadEncoding::Neither) => words.text("import-error-neither"),
        ImportError::Rows(BadRows::Io(error)) => format!("{}: {error}", words.text("import-error-reading")),
        ImportError::Rows(BadRows::TooLong(at)) => line("import-error-too-long", at),
        ImportError::Rows(BadRows::TooManyCells(at)) => line("import-error-too-many-cells", at),
        ImportError::Rows(BadRows::Unclosed(at)) => line("import-error-unclosed", at),
        ImportError::Empty => words.text("import-error-empty"),
        ImportError::UnknownHeader(header) => name("import-error-unknown-header", header),
        ImportError::MissingColumn(column) => name("import-error-missing-column", column),
        ImportError::ColumnTwice(column) => name("import-error-column-twice", column),
        ImportError::NoArea => words.text("import-error-no-area"),
        ImportError::WhichTown => words.text("import-error-which-town"),
        ImportError::BadArea(area) => name("import-error-bad-area", area),
        ImportError::NoUser(login) => name("import-error-no-user", login),
    }
}
