//! 事件台账: events by category, area, period and where they stand; every figure of the overview and of the monthly report
//! leads here.

use assets::messages::Lang;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::AreaId;
use shared::author::Role;
use shared::record::RecordKind;
use shared::workflow::{Light, Stage};

use super::ctx::{Asked, with};
use super::layout::{self, Place, csrf, facts_light, grouped, light, light_code, moment};
use super::records::{encoded, kinds};
use super::{Ctx, PageError, views};
use crate::App;
use crate::export::show::beijing;
use crate::store::{EventFilter, EventRow, Span};

/// Events a page.
const PAGE: u64 = 50;

/// The state of whatever went through the steps: reported, wherever it stands by now.
const REPORTED: &str = "reported_any";

/// Which events, as the address says it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Choice {
    /// Codes of categories, a comma between two.
    #[serde(default)]
    pub category: String,
    /// Codes of 代办, a comma between two.
    #[serde(default)]
    pub service: String,
    /// Codes of sources, a comma between two.
    #[serde(default)]
    pub source: String,
    /// `open`, or a stage's code.
    #[serde(default)]
    pub stage: String,
    /// A light's code: of those under way.
    #[serde(default)]
    pub light: String,
    /// An outcome's code.
    #[serde(default)]
    pub outcome: String,
    /// An area with all below it.
    #[serde(default)]
    pub area: String,
    /// By when it was `closed`; else by when it was reported or done.
    #[serde(default)]
    pub by: String,
    /// The first day.
    #[serde(default)]
    pub from: String,
    /// The last day.
    #[serde(default)]
    pub to: String,
    /// The last day on which it was closed, beside the days on which it was reported.
    #[serde(default)]
    pub closed_to: String,
    /// `1`: those with a number, in the order of the numbers.
    #[serde(default)]
    pub archived: String,
    #[serde(default)]
    page: String,
}

/// Midnight of Beijing at which a day begins.
pub fn begins(day: NaiveDate) -> Option<DateTime<Utc>> {
    let midnight = day.and_hms_opt(0, 0, 0)?.and_utc();
    midnight.checked_sub_signed(chrono::TimeDelta::hours(8))
}

/// From the beginning of the first day to the end of the last; one that is not named is far away.
pub fn days(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Option<Span> {
    let from = from.and_then(begins);
    let to = to.and_then(|day| day.checked_add_days(Days::new(1))).and_then(begins);
    match (from, to) {
        (None, None) => None,
        (from, to) => Some((from.unwrap_or(DateTime::UNIX_EPOCH), to.unwrap_or(DateTime::<Utc>::MAX_UTC))),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect()
}

impl Choice {
    /// Both days belong to it; one that is not named is far away.
    fn span(&self) -> Option<Span> {
        days(self.from.parse().ok(), self.to.parse().ok())
    }

    fn area(&self, ctx: &Ctx) -> Option<AreaId> {
        self.area.parse().ok().map(AreaId).filter(|area| ctx.who.scope.contains(*area))
    }

    fn light(&self) -> Option<Light> {
        Light::ALL.iter().copied().find(|light| light_code(*light) == self.light)
    }

    /// As the store takes it, without the page.
    pub fn filter(&self, ctx: &Ctx) -> EventFilter {
        let mut filter = ctx.events_by_scope();
        if let (Some(area), Some(mine)) = (self.area(ctx), filter.areas.as_mut()) {
            let below = ctx.areas.scope(&[area]);
            mine.retain(|id| below.contains(*id));
        }
        let span = self.span();
        let (at, mut closed) = if self.by == "closed" { (None, span) } else { (span, None) };
        if let Ok(last) = self.closed_to.parse() {
            closed = days(None, Some(last));
        }
        EventFilter {
            open_only: self.stage == "open" || self.light().is_some(),
            categories: list(&self.category),
            services: list(&self.service),
            sources: list(&self.source),
            stages: Stage::ALL
                .iter()
                .copied()
                .filter(|stage| stage.code() == self.stage || self.stage == REPORTED)
                .collect(),
            outcome: Some(self.outcome.clone()).filter(|code| !code.is_empty()),
            archived: self.archived == "1",
            at,
            closed,
            ..filter
        }
    }

    fn page(&self) -> u64 {
        self.page.parse().unwrap_or(1).clamp(1, 100_000)
    }

    /// The address of the same choice, at a page.
    pub fn href(&self, page: u64) -> String {
        let mut parts: Vec<String> = self
            .named()
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if page > 1 {
            parts.push(format!("page={page}"));
        }
        if parts.is_empty() { "/console/events".to_owned() } else { format!("/console/events?{}", parts.join("&")) }
    }

    fn named(&self) -> [(&'static str, &str); 12] {
        [
            ("category", &self.category),
            ("service", &self.service),
            ("source", &self.source),
            ("stage", &self.stage),
            ("light", &self.light),
            ("outcome", &self.outcome),
            ("area", &self.area),
            ("by", &self.by),
            ("from", &self.from),
            ("to", &self.to),
            ("archived", &self.archived),
            ("closed_to", &self.closed_to),
        ]
    }
}

/// `GET /console/events`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Ledger)?;
        let (rows, count, saved) = ctx.read(|read| {
            let (rows, count) = found(ctx, read, &choice)?;
            Ok::<_, PageError>((rows, count, views::of(ctx, read)?))
        })?;
        let list = List { rows, count, choice: &choice };
        Ok(ctx.answer(Place::Ledger, &ctx.words.text("console-ledger"), &body(ctx, &list, &saved)))
    })
    .await
}

