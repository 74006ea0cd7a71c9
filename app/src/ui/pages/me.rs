//! 我的: sync at the top, then language, text size, daylight or dark, about.

use assets::messages::Lang;
use dioxus::prelude::*;

use super::sync::SyncPanel;
use crate::handheld::Message;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Dock, Foot, Head};
use crate::ui::components::{Go, Group};
use crate::ui::route::{Route, Tab};
use crate::ui::state::{State, Theme};
use crate::ui::words::{message, words};

/// Text sizes in percent.
const SIZES: [u16; 5] = [100, 115, 130, 150, 200];

/// 我的
#[component]
pub fn Me() -> Element {
    let state = use_context::<State>();
    let words = words();
    let look = state.settings();
    let who = state.setup().map(|setup| {
        let role = words.t(&format!("role-{}", setup.user.role.code()));
        let scope = state.scope_name();
        words.many("app-me-line", &[("name", &setup.user.name), ("role", &role), ("area", &scope)])
    });
    let mut written = use_signal(|| None::<Message>);
    let version = env!("CARGO_PKG_VERSION");
    rsx! {
        Head { title: words.t("app-tab-me"), line: who.unwrap_or_default() }
        main { class: "main--top", id: "me",
            SyncPanel { hand_over: false }
            Group { title: words.t("app-pin"),
                div { class: "sheet",
                    div { class: "acts",
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "lock",
                            onclick: {
                                let state = state.clone();
                                move |_| {
                                    let state = state.clone();
                                    async move { state.lock().await }
                                }
                            },
                            {words.t("app-lock")}
                        }
                        Go { class: "btn btn--second", to: Route::ChangePin {}, hook: "pin", {words.t("app-pin-change")} }
                    }
                }
            }
            Group { title: words.t("app-me-photos"),
                div { class: "sheet",
                    div { class: "choices", role: "group", "aria-label": words.t("app-me-photos"),
                        for wifi in [false, true] {
                            Setting {
                                key: "{wifi}",
                                hook: if wifi { "photos-wifi" } else { "photos-any" },
                                name: "photos",
                                label: words.t(if wifi { "app-me-photos-wifi" } else { "app-me-photos-any" }),
                                chosen: state.is_wifi_only() == wifi,
                                onpress: {
                                    let state = state.clone();
                                    move |()| state.set_wifi_only(wifi)
                                },
                            }
                        }
                    }
                }
            }
            Group { title: words.t("app-me-text"),
                div { class: "sheet",
                    div { class: "choices", role: "group", "aria-label": words.t("app-me-text"),
                        for size in SIZES {
                            Setting {
                                key: "{size}",
                                hook: "text-{size}",
                                name: "text",
                                label: if size == 100 { words.t("app-me-text-usual") } else { format!("{size} %") },
                                chosen: look.text == size,
                                onpress: {
                                    let state = state.clone();
                                    move |()| state.set_look(|look| look.text = size)
                                },
                            }
                        }
                    }
                }
            }
            Group { title: words.t("app-me-theme"),
                div { class: "sheet",
                    div { class: "choices", role: "group", "aria-label": words.t("app-me-theme"),
                        for theme in [Theme::Auto, Theme::Light, Theme::Dark] {
                            Setting {
                                key: "{theme.code()}",
                                hook: "theme-{theme.code()}",
                                name: "theme",
                                label: words.t(&format!("app-me-theme-{}", theme.code())),
                                chosen: look.theme == theme,
                                onpress: {
                                    let state = state.clone();
                                    move |()| state.set_look(|look| look.theme = theme)
                                },
                            }
                        }
                    }
                }
            }
            Group { title: words.t("app-me-lang"),
                div { class: "sheet",
                    div { class: "choices", role: "group", "aria-label": words.t("app-me-lang"),
                        for lang in [Lang::Zh, Lang::En] {
                            Setting {
                                key: "{lang.tag()}",
                                hook: "lang-{lang.tag()}",
                                name: "lang",
                                label: words.t(&format!("lang-{}", lang.tag())),
                                chosen: look.lang == lang,
                                onpress: {
                                    let state = state.clone();
                                    move |()| state.set_look(|look| look.lang = lang)
                                },
                            }
                        }
                    }
                }
            }
            Group { title: words.t("app-me-about"),
                dl { class: "list dl",
                    div {
                        dt { {words.t("app-me-version")} }
                        dd { {version} }
                    }
                    div {
                        dt { {words.t("app-enrol-server")} }
                        dd { {state.server()} }
                    }
                }
                div { class: "pad",
                    button {
                        class: "btn btn--second btn--wide",
                        r#type: "button",
                        "data-do": "diagnostics",
                        onclick: {
                            let state = state.clone();
                            move |_| written.set(Some(state.write_diagnostics()))
                        },
                        {words.t("app-diagnostics")}
                    }
                    p { class: "field__help", role: "status", id: "diagnostics",
                        {written().map_or_else(|| words.t("app-diagnostics-help"), |said| message(&words, &said))}
                    }
                }
            }
        }
        Foot { tab: Tab::Me,
            if state.is_informant() {
                Dock {
                    Go { class: "btn btn--primary btn--main", to: Route::Report {}, hook: "report", {words.t("app-report")} }
                }
            }
        }
    }
}

#[component]
fn Setting(hook: String, name: String, label: String, chosen: bool, onpress: EventHandler<()>) -> Element {
    rsx! {
        span { class: "choices__one", "data-do": "{hook}",
            Chip { name, code: hook.clone(), label, many: false, chosen, onpress: move |_| onpress.call(()) }
        }
    }
}
