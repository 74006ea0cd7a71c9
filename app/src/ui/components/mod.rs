//! Parts that take values and callbacks and know nothing of the store.

pub mod field;
pub mod frame;
pub mod pages;
pub mod photo;
pub mod pick;
pub mod pin;
pub mod position;
pub mod row;
pub mod scan;
pub mod steps;

use dioxus::prelude::*;

use super::route::Route;

/// One icon of the sprite; always beside a word.
#[component]
pub fn Icon(name: &'static str, #[props(default)] class: &'static str) -> Element {
    rsx! {
        svg { class: "i {class}", "aria-hidden": "true", r#use { href: "#i-{name}" } }
    }
}

/// A link to a page: a real `a`, so that it can be reached by keyboard and read out; the page's script keeps the
/// browser from following it.
#[component]
pub fn Go(
    to: Route,
    #[props(default)] class: &'static str,
    #[props(default)] current: bool,
    #[props(default)] hook: Option<&'static str>,
    #[props(default)] record: Option<String>,
    #[props(default)] label: Option<String>,
    children: Element,
) -> Element {
    let href = to.to_string();
    rsx! {
        a {
            class,
            href,
            "aria-current": current.then_some("page"),
            "aria-label": label,
            "data-do": hook,
            "data-record": record,
            onclick: move |event| {
                event.prevent_default();
                navigator().push(to.clone());
            },
            {children}
        }
    }
}

/// A state: shape, word and colour, in that order of importance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Octagon.
    Red,
    /// Triangle.
    Yellow,
    /// Disc.
    Green,
    /// Dashed ring: not yet.
    Off,
}

impl Mark {
    /// Its icon.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Red => "l-red",
            Self::Yellow => "l-yellow",
            Self::Green => "l-green",
            Self::Off => "l-off",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Red => "light light--red",
            Self::Yellow => "light light--yellow",
            Self::Green => "light light--green",
            Self::Off => "light light--off",
        }
    }
}

/// A light with its word.
#[component]
pub fn Light(mark: Mark, text: String) -> Element {
    rsx! {
        span { class: mark.class(), "data-light": mark.icon(),
            Icon { name: mark.icon() }
            {text}
        }
    }
}

/// A quiet line: offline, draft saved, what will happen. Read out when it changes.
#[component]
pub fn Quiet(icon: &'static str, text: String, #[props(default)] class: &'static str) -> Element {
    rsx! {
        p { class: "quiet quiet--thin {class}", role: "status",
            Icon { name: icon }
            span { {text} }
        }
    }
}

/// A group: heading left, count right, a list or sheet below.
#[component]
pub fn Group(
    title: String,
    #[props(default)] end: String,
    #[props(default)] id: Option<String>,
    /// In place of `end`: where the same is seen in another way.
    #[props(default)]
    link: Option<Element>,
    children: Element,
) -> Element {
    rsx! {
        section { class: "group", id,
            div { class: "group__h",
                h2 { {title} }
                if let Some(link) = link {
                    {link}
                } else {
                    span { {end} }
                }
            }
            {children}
        }
    }
}
