//! 未收下: edits the server would not apply, with their reasons. Whoever is responsible for the area accepts them after
//! all or leaves them out and says why; the handheld that sent them is told. Nothing of them is lost.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::ids::{EditId, RecordId};
use shared::record::Part;
use shared::wire::{HistoryEntry, Rejection};

use super::ctx::{Asked, with, with_form};
use super::history;
use super::layout::{self, Place, csrf, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::{link_of, state};
use crate::store::{self, Quarantined, Read};
use crate::sync::accept::Rules;
use crate::sync::changes::knows_names;
use crate::sync::quarantine::{self, Decided};

/// Edits a page.
const PAGE: usize = 100;
/// The most characters of what is said to the author.
const WHY: usize = 500;

/// An edit that waits for this person's decision.
struct Waits {
    held: Quarantined,
    /// The record's title; empty where the record itself was not applied.
    title: String,
    /// Whether the record is there.
    exists: bool,
    /// The edit as a line of history, with what stands there now as the replaced values.
    entry: HistoryEntry,
    /// The titles of what it links to, as far as this reader may read that.
    titles: BTreeMap<RecordId, String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    page: Option<usize>,
}

/// The edits that wait for this person's decision, newest first, `most` of them after the first `passed`. Whoever sends many
/// that are not for them does not push out those that are.
fn waiting(ctx: &Ctx, read: &dyn Read, passed: usize, most: usize) -> Result<Vec<EditId>, PageError> {
    let rules = ctx.app.rules_of(ctx.who.user.town)?;
    let (mut found, mut left) = (Vec::new(), passed);
    read.each_undecided(&mut |undecided| {
        if !quarantine::is_for(&rules, &ctx.who, &undecided) {
            return Ok(true);
        }
        if left > 0 {
            left -= 1;
        } else {
            found.push(undecided.edit);
        }
        Ok(found.len() < most)
    })?;
    Ok(found)
}

/// How many edits wait for this person's decision, at most `most`.
pub fn count(ctx: &Ctx, read: &dyn Read, most: usize) -> Result<u64, PageError> {
    Ok(u64::try_from(waiting(ctx, read, 0, most)?.len()).unwrap_or(u64::MAX))
}

/// `GET /console/quarantine`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Quarantine)?;
        let rules = ctx.app.rules_of(ctx.who.user.town)?;
        let page = choice.page.unwrap_or(1).clamp(1, 100_000);
        let (rows, more) = ctx.read(|read| {
            let mut ids = waiting(ctx, read, (page - 1) * PAGE, PAGE + 1)?;
            let more = ids.len() > PAGE;
            ids.truncate(PAGE);
            let mut rows = Vec::new();
            for id in ids {
                if let Some(held) = read.quarantined(id)? {
                    rows.extend(waits(ctx, read, &rules, held)?);
                }
            }
            Ok::<_, PageError>((rows, more))
        })?;
        let restricted = rows.iter().map(|waits| &waits.held.edit).filter(|edit| edit.part == Part::Restricted);
        let looks: BTreeSet<String> = restricted.map(|edit| edit.record.to_string()).collect();
        ctx.note_all("audit-restricted", looks.into_iter().map(|record| (record, String::new())).collect())?;
        let word = |key: &str| ctx.words.text(key);
        let body = html! {
            (layout::top(ctx, &word("console-quarantine"), &word("console-quarantine-sub"), ""))
            @if rows.is_empty() {
                section.panel { p.panel__b.sub { (word("console-quarantine-empty")) } }
            }
            div.cols.cols--top.c-half {
                @for waits in &rows { (panel(ctx, waits)) }
            }
            (layout::pages(ctx, "/console/quarantine", page, more))
        };
        Ok(ctx.answer(Place::Quarantine, &word("console-quarantine"), &body))
    })
    .await
}

fn waits(ctx: &Ctx, read: &dyn Read, rules: &Rules, held: Quarantined) -> Result<Option<Waits>, PageError> {
    if !quarantine::may_decide(read, rules, &ctx.who, &held)? {
        return Ok(None);
    }
    let edit = &held.edit;
    let parts = read.load_many(&[(edit.record, Part::Open), (edit.record, edit.part)])?;
    let title = parts.iter().find(|part| part.part == Part::Open).map(|part| part.title.clone());
    let mut replaced = BTreeMap::new();
    if let Some(part) = parts.iter().find(|part| part.part == edit.part) {
        let now = state(part)?;
        for path in edit.writes.keys() {
            replaced.insert(path.clone(), now.live(path).map(|write| write.value.clone()).collect());
        }
    }
    let mut linked: BTreeSet<RecordId> = edit.writes.values().filter_map(link_of).collect();
    linked.extend(edit.writes.keys().filter_map(|path| path.element_name()?.parse::<RecordId>().ok()));
    let keys: Vec<_> = linked.into_iter().map(|id| (id, Part::Open)).collect();
    let titles = read.load_many(&keys)?.into_iter().filter(|part| ctx.may_read(Part::Open, part));
    let titles = titles.map(|part| (part.record, part.title)).collect();
    // The name of a private phone says who it is as well.
    let hidden = edit.author.role.is_anonymous_to_others() && !knows_names(&ctx.who);
    let origin = if hidden { String::new() } else { held.origin.clone() };
    let entry = HistoryEntry { edit: edit.clone(), replaced, origin };
    Ok(Some(Waits { exists: title.is_some(), title: title.unwrap_or_default(), entry, titles, held }))
}

