//! 导入表格: from the file to its undoing, step by step, each of them a form.

mod pages;

use std::path::Path;

use assets::messages::FluentValue;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::form::{FieldType, Form};
use shared::record::{Part, RecordKind};
use uuid::Uuid;

use super::ctx::{Asked, with, with_form};
use super::layout::Place;
use super::outbox::{Received, receive};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::export::{csv, xlsx};
use crate::import::job::{self, Body, Import, State as Step, Work};
use crate::import::report::{Counts, Told};
use crate::import::sheet::{self, Top};
use crate::import::table::{self, Input};
use crate::import::{AREA, ImportError, Mapping, guessed, is_taken, why};
use crate::store::{self, StoreError};

/// The most bytes of a table with the form around it.
pub const BYTES: usize = 64 * 1024 * 1024;
/// What tables are of.
const KINDS: [RecordKind; 3] = [RecordKind::Person, RecordKind::Place, RecordKind::Organization];
/// The most characters of a file's name.
const NAME: usize = 100;
/// Imports that are listed.
const LISTED: usize = 50;
/// The most of what stayed that the page shows.
const KEPT: usize = 100;

impl From<ImportError> for PageError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => Self::Store(error),
            other => Self::Import(Box::new(other)),
        }
    }
}

fn failed(why: std::io::Error) -> PageError {
    ImportError::from(crate::import::BadRows::Io(why)).into()
}

/// Whoever brought it, and who is responsible for the whole town.
fn may_open(ctx: &Ctx, import: &Import) -> bool {
    import.user == Some(ctx.who.user.id) || ctx.who.scope.contains(ctx.who.user.town)
}

fn opened(ctx: &Ctx, id: &str) -> Result<Import, PageError> {
    ctx.must_see(Place::Imports)?;
    let id: Uuid = id.parse().map_err(|_| PageError::NotFound)?;
    let found = ctx.read(|read| Import::find(read, id))?;
    found.filter(|import| may_open(ctx, import)).ok_or(PageError::NotFound)
}

/// Of what nobody brought in before the file's time was over that is said, whatever step it waits for.
fn as_it_is(ctx: &Ctx, mut import: Import) -> Result<Import, PageError> {
    let waits = matches!(import.body.state, Step::Mapping | Step::Preview);
    if waits && !disk::exists(&job::file(&ctx.app, import.id)).map_err(failed)? {
        import.body.state = Step::Dropped;
        import.body.error = Some(("import-gone".to_owned(), Vec::new()));
    }
    Ok(import)
}

fn to(id: Uuid) -> Response {
    Redirect::to(&format!("/console/imports/{id}")).into_response()
}

fn form_of(ctx: &Ctx, kind: RecordKind) -> Result<&Form, PageError> {
    ctx.forms.newest(kind).ok_or(PageError::NotFound)
}

/// Writes an import down.
fn put(ctx: &Ctx, import: &Import) -> Result<(), StoreError> {
    store::write(&*ctx.app.store, ctx.who.user.town, |tx| import.put(tx))
}

/// `GET /console/imports`
pub async fn list(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::Imports)?;
        let mut all = ctx.read(|read| Import::list(read, LISTED))?;
        all.retain(|import| may_open(ctx, import));
        let all = all.into_iter().map(|import| as_it_is(ctx, import)).collect::<Result<Vec<_>, _>>()?;
        Ok(ctx.answer(Place::Imports, &ctx.words.text("console-imports"), &pages::list(ctx, &all)))
    })
    .await
}

/// `POST /console/imports/upload`
pub async fn upload(State(app): State<App>, asked: Asked, request: Request) -> Response {
    let lang = asked.lang;
    let coming = receive(&app, &asked, request, Place::Imports, "imports/coming", &["kind", "area"]);
    let coming = tokio::time::timeout(app.upload_time, coming).await;
    match coming.unwrap_or(Err(PageError::Bad("import-error-too-slow".to_owned()))) {
        Ok(received) => with(app, asked, move |ctx| keep(ctx, received)).await,
        Err(PageError::BadFile("console-outbox-none")) => PageError::Bad("import-error-none".to_owned()).page(lang),
        Err(PageError::BadFile("console-outbox-too-large")) => {
            PageError::Bad("import-error-too-large".to_owned()).page(lang)
        }
        Err(error) => error.page(lang),
    }
}

