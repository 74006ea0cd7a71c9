//! 收件: what waits for a decision here, one beside the other, with the forms that move it on: one at a time, or several that
//! are ticked. Everything works by mouse, by form and by key (`keys.js`).

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::author::Role;
use shared::ids::RecordId;
use shared::workflow::{self, Step};

use super::ctx::{Asked, with, with_form};
use super::events::{self, Event, Why};
use super::layout::{self, Place, csrf, event_light, facts_light, icon, moment};
use super::likely::{self, Likely};
use super::{Ctx, Fields, PageError, work};
use crate::App;
use crate::export::show::step_key;
use crate::store::{EventRow, User};

/// The most events listed at once.
const LISTED: usize = 200;
/// Steps that several events can be given at once, in the order of the buttons.
const IN_BULK: [Step; 6] = [Step::Dispatch, Step::Take, Step::Urge, Step::Supervise, Step::Close, Step::Archive];

/// Which events, which of them is opened, and what just became of some.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    view: Option<String>,
    e: Option<RecordId>,
    did: Option<u32>,
    changed: Option<u32>,
    refused: Option<u32>,
    why: Option<String>,
}

/// `GET /console/inbox`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        if ctx.who.user.role == Role::Department {
            return work::page(ctx, choice.e);
        }
        let page = ctx.read(|read| {
            let waiting = events::waiting(ctx, read)?;
            let view = choice.view.clone().unwrap_or_else(|| "all".to_owned());
            let listed = waiting.iter().filter(|item| wanted(&view, item));
            let chosen = choice.e.and_then(|id| listed.clone().find(|(event, _)| event.record == id));
            let chosen = chosen.or_else(|| listed.clone().next());
            let opened = match chosen {
                Some((row, _)) => {
                    let event = Event::of(ctx, ctx.open_part(read, row.record)?)?;
                    let likely = likely::of(ctx, read, row, &event)?;
                    Some(Opened { event, likely })
                }
                None => None,
            };
            Ok::<_, PageError>(Page { waiting, view, opened, handlers: events::handlers(read)? })
        })?;
        let page = body(ctx, &page, &choice);
        Ok(super::with_keys(ctx.answer(Place::Inbox, &ctx.words.text("console-inbox"), &page)))
    })
    .await
}

struct Page {
    waiting: Vec<(EventRow, Why)>,
    view: String,
    opened: Option<Opened>,
    handlers: Vec<User>,
}

struct Opened {
    event: Event,
    likely: Vec<Likely>,
}

/// Where an event came from, as the views tell it.
fn source(event: &EventRow) -> &'static str {
    match event.facts.source.as_str() {
        "call" | "visitor" => "calls",
        "wechat" => "wechat",
        "informant" | "scan" => "public",
        _ => "grids",
    }
}

fn wanted(view: &str, (event, why): &(EventRow, Why)) -> bool {
    match view {
        "raised" => *why == Why::Raised,
        "untouched" => *why == Why::Untouched,
        "given" => matches!(why, Why::Given | Why::ToTell),
        "answered" => *why == Why::Answered,
        "asked" => matches!(why, Why::Asked | Why::Contested),
        "all" => true,
        other => source(event) == other,
    }
}

const VIEWS: [&str; 10] =
    ["all", "raised", "untouched", "calls", "public", "wechat", "grids", "given", "asked", "answered"];

fn address(view: &str, id: Option<RecordId>) -> String {
    let id = id.map(|id| format!("&e={id}")).unwrap_or_default();
    format!("/console/inbox?view={view}{id}")
}

fn body(ctx: &Ctx, page: &Page, choice: &Choice) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let view = page.view.as_str();
    let listed: Vec<&(EventRow, Why)> = page.waiting.iter().filter(|item| wanted(view, item)).collect();
    let beside = ctx.words.with("console-inbox-count", &[("n", page.waiting.len().to_string().into())]);
    html! {
        (layout::top_with(ctx, &word("console-inbox"), &beside, "", &html! {
            @if super::arrivals::may(ctx) {
                a.btn.btn--second href="/console/inbox/new" data-key="n" { (icon("phone")) (word("desk-new")) }
            }
        }))
        (what_became(ctx, choice))
        nav.views aria-label=(word("console-source")) {
            @for code in VIEWS {
                @let count = page.waiting.iter().filter(|item| wanted(code, item)).count();
                @if code == "all" || count > 0 {
                    a href=(address(code, None)) aria-current=[(code == view).then_some("page")] {
                        (word(&format!("console-view-{code}"))) b { (count) }
                    }
                }
            }
        }
        @if let Some(opened) = &page.opened {
            form class={ "cols cols--top c-inbox" @if choice.e.is_some() { " c-inbox--one" } } method="post" action="/console/inbox/act" {
                (csrf(ctx))
                input type="hidden" name="view" value=(view);
                input type="hidden" name="opened" value=(opened.event.part.record);
                div.panel {
                    ul.scrolls #mails {
                        @for (event, why) in listed.iter().take(LISTED) { (mail(ctx, event, *why, view, opened)) }
                    }
                    @if listed.len() > LISTED {
                        p.panel__b.sub { (ctx.words.with("desk-more", &[("n", (listed.len() - LISTED).to_string().into())])) }
                    }
                    div.tools.tools--in {
                        span.sub { (word("desk-ticked")) }
                        @for step in in_bulk(ctx) {
                            @let key = (step == Step::Close).then_some("c");
                            button.btn.btn--second name="do" value=(step_key(step)) data-key=[key] formnovalidate[step != Step::Dispatch] { (word(&step_key(step))) }
                        }
                    }
                    p.panel__b.keys {
                        kbd { "J" } kbd { "K" } (word("desk-key-move")) kbd { "X" } (word("desk-key-tick"))
                        kbd { "A" } (word("desk-key-all")) kbd { "C" } (word("step-close"))
                        kbd { "1" } "–" kbd { "9" } (word("desk-key-host")) kbd { "Enter" } (word("desk-key-next"))
                        kbd { "S" } (word("step-take")) kbd { "O" } (word("desk-key-open"))
                    }
                }
                (beside_list(ctx, opened, &page.handlers))
            }
        } @else {
            section.panel { p.panel__b.sub { (word("console-inbox-empty")) } }
        }
        script src="/console/keys.js" {}
    }
}

