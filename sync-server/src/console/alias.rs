//! Duplicates: finding them, merging two side by side, what came in since, and parting them again.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::form::{Field, FieldType, Form};
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, MERGED_INTO, Policy};

use super::ctx::{Asked, with, with_form};
use super::layout::{Place, csrf, icon};
use super::record::Seen;
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::state;
use crate::export::{Telling, show};
use crate::store::{PartFilter, Read, StoredPart};
use crate::sync::alias::{self, AliasError, Merging};

/// The most candidates listed.
const LISTED: u64 = 20;

/// The other record, and what was typed to find it.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    with: Option<RecordId>,
    q: Option<String>,
}

impl From<AliasError> for PageError {
    fn from(error: AliasError) -> Self {
        match error {
            AliasError::Store(error) => Self::Store(error),
            AliasError::NoSuchRecord => Self::NotFound,
            AliasError::NotAlike => Self::Bad("console-error-not-alike".to_owned()),
            AliasError::Elsewhere => Self::Bad("console-error-elsewhere".to_owned()),
            AliasError::Rejected(why) => super::write::refusal(&why),
        }
    }
}

/// Whether this person merges duplicates here.
pub fn may_merge(ctx: &Ctx, part: &StoredPart) -> bool {
    ctx.may_write(Part::Open, MERGED_INTO, part)
}

/// `GET /console/records/{id}/merge`: candidates, or with one of them both side by side.
pub async fn show(
    State(app): State<App>,
    UrlPath(id): UrlPath<RecordId>,
    asked: Asked,
    Query(choice): Query<Choice>,
) -> Response {
    with(app, asked, move |ctx| {
        let seen = ctx.read(|read| Seen::load(ctx, read, id))?;
        if !may_merge(ctx, &seen.part) {
            return Err(PageError::NotAllowed);
        }
        let form = ctx.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
        let body = match choice.with {
            Some(other) => {
                let other = ctx.read(|read| Seen::load(ctx, read, other))?;
                if other.part.record == id || other.part.kind != seen.part.kind || !may_merge(ctx, &other.part) {
                    return Err(PageError::Bad("console-error-not-alike".to_owned()));
                }
                let in_full = in_full(ctx, form, &seen, &other);
                for shown in [&seen, &other] {
                    let id = shown.part.record.to_string();
                    if !in_full.is_empty() {
                        ctx.note("audit-to-decide", &id, &in_full.iter().cloned().collect::<Vec<_>>().join(","))?;
                    }
                    if shown.restricted.is_some() {
                        ctx.note("audit-restricted", &id, "")?;
                    }
                }
                pair(ctx, form, &seen, &other, &in_full)
            }
            None => {
                let query = choice.q.as_deref().unwrap_or_default().trim().to_owned();
                let found = ctx.read(|read| candidates(ctx, read, &seen, &query))?;
                listed(ctx, form, &seen, &found, &query)?
            }
        };
        Ok(ctx.answer(Place::Ledger, &seen.part.title, &body))
    })
    .await
}

/// Records of the same kind: by what was typed, else with the same number, else of the same name unless a birth date
/// says that it is somebody else.
fn candidates(ctx: &Ctx, read: &dyn Read, seen: &Seen, query: &str) -> Result<Vec<StoredPart>, PageError> {
    let text = |name: &str| view::shown(&seen.open, name, Policy::One).and_then(Value::as_text);
    let typed: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let mut asked: Vec<Vec<String>> = Vec::new();
    if typed.is_empty() {
        let known = ["id_number", "code", "phone"].into_iter().filter_map(text).chain([seen.part.title.clone()]);
        asked.extend(known.filter(|known| !known.is_empty()).map(|known| vec![known.to_lowercase()]));
    } else {
        asked.push(typed.clone());
    }
    let mut found: Vec<StoredPart> = Vec::new();
    for words in asked {
        let filter =
            PartFilter { kind: Some(seen.part.kind), areas: Some(ctx.scope()), limit: Some(LISTED), ..ctx.by_scope() };
        for part in super::records::found(ctx, read, &filter, &words)?.0 {
            if part.record != seen.part.record && found.iter().all(|known| known.record != part.record) {
                found.push(part);
            }
        }
    }
    if typed.is_empty() {
        let born = birth_date(&seen.open);
        let mut same = Vec::new();
        for part in found {
            let other = birth_date(&state(&part)?);
            if born.is_none() || other.is_none() || born == other {
                same.push(part);
            }
        }
        found = same;
    }
    Ok(found)
}

