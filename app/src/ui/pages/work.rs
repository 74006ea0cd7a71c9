//! Work that is recorded: 走访, 巡防, 检查, 例会, 专项排查. What is due, and how it is begun: one press opens its form.

use dioxus::prelude::*;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::RecordKind;
use shared::work::Work;

use super::form::{Kept, begun};
use super::missing::Missing;
use crate::handheld::{CampaignLeft, DueVisit, Hit};
use crate::ui::components::frame::{Foot, Nav, NavEnd};
use crate::ui::components::pages::Reading;
use crate::ui::components::row::{fact, kind_icon};
use crate::ui::components::{Go, Group, Icon, Light, Mark};
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// How many visits 今日 shows; the rest stands on its own page.
pub const VISITS: usize = 5;
/// How many rows a list of what is due draws at first and adds at each asking.
const ROWS: usize = 50;

/// Which work this user begins by a press; a 专项排查 is begun by the centre and by leaders.
pub fn begun_here(state: &State) -> Vec<Work> {
    let walks = state.creates(RecordKind::Person);
    Work::ALL
        .into_iter()
        .filter(|work| match work {
            Work::Patrol => walks || state.role() == Some(Role::PatrolMember),
            Work::Visit | Work::Inspection | Work::Meeting => walks,
            Work::Campaign => false,
        })
        .collect()
}

/// Opens the form of work: the draft that was begun for it, or a fresh one.
pub fn begin(state: &State, work: Work, subject: Option<RecordId>, campaign: Option<RecordId>) {
    let same = |kept: &Kept| kept.is_work() == Some(work) && kept.subject() == subject && kept.campaign() == campaign;
    let text = |id: Option<RecordId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    navigator().push(match begun(state, same) {
        Some(id) => Route::FillDraft { id },
        None => Route::FillWork {
            work: work.code().to_owned(),
            record: state.new_record(),
            subject: text(subject),
            campaign: text(campaign),
        },
    });
}

/// The icon of work.
pub fn work_icon(work: Work) -> &'static str {
    match work {
        Work::Visit | Work::Patrol => "walk",
        Work::Inspection => "check",
        Work::Meeting => "people",
        Work::Campaign => "form",
    }
}

/// A row that begins work at a press.
#[component]
pub fn BeginRow(
    work: Work,
    #[props(default)] subject: Option<RecordId>,
    #[props(default)] campaign: Option<RecordId>,
    children: Element,
) -> Element {
    let state = use_context::<State>();
    rsx! {
        button {
            class: "row row--press",
            r#type: "button",
            "data-do": "begin-{work.code()}",
            "data-record": subject.map(|id| id.to_string()),
            onclick: move |_| begin(&state, work, subject, campaign),
            Icon { name: subject.map_or(work_icon(work), |_| "walk") }
            {children}
        }
    }
}

/// Whom or what to go to: name, address, how long due. Never why.
fn visit_row(words: &Words, state: &State, hit: &Hit) -> (String, String) {
    let title = if hit.title.is_empty() { words.t("app-untitled") } else { hit.title.clone() };
    let address = hit.facts.iter().find(|fact| fact.field == "address");
    let address = address.and_then(|one| fact(words, state, hit.kind, one));
    (title, address.or_else(|| hit.area.map(|area| state.area_name(area))).unwrap_or_default())
}

#[component]
fn VisitRow(visit: DueVisit) -> Element {
    let state = use_context::<State>();
    let words = words();
    let (title, address) = visit_row(&words, &state, &visit.hit);
    let (mark, due) = say::due_day(&words, visit.date, state.now());
    rsx! {
        BeginRow { work: Work::Visit, subject: Some(visit.hit.id),
            span { class: "row__main",
                span { class: "row__t", {title} }
                span { class: "row__m",
                    Light { mark, text: due }
                    span { {address} }
                }
            }
            span { class: "row__end", Icon { name: "next" } }
        }
    }
}

