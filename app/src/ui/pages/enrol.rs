//! The first start: which server, and the one-time code from the centre.

use dioxus::prelude::*;

use shared::key_pin::EnrolLine;

use crate::handheld::Message;
use crate::ui::components::frame::{Dock, Head};
use crate::ui::components::pin::PinField;
use crate::ui::components::scan::Scan;
use crate::ui::components::{Icon, Mark};
use crate::ui::pages::pin::unlike;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// Nobody answers there: nothing waits for being sent yet, so it is not said as it is later.
const UNREACHED: &str = "app-enrol-unreached";

/// What is wrong with the address or who answers there.
const AT_ADDRESS: [&str; 7] =
    ["sync-address", UNREACHED, "sync-not-found", "sync-cleartext", "sync-no-tls", "sync-old-tls", "sync-untrusted"];

/// The first start.
#[component]
pub fn Enrol(onback: Option<EventHandler<()>>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let start = use_hook(|| state.server());
    let mut server = use_signal(|| start.clone());
    let mut code = use_signal(String::new);
    // A line read by the camera, and how many were: an input takes its first value only when it is drawn anew.
    let mut scanned = use_signal(|| (0_u32, None::<EnrolLine>));
    let mut busy = use_signal(|| false);
    let mut problem = use_signal(|| None::<Message>);
    let pin = use_signal(String::new);
    let again = use_signal(String::new);
    // What is wrong with the address is said beside the address.
    let address = problem().filter(|said| AT_ADDRESS.contains(&said.key.as_str()));
    let at = |keys: &[&str]| problem().filter(|said| keys.contains(&said.key.as_str()));
    let (of_pin, of_again) = (at(&["pin-digits", "pin-guessed"]), at(&["pin-unlike"]));
    let other = problem().filter(|_| address.is_none() && of_pin.is_none() && of_again.is_none());
    let typed = |value: &Signal<String>| !value.read().trim().is_empty();
    let line = EnrolLine::is_meant(&server.read()) || EnrolLine::is_meant(&code.read());
    let ready = (line || typed(&server) && typed(&code)) && typed(&pin) && typed(&again);
    rsx! {
        Head { title: words.t("app-enrol"), line: words.t("app-enrol-line") }
        main {
            if let Some(said) = state.farewell() {
                div { class: "note note--doubt", role: "status", "data-problem": said.key.clone(), p { {message(&words, &said)} } }
            }
            section { class: "group",
                div { class: "sheet",
                    div { class: if address.is_some() { "field field--problem" } else { "field" },
                        label { class: "field__label", r#for: "enrol-server", {words.t("app-enrol-server")} }
                        input {
                            class: "field__ctl",
                            id: "enrol-server",
                            name: "server",
                            r#type: "text",
                            inputmode: "url",
                            autocomplete: "off",
                            autocapitalize: "off",
                            initial_value: "{start}",
                            placeholder: words.t("app-enrol-server-like"),
                            oninput: move |event| server.set(event.value()),
                        }
                        if let Some(said) = address.clone() {
                            Said { said }
                        }
                    }
                    div { class: if other.is_some() { "field field--problem" } else { "field" },
                        label { class: "field__label", r#for: "enrol-code", {words.t("app-enrol-code")} }
                        input {
                            key: "{scanned.read().0}",
                            class: "field__ctl num",
                            id: "enrol-code",
                            initial_value: "{code.peek()}",
                            name: "code",
                            r#type: "text",
                            inputmode: "numeric",
                            autocomplete: "one-time-code",
                            oninput: move |event| code.set(event.value()),
                        }
                        p { class: "field__help", {words.t("app-enrol-code-help")} }
                        if let Some(line) = scanned.read().1.clone() {
                            p { class: "field__say", role: "status", "data-scanned": line.server.clone(),
                                Icon { name: Mark::Green.icon() }
                                span { {words.s("app-scan-done", "server", &line.server)} }
                            }
                        }
                        Scan {
                            label: words.t("app-scan"),
                            is_wanted: move |text: String| EnrolLine::is_meant(&text),
                            onread: move |text: String| {
                                let n = scanned.peek().0 + 1;
                                scanned.set((n, text.parse().ok()));
                                code.set(text);
                                problem.set(None);
                            },
                        }
                        if let Some(said) = other.clone() {
                            Said { said }
                        }
                    }
                    PinField {
                        id: "enrol-pin",
                        label: words.t("app-pin-new"),
                        help: words.t("app-pin-help"),
                        said: of_pin,
                        value: pin,
                    }
                    PinField { id: "enrol-again", label: words.t("app-pin-again"), said: of_again, value: again }
                }
            }
            if let Some(onback) = onback {
                section { class: "group",
                    div { class: "sheet",
                        div { class: "acts acts--near",
                            button {
                                class: "btn btn--second",
                                r#type: "button",
                                "data-do": "back",
                                onclick: move |_| onback.call(()),
                                {words.t("app-enrol-back")}
                            }
                        }
                    }
                }
            }
        }
        footer { class: "foot",
            Dock {
                button {
                    class: "btn btn--primary btn--main",
                    r#type: "button",
                    "data-do": "enrol",
                    disabled: busy() || !ready,
                    onclick: move |_| {
                        let state = state.clone();
                        async move {
                            let chosen = pin.peek().clone();
                            problem.set(unlike(&chosen, &again.peek()));
                            if problem.peek().is_some() {
                                return;
                            }
                            busy.set(true);
                            let (to, with) = (address_of(&server.peek()), code.peek().clone());
                            if let Err(error) = state.enrol(&to, &with, &chosen).await {
                                tracing::info!(detail = %error.detail, "the enrolment did not come through");
                                let unreached = error.message.key == "sync-unreachable";
                                problem.set(Some(if unreached { Message::of(UNREACHED) } else { error.message }));
                            }
                            busy.set(false);
                        }
                    },
                    {words.t(if busy() { "app-enrol-busy" } else { "app-enrol-do" })}
                }
            }
        }
    }
}

#[component]
fn Said(said: Message) -> Element {
    let words = words();
    rsx! {
        p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
            Icon { name: Mark::Red.icon() }
            span { {message(&words, &said)} }
        }
    }
}

/// The address as typed, with the `https://` that people leave out.
fn address_of(typed: &str) -> String {
    let typed = typed.trim();
    if typed.contains("://") || EnrolLine::is_meant(typed) { typed.to_owned() } else { format!("https://{typed}") }
}

#[cfg(test)]
mod tests {
    use super::address_of;

    #[test]
    fn an_address_typed_without_https_gets_it() {
        assert_eq!(address_of(" wg.example.cn "), "https://wg.example.cn");
        assert_eq!(address_of("http://127.0.0.1:7300"), "http://127.0.0.1:7300");
    }
}
