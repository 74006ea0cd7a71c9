//! 同步: what goes, how much, progress by item, the two lamps, the next attempt.

use dioxus::prelude::*;

use super::update::UpdateOffer;
use crate::handheld::{Lights, Message, OutboxItem, OutboxWhat};
use crate::sync::Phase;
use crate::ui::components::frame::{Foot, Nav, NavEnd};
use crate::ui::components::{Go, Group, Icon, Mark};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, message, words};

/// Items drawn at once.
const ITEMS: usize = 100;

/// 同步
#[component]
pub fn SyncPage() -> Element {
    let words = words();
    rsx! {
        Nav { title: words.t("app-sync"), back: Tab::Me, NavEnd {} }
        main { class: "main--top", id: "sync", SyncPanel { hand_over: true } }
        Foot { tab: Tab::Me }
    }
}

/// Lamps, sums, items.
#[component]
pub fn SyncPanel(hand_over: bool) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut busy = use_signal(|| false);
    let mut said = use_signal(|| None::<Message>);
    state.follow();
    let progress = state.progress();
    let counts = state.counts();
    let lights = state.lights();
    let estimate = state.estimate();
    let text_only = state.is_text_only();
    let items = state.outbox();
    let rest = items.len().saturating_sub(ITEMS);
    let running = busy() || matches!(progress.phase, Phase::Records | Phase::Photos);
    let missing = if counts.photos > 0 {
        words.with(
            "app-lamp-missing-photos",
            &[("n", (counts.edits as f64).into()), ("photos", (counts.photos as f64).into())],
        )
    } else {
        words.n("app-lamp-missing", counts.edits as usize)
    };
    let delivered = match (lights.delivered, progress.last_sync) {
        (true, Some(at)) => words.s("app-lamp-delivered-at", "when", &say::when(&words, at, state.now())),
        (true, None) => words.t("app-lamp-nothing"),
        (false, _) => missing,
    };
    let status = status(&words, &state, &progress.problem);
    rsx! {
        section { class: "lamps", "aria-label": words.t("app-lamps"),
            Lamp {
                code: "delivered",
                on: lights.delivered,
                title: words.t(if lights.delivered { "app-lamp-delivered" } else { "app-lamp-not-delivered" }),
                text: delivered,
            }
            Lamp {
                code: "safe",
                on: lights.safe_to_hand_in,
                title: words.t(if lights.safe_to_hand_in { "app-lamp-safe" } else { "app-lamp-not-safe" }),
                text: match (lights.safe_to_hand_in, lights.delivered, lights.others) {
                    (true, ..) => words.t("app-lamp-safe-why"),
                    (false, true, 0) => words.t("app-lamp-not-backed-up"),
                    (false, true, others) => words.n("app-lamp-others", others as usize),
                    (false, false, _) => words.t("app-lamp-not-safe-why"),
                },
            }
        }
        section { class: "group",
            div { class: "sheet",
                p { class: "sum", id: "estimate", hidden: estimate.records + estimate.photos == 0, "data-records": "{estimate.records}", "data-photos": "{estimate.photos}",
                    Sum { n: estimate.records, unit: words.t("app-sum-records") }
                    Sum { n: estimate.photos, unit: words.t("app-sum-photos") }
                    if estimate.records + estimate.photos > 0 {
                        Sum { n: estimate.kilobytes, unit: words.t("app-sum-kilobytes") }
                        Sum { n: estimate.seconds, unit: words.t("app-sum-seconds") }
                    }
                }
                if running && progress.total > 0 {
                    Bar { done: progress.done, total: progress.total, label: words.t("app-sync-running") }
                }
                p { class: "sub", role: "status", id: "sync-status", "data-phase": phase_code(progress.phase), {status} }
                if let Some(said) = said() {
                    p { class: "field__say field__say--doubt", role: "alert", "data-problem": said.key.clone(),
                        Icon { name: Mark::Yellow.icon() }
                        span { {message(&words, &said)} }
                    }
                }
                div { class: "acts",
                    button {
                        class: if counts.edits + counts.photos > 0 { "btn btn--primary" } else { "btn btn--second" },
                        r#type: "button",
                        "data-do": "sync",
                        disabled: running,
                        onclick: {
                            let state = state.clone();
                            move |_| {
                                let state = state.clone();
                                async move {
                                    busy.set(true);
                                    said.set(None);
                                    if let Err(error) = state.sync_now().await {
                                        tracing::info!(detail = %error.detail, "the sync did not come through");
                                        said.set(Some(error.message));
                                    }
                                    busy.set(false);
                                }
                            }
                        },
                        Icon { name: "sync" }
                        {words.t(if running { "app-sync-busy" } else { "app-sync-now" })}
                    }
                    if counts.photos > 0 || text_only {
                        button {
                            class: "btn btn--second",
                            r#type: "button",
                            "data-do": "text-only",
                            "aria-pressed": text_only,
                            onclick: {
                                let state = state.clone();
                                move |_| state.set_text_only(!text_only)
                            },
                            {words.t(if text_only { "app-sync-with-photos" } else { "app-sync-text-only" })}
                        }
                    }
                }
            }
        }
        UpdateOffer {}
        More { lights }
        if counts.tray > 0 {
            section { class: "group",
                ul { class: "list",
                    li {
                        Go { class: "row row--one", to: Route::Tray {}, hook: "tray",
                            Icon { name: "undo" }
                            span { class: "row__main", {words.n("app-today-tray", counts.tray as usize)} }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
        }
        if !items.is_empty() {
            Group { title: words.t("app-items"), end: items.len().to_string(),
                ul { class: "list", id: "items",
                    for (place, item) in items.into_iter().take(ITEMS).enumerate() {
                        li { key: "{place}", Item { item } }
                    }
                }
                if rest > 0 {
                    p { class: "quiet", {words.n("app-items-more", rest)} }
                }
            }
        }
        // Last, where no thumb lands that wants to sync: it erases.
        if hand_over && lights.safe_to_hand_in {
            section { class: "group",
                div { class: "sheet", HandOver {} }
            }
        }
    }
}

/// What is seldom needed: comparing with the centre, and a file of what was not delivered.
#[component]
fn More(lights: Lights) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut busy = use_signal(|| false);
    let mut said = use_signal(|| None::<Message>);
    let (checked, aside) = state.checked();
    let line = match checked.at {
        Some(at) => words.with(
            "app-checked",
            &[("when", say::when(&words, at, state.now()).into()), ("n", (checked.mended as f64).into())],
        ),
        None => words.t("app-not-checked"),
    };
    rsx! {
        section { class: "group",
            div { class: "sheet",
                p { class: "sub", id: "checked", "data-mended": "{checked.mended}", {line} }
                if aside > 0 {
                    p { class: "field__say field__say--doubt", id: "aside", "data-aside": "{aside}",
                        Icon { name: Mark::Yellow.icon() }
                        span { {words.n("app-aside", aside as usize)} }
                    }
                }
                if let Some(said) = said() {
                    p { class: "sub", role: "status", "data-said": said.key.clone(), {message(&words, &said)} }
                }
                div { class: "acts",
                    button {
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "check-data",
                        disabled: busy(),
                        onclick: {
                            let state = state.clone();
                            move |_| {
                                let state = state.clone();
                                async move {
                                    busy.set(true);
                                    said.set(state.check_data().await.err().map(|error| error.message));
                                    busy.set(false);
                                }
                            }
                        },
                        {words.t("app-check-data")}
                    }
                    if !lights.delivered {
                        button {
                            class: "btn btn--quiet",
                            r#type: "button",
                            "data-do": "export",
                            disabled: busy(),
                            onclick: {
                                let state = state.clone();
                                move |_| {
                                    let state = state.clone();
                                    async move {
                                        busy.set(true);
                                        said.set(Some(state.export_outbox().await));
                                        busy.set(false);
                                    }
                                }
                            },
                            {words.t("app-export")}
                        }
                    }
                }
            }
        }
    }
}

fn phase_code(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Offline => "offline",
        Phase::Records => "records",
        Phase::Photos => "photos",
        Phase::Waiting => "waiting",
    }
}

/// What the sync is doing, as one sentence.
pub fn status(words: &Words, state: &State, problem: &Option<Message>) -> String {
    let progress = state.progress();
    let next = progress.next_attempt.map(|at| words.s("app-sync-next", "clock", &say::clock(at)));
    let now = match progress.phase {
        _ if state.is_offline() => words.t("app-sync-offline"),
        Phase::Records if progress.total > 0 => words.with(
            "app-sync-records-of",
            &[("n", (progress.done as f64).into()), ("total", (progress.total as f64).into())],
        ),
        Phase::Records => words.t("app-sync-records"),
        Phase::Photos if progress.total > 0 => words.many(
            "app-sync-photos-of",
            &[("done", &say::bytes(words, progress.done)), ("total", &say::bytes(words, progress.total))],
        ),
        Phase::Photos => words.t("app-sync-photos"),
        Phase::Waiting => problem.as_ref().map(|said| message(words, said)).unwrap_or_default(),
        Phase::Idle | Phase::Offline => super::today::sync_words(words, state),
    };
    match next {
        Some(next) if progress.phase == Phase::Waiting && !state.is_offline() => format!("{now} {next}"),
        _ => now,
    }
}

#[component]
fn Lamp(code: &'static str, on: bool, title: String, text: String) -> Element {
    let icon = if on { Mark::Green.icon() } else { Mark::Off.icon() };
    rsx! {
        div { class: "lamp", "data-lamp": code, "data-on": on,
            h2 { class: "lamp__t",
                Icon { name: icon }
                {title}
            }
            p { {text} }
        }
    }
}

#[component]
fn Sum(n: u64, unit: String) -> Element {
    rsx! {
        span {
            b { "{n}" }
            {unit}
        }
    }
}

/// How far something is.
#[component]
pub fn Bar(done: u64, total: u64, label: String) -> Element {
    let percent = (done.saturating_mul(100) / total.max(1)).min(100);
    rsx! {
        span {
            class: "bar",
            role: "progressbar",
            "aria-valuenow": "{percent}",
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-label": label,
            i { style: "width:{percent}%" }
        }
    }
}

#[component]
fn Item(item: OutboxItem) -> Element {
    let state = use_context::<State>();
    let words = words();
    let title = if item.title.is_empty() { words.t("app-untitled") } else { item.title.clone() };
    let (what, sent) = match &item.what {
        OutboxWhat::Edit { fields, .. } => {
            let kind = item.record.and_then(|id| state.hit(id)).map(|hit| hit.kind);
            let form = kind.and_then(|kind| state.form(kind));
            let names: Vec<String> = fields
                .iter()
                .map(|name| match form.as_ref().and_then(|form| form.field(name)) {
                    Some(field) => words.label(&field.label),
                    None => name.clone(),
                })
                .take(3)
                .collect();
            // Only a new record says where it belongs and what it is called at once.
            let new = form
                .as_ref()
                .is_some_and(|form| fields.iter().any(|name| name == "area") && fields.contains(&form.title));
            let names = if new { words.t("app-item-new") } else { names.join(&words.t("list-separator")) };
            (words.many("app-item-edit", &[("title", &title), ("fields", &names)]), 0)
        }
        OutboxWhat::Photo { sent, .. } => (words.s("app-item-photo", "title", &title), *sent),
    };
    let why = message(&words, &item.why);
    let icon = if sent > 0 { "cloudup" } else { "clock" };
    let next = item.next_attempt.map(|at| words.s("app-sync-next", "clock", &say::clock(at))).unwrap_or_default();
    rsx! {
        div { class: "item", "data-item": if matches!(item.what, OutboxWhat::Photo { .. }) { "photo" } else { "edit" },
            div { class: "item__l",
                span { {what} }
                span { {say::bytes(&words, item.bytes)} }
            }
            if sent > 0 {
                Bar { done: sent, total: sent + item.bytes, label: words.t("app-sync-running") }
            }
            p { class: "item__s",
                Icon { name: icon }
                {format!("{why} {next}")}
            }
        }
    }
}

/// 交机: asked twice, for it erases.
#[component]
fn HandOver() -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut asked = use_signal(|| false);
    let mut busy = use_signal(|| false);
    let mut said = use_signal(|| None::<Message>);
    rsx! {
        if let Some(said) = said() {
            p { class: "field__say field__say--doubt", role: "alert", "data-problem": said.key.clone(),
                Icon { name: Mark::Yellow.icon() }
                span { {message(&words, &said)} }
            }
        }
        if asked() {
            p { {words.t("app-hand-over-why")} }
            div { class: "acts",
                button {
                    class: "btn btn--primary",
                    r#type: "button",
                    "data-do": "hand-over-sure",
                    disabled: busy(),
                    onclick: move |_| {
                        let state = state.clone();
                        async move {
                            busy.set(true);
                            if let Err(error) = state.hand_over().await {
                                tracing::info!(detail = %error.detail, "it is not handed in");
                                said.set(Some(error.message));
                                asked.set(false);
                            }
                            busy.set(false);
                        }
                    },
                    {words.t("app-hand-over-sure")}
                }
                button { class: "btn btn--quiet", r#type: "button", onclick: move |_| asked.set(false), {words.t("app-hand-over-not")} }
            }
        } else {
            div { class: "acts",
                button { class: "btn btn--second", r#type: "button", "data-do": "hand-over", onclick: move |_| asked.set(true),
                    {words.t("app-hand-over")}
                }
            }
        }
    }
}
