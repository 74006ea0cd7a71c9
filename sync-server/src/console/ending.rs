//! Ending a terminal's enrolment before its time: 停用, 清除, 被盗.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::ids::DeviceId;
use uuid::Uuid;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::{Ctx, Fields, PageError, terminals};
use crate::App;
use crate::auth::ending::{self, Done};
use crate::batch::approval::LAPSES;
use crate::store::{Device, Fate};

/// What staff can say.
const CHOICES: [Fate; 3] = [Fate::Revoked, Fate::Wipe, Fate::Stolen];

fn device(ctx: &Ctx, id: &str) -> Result<Device, PageError> {
    ctx.must_see(Place::Terminals)?;
    let id: DeviceId = id.parse().map_err(|_| PageError::NotFound)?;
    let devices = ctx.read(|read| Ok::<_, PageError>(read.devices()?))?;
    devices.into_iter().find(|device| device.id == id).ok_or(PageError::NotFound)
}

/// `GET /console/terminals/{id}/end`: what each of it means, before it is done.
pub async fn show(State(app): State<App>, asked: Asked, Path(id): Path<String>) -> Response {
    with(app, asked, move |ctx| {
        let device = device(ctx, &id)?;
        let word = |key: &str| ctx.words.text(key);
        let said = device.fate.map(|(fate, _)| fate);
        let choices = CHOICES.into_iter().filter(|fate| said.is_none_or(|said| !said.stands_against(*fate)));
        let body = html! {
            (layout::top(ctx, &word("console-end-terminal"), &terminals::name(ctx, &device), ""))
            @if let Some(said) = said.filter(|said| said.stands_against(Fate::Wipe)) { p { (word(stands(said))) } }
            p.sub { (ctx.words.with("console-end-many", &[("n", ending::ALONE.to_string().into())])) }
            div.cols.cols--top {
                @for fate in choices {
                    form.panel method="post" action=(format!("/console/terminals/{}/end", device.id)) {
                        div.panel__h { h2 { (word(&format!("console-end-{}", fate.code()))) } }
                        div.panel__b {
                            (csrf(ctx))
                            input type="hidden" name="fate" value=(fate.code());
                            p { (word(&format!("console-end-{}-means", fate.code()))) }
                            p.sub { (word("console-undelivered")) ": " (terminals::owed(ctx, &device)) }
                        }
                        div.tools { button.btn.btn--second.btn--grow { (word(&format!("console-end-{}", fate.code()))) } }
                    }
                }
            }
        };
        Ok(layout::page(ctx, Place::Terminals, &word("console-end-terminal"), &body).into_response())
    })
    .await
}

/// `POST /console/terminals/{id}/end`
pub async fn done(State(app): State<App>, asked: Asked, Path(id): Path<String>, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let device = device(ctx, &id)?;
        let fate = fields.get("fate").and_then(Fate::from_code).filter(|fate| CHOICES.contains(fate));
        let fate = fate.ok_or_else(|| PageError::Bad("console-error-form".to_owned()))?;
        // Where it takes two it stands on the page of terminals, for another person to release.
        after(ending::end(&ctx.app, &ctx.who, &device, fate)?)
    })
    .await
}

/// `POST /console/terminals/asked/{id}/release`
pub async fn release(State(app): State<App>, asked: Asked, Path(id): Path<Uuid>, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        ctx.must_see(Place::Terminals)?;
        after(ending::release(&ctx.app, &ctx.who, id)?.ok_or(PageError::NotAllowed)?)
    })
    .await
}

fn after(done: Done) -> Result<Response, PageError> {
    match done {
        Done::Stands(fate) => Err(PageError::Bad(stands(fate).to_owned())),
        Done::Ended | Done::Asked => Ok(Redirect::to("/console/terminals").into_response()),
    }
}

/// Why what was said of it now changes nothing.
fn stands(fate: Fate) -> &'static str {
    if fate == Fate::Stolen { "console-end-stands-stolen" } else { "console-end-stands-over" }
}

/// What waits for another person; nothing where nothing does.
pub fn panel(ctx: &Ctx, devices: &[Device]) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let waiting = ctx.read(|read| Ok::<_, PageError>(ending::waiting(read, ctx.now)?))?;
    if waiting.is_empty() {
        return Ok(html! {});
    }
    let user = |id| ctx.users.get(&id).map(String::as_str).unwrap_or_default();
    let name = |id| devices.iter().find(|device| device.id == id).map(|device| terminals::name(ctx, device));
    Ok(html! {
        section.panel aria-labelledby="wa" {
            div.panel__h { h2 #wa { (word("console-wipe-two")) } span.sub { (waiting.len()) } }
            table.table {
                thead { tr {
                    th { (word("console-terminal")) } th { (word("console-state")) } th { (word("batch-asked-by")) }
                    th { (word("batch-until")) } th {}
                } }
                tbody {
                    @for one in &waiting {
                        tr {
                            td { (name(one.device).unwrap_or_else(|| one.device.to_string())) }
                            td.n { (word(&format!("console-end-{}", one.fate.code()))) }
                            td.n { (user(one.approval.asked_by)) }
                            td.n { time { (layout::moment(ctx, one.approval.asked_at + LAPSES)) } }
                            td.r {
                                @if one.approval.asked_by == ctx.who.user.id { span.sub { (word("batch-waits")) } } @else {
                                    form method="post" action=(format!("/console/terminals/asked/{}/release", one.approval.id)) {
                                        (csrf(ctx)) button.btn.btn--second { (word("batch-release")) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}
