//! Likely duplicates of what is being entered.

use dioxus::prelude::*;
use shared::ids::RecordId;

use crate::handheld::{Candidate, SameBy};
use crate::ui::components::row::{fact, kind_icon};
use crate::ui::components::{Go, Icon};
use crate::ui::route::Route;
use crate::ui::state::State;
use crate::ui::words::words;

/// Likely duplicates, in the flow of the form: nothing pops up.
#[component]
pub fn Same(candidates: Vec<Candidate>, onother: EventHandler<()>, onuse: EventHandler<RecordId>) -> Element {
    let words = words();
    let state = use_context::<State>();
    let first = candidates.first().map(|candidate| candidate.hit.id);
    let why = candidates.first().map(|candidate| match candidate.why {
        SameBy::Number => words.t("app-same-number"),
        SameBy::NameAndBirthDate => words.t("app-same-birth"),
        SameBy::NameAndAddress => words.t("app-same-address"),
    });
    rsx! {
        section { class: "note", id: "same", role: "status", "aria-labelledby": "same-h",
            h2 { class: "note__t", id: "same-h", {words.t("app-same")} }
            if let Some(why) = why {
                p { {why} }
            }
            for candidate in candidates.into_iter().take(3) {
                Go {
                    key: "{candidate.hit.id}",
                    class: "who",
                    to: Route::ShowRecord { id: candidate.hit.id },
                    record: candidate.hit.id.to_string(),
                    Icon { name: kind_icon(candidate.hit.kind) }
                    span { class: "row__main",
                        span { class: "row__t", {candidate.hit.title.clone()} }
                        span { class: "sub",
                            {
                                candidate
                                    .hit
                                    .facts
                                    .iter()
                                    .filter_map(|one| fact(&words, &state, candidate.hit.kind, one))
                                    .collect::<Vec<_>>()
                                    .join(" ")
                            }
                        }
                    }
                    Icon { name: "next" }
                }
            }
            div { class: "acts",
                if let Some(first) = first {
                    button {
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "use-existing",
                        onclick: move |_| onuse.call(first),
                        {words.t("app-same-use")}
                    }
                }
                button {
                    class: "btn btn--second",
                    r#type: "button",
                    "data-do": "not-same",
                    onclick: move |_| onother.call(()),
                    {words.t("app-same-not")}
                }
            }
        }
    }
}
