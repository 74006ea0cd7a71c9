//! What is dispatched to a department: all it sees of the town. In order of light, with the answers beside it.

use std::collections::BTreeMap;

use axum::response::Response;
use maud::{Markup, html};
use shared::ids::{RecordId, UserId};
use shared::view;
use shared::workflow::{Light, STEPS, Stage, Step, StepEntry};

use super::events::{self, Event};
use super::layout::{self, Place, event_light, facts_light, icon, moment};
use super::{Ctx, PageError, add_photo};
use crate::store::{EventFacts, EventRow};

/// How an event stands with a department, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// 要办, 超期
    Over,
    /// 要办, 将到期
    Soon,
    /// 要办
    Open,
    /// 协办 of others, whose 主办 completes it.
    Helping,
    /// 办完了, 要反馈
    ToTell,
    /// Answered: the centre closes it.
    Done,
}

const GROUPS: [(Group, &str); 6] = [
    (Group::Over, "work-over"),
    (Group::Soon, "work-soon"),
    (Group::Open, "work-open"),
    (Group::ToTell, "work-to-tell"),
    (Group::Helping, "work-helping"),
    (Group::Done, "work-done"),
];

fn group(ctx: &Ctx, event: &EventFacts, me: UserId) -> Option<Group> {
    let hosts = event.host == Some(me);
    if !hosts && !event.helpers.contains(&me) {
        return None;
    }
    Some(match event.stage? {
        Stage::Handling if hosts => match event.light(ctx.now) {
            Some(Light::Red) => Group::Over,
            Some(Light::Yellow) => Group::Soon,
            Some(Light::Green) | None => Group::Open,
        },
        Stage::Handling => Group::Helping,
        Stage::Handled if hosts => Group::ToTell,
        _ => Group::Done,
    })
}

/// The page, with the event that was chosen or the most urgent one opened.
pub fn page(ctx: &Ctx, chosen: Option<RecordId>) -> Result<Response, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let me = ctx.who.user.id;
    let mut groups: BTreeMap<Group, Vec<EventRow>> = BTreeMap::new();
    for event in ctx.read(|read| events::under_way(ctx, read))? {
        if let Some(group) = group(ctx, &event.facts, me) {
            groups.entry(group).or_default().push(event);
        }
    }
    for events in groups.values_mut() {
        events.sort_by_key(|event| (event.facts.due.is_none(), event.facts.due, event.facts.moved));
    }
    let to_do =
        groups.iter().filter(|(group, _)| **group != Group::Done).map(|(_, events)| events.len()).sum::<usize>();
    let in_order = || GROUPS.iter().filter_map(|(group, key)| Some((*key, groups.get(group)?)));
    let opened = in_order().flat_map(|(_, events)| events).find(|event| chosen.is_none_or(|id| event.record == id));
    let opened = opened.or_else(|| in_order().flat_map(|(_, events)| events).next());
    let opened = opened.map(|row| ctx.read(|read| Event::of(ctx, ctx.open_part(read, row.record)?))).transpose()?;
    let here = |event: &EventRow| opened.as_ref().is_some_and(|opened| opened.part.record == event.record);
    let body = html! {
        (layout::top(ctx, &word("to-do-title"), &ctx.words.with("console-inbox-count", &[("n", to_do.to_string().into())]), ""))
        @if groups.is_empty() { section.panel { p.panel__b.sub { (word("work-none")) } } } @else {
            div.cols.cols--top.c-inbox {
                section.panel.scrolls #mails {
                    @for (key, events) in in_order() {
                        div.panel__h { h2 { (word(key)) } span.sub { (events.len()) } }
                        ul { @for event in events { (line(ctx, event, here(event))) } }
                    }
                }
                @if let Some(event) = &opened { (opened_event(ctx, event)) }
            }
            p.keys {
                kbd { "J" } kbd { "K" } (word("desk-key-move")) kbd { "D" } (word("desk-key-write"))
                kbd { "Ctrl" } kbd { "Enter" } (word("desk-key-next"))
            }
            script src="/console/keys.js" {}
        }
    };
    Ok(super::with_keys(ctx.answer(Place::Inbox, &word("to-do-title"), &body)))
}

fn line(ctx: &Ctx, event: &EventRow, here: bool) -> Markup {
    let areas: Vec<String> = event.areas.iter().map(|id| ctx.area(*id)).collect();
    html! {
        li class={ "mail" @if here { " mail--on" } } {
            a.mail__b href={ "/console/inbox?e=" (event.record) } aria-current=[here.then_some("true")] {
                span.mail__t { b { (event.title) } span { (event.facts.due.map(|at| moment(ctx, at)).unwrap_or_default()) } }
                span.mail__s { span { (areas.join(&ctx.words.text("list-separator"))) } span.end { (facts_light(ctx, &event.facts)) } }
            }
        }
    }
}

/// What whoever dispatched it said, the last time.
fn asked(event: &Event) -> Option<String> {
    let entries = view::log(&event.open, STEPS).into_iter().rev();
    let mut entries = entries.filter_map(|(_, write)| write.value.get::<StepEntry>());
    entries.find(|entry| entry.step == Step::Dispatch).map(|entry| entry.text).filter(|text| !text.is_empty())
}

fn opened_event(ctx: &Ctx, event: &Event) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let photos = view::many(&event.open, "photos").len();
    html! {
        div.stack {
            section.panel aria-labelledby="w1" {
                div.panel__h {
                    h2 #w1 { a.go href={ "/console/records/" (event.part.record) } { (event.part.title) } }
                    span.end { (event_light(ctx, &event.state)) }
                }
                div.panel__b {
                    @if let Some(asked) = asked(event) { p.said { b { (word("work-asked")) } " " (asked) } }
                    @for field in ["account", "findings", "proposal"] {
                        @if let Some(text) = event.text(field) { p.said { (text) } }
                    }
                    p.sub {
                        a.go href={ "/console/records/" (event.part.record) } { (icon("link")) (word("work-whole")) }
                        @if photos > 0 { " " (ctx.words.with("work-photos", &[("n", photos.to_string().into())])) }
                    }
                }
                @if let Some(asked) = &event.state.asked {
                    p.note.note--flat { (ctx.words.with("work-waits-for-more", &[("reason", asked.reason.clone().into())])) }
                }
                @if !event.state.contested.is_empty() { p.note.note--flat { (word("contested")) } }
                div #due { (events::step_forms(ctx, event, &[], true)) }
            }
            (add_photo::form(ctx, &event.part))
        }
    }
}
