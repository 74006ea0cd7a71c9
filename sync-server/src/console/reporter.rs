//! 反映人: who reported from any phone, where they said so. For cleared staff only, each look written down; it is in no feed,
//! no batch and no other page.

use axum::extract::{Path as UrlPath, State};
use axum::response::Response;
use maud::{Markup, html};
use shared::author::Role;
use shared::ids::RecordId;

use super::ctx::{Asked, with_form};
use super::layout::{self, Place, csrf};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::store::Read;

fn may(ctx: &Ctx) -> bool {
    ctx.who.user.role == Role::CenterStaff && ctx.who.user.cleared
}

/// On a record's page: that there is somebody to be told, and the way to see who. Nothing for others.
pub fn panel(ctx: &Ctx, read: &dyn Read, record: RecordId) -> Result<Markup, PageError> {
    if !may(ctx) || read.reporter(record)?.is_none() {
        return Ok(html! {});
    }
    Ok(html! {
        form.panel method="post" action={ "/console/records/" (record) "/reporter" } {
            (csrf(ctx))
            div.panel__h { h2 { (ctx.words.text("console-reporter")) } }
            p.panel__b.sub { (ctx.words.text("console-reporter-there")) }
            div.tools { button.btn.btn--second { (ctx.words.text("console-show")) } }
        }
    })
}

/// `POST /console/records/{id}/reporter`: shows them, written down.
pub async fn show(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        let reporter = ctx.read(|read| {
            let part = ctx.open_part(read, id)?;
            // Named in it is not enough: it lies in their scope.
            let there = may(ctx) && part.areas.iter().any(|area| ctx.who.scope.contains(*area));
            if there { Ok(read.reporter(id)?) } else { Err(PageError::NotAllowed) }
        })?;
        ctx.note("audit-reporter", &id.to_string(), "")?;
        let word = |key: &str| ctx.words.text(key);
        let body = html! {
            (layout::top(ctx, &word("console-reporter"), &word("console-reporter-noted"), ""))
            section.panel {
                @match &reporter {
                    Some(reporter) => dl.panel__b {
                        dt { (word("console-reporter-name")) } dd { b { (if reporter.name.is_empty() { word("none") } else { reporter.name.clone() }) } }
                        dt { (word("console-reporter-phone")) } dd { b.num { (if reporter.phone.is_empty() { word("none") } else { reporter.phone.clone() }) } }
                    },
                    None => p.panel__b.sub { (word("console-reporter-none")) },
                }
                div.tools { a.btn.btn--second href={ "/console/records/" (id) } { (word("console-record")) } }
            }
        };
        Ok(ctx.answer(Place::Inbox, &word("console-reporter"), &body))
    })
    .await
}
