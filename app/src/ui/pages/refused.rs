//! What is shown instead of the handheld when its database may not be opened: a newer version of the app wrote it, or it
//! cannot be written. What was not delivered can still be taken out of it.

use dioxus::prelude::*;

use crate::handheld::Message;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// The only screen there is then.
#[component]
pub fn Refused(why: Message) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut said = use_signal(|| None::<Message>);
    rsx! {
        main { id: "refused",
            h1 { {words.t("app-refused")} }
            p { role: "alert", "data-problem": why.key.clone(), {message(&words, &why)} }
            if let Some(said) = said() {
                p { class: "sub", role: "status", "data-said": said.key.clone(), {message(&words, &said)} }
            }
            div { class: "acts",
                button {
                    class: "btn btn--second",
                    r#type: "button",
                    "data-do": "export",
                    onclick: move |_| {
                        let state = state.clone();
                        async move { said.set(Some(state.export_outbox().await)) }
                    },
                    {words.t("app-export")}
                }
            }
        }
    }
}
