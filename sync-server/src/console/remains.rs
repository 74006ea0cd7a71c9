//! 恢复后只在终端上见到的内容: what handhelds still showed of edits that were lost when the server was restored. Nothing of
//! it is applied; staff look at it beside the record and write what is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;
use shared::wire::HistoryEntry;

use super::ctx::{Asked, with, with_form};
use super::history;
use super::layout::{self, Place, csrf, moment};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::auth::authorize::Reach;
use crate::batch::state;
use crate::store::{self, Audit, KeptRemain, Read, StoreError};
use crate::sync::remains;

/// Records a page.
const PAGE: usize = 50;
/// How many values of a record are listed, to the end of an edit; the others once these were seen to.
const VALUES: usize = 200;

/// What is shown of one record.
struct Lost {
    record: RecordId,
    kind: RecordKind,
    /// The title, of a record that is here; none of one that was lost as a whole.
    title: Option<String>,
    /// One an edit, as a line of history, with what stands there now as the replaced values.
    edits: Vec<(KeptRemain, HistoryEntry)>,
    /// Whether something restricted is among it.
    restricted: bool,
}

/// Whether this person sees a remain: what they may read of a record that is here; of one that is not, staff of all of
/// the town.
fn visible(ctx: &Ctx, reach: Option<&Reach>, part: Part) -> bool {
    let user = &ctx.who.user;
    let all = user.role == Role::CenterStaff && ctx.who.scope.contains(user.town);
    (reach.is_some() || all) && remains::may(&ctx.who, &ctx.areas, reach, part)
}

/// The records of which something waits for this person, by id, with the parts.
fn records(ctx: &Ctx, read: &dyn Read) -> Result<BTreeMap<RecordId, BTreeSet<Part>>, StoreError> {
    let mut found: BTreeMap<RecordId, BTreeSet<Part>> = BTreeMap::new();
    read.each_lost(&mut |lost| {
        if visible(ctx, lost.reach.as_ref(), lost.part) {
            found.entry(lost.record).or_default().insert(lost.part);
        }
        Ok(true)
    })?;
    Ok(found)
}

/// What of a record waits for this person to be looked at: as much as is listed at once.
fn seen(read: &dyn Read, record: RecordId, parts: &BTreeSet<Part>) -> Result<Vec<KeptRemain>, StoreError> {
    let mut kept = read.unsettled_of(record)?;
    kept.retain(|kept| parts.contains(&kept.remain.part));
    // An edit is listed whole: it is seen to as one.
    let last = kept.get(VALUES - 1).map(|kept| kept.remain.edit);
    let end = kept.iter().rposition(|kept| Some(kept.remain.edit) == last).map_or(kept.len(), |place| place + 1);
    kept.truncate(end);
    Ok(kept)
}

/// Of how many records something waits for this person to be looked at.
pub fn count(ctx: &Ctx, read: &dyn Read) -> Result<u64, StoreError> {
    Ok(u64::try_from(records(ctx, read)?.len()).unwrap_or(u64::MAX))
}

/// Which page.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    page: Option<usize>,
}

/// `GET /console/remains`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Remains)?;
        let page = choice.page.unwrap_or(1).clamp(1, 100_000);
        let (records, more) = ctx.read(|read| lost(ctx, read, page))?;
        let restricted = records.iter().filter(|lost| lost.restricted);
        ctx.note_all("audit-restricted", restricted.map(|lost| (lost.record.to_string(), String::new())).collect())?;
        let word = |key: &str| ctx.words.text(key);
        let body = html! {
            (layout::top(ctx, &word("console-remains"), &word("console-remains-sub"), ""))
            @if records.is_empty() {
                section.panel { p.panel__b.sub { (word("console-remains-empty")) } }
            }
            div.cols.cols--top.c-half { @for lost in &records { (panel(ctx, lost)) } }
            (layout::pages(ctx, "/console/remains", page, more))
        };
        Ok(ctx.answer(Place::Remains, &word("console-remains"), &body))
    })
    .await
}

