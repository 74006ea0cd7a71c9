//! One field of a form: label, control, then what there is to say about it.
//!
//! Text inputs keep their own text (`initial_value` and `oninput`): an input whose value is set from outside loses
//! characters when it is typed fast or by a Chinese input method.

use dioxus::prelude::*;
use shared::form::{Field, FieldType};
use shared::path::Path;
use shared::validate::Severity;
use shared::value::Value;
use shared::work::Work;

use super::photo::PhotoField;
use super::pick::{LinkField, LinksField};
use super::position::PositionField;
use super::{Go, Icon, Mark};
use crate::ui::entry::Entry;
use crate::ui::route::Route;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// More choices than this become a list to unfold.
const CHIPS: usize = 8;

/// One field. `open` marks a field that is 待核对: it is decided on its card, not here.
#[component]
pub fn FieldBox(entry: Entry, field: Field, open: bool) -> Element {
    let state = use_context::<State>();
    let words = words();
    let name = field.name.clone();
    let id = format!("f-{name}");
    let said = entry.said(&name);
    let doubt = said.as_ref().map(|problem| problem.severity == Severity::Unverified);
    let class = match doubt {
        Some(false) => "field field--problem",
        Some(true) => "field field--doubt",
        None => "field",
    };
    let label = words.label(&field.label);
    let help = field.help.as_ref().map(|help| words.label(help));
    let grouped = matches!(field.kind, FieldType::Choices | FieldType::YesNo | FieldType::Photos | FieldType::Links)
        || (field.kind == FieldType::Choice && field.choices.len() <= CHIPS);
    let says = (field.kind == FieldType::IdNumber)
        .then(|| entry.get(&Path::field(&name)))
        .flatten()
        .and_then(|value| say::id_number_says(&words, &value.plain(), state.now()))
        .map(|says| words.s("app-from-number", "says", &says));
    rsx! {
        div { class, id: "box-{name}", "data-field": "{name}", role: grouped.then_some("group"),
            "aria-labelledby": grouped.then(|| format!("l-{name}")),
            label { class: "field__label", id: "l-{name}", r#for: (!grouped).then(|| id.clone()),
                {label}
                if field.required {
                    small { {words.t("app-required")} }
                }
            }
            if open {
                Go { class: "field__ctl", to: Route::Review {}, hook: "review",
                    span { class: "grow", {words.t("app-field-open")} }
                    Icon { name: "next" }
                }
            } else {
                Control { entry, field: field.clone() }
            }
            if let Some(problem) = said {
                p {
                    class: if doubt == Some(true) { "field__say field__say--doubt" } else { "field__say field__say--problem" },
                    id: "say-{name}",
                    "data-problem": problem.code,
                    role: "status",
                    Icon { name: if doubt == Some(true) { Mark::Yellow.icon() } else { Mark::Red.icon() } }
                    span { {say::problem(&words, &problem)} }
                }
            }
            if let Some(says) = says {
                p { class: "field__help", {says} }
            }
            if let Some(help) = help {
                p { class: "field__help", {help} }
            }
        }
    }
}

#[component]
fn Control(entry: Entry, field: Field) -> Element {
    match field.kind {
        FieldType::LongText => rsx! {
            LongInput { entry, field }
        },
        FieldType::Choice if field.choices.len() > CHIPS => rsx! {
            ChoiceList { entry, field }
        },
        FieldType::Choice | FieldType::YesNo => rsx! {
            OneOf { entry, field }
        },
        FieldType::Choices => rsx! {
            AnyOf { entry, field }
        },
        FieldType::Link | FieldType::LinkOrText => rsx! {
            LinkField { entry, field }
        },
        FieldType::Links => rsx! {
            LinksField { entry, field }
        },
        FieldType::Position => rsx! {
            PositionField { entry, field }
        },
        FieldType::Photos => rsx! {
            PhotoField { entry, field }
        },
        _ => rsx! {
            LineInput { entry, field }
        },
    }
}

/// The text an input begins with, for a value as stored.
fn typed_text(kind: FieldType, value: Option<Value>) -> String {
    match (kind, value) {
        (_, None) => String::new(),
        (FieldType::Time, Some(value)) => value.get::<i64>().map(say::for_time_input).unwrap_or_default(),
        (_, Some(value)) => value.plain(),
    }
}

/// The value to store, for a text as typed. What cannot be read stays a text, so that validation can say so.
pub fn stored(kind: FieldType, text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() {
        return Value::null();
    }
    match kind {
        FieldType::Number => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => Value::of(&whole),
            (_, Ok(number)) if number.is_finite() => Value::of(&number),
            _ => Value::text(text),
        },
        FieldType::Time => say::from_time_input(text).map_or_else(|| Value::text(text), |ms| Value::of(&ms)),
        FieldType::IdNumber | FieldType::CreditCode => Value::text(&text.replace([' ', '-'], "").to_uppercase()),
        FieldType::Phone => Value::text(&text.replace(' ', "")),
        _ => Value::text(text),
    }
}

