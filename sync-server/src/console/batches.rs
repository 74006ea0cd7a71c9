//! 批次: taking out what is new, and what was taken out before, the same to the byte.

use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::{AreaId, AreaLevel};

use super::ctx::{Asked, look, with, with_form};
use super::layout::{self, Place, bytes, csrf, grouped, icon, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::approval;
use crate::batch::{self, Format, Manifest, Pull, Pulled, Since};
use crate::error::Problem;
use crate::export::profile;
use crate::http::range::{Range, range};
use crate::store::Batch;

/// Which batch is opened, and whether the last pull found nothing.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    n: Option<String>,
    nothing: Option<String>,
    asked: Option<String>,
}

fn pull(ctx: &Ctx, areas: Vec<AreaId>, since: Since, formats: Vec<Format>) -> Pull<'_> {
    Pull {
        user: &ctx.who.user,
        areas,
        since,
        formats,
        unmasked: false,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: ctx.words.lang(),
    }
}

/// `GET /console/batches`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Batches)?;
        let waiting = batch::pending(&*ctx.app.store, &pull(ctx, ctx.who.user.scope.clone(), Since::Last, vec![]))?;
        let list = batch::list(&*ctx.app.store, &ctx.who.user)?;
        let asked = approval::waiting(&ctx.app, &ctx.who.user)?;
        let people = crate::person::approval::waiting(&ctx.app, &ctx.who)?;
        let waits = html! { (super::asked::panel(ctx, &asked)) (super::person::panel(ctx, &people)) };
        let body = body(ctx, waiting, &waits, &list, &choice);
        Ok(ctx.answer(Place::Batches, &ctx.words.text("console-batches"), &body))
    })
    .await
}

/// `POST /console/batches`
pub async fn seal(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        ctx.must_see(Place::Batches)?;
        let bad = |key: &str| PageError::Bad(key.to_owned());
        let areas = match fields.text("area") {
            None => ctx.who.user.scope.clone(),
            Some(id) => vec![AreaId(id.parse().map_err(|_| bad("console-error-form"))?)],
        };
        let mut formats: Vec<Format> = fields.all("format").filter_map(Format::from_code).collect();
        formats.sort_unstable();
        formats.dedup();
        let profile = fields.text("profile").map(str::to_owned);
        if profile.is_some() {
            formats.clear();
        } else if formats.is_empty() {
            return Err(bad("batch-error-no-format"));
        }
        let since = if fields.get("since") == Some("all") { Since::All } else { Since::Last };
        let (unmasked, restricted) = (fields.get("unmasked").is_some(), fields.get("restricted").is_some());
        let photos = fields.get("photos").is_some();
        let wanted = Pull { unmasked, restricted, profile, photos, ..pull(ctx, areas, since, formats) };
        if approval::is_needed(&wanted) {
            approval::ask(&ctx.app, &wanted)?;
            return Ok(Redirect::to("/console/batches?asked=1").into_response());
        }
        take(ctx, &wanted)
    })
    .await
}

/// Seals a batch, and where the page says so.
pub fn take(ctx: &Ctx, wanted: &Pull<'_>) -> Result<Response, PageError> {
    let app = &ctx.app;
    let to = match batch::pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &ctx.forms, wanted)? {
        Pulled::Sealed(sealed) => format!("/console/batches?n={}", sealed.manifest.number),
        Pulled::NothingNew => "/console/batches?nothing=1".to_owned(),
    };
    Ok(Redirect::to(&to).into_response())
}

/// `GET /console/batches/{number}/{file}`
pub async fn download(
    State(app): State<App>,
    UrlPath((number, file)): UrlPath<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    with(app, asked, move |ctx| handed_out(ctx, &number, &file, &headers)).await
}

/// `GET /api/v1/batches/{number}/{file}`: the same for programs, which are not led to the page of the log-in.
pub async fn download_by_program(
    State(app): State<App>,
    UrlPath((number, file)): UrlPath<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let lang = asked.lang;
    match look(app, asked, move |ctx| handed_out(ctx, &number, &file, &headers)).await {
        Ok(response) => response,
        Err(PageError::LoggedOut | PageError::Halfway) => {
            Problem::new(StatusCode::UNAUTHORIZED, "not_logged_in").into_response()
        }
        Err(error) => error.page(lang),
    }
}