fn birth_date(open: &shared::merge::PartState) -> Option<String> {
    let text = |name: &str| view::shown(open, name, Policy::One).and_then(Value::as_text);
    let of_number = text("id_number").and_then(|number| shared::check::id_facts(&number));
    of_number.map(|facts| facts.birth_date.to_string()).or_else(|| text("birth_date"))
}

fn head(ctx: &Ctx, seen: &Seen, title: &str) -> Markup {
    html! {
        header.head2 {
            a.crumb href={ "/console/records/" (seen.part.record) } { (icon("back")) (seen.part.title) }
            h1 { (title) }
            span.sub { (ctx.words.text(&format!("kind-{}", seen.part.kind.code()))) }
        }
    }
}

fn listed(ctx: &Ctx, form: &Form, seen: &Seen, found: &[StoredPart], query: &str) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let (titles, users) = (|_| None, |_| None);
    let told = ctx.telling(&titles, &users);
    let mut rows = Vec::new();
    for part in found {
        let open = state(part)?;
        let facts = ["id_number", "birth_date", "phone", "address", "type", "category"].into_iter();
        let facts = facts.filter_map(|name| form.field(name)).map(|field| show::field(field, &open, &told));
        rows.push((
            part,
            facts.filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(&ctx.words.text("facts-separator")),
        ));
    }
    Ok(html! {
        (head(ctx, seen, &word("console-merge")))
        p.sub { (word("console-merge-help")) }
        form.pick action={ "/console/records/" (seen.part.record) "/merge" } {
            label.say for="mq" { (word("console-search")) }
            input.field__ctl id="mq" name="q" value=(query) placeholder=(word("console-search-by"));
            button.btn.btn--second { (word("console-search")) }
        }
        section.panel {
            @if rows.is_empty() { p.panel__b.sub { (word("console-merge-none")) } }
            @else {
                table.table { tbody {
                    @for (part, facts) in &rows {
                        tr {
                            td { a.go href={ "/console/records/" (part.record) } { (part.title) } }
                            td { (facts) }
                            td.n { (part.areas.iter().map(|id| ctx.area(*id)).collect::<Vec<_>>().join("、")) }
                            td.r { a.btn.btn--second href={ "/console/records/" (seen.part.record) "/merge?with=" (part.record) } { (word("console-compare")) } }
                        }
                    }
                } }
            }
        }
    })
}

/// The fields that are compared one value against another.
fn single(form: &Form) -> impl Iterator<Item = &Field> {
    form.fields().filter(|field| matches!(field.policy(), Policy::One | Policy::Latest) && field.name != MERGED_INTO)
}

fn value_of<'a>(seen: &'a Seen, field: &'a Field) -> Option<&'a Value> {
    view::shown(seen.state(field.part())?, &field.name, field.policy())
}

/// Masked fields that differ: shown in full to whoever may write them, or nobody could choose.
fn in_full(ctx: &Ctx, form: &Form, seen: &Seen, other: &Seen) -> BTreeSet<String> {
    let differs = |field: &&Field| {
        let (one, two) = (value_of(seen, field), value_of(other, field));
        field.mask.is_some() && one.is_some() && two.is_some() && one != two
    };
    let may = |field: &&Field| {
        ctx.may_write(field.part(), &field.name, &seen.part) && ctx.may_write(field.part(), &field.name, &other.part)
    };
    single(form).filter(differs).filter(may).map(|field| field.name.clone()).collect()
}

