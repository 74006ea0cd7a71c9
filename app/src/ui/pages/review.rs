//! 待核对: two values side by side with equal weight, who and when; one press decides, or a third value is typed, or the
//! card is put off. What was decided can be taken back here, and what others decided is told here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use dioxus::prelude::*;
use shared::form::{Field, FieldType};
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::view::{self, One};
use shared::work::Work;

use crate::handheld::{Decision, Message, SaveError};
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Foot, Nav};
use crate::ui::components::{Go, Group, Icon, Mark};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, message, words};

/// Records with cards shown at first and added at each asking.
const RECORDS: usize = 20;

/// Decisions that are offered to be taken back.
const DECISIONS: usize = 30;

/// 待核对
#[component]
pub fn Review() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut most = use_signal(|| RECORDS);
    let (records, more) = state.conflicts(most());
    let later = state.later.read().clone();
    let all: Vec<(RecordId, String, Part, String)> = records
        .into_iter()
        .flat_map(|(hit, fields)| {
            let (id, title) = (hit.id, hit.title);
            fields.into_iter().map(move |open| (id, title.clone(), open.part, open.field))
        })
        .collect();
    let left = all.len();
    let (put_off, cards): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(id, _, _, field)| later.contains(&(*id, field.clone())));
    let end = if more { words.n("app-review-left-more", left) } else { words.n("app-review-left", left) };
    let mut decided = state.decisions(DECISIONS);
    // The last decision stays where it was made; what was decided before stands below.
    let now = say::today(state.now());
    let last = decided.first().is_some_and(|first| say::today(first.at) == now).then(|| decided.remove(0));
    rsx! {
        Nav { title: words.t("to-decide"), back: Tab::Today,
            span { class: "nav__act nav__act--say", id: "review-left", "data-left": "{left}", {end} }
        }
        main { id: "review",
            ToldList {}
            if let Some(one) = last {
                Undo { key: "{one.edit}", decision: one }
            }
            for (id, title, part, field) in cards {
                Card { key: "{id}-{field}", id, title, part, name: field, skips: left > 1 }
            }
            if more {
                div { class: "pad",
                    button {
                        class: "btn btn--second btn--wide",
                        r#type: "button",
                        "data-do": "more",
                        onclick: move |_| *most.write() += RECORDS,
                        {words.t("app-more")}
                    }
                }
            }
            if !put_off.is_empty() {
                section { class: "group", id: "later",
                    div { class: "group__h",
                        h2 { {words.t("app-review-later-list")} }
                    }
                    for (id, title, part, field) in put_off {
                        Card { key: "{id}-{field}", id, title, part, name: field, skips: false }
                    }
                }
            }
            if left == 0 {
                p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t("app-review-none")} } }
            } else {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-review-promise")} } }
            }
            if !decided.is_empty() {
                section { class: "group", id: "decided",
                    div { class: "group__h",
                        h2 { {words.t("app-review-before")} }
                    }
                    for one in decided {
                        Undo { key: "{one.edit}", decision: one }
                    }
                }
            }
        }
        Foot { tab: Tab::Today }
    }
}

/// The row of 今日 that leads to what others decided.
#[component]
pub fn ToldRow() -> Element {
    let state = use_context::<State>();
    let words = words();
    let count = state.told().len();
    if count == 0 {
        return rsx! {};
    }
    rsx! {
        section { class: "group",
            ul { class: "list",
                li {
                    Go { class: "row row--one", to: Route::Review {}, hook: "told",
                        Icon { name: "check" }
                        span { class: "row__main", {words.n("app-told-some", count)} }
                        span { class: "row__end", Icon { name: "next" } }
                    }
                }
            }
        }
    }
}

