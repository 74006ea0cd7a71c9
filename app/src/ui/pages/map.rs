//! 地图: the areas that were drawn and the records in them as points, from what is on the handheld; no tiles, no network.
//! The same is in the lists: nobody needs the map.

use dioxus::prelude::*;
use shared::ids::RecordId;
use shared::outline::Micro;
use shared::record::RecordKind;
use shared::work::Work;

use super::drawing::Canvas;
use super::work::{begin, begun_here};
use crate::ui::components::field::Chip;
use crate::ui::components::frame::Foot;
use crate::ui::components::pages::Reading;
use crate::ui::components::row::HitRow;
use crate::ui::components::{Go, Group, Icon, Quiet};
use crate::ui::map::{Look, Size, View};
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::words;

/// How many records of a spot are listed at first and added at each asking.
const ROWS: usize = 30;
/// How much nearer a press on + brings.
const STEP: f64 = 2.0;

/// 地图
#[component]
pub fn ShowMap() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut place = state.map_place;
    let size = use_signal(Size::default);
    let mut waiting = use_signal(|| false);
    let mut nowhere = use_signal(|| false);
    let now = place();
    let read = state.use_seen(Look { kinds: now.kinds.clone(), view: now.view, size: size() });
    let reading = read.is_none();
    let seen = read.unwrap_or_default();
    // What was read last is drawn where it belongs in what is looked at now.
    let view = now.view.or(seen.view);
    let count = seen.count;
    let patrols = begun_here(&state).contains(&Work::Patrol);
    let under_way = state.tracked();
    let locate = {
        let state = state.clone();
        move |_: MouseEvent| {
            let state = state.clone();
            async move {
                waiting.set(true);
                let here = state.locate().await;
                waiting.set(false);
                nowhere.set(here.is_none());
                if let Some(here) = here {
                    let mut place = place.write();
                    place.me = Some(here);
                    place.view = view.map(|view| view.around(here.micro()));
                }
            }
        }
    };
    let mut look = move |change: &dyn Fn(View) -> View| {
        if let Some(view) = view {
            place.write().view = Some(change(view));
        }
    };
    rsx! {
        header { class: "nav nav--map",
            h1 { {state.scope_name()} }
            nav { class: "seg", "aria-label": words.t("app-map-ways"),
                Go { to: Route::Search {}, hook: "list", {words.t("app-map-list")} }
                span { "aria-current": "true", {words.t("app-map")} }
            }
        }
        div { class: "filters", role: "group", "aria-label": words.t("app-map-shown"),
            for kind in RecordKind::ALL {
                Chip {
                    key: "{kind.code()}",
                    name: "kind",
                    code: kind.code(),
                    label: words.kind(kind),
                    many: true,
                    chosen: now.kinds.contains(&kind),
                    onpress: move |chosen: bool| {
                        let mut place = place.write();
                        place.kinds.retain(|one| *one != kind);
                        if !chosen {
                            place.kinds.push(kind);
                        }
                        place.chosen.clear();
                    },
                }
            }
        }
        main { class: "main--map", id: "map", "data-count": "{count}",
            if reading {
                Reading {}
            } else if let Some(view) = view {
                div { class: "map",
                    Canvas { view, size, seen, chosen: now.chosen.clone(), patrol: now.patrol.or(under_way), me: now.me }
                    div { class: "map__tools",
                        button { class: "map__btn", r#type: "button", "data-do": "here", "aria-label": words.t("app-map-me"), disabled: waiting(), onclick: locate,
                            Icon { name: "locate" }
                        }
                        button { class: "map__btn", r#type: "button", "data-do": "nearer", "aria-label": words.t("app-map-nearer"), onclick: move |_| look(&|view| view.nearer(STEP)),
                            Icon { name: "plus" }
                        }
                        button { class: "map__btn", r#type: "button", "data-do": "farther", "aria-label": words.t("app-map-farther"), onclick: move |_| look(&|view| view.nearer(1.0 / STEP)),
                            Icon { name: "minus" }
                        }
                        if now.view.is_some() {
                            button { class: "map__btn", r#type: "button", "data-do": "whole", "aria-label": words.t("app-map-whole"),
                                onclick: move |_| {
                                    let mut place = place.write();
                                    place.view = None;
                                    place.patrol = None;
                                },
                                Icon { name: "whole" }
                            }
                        }
                    }
                    if patrols {
                        button { class: "map__btn map__btn--end", r#type: "button", "data-do": "patrol",
                            onclick: {
                                let state = state.clone();
                                move |_| begin(&state, Work::Patrol, None, None)
                            },
                            Icon { name: "walk" }
                            span { {words.t(if under_way.is_some() { "app-map-patrol-on" } else { "app-map-patrol" })} }
                        }
                    }
                }
                if waiting() {
                    Quiet { icon: "locate", text: words.t("app-position-waiting") }
                } else if nowhere() {
                    Quiet { icon: "info", text: words.t("app-map-nowhere") }
                }
                if now.chosen.is_empty() {
                    Quiet { icon: "info", text: words.n("app-map-hint", count) }
                } else {
                    Chosen { key: "{now.chosen.len()}-{now.chosen.first():?}", records: now.chosen.clone() }
                }
            } else {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-map-empty")} } }
            }
        }
        Foot { tab: Tab::Search }
    }
}

/// The records of the spot that was pressed.
#[component]
fn Chosen(records: Vec<RecordId>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut shown = use_signal(|| ROWS);
    let count = records.len();
    let hits = state.rows(&records.into_iter().take(shown()).collect::<Vec<_>>());
    rsx! {
        Group { title: words.t("app-map-chosen"), end: count.to_string(),
            ul { class: "list", id: "chosen",
                for hit in hits {
                    li { key: "{hit.id}", HitRow { hit, icon: true } }
                }
            }
            if count > shown() {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "more", onclick: move |_| *shown.write() += ROWS, {words.t("app-more")} }
                }
            }
        }
    }
}

/// A row that leads to where a record is on the map; nothing where that is not known.
#[component]
pub fn OnMapRow(at: Option<Micro>, id: RecordId) -> Element {
    let state = use_context::<State>();
    let words = words();
    let track = state.track(id);
    let Some(to) = at.or_else(|| track.first().copied()) else { return rsx! {} };
    let bounds = shared::outline::Bounds::around(track.iter().copied().chain([to]));
    let walked = !track.is_empty();
    rsx! {
        ul { class: "list",
            li {
                button {
                    class: "row row--one",
                    r#type: "button",
                    "data-do": "on-map",
                    onclick: move |_| {
                        let mut place = state.map_place;
                        let mut place = place.write();
                        let size = Size::default();
                        let view = bounds.map(|bounds| View::fit(bounds, size));
                        // A single point with what is around it.
                        place.view = view.map(|view| if walked { view } else { view.around(to) });
                        place.chosen = vec![id];
                        place.patrol = walked.then_some(id);
                        drop(place);
                        navigator().push(Route::ShowMap {});
                    },
                    Icon { name: "locate" }
                    span { class: "row__main", {words.t(if walked { "app-map-track" } else { "app-map-see" })} }
                    span { class: "row__end", Icon { name: "next" } }
                }
            }
        }
    }
}