/// A file of a batch, or with `Range` a part of it: whoever has the beginning goes on where the line broke.
fn handed_out(ctx: &Ctx, number: &str, file: &str, headers: &HeaderMap) -> Result<Response, PageError> {
    ctx.must_see(Place::Batches)?;
    let app = &ctx.app;
    if file == "manifest.json" {
        let manifest = batch::manifest(&*app.store, &ctx.who.user, number)?;
        let text = manifest.json().map_err(batch::BatchError::from)?;
        return Ok(attachment(&format!("{number}-manifest.json"), Body::from(text)));
    }
    let sealed = batch::again(&*app.store, &*app.outside, &app.data, &ctx.who.user, number)?;
    let entry = sealed.manifest.files.iter().find(|entry| entry.name == file).ok_or(PageError::NotFound)?;
    // As sealed: whoever goes on gets the rest of the same bytes, or nothing.
    let tag = format!("\"{}\"", entry.sha256);
    let (from, length, part) = match range(headers, &tag, entry.bytes) {
        Range::Whole => (0, entry.bytes, None),
        Range::Part { from, to } => (from, to - from + 1, Some(format!("bytes {from}-{to}/{}", entry.bytes))),
        Range::Beyond => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", entry.bytes));
            return Ok(response);
        }
    };
    let failed = |source| batch::BatchError::Io { action: "opening a file", source };
    let mut open = disk::File::open(&sealed.folder.join(&entry.name)).map_err(failed)?;
    open.seek_to(from).map_err(failed)?;
    // Read piece by piece while it is sent: a batch may be larger than the memory.
    let bytes = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(open.into_std()), length);
    let stream = tokio_util::io::ReaderStream::with_capacity(bytes, 64 * 1024);
    let mut response = attachment(&format!("{number}-{}", entry.name), Body::from_stream(stream));
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    if let Some(part) = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, header::CONTENT_RANGE, &part);
    }
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn attachment(name: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    // Names are made of digits and code names: nothing to escape.
    set(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    response
}

fn body(ctx: &Ctx, waiting: u64, waits: &Markup, list: &[(Batch, Manifest)], choice: &Choice) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let opened = choice.n.as_deref().and_then(|n| list.iter().find(|(_, manifest)| manifest.number == n));
    let opened = opened.or_else(|| list.first());
    html! {
        (layout::top(ctx, &word("console-batches"), &word("console-batches-sub"), ""))
        @if choice.nothing.is_some() { p.note.note--below role="status" { (word("batch-nothing-new")) } }
        @if choice.asked.is_some() { p.note.note--below role="status" { (word("batch-asked")) } }
        div.cols.cols--top.c-batch {
            (form(ctx, waiting))
            div.stack {
                (waits)
                section.panel aria-labelledby="bl" {
                    div.panel__h { h2 #bl { (word("console-sealed")) } span.sub { (list.len()) } }
                    @if list.is_empty() { p.panel__b.sub { (word("console-no-batches")) } } @else { (table(ctx, list, opened)) }
                }
                @if let Some((_, manifest)) = opened { (files(ctx, manifest)) }
            }
        }
    }
}

fn form(ctx: &Ctx, waiting: u64) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        form.panel method="post" action="/console/batches" aria-labelledby="nb" {
            div.panel__h { h2 #nb { (word("console-take-batch")) } }
            div.panel__b {
                (csrf(ctx))
                p.sub { (word("console-since-last")) }
                p.bigline { b { (grouped(waiting)) } " " (word("console-new-or-changed")) }
                div.field {
                    label.field__label for="b1" { (word("batch-area")) }
                    select.field__ctl id="b1" name="area" {
                        option value="" { (word("console-whole-scope")) }
                        @for area in ctx.areas.iter().filter(|area| {
                            ctx.who.scope.contains(area.id) && matches!(area.level, AreaLevel::Community | AreaLevel::Grid)
                        }) { option value=(area.id) { (ctx.area(area.id)) } }
                    }
                }
                fieldset.field {
                    legend.field__label { (word("console-from")) }
                    div.opts {
                        label.opt { input.box.box--round type="radio" name="since" value="last" checked; (word("console-since-last-short")) }
                        label.opt { input.box.box--round type="radio" name="since" value="all"; (word("console-everything")) }
                    }
                }
                fieldset.field {
                    legend.field__label { (word("console-files")) }
                    div.opts {
                        label.opt { input.box type="checkbox" name="format" value="csv" checked; "CSV" }
                        label.opt { input.box type="checkbox" name="format" value="xlsx"; "XLSX" }
                        label.opt { input.box type="checkbox" name="format" value="ndjson"; "NDJSON" }
                        label.opt { input.box type="checkbox" name="format" value="geojson"; "GeoJSON" }
                        label.opt { input.box type="checkbox" name="photos" value="true"; (word("console-with-photos")) }
                    }
                }
                div.field {
                    label.field__label for="b2" { (word("batch-profile")) }
                    select.field__ctl id="b2" name="profile" {
                        option value="" { (word("batch-no-profile")) }
                        @for (name, label) in profile::listed(&ctx.forms, &ctx.app.data) {
                            option value=(name) { (label.in_lang(ctx.words.lang().tag())) }
                        }
                    }
                }
                @if ctx.who.user.may_unmask {
                    label.opt { input.box type="checkbox" name="unmasked" value="true"; (word("console-in-full")) }
                } @else { p.sub { (word("console-masked")) } }
                @if ctx.who.user.cleared {
                    label.opt { input.box type="checkbox" name="restricted" value="true"; (word("console-with-restricted")) }
                }
                @if ctx.who.user.may_unmask || ctx.who.user.cleared { p.sub { (word("batch-takes-two")) } }
            }
            div.tools { button.btn.btn--primary.btn--grow { (word("console-seal")) } }
        }
    }
}

