//! 结案 in bulk: what was settled on site is chosen row by row and closed together. A dispute says for itself whether it was
//! reconciled; all others share one outcome.

use std::collections::{BTreeMap, BTreeSet};

use dioxus::prelude::*;
use serde::{Deserialize, Serialize};
use shared::ids::RecordId;

use crate::handheld::{Closing, EventFilter, EventRow, Message};
use crate::ui::bring_into_sight;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Dock, Foot, Nav, NavEnd};
use crate::ui::components::row::{category, fact, title_of};
use crate::ui::components::{Go, Group, Icon, Mark};
use crate::ui::keep::use_kept;
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// The most rows of the list, and so the most events closed at once; the next come up when these are closed.
pub const CLOSED_AT_ONCE: usize = 150;

/// What was chosen and typed so far: kept until it is saved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Chosen {
    events: BTreeSet<RecordId>,
    /// Of disputes: 调成 or 未调成, each its own.
    disputes: BTreeMap<RecordId, String>,
    /// Of all others.
    outcome: Option<String>,
    text: String,
}

impl Chosen {
    /// What is still to be said before `rows` can be closed, as a message key.
    fn missing(&self, rows: &[EventRow]) -> Option<&'static str> {
        if rows.is_empty() {
            return Some("app-close-none");
        }
        if rows.iter().any(|row| is_dispute(row) && !self.disputes.contains_key(&row.hit.id)) {
            return Some("app-close-dispute-missing");
        }
        let shared = rows.iter().any(|row| !is_dispute(row));
        (shared && self.outcome.is_none()).then_some("workflow-outcome-missing")
    }

    fn closing(&self, row: &EventRow) -> Closing {
        let own = self.disputes.get(&row.hit.id).filter(|_| is_dispute(row));
        Closing {
            record: row.hit.id,
            outcome: own.or(self.outcome.as_ref()).cloned().unwrap_or_default(),
            text: self.text.trim().to_owned(),
        }
    }
}

fn is_dispute(row: &EventRow) -> bool {
    category(&row.hit).as_deref() == Some("dispute")
}

/// What was said of the last press.
#[derive(Clone, Default, PartialEq)]
struct Said {
    closed: usize,
    /// Titles with why.
    refused: Vec<(String, Message)>,
    trouble: Option<Message>,
}

/// 一起结案
#[component]
pub fn CloseTogether() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut chosen = use_kept(|| "close-together".to_owned(), Chosen::default);
    let mut said = use_signal(Said::default);
    // A new key empties the box: it keeps its own text otherwise.
    let mut times = use_signal(|| 0_u32);
    state.follow();
    let (rows, more) = state.events(EventFilter::ToClose, CLOSED_AT_ONCE, 0);
    let so_far = chosen();
    // What was closed elsewhere meanwhile is no longer listed, and no longer counts.
    let picked: Vec<EventRow> = rows.iter().filter(|row| so_far.events.contains(&row.hit.id)).cloned().collect();
    let any = !rows.is_empty();
    let all = any && picked.len() == rows.len();
    let shared = picked.is_empty() || picked.iter().any(|row| !is_dispute(row));
    let count = picked.len();
    let ids: BTreeSet<RecordId> = rows.iter().map(|row| row.hit.id).collect();
    let titles: BTreeMap<RecordId, String> =
        picked.iter().map(|row| (row.hit.id, title_of(&words, &row.hit))).collect();
    let close = {
        let state = state.clone();
        move |_: MouseEvent| {
            let now = chosen.peek().clone();
            if let Some(key) = now.missing(&picked) {
                said.set(Said { trouble: Some(Message::of(key)), ..Said::default() });
                bring_into_sight("close-say");
                return;
            }
            let closings: Vec<Closing> = picked.iter().map(|row| now.closing(row)).collect();
            match state.close_together(&closings) {
                Ok(done) => {
                    let left: BTreeSet<RecordId> = done.refused.iter().map(|(id, _)| *id).collect();
                    let kept = !left.is_empty();
                    // What was refused stays chosen, with all that was said of it.
                    let next = if kept { Chosen { events: left, ..now } } else { Chosen::default() };
                    let named = |(id, why): (RecordId, Message)| (titles.get(&id).cloned().unwrap_or_default(), why);
                    said.set(Said {
                        closed: done.closed.len(),
                        refused: done.refused.into_iter().map(named).collect(),
                        trouble: None,
                    });
                    chosen.set(next);
                    *times.write() += u32::from(!kept);
                }
                Err(error) => {
                    said.set(Said { trouble: Some(error.message()), ..Said::default() });
                    bring_into_sight("close-say");
                    return;
                }
            }
            bring_into_sight("close-said");
        }
    };
    rsx! {
        Nav { title: words.t("app-close-together"), back: Tab::Events, NavEnd {} }
        main { class: "main--top", id: "close",
            Outcomes { said: said() }
            if !any {
                p { class: "quiet", role: "status", Icon { name: "check" } span { {words.t("app-close-nothing")} } }
            } else {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-close-help")} } }
                Group { title: words.t("app-close-list"), end: words.with("app-close-chosen", &[("n", (count as f64).into()), ("of", (rows.len() as f64).into())]),
                    ul { class: "list",
                        li {
                            div { class: "pick",
                                label { class: "pick__l pick__l--all",
                                    input {
                                        r#type: "checkbox",
                                        name: "all",
                                        checked: all,
                                        onclick: move |_| {
                                            chosen.write().events = if all { BTreeSet::new() } else { ids.clone() };
                                        },
                                    }
                                    span { class: "pick__box", Icon { name: "check" } }
                                    span { class: "row__main", {words.t("app-close-all")} }
                                }
                            }
                        }
                        for row in rows {
                            li { key: "{row.hit.id}", Pick { row, chosen } }
                        }
                    }
                }
                if more {
                    p { class: "quiet", Icon { name: "info" } span { {words.t("app-close-more")} } }
                }
                section { class: "sheet group", "aria-label": words.t("app-outcome"),
                    if shared {
                        div { class: "field", role: "group", "aria-labelledby": "l-outcome",
                            span { class: "field__label", id: "l-outcome", {words.t("app-outcome")} }
                            div { class: "choices",
                                for code in ["settled", "not_settled"] {
                                    Chip {
                                        key: "{code}",
                                        name: "outcome",
                                        code,
                                        label: words.t(&format!("outcome-{code}")),
                                        many: false,
                                        chosen: so_far.outcome.as_deref() == Some(code),
                                        onpress: move |was: bool| chosen.write().outcome = (!was).then(|| code.to_owned()),
                                    }
                                }
                            }
                        }
                    }
                    div { class: "field",
                        label { class: "field__label", r#for: "close-text", {words.t("app-act-text-optional")} }
                        for _ in [times()] {
                            textarea {
                                key: "{times}",
                                class: "field__ctl",
                                id: "close-text",
                                name: "text",
                                initial_value: so_far.text.clone(),
                                oninput: move |event| chosen.write().text = event.value(),
                            }
                        }
                        p { class: "field__help", {words.t("app-act-text-help")} }
                    }
                    if let Some(trouble) = said().trouble {
                        p { class: "field__say field__say--problem", id: "close-say", role: "alert", "data-problem": trouble.key.clone(),
                            Icon { name: Mark::Red.icon() }
                            span { {message(&words, &trouble)} }
                        }
                    }
                }
            }
        }
        Foot { tab: Tab::Events,
            if any {
                Dock {
                    button { class: "btn btn--primary btn--main", r#type: "button", "data-do": "close-send", "data-count": "{count}", onclick: close,
                        {words.n("app-close-do", count)}
                    }
                }
            }
        }
    }
}

