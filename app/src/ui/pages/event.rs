//! What the page of an event has besides its fields: its light, its six steps with who and when, what was said.

use dioxus::prelude::*;
use shared::merge::LiveWrite;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::view;
use shared::workflow::{STEPS, Stage, Step, StepEntry};

use super::record::PageOf;
use crate::handheld::{Draft, EventRow, Message, RecordPage};
use crate::ui::components::row::limit_light;
use crate::ui::components::steps::{Reached, StepLine, Steps};
use crate::ui::components::{Group, Icon, Light, Mark};
use crate::ui::keep::use_kept;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, message, words};

/// The lines below the title: light first, then clock time, then what and how urgent.
#[component]
pub fn EventHead(event: EventRow, page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let page = page.0;
    let now = state.now();
    let light = limit_light(&words, event.light, event.due, now);
    let facts: Vec<String> = ["category", "urgency", "source"]
        .into_iter()
        .filter_map(|name| {
            let field = page.form.field(name)?;
            let found = view::shown(&page.record.open, name, field.policy())?;
            Some(value::text(&words, &state, field, found))
        })
        .chain(page.areas.iter().map(|area| state.area_name(*area)))
        .collect();
    rsx! {
        if let (Some((mark, text)), Some(due)) = (light, event.due) {
            p { class: "title__due",
                Light { mark, text }
                span { {say::due(&words, due, now)} }
            }
        }
        p { class: "sub", {facts.join(&words.t("app-comma"))} }
        if event.contested {
            p { class: "title__due", Light { mark: Mark::Yellow, text: words.t("contested") } }
        }
    }
}

fn entries(page: &RecordPage) -> Vec<(StepEntry, LiveWrite<'_>)> {
    view::log(&page.record.open, STEPS)
        .into_iter()
        .filter_map(|(_, write)| Some((write.value.get::<StepEntry>()?, write)))
        .collect()
}

/// The six steps and which of the entries stand under each.
const SIX: [(&str, Stage, &[Step]); 6] = [
    ("report", Stage::Reported, &[Step::Report, Step::SettleOnSite]),
    ("dispatch", Stage::Reported, &[Step::Take, Step::Raise, Step::Dispatch, Step::Urge, Step::Supervise]),
    ("handle", Stage::Handling, &[Step::Handle, Step::Extend, Step::GrantExtension, Step::SendBack]),
    ("feedback", Stage::Handled, &[Step::Feedback]),
    ("close", Stage::Answered, &[Step::Close]),
    ("archive", Stage::Closed, &[Step::Archive]),
];

/// The six steps of an event.
#[component]
pub fn EventSteps(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let page = page.0;
    let stage = state.event(page.record.id).and_then(|event| event.stage);
    let entries = entries(&page);
    let steps = SIX
        .iter()
        .enumerate()
        .map(|(place, (code, begins, under))| {
            let lines: Vec<String> = entries
                .iter()
                .filter(|(entry, _)| under.contains(&entry.step))
                .map(|(entry, write)| line(&words, &state, entry, write))
                .collect();
            let reached = match stage {
                None => Reached::ToCome,
                Some(Stage::Archived) => Reached::Done,
                // 上报 is behind as soon as there is a stage at all.
                Some(_) if place == 0 => Reached::Done,
                Some(now) if *begins == now => Reached::Now,
                Some(now) if *begins < now => Reached::Done,
                Some(_) => Reached::ToCome,
            };
            StepLine { code, name: words.t(&format!("step-{code}")), reached, lines }
        })
        .collect::<Vec<_>>();
    rsx! {
        Steps { steps, label: words.t("app-six-steps") }
    }
}

