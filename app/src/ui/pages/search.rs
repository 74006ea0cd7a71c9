//! 查询: one box, results as typed, the same place again when one comes back.

use dioxus::prelude::*;
use shared::area::AreaId;
use shared::record::RecordKind;

use crate::handheld::Filter;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::Foot;
use crate::ui::components::pages::{Before, More, Narrow, Reading};
use crate::ui::components::row::HitRow;
use crate::ui::components::{Go, Group, Icon};
use crate::ui::route::{Route, Tab};
use crate::ui::state::{SearchPlace, State, Window};
use crate::ui::words::words;

/// The field that sorts records of a kind, where there is one.
fn category_field(kind: RecordKind) -> Option<&'static str> {
    match kind {
        RecordKind::Person => None,
        RecordKind::Event => Some("category"),
        RecordKind::Place | RecordKind::Object | RecordKind::Organization => Some("type"),
    }
}

/// So many days without a visit are long.
const UNVISITED: u32 = 90;

/// What one calls on.
fn is_visited(kind: RecordKind) -> bool {
    matches!(kind, RecordKind::Person | RecordKind::Place | RecordKind::Organization)
}

/// 查询
#[component]
pub fn Search() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut place = state.place;
    // A new key empties the box: it keeps its own text otherwise.
    let mut cleared = use_signal(|| 0_u32);
    let start = use_hook(|| place.peek().query.clone());
    let asked = place();
    let filter = asked.filter.clone();
    // While one types, what was found last stays until the next is there; what another filter gave is shown no more.
    let read = state.use_search(asked).filter(|(of, _)| of.filter == filter);
    let reading = read.is_none();
    let (SearchPlace { query, window, .. }, hits) = read.unwrap_or_default();
    let found = hits.hits.len();
    let heading = if window.from > 0 {
        words.many(
            "app-search-span",
            &[("from", &(window.from + 1).to_string()), ("to", &(window.from + found).to_string())],
        )
    } else if query.trim().is_empty() {
        words.t("app-search-recent")
    } else if hits.more {
        words.n("app-search-found-more", found)
    } else {
        words.n("app-search-found", found)
    };
    let kind = filter.kind;
    let categories: Vec<(String, String)> = kind
        .and_then(|kind| Some((state.form(kind)?, category_field(kind)?)))
        .and_then(|(form, name)| form.field(name).cloned())
        .map(|field| field.choices.iter().map(|one| (one.code.clone(), words.choice(&field, &one.code))).collect())
        .unwrap_or_default();
    let grids = state.all_grids();
    let areas: Vec<(String, String)> =
        grids.iter().map(|area| (area.id.to_string(), state.area_name(area.id))).collect();
    // Another question begins at the top.
    let mut narrow = move |change: &dyn Fn(&mut Filter)| {
        let mut place = place.write();
        change(&mut place.filter);
        place.window = Window::default();
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
                    place.window = Window::default();
                },
              }
            }
            button {
                r#type: "button",
                "aria-label": words.t("app-search-clear"),
                "data-do": "clear-search",
                onclick: move |_| {
                    let mut now = place.write();
                    now.query.clear();
                    now.window = Window::default();
                    drop(now);
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
                    onpress: move |chosen: bool| narrow(&|filter| {
                        filter.kind = (!chosen).then_some(one);
                        // Each kind has categories of its own.
                        filter.category = None;
                        filter.unvisited_days = filter.unvisited_days.filter(|_| filter.kind.is_some_and(is_visited));
                    }),
                }
            }
            if kind.is_some_and(is_visited) {
                Chip {
                    name: "unvisited",
                    code: UNVISITED.to_string(),
                    label: words.n("app-search-unvisited", UNVISITED as usize),
                    many: true,
                    chosen: filter.unvisited_days.is_some(),
                    onpress: move |chosen: bool| narrow(&|filter| {
                        filter.unvisited_days = (!chosen).then_some(UNVISITED);
                    }),
                }
            }
        }
        if areas.len() > 1 || !categories.is_empty() {
            div { class: "narrows", role: "group", "aria-label": words.t("app-search-filters"),
                if !categories.is_empty() {
                    Narrow {
                        key: "{kind:?}",
                        name: "category",
                        label: words.t("app-search-category"),
                        all: words.t("app-search-category-all"),
                        options: categories,
                        chosen: filter.category.clone(),
                        onpick: move |code: Option<String>| narrow(&|filter| filter.category.clone_from(&code)),
                    }
                }
                if areas.len() > 1 {
                    Narrow {
                        name: "area",
                        label: words.t("area-grid"),
                        all: words.t("app-search-area-all"),
                        options: areas,
                        chosen: filter.area.map(|area| area.to_string()),
                        onpick: move |id: Option<String>| {
                            let area = id.and_then(|id| id.parse().ok()).map(AreaId);
                            narrow(&|filter| filter.area = area);
                        },
                    }
                }
            }
        }
        main {
            if reading {
                Reading {}
            } else if found == 0 && window.from > 0 {
                Before { window, onpress: move |()| place.write().window.back() }
            } else if found == 0 {
                p { class: "quiet", role: "status", id: "nothing",
                    Icon { name: "info" }
                    span { {words.t("app-search-nothing")} }
                }
            } else {
                Before { window, onpress: move |()| place.write().window.back() }
                Group {
                    title: heading,
                    link: rsx! {
                        Go { to: Route::ShowMap {}, hook: "map", {words.t("app-map-see")} }
                    },
                    ul { class: "list", id: "results",
                        for hit in hits.hits.iter() {
                            li { key: "{hit.id}", HitRow { hit: hit.clone(), icon: kind.is_none() } }
                        }
                    }
                }
                More { more: hits.more, onpress: move |()| place.write().window.on() }
            }
        }
        Foot { tab: Tab::Search }
    }
}