/// What became of the last press: how many are closed, and each that is not, with why.
#[component]
fn Outcomes(said: Said) -> Element {
    let words = words();
    rsx! {
        div { id: "close-said",
            if said.closed > 0 {
                p { class: "quiet", role: "status", id: "closed", "data-closed": "{said.closed}",
                    Icon { name: Mark::Green.icon(), class: "i--fill" }
                    span { {words.n("app-close-done", said.closed)} }
                }
            }
            for (place, (title, why)) in said.refused.into_iter().enumerate() {
                p { key: "{place}", class: "quiet", role: "alert", "data-refused": why.key.clone(),
                    Icon { name: Mark::Yellow.icon() }
                    span { {words.many("app-close-refused", &[("title", &title), ("why", &message(&words, &why))])} }
                }
            }
        }
    }
}

/// One event of the list: a press on the row chooses it, the arrow leads to its page.
#[component]
fn Pick(row: EventRow, mut chosen: Signal<Chosen>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let id = row.hit.id;
    let is_chosen = chosen.read().events.contains(&id);
    let title = title_of(&words, &row.hit);
    let mut facts: Vec<String> =
        row.hit.facts.iter().filter_map(|one| fact(&words, &state, row.hit.kind, one)).collect();
    facts.extend(row.hit.area.map(|area| state.area_name(area)));
    let own = chosen.read().disputes.get(&id).cloned();
    rsx! {
        div { class: "pick", "data-pick": "{id}",
            label { class: "pick__l",
                input {
                    r#type: "checkbox",
                    name: "pick",
                    value: "{id}",
                    checked: is_chosen,
                    onclick: move |_| {
                        let mut chosen = chosen.write();
                        if !chosen.events.remove(&id) {
                            chosen.events.insert(id);
                        }
                    },
                }
                span { class: "pick__box", Icon { name: "check" } }
                span { class: "row__main",
                    span { class: "row__t", {title.clone()} }
                    span { class: "row__m",
                        for (place, text) in facts.into_iter().enumerate() {
                            span { key: "{place}", {text} }
                        }
                    }
                }
            }
            Go { class: "pick__go", to: Route::ShowRecord { id }, record: id.to_string(), label: words.s("app-close-look", "title", &title),
                Icon { name: "next" }
            }
        }
        if is_chosen && is_dispute(&row) {
            div { class: "pick__more", role: "group", "aria-label": words.t("app-outcome"),
                div { class: "choices",
                    for code in ["reconciled", "not_reconciled"] {
                        Chip {
                            key: "{code}",
                            name: "outcome-{id}",
                            code,
                            label: words.t(&format!("outcome-{code}")),
                            many: false,
                            chosen: own.as_deref() == Some(code),
                            onpress: move |was: bool| {
                                let mut chosen = chosen.write();
                                if was {
                                    chosen.disputes.remove(&id);
                                } else {
                                    chosen.disputes.insert(id, code.to_owned());
                                }
                            },
                        }
                    }
                }
            }
        }
    }
}