/// The visits of 今日: the first of so many.
#[component]
pub fn VisitsDue(visits: Vec<DueVisit>, count: usize) -> Element {
    let words = words();
    rsx! {
        Group { title: words.t("app-visits"), end: count.to_string(),
            ul { class: "list", id: "visits",
                for visit in visits {
                    li { key: "{visit.hit.id}", VisitRow { visit } }
                }
                if count > VISITS {
                    li {
                        Go { class: "row row--one", to: Route::Visits {}, hook: "more-visits",
                            span { class: "row__main", {words.n("app-visits-more", count - VISITS)} }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
        }
    }
}

/// The 专项排查 of 今日.
#[component]
pub fn CampaignsLeft(campaigns: Vec<CampaignLeft>) -> Element {
    let state = use_context::<State>();
    let words = words();
    rsx! {
        Group { title: words.t("work-campaign"), end: campaigns.len().to_string(),
            ul { class: "list", id: "campaigns",
                for campaign in campaigns {
                    li { key: "{campaign.hit.id}",
                        Go { class: "row", to: Route::ShowCampaign { id: campaign.hit.id }, hook: "campaign",
                            Icon { name: work_icon(Work::Campaign) }
                            span { class: "row__main",
                                span { class: "row__t", {campaign.hit.title.clone()} }
                                span { class: "row__m",
                                    if let Some(until) = campaign.until {
                                        CampaignLight { mark: say::due_day(&words, until, state.now()).0, until: say::until_day(&words, until, state.now()) }
                                    }
                                    span { {words.with("app-campaign-left", &[
                                        ("left", (campaign.remaining.len() as f64).into()),
                                        ("of", (campaign.targets as f64).into()),
                                    ])} }
                                }
                            }
                            span { class: "row__end", Icon { name: "next" } }
                        }
                    }
                }
            }
        }
    }
}

#[component]
fn CampaignLight(mark: Mark, until: String) -> Element {
    rsx! {
        Light { mark, text: until }
    }
}

/// The row that says that this week's meeting is not recorded.
#[component]
pub fn MeetingDue() -> Element {
    let words = words();
    rsx! {
        section { class: "group",
            ul { class: "list",
                li {
                    BeginRow { work: Work::Meeting,
                        span { class: "row__main", {words.t("app-meeting-due")} }
                        span { class: "row__end", Icon { name: "next" } }
                    }
                }
            }
        }
    }
}

/// All visits that are due.
#[component]
pub fn Visits() -> Element {
    let state = use_context::<State>();
    let words = words();
    let read = state.use_visits();
    let mut rows = use_signal(|| ROWS);
    let reading = read.is_none();
    let visits = read.unwrap_or_default();
    let count = visits.len();
    rsx! {
        Nav { title: words.t("app-visits"), back: Tab::Today, NavEnd {} }
        main { id: "visits-page",
            if reading {
                Reading {}
            } else if count == 0 {
                p { class: "quiet", Icon { name: "check" } span { {words.t("app-visits-none")} } }
            } else {
                Group { title: words.t("app-visits-due"), end: count.to_string(),
                    ul { class: "list",
                        for visit in visits.iter().take(rows()) {
                            li { key: "{visit.hit.id}", VisitRow { visit: visit.clone() } }
                        }
                    }
                }
            }
            if count > rows() {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "more", onclick: move |_| *rows.write() += ROWS,
                        {words.t("app-more")}
                    }
                }
            }
        }
        Foot { tab: Tab::Today }
    }
}

/// What remains of a 专项排查: a press on a row opens its inspection.
#[component]
pub fn ShowCampaign(id: RecordId) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut rows = use_signal(|| ROWS);
    let campaign = state.campaign(id);
    let Some(page) = state.record(id) else {
        return rsx! {
            Missing { rest: Vec::new() }
        };
    };
    let look_for = shared::view::shown(&page.record.open, "look_for", shared::view::Policy::One)
        .map(shared::value::Value::plain)
        .unwrap_or_default();
    let remaining = campaign.as_ref().map(|campaign| campaign.remaining.clone()).unwrap_or_default();
    let count = remaining.len();
    let over =
        campaign.as_ref().and_then(|campaign| campaign.until).is_some_and(|until| until < say::today(state.now()));
    let shown: Vec<Hit> = state.rows(&remaining.into_iter().take(rows()).collect::<Vec<_>>());
    rsx! {
        Nav { title: words.t("work-campaign"), back: Tab::Today, NavEnd {} }
        main { id: "campaign", "data-id": id.to_string(),
            div { class: "title",
                h1 { {page.title.clone()} }
                if let Some(until) = campaign.as_ref().and_then(|campaign| campaign.until) {
                    p { class: "sub", {say::until_day(&words, until, state.now())} }
                }
                if !look_for.is_empty() {
                    p { class: "keeps", {look_for} }
                }
            }
            if over {
                p { class: "quiet", Icon { name: "clock" } span { {words.t("app-campaign-over")} } }
            }
            if campaign.is_none() {
                p { class: "quiet", Icon { name: "info" } span { {words.t("app-campaign-gone")} } }
            } else if count == 0 {
                p { class: "quiet", Icon { name: "check" } span { {words.t("app-campaign-done")} } }
            } else {
                Group { title: words.t("app-campaign-remaining"), end: count.to_string(),
                    ul { class: "list", id: "remaining",
                        for hit in shown {
                            li { key: "{hit.id}", TargetRow { hit, campaign: id } }
                        }
                    }
                }
            }
            if count > rows() {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", "data-do": "more", onclick: move |_| *rows.write() += ROWS,
                        {words.t("app-more")}
                    }
                }
            }
        }
        Foot { tab: Tab::Today }
    }
}

#[component]
fn TargetRow(hit: Hit, campaign: RecordId) -> Element {
    let state = use_context::<State>();
    let words = words();
    let (title, address) = visit_row(&words, &state, &hit);
    // People are called on, everything else is inspected.
    let work = if hit.kind == RecordKind::Person { Work::Visit } else { Work::Inspection };
    rsx! {
        BeginRow { work, subject: Some(hit.id), campaign: Some(campaign),
            span { class: "row__main",
                span { class: "row__t", {title} }
                span { class: "row__m", span { {address} } }
            }
            span { class: "row__end", Icon { name: kind_icon(hit.kind) } }
        }
    }
}
