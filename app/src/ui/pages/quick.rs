//! What is done with a record at a door, each by one press: call, visit, inspect, move out, report what was found wrong.

use dioxus::prelude::*;
use shared::merge::Deletion;
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::view::{self, Policy};
use shared::work::{self, Work};

use super::form::{Kept, begin_draft, begun};
use super::moving::may_move;
use super::record::PageOf;
use super::work::{begin, begun_here, work_icon};
use crate::handheld::RecordPage;
use crate::ui::components::{Go, Icon};
use crate::ui::route::Route;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// What is done with a record at a door: call, visit, inspect.
#[component]
pub fn Quick(page: PageOf) -> Element {
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
    let moves = may_move(&state, &page);
    if gone || (works.is_empty() && phone.is_none() && !moves) {
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
                if moves {
                    Go { class: "btn btn--second", to: Route::MoveOut { id }, hook: "move-out",
                        Icon { name: "swap" }
                        {words.t("app-move")}
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
pub fn faults(page: &RecordPage) -> Vec<String> {
    view::many(&page.record.open, work::FAULTS).into_iter().map(|(code, _)| code.to_owned()).collect()
}

/// Whether an event says already that it is about this inspection.
pub fn is_reported(page: &RecordPage) -> bool {
    page.linked_from.iter().any(|link| link.field == "concerns")
}

/// Begins the event that the faults of an inspection become, or goes on with the one that was begun: what it is, where and of whom is filled in.
pub fn report_faults(state: &State, words: &Words, page: &RecordPage) {
    let Some(form) = state.form(RecordKind::Event) else { return };
    let of = Path::element("concerns", &page.record.id.to_string());
    if let Some(id) = begun(state, |kept| kept.values.get(&of).is_some_and(|value| !value.is_null())) {
        navigator().push(Route::FillDraft { id });
        return;
    }
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