/// What others decided where the user had filled in a value. Leaving the page is having seen it.
#[component]
fn ToldList() -> Element {
    let state = use_context::<State>();
    let words = words();
    let told = state.told();
    let drawn = use_hook(|| Rc::new(RefCell::new(BTreeSet::new())));
    drawn.borrow_mut().extend(told.iter().map(|one| (one.own, one.by)));
    use_drop({
        let (state, drawn) = (state.clone(), Rc::clone(&drawn));
        move || state.note_told(&drawn.borrow().iter().copied().collect::<Vec<_>>())
    });
    if told.is_empty() {
        return rsx! {};
    }
    let now = state.now();
    let lines: Vec<(RecordId, String, String)> = told
        .into_iter()
        .filter_map(|one| {
            let form = state.form(one.place.kind)?;
            let field = form.field(&one.place.field)?;
            let (value, filled) =
                (decided(&words, &state, field, &one.value), decided(&words, &state, field, &one.filled));
            let said = words.many(
                "app-told",
                &[
                    ("who", &say::author(&words, &one.author, state.me())),
                    ("record", &one.place.title),
                    ("field", &words.label(&field.label)),
                    ("value", &value),
                ],
            );
            let when = say::when(&words, one.at, now);
            let yours = if one.value == one.filled {
                words.s("app-told-yours", "when", &when)
            } else {
                words.many("app-told-not-yours", &[("value", &filled), ("when", &when)])
            };
            Some((one.place.record, said, yours))
        })
        .collect();
    rsx! {
        Group { title: words.t("app-told-list"), end: lines.len().to_string(), id: "told",
            ul { class: "list",
                for (place, (id, said, yours)) in lines.into_iter().enumerate() {
                    li { key: "{place}",
                        Go { class: "row", to: Route::ShowRecord { id }, record: id.to_string(),
                            Icon { name: Mark::Green.icon(), class: "i--fill" }
                            span { class: "row__main",
                                span { class: "row__t row__t--plain", {said} }
                                span { class: "row__m", {yours} }
                            }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
        }
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
fn Card(id: RecordId, title: String, part: Part, name: String, skips: bool) -> Element {
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
    let label = words.label(&field.label);
    let settle = {
        let (state, name) = (state.clone(), name.clone());
        move |value: Value| match state.settle(id, part, &name, value) {
            Ok(_) => {}
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
            if let Some(said) = trouble() {
                p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
            if field.kind != FieldType::Area {
                if typing() {
                    div { class: "third__b",
                        Third { field: field.clone(), value: third }
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
            if skips {
                button {
                    class: "third__open",
                    r#type: "button",
                    "data-do": "later",
                    onclick: {
                        let (mut later, name) = (state.later, name.clone());
                        move |_| {
                            later.write().insert((id, name.clone()));
                        }
                    },
                    Icon { name: "next" }
                    {words.t("app-review-later")}
                }
            }
        }
    }
}

/// A value that was decided on, masked; of what is restricted not even that: it is read on the record's page, where the
/// looking is written down.
fn decided(words: &Words, state: &State, field: &Field, value: &Value) -> String {
    if field.restricted { words.t("app-review-restricted") } else { value::shown(words, state, field, value) }
}

/// A third value: typed, or chosen where the field has choices.
#[component]
fn Third(field: Field, value: Signal<Option<Value>>) -> Element {
    let words = words();
    let label = words.label(&field.label);
    match field.kind {
        FieldType::Choice => rsx! {
            div { class: "choices",
                // What was reported does not become work that nobody waits for.
                for choice in field.offered(|_| false).filter(|choice| field.name != "category" || Work::from_code(&choice.code).is_none()) {
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
fn Undo(decision: Decision) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let Some(form) = state.form(decision.place.kind) else { return rsx! {} };
    let Some(field) = form.field(&decision.place.field) else { return rsx! {} };
    let name = words.many("app-review-of", &[("record", &decision.place.title), ("field", &words.label(&field.label))]);
    let value = decided(&words, &state, field, &decision.value);
    let key = if decision.others { "app-review-used-told" } else { "app-review-used" };
    let when = say::when(&words, decision.at, state.now());
    let edit = decision.edit;
    rsx! {
        section { class: "review", "data-settled": edit.to_string(),
            div { class: "undo",
                Icon { name: Mark::Green.icon(), class: "i--fill" }
                div {
                    p { b { {words.s("app-review-settled", "field", &name)} } }
                    p { class: "sub", {words.many(key, &[("value", &value), ("when", &when)])} }
                    if let Some(said) = trouble() {
                        p { class: "sub", role: "alert", {message(&words, &said)} }
                    }
                }
                button {
                    class: "btn btn--quiet",
                    r#type: "button",
                    "data-do": "undo",
                    onclick: move |_| {
                        if let Err(error) = state.undo_settle(edit) {
                            trouble.set(Some(error.message()));
                        }
                    },
                    {words.t("app-undo")}
                }
            }
        }
    }
}
