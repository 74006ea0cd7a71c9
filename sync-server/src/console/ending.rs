//! Ending a terminal's enrolment before its time: 停用, 清除, 被盗.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use shared::ids::DeviceId;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::{Ctx, Fields, PageError, terminals};
use crate::App;
use crate::store::{self, Device, Fate};

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
        let body = html! {
            (layout::top(ctx, &word("console-end-terminal"), &terminals::name(ctx, &device), ""))
            div.cols.cols--top {
                @for fate in CHOICES {
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
        let now = ctx.now;
        store::write::<_, PageError>(&*ctx.app.store, device.town, |tx| {
            Ok(crate::erase::doom(&ctx.app, tx, device.id, fate, now)?)
        })?;
        ctx.note(fate.action(), &device.id.to_string(), "")?;
        Ok(Redirect::to("/console/terminals").into_response())
    })
    .await
}
