//! The page of one record of any kind: fields, photos, links both ways, history in words.

use dioxus::prelude::*;
use shared::form::{Field, FieldType, PhotoParticulars, Position};
use shared::ids::{PhotoHash, RecordId};
use shared::merge::Deletion;
use shared::outline::Micro;
use shared::record::RecordKind;
use shared::validate::{self, Severity};
use shared::view::{self, Policy};
use shared::work::Work;

use super::act::Actions;
use super::delete::Delete;
use super::event::{EventHead, EventSteps, Remarks};
use super::form::values_of;
use super::history::History;
use super::household::{Above, Inside, household, relation};
use super::map::OnMapRow;
use super::missing::Missing;
use super::moving::{Arrived, Leaving};
use super::quick::{Quick, faults, is_reported, report_faults};
use super::related::{Links, related};
use super::work::work_icon;
use crate::handheld::{Draft, Message, OutboxWhat, RESTRICTED, RecordPage};
use crate::ui::components::frame::{Dock, Foot, Nav, NavEnd};
use crate::ui::components::photo::Photos;
use crate::ui::components::row::{HitRow, kind_icon};
use crate::ui::components::{Go, Group, Icon, Light, Mark, Quiet};
use crate::ui::entry::of_part;
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, message, words};

/// Links that the page tells of elsewhere.
const UNTOLD: [&str; 2] = ["merged_into", "campaign"];

/// A record.
#[component]
pub fn ShowRecord(id: RecordId) -> Element {
    rsx! {
        // Another record is another page: what was unmasked or typed on one must not stay open on the next.
        for id in [id] {
            Shown { key: "{id}", id }
        }
    }
}

