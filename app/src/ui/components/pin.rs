//! The input of a PIN.

use dioxus::prelude::*;

use super::{Icon, Mark};
use crate::handheld::Message;
use crate::ui::words::{message, words};

/// A PIN being typed: digits that are not shown, on the keyboard of numbers.
#[component]
pub fn PinField(
    id: String,
    label: String,
    #[props(default)] help: String,
    said: Option<Message>,
    mut value: Signal<String>,
    #[props(default)] onenter: EventHandler<()>,
) -> Element {
    let words = words();
    // The input keeps its own text: one that is told its text again loses what was typed meanwhile. Emptied from outside it is
    // made anew.
    let mut typed = use_signal(String::new);
    let mut nth = use_signal(|| 0_u32);
    use_effect(move || {
        let now = value();
        if now != *typed.peek() {
            typed.set(now);
            nth += 1;
        }
    });
    rsx! {
        div { class: if said.is_some() { "field field--problem" } else { "field" },
            label { class: "field__label", r#for: "{id}", {label} }
            for n in [nth()] {
                input {
                    key: "{n}",
                    class: "field__ctl num pin",
                    id: "{id}",
                    r#type: "password",
                    inputmode: "numeric",
                    pattern: "[0-9]*",
                    maxlength: 12,
                    autocomplete: "off",
                    initial_value: "{value.peek()}",
                    oninput: move |event| {
                        typed.set(event.value());
                        value.set(event.value());
                    },
                    onkeydown: move |event| {
                        if event.key() == Key::Enter {
                            onenter.call(());
                        }
                    },
                }
            }
            if !help.is_empty() {
                p { class: "field__help", {help} }
            }
            if let Some(said) = said.clone() {
                p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
        }
    }
}
