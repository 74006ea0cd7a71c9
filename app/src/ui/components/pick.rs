//! A link to another record: picked by search in the flow of the form, or written where there is no record.

use dioxus::prelude::*;
use shared::form::{Field, FieldType};
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;

use super::Icon;
use super::row::{fact, kind_icon};
use crate::handheld::{Filter, Hit};
use crate::ui::entry::Entry;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::words;

/// What was picked.
#[derive(Clone, PartialEq, Debug)]
pub enum Picked {
    /// A record.
    Record(RecordId),
    /// A text instead.
    Text(String),
}

/// How many results are offered.
const OFFERED: usize = 6;

/// A box to search in and what it finds.
#[component]
pub fn Picker(name: String, to: Option<RecordKind>, free: bool, onpick: EventHandler<Picked>) -> Element {
    let words = words();
    let state = use_context::<State>();
    let mut query = use_signal(String::new);
    let typed = query.read().trim().to_owned();
    let hits: Vec<Hit> = if typed.is_empty() {
        Vec::new()
    } else {
        state.search(&typed, &Filter { kind: to, ..Filter::default() }, OFFERED).hits
    };
    let nothing = hits.is_empty() && !typed.is_empty();
    let label = words.t(if free { "app-pick-or-write" } else { "app-pick" });
    rsx! {
        input {
            class: "field__ctl",
            id: "f-{name}",
            name: "{name}",
            r#type: "text",
            autocomplete: "off",
            autocapitalize: "off",
            "aria-labelledby": "l-{name}",
            placeholder: label,
            oninput: move |event| query.set(event.value()),
        }
        for hit in hits {
            button {
                key: "{hit.id}",
                class: "who who--press",
                r#type: "button",
                "data-record": hit.id.to_string(),
                "data-do": "pick",
                onclick: move |_| onpick.call(Picked::Record(hit.id)),
                Icon { name: kind_icon(hit.kind) }
                span { class: "row__main",
                    span { class: "row__t", {hit.title.clone()} }
                    span { class: "sub",
                        {hit.facts.iter().filter_map(|one| fact(&words, &state, hit.kind, one)).collect::<Vec<_>>().join(" ")}
                    }
                }
                Icon { name: "next" }
            }
        }
        if free && !typed.is_empty() {
            button {
                class: "who who--press",
                r#type: "button",
                "data-do": "write",
                onclick: {
                    let typed = typed.clone();
                    move |_| onpick.call(Picked::Text(typed.clone()))
                },
                Icon { name: "pen" }
                span { class: "row__main",
                    span { class: "row__t", {words.s("app-pick-write", "text", &typed)} }
                }
            }
        } else if nothing {
            p { class: "field__help", role: "status", {words.t("app-pick-nothing")} }
        }
    }
}

/// A link to one record, or one record or a text.
#[component]
pub fn LinkField(mut entry: Entry, field: Field) -> Element {
    let words = words();
    let state = use_context::<State>();
    let path = Path::field(&field.name);
    let free = field.kind == FieldType::LinkOrText;
    let chosen = entry.get(&path);
    let mut change = use_signal(|| false);
    let name = field.name.clone();
    match chosen {
        Some(chosen) if !change() => rsx! {
            button {
                class: "field__ctl",
                id: "f-{name}",
                r#type: "button",
                "data-do": "change",
                onclick: move |_| change.set(true),
                span { class: "grow", {value::text(&words, &state, &field, &chosen)} }
                Icon { name: "search" }
            }
        },
        chosen => rsx! {
            Picker {
                name: name.clone(),
                to: field.to,
                free,
                onpick: move |picked: Picked| {
                    let value = match (picked, free) {
                        (Picked::Record(id), true) => Value::of(&serde_json::json!({ "id": id })),
                        (Picked::Record(id), false) => Value::of(&id),
                        (Picked::Text(text), _) => Value::of(&serde_json::json!({ "text": text })),
                    };
                    entry.set(Path::field(&field.name), value);
                    entry.leave(&field.name);
                    change.set(false);
                },
            }
            if chosen.is_some() {
                div { class: "acts",
                    button { class: "btn btn--quiet", r#type: "button", onclick: move |_| change.set(false), {words.t("app-keep")} }
                    button {
                        class: "btn btn--quiet",
                        r#type: "button",
                        "data-do": "clear",
                        onclick: move |_| {
                            entry.set(path.clone(), Value::null());
                            change.set(false);
                        },
                        {words.t("app-clear")}
                    }
                }
            }
        },
    }
}

/// Any number of links.
#[component]
pub fn LinksField(mut entry: Entry, field: Field) -> Element {
    let words = words();
    let state = use_context::<State>();
    let there = entry.elements(&field.name);
    // A new key empties the box after each pick.
    let picks = there.len();
    let name = field.name.clone();
    rsx! {
        for (id, _) in there {
            div { class: "who", key: "{id}", "data-record": "{id}",
                Icon { name: "link" }
                span { class: "row__main",
                    span { class: "row__t", {id.parse().ok().map(|id| state.title_or_outside(&words, id, field.to)).unwrap_or_default()} }
                }
                button {
                    class: "btn btn--quiet",
                    r#type: "button",
                    "data-do": "remove",
                    "aria-label": words.t("app-remove"),
                    onclick: {
                        let path = Path::element(&field.name, &id);
                        move |_| entry.set(path.clone(), Value::null())
                    },
                    Icon { name: "x" }
                }
            }
        }
        for _ in [picks] {
            Picker {
                key: "{picks}",
                name: name.clone(),
                to: field.to,
                free: false,
                onpick: {
                    let field = field.name.clone();
                    move |picked: Picked| {
                        if let Picked::Record(id) = picked {
                            entry.set(Path::element(&field, &id.to_string()), Value::of(&true));
                        }
                    }
                },
            }
        }
    }
}
