//! 个人资料副本: all that is kept about a person, in one file for them. One asks, another releases, who asked takes it.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::ids::RecordId;
use shared::record::RecordKind;
use tokio::sync::mpsc::{self, Sender};
use uuid::Uuid;

use super::ctx::{Asked, with, with_form};
use super::layout::{Place, csrf, icon, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::approval::LAPSES;
use crate::person::approval::{self, Wanted};
use crate::person::{Gathered, PersonError, Reason, pack, take};
use crate::store::StoredPart;

/// How many pieces of the file wait for a slow line.
const PIECES: usize = 16;

impl From<PersonError> for PageError {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::Store(error) => Self::Store(error),
            PersonError::NoSuchRecord => Self::NotFound,
            PersonError::NotAllowed => Self::NotAllowed,
            PersonError::NoPerson | PersonError::NotReleased => Self::Bad(error.key().to_owned()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Whether this person may take out all about whom a record is of.
pub fn may_take(ctx: &Ctx, part: &StoredPart) -> bool {
    part.kind == RecordKind::Person && crate::person::may(&ctx.app, &ctx.who).unwrap_or(false)
}

/// The record, for those who may take it out.
fn open(ctx: &Ctx, id: RecordId) -> Result<StoredPart, PageError> {
    let part = ctx.read(|read| ctx.open_part(read, id))?;
    if may_take(ctx, &part) { Ok(part) } else { Err(PageError::NotAllowed) }
}

/// `GET /console/records/{id}/person`
pub async fn show(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let part = open(ctx, id)?;
        let mut waiting = approval::waiting(&ctx.app, &ctx.who)?;
        waiting.retain(|asked| asked.wanted.record == id);
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-person"), &body(ctx, &part, &waiting)))
    })
    .await
}

/// `POST /console/records/{id}/person`: asks for it.
pub async fn ask(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        open(ctx, id)?;
        let reason = given.get("reason").and_then(Reason::from_code);
        let reason = reason.ok_or_else(|| PageError::Bad("console-error-form".to_owned()))?;
        approval::ask(&ctx.app, &ctx.who, Wanted { record: id, reason })?;
        Ok(back(id))
    })
    .await
}

/// `POST /console/records/{id}/person/{asked}/release`
pub async fn release(
    State(app): State<App>,
    UrlPath((id, approval)): UrlPath<(RecordId, Uuid)>,
    asked: Asked,
    fields: Fields,
) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        open(ctx, id)?;
        Ok(back(approval::release(&ctx.app, &ctx.who, approval)?))
    })
    .await
}

/// `POST /console/records/{id}/person/{asked}/take`: the file.
pub async fn done(
    State(app): State<App>,
    UrlPath((_, approval)): UrlPath<(RecordId, Uuid)>,
    asked: Asked,
    fields: Fields,
) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        // Not by the record: of who was erased since it was released it is told that they were.
        if !crate::person::may(&ctx.app, &ctx.who)? {
            return Err(PageError::NotAllowed);
        }
        let gathered = take(&ctx.app, &ctx.who, approval, ctx.words.lang())?;
        Ok(sent(&ctx.app, gathered))
    })
    .await
}

fn back(id: RecordId) -> Response {
    Redirect::to(&format!("/console/records/{id}/person")).into_response()
}

/// Written while it is sent: nothing of it lies on the disk, however large its photos are.
fn sent(app: &App, gathered: Gathered) -> Response {
    let (pieces, mut read) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    let (app, name) = (App::clone(app), gathered.file_name());
    tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(64 * 1024, Pieces(pieces.clone()));
        let packed = pack(&app, &gathered, &mut out).and_then(|()| Ok(out.flush()?));
        if let Err(error) = packed {
            tracing::error!(error = &error as &dyn std::error::Error, "a person's file broke off");
            // What was sent must not look whole; nobody may be listening any more.
            pieces.blocking_send(Err(io::ErrorKind::Other.into())).ok();
        }
    });
    let stream = futures_util::stream::poll_fn(move |context| read.poll_recv(context));
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    // An id: nothing to escape.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

struct Pieces(Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn body(ctx: &Ctx, part: &StoredPart, waiting: &[approval::Asked]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        header.head2 {
            a.crumb href={ "/console/records/" (part.record) } { (icon("back")) (part.title) }
            h1 { (word("console-person")) }
        }
        form.panel method="post" action={ "/console/records/" (part.record) "/person" } {
            (csrf(ctx))
            div.panel__b {
                p { (word("console-person-what")) }
                p.sub { (word("console-person-two")) }
                fieldset.field {
                    legend.field__label { (word("console-reason")) }
                    div.opts {
                        @for reason in Reason::ALL {
                            label.opt {
                                input.box.box--round type="radio" name="reason" value=(reason.code()) required;
                                (word(&format!("person-reason-{}", reason.code())))
                            }
                        }
                    }
                }
            }
            div.tools { button.btn.btn--second { (word("console-person-ask")) } }
        }
        (panel(ctx, waiting))
    }
}

/// What waits for somebody; nothing where nothing does.
pub fn panel(ctx: &Ctx, waiting: &[approval::Asked]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    if waiting.is_empty() {
        return html! {};
    }
    html! {
        section.panel aria-labelledby="pa" {
            div.panel__h { h2 #pa { (word("console-person-waiting")) } span.sub { (waiting.len()) } }
            table.table {
                thead { tr {
                    th { (word("batch-id")) } th { (word("console-reason")) } th { (word("batch-asked-by")) }
                    th { (word("batch-until")) } th {}
                } }
                tbody { @for one in waiting { (row(ctx, one)) } }
            }
        }
    }
}

fn row(ctx: &Ctx, asked: &approval::Asked) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let approval::Asked { approval, wanted } = asked;
    let page = format!("/console/records/{}/person", wanted.record);
    let name = |id| ctx.users.get(&id).map(String::as_str).unwrap_or_default();
    let form = |action: &str, class: &str, key: &str| {
        html! {
            form method="post" action={ (page) "/" (approval.id) "/" (action) } {
                (csrf(ctx)) button class=(class) { (word(key)) }
            }
        }
    };
    html! {
        tr {
            td.hash { a.go href=(page) { (wanted.record) } }
            td { (word(&format!("person-reason-{}", wanted.reason.code()))) }
            td.n { (name(approval.asked_by)) }
            td.n { time { (moment(ctx, approval.asked_at + LAPSES)) } }
            td.r {
                @match (approval.released, approval.asked_by == ctx.who.user.id) {
                    (None, true) => { span.sub { (word("batch-waits")) } },
                    (None, false) => { (form("release", "btn btn--second", "batch-release")) },
                    (Some(_), true) => { (form("take", "btn btn--primary", "console-download")) },
                    (Some((by, _)), false) => {
                        span.sub { (ctx.words.with("batch-released-by", &[("name", name(by).to_owned().into())])) }
                    },
                }
            }
        }
    }
}
