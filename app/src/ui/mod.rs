//! The screens: one [`App`] for the desktop window, the handheld and the preview in a browser.
//!
//! `pages/` own a route and its draft; `components/` take values and callbacks; [`state::State`] is the only way to a
//! command. Every word a person reads comes from `assets/messages/*/app.ftl` ([`words`]); `texts.rs` tests that.
//!
//! # Hooks for tests in a browser
//!
//! Stable, and used for nothing else but tests:
//!
//! | hook | where |
//! | --- | --- |
//! | `#screen` | the handheld's own screen, which scrolls; `data-page` is the name of the page ([`route::Route::name`]) |
//! | `[data-do=today|collect|search|event|me]` | the tabs; `back`: the way back |
//! | `#enrol-server`, `#enrol-code`, `#enrol-pin`, `#enrol-again`, `[data-do=enrol]` | the first start |
//! | `#pin`, `[name=who][value=<user>]`, `[data-do=unlock]`, `[data-do=other]` | the handheld is locked |
//! | `#pin-old`, `#pin-new`, `#pin-again`, `[data-do=set-pin]`, `[data-do=lock]` | another PIN; lock at once |
//! | `[name=<field>]` (also `#f-<field>`) | the input of a form's field; a choice is `[name=<field>][value=<code>]` |
//! | `#box-<field>`, `#say-<field>[data-problem]` | a field with all that is said about it |
//! | `[data-do=new-<kind>]` | a card of 采集; `[data-do=report]`: 随手报 |
//! | `[data-do=save]`, `[data-do=fix]` | save a form; go to the first problem |
//! | `[data-do=not-same]`, `[data-do=use-existing]` | the note about a likely duplicate |
//! | `[data-do=locate]`, `#p-<name>` | position; the file input of photos (`#p-photos`) |
//! | `[data-record=<id>]` | a row or link that leads to a record |
//! | `#search` | the box of 查询; `[name=kind][value=<kind>]` its filters |
//! | `#record[data-id]`, `[data-show=<field>]`, `[data-value=<field>]` | a record page; press to unmask; the value |
//! | `[data-do=begin-<work>][data-record]`, `[data-do=call]` | begins 走访, 检查, … (of a record); calls |
//! | `[data-do=report-faults]`, `[data-do=campaign]` | an inspection's faults become an event; a 专项排查 |
//! | `[data-do=edit]`, `[data-do=review]` | edit the record; its field is 待核对 |
//! | `[data-review="<record>/<field>"]` | a 待核对 card; in it `[data-do=choose][data-value]`, `[data-do=third]`, `[data-do=use-third]` |
//! | `[data-do=later]`, `#later` | put a card off; those put off |
//! | `[data-settled]`, `[data-do=undo]` | the row of a decision; takes it back |
//! | `[data-do=told]`, `#told` | what others decided where the user had filled in a value |
//! | `select[name=category|area|light]`, `[data-do=more|before]` | narrow a list; the rows after and before |
//! | `[data-do=close-together]`, `[data-pick=<event>]`, `[data-do=close-send]`, `#closed[data-closed]`, `[data-refused]` | 结案 of several |
//! | `[data-step=<code>]` | a line of the six steps; `[data-do=step-<code>]`: press for that step; `[data-do=step-send]` |
//! | `[data-do=report-send]`, `[name=category][value]`, `[name=title]` | 随手报 |
//! | `[data-do=sync]`, `[data-lamp=delivered|safe][data-on]`, `[data-item]` | the sync page |
//! | `[data-tray=<edit>]` | an edit that came back; in it `[data-do=resend]`, `[data-do=withdraw]` |
//! | `[data-do=lang-<tag>]`, `[data-do=text-<percent>]`, `[data-do=theme-<code>]` | 我的 |

pub mod components;
pub mod entry;
pub mod history;
pub mod keep;
pub mod map;
pub mod pages;
pub mod route;
pub mod say;
pub mod shell;
pub mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
pub mod value;
pub mod words;

use std::cell::Cell;
use std::rc::Rc;

use dioxus::prelude::*;
use shared::ids::UserId;

use crate::handheld::{Door, Handheld};
use history::{ScreenHistory, StartAt};
use pages::enrol::Enrol;
use pages::pin::FirstPin;
use pages::refused::Refused;
use pages::unlock::Unlock;
use route::Route;
use state::{State, Theme};

