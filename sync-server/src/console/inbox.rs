//! 收件: what waits for a decision here, one beside the other, with the form that gives it to somebody.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::author::Role;
use shared::ids::RecordId;
use shared::workflow::{self, Step};

use super::ctx::{Asked, with, with_form};
use super::events::{self, Event, Why};
use super::layout::{self, Place, csrf, event_light, icon, moment};
use super::{Ctx, Fields, PageError, work, write};
use crate::App;
use crate::store::User;

/// Which events, and which of them is opened.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    view: Option<String>,
    e: Option<RecordId>,
}

/// `GET /console/inbox`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        if ctx.who.user.role == Role::Department {
            return work::page(ctx, choice.e);
        }
        let (waiting, handlers) =
            ctx.read(|read| Ok::<_, PageError>((events::waiting(ctx, read)?, events::handlers(read)?)))?;
        Ok(ctx.answer(Place::Inbox, &ctx.words.text("console-inbox"), &body(ctx, &waiting, &handlers, &choice)))
    })
    .await
}

fn source(event: &Event) -> &'static str {
    match event.text("source").as_deref() {
        Some("call" | "visitor") => "calls",
        Some("informant" | "scan" | "wechat") => "public",
        _ => "grids",
    }
}

fn body(ctx: &Ctx, waiting: &[(Event, Why)], handlers: &[User], choice: &Choice) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let view = choice.view.as_deref().unwrap_or("all");
    let wanted = |view: &str, (event, why): &(Event, Why)| match view {
        "raised" => *why == Why::Raised,
        "untouched" => *why == Why::Untouched,
        "all" => true,
        other => source(event) == other,
    };
    let listed: Vec<&(Event, Why)> = waiting.iter().filter(|item| wanted(view, item)).collect();
    let chosen = choice.e.and_then(|id| listed.iter().find(|(event, _)| event.part.record == id).copied());
    let chosen = chosen.or_else(|| listed.first().copied());
    let here = |id: RecordId| chosen.is_some_and(|(event, _)| event.part.record == id);
    html! {
        (layout::top(ctx, &word("console-inbox"),
            &ctx.words.with("console-inbox-count", &[("n", waiting.len().to_string().into())]), ""))
        nav.views aria-label=(word("console-source")) {
            @for code in ["all", "raised", "untouched", "calls", "public", "grids"] {
                @let count = waiting.iter().filter(|item| wanted(code, item)).count();
                @if code == "all" || count > 0 {
                    a href={ "/console/inbox?view=" (code) } aria-current=[(code == view).then_some("page")] {
                        (word(&format!("console-view-{code}"))) b { (count) }
                    }
                }
            }
        }
        @if listed.is_empty() {
            section.panel { p.panel__b.sub { (word("console-inbox-empty")) } }
        } @else {
            div.cols.cols--top.c-inbox {
                section.panel.scrolls { ul {
                    @for (event, why) in &listed {
                        li class={ "mail" @if here(event.part.record) { " mail--on" } } {
                            a.mail__b href={ "/console/inbox?view=" (view) "&e=" (event.part.record) }
                                aria-current=[here(event.part.record).then_some("true")] {
                                span.mail__t {
                                    b { (event.part.title) }
                                    span { (event.state.reported_at.map(|at| moment(ctx, at)).unwrap_or_default()) }
                                }
                                span.mail__s {
                                    span { (place(ctx, event)) "·" (word(why.key())) }
                                    span.end { (event_light(ctx, &event.state)) }
                                }
                            }
                        }
                    }
                } }
                @if let Some((event, _)) = chosen { (opened(ctx, event, handlers, view)) }
            }
        }
    }
}

fn place(ctx: &Ctx, event: &Event) -> String {
    let areas: Vec<String> = event.part.areas.iter().map(|id| ctx.area(*id)).collect();
    areas.join("、")
}

fn opened(ctx: &Ctx, event: &Event, handlers: &[User], view: &str) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let allowed = workflow::allowed(&event.state, &events::actor(ctx));
    html! {
        div.stack {
            section.panel aria-labelledby="d1" {
                div.panel__h {
                    h2 #d1 { a.go href={ "/console/records/" (event.part.record) } { (event.part.title) } }
                    span.end { (event_light(ctx, &event.state)) }
                }
                div.panel__b {
                    @for field in ["account", "findings", "proposal"] {
                        @if let Some(text) = event.text(field) { p.said { (text) } }
                    }
                    p.sub { (place(ctx, event)) }
                }
                @if !event.state.contested.is_empty() { p.note.note--flat { (word("contested")) } }
            }
            @if allowed.contains(&Step::Dispatch) {
                form.panel method="post" action="/console/inbox/dispatch" aria-labelledby="d2" {
                    div.panel__h { h2 #d2 { (word("step-dispatch")) } }
                    div.panel__b {
                        (csrf(ctx)) (write::seen(&event.open))
                        input type="hidden" name="e" value=(event.part.record);
                        input type="hidden" name="view" value=(view);
                        (events::step_fields(ctx, event, Step::Dispatch, handlers))
                    }
                    div.tools {
                        button.btn.btn--primary { (word("console-dispatch-next")) }
                        a.btn.btn--second href={ "/console/records/" (event.part.record) } { (word("console-other-steps")) }
                    }
                }
            } @else {
                section.panel {
                    div.tools.tools--in {
                        a.btn.btn--second href={ "/console/records/" (event.part.record) } {
                            (icon("pen")) (word("console-open-event"))
                        }
                    }
                }
            }
        }
    }
}

/// `POST /console/inbox/dispatch`: gives it to somebody and shows the next.
pub async fn dispatch(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        let bad = || PageError::Bad("console-error-form".to_owned());
        let record = fields.get("e").and_then(|id| id.parse().ok()).ok_or_else(bad)?;
        events::save_step(ctx, record, Step::Dispatch, fields)?;
        let view = fields.get("view").filter(|view| view.bytes().all(|b| b.is_ascii_lowercase())).unwrap_or("all");
        Ok(Redirect::to(&format!("/console/inbox?view={view}")).into_response())
    })
    .await
}
