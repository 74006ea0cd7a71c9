//! Choosing a PIN: the first one of who came from a version without, and another one later.

use dioxus::prelude::*;

use crate::handheld::Message;
use crate::ui::components::frame::{Dock, Foot, Head, Nav, NavEnd};
use crate::ui::components::pin::PinField;
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::words;

/// Another PIN, from 我的.
#[component]
pub fn ChangePin() -> Element {
    let words = words();
    rsx! {
        Nav { title: words.t("app-pin-change"), back: Tab::Me, NavEnd {} }
        Choose { first: false, ondone: move |()| { navigator().replace(Route::Me {}); } }
        Foot { tab: Tab::Me }
    }
}

/// The first PIN of who has none.
#[component]
pub fn FirstPin() -> Element {
    let words = words();
    rsx! {
        Head { title: words.t("app-pin-first"), line: words.t("app-pin-first-line") }
        Choose { first: true, ondone: |()| {} }
    }
}

/// What is wrong with two PINs typed: that they are not the same.
pub fn unlike(pin: &str, again: &str) -> Option<Message> {
    (pin != again).then(|| Message::of("pin-unlike"))
}

#[component]
fn Choose(first: bool, ondone: EventHandler<()>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let old = use_signal(String::new);
    let pin = use_signal(String::new);
    let again = use_signal(String::new);
    let mut busy = use_signal(|| false);
    let mut problem = use_signal(|| None::<Message>);
    let said = problem();
    let at = |keys: &[&str]| said.clone().filter(|said| keys.contains(&said.key.as_str()));
    let of_again = at(&["pin-unlike"]);
    let of_new = at(&["pin-digits", "pin-guessed"]);
    let of_old = said.clone().filter(|_| of_again.is_none() && of_new.is_none());
    let ready = !pin.read().is_empty() && !again.read().is_empty() && (first || !old.read().is_empty());
    let set = move |_| {
        let state = state.clone();
        async move {
            let (before, new) = (old.peek().clone(), pin.peek().clone());
            problem.set(unlike(&new, &again.peek()));
            if problem.peek().is_some() {
                return;
            }
            busy.set(true);
            match state.set_pin((!first).then_some(before), new).await {
                Ok(()) => ondone.call(()),
                Err(said) => problem.set(Some(said)),
            }
            busy.set(false);
        }
    };
    rsx! {
        main { id: "choose-pin",
            section { class: "group",
                div { class: "sheet",
                    if !first {
                        PinField { id: "pin-old", label: words.t("app-pin-old"), said: of_old.clone(), value: old }
                    }
                    PinField {
                        id: "pin-new",
                        label: words.t("app-pin-new"),
                        help: words.t("app-pin-help"),
                        said: if first { of_new.or(of_old) } else { of_new },
                        value: pin,
                    }
                    PinField { id: "pin-again", label: words.t("app-pin-again"), said: of_again, value: again }
                }
            }
            Dock {
                button {
                    class: "btn btn--primary btn--main",
                    r#type: "button",
                    "data-do": "set-pin",
                    disabled: busy() || !ready,
                    onclick: set,
                    {words.t("app-pin-set")}
                }
            }
        }
    }
}