/// What the loser has and the winner has not, of fields that are sets.
fn only_there<'a>(form: &'a Form, seen: &'a Seen, other: &'a Seen) -> Vec<(&'a Field, Path, &'a Value)> {
    let mut found = Vec::new();
    for field in form.fields().filter(|field| field.policy() == Policy::Many) {
        let Some(theirs) = other.state(field.part()) else { continue };
        let ours: BTreeSet<&str> = seen
            .state(field.part())
            .map(|ours| view::many(ours, &field.name).into_iter().map(|(element, _)| element).collect())
            .unwrap_or_default();
        for (element, write) in view::many(theirs, &field.name) {
            if !ours.contains(element) {
                found.push((field, Path::element(&field.name, element), write.value));
            }
        }
    }
    found
}

/// The hidden fields that carry what was seen of a record.
pub fn vectors(name: &str, seen: &Seen) -> Markup {
    let text = |vector: Option<&VectorTimestamp>| {
        vector.and_then(|vector| serde_json::to_string(vector).ok()).unwrap_or_else(|| "{}".to_owned())
    };
    html! {
        input type="hidden" name={ (name) "-open" } value=(text(Some(seen.open.vector())));
        input type="hidden" name={ (name) "-restricted" } value=(text(seen.restricted.as_ref().map(|it| it.vector())));
    }
}

fn pair(ctx: &Ctx, form: &Form, seen: &Seen, other: &Seen, in_full: &BTreeSet<String>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let titles = |id: RecordId| seen.titles.get(&id).or_else(|| other.titles.get(&id)).cloned();
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&titles, &users);
    let text = |of: &Seen, field: &Field| {
        value_of(of, field)
            .map(|value| show::value(field, value, &told, in_full.contains(&field.name)))
            .unwrap_or_default()
    };
    let lang = told.lang.tag();
    let sets = only_there(form, seen, other);
    html! {
        (head(ctx, seen, &word("console-merge")))
        form.panel method="post" action={ "/console/records/" (seen.part.record) "/merge" } {
            (csrf(ctx))
            input type="hidden" name="other" value=(other.part.record);
            (vectors("winner", seen)) (vectors("loser", other))
            table.table {
                thead { tr {
                    th { (word("console-fields")) }
                    th { (word("console-merge-stays")) " " a.go href={ "/console/records/" (seen.part.record) } { (seen.part.title) } }
                    th { (word("console-merge-goes")) " " a.go href={ "/console/records/" (other.part.record) } { (other.part.title) } }
                } }
                tbody {
                    @for field in single(form) {
                        @let (ours, theirs) = (text(seen, field), text(other, field));
                        @let same = value_of(seen, field) == value_of(other, field);
                        @let may = ctx.may_write(field.part(), &field.name, &seen.part);
                        @if !(ours.is_empty() && theirs.is_empty()) {
                            tr {
                                td { (field.label.in_lang(lang)) @if field.restricted { (icon("lock")) } }
                                @if same || theirs.is_empty() || !may {
                                    td { (ours) } td.sub { (theirs) }
                                } @else {
                                    // What only the other one knows is taken unless somebody says otherwise.
                                    td { label.opt { input.box.box--round type="radio" name={ "take-" (field.name) } value="" checked[!ours.is_empty()];
                                        @if ours.is_empty() { (word("none")) } @else { (ours) } } }
                                    td { label.opt { input.box.box--round type="radio" name={ "take-" (field.name) } value="other" checked[ours.is_empty()]; (theirs) } }
                                }
                            }
                        }
                    }
                    @for (field, path, _) in &sets {
                        tr {
                            td { (field.label.in_lang(lang)) }
                            td {}
                            td { label.opt { input.box type="checkbox" name="element" value=(path) checked; (element(field, path, &told)) } }
                        }
                    }
                }
            }
            div.panel__b { p.sub { (word("console-merge-what")) } }
            div.tools {
                button.btn.btn--primary { (word("console-merge-do")) }
                a.btn.btn--quiet href={ "/console/records/" (other.part.record) "/merge?with=" (seen.part.record) } { (word("console-merge-swap")) }
            }
        }
    }
}

