//! 事件: mine to handle, reported by me, my area.

use dioxus::prelude::*;
use shared::author::Role;
use shared::record::RecordKind;
use shared::work::Work;
use shared::workflow::Light;

use crate::handheld::{EventFilter, EventQuery};
use crate::ui::components::frame::{Dock, Foot, Head};
use crate::ui::components::pages::{Before, More, Narrow, Reading};
use crate::ui::components::row::EventLine;
use crate::ui::components::{Go, Icon};
use crate::ui::route::{Route, Tab};
use crate::ui::state::{EventsPlace, EventsSeen, State, Window};
use crate::ui::words::words;

/// 事件
#[component]
pub fn Events() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut place = state.events_place;
    let asked = place();
    let query = asked.query.clone();
    let of = query.of;
    // Whoever may close in bulk is told so where they look for what is theirs to do.
    let leads = matches!(state.role(), Some(Role::GridLeader | Role::CenterStaff)) && of == EventFilter::Mine;
    // What another question gave is shown no more.
    let seen = state.use_events(asked, leads).filter(|(of, _)| of.query == query);
    let reading = seen.is_none();
    let (EventsPlace { window, .. }, seen) = seen.unwrap_or_default();
    let EventsSeen { rows: events, more, to_close, to_close_more } = &*seen;
    let (more, to_close, to_close_more) = (*more, *to_close, *to_close_more);
    let shrunk = events.is_empty() && window.from > 0;
    let categories: Vec<(String, String)> = state
        .form(RecordKind::Event)
        .and_then(|form| form.field("category").cloned())
        .map(|field| {
            // Work that is recorded is in none of these lists.
            let reported = field.choices.iter().filter(|one| Work::from_code(&one.code).is_none());
            reported.map(|one| (one.code.clone(), words.choice(&field, &one.code))).collect()
        })
        .unwrap_or_default();
    let lights: Vec<(String, String)> = Light::ALL
        .iter()
        .rev()
        .map(|light| (light.code().to_owned(), words.t(&format!("light-{}", light.code()))))
        .collect();
    let narrowed = query.category.is_some() || query.light.is_some();
    // Another question begins at the top.
    let mut ask = move |change: &dyn Fn(&mut EventQuery)| {
        let mut place = place.write();
        change(&mut place.query);
        place.window = Window::default();
    };
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
                        "aria-current": (of == filter).then_some("true"),
                        onclick: move |_| ask(&|query| query.of = filter),
                        {label}
                    }
                }
            }
        }
        div { class: "narrows", role: "group", "aria-label": words.t("app-search-filters"),
            Narrow {
                name: "category",
                label: words.t("app-search-category"),
                all: words.t("app-search-category-all"),
                options: categories,
                chosen: query.category.clone(),
                onpick: move |code: Option<String>| ask(&|query| query.category.clone_from(&code)),
            }
            Narrow {
                name: "light",
                label: words.t("app-limit"),
                all: words.t("app-events-light-all"),
                options: lights,
                chosen: query.light.map(|light| light.code().to_owned()),
                onpick: move |code: Option<String>| {
                    let light = Light::ALL.iter().copied().find(|light| Some(light.code()) == code.as_deref());
                    ask(&|query| query.light = light);
                },
            }
        }
        main { class: "main--top",
            if to_close > 0 {
                section { class: "group",
                    ul { class: "list",
                        li {
                            Go { class: "row row--one", to: Route::CloseTogether {}, hook: "close-together",
                                Icon { name: "check" }
                                span { class: "row__main", {words.n(if to_close_more { "app-close-many" } else { "app-close-some" }, to_close)} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
            if reading {
                Reading {}
            } else if events.is_empty() {
                if shrunk {
                    Before { window, onpress: move |()| place.write().window.back() }
                } else {
                    p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t(if narrowed { "app-events-none-such" } else { "app-events-none" })} } }
                }
            } else {
                Before { window, onpress: move |()| place.write().window.back() }
                ul { class: "list", id: "events",
                    for row in events {
                        li { key: "{row.hit.id}", EventLine { row: row.clone() } }
                    }
                }
                More { more, onpress: move |()| place.write().window.on() }
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
