//! 总览: what came in today, what is under way by step and light, what waits for people, which terminals are silent.

use std::collections::BTreeSet;

use assets::messages::Lang;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::RecordKind;
use shared::work::Work;
use shared::workflow::{Light, Stage};

use super::ctx::{Asked, with};
use super::layout::{self, Place, ago, grouped, icon, moment};
use super::ledger::{self, begins};
use super::map::map;
use super::terminals::{self, SILENT_DAYS};
use super::{Ctx, PageError, events};
use crate::App;
use crate::auth::authorize::{reads_by_scope, reads_visits};
use crate::export::show::beijing;
use crate::intake::state;
use crate::store::{By, Device, EventFilter, EventRow, EventTally, PartTally, Read};
use crate::sync::accept::mend;

/// Stages of events under way, in their order.
const STAGES: [Stage; 4] = [Stage::Reported, Stage::Handling, Stage::Handled, Stage::Answered];
/// Rows of a short list.
const SHORT: u64 = 5;
/// Visits of so many days count.
const VISITED_DAYS: i64 = 90;

/// What the page shows.
pub(super) struct Figures {
    /// Under way.
    pub(super) open: Vec<EventRow>,
    /// Reported today, the latest first; where there is none, the latest of all.
    latest: Vec<EventRow>,
    today: u64,
    disputes: Vec<EventTally>,
    /// By kind and area.
    pub(super) holdings: Vec<PartTally>,
    /// Visits of the last 90 days: to whom, where.
    pub(super) visited: Vec<(RecordId, Vec<AreaId>)>,
    devices: Vec<Device>,
    backup: Option<Markup>,
    /// How the intake stands, for those who see to machines.
    intake: Option<state::State>,
    /// How many stored parts were altered behind the server's back and put right.
    mended: u64,
}

/// Which figure the map shows.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    #[serde(default)]
    map: String,
}

/// `GET /console`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        let backup = if ctx.sees(Place::Terminals) {
            Some(html! { (super::scheduled::panel(ctx)?) (super::backup::panel(ctx)?) })
        } else {
            None
        };
        let mut figures = ctx.read(|read| figures(ctx, read, backup.clone()))?;
        if ctx.sees(Place::Terminals) {
            figures.intake = Some(state::State::read(&*ctx.app.store)?);
        }
        Ok(ctx.answer(Place::Overview, &ctx.words.text("console-overview"), &body(ctx, &figures, &choice)))
    })
    .await
}

fn figures(ctx: &Ctx, read: &dyn Read, backup: Option<Markup>) -> Result<Figures, PageError> {
    let now = beijing(ctx.now);
    let year = NaiveDate::from_ymd_opt(now.year(), 1, 1).and_then(begins).unwrap_or_default();
    let today = begins(now.date_naive()).unwrap_or_default();
    let mine = ctx.events_by_scope();
    let at = |from, to| EventFilter { at: Some((from, to)), ..mine.clone() };
    let reported = |filter: EventFilter| EventFilter { stages: Stage::ALL.to_vec(), ..filter };
    let new = reported(at(today, ctx.now + TimeDelta::days(1)));
    let mut latest = Vec::new();
    for filter in [&new, &reported(mine.clone())] {
        if latest.is_empty() {
            let short = EventFilter { limit: Some(SHORT), ..filter.clone() };
            read.each_event(&short, &mut |event| {
                latest.push(event);
                Ok(true)
            })?;
        }
    }
    let disputes =
        EventFilter { categories: vec!["dispute".to_owned()], ..reported(at(year, DateTime::<Utc>::MAX_UTC)) };
    let visits = EventFilter {
        categories: vec![Work::Visit.code().to_owned()],
        ..at(ctx.now - TimeDelta::days(VISITED_DAYS), ctx.now + TimeDelta::days(1))
    };
    let ledger = ctx.sees(Place::Ledger);
    Ok(Figures {
        open: events::under_way(ctx, read)?,
        latest,
        today: read.tally_events(&new, &[])?.iter().map(|tally| tally.count).sum(),
        disputes: read.tally_events(&disputes, &[By::Month, By::Outcome])?,
        holdings: if ledger { mine_of(ctx, read.tally_parts(None, None)?) } else { Vec::new() },
        visited: if ledger && !mine.without_visits { read.subjects(&visits)? } else { Vec::new() },
        devices: if ctx.sees(Place::Terminals) { terminals::standing(read.devices()?) } else { Vec::new() },
        backup,
        intake: None,
        mended: read.meta(mend::MENDED)?.and_then(|text| text.parse().ok()).unwrap_or(0),
    })
}

