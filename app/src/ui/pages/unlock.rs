//! Whose PIN it is, and the PIN.

use dioxus::prelude::*;
use shared::ids::UserId;

use crate::handheld::{Message, Resident};
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Dock, Head};
use crate::ui::components::pin::PinField;
use crate::ui::state::State;
use crate::ui::words::words;

/// The handheld is locked. `onenrol`: somebody else wants in, or forgot the PIN.
#[component]
pub fn Unlock(residents: Vec<Resident>, onenrol: EventHandler<()>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut chosen = use_signal(|| residents.first().map(|first| first.user));
    let mut pin = use_signal(String::new);
    let mut busy = use_signal(|| false);
    let mut problem = use_signal(|| None::<Message>);
    let unlock = move || {
        let state = state.clone();
        let (Some(user), false) = (*chosen.peek(), *busy.peek() || pin.peek().is_empty()) else { return };
        spawn(async move {
            busy.set(true);
            problem.set(None);
            if let Err(said) = state.unlock(user, pin.peek().clone()).await {
                problem.set(Some(said));
            }
            pin.set(String::new());
            busy.set(false);
        });
    };
    let name = |user: UserId| {
        residents.iter().find(|one| one.user == user).map(|one| one.name.clone()).filter(|name| !name.is_empty())
    };
    let line = chosen().and_then(name).unwrap_or_else(|| words.t("app-unlock-line"));
    rsx! {
        Head { title: words.t("app-unlock"), line }
        main { id: "unlock",
            section { class: "group",
                div { class: "sheet",
                    if residents.len() > 1 {
                        div { class: "field",
                            p { class: "field__label", id: "who", {words.t("app-unlock-who")} }
                            div { class: "choices", role: "radiogroup", "aria-labelledby": "who",
                                for one in residents.clone() {
                                    Chip {
                                        key: "{one.user}",
                                        name: "who",
                                        code: one.user.to_string(),
                                        label: if one.name.is_empty() { words.t("app-unlock-nameless") } else { one.name.clone() },
                                        many: false,
                                        chosen: chosen() == Some(one.user),
                                        onpress: move |_| {
                                            chosen.set(Some(one.user));
                                            pin.set(String::new());
                                            problem.set(None);
                                        },
                                    }
                                }
                            }
                        }
                    }
                    PinField {
                        id: "pin",
                        label: words.t("app-pin"),
                        said: problem(),
                        value: pin,
                        onenter: {
                            let unlock = unlock.clone();
                            move |()| unlock()
                        },
                    }
                }
            }
            section { class: "group",
                div { class: "sheet",
                    p { class: "field__help", {words.t("app-unlock-forgotten")} }
                    div { class: "acts",
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "other",
                            onclick: move |_| onenrol.call(()),
                            {words.t("app-unlock-other")}
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
                    "data-do": "unlock",
                    disabled: busy() || pin.read().is_empty(),
                    onclick: move |_| unlock(),
                    {words.t(if busy() { "app-unlock-busy" } else { "app-unlock-do" })}
                }
            }
        }
    }
}