fn keep(ctx: &Ctx, received: Received) -> Result<Response, PageError> {
    ctx.must_see(Place::Imports)?;
    let bad = || PageError::Bad("console-error-form".to_owned());
    let field = |name: &str| received.fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let kind = field("kind").and_then(RecordKind::from_code).filter(|kind| KINDS.contains(kind)).ok_or_else(bad)?;
    let area = field("area").map(|id| id.parse().map(AreaId)).transpose().map_err(|_| bad())?;
    if area.is_some_and(|area| !ctx.who.scope.contains(area)) {
        return Err(PageError::NotAllowed);
    }
    job::tidy(&ctx.app).map_err(failed)?;
    let (id, now) = (ctx.app.outside.uuid(), ctx.app.outside.now());
    let path = job::file(&ctx.app, id);
    received.file.stay(&path).map_err(failed)?;
    let name = Path::new(&received.name.replace('\\', "/")).file_name().map(|name| name.to_string_lossy().into_owned());
    let body = Body {
        state: Step::Mapping,
        name: name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(NAME).collect(),
        kind,
        area,
        sheet: None,
        header_line: None,
        mapping: None,
        written: String::new(),
        counts: Counts::default(),
        error: None,
        undo: None,
        touched: now,
    };
    let mut import = Import { id, user: Some(ctx.who.user.id), at: now, slot: None, body };
    // One that cannot be read is not kept.
    match guess(ctx, &mut import, None, None) {
        Ok(()) => put(ctx, &import)?,
        Err(error) => {
            job::drop_files(&ctx.app, id).map_err(failed)?;
            return Err(error);
        }
    }
    Ok(to(id))
}

/// The top of a table that is still there.
fn top(ctx: &Ctx, import: &Import) -> Result<Top, PageError> {
    let path = job::file(&ctx.app, import.id);
    if !disk::exists(&path).map_err(failed)? {
        return Err(PageError::Bad("import-gone".to_owned()));
    }
    let form = form_of(ctx, import.body.kind)?;
    let (sheet, line) = (import.body.sheet.as_deref(), import.body.header_line);
    Ok(sheet::top(Input::File(&path), sheet, None, form, line)?)
}

/// Says of an import what its columns probably are: as with the last table of this header, else by their words.
fn guess(ctx: &Ctx, import: &mut Import, sheet: Option<String>, line: Option<u64>) -> Result<(), PageError> {
    (import.body.sheet, import.body.header_line) = (sheet, line);
    if import.body.sheet.is_none() {
        import.body.sheet = table::sheets(Input::File(&job::file(&ctx.app, import.id)))?.into_iter().next();
    }
    let top = top(ctx, import)?;
    let remembered = ctx.read(|read| read.import_mapping(&header_key(import.body.kind, &top.header)))?;
    let remembered: Option<Mapping> = remembered.and_then(|text| serde_json::from_str(&text).ok());
    let form = form_of(ctx, import.body.kind)?;
    import.body.mapping = Some(remembered.unwrap_or_else(|| guessed(form, &top.header)));
    import.body.header_line = Some(top.line);
    Ok(())
}

fn header_key(kind: RecordKind, header: &[String]) -> String {
    let mut hash = Sha256::new();
    for word in header {
        hash.update(word.trim());
        hash.update(b"\n");
    }
    format!("{}:{}", kind.code(), crate::batch::hex(&hash.finalize()))
}

/// `GET /console/imports/{id}`
pub async fn show(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let import = as_it_is(ctx, opened(ctx, &id)?)?;
        let broke_off = import.broke_off(&ctx.app);
        let body = match import.body.state {
            Step::Mapping => {
                let top = top(ctx, &import)?;
                let sheets = table::sheets(Input::File(&job::file(&ctx.app, import.id)))?;
                pages::mapping(ctx, &import, form_of(ctx, import.body.kind)?, &top, &sheets)
            }
            Step::Preview => {
                let preview = job::preview(&ctx.app, import.id);
                pages::preview(ctx, &import, form_of(ctx, import.body.kind)?, &preview)
            }
            Step::Reading | Step::Running | Step::Undoing | Step::Stopped => pages::working(ctx, &import, broke_off),
            Step::Done | Step::Undone | Step::Dropped => pages::done(ctx, &import, &kept(ctx, &import)?),
        };
        let mut answer = ctx.answer(Place::Imports, &ctx.words.text("console-imports"), &body);
        if import.body.state.works() && !broke_off {
            answer.headers_mut().insert(header::REFRESH, HeaderValue::from_static("2"));
        }
        Ok(answer)
    })
    .await
}