/// A page of records, and whether another follows.
fn lost(ctx: &Ctx, read: &dyn Read, page: usize) -> Result<(Vec<Lost>, bool), PageError> {
    let all = records(ctx, read)?;
    let more = all.len() > page * PAGE;
    let mut records = Vec::new();
    for (record, parts) in all.into_iter().skip((page - 1) * PAGE).take(PAGE) {
        let kept = seen(read, record, &parts)?;
        let parts = read.load_many(&[(record, Part::Open), (record, Part::Restricted)])?;
        let open = parts.iter().find(|part| part.part == Part::Open);
        let Some(first) = kept.first() else { continue };
        let kind = open.map_or(first.remain.kind, |part| part.kind);
        let title = open.map(|part| part.title.clone());
        let restricted = kept.iter().any(|kept| kept.remain.part == Part::Restricted);
        let mut edits: Vec<(KeptRemain, HistoryEntry)> = Vec::new();
        for kept in kept {
            let now = match parts.iter().find(|part| part.part == kept.remain.part) {
                Some(part) => state(part)?.live(&kept.remain.path).map(|write| write.value.clone()).collect(),
                None => Vec::new(),
            };
            let write = (kept.remain.path.clone(), kept.remain.value.clone());
            match edits.last_mut().filter(|(last, _)| last.remain.edit == kept.remain.edit) {
                Some((_, entry)) => {
                    entry.replaced.insert(write.0.clone(), now);
                    entry.edit.writes.insert(write.0, write.1);
                }
                None => {
                    let entry = HistoryEntry {
                        replaced: BTreeMap::from([(write.0.clone(), now)]),
                        edit: as_edit(ctx, &kept, write),
                        origin: String::new(),
                    };
                    edits.push((kept, entry));
                }
            }
        }
        records.push(Lost { record, kind, title, edits, restricted });
    }
    Ok((records, more))
}

/// As much of the lost edit as is known.
fn as_edit(ctx: &Ctx, kept: &KeptRemain, write: (shared::path::Path, shared::value::Value)) -> Edit {
    let remain = &kept.remain;
    Edit {
        id: remain.edit,
        record: remain.record,
        kind: remain.kind,
        part: remain.part,
        dot: Dot { slot: Slot(0), n: 0 },
        context: VectorTimestamp::new(),
        epoch: 0,
        at: remain.at,
        zone: 480,
        author: Arc::new(remain.author.clone()),
        form: ctx.forms.newest(remain.kind).map_or(0, |form| form.version),
        writes: BTreeMap::from([write]),
    }
}

fn panel(ctx: &Ctx, lost: &Lost) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let kind = word(&format!("kind-{}", lost.kind.code()));
    let none = |_| None;
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&none, &users);
    html! {
        section.panel {
            div.panel__h {
                h2 {
                    @match &lost.title {
                        None => { (kind) (word("colon")) (word("console-remains-whole")) },
                        Some(title) if title.is_empty() => { a.go href={ "/console/records/" (lost.record) } { (kind) } },
                        Some(title) => { a.go href={ "/console/records/" (lost.record) } { (title) } },
                    }
                }
                @if lost.title.is_some() { span.sub { (kind) } }
            }
            ol.log {
                @for (kept, entry) in &lost.edits {
                    li {
                        @for line in history::lines(ctx, lost.kind, entry, false, &told) { (line) }
                        p {
                            time { (moment(ctx, kept.remain.at)) }
                            (word("list-separator"))
                            (ctx.words.with("console-remains-shown", &[
                                ("name", ctx.user(kept.shown_by).into()),
                                ("at", moment(ctx, kept.shown).into()),
                            ]))
                        }
                    }
                }
            }
            div.tools {
                form method="post" action={ "/console/remains/" (lost.record) "/done" } {
                    (csrf(ctx))
                    @for (kept, _) in &lost.edits { input type="hidden" name="edit" value=(kept.remain.edit); }
                    button.btn.btn--second { (word("console-remains-done")) }
                }
            }
        }
    }
}

/// `POST /console/remains/{record}/done`: somebody saw to what the page listed of a record; what came since stays.
pub async fn done(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        ctx.must_see(Place::Remains)?;
        let listed: BTreeSet<EditId> = fields.all("edit").filter_map(|text| text.parse().ok()).collect();
        let settled = store::write::<_, StoreError>(&*ctx.app.store, ctx.who.user.town, |tx| {
            let mut settled = 0;
            let parts = records(ctx, &*tx)?.remove(&id).unwrap_or_default();
            for kept in seen(&*tx, id, &parts)? {
                if listed.contains(&kept.remain.edit) {
                    settled += u64::from(tx.settle_remain(kept.remain.edit, &kept.remain.path, ctx.now)?);
                }
            }
            if settled > 0 {
                tx.put_audit(&Audit {
                    at: ctx.now,
                    user: Some(ctx.who.user.id),
                    action: "audit-remains".to_owned(),
                    subject: id.to_string(),
                    detail: settled.to_string(),
                })?;
            }
            Ok(settled)
        })?;
        if settled == 0 {
            return Err(PageError::NotFound);
        }
        Ok(Redirect::to("/console/remains").into_response())
    })
    .await
}
