//! A position with its accuracy: waits for 20 m or 20 seconds and says which.

use dioxus::prelude::*;
use shared::form::{Field, Position};
use shared::path::Path;
use shared::value::Value;

use super::Icon;
use crate::ui::entry::Entry;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::words;

/// Good enough, in metres.
pub const GOOD: f64 = 20.0;

/// How the search for a position stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fix {
    /// Not asked for.
    Idle,
    /// Waiting for the receiver.
    Waiting,
    /// No receiver, no permission, or no satellites.
    None,
}

/// The field of a position.
#[component]
pub fn PositionField(mut entry: Entry, field: Field) -> Element {
    let words = words();
    let state = use_context::<State>();
    let path = Path::field(&field.name);
    let here = entry.get(&path).and_then(|value| value.get::<Position>());
    let mut fix = use_signal(|| Fix::Idle);
    let name = field.name.clone();
    let text = match (fix(), here) {
        (Fix::Waiting, _) => words.t("app-position-waiting"),
        (_, Some(here)) => words.n("app-position-fixed", say::metres(here.accuracy)),
        (Fix::None, None) => words.t("app-position-none"),
        (Fix::Idle, None) => words.t("app-position-ask"),
    };
    let coarse = here.is_some_and(|here| here.accuracy > GOOD);
    rsx! {
        button {
            class: "field__ctl",
            id: "f-{name}",
            r#type: "button",
            "data-do": "locate",
            disabled: fix() == Fix::Waiting,
            onclick: move |_| {
                let state = state.clone();
                let path = path.clone();
                async move {
                    fix.set(Fix::Waiting);
                    match state.locate().await {
                        Some(position) => {
                            entry.leave(path.field_name());
                            entry.set(path, Value::of(&position));
                            fix.set(Fix::Idle);
                        }
                        None => fix.set(Fix::None),
                    }
                }
            },
            Icon { name: "locate" }
            span { class: "grow grow--i", role: "status", {text} }
            if here.is_some() {
                span { class: "sub", {words.t("app-position-again")} }
            }
        }
        p { class: "field__help",
            {words.t(if coarse { "app-position-coarse" } else { "app-position-help" })}
        }
    }
}
