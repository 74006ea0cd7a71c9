//! 总览: what came in today, what is under way by step and light, what waits for people, which terminals are silent.

use assets::messages::Lang;
use axum::extract::State;
use axum::response::Response;
use chrono::Datelike as _;
use maud::{Markup, html};
use shared::area::AreaLevel;
use shared::workflow::{self, Light, Stage};

use super::ctx::{Asked, with};
use super::events::{self, Event};
use super::layout::{self, Place, ago, grouped, icon, moment};
use super::terminals::{self, SILENT_DAYS};
use super::{Ctx, PageError};
use crate::App;
use crate::export::show::beijing;
use crate::store::{Device, PartFilter};
use crate::sync::accept::mend;

/// Stages of events under way, in their order.
const STAGES: [Stage; 4] = [Stage::Reported, Stage::Handling, Stage::Handled, Stage::Answered];
/// Rows of a short list.
const SHORT: usize = 5;

/// What the page shows.
struct Figures {
    events: Vec<Event>,
    communities: Vec<(String, u64)>,
    devices: Vec<Device>,
    backup: Option<Markup>,
    /// How many stored parts were altered behind the server's back and put right.
    mended: u64,
}

/// `GET /console`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        let backup = if ctx.sees(Place::Terminals) {
            Some(html! { (super::scheduled::panel(ctx)?) (super::backup::panel(ctx)?) })
        } else {
            None
        };
        let figures = ctx.read(|read| {
            let mut communities = Vec::new();
            let below =
                |level| ctx.areas.iter().filter(move |area| area.level == level && ctx.who.scope.contains(area.id));
            let mut shown: Vec<_> = below(AreaLevel::Community).collect();
            if shown.is_empty() {
                shown = below(AreaLevel::Grid).collect();
            }
            if ctx.sees(Place::Ledger) {
                for area in shown {
                    let areas = ctx.areas.scope(&[area.id]).iter().collect();
                    let count = read.count_parts(&PartFilter { areas: Some(areas), ..ctx.by_scope() })?;
                    communities.push((area.name.clone(), count));
                }
            }
            let devices = if ctx.sees(Place::Terminals) { terminals::standing(read.devices()?) } else { Vec::new() };
            let mended = read.meta(mend::MENDED)?.and_then(|text| text.parse().ok()).unwrap_or(0);
            Ok::<_, PageError>(Figures {
                events: events::all(ctx, read)?,
                communities,
                devices,
                backup: backup.clone(),
                mended,
            })
        })?;
        Ok(ctx.answer(Place::Overview, &ctx.words.text("console-overview"), &body(ctx, &figures)))
    })
    .await
}