fn table(ctx: &Ctx, list: &[(Batch, Manifest)], opened: Option<&(Batch, Manifest)>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        table.table {
            thead { tr {
                th { (word("batch-number")) } th { (word("batch-area")) } th { (word("console-when")) }
                th { (word("console-who")) } th.r { (word("console-count")) } th { (word("console-files")) } th { (word("console-numbers")) } th {}
            } }
            tbody {
                @for (batch, manifest) in list.iter().take(50) {
                    tr aria-selected=[opened.filter(|(open, _)| open.id == batch.id).map(|_| "true")] {
                        td.n { a.go href={ "/console/batches?n=" (manifest.number) } { (manifest.number) } }
                        td { (manifest.areas.values().map(String::as_str).collect::<Vec<_>>().join(&ctx.words.text("list-separator"))) }
                        td.n { time { (moment(ctx, batch.at)) } }
                        td.n { (batch.user.and_then(|id| ctx.users.get(&id)).map(String::as_str).unwrap_or_default()) }
                        td.r.n { (grouped(manifest.records())) }
                        td.n { (batch.format.to_uppercase().replace(',', " ")) }
                        td.n { (word(if batch.masked { "console-masked-short" } else { "console-in-full-short" })) }
                        td.n { @if batch.erased.is_some() { (layout::light("off", &word("batch-erased-short"))) } }
                    }
                }
            }
        }
    }
}

fn files(ctx: &Ctx, manifest: &Manifest) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let number = |n: u64| -> assets::messages::FluentValue<'static> { grouped(n).into() };
    let href = |name: &str| format!("/console/batches/{}/{name}", manifest.number);
    let download = |name: &str| html! { a.go href=(href(name)) { (word("console-download")) } };
    html! {
        section.panel aria-labelledby="bf" {
            div.panel__h {
                h2 #bf { (ctx.words.with("console-files-of", &[("number", manifest.number.clone().into())])) }
                span.sub {
                    (ctx.words.with("console-sequence",
                        &[("after", number(manifest.after.0 + 1)), ("upto", number(manifest.upto.0))]))
                }
                span.sub.end { (bytes(&ctx.words, manifest.bytes())) }
            }
            @if let Some(missing) = manifest.photos_missing.filter(|missing| *missing > 0) {
                p.panel__b.sub { (ctx.words.with("batch-photos-missing", &[("n", number(missing))])) }
            }
            @if manifest.erased_at.is_some() { p.panel__b.sub { (word("batch-error-erased")) } }
            table.table.table--tight {
                thead { tr {
                    th { (word("console-file")) } th.r { (word("console-count")) } th.r { (word("console-size")) }
                    th { "SHA-256" } th {}
                } }
                tbody {
                    @for file in &manifest.files {
                        tr {
                            td.n { (word(&format!("kind-{}", file.kind))) span.sub { " " (file.name) } }
                            td.r.n { (grouped(file.rows)) }
                            td.r.n { (bytes(&ctx.words, file.bytes)) }
                            td.hash.n title=(file.sha256) { (file.sha256.get(..8).unwrap_or_default()) "…" (file.sha256.get(60..).unwrap_or_default()) }
                            td.r { @if manifest.erased_at.is_none() { (download(&file.name)) } }
                        }
                    }
                    tr {
                        td.n { (word("console-manifest")) span.sub { " manifest.json" } }
                        td.r.n { (manifest.files.len()) } td {} td {}
                        td.r { (download("manifest.json")) }
                    }
                }
            }
            div.panel__b.panel__b--line {
                code.code { "sync-server batch pull " (manifest.number) " --data … --user " (ctx.who.user.login) " --out …" }
                (icon("download")) span.sub { " " (word("console-command-help")) }
            }
        }
    }
}
