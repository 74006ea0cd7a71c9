//! 清除: a record's values go for good. A plain form: why, and the record's name typed as it stands.

use axum::extract::{Path as UrlPath, State};
use axum::response::Response;
use maud::{Markup, html};
use shared::ids::RecordId;

use super::ctx::{Asked, with, with_form};
use super::layout::{Place, csrf, icon};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::erase::{Done, EraseError, Reason, erase};
use crate::store::StoredPart;

impl From<EraseError> for PageError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Store(error) => Self::Store(error),
            EraseError::NoSuchRecord => Self::NotFound,
            EraseError::NotAllowed => Self::NotAllowed,
            EraseError::List(_) | EraseError::BadList(_) | EraseError::Manifest(_) => Self::Failed(error.to_string()),
        }
    }
}

/// Whether this person may erase it.
pub fn may_erase(ctx: &Ctx, part: &StoredPart) -> bool {
    let reach = Reach::of(part);
    authorize(&ctx.who, Action::Erase, Some(&reach), &reach, &ctx.areas).is_ok()
}

/// `GET /console/records/{id}/erase`
pub async fn show(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked) -> Response {
    with(app, asked, move |ctx| {
        let part = ctx.read(|read| ctx.open_part(read, id))?;
        if !may_erase(ctx, &part) {
            return Err(PageError::NotAllowed);
        }
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-erase"), &ask(ctx, &part)))
    })
    .await
}

/// What has to be typed: the title, or the id of a record without one.
fn name(part: &StoredPart) -> String {
    if part.title.trim().is_empty() { part.record.to_string() } else { part.title.trim().to_owned() }
}

fn ask(ctx: &Ctx, part: &StoredPart) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        header.head2 {
            a.crumb href={ "/console/records/" (part.record) } { (icon("back")) (part.title) }
            h1 { (word("console-erase")) }
        }
        form.panel method="post" action={ "/console/records/" (part.record) "/erase" } {
            (csrf(ctx))
            div.panel__b {
                p { (word("console-erase-what")) }
                p.sub { (word("erase-backups")) }
                fieldset.field {
                    legend.field__label { (word("console-reason")) }
                    div.opts {
                        @for reason in Reason::ALL {
                            label.opt {
                                input.box.box--round type="radio" name="reason" value=(reason.code()) required;
                                (word(&format!("erase-reason-{}", reason.code())))
                            }
                        }
                    }
                }
                div.field {
                    label.field__label for="typed" {
                        (ctx.words.with("console-erase-type", &[("title", name(part).into())]))
                    }
                    input.field__ctl id="typed" name="typed" autocomplete="off" required;
                }
            }
            div.tools { button.btn.btn--second { (word("console-erase-do")) } }
        }
    }
}

/// `POST /console/records/{id}/erase`
pub async fn done(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        let part = ctx.read(|read| ctx.open_part(read, id))?;
        if !may_erase(ctx, &part) {
            return Err(PageError::NotAllowed);
        }
        let reason = given.get("reason").and_then(Reason::from_code);
        let reason = reason.ok_or_else(|| PageError::Bad("console-error-form".to_owned()))?;
        if given.text("typed") != Some(name(&part).as_str()) {
            return Err(PageError::Bad("console-erase-wrong".to_owned()));
        }
        let done = erase(&ctx.app, Some(&ctx.who), id, reason)?;
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-erased"), &said(ctx, &done)))
    })
    .await
}

fn said(ctx: &Ctx, done: &Done) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let n = |n: usize| -> assets::messages::FluentValue<'static> { n.to_string().into() };
    html! {
        header.head2 {
            a.crumb href="/console/records" { (icon("back")) (word("console-ledger")) }
            h1 { (word("console-erased")) }
        }
        section.panel {
            div.panel__b role="status" {
                p {
                    (ctx.words.with("erase-done", &[
                        ("records", n(done.records.len())), ("photos", n(done.photos)), ("batches", n(done.batches.len())),
                    ]))
                }
                @if !done.batches.is_empty() { p { (done.batches.join("、")) } }
                p.sub { (word("erase-backups")) }
                @if !done.swept { p.note { (word("erase-not-swept")) } }
            }
        }
    }
}
