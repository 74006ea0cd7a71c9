//! 事件: mine to handle, reported by me, my area.

use dioxus::prelude::*;
use shared::author::Role;

use crate::handheld::EventFilter;
use crate::ui::components::frame::{Dock, Foot, Head};
use crate::ui::components::row::EventLine;
use crate::ui::components::{Go, Icon};
use crate::ui::pages::close::CLOSED_AT_ONCE;
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::words;

/// Rows shown at first and added at each asking.
const ROWS: usize = 50;

/// 事件
#[component]
pub fn Events() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut of = state.events_of;
    let mut rows = use_signal(|| ROWS);
    state.follow();
    let (events, more) = state.events(of(), rows());
    // Whoever may close in bulk is told so where they look for what is theirs to do.
    let leads = matches!(state.role(), Some(Role::GridLeader | Role::CenterStaff)) && of() == EventFilter::Mine;
    let to_close = if leads { state.events(EventFilter::ToClose, CLOSED_AT_ONCE).0.len() } else { 0 };
    let lists = [
        (EventFilter::Mine, "mine", words.t("app-events-mine")),
        (EventFilter::ReportedByMe, "reported", words.t("app-events-reported")),
        (EventFilter::MyArea, "area", words.t("app-events-area")),
    ];
    rsx! {
        Head { title: words.t("app-tab-event"), line: state.scope_name() }
        div { class: "pad",
            div { class: "seg", role: "group", "aria-label": words.t("app-events-which"),
                for (filter, code, label) in lists {
                    button {
                        key: "{code}",
                        r#type: "button",
                        "data-do": "events-{code}",
                        "aria-current": (of() == filter).then_some("true"),
                        onclick: move |_| {
                            of.set(filter);
                            rows.set(ROWS);
                        },
                        {label}
                    }
                }
            }
        }
        main { class: "main--top",
            if to_close > 0 {
                section { class: "group",
                    ul { class: "list",
                        li {
                            Go { class: "row row--one", to: Route::CloseTogether {}, hook: "close-together",
                                Icon { name: "check" }
                                span { class: "row__main", {words.n("app-close-some", to_close)} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
            if events.is_empty() {
                p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t("app-events-none")} } }
            } else {
                ul { class: "list", id: "events",
                    for row in events {
                        li { key: "{row.hit.id}", EventLine { row } }
                    }
                }
            }
            if more {
                div { class: "pad",
                    button {
                        class: "btn btn--second btn--wide",
                        r#type: "button",
                        "data-do": "more",
                        onclick: move |_| *rows.write() += ROWS,
                        {words.t("app-more")}
                    }
                }
            }
        }
        Foot { tab: Tab::Events,
            Dock {
                Go { class: "btn btn--primary btn--main", to: Route::Report {}, hook: "report",
                    Icon { name: "camera" }
                    {words.t("app-report")}
                }
            }
        }
    }
}
