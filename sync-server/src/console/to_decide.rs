//! 待核对: both values side by side, who and when, choose one or type a third. Never a word of quarrel.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::form::{Field, FieldType, Form};
use shared::ids::{Dot, RecordId, Slot};
use shared::merge::LiveWrite;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, One, Policy};

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf, moment};
use super::record::Seen;
use super::write::{self, Save};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::state;
use crate::export::{Telling, show};
use crate::store::PartFilter;

/// The most records a page lists.
const LISTED: u64 = 100;

/// `GET /console/to-decide`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::ToDecide)?;
        let filter = PartFilter {
            areas: Some(ctx.scope()),
            open_only: true,
            newest_first: true,
            limit: Some(LISTED),
            ..PartFilter::default()
        };
        let mut rows = Vec::new();
        let mut failed = None;
        ctx.read(|read| {
            read.each_part(&filter, &mut |part| {
                if ctx.may_read(Part::Open, &part) {
                    match state(&part) {
                        Ok(open) => rows.push((part, open)),
                        Err(error) => failed = Some(error),
                    }
                }
                Ok(failed.is_none())
            })
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        let word = |key: &str| ctx.words.text(key);
        let lang = ctx.words.lang().tag();
        let body = html! {
            (layout::top(ctx, &word("console-to-decide"), &word("console-to-decide-sub"), ""))
            section.panel {
                @if rows.is_empty() {
                    p.panel__b.sub { (word("console-nothing-to-decide")) }
                } @else {
                    table.table {
                        thead { tr {
                            th { (word("console-record")) } th { (word("console-kind")) } th { (word("batch-area")) }
                            th { (word("console-fields")) } th { (word("console-who")) } th {}
                        } }
                        tbody {
                            @for (part, open) in &rows {
                                @if let Some(form) = ctx.app.forms.newest(part.kind) {
                                    @let fields: Vec<&Field> = open_fields(form, open).collect();
                                    tr {
                                        td { b { (part.title) } }
                                        td.n { (word(&format!("kind-{}", part.kind.code()))) }
                                        td { (part.areas.iter().map(|id| ctx.area(*id)).collect::<Vec<_>>().join("、")) }
                                        td { (fields.iter().map(|f| f.label.in_lang(lang)).collect::<Vec<_>>().join("、")) }
                                        td { (authors(ctx, &fields, open)) }
                                        td.r.n { a.go href={ "/console/records/" (part.record) "#to-decide" } {
                                            (word("console-look"))
                                        } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        };
        Ok(ctx.answer(Place::ToDecide, &word("console-to-decide"), &body))
    })
    .await
}

fn open_fields<'a>(form: &'a Form, open: &'a shared::merge::PartState) -> impl Iterator<Item = &'a Field> {
    form.fields()
        .filter(|field| field.policy() == Policy::One && !field.restricted)
        .filter(|field| view::one(open, &field.name).is_open())
}

fn authors(ctx: &Ctx, fields: &[&Field], open: &shared::merge::PartState) -> String {
    let mut names: Vec<String> = Vec::new();
    for field in fields {
        for write in open.live(&Path::field(&field.name)) {
            let name = ctx.author(&write.head.author);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.join("、")
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

/// One card for every field of the record that is 待核对.
pub fn cards(ctx: &Ctx, seen: &Seen, form: &Form, told: &Telling<'_>) -> Markup {
    html! {
        div.stack #to-decide {
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
    let may = ctx.may_write(field.part(), &field.name, &seen.part);
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
                        @for choice in &field.choices { option value=(choice.code) { (field.choice_label(&choice.code, lang)) } }
                    }
                },
                FieldType::Area => {
                    select.field__ctl id=(name) name="third" {
                        @for area in told.areas.iter().filter(|area| area.level == shared::area::AreaLevel::Grid) {
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
        let form = ctx.app.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
        let field = given.get("field").and_then(|name| form.field(name)).ok_or_else(bad)?;
        if field.policy() != Policy::One || !ctx.may_write(field.part(), &field.name, &seen.part) {
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

fn dot_of(text: &str) -> Option<Dot> {
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
