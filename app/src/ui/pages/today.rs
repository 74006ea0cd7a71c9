//! 今日: what is due, what is not uploaded, and the one big button.

use dioxus::prelude::*;

use crate::sync::Phase;
use crate::ui::components::frame::{Dock, Foot, Head};
use crate::ui::components::pages::Reading;
use crate::ui::components::row::EventLine;
use crate::ui::components::{Go, Group, Icon};
use crate::ui::pages::moving::Arrivals;
use crate::ui::pages::review::ToldRow;
use crate::ui::pages::sync::{Bar, status};
use crate::ui::pages::work::{CampaignsLeft, MeetingDue, VISITS, VisitsDue};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// How many events 今日 shows; the rest stands on 事件.
const EVENTS: usize = 8;

/// 今日
#[component]
pub fn Today() -> Element {
    let state = use_context::<State>();
    let words = words();
    let read = state.use_today(VISITS);
    let now = state.now();
    let day = say::today(now);
    let (date, weekday) = (say::date(&words, day, now), say::weekday(&words, day));
    let Some(seen) = read else {
        return rsx! {
            Head { title: state.scope_name(), line: words.many("app-today-date", &[("date", &date), ("weekday", &weekday)]) }
            SyncLine {}
            main {
                Reading {}
                FirstFill {}
            }
            TodayFoot {}
        };
    };
    let today = &seen.today;
    let due = today.due.len() + seen.visits + today.campaigns.len() + today.arrivals.len();
    let due = due + usize::from(today.meeting_due);
    let line =
        words.with("app-today-line", &[("date", date.into()), ("weekday", weekday.into()), ("n", (due as f64).into())]);
    let more = today.due.len().saturating_sub(EVENTS);
    rsx! {
        Head { title: state.scope_name(), line }
        SyncLine {}
        main {
            ToldRow {}
            if state.update().is_some_and(|update| update.urgent) {
                section { class: "group",
                    ul { class: "list",
                        li {
                            Go { class: "row row--one", to: Route::SyncPage {}, hook: "update-wanted",
                                Icon { name: "sync" }
                                span { class: "row__main", {words.t("app-update-urgent")} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
            if today.conflicts > 0 {
                section { class: "group",
                    ul { class: "list",
                        li {
                            Go { class: "row row--one", to: Route::Review {}, hook: "review",
                                Icon { name: "swap" }
                                span { class: "row__main", {words.n("app-today-review", today.conflicts as usize)} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
            if today.outbox.tray > 0 {
                section { class: "group",
                    ul { class: "list",
                        li {
                            Go { class: "row row--one", to: Route::Tray {}, hook: "tray",
                                Icon { name: "undo" }
                                span { class: "row__main", {words.n("app-today-tray", today.outbox.tray as usize)} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
            if !today.due.is_empty() {
                Group { title: words.t("app-tab-event"), end: today.due.len().to_string(),
                    ul { class: "list",
                        for row in today.due.iter().take(EVENTS) {
                            li { key: "{row.hit.id}", EventLine { row: row.clone() } }
                        }
                        if more > 0 {
                            li {
                                Go { class: "row row--one", to: Route::Events {}, hook: "more-events",
                                    span { class: "row__main", {words.n("app-today-more", more)} }
                                    span { class: "row__end", Icon { name: "next" } }
                                }
                            }
                        }
                    }
                }
            }
            if !today.arrivals.is_empty() {
                Arrivals { people: today.arrivals.clone() }
            }
            if !today.visits.is_empty() {
                VisitsDue { visits: today.visits.clone(), count: seen.visits }
            }
            if !today.campaigns.is_empty() {
                CampaignsLeft { campaigns: today.campaigns.clone() }
            }
            if today.meeting_due {
                MeetingDue {}
            }
            FirstFill {}
            if due == 0 {
                p { class: "quiet", Icon { name: "check" } span { {words.t("app-today-nothing")} } }
            }
        }
        TodayFoot {}
    }
}

/// The one big button, and the tabs.
#[component]
fn TodayFoot() -> Element {
    let words = words();
    rsx! {
        Foot { tab: Tab::Today,
            Dock {
                Go { class: "btn btn--primary big", to: Route::Report {}, hook: "report",
                    Icon { name: "camera" }
                    {words.t("app-report")}
                }
            }
        }
    }
}

/// The first fill of a new handheld: until it is done, nothing being due says nothing.
#[component]
fn FirstFill() -> Element {
    let state = use_context::<State>();
    let words = words();
    let progress = state.progress();
    if progress.last_sync.is_some() || progress.phase != Phase::Records {
        return rsx! {};
    }
    rsx! {
        section { class: "group", id: "first-fill",
            div { class: "sheet",
                p { role: "status", {status(&words, &state, &progress.problem)} }
                if progress.total > 0 {
                    Bar { done: progress.done, total: progress.total, label: words.t("app-sync-running") }
                }
                p { class: "sub", {words.t("app-first-fill")} }
            }
        }
    }
}

/// Offline, the last sync and what waits, in one quiet line that leads to the sync page.
#[component]
pub fn SyncLine() -> Element {
    let state = use_context::<State>();
    let words = words();
    let text = sync_words(&words, &state);
    let offline = state.is_offline();
    let icon = if offline { "offline" } else { "sync" };
    rsx! {
        Go { class: "quiet", to: Route::SyncPage {}, hook: "sync-line",
            Icon { name: icon }
            span { class: "grow", role: "status", id: "sync-line", "data-offline": offline, {text} }
            Icon { name: "next", class: "i--end" }
        }
    }
}

/// 离线·2 小时前同步，3 条未上传
pub fn sync_words(words: &Words, state: &State) -> String {
    let progress = state.progress();
    let waiting = state.waiting_count();
    let last = match (progress.phase, progress.last_sync) {
        (Phase::Records | Phase::Photos, _) => words.t("app-sync-running"),
        (_, Some(at)) => words.s("app-sync-last", "ago", &say::ago(words, at, state.now())),
        (_, None) => words.t("app-sync-never"),
    };
    let rest = if waiting == 0 { words.t("app-sync-all-sent") } else { words.n("app-sync-not-sent", waiting as usize) };
    let key = if state.is_offline() { "app-sync-line-offline" } else { "app-sync-line" };
    words.many(key, &[("last", &last), ("rest", &rest)])
}