/// Those of a person's scope, of the kinds they read by it.
fn mine_of(ctx: &Ctx, tallies: Vec<PartTally>) -> Vec<PartTally> {
    let role = ctx.who.user.role;
    let mine = |tally: &PartTally| {
        let here = tally.areas.iter().any(|area| ctx.who.scope.contains(*area));
        here && reads_by_scope(role, tally.kind) && (!tally.visit || reads_visits(role))
    };
    tallies.into_iter().filter(mine).collect()
}

fn body(ctx: &Ctx, figures: &Figures, choice: &Choice) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let now = beijing(ctx.now);
    let lit = |light| figures.open.iter().filter(|event| event.facts.light(ctx.now) == Some(light)).count();
    let silent: Vec<&Device> = figures.devices.iter().filter(|device| terminals::is_silent(device, ctx.now)).collect();
    let beside = format!(
        "{} {} {}",
        layout::day(&ctx.words, now.month(), now.day()),
        word(&format!("console-weekday-{}", now.weekday().num_days_from_monday())),
        now.format("%H:%M")
    );
    // Who sees no ledger goes to what waits for them.
    let to = |pairs: &[(&str, &str)]| {
        if ctx.sees(Place::Ledger) { ledger::link(pairs) } else { "/console/inbox".to_owned() }
    };
    let today = ledger::today(ctx);
    html! {
        (layout::top(ctx, &word("console-overview"), &beside, ""))
        @if figures.mended > 0 && ctx.sees(Place::Audit) {
            p.note.note--doubt.note--below {
                (ctx.words.with("console-mended", &[("n", figures.mended.to_string().into())])) " "
                a.go href="/console/audit" { (word("console-audit")) }
            }
        }
        @if let Some(certificate) = ctx.app.tls.ending(ctx.now).filter(|_| ctx.sees(Place::Terminals)) {
            @let key = if certificate.until < ctx.now { "console-certificate-ended" } else { "console-certificate-ends" };
            p.note.note--doubt.note--below role="status" {
                (ctx.words.with(key, &[("date", beijing(certificate.until).date_naive().to_string().into())]))
            }
        }
        @if let Some(intake) = &figures.intake { (super::intake::told(ctx, intake)) }
        section.kpis aria-label=(word("console-today")) {
            (kpi(&to(&[("from", &today), ("to", &today)]), figures.today, &html! { (word("console-new-today")) }))
            (kpi(&to(&[("stage", "open")]), figures.open.len(), &html! { (word("console-under-way")) }))
            (kpi(&to(&[("light", "yellow")]), lit(Light::Yellow), &html! { (icon("l-yellow")) (word("light-yellow")) }))
            (kpi(&to(&[("light", "red")]), lit(Light::Red), &html! { (icon("l-red")) (word("light-red")) }))
            @if ctx.sees(Place::ToDecide) {
                (kpi("/console/to-decide", ctx.counts.to_decide, &html! { (word("to-decide")) }))
            }
            @if ctx.sees(Place::Terminals) {
                (kpi("/console/terminals", silent.len(), &html! {
                    (ctx.words.with("console-silent", &[("n", SILENT_DAYS.to_string().into())]))
                }))
            } @else {
                (kpi("/console/inbox", ctx.counts.inbox, &html! { (word("console-waits")) }))
            }
        }
        div.cols.c-2 {
            section.panel aria-labelledby="p1" {
                div.panel__h {
                    h2 #p1 { (word("console-by-step")) }
                    a.go.end href=(to(&[("stage", "open")])) { (word("console-see-list")) }
                }
                div.panel__b { (by_step(ctx, &figures.open, &to)) }
            }
            @if ctx.sees(Place::Ledger) {
                section.panel aria-labelledby="p2" { (map(ctx, figures, &choice.map)) }
            } @else {
                section.panel aria-labelledby="p2" { (came_in(ctx, figures)) }
            }
        }
        div.cols.c-3 {
            section.panel aria-labelledby="p3" { (disputes(ctx, &figures.disputes)) }
            section.panel aria-labelledby="p4" {
                div.panel__h {
                    h2 #p4 { (word("console-holdings")) }
                    span.end {
                        @if ctx.sees(Place::Report) { a.go href="/console/report" { (word("report")) } " " }
                        @if ctx.sees(Place::Ledger) { a.go href="/console/records" { (word("console-ledger")) } }
                    }
                }
                div.panel__b { (coverage(ctx, figures)) }
            }
            @if ctx.sees(Place::Terminals) {
                section.panel aria-labelledby="p5" {
                    div.panel__h {
                        h2 #p5 { (word("console-silent-terminals")) }
                        a.go.end href="/console/terminals" {
                            (ctx.words.with("console-all-of", &[("n", figures.devices.len().to_string().into())]))
                        }
                    }
                    (silent_list(ctx, &silent))
                }
            }
        }
        @if ctx.sees(Place::Ledger) {
            section.panel.panel--below aria-labelledby="p2" { (came_in(ctx, figures)) }
        }
        @if let Some(backup) = &figures.backup { (backup) }
    }
}

