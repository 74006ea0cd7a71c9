//! The first start: which server, and the one-time code from the centre.

use dioxus::prelude::*;

use crate::handheld::Message;
use crate::ui::components::frame::{Dock, Head};
use crate::ui::components::{Icon, Mark};
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// The first start.
#[component]
pub fn Enrol() -> Element {
    let state = use_context::<State>();
    let words = words();
    let start = use_hook(|| state.server());
    let mut server = use_signal(|| start.clone());
    let mut code = use_signal(String::new);
    let mut busy = use_signal(|| false);
    let mut problem = use_signal(|| None::<Message>);
    let ready = !server.read().trim().is_empty() && !code.read().trim().is_empty();
    rsx! {
        Head { title: words.t("app-enrol"), line: words.t("app-enrol-line") }
        main {
            section { class: "group",
                div { class: "sheet",
                    div { class: "field",
                        label { class: "field__label", r#for: "enrol-server", {words.t("app-enrol-server")} }
                        input {
                            class: "field__ctl",
                            id: "enrol-server",
                            name: "server",
                            r#type: "url",
                            inputmode: "url",
                            autocomplete: "off",
                            autocapitalize: "off",
                            initial_value: "{start}",
                            placeholder: words.t("app-enrol-server-like"),
                            oninput: move |event| server.set(event.value()),
                        }
                    }
                    div { class: if problem.read().is_some() { "field field--problem" } else { "field" },
                        label { class: "field__label", r#for: "enrol-code", {words.t("app-enrol-code")} }
                        input {
                            class: "field__ctl num",
                            id: "enrol-code",
                            name: "code",
                            r#type: "text",
                            inputmode: "numeric",
                            autocomplete: "one-time-code",
                            oninput: move |event| code.set(event.value()),
                        }
                        p { class: "field__help", {words.t("app-enrol-code-help")} }
                        if let Some(said) = problem() {
                            p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                                Icon { name: Mark::Red.icon() }
                                span { {message(&words, &said)} }
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
                            busy.set(true);
                            problem.set(None);
                            let (to, with) = (server.peek().trim().to_owned(), code.peek().clone());
                            if let Err(error) = state.enrol(&to, &with).await {
                                tracing::info!(detail = %error.detail, "the enrolment did not come through");
                                problem.set(Some(error.message));
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
