//! `sync-server import residents.xlsx --data DIR`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use assets::messages::{FluentValue, Lang, Messages};
use shared::area::AreaId;
use shared::record::RecordKind;

use super::areas::{Areas, Named};
use super::sheet::Reading;
use super::table::Input;
use super::{BadBook, BadEncoding, BadRows, Encoding, ImportError, Note, Options, Report, import_as};
use crate::AppState;
use crate::config::DataArgs;

/// `import`
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// The table: CSV in UTF-8 or GB 18030, XLSX or XLS, its header by the labels of the form or by field names.
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
    /// The sheet of a workbook; by default its first.
    #[arg(long)]
    pub sheet: Option<String>,
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
    let app = crate::commands::open(&args.data)?;
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
    disk::File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let options = Options { kind: args.kind, area, encoding: args.encoding, user, label, dry_run: args.dry_run };
    let reading = Reading { sheet: args.sheet.clone(), lang: words.lang(), ..Reading::default() };
    let report = import_as(&app, &options, &reading, Input::File(&args.file)).map_err(said)?;
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

/// The sentence of a reason, without its place.
pub fn why(note: &Note, words: &Messages) -> String {
    let args: Vec<(&str, FluentValue<'_>)> =
        note.args.iter().map(|(name, text)| (name.as_str(), FluentValue::from(text.as_str()))).collect();
    words.with(&note.key, &args)
}

/// One reason: line, column, what it is.
pub fn reason(note: &Note, words: &Messages) -> String {
    let why = why(note, words);
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
    said_in(&said(error), words)
}

/// A key with its arguments, in words.
pub fn said_in((key, args): &(String, Vec<(String, String)>), words: &Messages) -> String {
    let args: Vec<(&str, FluentValue<'_>)> =
        args.iter().map(|(name, text)| (name.as_str(), FluentValue::from(text.as_str()))).collect();
    words.with(key, &args)
}

/// Why nothing of a file was taken: a message key with its arguments.
pub fn said(error: &ImportError) -> (String, Vec<(String, String)>) {
    let arg = |name: &str, text: String| vec![(name.to_owned(), text)];
    let (key, args) = match error {
        ImportError::Store(error) => ("import-error-store", arg("why", error.to_string())),
        ImportError::Encoding(BadEncoding::Utf16) => ("import-error-utf16", Vec::new()),
        ImportError::Encoding(BadEncoding::NotText) => ("import-error-not-text", Vec::new()),
        ImportError::Encoding(BadEncoding::Neither) => ("import-error-neither", Vec::new()),
        ImportError::Rows(BadRows::Io(error)) => ("import-error-reading", arg("why", error.to_string())),
        ImportError::Rows(BadRows::TooLong(at)) => ("import-error-too-long", arg("line", at.to_string())),
        ImportError::Rows(BadRows::TooManyCells(at)) => ("import-error-too-many-cells", arg("line", at.to_string())),
        ImportError::Rows(BadRows::Unclosed(at)) => ("import-error-unclosed", arg("line", at.to_string())),
        ImportError::Book(BadBook::Locked) => ("import-error-book-locked", Vec::new()),
        ImportError::Book(BadBook::Broken(_)) => ("import-error-book-broken", Vec::new()),
        ImportError::Book(BadBook::TooLarge) => ("import-error-book-too-large", Vec::new()),
        ImportError::Book(BadBook::NoSheet(name)) => ("import-error-no-sheet", arg("name", name.clone())),
        ImportError::Running => ("import-error-running", Vec::new()),
        ImportError::Undone => ("import-error-undone", Vec::new()),
        ImportError::Empty => ("import-error-empty", Vec::new()),
        ImportError::UnknownHeader(header) => ("import-error-unknown-header", arg("name", header.clone())),
        ImportError::MissingColumn(column) => ("import-error-missing-column", arg("name", column.clone())),
        ImportError::ColumnTwice(column) => ("import-error-column-twice", arg("name", column.clone())),
        ImportError::NoArea => ("import-error-no-area", Vec::new()),
        ImportError::WhichTown => ("import-error-which-town", Vec::new()),
        ImportError::BadArea(area) => ("import-error-bad-area", arg("name", area.clone())),
        ImportError::NoUser(login) => ("import-error-no-user", arg("name", login.clone())),
    };
    (key.to_owned(), args)
}