/// What stayed, told to who may read it: title, link, field, why.
fn kept(ctx: &Ctx, import: &Import) -> Result<Vec<pages::Stayed>, PageError> {
    let Some(undo) = &import.body.undo else { return Ok(Vec::new()) };
    let form = form_of(ctx, import.body.kind)?;
    let keys: Vec<_> = undo.list.iter().take(KEPT).map(|kept| (kept.record, Part::Open)).collect();
    let parts = ctx.read(|read| read.load_many(&keys))?;
    let lang = ctx.words.lang().tag();
    let told = undo.list.iter().take(KEPT).map(|kept| pages::Stayed {
        record: kept.record,
        title: parts
            .iter()
            .find(|part| part.record == kept.record && ctx.may_read(Part::Open, part))
            .map_or_else(|| ctx.words.text("console-outside"), |part| part.title.clone()),
        field: kept
            .field
            .as_deref()
            .and_then(|name| form.field(name))
            .map(|field| field.label.in_lang(lang).to_owned()),
        why: ctx.words.text(&kept.why),
    });
    Ok(told.collect())
}

/// `POST /console/imports/{id}/map`
pub async fn map(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let mut import = opened(ctx, &id)?;
        if import.body.state != Step::Mapping {
            return Err(ImportError::Running.into());
        }
        import.body.error = None;
        let line = fields.text("line").and_then(|line| line.parse().ok()).filter(|line| *line > 0);
        let sheet = fields.text("sheet").map(str::to_owned);
        if fields.get("reread").is_some() {
            // Another sheet has its header elsewhere.
            let same = sheet == import.body.sheet;
            guess(ctx, &mut import, sheet, line.filter(|_| same))?;
            put(ctx, &import)?;
            return Ok(to(import.id));
        }
        let top = top(ctx, &import)?;
        let form = form_of(ctx, import.body.kind)?;
        let chosen = |place: usize| {
            let name = fields.get(&format!("c{place}")).unwrap_or_default();
            let known = name == AREA || form.field(name).is_some_and(is_taken);
            if known { name.to_owned() } else { String::new() }
        };
        let mut mapping = import.body.mapping.take().unwrap_or_default();
        mapping.columns = (0..top.header.len()).map(chosen).collect();
        mapping.check(form, &top.header, import.body.area.is_some())?;
        import.body.mapping = Some(mapping);
        remember(ctx, &import, &top)?;
        job::start(&ctx.app, &ctx.who.user, import.id, Work::Look, ctx.words.lang())?;
        Ok(to(import.id))
    })
    .await
}

/// Writes down what the columns and words are, for this table and the next one like it.
fn remember(ctx: &Ctx, import: &Import, top: &Top) -> Result<(), PageError> {
    let key = header_key(import.body.kind, &top.header);
    let text = serde_json::to_string(&import.body.mapping).unwrap_or_default();
    store::write::<_, StoreError>(&*ctx.app.store, ctx.who.user.town, |tx| {
        import.put(tx)?;
        tx.put_import_mapping(&key, &text)
    })?;
    Ok(())
}

/// `POST /console/imports/{id}/words`
pub async fn words(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let mut import = opened(ctx, &id)?;
        if import.body.state != Step::Preview {
            return Err(ImportError::Running.into());
        }
        let (top, form) = (top(ctx, &import)?, form_of(ctx, import.body.kind)?);
        let mut mapping = import.body.mapping.take().unwrap_or_default();
        let all = fields.all("field").zip(fields.all("word")).zip(fields.all("code"));
        for ((field, word), code) in all {
            let field = form.field(field).filter(|field| matches!(field.kind, FieldType::Choice | FieldType::Choices));
            let Some(field) = field.filter(|_| code != pages::NOT_YET) else { continue };
            if code.is_empty() || field.choices.iter().any(|choice| choice.code == code) {
                mapping.words.entry(field.name.clone()).or_default().insert(word.to_owned(), code.to_owned());
            }
        }
        import.body.mapping = Some(mapping);
        remember(ctx, &import, &top)?;
        job::start(&ctx.app, &ctx.who.user, import.id, Work::Look, ctx.words.lang())?;
        Ok(to(import.id))
    })
    .await
}

/// `POST /console/imports/{id}/again`
pub async fn again(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let mut import = opened(ctx, &id)?;
        let broke_off = import.body.state == Step::Reading && import.broke_off(&ctx.app);
        if import.body.state != Step::Preview && !broke_off {
            return Err(ImportError::Running.into());
        }
        import.body.state = Step::Mapping;
        put(ctx, &import)?;
        Ok(to(import.id))
    })
    .await
}

