//! Long lists a window at a time, and the boxes that narrow them.

use std::time::Duration;

use dioxus::prelude::*;

use super::Quiet;
use crate::ui::state::Window;
use crate::ui::words::words;

/// How long nothing is said of a list that is being read: most are there before anybody could read so.
const BLINK: Duration = Duration::from_millis(400);

/// In the place of a list that is being read.
#[component]
pub fn Reading() -> Element {
    let words = words();
    let mut long = use_signal(|| false);
    use_future(move || async move {
        tokio::time::sleep(BLINK).await;
        long.set(true);
    });
    rsx! {
        if long() {
            Quiet { icon: "clock", text: words.t("app-reading") }
        }
    }
}

/// The button above a list that brings back the rows before it.
#[component]
pub fn Before(window: Window, onpress: EventHandler<()>) -> Element {
    let words = words();
    if window.from == 0 {
        return rsx! {};
    }
    rsx! {
        div { class: "pad pad--both",
            button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "before", onclick: move |_| onpress.call(()),
                {words.t("app-before")}
            }
        }
    }
}

/// The button below a list that brings the next rows.
#[component]
pub fn More(more: bool, onpress: EventHandler<()>) -> Element {
    let words = words();
    if !more {
        return rsx! {};
    }
    rsx! {
        div { class: "pad",
            button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "more", onclick: move |_| onpress.call(()),
                {words.t("app-more")}
            }
        }
    }
}

/// One of many to narrow a list by; the first entry, `all`, takes the narrowing back.
#[component]
pub fn Narrow(
    name: &'static str,
    label: String,
    all: String,
    options: Vec<(String, String)>,
    chosen: Option<String>,
    onpick: EventHandler<Option<String>>,
) -> Element {
    rsx! {
        select {
            class: if chosen.is_some() { "field__ctl field__ctl--select narrow narrow--on" } else { "field__ctl field__ctl--select narrow" },
            name,
            "aria-label": label,
            onchange: move |event: FormEvent| onpick.call(Some(event.value()).filter(|code| !code.is_empty())),
            option { value: "", selected: chosen.is_none(), {all} }
            for (code, text) in options {
                option { key: "{code}", value: "{code}", selected: chosen.as_ref() == Some(&code), {text} }
            }
        }
    }
}
