//! 待甄别: reports from any phone that are suspicious. Staff accept or delete them, many at once; what nobody decides on
//! goes after 30 days. Nothing of it is in the inbox, in a feed or in a batch before it is accepted.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::AreaId;
use uuid::Uuid;

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::intake::report::Report;
use crate::intake::take::{self, TRAY_KEPT, TakeError};
use crate::store::{self, Audit, Read, StoreError, Tray};

/// Reports a page.
const PAGE: usize = 100;

/// How many wait for this person.
pub fn count(ctx: &Ctx, read: &dyn Read) -> Result<u64, PageError> {
    Ok(read.tray_count(&areas(ctx))?)
}

/// Where this person decides; what belongs to no grid waits at the town.
fn areas(ctx: &Ctx) -> Vec<AreaId> {
    ctx.scope()
}

/// `GET /console/spam`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::Spam)?;
        let (waiting, count) =
            ctx.read(|read| Ok::<_, PageError>((read.tray(&areas(ctx), PAGE)?, count(ctx, read)?)))?;
        Ok(ctx.answer(Place::Spam, &ctx.words.text("console-spam"), &body(ctx, &waiting, count)))
    })
    .await
}

fn body(ctx: &Ctx, waiting: &[Tray], count: u64) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let days = TRAY_KEPT.num_days().to_string();
    let beside = ctx.words.with("console-spam-sub", &[("n", count.to_string().into()), ("days", days.into())]);
    html! {
        (layout::top(ctx, &word("console-spam"), &beside, ""))
        @if waiting.is_empty() {
            section.panel { p.panel__b.sub { (word("console-spam-empty")) } }
        } @else {
            form.panel method="post" action="/console/spam" {
                (csrf(ctx))
                table.table {
                    thead { tr {
                        th { (word("console-spam-choose")) } th { (word("console-spam-text")) }
                        th { (word("console-spam-why")) } th { (word("batch-area")) } th { (word("console-when")) }
                    } }
                    tbody { @for tray in waiting { (row(ctx, tray)) } }
                }
                div.tools {
                    button.btn.btn--second name="do" value="accept" { (word("console-spam-accept")) }
                    button.btn.btn--second name="do" value="delete" { (word("console-spam-delete")) }
                }
            }
        }
    }
}

fn row(ctx: &Ctx, tray: &Tray) -> Markup {
    let report: Option<Report> = serde_json::from_str(&tray.body).ok();
    let field = format!("r-{}", tray.id);
    let text = report.as_ref().map_or_else(|| ctx.words.text("console-spam-closed"), |report| report.text.clone());
    html! {
        tr {
            td { input type="checkbox" id=(field) name="id" value=(tray.id); }
            td {
                label for=(field) { (text) }
                @if let Some(report) = &report {
                    @if !report.place.is_empty() { p.sub { (report.place) } }
                    @if !report.photos.is_empty() {
                        p.sub { (ctx.words.with("console-spam-photos", &[("n", report.photos.len().to_string().into())])) }
                    }
                }
            }
            td { (ctx.words.text(&format!("console-spam-why-{}", tray.reason))) }
            td { (ctx.area(tray.area)) }
            td { time { (moment(ctx, tray.at)) } }
        }
    }
}

/// `POST /console/spam`: accepts or deletes those that are ticked.
pub async fn decide(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        ctx.must_see(Place::Spam)?;
        let ids: Vec<Uuid> = fields.all("id").filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Err(PageError::Bad("console-spam-none".to_owned()));
        }
        let accepts = match fields.get("do") {
            Some("accept") => true,
            Some("delete") => false,
            _ => return Err(PageError::Bad("console-error-form".to_owned())),
        };
        for id in ids {
            // Somebody may have been faster, or it is not theirs: then there is nothing to do.
            let tray = ctx.read(|read| read.tray_one(id))?;
            let Some(tray) = tray.filter(|tray| ctx.who.scope.contains(tray.area)) else { continue };
            if accepts { accept(ctx, &tray)? } else { delete(ctx, &tray)? }
        }
        Ok(Redirect::to("/console/spam").into_response())
    })
    .await
}

fn accept(ctx: &Ctx, tray: &Tray) -> Result<(), PageError> {
    let report: Report =
        serde_json::from_str(&tray.body).map_err(|_| PageError::Bad("console-spam-cannot".to_owned()))?;
    // Before it lands: nothing is taken that nobody took.
    ctx.note("audit-spam-accepted", &tray.id.to_string(), &tray.reason)?;
    take::land(&ctx.app, ctx.who.user.town, &Report { area: tray.area, ..report }).map_err(|error| match error {
        TakeError::Store(error) => PageError::Store(error),
        other => PageError::Failed(other.to_string()),
    })
}

fn delete(ctx: &Ctx, tray: &Tray) -> Result<(), PageError> {
    store::write::<_, StoreError>(&*ctx.app.store, ctx.who.user.town, |tx| {
        if tx.drop_tray(tray.id)? {
            tx.put_audit(&Audit {
                at: ctx.now,
                user: Some(ctx.who.user.id),
                action: "audit-spam-deleted".to_owned(),
                subject: tray.id.to_string(),
                detail: tray.reason.clone(),
            })?;
        }
        Ok(())
    })?;
    Ok(())
}
