//! No such page: says so and leads back.

use dioxus::prelude::*;

use crate::ui::components::frame::{Foot, Nav, NavEnd};
use crate::ui::route::Tab;
use crate::ui::words::words;

/// No such page, or no such record on this handheld.
#[component]
pub fn Missing(rest: Vec<String>) -> Element {
    let words = words();
    rsx! {
        Nav { back: Tab::Today, NavEnd {} }
        main {
            div { class: "title",
                h1 { {words.t("app-missing")} }
                p { class: "sub", {words.t("app-missing-why")} }
            }
        }
        Foot { tab: Tab::Today }
    }
}
