//! 查询: one box, results as typed, the same place again when one comes back.

use dioxus::prelude::*;
use shared::record::RecordKind;

use crate::handheld::Filter;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::Foot;
use crate::ui::components::row::HitRow;
use crate::ui::components::{Group, Icon};
use crate::ui::route::Tab;
use crate::ui::state::{SearchPlace, State};
use crate::ui::words::words;

/// Rows shown at first and added at each asking: a list of 72,000 is never drawn whole.
const ROWS: usize = 50;

/// 查询
#[component]
pub fn Search() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut place = state.place;
    // A new key empties the box: it keeps its own text otherwise.
    let mut cleared = use_signal(|| 0_u32);
    let start = use_hook(|| place.peek().query.clone());
    state.follow();
    let SearchPlace { query, kind, rows } = place();
    let rows = rows.max(ROWS);
    let hits = state.search(query.trim(), &Filter { kind, ..Filter::default() }, 0, rows);
    let found = hits.hits.len();
    let heading = if query.trim().is_empty() {
        words.t("app-search-recent")
    } else if hits.more {
        words.n("app-search-found-more", found)
    } else {
        words.n("app-search-found", found)
    };
    let shown = if cleared() == 0 { start } else { String::new() };
    rsx! {
        h1 { class: "say", {words.t("app-tab-search")} }
        div { class: "find", role: "search",
            Icon { name: "search" }
            for _ in [cleared()] {
              input {
                key: "{cleared}",
                id: "search",
                name: "query",
                r#type: "text",
                initial_value: "{shown}",
                placeholder: words.t("app-search-like"),
                "aria-label": words.t("app-search-label"),
                autocomplete: "off",
                autocapitalize: "off",
                oninput: move |event| {
                    let mut place = place.write();
                    place.query = event.value();
                    place.rows = ROWS;
                },
              }
            }
            button {
                r#type: "button",
                "aria-label": words.t("app-search-clear"),
                "data-do": "clear-search",
                onclick: move |_| {
                    place.write().query.clear();
                    *cleared.write() += 1;
                },
                Icon { name: "x" }
            }
        }
        div { class: "filters", role: "group", "aria-label": words.t("app-search-filters"),
            for one in RecordKind::ALL {
                Chip {
                    key: "{one.code()}",
                    name: "kind",
                    code: one.code(),
                    label: words.kind(one),
                    many: true,
                    chosen: kind == Some(one),
                    onpress: move |chosen: bool| {
                        let mut place = place.write();
                        place.kind = (!chosen).then_some(one);
                        place.rows = ROWS;
                    },
                }
            }
        }
        main {
            if found == 0 {
                p { class: "quiet", role: "status", id: "nothing",
                    Icon { name: "info" }
                    span { {words.t("app-search-nothing")} }
                }
            } else {
                Group { title: heading,
                    ul { class: "list", id: "results",
                        for hit in hits.hits {
                            li { key: "{hit.id}", HitRow { hit, icon: kind.is_none() } }
                        }
                    }
                }
                if hits.more {
                    div { class: "pad",
                        button {
                            class: "btn btn--second btn--wide",
                            r#type: "button",
                            "data-do": "more",
                            onclick: move |_| place.write().rows = rows + ROWS,
                            {words.t("app-more")}
                        }
                    }
                }
            }
        }
        Foot { tab: Tab::Search }
    }
}
