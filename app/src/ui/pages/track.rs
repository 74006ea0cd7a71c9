//! The switch of a patrol's track, on its form.

use dioxus::prelude::*;
use shared::ids::RecordId;

use crate::ui::components::Icon;
use crate::ui::entry::Entry;
use crate::ui::state::State;
use crate::ui::words::words;

/// The switch of a patrol's track: off unless somebody presses it.
#[component]
pub fn Track(patrol: RecordId, mut on: Signal<bool>, mut entry: Entry) -> Element {
    let state = use_context::<State>();
    let words = words();
    state.follow();
    let points = state.track(patrol).len();
    let text = match (on(), points) {
        (true, 0) => words.t("app-track-begins"),
        (true, _) => words.n("app-track-on", points),
        (false, 0) => words.t("app-track-off"),
        (false, _) => words.n("app-track-stopped", points),
    };
    let icon = if on() { "check" } else { "walk" };
    rsx! {
        div { class: "pad pad--both",
            button {
                class: "btn btn--second btn--wide",
                r#type: "button",
                "data-do": "track",
                "aria-pressed": on(),
                onclick: move |_| {
                    let state = state.clone();
                    async move {
                        on.toggle();
                        // The draft says it: a handheld that starts anew goes on.
                        entry.touch();
                        if on() {
                            state.step_of(patrol).await;
                        }
                    }
                },
                Icon { name: icon }
                {text}
            }
            p { class: "field__help", {words.t("app-track-help")} }
        }
    }
}
