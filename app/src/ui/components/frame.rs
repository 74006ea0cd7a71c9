//! What frames a page: its head, the way back, the dock at the thumb and the five tabs.

use dioxus::prelude::*;

use super::{Go, Icon};
use crate::ui::history::ScreenHistory;
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::words;

/// The head of a tab: title and one line under it.
#[component]
pub fn Head(title: String, #[props(default)] line: String) -> Element {
    rsx! {
        header { class: "head",
            h1 { {title} }
            if !line.is_empty() {
                p { {line} }
            }
        }
    }
}

/// The head of a page: back with the name of where it goes, a title, at most one action.
#[component]
pub fn Nav(#[props(default)] title: String, back: Tab, children: Element) -> Element {
    let words = words();
    let history = use_context::<std::rc::Rc<ScreenHistory>>();
    let informant = use_context::<State>().is_informant();
    // Where the browser will really go, when that is known; the page's own tab otherwise.
    let before = history.previous().and_then(|route| route.parse::<Route>().ok());
    let name = match before {
        // An informant's first page is 随手报.
        Some(Route::Today {}) if informant => words.t("app-back-report"),
        None if informant && back != Tab::Me => words.t("app-back-report"),
        Some(route) => words.t(&format!("app-back-{}", route.name())),
        None => words.t(&format!("app-tab-{}", back.icon())),
    };
    rsx! {
        header { class: "nav",
            a {
                class: "nav__back",
                href: back.route().to_string(),
                "data-do": "back",
                onclick: move |event| {
                    event.prevent_default();
                    if history.can_go_back() {
                        history.go_back();
                    } else {
                        navigator().replace(back.route());
                    }
                },
                Icon { name: "back" }
                {name}
            }
            h1 { class: "nav__t", {title} }
            {children}
        }
    }
}

/// An empty place at the right of [`Nav`], so that the title stays in the middle.
#[component]
pub fn NavEnd() -> Element {
    rsx! {
        span { class: "nav__act" }
    }
}

/// The foot: a [`Dock`] if the page has one, then the tabs (an informant has none).
#[component]
pub fn Foot(tab: Tab, children: Element) -> Element {
    let state = use_context::<State>();
    let words = words();
    let waiting = state.waiting_count();
    let informant = state.is_informant();
    rsx! {
        footer { class: "foot",
            {children}
            if !informant {
                nav { class: "tabs", "aria-label": words.t("app-tabs"),
                    for item in Tab::ALL {
                        Go { key: "{item.icon()}", class: "tab", to: item.route(), current: item == tab, hook: item.icon(),
                            Icon { name: item.icon() }
                            span { {words.t(&format!("app-tab-{}", item.icon()))} }
                            if item == Tab::Me && waiting > 0 {
                                span { class: "tab__n",
                                    span { class: "say", {words.t("app-waiting")} }
                                    "{waiting}"
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The page's main actions, above the tabs.
#[component]
pub fn Dock(children: Element) -> Element {
    rsx! {
        div { class: "dock", {children} }
    }
}
