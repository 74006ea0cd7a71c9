//! 移交: a record goes to another town, which is chosen first, then where there.

use axum::extract::{Path as UrlPath, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::{Area, AreaId, AreaLevel};
use shared::ids::RecordId;

use super::ctx::{Asked, with, with_form};
use super::layout::{Place, csrf, icon};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::authorize::Reach;
use crate::store::StoredPart;
use crate::sync::moving::{MoveError, hand_over, may_hand_over};

impl From<MoveError> for PageError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Store(error) => Self::Store(error),
            MoveError::NoSuchRecord => Self::NotFound,
            MoveError::NotAllowed => Self::NotAllowed,
            MoveError::NoSuchArea => Self::Bad("console-hand-over-nowhere".to_owned()),
            MoveError::Merged => Self::Bad("console-hand-over-merged".to_owned()),
        }
    }
}

/// Which town was chosen.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    town: Option<AreaId>,
}

/// The towns there are beside this one.
fn towns(ctx: &Ctx) -> Vec<&Area> {
    let own = ctx.who.user.town;
    ctx.areas.iter().filter(|area| area.level == AreaLevel::Town && area.id != own && !area.closed).collect()
}

/// Whether this person may hand a record over to another town, and there is one.
pub fn may(ctx: &Ctx, part: &StoredPart) -> bool {
    let reach = Reach::of(part);
    part.merged_into.is_none()
        && towns(ctx).first().is_some_and(|to| may_hand_over(&ctx.who, &ctx.areas, &reach, to.id))
}

/// `GET /console/records/{id}/hand-over`, with the town once it is chosen.
pub async fn show(
    State(app): State<App>,
    UrlPath(id): UrlPath<RecordId>,
    Query(choice): Query<Choice>,
    asked: Asked,
) -> Response {
    with(app, asked, move |ctx| {
        let part = ctx.read(|read| ctx.open_part(read, id))?;
        if !may(ctx, &part) {
            return Err(PageError::NotAllowed);
        }
        let town = choice.town.and_then(|id| towns(ctx).into_iter().find(|town| town.id == id));
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-hand-over"), &ask(ctx, &part, town)))
    })
    .await
}

fn ask(ctx: &Ctx, part: &StoredPart, town: Option<&Area>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let href = format!("/console/records/{}/hand-over", part.record);
    html! {
        header.head2 {
            a.crumb href={ "/console/records/" (part.record) } { (icon("back")) (part.title) }
            h1 { (word("console-hand-over")) }
        }
        div.stack {
            form.panel method="get" {
                div.panel__b.stack {
                    p { (word("console-hand-over-what")) }
                    div.field {
                        label.field__label for="town" { (word("console-hand-over-town")) }
                        select.field__ctl id="town" name="town" required {
                            @for one in towns(ctx) {
                                option value=(one.id) selected[town.is_some_and(|town| town.id == one.id)] { (one.name) }
                            }
                        }
                    }
                }
                div.tools { button.btn.btn--second { (word("console-hand-over-choose")) } }
            }
            @if let Some(town) = town {
                form.panel method="post" action=(href) {
                    (csrf(ctx))
                    div.panel__b {
                        div.field {
                            label.field__label for="area" {
                                (ctx.words.with("console-hand-over-area", &[("town", town.name.clone().into())]))
                            }
                            select.field__ctl id="area" name="area" required {
                                @for area in ctx.areas.scope(&[town.id]).iter().filter_map(|id| ctx.areas.get(id)) {
                                    @if area.level > AreaLevel::Town && !area.closed { option value=(area.id) { (area.name) } }
                                }
                            }
                        }
                    }
                    div.tools { button.btn.btn--second { (word("console-hand-over-do")) } }
                }
            }
        }
    }
}

/// `POST /console/records/{id}/hand-over`
pub async fn done(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        let part = ctx.read(|read| ctx.open_part(read, id))?;
        let to = given.get("area").and_then(|id| id.parse().ok()).map(AreaId);
        let to = to.ok_or_else(|| PageError::Bad("console-error-form".to_owned()))?;
        hand_over(&ctx.app, &ctx.who, id, to)?;
        let where_to = [ctx.areas.town_of(to).map(|town| ctx.area(town)).unwrap_or_default(), ctx.area(to)].concat();
        let body = html! {
            header.head2 {
                a.crumb href="/console/records" { (icon("back")) (ctx.words.text("console-ledger")) }
                h1 { (ctx.words.text("console-handed-over")) }
            }
            section.panel {
                div.panel__b role="status" {
                    p { (ctx.words.with("console-handed-over-to", &[("title", part.title.into()), ("where", where_to.into())])) }
                }
            }
        };
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-handed-over"), &body))
    })
    .await
}
