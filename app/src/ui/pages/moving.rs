//! 迁出 and 迁入: people go to another grid, whose members say that they came.

use std::collections::BTreeSet;

use dioxus::prelude::*;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::merge::Deletion;
use shared::record::RecordKind;
use shared::view::{self, Policy};

use super::household::household;
use super::missing::Missing;
use super::record::PageOf;
use crate::handheld::{Hit, Message, RecordPage, moved_from};
use crate::ui::bring_into_sight;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Dock, Foot, Nav, NavEnd};
use crate::ui::components::row::HitRow;
use crate::ui::components::{Group, Icon, Mark, Quiet};
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// Where to: out of the town.
const AWAY: &str = "away";

/// Whether a person can be sent on to another grid by this user.
pub fn may_move(state: &State, page: &RecordPage) -> bool {
    let gone = view::shown(&page.record.open, "residence_status", Policy::One)
        .is_some_and(|status| matches!(status.plain().as_str(), "moved_out" | "deceased"));
    let here = page.deletion != Deletion::Deleted && page.merged_into.is_none() && arrival(page).is_none();
    page.record.kind == RecordKind::Person && state.changes(RecordKind::Person, &page.areas) && here && !gone
}

/// The grid somebody came from, while nobody here has said that they came.
fn arrival(page: &RecordPage) -> Option<AreaId> {
    moved_from(&page.record).filter(|from| !page.areas.contains(from))
}

/// 迁出
#[component]
pub fn MoveOut(id: RecordId) -> Element {
    rsx! {
        for id in [id] {
            Out { key: "{id}", id }
        }
    }
}

#[component]
fn Out(id: RecordId) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut to = use_signal(String::new);
    let mut along = use_signal(BTreeSet::<RecordId>::new);
    let mut trouble = use_signal(|| None::<Message>);
    let mut done = use_signal(|| None::<String>);
    state.follow();
    // With a network the record may be gone a moment later.
    if let Some(said) = done() {
        return rsx! {
            Nav { title: words.t("app-move"), back: Tab::Search, NavEnd {} }
            main { class: "main--top", id: "moved",
                p { class: "quiet", role: "status", Icon { name: Mark::Green.icon(), class: "i--fill" } span { {said} } }
            }
            Foot { tab: Tab::Search }
        };
    }
    let Some(page) = state.record(id).filter(|page| may_move(&state, page)) else {
        return rsx! {
            Missing { rest: Vec::new() }
        };
    };
    let others: Vec<Hit> = household(&state, &page).into_iter().filter(|hit| hit.id != id).collect();
    let grids = state.town_grids();
    let people: Vec<RecordId> = [id].into_iter().chain(along.read().iter().copied()).collect();
    let count = people.len();
    let send = {
        let (state, words) = (state.clone(), words.clone());
        move |_: MouseEvent| {
            let chosen = to.peek().clone();
            let moved = match (chosen.as_str(), chosen.parse().map(AreaId)) {
                (AWAY, _) => state.move_away(&people).map(|()| words.t("app-move-away-done")),
                (_, Ok(grid)) => {
                    let said = words.s("app-move-done", "area", &state.area_name(grid));
                    state.move_out(&people, grid).map(|()| said)
                }
                _ => {
                    trouble.set(Some(Message::of("app-move-where")));
                    bring_into_sight("trouble");
                    return;
                }
            };
            match moved {
                Ok(said) => done.set(Some(said)),
                Err(error) => {
                    trouble.set(Some(error.message()));
                    bring_into_sight("trouble");
                }
            }
        }
    };
    rsx! {
        Nav { title: words.t("app-move"), back: Tab::Search, NavEnd {} }
        main { class: "main--top", id: "move", "data-id": id.to_string(),
            div { class: "title",
                h1 { {page.title.clone()} }
                p { class: "sub", {page.areas.iter().map(|area| state.area_name(*area)).collect::<Vec<_>>().join(&words.t("list-separator"))} }
            }
            section { class: "sheet group",
                div { class: "field",
                    label { class: "field__label", r#for: "move-to", {words.t("app-move-to")} }
                    select {
                        class: "field__ctl field__ctl--select",
                        id: "move-to",
                        name: "to",
                        onchange: move |event: FormEvent| {
                            trouble.set(None);
                            to.set(event.value());
                        },
                        option { value: "", selected: to.read().is_empty(), {words.t("app-move-choose")} }
                        option { value: AWAY, {words.t("app-move-away")} }
                        for grid in grids.into_iter().filter(|grid| !page.areas.contains(&grid.id)) {
                            option { key: "{grid.id}", value: "{grid.id}", {state.area_name(grid.id)} }
                        }
                    }
                    p { class: "field__help",
                        {words.t(if *to.read() == AWAY { "app-move-away-help" } else { "app-move-help" })}
                    }
                }
                if !others.is_empty() {
                    div { class: "field", role: "group", "aria-labelledby": "l-along",
                        span { class: "field__label", id: "l-along", {words.t("app-move-along")} }
                        div { class: "choices",
                            for hit in others {
                                Chip {
                                    key: "{hit.id}",
                                    name: "along",
                                    code: hit.id.to_string(),
                                    label: hit.title.clone(),
                                    many: true,
                                    chosen: along.read().contains(&hit.id),
                                    onpress: move |was: bool| {
                                        let mut along = along.write();
                                        if was {
                                            along.remove(&hit.id);
                                        } else {
                                            along.insert(hit.id);
                                        }
                                    },
                                }
                            }
                        }
                    }
                }
                if let Some(said) = trouble() {
                    p { class: "field__say field__say--problem", id: "trouble", role: "alert", "data-problem": said.key.clone(),
                        Icon { name: Mark::Red.icon() }
                        span { {message(&words, &said)} }
                    }
                }
            }
        }
        Foot { tab: Tab::Search,
            Dock {
                button { class: "btn btn--primary btn--main", r#type: "button", "data-do": "move-send", onclick: send,
                    {words.n("app-move-do", count)}
                }
            }
        }
    }
}

