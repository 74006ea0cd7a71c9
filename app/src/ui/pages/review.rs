//! 待核对: two values side by side with equal weight, who and when; one press decides, or a third value is typed. The
//! row that takes a decision back stays where it was made.

use dioxus::prelude::*;
use shared::form::{Field, FieldType};
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::view::{self, One};

use crate::handheld::{Message, SaveError};
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Foot, Nav};
use crate::ui::components::{Go, Icon, Mark};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::{Settled, State};
use crate::ui::value;
use crate::ui::words::{message, words};

/// Records with cards shown at once.
const RECORDS: usize = 20;

/// 待核对
#[component]
pub fn Review() -> Element {
    let state = use_context::<State>();
    let words = words();
    let (records, more) = state.conflicts(RECORDS);
    let cards: Vec<(RecordId, String, Part, String)> = records
        .into_iter()
        .flat_map(|(hit, fields)| {
            let (id, title) = (hit.id, hit.title);
            fields.into_iter().map(move |open| (id, title.clone(), open.part, open.field))
        })
        .collect();
    let left = cards.len();
    let end = if more { words.n("app-review-left-more", left) } else { words.n("app-review-left", left) };
    let settled = state.settled.read().clone();
    rsx! {
        Nav { title: words.t("to-decide"), back: Tab::Today,
            span { class: "nav__act nav__act--say", id: "review-left", "data-left": "{left}", {end} }
        }
        main { id: "review",
            for one in settled {
                Undo { key: "{one.edit}", settled: one }
            }
            for (id, title, part, field) in cards {
                Card { key: "{id}-{field}", id, title, part, name: field }
            }
            if left == 0 {
                p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t("app-review-none")} } }
            } else {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-review-promise")} } }
            }
        }
        Foot { tab: Tab::Today }
    }
}

/// One value of a card.
#[derive(Clone, PartialEq, Debug)]
struct Side {
    value: Value,
    text: String,
    who: String,
    when: String,
    own: bool,
}

#[component]
fn Card(id: RecordId, title: String, part: Part, name: String) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let third = use_signal(|| None::<Value>);
    let mut typing = use_signal(|| false);
    let Some(page) = state.record(id) else { return rsx! {} };
    let Some(field) = page.form.field(&name).cloned() else { return rsx! {} };
    let One::Open(writes) = view::one(page.record.part(part), &name) else { return rsx! {} };
    let now = state.now();
    let sides: Vec<Side> = writes
        .iter()
        .map(|write| Side {
            value: write.value.clone(),
            text: value::text(&words, &state, &field, write.value),
            who: say::author(&words, &write.head.author, state.me()),
            when: say::when(&words, write.head.at, now),
            own: write.head.author.user.is_some() && write.head.author.user == state.me(),
        })
        .collect();
    let told: Vec<String> = sides.iter().filter(|side| !side.own).map(|side| side.who.clone()).collect();
    let told = told.join(&words.t("list-separator"));
    let label = words.label(&field.label);
    let settle = {
        let (state, words, field, told, name) =
            (state.clone(), words.clone(), field.clone(), told.clone(), name.clone());
        let (title, label) = (title.clone(), label.clone());
        move |value: Value| match state.settle(id, part, &name, value.clone()) {
            Ok(saved) => {
                let mut settled = state.settled;
                if let Some(edit) = saved.edits.first() {
                    settled.write().insert(
                        0,
                        Settled {
                            edit: *edit,
                            record: id,
                            field: words.many("app-review-of", &[("record", &title), ("field", &label)]),
                            value: value::shown(&words, &state, &field, &value),
                            told: told.clone(),
                        },
                    );
                }
            }
            Err(error) => {
                let mut trouble = trouble;
                let said = match &error {
                    // What is wrong with the one value, not that one thing is wrong.
                    SaveError::Problems(found) => found.first().map(Message::from),
                    _ => None,
                };
                trouble.set(Some(said.unwrap_or_else(|| error.message())));
            }
        }
    };
    let heading = words.many("app-review-of", &[("record", &title), ("field", &label)]);
    let say = if sides.len() > 2 { words.n("app-review-say-many", sides.len()) } else { words.t("app-review-say") };
    rsx! {
        section { class: "review", "data-review": "{id}/{name}", "aria-labelledby": "r-{id}-{name}",
            div { class: "review__h",
                h2 { id: "r-{id}-{name}", {heading} }
                p { class: "sub", {say} }
            }
            div { class: "two",
                for (place, side) in sides.into_iter().enumerate() {
                    div { class: "two__v", key: "{place}",
                        p { class: "val num", {side.text.clone()} }
                        p {
                            {words.s("app-review-by", "who", &side.who)}
                            br {}
                            {side.when.clone()}
                        }
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "choose",
                            "data-value": side.value.plain(),
                            onclick: {
                                let settle = settle.clone();
                                move |_| settle(side.value.clone())
                            },
                            {words.t("app-review-use")}
                        }
                    }
                }
            }
            if field.kind != FieldType::Area {
                if typing() {
                    div { class: "third__b",
                        Third { field: field.clone(), value: third }
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
                                "data-do": "use-third",
                                disabled: third.read().is_none(),
                                onclick: {
                                    let settle = settle.clone();
                                    move |_| {
                                        if let Some(value) = third.peek().clone() {
                                            settle(value);
                                        }
                                    }
                                },
                                {words.t("app-review-use-typed")}
                            }
                            Go { class: "btn btn--quiet", to: Route::ShowRecord { id }, record: id.to_string(), {words.t("app-review-whole")} }
                        }
                    }
                } else {
                    button {
                        class: "third__open",
                        r#type: "button",
                        "data-do": "third",
                        onclick: move |_| {
                            trouble.set(None);
                            typing.set(true);
                        },
                        Icon { name: "pen" }
                        {words.t("app-review-third")}
                    }
                }
            }
        }
    }
}