fn panel(ctx: &Ctx, waits: &Waits) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let Waits { held, title, entry, titles, .. } = waits;
    let kind = word(&format!("kind-{}", held.edit.kind.code()));
    let titles = |id: RecordId| titles.get(&id).cloned();
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&titles, &users);
    let action = |what: &str| format!("/console/quarantine/{}/{what}", held.edit.id);
    let field = format!("why-{}", held.edit.id);
    html! {
        section.panel {
            div.panel__h {
                h2 {
                    @if !waits.exists { (kind) (word("colon")) (word("console-quarantine-new")) }
                    @else if title.is_empty() { (kind) }
                    @else { a.go href={ "/console/records/" (held.edit.record) } { (title) } }
                }
                @if waits.exists { span.sub { (kind) } }
            }
            ol.log {
                li {
                    @for line in history::lines(ctx, held.edit.kind, entry, false, &told) { (line) }
                    p { time { (moment(ctx, held.edit.at)) } (history::origin(ctx, entry)) }
                }
            }
            div.panel__b.panel__b--line {
                p.note.note--flat { (word("console-reason")) (word("colon")) (reason(ctx, &held.rejection)) }
                p.sub { (word("console-quarantine-since")) " " time { (moment(ctx, held.received)) } }
            }
            div.tools {
                form method="post" action=(action("accept")) {
                    (csrf(ctx))
                    button.btn.btn--second { (word("console-quarantine-accept")) }
                }
            }
            details.act {
                summary { (word("console-quarantine-dismiss")) }
                form.act__b method="post" action=(action("dismiss")) {
                    (csrf(ctx))
                    div.field {
                        label.field__label for=(field) { (word("console-quarantine-why")) }
                        textarea.field__ctl id=(field) name="why" maxlength=(WHY) required {}
                    }
                    button.btn.btn--second { (word("console-quarantine-dismiss")) }
                }
            }
        }
    }
}

/// Why it was not applied, in words.
fn reason(ctx: &Ctx, rejection: &Rejection) -> String {
    let mut said = ctx.words.text(&reason_key(rejection));
    // What its author is told in other words than who decides here.
    let keys = [format!("held-{}", rejection.detail), rejection.detail.clone()];
    if let Some(key) = keys.iter().find(|key| ctx.words.has(key)) {
        said.push_str(&ctx.words.text(key));
    }
    said
}

fn reason_key(rejection: &Rejection) -> String {
    let code = shared::value::Value::of(&rejection.reason).as_text().unwrap_or_default();
    format!("console-reject-{code}")
}

/// `POST /console/quarantine/{id}/accept`
pub async fn accept(State(app): State<App>, UrlPath(id): UrlPath<EditId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, _| {
        ctx.must_see(Place::Quarantine)?;
        let rules = ctx.app.rules_of(ctx.who.user.town)?;
        let town = ctx.who.user.town;
        decided(store::write(&*ctx.app.store, town, |tx| quarantine::release(&ctx.app, tx, &rules, &ctx.who, id))?)
    })
    .await
}

/// `POST /console/quarantine/{id}/dismiss`, with what is said to the author.
pub async fn dismiss(State(app): State<App>, UrlPath(id): UrlPath<EditId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        ctx.must_see(Place::Quarantine)?;
        let why = fields.text("why").ok_or_else(|| PageError::Bad("console-quarantine-no-why".to_owned()))?;
        let why: String = why.chars().take(WHY).collect();
        let rules = ctx.app.rules_of(ctx.who.user.town)?;
        let town = ctx.who.user.town;
        decided(store::write(&*ctx.app.store, town, |tx| quarantine::dismiss(tx, &rules, &ctx.who, id, &why))?)
    })
    .await
}

/// Whether the edit is not there or not for this person is not told.
fn decided(decided: Decided) -> Result<Response, PageError> {
    match decided {
        Decided::Done => Ok(Redirect::to("/console/quarantine").into_response()),
        Decided::StillRejected(why) => Err(PageError::Bad(reason_key(&why))),
        Decided::NotAllowed | Decided::NoSuchEdit => Err(PageError::NotFound),
    }
}