fn kpi(href: &str, n: impl std::fmt::Display, label: &Markup) -> Markup {
    html! { a.kpi href=(href) { b { (n) } span { (label) } } }
}

/// Where a filter of the ledger leads.
type Leading<'a> = dyn Fn(&[(&str, &str)]) -> String + 'a;

/// Bars by stage and light, each figure also as text and a link to its events.
fn by_step(ctx: &Ctx, open: &[EventRow], to: &Leading<'_>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let count = |stage: Stage, light: Light| {
        open.iter()
            .filter(|event| event.facts.stage == Some(stage))
            .filter(|event| event.facts.light(ctx.now).unwrap_or(Light::Green) == light)
            .count()
    };
    let rows: Vec<(Stage, [usize; 3])> = STAGES
        .map(|stage| (stage, [Light::Green, Light::Yellow, Light::Red].map(|light| count(stage, light))))
        .to_vec();
    let most = rows.iter().map(|(_, counts)| counts.iter().sum::<usize>()).max().unwrap_or(0).max(1);
    // English names of the stages are longer; the bars give way to them.
    let (start, longest) = if ctx.words.lang() == Lang::En { (156, 130) } else { (72, 215) };
    let width = |n: usize| n * longest / most;
    html! {
        svg.chart viewBox="0 0 508 218" role="group" aria-label=(word("console-by-step-chart")) {
            @for (x, key) in [(352, "light-green"), (432, "light-yellow"), (508, "light-red")] {
                text.t2.end x=(x) y="18" { (word(key)) }
            }
            @for (row, (stage, [green, yellow, red])) in rows.iter().enumerate() {
                @let y = 44 * row + 66;
                text x="0" y=(y) { (word(&format!("stage-{}", stage.code()))) }
                rect.l-g x=(start) y=(y - 18) width=(width(*green)) height="22" {}
                rect.l-y x=(start + width(*green)) y=(y - 18) width=(width(*yellow)) height="22" {}
                rect.l-r x=(start + width(*green) + width(*yellow)) y=(y - 18) width=(width(*red)) height="22" {}
                @for (x, n, light) in [(352, green, ""), (432, yellow, "yellow"), (508, red, "red")] {
                    @if *n == 0 {
                        text.t2.end x=(x) y=(y) { "0" }
                    } @else {
                        a href=(to(&[("stage", stage.code()), ("light", light)])) {
                            text.tb.end x=(x) y=(y) { (n) }
                        }
                    }
                }
            }
        }
    }
}