/// What became of the events of the last form.
fn what_became(ctx: &Ctx, choice: &Choice) -> Markup {
    let said = |key: &str, n: Option<u32>| {
        let n = n.filter(|n| *n > 0)?;
        Some(ctx.words.with(key, &[("n", n.to_string().into())]))
    };
    let bad = [said("desk-changed", choice.changed), said("desk-refused", choice.refused)];
    let why = choice.why.as_deref().filter(|why| why.starts_with("workflow-"));
    html! {
        @if let Some(did) = said("desk-did", choice.did) { p.note.note--below role="status" { (did) } }
        @for text in bad.iter().flatten() {
            p.note.note--doubt.note--below role="alert" {
                (text) @if let Some(why) = why { " " (ctx.words.text(why)) }
            }
        }
    }
}

/// The steps this person can ever give several events at once.
fn in_bulk(ctx: &Ctx) -> Vec<Step> {
    match ctx.who.user.role {
        Role::CenterStaff => IN_BULK.to_vec(),
        Role::GridLeader => vec![Step::SettleOnSite, Step::Take, Step::Raise, Step::Urge, Step::Close],
        _ => Vec::new(),
    }
}

fn mail(ctx: &Ctx, event: &EventRow, why: Why, view: &str, opened: &Opened) -> Markup {
    let here = event.record == opened.event.part.record;
    let place: Vec<String> = event.areas.iter().map(|id| ctx.area(*id)).collect();
    html! {
        li class={ "mail" @if here { " mail--on" } } {
            input.box type="checkbox" name="e" value=(event.record)
                aria-label=(ctx.words.with("desk-tick", &[("title", event.title.clone().into())]));
            input type="hidden" name={ "seen-" (event.record) } value=(event.seq);
            a.mail__b href=(address(view, Some(event.record))) aria-current=[here.then_some("true")] {
                span.mail__t {
                    b { (event.title) }
                    span { (event.facts.reported.map(|at| moment(ctx, at)).unwrap_or_default()) }
                }
                span.mail__s {
                    span { (place.join("、")) "·" (ctx.words.text(why.key())) }
                    @if event.facts.supervised { span { (ctx.words.text("desk-supervised")) } }
                    @if event.facts.urged > 0 {
                        span { (ctx.words.with("desk-urged", &[("n", event.facts.urged.to_string().into())])) }
                    }
                    span.end { (facts_light(ctx, &event.facts)) }
                }
            }
        }
    }
}