/// A third value: typed, or chosen where the field has choices.
#[component]
fn Third(field: Field, value: Signal<Option<Value>>) -> Element {
    let words = words();
    let label = words.label(&field.label);
    match field.kind {
        FieldType::Choice => rsx! {
            div { class: "choices",
                for choice in &field.choices {
                    Chip {
                        key: "{choice.code}",
                        name: "third",
                        code: choice.code.clone(),
                        label: words.choice(&field, &choice.code),
                        many: false,
                        chosen: value.read().as_ref().and_then(Value::as_text).as_ref() == Some(&choice.code),
                        onpress: {
                            let code = choice.code.clone();
                            move |_| value.set(Some(Value::text(&code)))
                        },
                    }
                }
            }
        },
        FieldType::Link | FieldType::LinkOrText => {
            let free = field.kind == FieldType::LinkOrText;
            rsx! {
                crate::ui::components::pick::Picker {
                    name: "third",
                    to: field.to,
                    free,
                    onpick: move |picked: crate::ui::components::pick::Picked| {
                        use crate::ui::components::pick::Picked;
                        value.set(Some(match (picked, free) {
                            (Picked::Record(id), true) => Value::of(&serde_json::json!({ "id": id })),
                            (Picked::Record(id), false) => Value::of(&id),
                            (Picked::Text(text), _) => Value::of(&serde_json::json!({ "text": text })),
                        }));
                    },
                }
            }
        }
        kind => rsx! {
            div { class: "field",
                label { class: "say", r#for: "third", {label.clone()} }
                input {
                    class: "field__ctl",
                    id: "third",
                    name: "third",
                    r#type: match kind {
                        FieldType::Date => "date",
                        FieldType::Time => "datetime-local",
                        FieldType::Phone => "tel",
                        _ => "text",
                    },
                    placeholder: label,
                    autocomplete: "off",
                    oninput: move |event| {
                        let typed = crate::ui::components::field::stored(kind, &event.value());
                        value.set(Some(typed).filter(|value| !value.is_null()));
                    },
                }
            }
        },
    }
}

/// The row that takes a decision back.
#[component]
fn Undo(settled: Settled) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let told = if settled.told.is_empty() {
        words.s("app-review-used", "value", &settled.value)
    } else {
        words.many("app-review-used-told", &[("value", &settled.value), ("who", &settled.told)])
    };
    rsx! {
        section { class: "review", "data-settled": settled.edit.to_string(),
            div { class: "undo",
                Icon { name: Mark::Green.icon(), class: "i--fill" }
                div {
                    p { b { {words.s("app-review-settled", "field", &settled.field)} } }
                    p { class: "sub", {told} }
                    if let Some(said) = trouble() {
                        p { class: "sub", role: "alert", {message(&words, &said)} }
                    }
                }
                button {
                    class: "btn btn--quiet",
                    r#type: "button",
                    "data-do": "undo",
                    onclick: move |_| match state.undo_settle(settled.edit) {
                        Ok(_) => {
                            let mut all = state.settled;
                            all.write().retain(|one| one.edit != settled.edit);
                        }
                        Err(error) => trouble.set(Some(error.message())),
                    },
                    {words.t("app-undo")}
                }
            }
        }
    }
}
