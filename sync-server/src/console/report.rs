//! The page of the monthly report: it prints on A4, every figure leads to the records behind it.

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{Datelike as _, Months, NaiveDate};
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::AreaId;

use super::ctx::{Asked, with};
use super::layout::{self, Place, grouped};
use super::{Ctx, PageError, ledger};
use crate::App;
use crate::export::show::beijing;
use crate::report::{self, Counted, Figure, Figures, Line, Period, Sight, is_as_of_now};

/// Months that can be chosen.
const MONTHS: u32 = 36;

/// Which months, as `2026-11`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Choice {
    #[serde(default)]
    month: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

impl Choice {
    fn period(&self, ctx: &Ctx) -> Period {
        let month = |text: &str| format!("{text}-01").parse::<NaiveDate>().ok();
        let today = beijing(ctx.now).date_naive();
        let from = month(&self.from).or_else(|| month(&self.month));
        let to = month(&self.to).or_else(|| month(&self.month)).or(from);
        let asked = from.zip(to).and_then(|(from, to)| Period::new(from, to));
        asked.unwrap_or_else(|| Period::month_of(today))
    }
}

struct Report {
    period: Period,
    now: Counted,
    before: Counted,
    shown: Vec<Figure>,
    communities: Vec<(AreaId, Vec<AreaId>)>,
}

fn made(ctx: &Ctx, choice: &Choice) -> Result<Report, PageError> {
    ctx.must_see(Place::Report)?;
    let period = choice.period(ctx);
    let areas: BTreeSet<AreaId> = ctx.who.scope.iter().collect();
    let sight = Sight { events: ctx.events_by_scope(), areas: areas.clone(), cleared: ctx.who.user.cleared };
    let (now, before) = ctx.read(|read| {
        let now = report::count(read, &sight, period, true)?;
        let before = period.before().map(|before| report::count(read, &sight, before, false)).transpose()?;
        Ok::<_, PageError>((now, before.unwrap_or_default()))
    })?;
    let shown = Figure::ALL.into_iter().filter(|figure| *figure != Figure::Care || sight.cleared).collect();
    Ok(Report { period, now, before, shown, communities: report::areas(&ctx.areas, &areas) })
}

/// `GET /console/report`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        let report = made(ctx, &choice)?;
        Ok(ctx.answer(Place::Report, &ctx.words.text("report"), &body(ctx, &report)))
    })
    .await
}

/// `GET /console/report.xlsx`
pub async fn workbook(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        let report = made(ctx, &choice)?;
        let mut lines = Vec::new();
        for (community, grids) in &report.communities {
            let name = ctx.areas.get(*community).map(|area| area.name.clone()).unwrap_or_default();
            let figures = of_community(&report.now, *community, grids);
            lines.push(Line { community: name.clone(), grid: String::new(), figures });
            for grid in grids {
                let grid_name = ctx.areas.get(*grid).map(|area| area.name.clone()).unwrap_or_default();
                let figures = report.now.of(|area| area == *grid);
                lines.push(Line { community: name.clone(), grid: grid_name, figures });
            }
        }
        let title = title(ctx);
        let bytes =
            report::workbook(&ctx.words, &title, report.period, &report.shown, (&report.now, &report.before), &lines)
                .map_err(|error| PageError::Failed(error.to_string()))?;
        let name = format!("attachment; filename=\"report-{}.xlsx\"", report.period.first().format("%Y-%m"));
        let mut response = bytes.into_response();
        let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(name) = HeaderValue::from_str(&name) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
        }
        Ok(response)
    })
    .await
}

fn of_community(counted: &Counted, community: AreaId, grids: &[AreaId]) -> Figures {
    counted.of(|area| area == community || grids.contains(&area))
}

fn title(ctx: &Ctx) -> String {
    ctx.words.with("report-title", &[("town", ctx.town_name().into())])
}

/// Where the events of a figure are listed.
fn href(figure: Figure, period: Period, area: Option<AreaId>) -> String {
    let area = area.map(|area| area.to_string()).unwrap_or_default();
    let (from, to) = (period.first().to_string(), period.last().to_string());
    match figure.ledger() {
        Some(pairs) => {
            let mut pairs = pairs.to_vec();
            if figure == Figure::DisputesOfThese {
                pairs.push(("closed_to", to.as_str()));
            }
            pairs.extend([("area", area.as_str()), ("from", from.as_str()), ("to", to.as_str())]);
            ledger::link(&pairs)
        }
        None if figure == Figure::NewResidents => {
            format!("/console/records?kind=person&area={area}&from={from}&to={to}")
        }
        None => format!("/console/records?kind=person&area={area}"),
    }
}

fn linked(figure: Figure, period: Period, area: Option<AreaId>, count: u64) -> Markup {
    html! {
        @if count == 0 { span.sub { "0" } } @else { a href=(href(figure, period, area)) { (grouped(count)) } }
    }
}