fn found(ctx: &Ctx, read: &dyn crate::store::Read, choice: &Choice) -> Result<(Vec<EventRow>, u64), PageError> {
    let filter = choice.filter(ctx);
    let offset = (choice.page() - 1) * PAGE;
    let mut rows = Vec::new();
    if let Some(wanted) = choice.light() {
        // What a light shows depends on the hour: of the few under way each is looked at.
        read.each_event(&filter, &mut |event| {
            if event.facts.light(ctx.now) == Some(wanted) {
                rows.push(event);
            }
            Ok(true)
        })?;
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        rows.sort_by_key(|event| event.facts.due);
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let shown = rows.into_iter().skip(skip).take(usize::try_from(PAGE).unwrap_or(usize::MAX));
        return Ok((shown.collect(), count));
    }
    read.each_event(&EventFilter { offset, limit: Some(PAGE), ..filter.clone() }, &mut |event| {
        rows.push(event);
        Ok(true)
    })?;
    let count = read.tally_events(&filter, &[])?.iter().map(|tally| tally.count).sum();
    Ok((rows, count))
}

struct List<'a> {
    rows: Vec<EventRow>,
    count: u64,
    choice: &'a Choice,
}

/// The label of a code of a choice field of the events' form.
pub fn choice_label(ctx: &Ctx, field: &str, code: &str) -> String {
    choice_label_in(ctx, ctx.words.lang(), field, code)
}

/// The same in a language that is not that of the page.
pub fn choice_label_in(ctx: &Ctx, lang: Lang, field: &str, code: &str) -> String {
    let form = ctx.forms.newest(RecordKind::Event);
    let field = form.and_then(|form| form.field(field));
    let choice = field.and_then(|field| field.choices.iter().find(|choice| choice.code == code));
    choice
        .map_or_else(|| code.to_owned(), |choice| if lang == Lang::En { choice.en.clone() } else { choice.zh.clone() })
}

/// The codes of a choice field of the events' form.
pub fn codes(ctx: &Ctx, field: &str) -> Vec<String> {
    let form = ctx.forms.newest(RecordKind::Event);
    let field = form.and_then(|form| form.field(field));
    field.map(|field| field.choices.iter().map(|choice| choice.code.clone()).collect()).unwrap_or_default()
}

/// A select with a label, `chosen` among `options`; the empty code stands first.
pub fn select(name: &str, label: &str, none: &str, chosen: &str, options: &[(String, String)]) -> Markup {
    html! {
        div.field {
            label.field__label for={ "f-" (name) } { (label) }
            select.field__ctl id={ "f-" (name) } name=(name) {
                option value="" { (none) }
                @for (code, text) in options { option value=(code) selected[code == chosen] { (text) } }
                // Several at once, as a figure asked for them.
                @if !chosen.is_empty() && !options.iter().any(|(code, _)| code == chosen) {
                    option value=(chosen) selected { (chosen.split(',').filter_map(|one| options.iter().find(|(code, _)| code == one)).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" / ")) }
                }
            }
        }
    }
}

fn day_field(name: &str, label: &str, value: &str) -> Markup {
    html! {
        div.field {
            label.field__label for={ "f-" (name) } { (label) }
            input.field__ctl id={ "f-" (name) } name=(name) type="date" value=(value);
        }
    }
}

