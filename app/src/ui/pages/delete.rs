//! 删除 of a record that should not be there, asked twice; and bringing it back.

use dioxus::prelude::*;
use shared::ids::RecordId;

use crate::handheld::Message;
use crate::ui::components::{Icon, Mark};
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// At the end of a record's page, for those who may change it.
#[component]
pub fn Delete(id: RecordId, deleted: bool) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut asked = use_signal(|| false);
    let mut trouble = use_signal(|| None::<Message>);
    let mut set = {
        let state = state.clone();
        move |deleted: bool| {
            asked.set(false);
            trouble.set(state.delete(id, deleted).err().map(|error| error.message()));
        }
    };
    let mut bring_back = set.clone();
    rsx! {
        div { class: "pad", id: "delete",
            if deleted {
                button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "bring-back", onclick: move |_| bring_back(false),
                    {words.t("app-bring-back")}
                }
            } else if asked() {
                p { {words.t("app-delete-help")} }
                div { class: "acts",
                    button { class: "btn btn--second", r#type: "button", "data-do": "delete-sure", onclick: move |_| set(true),
                        {words.t("app-delete-sure")}
                    }
                    button { class: "btn btn--quiet", r#type: "button", "data-do": "delete-not", onclick: move |_| asked.set(false),
                        {words.t("app-delete-not")}
                    }
                }
            } else {
                button { class: "btn btn--quiet btn--wide", r#type: "button", "data-do": "delete", onclick: move |_| asked.set(true),
                    {words.t("app-delete")}
                }
            }
            if let Some(said) = trouble() {
                p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
        }
    }
}
