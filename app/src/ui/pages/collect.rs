//! 采集: the five elements as five cards, and the forms that are not finished.

use dioxus::prelude::*;
use shared::record::RecordKind;

use super::form::Kept;
use super::work::{BeginRow, begun_here};
use crate::ui::components::frame::{Foot, Head};
use crate::ui::components::{Go, Group, Icon};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::words;

/// 采集
#[component]
pub fn Collect() -> Element {
    let state = use_context::<State>();
    let words = words();
    let counts = state.use_kinds();
    let count = |kind: RecordKind| {
        let counts = counts.as_ref();
        counts.map(|counts| counts.get(&kind).copied().unwrap_or_default().to_string()).unwrap_or_default()
    };
    let now = state.now();
    let drafts: Vec<(String, Kept, String)> = state
        .drafts()
        .into_iter()
        .filter_map(|(key, at)| {
            let kept: Kept = serde_json::from_str(&state.draft(&key)?).ok()?;
            Some((key, kept, say::when(&words, at, now)))
        })
        .collect();
    let works = begun_here(&state);
    rsx! {
        Head { title: words.t("app-tab-collect"), line: state.scope_name() }
        main {
            nav { class: "cards", "aria-label": words.t("app-collect-new"),
                for kind in RecordKind::ALL.into_iter().filter(|kind| state.creates(*kind)) {
                    button {
                        key: "{kind.code()}",
                        class: if kind == RecordKind::Person { "card card--wide" } else { "card" },
                        r#type: "button",
                        "data-do": "new-{kind.code()}",
                        onclick: {
                            let state = state.clone();
                            move |_| {
                                let id = format!("{}-{}", kind.code(), state.new_record());
                                navigator().push(Route::FillDraft { id });
                            }
                        },
                        if kind == RecordKind::Person {
                            Icon { name: "person" }
                            span { class: "card__top",
                                span { class: "card__t", {words.kind(kind)} }
                                br {}
                                span { class: "card__s", {words.t("app-card-person")} }
                            }
                            span { class: "card__s num", {count(kind)} }
                        } else {
                            span { class: "card__top",
                                span { class: "card__t", {words.kind(kind)} }
                                Icon { name: kind.code() }
                            }
                            span { class: "card__s",
                                span { {words.t(&format!("app-card-{}", kind.code()))} }
                                span { class: "num", {count(kind)} }
                            }
                        }
                    }
                }
            }
            if !works.is_empty() {
                Group { title: words.t("app-works"),
                    ul { class: "list", id: "works",
                        for work in works {
                            li { key: "{work.code()}",
                                BeginRow { work,
                                    span { class: "row__main",
                                        span { class: "row__t", {words.t(&format!("work-{}", work.code()))} }
                                        span { class: "row__m", span { {words.t(&format!("app-work-{}", work.code()))} } }
                                    }
                                    span { class: "row__end", Icon { name: "next" } }
                                }
                            }
                        }
                    }
                }
            }
            if !drafts.is_empty() {
                Group { title: words.t("app-drafts"), end: words.t("app-drafts-here"),
                    ul { class: "list",
                        for (key, kept, at) in drafts {
                            li { key: "{key}", "data-draft": "{key}",
                                Go { class: "row", to: kept.route(&key),
                                    span { class: "row__main",
                                        span { class: "row__t", {kept.title(&words, &state)} }
                                        span { class: "row__m",
                                            span { {kept.stopped_at(&words, &state)} }
                                        }
                                    }
                                    span { class: "row__end", {at} }
                                }
                            }
                        }
                    }
                }
            }
        }
        Foot { tab: Tab::Collect }
    }
}
