//! A newer version of the app: what it is, and the button that fetches it once all is delivered.

use std::time::Duration;

use dioxus::prelude::*;

use super::sync::Bar;
use crate::handheld::Message;
use crate::ui::components::{Group, Icon, Mark};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(500);

/// Nothing, while this version is the newest.
#[component]
pub fn UpdateOffer() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut busy = use_signal(|| false);
    let mut said = use_signal(|| None::<(bool, Message)>);
    let mut tick = use_signal(|| 0_u32);
    use_future(move || async move {
        loop {
            tokio::time::sleep(TICK).await;
            if *busy.peek() {
                tick += 1;
            }
        }
    });
    let _moved = tick();
    let Some(update) = state.update() else { return rsx! {} };
    let line = match &update.version {
        Some(version) => {
            words.many("app-update-line", &[("version", version), ("size", &say::bytes(&words, update.bytes))])
        }
        None => words.t("app-update-at-centre"),
    };
    let has_package = update.version.is_some();
    rsx! {
        Group { title: words.t("app-update"),
            div { class: "sheet", id: "update", "data-version": update.version.clone().unwrap_or_default(), "data-urgent": update.urgent,
                if update.urgent {
                    p { class: "field__say field__say--doubt",
                        Icon { name: Mark::Yellow.icon() }
                        span { {words.t("app-update-urgent")} }
                    }
                }
                p { {line} }
                if has_package && !update.allowed {
                    p { class: "sub", id: "update-waits", {words.t("app-update-waits")} }
                }
                if busy() || update.here > 0 && update.here < update.bytes {
                    Bar { done: update.here, total: update.bytes, label: words.t("app-update-busy") }
                }
                if let Some((well, said)) = said() {
                    p {
                        class: if well { "sub" } else { "field__say field__say--doubt" },
                        role: "status",
                        "data-said": said.key.clone(),
                        {message(&words, &said)}
                    }
                }
                if has_package {
                    div { class: "acts",
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "update",
                            disabled: busy() || !update.allowed,
                            onclick: {
                                let state = state.clone();
                                move |_| {
                                    let state = state.clone();
                                    async move {
                                        busy.set(true);
                                        said.set(None);
                                        let done = state.install_update().await;
                                        said.set(Some(match done {
                                            Ok(done) => (true, done),
                                            Err(error) => {
                                                tracing::info!(detail = %error.detail, "the update did not come through");
                                                (false, error.message)
                                            }
                                        }));
                                        busy.set(false);
                                    }
                                }
                            },
                            {words.t(if busy() { "app-update-busy" } else { "app-update-do" })}
                        }
                    }
                }
            }
        }
    }
}