/// `POST /console/imports/{id}/take`
pub async fn take(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let import = opened(ctx, &id)?;
        if matches!(import.body.state, Step::Preview | Step::Stopped) {
            top(ctx, &import)?;
        }
        job::start(&ctx.app, &ctx.who.user, import.id, Work::Take, ctx.words.lang())?;
        Ok(to(import.id))
    })
    .await
}

/// `POST /console/imports/{id}/undo`
pub async fn undo(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let import = opened(ctx, &id)?;
        job::start(&ctx.app, &ctx.who.user, import.id, Work::Undo, ctx.words.lang())?;
        Ok(to(import.id))
    })
    .await
}

/// `POST /console/imports/{id}/drop`
pub async fn drop_it(State(app): State<App>, UrlPath(id): UrlPath<String>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let mut import = opened(ctx, &id)?;
        if !matches!(import.body.state, Step::Mapping | Step::Preview) {
            return Err(ImportError::Running.into());
        }
        import.body.state = Step::Dropped;
        put(ctx, &import)?;
        job::drop_files(&ctx.app, import.id).map_err(failed)?;
        Ok(Redirect::to("/console/imports").into_response())
    })
    .await
}

/// `GET /console/imports/{id}/report.csv`, `report.xlsx`: every row that is refused, doubtful or changed.
pub async fn report(State(app): State<App>, UrlPath((id, name)): UrlPath<(String, String)>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let import = opened(ctx, &id)?;
        let form = form_of(ctx, import.body.kind)?;
        let header = ["line", "outcome", "column", "why"].map(|key| ctx.words.text(&format!("import-report-{key}")));
        let mut out = Vec::new();
        match name.as_str() {
            "report.csv" => {
                csv::begin(&mut out).map_err(failed)?;
                csv::row(&mut out, header.iter().map(String::as_str)).map_err(failed)?;
                job::each_told(&ctx.app, import.id, &mut |told| {
                    let rows = rows_of(ctx, form, &told);
                    rows.iter().try_for_each(|row| csv::row(&mut out, row.iter().map(String::as_str)))
                })
                .map_err(failed)?;
            }
            "report.xlsx" => {
                let mut book = xlsx::Book::new(&job::folder(&ctx.app)).map_err(failed)?;
                let shapes = [xlsx::Shape::Number, xlsx::Shape::Text(14), xlsx::Shape::Text(20), xlsx::Shape::Text(40)];
                let columns: Vec<_> =
                    header.into_iter().zip(shapes).map(|(name, shape)| xlsx::Column { name, shape }).collect();
                let title = ctx.words.text("import-report-title");
                let mut put = |row: &[String]| book.row(import.body.kind, row, || (title.clone(), columns.clone()));
                job::each_told(&ctx.app, import.id, &mut |told| {
                    rows_of(ctx, form, &told).iter().try_for_each(|row| put(row))
                })
                .map_err(failed)?;
                book.save(std::io::Cursor::new(&mut out)).map_err(failed)?;
            }
            _ => return Err(PageError::NotFound),
        }
        let mut response = out.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"import-{name}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        Ok(response)
    })
    .await
}

/// The lines of the report about one row: one for each reason, and one for what changed.
fn rows_of(ctx: &Ctx, form: &Form, told: &Told) -> Vec<[String; 4]> {
    use crate::import::Taken;
    let word = |key: &str| ctx.words.text(key);
    let lang = ctx.words.lang().tag();
    let line = told.line.to_string();
    let mut rows = Vec::new();
    for note in &told.notes {
        let outcome = if note.refused { "import-outcome-refused" } else { "import-outcome-doubtful" };
        rows.push([line.clone(), word(outcome), note.column.clone().unwrap_or_default(), why(note, &ctx.words)]);
    }
    if told.taken == Taken::Changed {
        let labels: Vec<&str> = told
            .changes
            .iter()
            .filter_map(|change| form.field(&change.field))
            .map(|field| field.label.in_lang(lang))
            .collect();
        let fields = [("fields", FluentValue::from(labels.join("、")))];
        let changed =
            if labels.is_empty() { String::new() } else { ctx.words.with("import-outcome-changed-fields", &fields) };
        rows.push([line, word("import-outcome-changed"), String::new(), changed]);
    }
    rows
}
