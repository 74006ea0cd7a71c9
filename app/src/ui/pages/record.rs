//! The page of one record of any kind: fields, photos, links both ways, history in words.

use dioxus::prelude::*;
use shared::form::{Field, FieldType, PhotoParticulars};
use shared::ids::{PhotoHash, RecordId};
use shared::merge::Deletion;
use shared::path::Path;
use shared::record::RecordKind;
use shared::validate::{self, Severity};
use shared::value::Value;
use shared::view::{self, Policy};
use shared::work::{self, Work};

use super::act::Actions;
use super::event::{EventHead, EventSteps, Remarks};
use super::form::{Kept, values_of};
use super::history::History;
use super::missing::Missing;
use super::work::{begin, begun_here, work_icon};
use crate::handheld::{Draft, Message, OutboxWhat, RESTRICTED, RecordLink, RecordPage};
use crate::ui::components::frame::{Dock, Foot, Nav, NavEnd};
use crate::ui::components::photo::Photos;
use crate::ui::components::row::kind_icon;
use crate::ui::components::{Go, Group, Icon, Light, Mark, Quiet};
use crate::ui::entry::of_part;
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, message, words};

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
    let unverified = unverified(&words, &page);
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
                            li { key: "{hit.id}", crate::ui::components::row::HitRow { hit } }
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
        }
        Foot { tab,
            if let Some(event) = event {
                Actions { event, page: PageOf(page.clone()) }
            } else if work == Some(Work::Inspection) && !faults(&page).is_empty() && state.creates(kind) {
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

/// What is done with a record at a door: call, visit, inspect.
#[component]
fn Quick(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let (id, kind) = (page.record.id, page.record.kind);
    let text = |field: &str| view::shown(&page.record.open, field, Policy::One).and_then(Value::as_text);
    let phone = ["phone", "telephone"].into_iter().find_map(|field| Some((field, text(field)?)));
    let phone = phone.filter(|(field, number)| {
        number.chars().any(|c| c.is_ascii_digit()) && !page.open_fields.iter().any(|open| open.field == *field)
    });
    let begun = begun_here(&state);
    let works: Vec<Work> = match kind {
        RecordKind::Person => vec![Work::Visit],
        RecordKind::Place | RecordKind::Organization => vec![Work::Visit, Work::Inspection],
        RecordKind::Object => vec![Work::Inspection],
        RecordKind::Event => Vec::new(),
    };
    let works: Vec<Work> = works.into_iter().filter(|work| begun.contains(work)).collect();
    let gone = page.deletion == Deletion::Deleted || page.merged_into.is_some();
    if gone || (works.is_empty() && phone.is_none()) {
        return rsx! {};
    }
    let last = state.last_visit(id).filter(|_| works.contains(&Work::Visit));
    rsx! {
        div { class: "pad", id: "quick",
            div { class: "acts acts--near",
                if let Some((field, number)) = phone {
                    button {
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "call",
                        onclick: {
                            let state = state.clone();
                            move |_| {
                                // The dialler shows the number in full: that is a look.
                                if state.note_look(id, field) {
                                    crate::ui::dial(&number);
                                }
                            }
                        },
                        Icon { name: "phone" }
                        {words.t("app-call")}
                    }
                }
                for work in works {
                    button {
                        key: "{work.code()}",
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "begin-{work.code()}",
                        onclick: {
                            let state = state.clone();
                            move |_| begin(&state, work, Some(id), None)
                        },
                        Icon { name: work_icon(work) }
                        {words.t(&format!("work-{}", work.code()))}
                    }
                }
            }
            if let Some(last) = last {
                p { class: "sub", id: "last-visit", {words.s("app-visit-last", "day", &say::near_date(&words, say::today(last), state.now()))} }
            }
        }
    }
}

/// What an inspection found wrong, as codes.
fn faults(page: &RecordPage) -> Vec<String> {
    view::many(&page.record.open, work::FAULTS).into_iter().map(|(code, _)| code.to_owned()).collect()
}

/// Begins the event that the faults of an inspection become: what it is, where and of whom is filled in.
fn report_faults(state: &State, words: &Words, page: &RecordPage) {
    let Some(form) = state.form(RecordKind::Event) else { return };
    let record = state.new_record();
    let mut kept = Kept::fresh(RecordKind::Event, record, &form, state);
    let named: Vec<String> = form
        .field(work::FAULTS)
        .map(|field| faults(page).iter().map(|code| words.choice(field, code)).collect())
        .unwrap_or_default();
    let subject = work::subject(&page.record.open);
    let place = subject.and_then(|id| state.hit(id));
    // No names of people stand in a title.
    let whose = place.as_ref().filter(|hit| hit.kind != RecordKind::Person).map(|hit| hit.title.clone());
    let found = named.join(&words.t("list-separator"));
    let title = match whose {
        Some(whose) => words.many("app-report-title", &[("what", &found), ("where", &whose)]),
        None => found,
    };
    let mut put = |path: Path, value: Value| kept.values.insert(path, value);
    put(Path::field("category"), Value::text("hazard"));
    put(Path::field("title"), Value::text(&title.chars().take(100).collect::<String>()));
    put(Path::field("happened_at"), Value::of(&state.now().timestamp_millis()));
    if let Some(note) = view::shown(&page.record.open, "fault_note", Policy::One) {
        put(Path::field("account"), note.clone());
    }
    for id in subject.into_iter().chain([page.record.id]) {
        put(Path::element("concerns", &id.to_string()), Value::of(&true));
    }
    if let Some(hit) = place.filter(|hit| hit.kind == RecordKind::Place) {
        put(Path::field("place"), Value::of(&serde_json::json!({ "id": hit.id })));
    }
    kept.area = page.areas.first().copied().or(kept.area);
    begin_draft(state, &kept);
}

/// Opens a form with what is filled in already.
fn begin_draft(state: &State, kept: &Kept) {
    let key = format!("{}-{}", kept.kind.code(), kept.record);
    if let Ok(json) = serde_json::to_string(kept)
        && state.keep_draft(&key, &json)
    {
        navigator().push(Route::FillDraft { id: key });
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
        self.0.record == other.0.record && self.0.waiting == other.0.waiting && self.0.offered == other.0.offered
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
        section { class: "group", id: "care",
            h2 { {words.t("app-care")} }
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
                if field.name == page.form.title || (!field.entry && field.kind != FieldType::Area) {
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
fn unverified(words: &Words, page: &RecordPage) -> Vec<(String, String)> {
    let values = values_of(page);
    let mut found: Vec<(String, String)> = shared::record::Part::ALL
        .into_iter()
        .flat_map(|part| validate::draft(&page.form, part, &of_part(&page.form, &values, part)))
        .filter(|problem| problem.severity == Severity::Unverified)
        .filter_map(|problem| {
            let field = page.form.field(problem.path.field_name())?;
            Some((field.name.clone(), words.label(&field.label)))
        })
        .collect();
    found.dedup();
    found
}

/// The photos, with their particulars.
fn photos(page: &RecordPage) -> Vec<(String, PhotoParticulars)> {
    let fields = page.form.fields().filter(|field| field.kind == FieldType::Photos);
    fields
        .flat_map(|field| view::many(page.record.part(field.part()), &field.name))
        .filter_map(|(hash, write)| Some((hash.to_owned(), write.value.get::<PhotoParticulars>()?)))
        .collect()
}

/// 这一户: who lives in the same house, or has the same householder, with this person.
fn household(state: &State, page: &RecordPage) -> Vec<crate::handheld::Hit> {
    if page.record.kind != RecordKind::Person {
        return Vec::new();
    }
    let linked = |field: &str| {
        view::shown(page.record.part(shared::record::Part::Open), field, Policy::One).and_then(value::link_of)
    };
    let mut ids: Vec<RecordId> = Vec::new();
    if let Some(house) = linked("lives_at").and_then(|house| state.record(house)) {
        ids.extend(house.linked_from.iter().filter(|link| link.field == "lives_at").map(|link| link.id));
    }
    let head = linked("householder").unwrap_or(page.record.id);
    let of_head = if head == page.record.id { Some(page.clone()) } else { state.record(head) };
    if let Some(head) = of_head {
        ids.push(head.record.id);
        ids.extend(head.linked_from.iter().filter(|link| link.field == "householder").map(|link| link.id));
    }
    ids.push(page.record.id);
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < 2 {
        return Vec::new();
    }
    state.rows(&ids)
}

/// How many places may lie above one: compound, building, stairwell, dwelling, and some more.
const ABOVE: usize = 6;

/// What a place is part of, from the outermost in.
#[component]
fn Above(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let parent_of = |open: &shared::merge::PartState| view::shown(open, "parent", Policy::One).and_then(value::link_of);
    let mut above: Vec<(RecordId, String)> = Vec::new();
    let mut next = parent_of(&page.record.open);
    while let Some(id) = next.filter(|id| *id != page.record.id && above.iter().all(|(known, _)| known != id)) {
        let Some(place) = state.record(id).filter(|_| above.len() < ABOVE) else { break };
        above.push((id, place.title.clone()));
        next = parent_of(&place.record.open);
    }
    above.reverse();
    rsx! {
        if !above.is_empty() {
            nav { class: "sub", id: "above", "aria-label": words.t("app-place-above"),
                for (id, title) in above {
                    span { key: "{id}",
                        Go { class: "go", to: Route::ShowRecord { id }, record: id.to_string(), {title} Icon { name: "next" } }
                    }
                }
            }
        }
    }
}

/// What lies in a place, and who lives there.
#[component]
fn Inside(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let linked = |field: &str| -> Vec<(String, RecordId)> {
        let links = page.linked_from.iter().filter(|link| link.field == field);
        let mut links: Vec<(String, RecordId)> =
            links.map(|link| (link.title.clone().unwrap_or_default(), link.id)).collect();
        // 2 before 10: what has fewer characters comes first.
        links.sort_by(|(a, _), (b, _)| (a.chars().count(), a).cmp(&(b.chars().count(), b)));
        links
    };
    let (people, places) = (linked("lives_at"), linked("parent"));
    let id = page.record.id;
    let home = matches!(
        view::shown(&page.record.open, "type", Policy::One).and_then(Value::as_text).as_deref(),
        Some("dwelling" | "courtyard")
    );
    let adds = state.creates(RecordKind::Person) && page.deletion != Deletion::Deleted && (home || !people.is_empty());
    rsx! {
        if !people.is_empty() || adds {
            Group { title: words.t("app-lives-here"), end: words.n("app-household-count", people.len()),
                ul { class: "list", id: "lives-here",
                    for hit in state.rows(&people.iter().take(LINKS).map(|(_, id)| *id).collect::<Vec<_>>()) {
                        li { key: "{hit.id}", crate::ui::components::row::HitRow { hit } }
                    }
                    if adds {
                        li {
                            button {
                                class: "row row--one",
                                r#type: "button",
                                "data-do": "add-resident",
                                onclick: {
                                    let (state, page) = (state.clone(), page.clone());
                                    move |_| add_resident(&state, &page)
                                },
                                Icon { name: "plus" }
                                span { class: "row__main", {words.t("app-add-resident")} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
        }
        if !places.is_empty() {
            Places { key: "{id}", places: places.into_iter().map(|(_, id)| id).collect::<Vec<_>>() }
        }
    }
}

#[component]
fn Places(places: Vec<RecordId>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut shown = use_signal(|| LINKS);
    let count = places.len();
    rsx! {
        Group { title: words.t("app-places-inside"), end: count.to_string(),
            ul { class: "list", id: "inside",
                for hit in state.rows(&places.into_iter().take(shown()).collect::<Vec<_>>()) {
                    li { key: "{hit.id}", crate::ui::components::row::HitRow { hit } }
                }
            }
            if count > shown() {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", onclick: move |_| *shown.write() += LINKS, {words.t("app-more")} }
                }
            }
        }
    }
}

/// Begins the record of one more who lives here: house, address, householder and grid are filled in.
fn add_resident(state: &State, page: &RecordPage) {
    let Some(form) = state.form(RecordKind::Person) else { return };
    let record = state.new_record();
    let mut kept = Kept::fresh(RecordKind::Person, record, &form, state);
    let address = view::shown(&page.record.open, "address", Policy::One).map(Value::plain);
    let address = address.filter(|address| !address.is_empty()).unwrap_or_else(|| page.title.clone());
    kept.values.insert(Path::field("lives_at"), Value::of(&page.record.id));
    kept.values.insert(Path::field("address"), Value::text(&address));
    let neighbour =
        page.linked_from.iter().find(|link| link.field == "lives_at").and_then(|link| state.record(link.id));
    if let Some(neighbour) = neighbour {
        let head = view::shown(&neighbour.record.open, "householder", Policy::One).and_then(value::link_of);
        kept.values.insert(Path::field("householder"), Value::of(&head.unwrap_or(neighbour.record.id)));
    }
    kept.area = page.areas.first().copied().or(kept.area);
    begin_draft(state, &kept);
}

/// Links of sets, and records that name this one. Links to one record stand among the fields.
fn related(page: &RecordPage) -> Vec<(RecordLink, bool)> {
    let many = |name: &str| page.form.field(name).is_some_and(|field| field.kind == FieldType::Links);
    let out = page.links.iter().filter(|link| many(&link.field)).map(|link| (link.clone(), true));
    // Those stand in groups of their own.
    let shown: &[&str] = match page.record.kind {
        RecordKind::Person => &["lives_at", "householder"],
        RecordKind::Place => &["lives_at", "parent"],
        _ => &[],
    };
    let back = page.linked_from.iter().filter(|link| !shown.contains(&link.field.as_str()));
    let back = back.map(|link| (link.clone(), false));
    out.chain(back).collect()
}

/// How many links are drawn at first.
const LINKS: usize = 30;

#[component]
fn Links(links: Vec<(RecordLink, bool)>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let count = links.len();
    let mut all = use_signal(|| false);
    if links.is_empty() {
        return rsx! {};
    }
    let shown = if all() { count } else { LINKS };
    rsx! {
        Group { title: words.t("app-related"), end: count.to_string(),
            ul { class: "list", id: "related",
                for (link, out) in links.into_iter().take(shown) {
                    li { key: "{link.field}-{link.id}-{out}",
                        if let (Some(title), Some(kind)) = (link.title.clone(), link.kind) {
                            Go { class: "row", to: Route::ShowRecord { id: link.id }, record: link.id.to_string(),
                                Icon { name: kind_icon(kind) }
                                span { class: "row__main",
                                    span { class: "row__t", {title} }
                                    span { class: "row__m", span { {relation(&words, &state, &link, out)} } }
                                }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        } else {
                            span { class: "row",
                                span { class: "row__main",
                                    {words.s("outside-grid", "kind", &link.kind.map(|kind| words.kind(kind)).unwrap_or_default())}
                                }
                            }
                        }
                    }
                }
            }
            if count > shown {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", onclick: move |_| all.set(true), {words.t("app-more")} }
                }
            }
        }
    }
}

/// By which field the two are linked, in words.
fn relation(words: &Words, state: &State, link: &RecordLink, out: bool) -> String {
    let label = RecordKind::ALL
        .into_iter()
        .filter(|kind| out || Some(*kind) == link.kind)
        .filter_map(|kind| state.form(kind))
        .find_map(|form| form.field(&link.field).map(|field| words.label(&field.label)));
    label.unwrap_or_default()
}