#[component]
fn Shown(id: RecordId) -> Element {
    let state = use_context::<State>();
    let words = words();
    state.follow();
    let Some(page) = state.record(id) else {
        return rsx! {
            Missing { rest: Vec::new() }
        };
    };
    let kind = page.record.kind;
    let work = if kind == RecordKind::Event { Work::of(&page.record.open) } else { None };
    let event = if kind == RecordKind::Event && work.is_none() { state.event(id) } else { None };
    let tab = if kind == RecordKind::Event { Tab::Events } else { Tab::Search };
    let (care, rows): (Vec<Row>, Vec<Row>) =
        rows(&words, &state, &page).into_iter().partition(|row| row.field.restricted);
    let title = if page.title.is_empty() { words.t("app-untitled") } else { page.title.clone() };
    let unverified = unverified(&words, &state, &page);
    let tagged = !unverified.is_empty()
        || !page.open_fields.is_empty()
        || page.waiting > 0
        || page.deletion != Deletion::Present;
    let waiting_photos: Vec<PhotoHash> = state
        .outbox()
        .into_iter()
        .filter_map(|item| match item.what {
            OutboxWhat::Photo { hash, .. } => Some(hash),
            OutboxWhat::Edit { .. } => None,
        })
        .collect();
    let photos = photos(&page);
    let house = household(&state, &page);
    let may_edit = state.changes(kind, &page.areas)
        && event.as_ref().is_none_or(|event| event.stage != Some(shared::workflow::Stage::Archived));
    let waiting_here = photos.iter().filter(|(hash, _)| waiting_photos.iter().any(|one| one.as_str() == hash)).count();
    rsx! {
        Nav { back: tab,
            if may_edit {
                Go { class: "nav__act", to: Route::EditRecord { id }, hook: "edit", {words.t("app-edit")} }
            } else {
                NavEnd {}
            }
        }
        main { id: "record", "data-id": id.to_string(), "data-kind": kind.code(),
            div { class: "title",
                h1 { {title} }
                if let Some(event) = event.clone() {
                    EventHead { event, page: PageOf(page.clone()) }
                } else {
                    if kind == RecordKind::Place {
                        Above { page: PageOf(page.clone()) }
                    }
                    p { class: "sub", {facts(&words, &state, &page)} }
                }
                if tagged {
                  div { class: "tags",
                    for (field, label) in unverified {
                        span { key: "{field}", Light { mark: Mark::Yellow, text: words.s("app-unverified", "field", &label) } }
                    }
                    if !page.open_fields.is_empty() {
                        Light { mark: Mark::Yellow, text: words.n("app-record-open", page.open_fields.len()) }
                    }
                    if page.waiting > 0 {
                        Light { mark: Mark::Off, text: words.t("app-waiting") }
                    }
                    match page.deletion {
                        Deletion::Deleted => rsx! {
                            Light { mark: Mark::Off, text: words.t("app-deleted") }
                        },
                        Deletion::Revived => rsx! {
                            Light { mark: Mark::Yellow, text: words.t("app-revived") }
                        },
                        Deletion::Present => rsx! {},
                    }
                }
                }
            }
            Arrived { page: PageOf(page.clone()) }
            Leaving { page: PageOf(page.clone()) }
            Quick { page: PageOf(page.clone()) }
            if let Some(winner) = page.merged_into.clone() {
                ul { class: "list", id: "merged-into",
                    li {
                        Go { class: "row row--one", to: Route::ShowRecord { id: winner.id }, hook: "merged-into",
                            Icon { name: kind_icon(kind) }
                            span { class: "row__main",
                                {words.s("app-merged-into", "title", &winner.title.clone().unwrap_or_else(|| words.t("app-untitled")))}
                            }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
            if !page.offered.is_empty() {
                Offered { page: PageOf(page.clone()) }
            }
            if event.is_some() {
                EventSteps { page: PageOf(page.clone()) }
            }
            if !photos.is_empty() {
                Group {
                    title: words.t("app-photos"),
                    end: if waiting_here > 0 {
                        words.with("app-photos-waiting", &[("n", (photos.len() as f64).into()), ("waiting", (waiting_here as f64).into())])
                    } else {
                        words.n("app-photos-count", photos.len())
                    },
                    div { class: "sheet", Photos { photos, waiting: waiting_photos } }
                }
            }
            section { class: "group",
                h2 { class: "say", {words.t("app-record-fields")} }
                dl { class: "list dl",
                    for row in rows {
                        FieldRow { key: "{row.field.name}", id, row }
                    }
                }
            }
            OnMapRow { at: position(&page), id }
            if page.closed || !care.is_empty() {
                Care { id, rows: care, closed: page.closed }
            }
            if kind == RecordKind::Place {
                Inside { page: PageOf(page.clone()) }
            }
            if !house.is_empty() {
                Group { title: words.t("app-household"), end: words.n("app-household-count", house.len()),
                    ul { class: "list", id: "household",
                        for hit in house {
                            li { key: "{hit.id}", HitRow { end: relation(&words, &state, hit.id), hit } }
                        }
                    }
                }
            }
            if work == Some(Work::Campaign) {
                ul { class: "list",
                    li {
                        Go { class: "row row--one", to: Route::ShowCampaign { id }, hook: "campaign",
                            Icon { name: work_icon(Work::Campaign) }
                            span { class: "row__main", {words.t("app-campaign-remaining")} }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
            if event.is_some() {
                Remarks { page: PageOf(page.clone()) }
            }
            Links { links: related(&page) }
            History { key: "{page.waiting}-{page.history.len()}", id, kind, own: page.history.clone() }
            // What was reported goes its six steps; it is not deleted.
            if may_edit && event.is_none() && page.merged_into.is_none() {
                Delete { key: "{page.deletion:?}", id, deleted: page.deletion == Deletion::Deleted }
            }
        }
        Foot { tab,
            if let Some(event) = event {
                Actions { event, page: PageOf(page.clone()) }
            } else if work == Some(Work::Inspection) && !faults(&page).is_empty() && !is_reported(&page) && state.creates(kind) {
                Dock {
                    button {
                        class: "btn btn--primary btn--main",
                        r#type: "button",
                        "data-do": "report-faults",
                        onclick: {
                            let (state, words, page) = (state.clone(), words.clone(), page.clone());
                            move |_| report_faults(&state, &words, &page)
                        },
                        {words.t("app-report-faults")}
                    }
                }
            }
        }
    }
}

/// What reached records merged into this one: taken over by an ordinary save, or left.
#[component]
fn Offered(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let PageOf(page) = page;
    let me = state.me();
    rsx! {
        Group { title: words.t("app-offered"), end: page.offered.len().to_string(),
            ul { class: "list", id: "offered",
                for (place, late) in page.offered.iter().cloned().enumerate() {
                    li { key: "{place}", "data-offered": late.path.as_str(),
                        div { class: "item",
                            div { class: "item__l",
                                span {
                                    if let Some(field) = page.form.field(late.path.field_name()) {
                                        {words.label(&field.label)}
                                        " "
                                        {value::shown(&words, &state, field, &late.value)}
                                    }
                                }
                            }
                            p { class: "item__s",
                                {say::author(&words, &late.author, me)}
                                " "
                                {say::when(&words, late.at, state.now())}
                            }
                            div { class: "acts",
                                button {
                                    class: "btn btn--second",
                                    r#type: "button",
                                    "data-do": "take-over",
                                    onclick: {
                                        let (state, page) = (state.clone(), page.clone());
                                        move |_| {
                                            let draft = Draft {
                                                edit: state.new_edit(),
                                                record: page.record.id,
                                                kind: page.record.kind,
                                                form: page.form.version,
                                                context: page.vectors.clone(),
                                                seen: Some(page.seen),
                                                writes: [(late.path.clone(), late.value.clone())].into(),
                                            };
                                            trouble.set(state.save(draft, None).err().map(|error| error.message()));
                                        }
                                    },
                                    {words.t("app-take-over")}
                                }
                            }
                        }
                    }
                }
            }
            if let Some(said) = trouble() {
                p { class: "field__say field__say--problem", role: "alert",
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
        }
    }
}

/// A record page as a property: the same page is the same record in the same state.
#[derive(Clone)]
pub struct PageOf(pub RecordPage);

impl PartialEq for PageOf {
    fn eq(&self, other: &Self) -> bool {
        let links = self.0.linked_from == other.0.linked_from && self.0.merged_into == other.0.merged_into;
        links
            && self.0.record == other.0.record
            && self.0.waiting == other.0.waiting
            && self.0.offered == other.0.offered
    }
}

/// One row of the fields.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    field: Field,
    label: String,
    masked: String,
    full: String,
    link: Option<RecordId>,
    open: bool,
}

#[component]
fn FieldRow(id: RecordId, row: Row) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut whole = use_signal(|| false);
    let hidden = row.masked != row.full;
    let name = row.field.name.clone();
    let text = if whole() { row.full.clone() } else { row.masked.clone() };
    rsx! {
        div { "data-field": "{name}",
            dt { {row.label.clone()} }
            dd {
                if let Some(id) = row.link {
                    Go { class: "go", to: Route::ShowRecord { id }, record: id.to_string(),
                        span { "data-value": "{name}", {text} }
                        Icon { name: "next" }
                    }
                } else {
                    span { class: if hidden { "num" } else { "" }, "data-value": "{name}", {text} }
                    if hidden && !row.open {
                        button {
                            class: "btn btn--quiet",
                            r#type: "button",
                            "data-show": "{name}",
                            "aria-pressed": whole(),
                            onclick: move |_| {
                                if whole() || state.note_look(id, &row.field.name) {
                                    whole.toggle();
                                }
                            },
                            Icon { name: "eye" }
                            {words.t(if whole() { "app-hide" } else { "app-show" })}
                        }
                    }
                }
                if row.open {
                    Go { class: "btn btn--quiet", to: Route::Review {}, hook: "review",
                        Icon { name: "swap" }
                        {words.t("to-decide")}
                    }
                }
            }
        }
    }
}

/// What is restricted: shown when asked for, and the asking is written down.
#[component]
fn Care(id: RecordId, rows: Vec<Row>, closed: bool) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut shown = use_signal(|| false);
    rsx! {
        Group { title: words.t("app-care"), id: "care",
            if closed {
                Quiet { icon: "lock", text: words.t("app-care-closed") }
            } else if shown() {
                dl { class: "list dl",
                    for row in rows {
                        FieldRow { key: "{row.field.name}", id, row }
                    }
                }
            } else {
                div { class: "pad",
                    button {
                        class: "btn btn--second btn--wide",
                        r#type: "button",
                        "data-do": "care",
                        onclick: move |_| shown.set(state.note_look(id, RESTRICTED)),
                        Icon { name: "eye" }
                        {words.t("app-care-show")}
                    }
                }
                Quiet { icon: "info", text: words.t("app-care-noted") }
            }
        }
    }
}

/// The fields that have something to show, in the order of the form.
fn rows(words: &Words, state: &State, page: &RecordPage) -> Vec<Row> {
    let mut rows = Vec::new();
    for field in page.form.fields() {
        let part = page.record.part(field.part());
        let label = words.label(&field.label);
        let open = page.open_fields.iter().any(|open| open.field == field.name);
        match (field.kind, field.policy()) {
            (FieldType::Photos | FieldType::Steps | FieldType::Remarks, _) => {}
            (FieldType::Links, _) | (_, Policy::Log) => {}
            (FieldType::Choices, _) => {
                let chosen: Vec<String> =
                    view::many(part, &field.name).into_iter().map(|(code, _)| words.choice(field, code)).collect();
                if !chosen.is_empty() {
                    let text = chosen.join(&words.t("list-separator"));
                    rows.push(Row { field: field.clone(), label, masked: text.clone(), full: text, link: None, open });
                }
            }
            (_, policy) => {
                let Some(found) = view::shown(part, &field.name, policy) else { continue };
                if field.name == page.form.title || UNTOLD.contains(&field.name.as_str()) {
                    continue;
                }
                let link = value::link_of(found).filter(|id| {
                    matches!(field.kind, FieldType::Link | FieldType::LinkOrText) && state.hit(*id).is_some()
                });
                rows.push(Row {
                    masked: value::shown(words, state, field, found),
                    full: value::text(words, state, field, found),
                    field: field.clone(),
                    label,
                    link,
                    open,
                });
            }
        }
    }
    rows
}

/// The line below the title: what tells this record at a glance.
fn facts(words: &Words, state: &State, page: &RecordPage) -> String {
    let facts = state.hit(page.record.id).map(|hit| {
        hit.facts
            .iter()
            .filter(|fact| fact.field != "phone" && fact.field != "telephone")
            .filter_map(|one| crate::ui::components::row::fact(words, state, hit.kind, one))
            .collect::<Vec<_>>()
    });
    let mut facts = facts.unwrap_or_default();
    facts.push(
        page.areas.iter().map(|area| state.area_name(*area)).collect::<Vec<_>>().join(&words.t("list-separator")),
    );
    // A house is called by its address.
    facts.retain(|fact| !fact.is_empty() && *fact != page.title);
    facts.join(&words.t("app-comma"))
}

/// The fields saved as 待核实.
fn unverified(words: &Words, state: &State, page: &RecordPage) -> Vec<(String, String)> {
    let values = values_of(page);
    let mut found: Vec<(String, String)> = shared::record::Part::ALL
        .into_iter()
        .flat_map(|part| {
            let typed = of_part(&page.form, &values, part);
            let doubts = validate::doubts(&page.form, part, &typed, state.now(), state.drawn_bounds());
            validate::draft(&page.form, part, &typed).into_iter().chain(doubts)
        })
        .filter(|problem| problem.severity == Severity::Unverified)
        .filter_map(|problem| {
            let field = page.form.field(problem.path.field_name())?;
            Some((field.name.clone(), words.label(&field.label)))
        })
        .collect();
    found.dedup();
    found
}

/// Where it says it is.
fn position(page: &RecordPage) -> Option<Micro> {
    let field = page.form.fields().find(|field| field.kind == FieldType::Position)?;
    let here = view::shown(page.record.part(field.part()), &field.name, field.policy())?;
    here.get::<Position>().map(Position::micro)
}

/// The photos, with their particulars.
fn photos(page: &RecordPage) -> Vec<(String, PhotoParticulars)> {
    let fields = page.form.fields().filter(|field| field.kind == FieldType::Photos);
    fields
        .flat_map(|field| view::many(page.record.part(field.part()), &field.name))
        .filter_map(|(hash, write)| Some((hash.to_owned(), write.value.get::<PhotoParticulars>()?)))
        .collect()
}