/// On the page of somebody who moved here: they came, or they are not here.
#[component]
pub fn Arrived(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut trouble = use_signal(|| None::<Message>);
    let PageOf(page) = page;
    let (id, from) = (page.record.id, arrival(&page));
    let Some(from) = from.filter(|_| state.changes(RecordKind::Person, &page.areas)) else { return rsx! {} };
    rsx! {
        section { class: "note", id: "arrived", "aria-labelledby": "arrived-h",
            h2 { class: "note__t", id: "arrived-h", {words.s("app-arrival-from", "area", &state.area_name(from))} }
            p { {words.t("app-arrival-help")} }
            div { class: "acts",
                button {
                    class: "btn btn--second",
                    r#type: "button",
                    "data-do": "receive",
                    onclick: {
                        let state = state.clone();
                        move |_| match state.receive(id) {
                            // The new address is what is known next.
                            Ok(()) => {
                                navigator().push(Route::EditRecord { id });
                            }
                            Err(error) => trouble.set(Some(error.message())),
                        }
                    },
                    {words.t("app-arrival-yes")}
                }
                button {
                    class: "btn btn--second",
                    r#type: "button",
                    "data-do": "send-back",
                    onclick: {
                        let state = state.clone();
                        move |_| trouble.set(state.move_out(&[id], from).err().map(|error| error.message()))
                    },
                    {words.t("app-arrival-no")}
                }
            }
            if let Some(said) = trouble() {
                p { class: "field__say field__say--problem", role: "alert",
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
        }
    }
}

/// People who moved here, on 今日.
#[component]
pub fn Arrivals(people: Vec<Hit>) -> Element {
    let words = words();
    let count = people.len();
    rsx! {
        Group { title: words.t("app-arrivals"), end: count.to_string(),
            ul { class: "list", id: "arrivals",
                for hit in people {
                    li { key: "{hit.id}", HitRow { hit, icon: true } }
                }
            }
        }
    }
}

/// On the page of somebody who is on the way to another grid: still here until the next sync.
#[component]
pub fn Leaving(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let gone = arrival(&page).is_some() && !state.changes(RecordKind::Person, &page.areas);
    if !gone {
        return rsx! {};
    }
    let to = page.areas.iter().map(|area| state.area_name(*area)).collect::<Vec<_>>().join(&words.t("list-separator"));
    rsx! {
        Quiet { icon: "walk", text: words.s("app-move-done", "area", &to) }
    }
}