/// The opened event, what may be the same, and the step that is due.
fn beside_list(ctx: &Ctx, opened: &Opened, handlers: &[User]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let event = &opened.event;
    let id = event.part.record;
    let allowed = workflow::allowed(&event.state, &events::actor(ctx));
    let place: Vec<String> = event.part.areas.iter().map(|id| ctx.area(*id)).collect();
    // What moves it on; what only comments on it is on the page of the record.
    let due = [Step::GrantExtension, Step::Dispatch, Step::Handle, Step::Feedback, Step::Close];
    let due = due.into_iter().find(|step| allowed.contains(step));
    html! {
        div.stack {
            section.panel aria-labelledby="d1" {
                div.panel__h {
                    h2 #d1 { a.go href={ "/console/records/" (id) } data-key="o" { (event.part.title) } }
                    span.end { (event_light(ctx, &event.state)) }
                }
                div.panel__b {
                    @for field in ["account", "findings", "proposal"] {
                        @if let Some(text) = event.text(field) { p.said { (text) } }
                    }
                    p.sub { (place.join("、")) }
                    @if let Some(asked) = &event.state.asked {
                        p { (word("why-asked")) "：" (crate::export::show::limit(&ctx.words, asked.limit)) " " (asked.reason) }
                    }
                }
                @if !event.state.contested.is_empty() { p.note.note--flat { (word("contested")) } }
                (likely::panel(ctx, event, &opened.likely))
            }
            section.panel aria-labelledby="d2" {
                @if let Some(step) = due {
                    div.panel__h { h2 #d2 { (word(&step_key(step))) } span.end.keys { kbd { "D" } } }
                    div.panel__b #due { (events::step_fields(ctx, event, step, handlers)) }
                    div.tools {
                        button.btn.btn--primary name="do" value=(step_key(step)) data-key="Enter" {
                            (ctx.words.with("desk-next", &[("step", word(&step_key(step)).into())]))
                        }
                        @if allowed.contains(&Step::Take) {
                            button.btn.btn--second name="do" value="step-take" data-key="s" formnovalidate { (word("step-take")) " " kbd { "S" } }
                        }
                        a.btn.btn--quiet href={ "/console/records/" (id) } { (word("console-other-steps")) }
                    }
                } @else {
                    div.tools.tools--in {
                        a.btn.btn--second #d2 href={ "/console/records/" (id) } { (icon("pen")) (word("console-open-event")) }
                    }
                }
            }
        }
    }
}

/// What became of the chosen events.
#[derive(Default)]
struct Became {
    did: u32,
    changed: u32,
    refused: u32,
    why: Option<String>,
}

/// `POST /console/inbox/act`: one step for every ticked event, or for the opened one where none is ticked; then the next.
pub async fn act(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        let bad = || PageError::Bad("console-error-form".to_owned());
        let id = |text: &str| text.parse::<RecordId>().map_err(|_| bad());
        let opened = fields.get("opened").map(id).transpose()?;
        let mut chosen: Vec<RecordId> = fields.all("e").map(id).collect::<Result<_, _>>()?;
        let ticked = !chosen.is_empty();
        if !ticked {
            chosen.extend(opened);
        }
        chosen.truncate(LISTED);
        let step = fields.get("do").and_then(events::step_of).ok_or_else(bad)?;
        let view = fields.get("view").filter(|view| VIEWS.contains(view)).unwrap_or("all");
        // The one after those that go, as the list stood.
        let before = ctx.read(|read| events::waiting(ctx, read))?;
        let listed: Vec<RecordId> =
            before.iter().filter(|item| wanted(view, item)).map(|(event, _)| event.record).collect();
        let from = opened.and_then(|opened| listed.iter().position(|id| *id == opened)).unwrap_or(0);
        let next = listed
            .iter()
            .skip(from)
            .find(|id| !chosen.contains(id))
            .or_else(|| listed.iter().find(|id| !chosen.contains(id)));

        let mut became = Became::default();
        for record in chosen {
            match one(ctx, record, step, fields) {
                Ok(true) => became.did += 1,
                Ok(false) => became.changed += 1,
                // One by itself gets the page that says why; several go on.
                Err(error) if !ticked => return Err(error),
                Err(PageError::Bad(key)) => {
                    became.refused += 1;
                    became.why.get_or_insert(key);
                }
                Err(PageError::NotAllowed | PageError::NotFound) => became.refused += 1,
                Err(other) => return Err(other),
            }
        }
        if let Some(back) = fields.get("back").filter(|back| back.starts_with("/console/events") && back.len() < 2_000)
        {
            return Ok(Redirect::to(back).into_response());
        }
        let why = became.why.filter(|why| why.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        let why = why.map(|why| format!("&why={why}")).unwrap_or_default();
        Ok(Redirect::to(&format!(
            "{}&did={}&changed={}&refused={}{why}",
            address(view, next.copied()),
            became.did,
            became.changed,
            became.refused
        ))
        .into_response())
    })
    .await
}

/// Says one step of one event; `false` where it is no longer what the page showed.
fn one(ctx: &Ctx, record: RecordId, step: Step, fields: &Fields) -> Result<bool, PageError> {
    use shared::record::{Part, RecordKind};
    let part = ctx.read(|read| ctx.open_part(read, record))?;
    if part.kind != RecordKind::Event {
        return Err(PageError::NotFound);
    }
    if !ctx.may_write(Part::Open, workflow::STEPS, &part) {
        return Err(PageError::NotAllowed);
    }
    if fields.get(&format!("seen-{record}")) != Some(part.seq.to_string().as_str()) {
        return Ok(false);
    }
    let mut entry = events::entry(step, fields)?;
    if step == Step::Close && entry.outcome.is_none() {
        // Several at once are closed as settled, each in the words of its category.
        let event = Event::of(ctx, part.clone())?;
        let dispute = event.text("category").as_deref() == Some("dispute");
        entry.outcome = Some(if dispute { "reconciled" } else { "settled" }.to_owned());
    }
    events::save_entry(ctx, part, entry, None)?;
    Ok(true)
}