/// An element of a set in words.
pub fn element(field: &Field, path: &Path, told: &Telling<'_>) -> String {
    let name = path.element_name().unwrap_or_default();
    match field.kind {
        FieldType::Choices => field.choice_label(name, told.lang.tag()).to_owned(),
        FieldType::Links => name.parse().map_or_else(|_| name.to_owned(), |id| show::title(id, told)),
        FieldType::Photos => format!("{}…", name.get(..8).unwrap_or(name)),
        _ => name.to_owned(),
    }
}

fn seen_of(fields: &Fields, name: &str) -> Result<alias::Seen, PageError> {
    let vector = |part: &str| {
        let text = fields.get(&format!("{name}-{part}")).unwrap_or_default();
        serde_json::from_str(text).map_err(|_| PageError::Bad("console-error-form".to_owned()))
    };
    Ok(alias::Seen { open: vector("open")?, restricted: vector("restricted")? })
}

/// The record, for those who may merge it.
fn mergeable(ctx: &Ctx, id: RecordId) -> Result<Seen, PageError> {
    let seen = ctx.read(|read| Seen::load(ctx, read, id))?;
    if may_merge(ctx, &seen.part) { Ok(seen) } else { Err(PageError::NotAllowed) }
}

/// `POST /console/records/{id}/merge`: this one stays, the other goes. Also decides on what reached the other since.
pub async fn merge(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        let bad = || PageError::Bad("console-error-form".to_owned());
        let seen = mergeable(ctx, id)?;
        let other: RecordId = given.get("other").and_then(|id| id.parse().ok()).ok_or_else(bad)?;
        let other = mergeable(ctx, other)?;
        let form = ctx.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
        let mut chosen: BTreeMap<Part, BTreeMap<Path, Value>> = BTreeMap::new();
        for field in single(form) {
            let value = match given.text(&format!("take-{}", field.name)) {
                None => continue,
                Some("other") => value_of(&other, field).cloned().ok_or_else(bad)?,
                Some(dot) => {
                    let dot = super::to_decide::dot_of(dot).ok_or_else(bad)?;
                    let theirs = other.state(field.part()).ok_or_else(bad)?;
                    let late = theirs.live(&Path::field(&field.name)).find(|write| write.dot == dot);
                    // Somebody has written over it since.
                    late.map(|write| write.value.clone())
                        .ok_or_else(|| PageError::Bad("console-error-settled".to_owned()))?
                }
            };
            chosen.entry(field.part()).or_default().insert(Path::field(&field.name), value);
        }
        for path in given.all("element") {
            let path: Path = path.parse().map_err(|_| bad())?;
            let field = form.field(path.field_name()).filter(|field| field.policy() == Policy::Many).ok_or_else(bad)?;
            let theirs = other.state(field.part()).ok_or_else(bad)?;
            let element =
                view::many(theirs, &field.name).into_iter().find(|(name, _)| path.element_name() == Some(*name));
            let value = element.map(|(_, write)| write.value.clone()).ok_or_else(bad)?;
            chosen.entry(field.part()).or_default().insert(path, value);
        }
        let merging = Merging {
            winner: id,
            winner_seen: seen_of(given, "winner")?,
            loser: other.part.record,
            loser_seen: seen_of(given, "loser")?,
            chosen,
        };
        alias::merge(&ctx.app, &ctx.who, &merging)?;
        Ok(Redirect::to(&format!("/console/records/{id}")).into_response())
    })
    .await
}

/// `POST /console/records/{id}/unmerge`
pub async fn unmerge(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, given| {
        mergeable(ctx, id)?;
        let seen = super::write::context(given)?;
        alias::unmerge(&ctx.app, &ctx.who, id, &seen)?;
        Ok(Redirect::to(&format!("/console/records/{id}")).into_response())
    })
    .await
}