/// One entry in words: who, what, to whom, when.
fn line(words: &Words, state: &State, entry: &StepEntry, write: &LiveWrite<'_>) -> String {
    let who = say::author(words, &write.head.author, state.me());
    let hidden = write.head.author.name.is_empty() && write.head.author.role.is_anonymous_to_others();
    let who = if hidden { words.s("role-only", "role", &who) } else { who };
    let mut parts = vec![words.many("app-step-line", &[("who", &who), ("step", &say::step(words, entry.step))])];
    let name = |id| state.handler_name(id).unwrap_or_else(|| words.t("app-somebody"));
    if let Some(host) = entry.host {
        parts.push(words.s("app-step-host", "name", &name(host)));
    }
    if !entry.helpers.is_empty() {
        let helpers: Vec<String> = entry.helpers.iter().map(|id| name(*id)).collect();
        parts.push(words.s("app-step-helpers", "names", &helpers.join(&words.t("list-separator"))));
    }
    if let Some(limit) = entry.limit {
        parts.push(words.s("app-step-limit", "limit", &say::limit(words, limit)));
    }
    if let Some(satisfied) = entry.satisfied {
        parts.push(words.t(if satisfied { "satisfied-yes" } else { "satisfied-no" }));
    }
    if let Some(outcome) = &entry.outcome {
        parts.push(words.t(&format!("outcome-{outcome}")));
    }
    if let Some(ledger) = &entry.ledger {
        parts.push(words.s("app-step-ledger", "number", ledger));
    }
    let said = unended(&entry.text);
    if !said.is_empty() {
        parts.push(words.s("app-step-text", "text", said));
    }
    parts.push(say::when(words, write.head.at, state.now()));
    parts.join(&words.t("app-comma"))
}

/// A text without the full stop or comma at its end: it is quoted within a sentence that goes on.
fn unended(text: &str) -> &str {
    // Full stop, comma and semicolon, as Chinese and as others write them.
    text.trim().trim_end_matches(['\u{3002}', '\u{ff0c}', '\u{ff1b}', '.', ',', ';'])
}

/// 说过的话: remarks, and a box for one more.
#[component]
pub fn Remarks(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let page = page.0;
    let now = state.now();
    let said: Vec<(String, String)> = view::log(page.record.part(Part::Open), "remarks")
        .into_iter()
        .map(|(_, write)| {
            let who = say::author(&words, &write.head.author, state.me());
            (
                write.value.plain(),
                words.many("app-who-when", &[("who", &who), ("when", &say::when(&words, write.head.at, now))]),
            )
        })
        .collect();
    let key = format!("remark-{}", page.record.id);
    let mut text = use_kept(|| key.clone(), String::new);
    let mut sent = use_signal(|| 0_u32);
    let mut trouble = use_signal(|| None::<Message>);
    let archived = state.event(page.record.id).is_some_and(|event| event.stage == Some(Stage::Archived));
    let Some(field) = page.form.field("remarks").cloned() else { return rsx! {} };
    if archived && said.is_empty() {
        return rsx! {};
    }
    let help = field.help.as_ref().map(|help| words.label(help)).unwrap_or_default();
    rsx! {
        Group { title: words.label(&field.label), end: said.len().to_string(),
            ol { class: "list log", id: "remarks",
                for (place, (what, who)) in said.into_iter().enumerate() {
                    li { key: "{place}",
                        p { {what} }
                        p { {who} }
                    }
                }
                if !archived {
                    li { key: "box-{sent}",
                        label { class: "say", r#for: "remark", {words.t("app-remark")} }
                        textarea {
                            class: "field__ctl",
                            id: "remark",
                            name: "remark",
                            placeholder: words.t("app-remark"),
                            initial_value: text(),
                            oninput: move |event| text.set(event.value()),
                        }
                        p { class: "field__help", {help} }
                        if let Some(said) = trouble() {
                            p { class: "field__say field__say--problem", role: "alert",
                                Icon { name: Mark::Red.icon() }
                                span { {message(&words, &said)} }
                            }
                        }
                        div { class: "acts",
                            button {
                                class: "btn btn--second",
                                r#type: "button",
                                "data-do": "remark",
                                disabled: text.read().trim().is_empty(),
                                onclick: move |_| {
                                    let edit = state.new_edit();
                                    let value = Value::text(text.peek().trim());
                                    let draft = Draft {
                                        edit,
                                        record: page.record.id,
                                        kind: page.record.kind,
                                        form: page.form.version,
                                        context: page.vectors.clone(),
                                        seen: Some(page.seen),
                                        writes: [(Path::entry("remarks", edit), value)].into(),
                                    };
                                    match state.save(draft, Some(&key)) {
                                        Ok(_) => {
                                            text.set(String::new());
                                            trouble.set(None);
                                            *sent.write() += 1;
                                        }
                                        Err(error) => trouble.set(Some(error.message())),
                                    }
                                },
                                {words.t("app-remark-send")}
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unended;

    #[test]
    fn what_is_quoted_does_not_end_twice() {
        assert_eq!(
            [" a\u{3002}", "done.", "b\u{ff1f}", "\u{3002}", ""].map(unended),
            ["a", "done", "b\u{ff1f}", "", ""]
        );
    }
}
