//! 待核对: both values side by side, who and when, choose one or type a third. Never a word of quarrel.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::author::Role;
use shared::form::{Field, FieldType, Form};
use shared::ids::{Dot, RecordId, Slot};
use shared::merge::LiveWrite;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, MERGED_INTO, One, Policy};

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf, moment};
use super::record::Seen;
use super::write::{self, Save};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::export::{Telling, show};
use crate::store::PartFilter;

/// The most records a page lists.
const LISTED: u64 = 30;

/// `GET /console/to-decide`: the newest, each with its cards. What they show in full is written to the audit.
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::ToDecide)?;
        let filter = PartFilter { open_only: true, newest_first: true, limit: Some(LISTED), ..ctx.by_scope() };
        let records = ctx.read(|read| {
            let mut ids = Vec::new();
            read.each_part(&filter, &mut |part| {
                if ctx.may_read(Part::Open, &part) {
                    ids.push(part.record);
                }
                Ok(true)
            })?;
            ids.into_iter().map(|id| Seen::load(ctx, read, id)).collect::<Result<Vec<_>, PageError>>()
        })?;
        let (mut looks, mut restricted) = (Vec::new(), Vec::new());
        for seen in &records {
            let form = ctx.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
            if shows_restricted(seen, form) {
                restricted.push((seen.part.record.to_string(), String::new()));
            }
            let in_full = fields_in_full(ctx, seen, form);
            if !in_full.is_empty() {
                looks.push((seen.part.record.to_string(), in_full.join(",")));
            }
        }
        ctx.note_all("audit-to-decide", looks)?;
        ctx.note_all("audit-restricted", restricted)?;
        let word = |key: &str| ctx.words.text(key);
        let body = html! {
            (layout::top(ctx, &word("console-to-decide"), &word("console-to-decide-sub"), ""))
            @if records.is_empty() {
                section.panel { p.panel__b.sub { (word("console-nothing-to-decide")) } }
            }
            div.cols.cols--top.c-half {
                @for seen in &records { (listed(ctx, seen)) }
            }
        };
        Ok(ctx.answer(Place::ToDecide, &word("console-to-decide"), &body))
    })
    .await
}

fn listed(ctx: &Ctx, seen: &Seen) -> Markup {
    let titles = |id: RecordId| seen.titles.get(&id).cloned();
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&titles, &users);
    let areas: Vec<String> = seen.part.areas.iter().map(|id| ctx.area(*id)).collect();
    html! {
        section {
            p.over {
                a.go href={ "/console/records/" (seen.part.record) } { (seen.part.title) }
                span.sub { (ctx.words.text(&format!("kind-{}", seen.part.kind.code()))) (ctx.words.text("facts-separator")) (areas.join(&ctx.words.text("list-separator"))) }
            }
            @if let Some(form) = ctx.forms.newest(seen.part.kind) {
                (cards(ctx, seen, form, &told))
                @if matches!(seen.part.kind, RecordKind::Event) && seen.part.open_fields > 0 { (contested(ctx, seen)) }
            }
        }
    }
}

/// An event whose steps are at odds is decided by a further step, on its page.
fn contested(ctx: &Ctx, seen: &Seen) -> Markup {
    let state = shared::workflow::fold(&seen.open, &ctx.calendar);
    html! {
        @if !state.contested.is_empty() {
            section.panel {
                p.panel__b { (ctx.words.text("contested")) }
                div.tools {
                    a.btn.btn--second href={ "/console/records/" (seen.part.record) } { (ctx.words.text("console-open-event")) }
                }
            }
        }
    }
}

/// The masked fields that the cards of a page show in full, because this reader may write them: looked at, so noted.
pub fn fields_in_full(ctx: &Ctx, seen: &Seen, form: &Form) -> Vec<String> {
    let masked = form.fields().filter(|field| field.mask.is_some() && field.policy() == Policy::One);
    masked
        .filter(|field| seen.state(field.part()).is_some_and(|part| view::one(part, &field.name).is_open()))
        .filter(|field| ctx.may_write(field.part(), &field.name, &seen.part))
        .map(|field| field.name.clone())
        .collect()
}

/// Whether a card shows something restricted: looked at, so noted.
fn shows_restricted(seen: &Seen, form: &Form) -> bool {
    let mut restricted =
        form.fields().filter(|field| field.part() == Part::Restricted && field.policy() == Policy::One);
    let open = |field: &Field| seen.restricted.as_ref().is_some_and(|part| view::one(part, &field.name).is_open());
    restricted.any(open)
}

/// One card for every field of the record that is 待核对.
pub fn cards(ctx: &Ctx, seen: &Seen, form: &Form, told: &Telling<'_>) -> Markup {
    html! {
        div.stack {
            @for field in form.fields().filter(|field| field.policy() == Policy::One) {
                @if let Some(part) = seen.state(field.part()) {
                    @if let One::Open(writes) = view::one(part, &field.name) {
                        (card(ctx, seen, field, &writes, told))
                    }
                }
            }
        }
    }
}