fn body(ctx: &Ctx, figures: &Figures) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let now = beijing(ctx.now);
    let today = |event: &&Event| event.state.reported_at.is_some_and(|at| beijing(at).date_naive() == now.date_naive());
    let mut new: Vec<&Event> = figures.events.iter().filter(today).collect();
    new.sort_by_key(|event| std::cmp::Reverse(event.state.reported_at));
    let open: Vec<&Event> = figures.events.iter().filter(|event| event.is_open()).collect();
    let lit = |light| open.iter().filter(|event| workflow::light(&event.state, ctx.now) == Some(light)).count();
    let silent: Vec<&Device> = figures.devices.iter().filter(|device| terminals::is_silent(device, ctx.now)).collect();
    let beside = format!(
        "{} {} {}",
        layout::day(&ctx.words, now.month(), now.day()),
        word(&format!("console-weekday-{}", now.weekday().num_days_from_monday())),
        now.format("%H:%M")
    );
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
        section.kpis aria-label=(word("console-today")) {
            (kpi("/console/inbox", new.len(), &html! { (word("console-new-today")) }))
            (kpi("/console/inbox", open.len(), &html! { (word("console-under-way")) }))
            (kpi("/console/inbox", lit(Light::Yellow), &html! { (icon("l-yellow")) (word("light-yellow")) }))
            (kpi("/console/inbox", lit(Light::Red), &html! { (icon("l-red")) (word("light-red")) }))
            (kpi("/console/to-decide", usize::try_from(ctx.counts.to_decide).unwrap_or(usize::MAX), &html! { (word("to-decide")) }))
            @if ctx.sees(Place::Terminals) {
                (kpi("/console/terminals", silent.len(), &html! {
                    (ctx.words.with("console-silent", &[("n", SILENT_DAYS.to_string().into())]))
                }))
            } @else {
                (kpi("/console/inbox", usize::try_from(ctx.counts.inbox).unwrap_or(usize::MAX), &html! { (word("console-waits")) }))
            }
        }
        div.cols.c-2 {
            section.panel aria-labelledby="p1" {
                div.panel__h { h2 #p1 { (word("console-by-step")) } a.go.end href="/console/inbox" { (word("console-see-list")) } }
                div.panel__b { (by_step(ctx, &open)) }
            }
            section.panel aria-labelledby="p2" {
                div.panel__h { h2 #p2 { (word("console-came-in")) } span.sub.end { (new.len()) } }
                (came_in(ctx, &new, &figures.events))
            }
        }
        div.cols.c-3 {
            section.panel aria-labelledby="p3" { (disputes(ctx, &figures.events)) }
            section.panel aria-labelledby="p4" {
                div.panel__h { h2 #p4 { (word("console-holdings")) } a.go.end href="/console/records" { (word("console-ledger")) } }
                div.panel__b { (holdings(&figures.communities)) }
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
        @if let Some(backup) = &figures.backup { (backup) }
    }
}

fn kpi(href: &str, n: usize, label: &Markup) -> Markup {
    html! { a.kpi href=(href) { b { (n) } span { (label) } } }
}

/// Bars by stage and light, each figure also as text.
fn by_step(ctx: &Ctx, open: &[&Event]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let count = |stage: Stage, light: Light| {
        open.iter()
            .filter(|event| event.state.stage == stage)
            .filter(|event| workflow::light(&event.state, ctx.now).unwrap_or(Light::Green) == light)
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
        svg.chart viewBox="0 0 508 218" role="img" aria-label=(word("console-by-step-chart")) {
            @for (x, key) in [(352, "light-green"), (432, "light-yellow"), (508, "light-red")] {
                text.t2.end x=(x) y="18" { (word(key)) }
            }
            @for (row, (stage, [green, yellow, red])) in rows.iter().enumerate() {
                @let y = 44 * row + 66;
                text x="0" y=(y) { (word(&format!("stage-{}", crate::export::show::stage_code(*stage)))) }
                rect.l-g x=(start) y=(y - 18) width=(width(*green)) height="22" {}
                rect.l-y x=(start + width(*green)) y=(y - 18) width=(width(*yellow)) height="22" {}
                rect.l-r x=(start + width(*green) + width(*yellow)) y=(y - 18) width=(width(*red)) height="22" {}
                @for (x, n) in [(352, green), (432, yellow), (508, red)] {
                    text class={ (if *n == 0 { "t2" } else { "tb" }) " end" } x=(x) y=(y) { (n) }
                }
            }
        }
    }
}

fn came_in(ctx: &Ctx, new: &[&Event], all: &[Event]) -> Markup {
    let mut latest: Vec<&Event> = if new.is_empty() { all.iter().collect() } else { new.to_vec() };
    latest.sort_by_key(|event| std::cmp::Reverse(event.state.reported_at));
    html! {
        @if new.is_empty() { p.panel__b.sub { (ctx.words.text("console-nothing-today")) } }
        table.table.table--tight { tbody {
            @for event in latest.iter().take(SHORT) {
                tr {
                    td.cut { a.go href={ "/console/records/" (event.part.record) } { (event.part.title) } }
                    td.n { (event.part.areas.first().map(|id| ctx.area(*id)).unwrap_or_default()) }
                    td.r.n { time { (event.state.reported_at.map(|at| moment(ctx, at)).unwrap_or_default()) } }
                }
            }
        } }
    }
}

/// Disputes of this year by month: found and settled.
fn disputes(ctx: &Ctx, events: &[Event]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let now = beijing(ctx.now);
    let mut months = [(0_u32, 0_u32); 12];
    for event in events.iter().filter(|event| event.text("category").as_deref() == Some("dispute")) {
        let Some(at) = event.state.reported_at.map(beijing).filter(|at| at.year() == now.year()) else { continue };
        let Some(month) = months.get_mut(usize::try_from(at.month0()).unwrap_or(0)) else { continue };
        month.0 += 1;
        month.1 += u32::from(event.state.outcome.as_deref() == Some("reconciled"));
    }
    let (found, settled) = months.iter().fold((0, 0), |sum, month| (sum.0 + month.0, sum.1 + month.1));
    let last = usize::try_from(now.month()).unwrap_or(12);
    let shown: Vec<(usize, (u32, u32))> = months.into_iter().enumerate().take(last).collect();
    let shown = shown.get(shown.len().saturating_sub(5)..).unwrap_or_default();
    let most = shown.iter().map(|(_, month)| month.0).max().unwrap_or(0).max(1);
    let height = |n: u32| n * 62 / most;
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
                        (ctx.words.with("console-month", &[("n", (month + 1).to_string().into())]))
                    }
                }
                path.ax d="M0 86.5h340" {}
            }
            p.sub {
                (ctx.words.with("console-disputes-legend",
                    &[("found", found.to_string().into()), ("settled", settled.to_string().into())]))
            }
        }
    }
}

fn holdings(communities: &[(String, u64)]) -> Markup {
    let most = communities.iter().map(|(_, n)| *n).max().unwrap_or(0).max(1);
    let mut sorted: Vec<&(String, u64)> = communities.iter().collect();
    sorted.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    html! {
        ul.bars {
            @for (name, n) in sorted.into_iter().take(SHORT) {
                li {
                    span { (name) }
                    svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                        rect.b-a width=(n * 100 / most) height="8" {}
                    }
                    b { (grouped(*n)) }
                }
            }
        }
    }
}

fn silent_list(ctx: &Ctx, silent: &[&Device]) -> Markup {
    html! {
        @if silent.is_empty() { p.panel__b.sub { (ctx.words.text("console-all-online")) } }
        table.table.table--tight { tbody {
            @for device in silent.iter().take(SHORT) {
                tr {
                    td { (terminals::name(ctx, device)) }
                    td.r.n { (device.seen.as_ref().map_or_else(|| ctx.words.text("console-never-seen"), |seen| ago(&ctx.words, seen.at, ctx.now))) }
                    td.r.n { (terminals::owed(ctx, device)) }
                }
            }
        } }
    }
}