fn body(ctx: &Ctx, list: &List<'_>, saved: &[views::View]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let choice = list.choice;
    let beside = ctx.words.with("console-records-count", &[("n", grouped(list.count).into())]);
    html! {
        (layout::top(ctx, &word("console-ledger"), &beside, ""))
        (kinds(ctx, Some(RecordKind::Event)))
        (views::panel(ctx, saved, &choice.href(1)))
        form.panel.sieve action="/console/events" aria-label=(word("desk-filters")) {
            (select("category", &label(ctx, "category"), &word("console-all"), &choice.category, &options(ctx, "category")))
            (select("stage", &word("console-state"), &word("console-all"), &choice.stage, &stages(ctx)))
            (select("source", &label(ctx, "source"), &word("console-all"), &choice.source, &options(ctx, "source")))
            (select("area", &word("batch-area"), &word("console-whole-scope"), &choice.area, &areas(ctx)))
            (day_field("from", &word("desk-from"), &choice.from))
            (day_field("to", &word("desk-to"), &choice.to))
            (select("by", &word("desk-by"), &word("desk-by-at"), &choice.by, &[("closed".to_owned(), word("desk-by-closed"))]))
            @for (name, value) in [("service", &choice.service), ("outcome", &choice.outcome), ("archived", &choice.archived), ("light", &choice.light), ("closed_to", &choice.closed_to)] {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
            div.field.sieve__go {
                button.btn.btn--second { (word("console-look")) }
                a.btn.btn--quiet href="/console/events" { (word("desk-all-events")) }
            }
        }
        section.panel.panel--below {
            @if list.rows.is_empty() {
                p.panel__b.sub { (word("console-nothing-found")) }
            } @else {
                table.table {
                    thead { tr {
                        th { (word("kind-event")) } th { (label(ctx, "category")) } th { (word("batch-area")) }
                        th { (word("console-when")) } th { (word("host")) } th { (word("console-state")) } th {}
                    } }
                    tbody { @for event in &list.rows { (row(ctx, event)) } }
                }
                (pager(ctx, list))
                @if ctx.who.user.role == Role::CenterStaff && choice.stage == Stage::Closed.code() {
                    // What this page shows, numbered in one go.
                    form.tools method="post" action="/console/inbox/act" {
                        (csrf(ctx)) input type="hidden" name="back" value=(choice.href(1));
                        @for event in &list.rows {
                            input type="hidden" name="e" value=(event.record);
                            input type="hidden" name={ "seen-" (event.record) } value=(event.seq);
                        }
                        button.btn.btn--second name="do" value="step-archive" {
                            (ctx.words.with("desk-archive-page", &[("n", list.rows.len().to_string().into())]))
                        }
                    }
                }
            }
        }
    }
}

fn label(ctx: &Ctx, field: &str) -> String {
    let form = ctx.forms.newest(RecordKind::Event);
    let field = form.and_then(|form| form.field(field));
    field.map(|field| field.label.in_lang(ctx.words.lang().tag()).to_owned()).unwrap_or_default()
}

fn options(ctx: &Ctx, field: &str) -> Vec<(String, String)> {
    codes(ctx, field).into_iter().map(|code| (code.clone(), choice_label(ctx, field, &code))).collect()
}

fn stages(ctx: &Ctx) -> Vec<(String, String)> {
    let stages = Stage::ALL.iter().map(|stage| stage.code()).map(|code| (code.to_owned(), format!("stage-{code}")));
    let first = [("open", "console-under-way"), (REPORTED, "desk-reported-any")];
    let first = first.map(|(code, key)| (code.to_owned(), key.to_owned()));
    let all = first.into_iter().chain(stages);
    all.map(|(code, key)| (code, ctx.words.text(&key))).collect()
}

/// The areas of somebody's scope, for a select.
pub fn areas(ctx: &Ctx) -> Vec<(String, String)> {
    let mine = ctx.areas.iter().filter(|area| ctx.who.scope.contains(area.id));
    mine.map(|area| (area.id.to_string(), ctx.area(area.id))).collect()
}

fn row(ctx: &Ctx, event: &EventRow) -> Markup {
    let facts = &event.facts;
    let title =
        if event.title.is_empty() { choice_label(ctx, "category", &facts.category) } else { event.title.clone() };
    html! {
        tr {
            td { a.go href={ "/console/records/" (event.record) } { (title) } }
            td.n { (choice_label(ctx, "category", &facts.category)) }
            td.n { (event.areas.iter().map(|id| ctx.area(*id)).collect::<Vec<_>>().join(&ctx.words.text("list-separator"))) }
            td.n { time { (moment(ctx, facts.at)) } }
            td.n { (facts.host.and_then(|id| ctx.users.get(&id)).cloned().unwrap_or_default()) }
            td.n {
                @match facts.stage {
                    Some(stage) => (ctx.words.text(&format!("stage-{}", stage.code()))),
                    None => (ctx.words.text("desk-recorded")),
                }
                @if !facts.ledger.is_empty() { " " b { (facts.ledger) } }
            }
            td.r.n {
                (facts_light(ctx, facts))
                @if event.deleted { (light("off", &ctx.words.text("console-deleted"))) }
            }
        }
    }
}

fn pager(ctx: &Ctx, list: &List<'_>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let (page, pages) = (list.choice.page(), list.count.div_ceil(PAGE).max(1));
    html! {
        div.pager {
            (ctx.words.with("console-page-of", &[("page", grouped(page).into()), ("pages", grouped(pages).into())]))
            span.end {
                @if page > 1 { a.btn.btn--quiet href=(list.choice.href(page - 1)) { (word("console-earlier-page")) } }
                @if page < pages { a.btn.btn--quiet href=(list.choice.href(page + 1)) { (word("console-next-page")) } }
            }
        }
    }
}

/// Where the open events of a choice lead, by the keys of a report or the overview.
pub fn link(pairs: &[(&str, &str)]) -> String {
    let parts: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    format!("/console/events?{}", parts.join("&"))
}

/// A day of Beijing as an address has it.
pub fn today(ctx: &Ctx) -> String {
    beijing(ctx.now).date_naive().to_string()
}