fn per_cent(tenths: Option<u64>) -> String {
    tenths.map_or_else(|| "—".to_owned(), |tenths| format!("{}.{}%", tenths / 10, tenths % 10))
}

fn body(ctx: &Ctx, report: &Report) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let period = report.period;
    let (now, before) = (report.now.of(|_| true), report.before.of(|_| true));
    let past = period.before();
    let days = format!("{} – {}", period.first(), period.last());
    let asked = format!("from={}&to={}", period.first().format("%Y-%m"), period.last().format("%Y-%m"));
    html! {
        (layout::top(ctx, &word("report"), &days, ""))
        form.panel.sieve.unprinted action="/console/report" aria-label=(word("desk-filters")) {
            (month_field(ctx, "from", &word("report-from"), period.first()))
            (month_field(ctx, "to", &word("report-to"), period.last()))
            div.field.sieve__go { button.btn.btn--second { (word("console-look")) } }
            div.field.sieve__go { a.btn.btn--quiet href={ "/console/report.xlsx?" (asked) } { (layout::icon("download")) "XLSX" } }
        }
        section.panel.panel--below aria-labelledby="r1" {
            div.panel__h { h2 #r1 { (title(ctx)) } span.sub.end { (days) } }
            table.table.report {
                thead { tr {
                    th { (word("report-figure")) } th.r { (word("report-now")) } th.r { (word("report-before")) }
                    th.r { (word("report-more")) }
                } }
                tbody {
                    @for figure in &report.shown {
                        @let (this, last) = (now.get(*figure), before.get(*figure));
                        tr {
                            td { (word(&format!("report-{}", figure.code()))) }
                            td.r { (linked(*figure, period, None, this)) }
                            @if is_as_of_now(*figure) { td.r.sub { "—" } td.r.sub { "—" } } @else {
                                td.r { @match past { Some(past) => (linked(*figure, past, None, last)), None => "—" } }
                                td.r { (difference(this, last)) }
                            }
                        }
                        @if *figure == Figure::DisputesOfThese {
                            tr {
                                td { (word("report-rate")) } td.r { b { (per_cent(now.rate())) } }
                                td.r { (per_cent(before.rate())) } td.r {}
                            }
                        }
                    }
                }
            }
        }
        section.panel.panel--below.wide aria-labelledby="r2" {
            div.panel__h { h2 #r2 { (word("report-by-area")) } span.sub.end { (days) } }
            div.wide__b tabindex="0" role="region" aria-labelledby="r2" {
                table.table.table--tight.report {
                    thead { tr {
                        th { (word("batch-area")) }
                        @for figure in by_area(report) { th.r { (word(&format!("report-short-{}", figure.code()))) } }
                        th.r { (word("report-short-rate")) }
                    } }
                    @for (community, grids) in &report.communities {
                        tbody {
                            (line(report, *community, &ctx.area(*community), &of_community(&report.now, *community, grids), true))
                            @for grid in grids {
                                @let name = ctx.areas.get(*grid).map(|area| area.name.clone()).unwrap_or_default();
                                (line(report, *grid, &name, &report.now.of(|area| area == *grid), false))
                            }
                        }
                    }
                }
            }
        }
        p.sub.panel--below { (word("report-notes")) }
    }
}

/// The figures that stand by area: what is a sum of others stands above.
fn by_area(report: &Report) -> impl Iterator<Item = Figure> + '_ {
    report.shown.iter().copied().filter(|figure| *figure != Figure::DisputesOfThese)
}

fn line(report: &Report, area: AreaId, name: &str, figures: &Figures, whole: bool) -> Markup {
    html! {
        tr.report__sum[whole] {
            td.n { @if whole { b { (name) } } @else { (name) } }
            @for figure in by_area(report) {
                td.r { (linked(figure, report.period, Some(area), figures.get(figure))) }
            }
            td.r { (per_cent(figures.rate())) }
        }
    }
}

fn difference(this: u64, last: u64) -> String {
    match this.cmp(&last) {
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", grouped(this - last)),
        std::cmp::Ordering::Less => format!("−{}", grouped(last - this)),
    }
}

fn month_field(ctx: &Ctx, name: &str, label: &str, chosen: NaiveDate) -> Markup {
    let today = beijing(ctx.now).date_naive();
    let months = (0..MONTHS).filter_map(|back| today.checked_sub_months(Months::new(back)));
    let months: Vec<String> = months.map(|day| format!("{}-{:02}", day.year(), day.month())).collect();
    let chosen = format!("{}-{:02}", chosen.year(), chosen.month());
    html! {
        div.field {
            label.field__label for={ "f-" (name) } { (label) }
            select.field__ctl id={ "f-" (name) } name=(name) {
                @if !months.contains(&chosen) { option selected { (chosen) } }
                @for month in &months { option selected[*month == chosen] { (month) } }
            }
        }
    }
}
