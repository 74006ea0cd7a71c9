//! Batches that take two people: what waits, releasing what another asked for, sealing what was released.

use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::batches::take;
use super::ctx::{Asked, with_form};
use super::layout::{Place, csrf, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::approval::{self, LAPSES};

/// `POST /console/batches/asked/{id}/release`
pub async fn release(State(app): State<App>, UrlPath(id): UrlPath<Uuid>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        ctx.must_see(Place::Batches)?;
        approval::release(&ctx.app, &ctx.who.user, id)?;
        Ok(Redirect::to("/console/batches").into_response())
    })
    .await
}

/// `POST /console/batches/asked/{id}/seal`
pub async fn seal(State(app): State<App>, UrlPath(id): UrlPath<Uuid>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        ctx.must_see(Place::Batches)?;
        let wanted = ctx.read(|read| Ok::<_, PageError>(approval::standing(read, id, ctx.now)?))?.wanted;
        take(ctx, &wanted.pull(&ctx.who.user, id, ctx.words.lang()))
    })
    .await
}

/// What waits; nothing where nothing does.
pub fn panel(ctx: &Ctx, asked: &[approval::Asked]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    if asked.is_empty() {
        return html! {};
    }
    html! {
        section.panel aria-labelledby="ba" {
            div.panel__h { h2 #ba { (word("batch-two")) } span.sub { (asked.len()) } }
            table.table {
                thead { tr {
                    th { (word("batch-area")) } th { (word("batch-what")) } th { (word("batch-asked-by")) }
                    th { (word("batch-until")) } th {}
                } }
                tbody { @for one in asked { (row(ctx, one)) } }
            }
        }
    }
}

fn row(ctx: &Ctx, asked: &approval::Asked) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let (approval, wanted) = (&asked.approval, &asked.wanted);
    let areas: Vec<String> = wanted.areas.iter().map(|id| ctx.area(*id)).collect();
    let mut what: Vec<String> = wanted.formats.iter().map(|code| code.to_uppercase()).collect();
    what.extend(wanted.profile.clone());
    what.extend(wanted.unmasked.then(|| word("console-in-full")));
    what.extend(wanted.restricted.then(|| word("console-with-restricted")));
    what.extend(wanted.photos.then(|| word("console-with-photos")));
    what.push(match wanted.since.as_str() {
        "last" => word("console-since-last-short"),
        "all" => word("console-everything"),
        number => number.to_owned(),
    });
    let name = |id| ctx.users.get(&id).map(String::as_str).unwrap_or_default();
    let form = |action: &str, class: &str, key: &str| {
        html! {
            form method="post" action={ "/console/batches/asked/" (approval.id) "/" (action) } {
                (csrf(ctx)) button class=(class) { (word(key)) }
            }
        }
    };
    let own = approval.asked_by == ctx.who.user.id;
    html! {
        tr {
            td { (areas.join(&ctx.words.text("list-separator"))) }
            td { (what.join(&ctx.words.text("facts-separator"))) }
            td.n { (name(approval.asked_by)) }
            td.n { time { (moment(ctx, approval.asked_at + LAPSES)) } }
            td.r {
                @match (approval.released, own) {
                    (None, true) => { span.sub { (word("batch-waits")) } },
                    (None, false) => { (form("release", "btn btn--second", "batch-release")) },
                    (Some(_), true) => { (form("seal", "btn btn--primary", "console-seal")) },
                    (Some((by, _)), false) => {
                        span.sub { (ctx.words.with("batch-released-by", &[("name", name(by).to_owned().into())])) }
                    },
                }
            }
        }
    }
}