fn card(ctx: &Ctx, seen: &Seen, field: &Field, writes: &[LiveWrite<'_>], told: &Telling<'_>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let may = may_settle(ctx, seen, field);
    let label = field.label.in_lang(told.lang.tag());
    let action = format!("/console/records/{}/settle", seen.part.record);
    let hidden = html! {
        (csrf(ctx))
        @if let Some(part) = seen.state(field.part()) { (write::seen(part)) }
        input type="hidden" name="field" value=(field.name);
    };
    html! {
        section.panel aria-label=(label) {
            div.panel__h { h2 { (word("to-decide")) (word("colon")) (label) } }
            div.two {
                @for write in writes {
                    div {
                        p.val.num {
                            @if write.value.is_null() { (word("none")) } @else { (show::value(field, write.value, told, may)) }
                        }
                        p.sub { (ctx.author(&write.head.author)) br; time { (moment(ctx, write.head.at)) } }
                        @if may {
                            form method="post" action=(action) {
                                (hidden)
                                input type="hidden" name="dot" value=(format!("{}-{}", write.dot.slot, write.dot.n));
                                button.btn.btn--second { (word("console-use-this")) }
                            }
                        }
                    }
                }
            }
            @if may {
                details.act {
                    summary { (word("console-type-another")) }
                    form.act__b method="post" action=(action) {
                        (hidden)
                        (third(field, told))
                        button.btn.btn--second { (word("console-save")) }
                    }
                }
            }
        }
    }
}

/// Whether this person decides on a field. Two merges that did not see each other are decided on by merging or parting the
/// records, where the right is asked for both.
fn may_settle(ctx: &Ctx, seen: &Seen, field: &Field) -> bool {
    // An administrator writes where records lie, and decides on nothing.
    let decides = ctx.who.user.role != Role::Admin;
    decides
        && field.policy() == Policy::One
        && field.name != MERGED_INTO
        && ctx.may_write(field.part(), &field.name, &seen.part)
}

/// How a third value is typed.
fn third(field: &Field, told: &Telling<'_>) -> Markup {
    let lang = told.lang.tag();
    let name = format!("third-{}", field.name);
    let label = field.label.in_lang(lang);
    html! {
        div.field {
            label.field__label for=(name) { (label) }
            @match field.kind {
                FieldType::Choice => {
                    select.field__ctl id=(name) name="third" {
                        @for choice in field.choices.iter().filter(|choice| !choice.retired) { option value=(choice.code) { (field.choice_label(&choice.code, lang)) } }
                    }
                },
                FieldType::Area => {
                    select.field__ctl id=(name) name="third" {
                        @for area in told.areas.iter().filter(|area| !area.closed && area.level == shared::area::AreaLevel::Grid) {
                            option value=(area.id) { (told.area(area.id)) }
                        }
                    }
                },
                FieldType::LongText => { textarea.field__ctl id=(name) name="third" {} },
                FieldType::Date => { input.field__ctl id=(name) name="third" type="date"; },
                _ => { input.field__ctl id=(name) name="third" maxlength=(field.max.unwrap_or(200)); },
            }
        }
    }
}

/// `POST /console/records/{id}/settle`: the chosen value, or a third, over every value that stood on the page. A value
/// that came in since then stays 待核对.
pub async fn settle(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        let bad = || PageError::Bad("console-error-form".to_owned());
        let seen = ctx.read(|read| Seen::load(ctx, read, id))?;
        let form = ctx.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
        if !form.fields().any(|field| may_settle(ctx, &seen, field)) {
            return Err(PageError::NotAllowed);
        }
        let field = given.get("field").and_then(|name| form.field(name)).ok_or_else(bad)?;
        if !may_settle(ctx, &seen, field) {
            return Err(PageError::NotAllowed);
        }
        let state = seen.state(field.part()).ok_or(PageError::NotAllowed)?;
        let context = write::context(given)?;
        let path = Path::field(&field.name);
        let value = match given.get("dot") {
            Some(dot) => {
                let dot = dot_of(dot).ok_or_else(bad)?;
                let chosen = state.live(&path).find(|write| write.dot == dot).map(|write| write.value.clone());
                chosen.ok_or_else(|| PageError::Bad("console-error-settled".to_owned()))?
            }
            None => typed(field, given.text("third").unwrap_or_default()).ok_or_else(bad)?,
        };
        let writes = BTreeMap::from([(path, value)]);
        let kind: RecordKind = seen.part.kind;
        write::save(ctx, Save { record: id, kind, part: field.part(), context, writes, id: None })?;
        Ok(Redirect::to(&format!("/console/records/{id}")).into_response())
    })
    .await
}

/// The dot of a form's field, `slot-n`.
pub fn dot_of(text: &str) -> Option<Dot> {
    let (slot, n) = text.split_once('-')?;
    Some(Dot { slot: Slot(slot.parse().ok()?), n: n.parse().ok()? })
}

/// What was typed as the field's value; nothing typed clears the field.
fn typed(field: &Field, text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::null());
    }
    match field.kind {
        FieldType::Area => text.parse().ok().map(|id| Value::of(&shared::area::AreaId(id))),
        FieldType::Choice => Some(Value::text(text)),
        FieldType::Link => text.parse::<RecordId>().ok().map(|id| Value::of(&id)),
        _ => {
            let writes = crate::import::cell_writes(field, text).ok()?;
            writes.into_iter().next().map(|(_, value)| value)
        }
    }
}