#[component]
fn LineInput(mut entry: Entry, field: Field) -> Element {
    let path = Path::field(&field.name);
    let kind = field.kind;
    let start = use_hook(|| typed_text(kind, entry.peek(&path)));
    let (input_type, mode) = match kind {
        FieldType::Number => ("text", "decimal"),
        FieldType::Date => ("date", "text"),
        FieldType::Time => ("datetime-local", "text"),
        FieldType::Phone => ("tel", "tel"),
        _ => ("text", "text"),
    };
    let name = field.name.clone();
    let invalid = entry.said(&name).is_some_and(|problem| problem.severity == Severity::Refused);
    rsx! {
        input {
            class: "field__ctl",
            id: "f-{name}",
            name: "{name}",
            r#type: input_type,
            inputmode: mode,
            autocomplete: "off",
            autocapitalize: "off",
            initial_value: "{start}",
            "aria-invalid": invalid,
            "aria-describedby": "say-{name}",
            oninput: move |event| entry.set(path.clone(), stored(kind, &event.value())),
            onblur: move |_| entry.leave(&field.name),
        }
    }
}

#[component]
fn LongInput(mut entry: Entry, field: Field) -> Element {
    let path = Path::field(&field.name);
    let start = use_hook(|| typed_text(field.kind, entry.peek(&path)));
    let name = field.name.clone();
    rsx! {
        textarea {
            class: "field__ctl",
            id: "f-{name}",
            name: "{name}",
            initial_value: "{start}",
            "aria-describedby": "say-{name}",
            oninput: move |event| entry.set(path.clone(), stored(field.kind, &event.value())),
            onblur: move |_| entry.leave(&field.name),
        }
    }
}

#[component]
fn ChoiceList(mut entry: Entry, field: Field) -> Element {
    let words = words();
    let path = Path::field(&field.name);
    let chosen = entry.get(&path).and_then(|value| value.as_text()).unwrap_or_default();
    let name = field.name.clone();
    rsx! {
        select {
            class: "field__ctl field__ctl--select",
            id: "f-{name}",
            name: "{name}",
            onchange: {
                let field = field.name.clone();
                move |event: FormEvent| {
                    entry.set(path.clone(), stored(FieldType::Choice, &event.value()));
                    entry.leave(&field);
                }
            },
            option { value: "", selected: chosen.is_empty(), {words.t("app-choose")} }
            // Work is chosen by its button, not as something that happened.
            for choice in field.offered(|code| code == chosen).filter(|choice| Work::from_code(&choice.code).is_none()) {
                option { key: "{choice.code}", value: "{choice.code}", selected: choice.code == chosen,
                    {words.choice(&field, &choice.code)}
                }
            }
        }
    }
}

fn options(words: &Words, field: &Field, chosen: impl Fn(&str) -> bool) -> Vec<(String, Value, String)> {
    if field.kind == FieldType::YesNo {
        return [true, false]
            .into_iter()
            .map(|yes| (yes.to_string(), Value::of(&yes), words.t(if yes { "yes" } else { "no" })))
            .collect();
    }
    let codes = field.offered(chosen).map(|choice| choice.code.as_str());
    codes.map(|code| (code.to_owned(), Value::text(code), words.choice(field, code))).collect()
}

/// One of a few: chips. Pressing the chosen one again takes it back where nothing has to be chosen.
#[component]
fn OneOf(entry: Entry, field: Field) -> Element {
    let words = words();
    let path = Path::field(&field.name);
    let chosen = entry.get(&path);
    rsx! {
        div { class: "choices",
            for (code, value, label) in options(&words, &field, |code| chosen.as_ref() == Some(&Value::text(code))) {
                Chip {
                    key: "{code}",
                    name: field.name.clone(),
                    code,
                    label,
                    many: false,
                    chosen: chosen.as_ref() == Some(&value),
                    onpress: {
                        let (path, field, mut entry) = (path.clone(), field.clone(), entry);
                        move |chosen: bool| {
                            if !chosen {
                                entry.set(path.clone(), value.clone());
                            } else if !field.required {
                                entry.set(path.clone(), Value::null());
                            }
                            entry.leave(&field.name);
                        }
                    },
                }
            }
        }
    }
}

#[component]
fn AnyOf(entry: Entry, field: Field) -> Element {
    let words = words();
    rsx! {
        div { class: "choices",
            for (code, _, label) in options(&words, &field, |code| entry.get(&Path::element(&field.name, code)).is_some()) {
                Chip {
                    key: "{code}",
                    name: field.name.clone(),
                    chosen: entry.get(&Path::element(&field.name, &code)).is_some(),
                    many: true,
                    label,
                    code: code.clone(),
                    onpress: {
                        let (field, mut entry) = (field.clone(), entry);
                        move |chosen: bool| {
                            let value = if chosen { Value::null() } else { Value::of(&true) };
                            entry.set(Path::element(&field.name, &code), value);
                            entry.leave(&field.name);
                        }
                    },
                }
            }
        }
    }
}

/// A choice as a pressable word; `onpress` is told whether it was chosen before.
#[component]
pub fn Chip(
    name: String,
    code: String,
    label: String,
    chosen: bool,
    many: bool,
    onpress: EventHandler<bool>,
) -> Element {
    rsx! {
        label { class: "choice",
            input {
                r#type: if many { "checkbox" } else { "radio" },
                name: "{name}",
                value: "{code}",
                checked: chosen,
                onclick: move |_| onpress.call(chosen),
            }
            span {
                Icon { name: "check" }
                {label}
            }
        }
    }
}
