//! History in words: who changed what, when, from what.

use std::collections::BTreeMap;

use dioxus::prelude::*;
use shared::edit::Edit;
use shared::form::{FieldType, Form};
use shared::ids::RecordId;
use shared::merge::DELETED;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::HistoryEntry;
use shared::workflow::StepEntry;

use crate::handheld::{EditState, Message, OwnEdit};
use crate::ui::components::{Group, Icon};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, message, words};

/// One save in words.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// What was done, a sentence each.
    pub what: Vec<String>,
    /// When and where.
    pub when: String,
}

/// What one edit did, in words; `replaced` is what stood there before, where that is known.
pub fn sentences(
    words: &Words,
    state: &State,
    form: &Form,
    edit: &Edit,
    replaced: &BTreeMap<Path, Vec<Value>>,
) -> Vec<String> {
    let who = say::author(words, &edit.author, state.me());
    if edit.part == Part::Restricted {
        // What stands there is read on the page, where that is written down.
        return vec![words.s("app-did-care", "who", &who)];
    }
    let mut sentences = Vec::new();
    let creates = edit.context.is_empty() && edit.part == Part::Open;
    if creates {
        let name = edit.writes.get(&Path::field(&form.title)).map(Value::plain).unwrap_or_default();
        sentences.push(words.many("app-did-create", &[("who", &who), ("what", &name)]));
    }
    for (path, new) in &edit.writes {
        if path.as_str() == DELETED {
            let key = if new.is_null() { "app-did-revive" } else { "app-did-delete" };
            sentences.push(words.s(key, "who", &who));
            continue;
        }
        let Some(field) = form.field(path.field_name()) else { continue };
        let label = words.label(&field.label);
        let element = path.element_name().map(|name| match field.kind {
            FieldType::Choices => words.choice(field, name),
            FieldType::Links => {
                name.parse::<RecordId>().map(|id| state.title_or_outside(words, id, field.to)).unwrap_or_default()
            }
            _ => String::new(),
        });
        let sentence = match (field.kind, element) {
            (FieldType::Steps, _) => {
                let Some(step) = new.get::<StepEntry>() else { continue };
                let name = say::step(words, step.step);
                let key = if step.text.is_empty() { "app-did-step-only" } else { "app-did-step" };
                words.many(key, &[("who", &who), ("step", &name), ("text", &step.text)])
            }
            (FieldType::Remarks, _) => words.many("app-did-remark", &[("who", &who), ("text", &new.plain())]),
            (FieldType::Photos, _) => {
                words.s(if new.is_null() { "app-did-unphoto" } else { "app-did-photo" }, "who", &who)
            }
            // The rest of a creation stands on the page itself.
            _ if creates => continue,
            (_, Some(element)) => {
                let key = if new.is_null() { "app-did-remove" } else { "app-did-add" };
                words.many(key, &[("who", &who), ("field", &label), ("value", &element)])
            }
            (_, None) => {
                let to = value::shown(words, state, field, new);
                let from: Vec<String> = replaced
                    .get(path)
                    .into_iter()
                    .flatten()
                    .filter(|old| !old.is_null())
                    .map(|old| value::shown(words, state, field, old))
                    .collect();
                let from = from.join(&words.t("list-separator"));
                let args = [("who", who.as_str()), ("field", &label), ("from", &from), ("value", &to)];
                let key = match (from.is_empty(), new.is_null()) {
                    (_, true) => "app-did-clear",
                    (true, false) => "app-did-set",
                    (false, false) => "app-did-change",
                };
                words.many(key, &args)
            }
        };
        sentences.push(sentence);
    }
    sentences
}

fn of_own(words: &Words, state: &State, form: &Form, own: &OwnEdit) -> Line {
    let mut when = words.many("app-history-here", &[("when", &say::when(words, own.edit.at, state.now()))]);
    let mark = match own.state {
        EditState::Waiting => Some("app-waiting"),
        EditState::Rejected => Some("app-came-back"),
        EditState::Corrected => Some("app-corrected"),
        EditState::Withdrawn => Some("app-withdrawn"),
        EditState::Applied => None,
    };
    if let Some(mark) = mark {
        when = words.many("app-with-mark", &[("text", &when), ("mark", &words.t(mark))]);
    }
    Line { what: sentences(words, state, form, &own.edit, &own.replaced), when }
}

fn of_entry(words: &Words, state: &State, form: &Form, entry: &HistoryEntry) -> Line {
    let at = say::when(words, entry.edit.at, state.now());
    let when = words.many("app-history-there", &[("when", &at), ("origin", &entry.origin)]);
    Line { what: sentences(words, state, form, &entry.edit, &entry.replaced), when }
}

#[derive(Clone, PartialEq)]
enum Whole {
    NotAsked,
    Asked,
    Here(Vec<Line>),
    Not(Message),
}

/// The history of a record: what this handheld knows at once, the whole when asked for and the server answers.
#[component]
pub fn History(id: RecordId, kind: RecordKind, own: Vec<OwnEdit>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut whole = use_signal(|| Whole::NotAsked);
    let Some(form) = state.form(kind) else { return rsx! {} };
    let lines: Vec<Line> = match &*whole.read() {
        Whole::Here(lines) => lines.clone(),
        _ => own.iter().rev().map(|own| of_own(&words, &state, &form, own)).collect(),
    };
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.what.is_empty()).collect();
    let note = match &*whole.read() {
        Whole::NotAsked => Some(words.t("app-history-own")),
        Whole::Asked => Some(words.t("app-history-asked")),
        Whole::Not(said) => Some(message(&words, said)),
        Whole::Here(_) => None,
    };
    let count = lines.len();
    rsx! {
        Group { title: words.t("app-history"), end: if count > 0 { words.n("app-history-count", count) } else { String::new() }, id: "log",
            if count > 0 {
              ol { class: "list log",
                for (place, line) in lines.into_iter().enumerate() {
                    li { key: "{place}",
                        for (nth, what) in line.what.into_iter().enumerate() {
                            p { key: "{nth}", class: "log__what", {what} }
                        }
                        p { class: "sub", {line.when} }
                    }
                }
              }
            }
            if let Some(note) = note {
                p { class: "quiet", role: "status", Icon { name: "info" } span { {note} } }
                div { class: "pad",
                    button {
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "history",
                        disabled: *whole.read() == Whole::Asked,
                        onclick: move |_| {
                            let (state, words, form) = (state.clone(), words.clone(), form.clone());
                            async move {
                                whole.set(Whole::Asked);
                                let answer = state.history(id).await;
                                whole.set(match answer {
                                    Ok(entries) => Whole::Here(
                                        entries.iter().rev().map(|entry| of_entry(&words, &state, &form, entry)).collect(),
                                    ),
                                    Err(error) => Whole::Not(error.message),
                                });
                            }
                        },
                        {words.t("app-history-all")}
                    }
                }
            }
        }
    }
}
