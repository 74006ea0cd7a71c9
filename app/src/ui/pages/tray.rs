//! Edits that came back: why, in words; correct and send again, or take back.

use std::collections::BTreeMap;
use std::rc::Rc;

use dioxus::prelude::*;
use shared::path::Path;
use shared::value::Value;
use shared::wire::RejectReason;
use shared::workflow::{STEPS, StepEntry};

use crate::handheld::{Message, SaveError, TrayItem};
use crate::ui::components::field::FieldBox;
use crate::ui::components::frame::{Foot, Nav, NavEnd};
use crate::ui::components::{Go, Icon, Mark};
use crate::ui::entry::Entry;
use crate::ui::pages::history::sentences;
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, message, words};

/// The tray.
#[component]
pub fn Tray() -> Element {
    let state = use_context::<State>();
    let words = words();
    let items = state.tray();
    rsx! {
        Nav { title: words.t("app-tray"), back: Tab::Me, NavEnd {} }
        main { id: "tray", "data-count": "{items.len()}",
            if items.is_empty() {
                p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t("app-tray-none")} } }
            } else {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-tray-kept")} } }
            }
            for item in items.clone() {
                CameBack { key: "{item.edit.id}", item }
            }
        }
        Foot { tab: Tab::Me }
    }
}

/// Why the server did not take it, as one sentence.
fn reason(words: &Words, item: &TrayItem) -> String {
    let code = say::code(&item.rejection.reason);
    let detail = &item.rejection.detail;
    let says_more =
        matches!(item.rejection.reason, RejectReason::Form | RejectReason::Workflow | RejectReason::NotAllowed);
    if says_more && words.has(detail) {
        return words.t(detail);
    }
    words.t(&format!("app-reject-{code}"))
}

#[component]
fn CameBack(item: TrayItem) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut correcting = use_signal(|| false);
    let mut asking = use_signal(|| false);
    let mut trouble = use_signal(|| None::<Message>);
    let Some(form) = state.form(item.edit.kind) else { return rsx! {} };
    let title = if item.title.is_empty() { words.t("app-untitled") } else { item.title.clone() };
    let what = sentences(&words, &state, &form, &item.edit, &BTreeMap::new());
    let can_correct = item
        .edit
        .writes
        .keys()
        .any(|path| path.field_name() == STEPS || form.field(path.field_name()).is_some_and(|field| field.entry));
    let field = item.rejection.path.as_ref().and_then(|path| form.field(path.field_name()));
    let at = field.map(|field| words.s("app-tray-field", "field", &words.label(&field.label)));
    let (since, why) = (say::when(&words, item.since, state.now()), reason(&words, &item));
    let id = item.edit.id;
    rsx! {
        section { class: "group",
            div { class: "sheet", "data-tray": id.to_string(), "data-reason": say::code(&item.rejection.reason),
                p { b { {title} } }
                for (place, sentence) in what.into_iter().enumerate() {
                    p { key: "{place}", class: "under", {sentence} }
                }
                p { class: "field__say field__say--doubt",
                    Icon { name: Mark::Yellow.icon() }
                    span {
                        if let Some(at) = at {
                            "{at} "
                        }
                        {why}
                    }
                }
                if !item.rejection.note.is_empty() {
                    p { class: "under", "data-note": "", {words.s("app-tray-note", "note", &item.rejection.note)} }
                }
                p { class: "sub under", {words.s("app-tray-since", "when", &since)} }
                if let Some(said) = trouble() {
                    p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                        Icon { name: Mark::Red.icon() }
                        span { {message(&words, &said)} }
                    }
                }
                if correcting() {
                    Correct { item: item.clone(), onclose: move |()| correcting.set(false) }
                } else {
                    div { class: "acts",
                        if can_correct {
                            button {
                                class: "btn btn--second",
                                r#type: "button",
                                "data-do": "correct",
                                onclick: move |_| correcting.set(true),
                                {words.t("app-tray-correct")}
                            }
                        }
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "resend-as-is",
                            onclick: {
                                let (state, writes) = (state.clone(), item.edit.writes.clone());
                                move |_| {
                                    if let Err(error) = state.correct(id, writes.clone()) {
                                        trouble.set(Some(error.message()));
                                    }
                                }
                            },
                            {words.t("app-tray-again")}
                        }
                        Go { class: "btn btn--quiet", to: Route::ShowRecord { id: item.edit.record }, record: item.edit.record.to_string(),
                            {words.t("app-tray-record")}
                        }
                        if asking() {
                            button {
                                class: "btn btn--second",
                                r#type: "button",
                                "data-do": "withdraw-sure",
                                onclick: {
                                    let state = state.clone();
                                    move |_| {
                                        if let Err(error) = state.withdraw(id) {
                                            trouble.set(Some(error.message()));
                                        }
                                    }
                                },
                                {words.t("app-tray-withdraw-sure")}
                            }
                        } else {
                            button {
                                class: "btn btn--quiet",
                                r#type: "button",
                                "data-do": "withdraw",
                                onclick: move |_| asking.set(true),
                                {words.t("app-tray-withdraw")}
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The fields of the edit, to be corrected and sent again.
#[component]
fn Correct(item: TrayItem, onclose: EventHandler<()>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let Some(form) = state.form(item.edit.kind) else { return rsx! {} };
    let entry = Entry::use_entry(|| (Rc::new((*form).clone()), item.edit.writes.clone()));
    let mut fields: Vec<_> = item
        .edit
        .writes
        .keys()
        .filter_map(|path| form.field(path.field_name()))
        .filter(|field| field.entry)
        .cloned()
        .collect();
    fields.dedup_by(|a, b| a.name == b.name);
    let id = item.edit.id;
    // What was said with a step of an event.
    let step = item
        .edit
        .writes
        .iter()
        .filter(|(path, _)| path.field_name() == STEPS)
        .find_map(|(path, value)| Some((path.clone(), value.get::<StepEntry>()?)));
    let start = step.as_ref().map(|(_, entry)| entry.text.clone()).unwrap_or_default();
    let mut text = use_signal(|| start.clone());
    rsx! {
        if let Some((_, entry)) = &step {
            div { class: "field",
                label { class: "field__label", r#for: "tray-text", {say::step(&words, entry.step)} }
                textarea {
                    class: "field__ctl",
                    id: "tray-text",
                    name: "text",
                    initial_value: "{start}",
                    oninput: move |event| text.set(event.value()),
                }
            }
        }
        for field in fields {
            FieldBox { key: "{field.name}", entry, field, open: false }
        }
        if let Some(said) = trouble() {
            p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                Icon { name: Mark::Red.icon() }
                span { {message(&words, &said)} }
            }
        }
        div { class: "acts",
            button {
                class: "btn btn--primary",
                r#type: "button",
                "data-do": "resend",
                onclick: move |_| {
                    let mut writes: BTreeMap<Path, Value> = entry.snapshot();
                    if let Some((path, said)) = &step {
                        let said = StepEntry { text: text.peek().trim().to_owned(), ..said.clone() };
                        writes.insert(path.clone(), Value::of(&said));
                    }
                    match state.correct(id, writes) {
                        Ok(_) => onclose.call(()),
                        Err(SaveError::Problems(found)) => {
                            let mut entry = entry;
                            for problem in &found {
                                entry.leave(problem.path.field_name());
                            }
                            trouble.set(found.first().map(Message::from));
                        }
                        Err(error) => trouble.set(Some(error.message())),
                    }
                },
                {words.t("app-tray-resend")}
            }
            button { class: "btn btn--quiet", r#type: "button", onclick: move |_| onclose.call(()), {words.t("app-not-now")} }
        }
    }
}