fn came_in(ctx: &Ctx, figures: &Figures) -> Markup {
    html! {
        div.panel__h { h2 #p2 { (ctx.words.text("console-came-in")) } span.sub.end { (figures.today) } }
        @if figures.today == 0 { p.panel__b.sub { (ctx.words.text("console-nothing-today")) } }
        table.table.table--tight { tbody {
            @for event in &figures.latest {
                tr {
                    td.cut { a.go href={ "/console/records/" (event.record) } { (event.title) } }
                    td.n { (event.areas.first().map(|id| ctx.area(*id)).unwrap_or_default()) }
                    td.r.n { time { (event.facts.reported.map(|at| moment(ctx, at)).unwrap_or_default()) } }
                }
            }
        } }
    }
}

/// Disputes of this year by month: found and settled.
fn disputes(ctx: &Ctx, tallies: &[EventTally]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let now = beijing(ctx.now);
    let of_month = |month: u32| {
        let name = format!("{}-{month:02}", now.year());
        let mine = tallies.iter().filter(move |tally| tally.by.first() == Some(&name));
        mine.fold((0, 0), |(found, settled), tally| {
            let reconciled = tally.by.get(1).is_some_and(|outcome| outcome == "reconciled");
            (found + tally.count, settled + if reconciled { tally.count } else { 0 })
        })
    };
    let months: Vec<(u32, (u64, u64))> = (1..=now.month()).map(|month| (month, of_month(month))).collect();
    let (found, settled) = months.iter().fold((0, 0), |sum, (_, month)| (sum.0 + month.0, sum.1 + month.1));
    let shown = months.get(months.len().saturating_sub(5)..).unwrap_or_default();
    let most = shown.iter().map(|(_, month)| month.0).max().unwrap_or(0).max(1);
    let height = |n: u64| n * 62 / most;
    let year = format!("{}-01-01", now.year());
    html! {
        div.panel__h {
            h2 #p3 { (word("console-disputes")) }
            @if let Some(rate) = (settled * 1000).checked_div(found) {
                span.end { b { (rate / 10) "." (rate % 10) "%" } " " (word("console-settled")) }
            }
        }
        div.panel__b {
            svg.chart viewBox="0 0 340 118" role="img" aria-label=(word("console-disputes-chart")) {
                @for (place, (month, (found, settled))) in shown.iter().enumerate() {
                    @let x = 14 + 67 * place;
                    rect.b-s x=(x) y=(86 - height(*found)) width="20" height=(height(*found)) {}
                    rect.b-a x=(x + 23) y=(86 - height(*settled)) width="20" height=(height(*settled)) {}
                    text.mid x=(x + 10) y=(80 - height(*found)) { (found) }
                    text.mid.tb x=(x + 33) y=(80 - height(*settled)) { (settled) }
                    text.t2.mid x=(x + 22) y="109" {
                        (ctx.words.with("console-month", &[("n", month.to_string().into())]))
                    }
                }
                path.ax d="M0 86.5h340" {}
            }
            p.sub {
                @let legend = ctx.words.with("console-disputes-legend",
                    &[("found", found.to_string().into()), ("settled", settled.to_string().into())]);
                @if ctx.sees(Place::Ledger) {
                    a.go href=(ledger::link(&[("category", "dispute"), ("from", &year)])) { (legend) }
                } @else { (legend) }
            }
        }
    }
}

/// How far the records reach: who was visited, what is complete.
fn coverage(ctx: &Ctx, figures: &Figures) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let of = |kind: RecordKind| {
        figures.holdings.iter().filter(move |tally| tally.kind == kind).fold((0, 0), |(all, complete), tally| {
            (all + tally.count, complete + if tally.complete { tally.count } else { 0 })
        })
    };
    let visited: BTreeSet<RecordId> = figures.visited.iter().map(|(record, _)| *record).collect();
    let visited = u64::try_from(visited.len()).unwrap_or(u64::MAX);
    let kinds = [RecordKind::Person, RecordKind::Place, RecordKind::Object, RecordKind::Organization];
    html! {
        ul.bars {
            @for kind in kinds {
                @let (all, complete) = of(kind);
                @if all > 0 {
                    li {
                        a href={ "/console/records?kind=" (kind.code()) } { (word(&format!("kind-{}", kind.code()))) " " (grouped(all)) }
                        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                            rect.b-a width=(complete * 100 / all) height="8" {}
                        }
                        b { (complete * 100 / all) "%" }
                    }
                }
            }
        }
        p.sub { (word("desk-complete")) }
        @if !ctx.events_by_scope().without_visits {
            p.sub {
                (ctx.words.with("desk-visited", &[("n", grouped(visited).into()), ("days", VISITED_DAYS.to_string().into())]))
            }
        }
    }
}

fn silent_list(ctx: &Ctx, silent: &[&Device]) -> Markup {
    html! {
        @if silent.is_empty() { p.panel__b.sub { (ctx.words.text("console-all-online")) } }
        table.table.table--tight { tbody {
            @for device in silent.iter().take(5) {
                tr {
                    td { (terminals::name(ctx, device)) }
                    td.r.n { (device.seen.as_ref().map_or_else(|| ctx.words.text("console-never-seen"), |seen| ago(&ctx.words, seen.at, ctx.now))) }
                    td.r.n { (terminals::owed(ctx, device)) }
                }
            }
        } }
    }
}