const SPRITE: &str = assets::SPRITE;
const GLUE: &str = include_str!("glue.js");

/// The whole screen. Wants a [`Handheld`] in the root context, and a [`StartAt`] if it does not begin at 今日.
#[component]
pub fn App() -> Element {
    let history = use_hook(|| {
        let history = ScreenHistory::new(&try_consume_context::<StartAt>().unwrap_or_default());
        provide_context(Rc::clone(&history));
        provide_context::<Rc<dyn History>>(history.clone());
        history
    });
    let state = use_hook(|| provide_context(State::new(consume_context::<Handheld>())));
    // Whoever comes in after somebody else begins at 今日, not at the page of who was there before.
    // Looked at before the pages are drawn: each page notes its looks in the name of whoever is in.
    let before = use_hook(|| Rc::new(Cell::new(None::<UserId>)));
    if let Some(me) = state.me().filter(|_| state.door() == Door::Open)
        && before.replace(Some(me)).is_some_and(|before| before != me)
    {
        history.begin_at(&Route::Today {}.to_string());
    }
    use_future(move || {
        let history = Rc::clone(&history);
        async move {
            document::eval(GLUE);
            history.listen().await;
        }
    });
    use_future(|| async {
        let handheld = consume_context::<Handheld>();
        if let Ok(agent) = document::eval("dioxus.send(navigator.userAgent);").recv::<String>().await {
            handheld.shown_by(&agent);
        }
    });
    use_future({
        let state = state.clone();
        move || state.clone().watch()
    });
    use_effect({
        let state = state.clone();
        move || {
            let look = state.settings();
            let theme = match look.theme {
                Theme::Auto => "delete root.dataset.theme;",
                Theme::Light => "root.dataset.theme = 'light';",
                Theme::Dark => "root.dataset.theme = 'dark';",
            };
            document::eval(&format!(
                "const root = document.documentElement; root.lang = '{}'; root.dataset.text = '{}'; {theme}",
                look.lang.tag(),
                look.text,
            ));
        }
    });
    use_future({
        let state = state.clone();
        move || state.clone().watch_away()
    });
    use_future({
        let state = state.clone();
        move || state.clone().watch_patrol()
    });
    let mut enrolling = use_signal(|| false);
    let door = state.door();
    let (page, inside) = match &door {
        Door::Open => ("", true),
        Door::Enrol => ("enrol", false),
        Door::Locked(_) if enrolling() => ("enrol", false),
        Door::Locked(_) => ("unlock", false),
        Door::ChoosePin => ("pin", false),
        Door::Refused(_) => ("refused", false),
    };
    rsx! {
        style { dangerous_inner_html: assets::styles::TOKENS }
        style { dangerous_inner_html: assets::styles::BASE }
        style { dangerous_inner_html: assets::styles::HANDHELD }
        div { dangerous_inner_html: SPRITE }
        if inside {
            Router::<Route> {}
        } else {
            div { id: "screen", class: "screen", "data-page": page,
                match door {
                    Door::Locked(residents) if !enrolling() => rsx! {
                        Unlock { residents, onenrol: move |()| enrolling.set(true) }
                    },
                    Door::Locked(_) => rsx! {
                        Enrol { onback: move |()| enrolling.set(false) }
                    },
                    Door::ChoosePin => rsx! { FirstPin {} },
                    Door::Refused(why) => rsx! { Refused { why } },
                    Door::Enrol | Door::Open => rsx! { Enrol {} },
                }
            }
        }
    }
}

/// Opens the dialler of the handheld with a number.
pub fn dial(number: &str) {
    let digits: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    document::eval(&format!("window.location.href = 'tel:{digits}';"));
}

/// Puts the cursor into an input.
pub fn focus(id: &str) {
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    document::eval(&format!(
        "setTimeout(() => {{ const at = document.getElementById('{id}'); if (at) at.focus({{preventScroll: true}}); }}, 40);"
    ));
}

/// Brings an element into sight, below what sticks to the top.
pub fn bring_into_sight(id: &str) {
    // Ids are field and section names: letters, digits, `-` and `_`; anything else is left out.
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    document::eval(&format!(
        "setTimeout(() => {{ const at = document.getElementById('{id}'); if (at) at.scrollIntoView({{block: 'center'}}); }}, 30);"
    ));
}
