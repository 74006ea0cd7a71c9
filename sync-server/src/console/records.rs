//! 台账: records by kind and area, and the search over all of them.

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};

use super::ctx::{Asked, with};
use super::layout::{self, Place, grouped, light};
use super::ledger::days;
use super::{Ctx, PageError};
use crate::App;
use crate::batch::state;
use crate::export::show;
use crate::search::Spot;
use crate::store::{PartFilter, Read, StoredPart, made_at};

/// Records a page.
const PAGE: u64 = 50;

/// Which records.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    q: Option<String>,
    kind: Option<String>,
    area: Option<String>,
    /// The first and the last day on which it was made.
    from: Option<chrono::NaiveDate>,
    to: Option<chrono::NaiveDate>,
    page: Option<u64>,
}

/// `GET /console/records`
pub async fn show(State(app): State<App>, asked: Asked, Query(choice): Query<Choice>) -> Response {
    with(app, asked, move |ctx| {
        ctx.must_see(Place::Ledger)?;
        let query = choice.q.as_deref().unwrap_or_default().trim();
        let kind = choice.kind.as_deref().and_then(RecordKind::from_code);
        let area = choice.area.as_deref().and_then(|id| id.parse().ok()).map(AreaId);
        let area = area.filter(|area| ctx.who.scope.contains(*area));
        let page = choice.page.unwrap_or(1).clamp(1, 100_000);
        let areas = match area {
            Some(area) => ctx.areas.scope(&[area]).iter().filter(|id| ctx.who.scope.contains(*id)).collect(),
            None => ctx.scope(),
        };
        let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let filter = PartFilter {
            kind,
            areas: Some(areas),
            made: days(choice.from, choice.to),
            newest_first: true,
            offset: (page - 1) * PAGE,
            limit: Some(PAGE),
            ..ctx.by_scope()
        };
        let mut rows = Vec::new();
        let count = ctx.read(|read| {
            rows.clear();
            if !words.is_empty() {
                let (found, count) = found(ctx, read, &filter, &words)?;
                rows = found;
                return Ok(count);
            }
            read.each_part(&filter, &mut |part| {
                if ctx.may_read(Part::Open, &part) {
                    rows.push(part);
                }
                Ok(true)
            })?;
            Ok::<_, PageError>(read.count_parts(&filter)?)
        })?;
        let place = Place::Ledger;
        let made = choice.from.zip(choice.to);
        let list = List { rows: &rows, count, page, query, kind, area, made };
        Ok(ctx.answer(place, &ctx.words.text("console-ledger"), &body(ctx, &list)?))
    })
    .await
}

/// A page of what a search finds, and how much that is.
pub fn found(
    ctx: &Ctx,
    read: &dyn Read,
    filter: &PartFilter,
    words: &[String],
) -> Result<(Vec<StoredPart>, u64), PageError> {
    let kinds: Vec<RecordKind> = match (filter.kind, &filter.kinds) {
        (Some(kind), Some(kinds)) => kinds.iter().copied().filter(|it| *it == kind).collect(),
        (Some(kind), None) => vec![kind],
        (None, kinds) => kinds.clone().unwrap_or_else(|| RecordKind::ALL.to_vec()),
    };
    let areas: Option<BTreeSet<AreaId>> = filter.areas.as_ref().map(|areas| areas.iter().copied().collect());
    let wanted = |spot: Spot<'_>| {
        let made =
            filter.made.is_none_or(|(from, to)| made_at(spot.record.0).is_some_and(|made| made >= from && made < to));
        kinds.contains(&spot.kind)
            && made
            && !(spot.visit && filter.without_visits)
            && areas.as_ref().is_none_or(|areas| spot.areas.iter().any(|area| areas.contains(area)))
    };
    let ids = ctx.app.search.find(read, words, &wanted)?;
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let skip = usize::try_from(filter.offset).unwrap_or(usize::MAX);
    let most = filter.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let page: Vec<(RecordId, Part)> = ids.into_iter().skip(skip).take(most).map(|id| (id, Part::Open)).collect();
    let parts = read.load_many(&page)?;
    Ok((parts.into_iter().filter(|part| ctx.may_read(Part::Open, part)).collect(), count))
}

#[derive(Default)]
struct List<'a> {
    rows: &'a [StoredPart],
    count: u64,
    page: u64,
    query: &'a str,
    kind: Option<RecordKind>,
    area: Option<AreaId>,
    made: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
}

impl List<'_> {
    fn href(&self, kind: Option<RecordKind>, page: u64) -> String {
        let mut parts = Vec::new();
        if !self.query.is_empty() {
            parts.push(format!("q={}", encoded(self.query)));
        }
        parts.extend(kind.map(|kind| format!("kind={}", kind.code())));
        parts.extend(self.area.map(|area| format!("area={area}")));
        parts.extend(self.made.map(|(from, to)| format!("from={from}&to={to}")));
        if page > 1 {
            parts.push(format!("page={page}"));
        }
        // Events have a ledger of their own, which a search leaves.
        if kind == Some(RecordKind::Event) && self.query.is_empty() {
            let area = self.area.map(|area| format!("?area={area}")).unwrap_or_default();
            return format!("/console/events{area}");
        }
        format!("/console/records?{}", parts.join("&"))
    }
}

/// A text inside a query (RFC 3986, section 2.1).
pub fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The ledgers: one a kind, and all records.
pub fn kinds(ctx: &Ctx, here: Option<RecordKind>) -> Markup {
    let href = |kind: Option<RecordKind>| List { kind, ..List::default() }.href(kind, 1);
    html! { nav.views aria-label=(ctx.words.text("console-kind")) { (kind_links(ctx, here, &href)) } }
}

fn kind_links(ctx: &Ctx, here: Option<RecordKind>, href: &dyn Fn(Option<RecordKind>) -> String) -> Markup {
    html! {
        a href=(href(None)) aria-current=[here.is_none().then_some("page")] { (ctx.words.text("console-all")) }
        @for kind in RecordKind::ALL {
            a href=(href(Some(kind))) aria-current=[(here == Some(kind)).then_some("page")] {
                (ctx.words.text(&format!("kind-{}", kind.code())))
            }
        }
    }
}

fn body(ctx: &Ctx, list: &List<'_>) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let titles = |_| None;
    let users = |_| None;
    let told = ctx.telling(&titles, &users);
    let mut rows = Vec::with_capacity(list.rows.len());
    for part in list.rows {
        let open = state(part)?;
        let facts = match ctx.forms.newest(part.kind) {
            Some(form) => ["type", "category", "id_number", "phone", "address"]
                .into_iter()
                .filter_map(|name| form.field(name))
                .map(|field| show::field(field, &open, &told))
                .filter(|fact| !fact.is_empty())
                .collect::<Vec<_>>()
                .join(&ctx.words.text("facts-separator")),
            None => String::new(),
        };
        rows.push((part, facts));
    }
    let beside = ctx.words.with("console-records-count", &[("n", grouped(list.count).into())]);
    let pages = list.count.div_ceil(PAGE).max(1);
    Ok(html! {
        (layout::top(ctx, &word("console-ledger"), &beside, list.query))
        nav.views aria-label=(word("console-kind")) {
            (kind_links(ctx, list.kind, &|kind| list.href(kind, 1)))
            form.end.pick action="/console/records" {
                @if let Some(kind) = list.kind { input type="hidden" name="kind" value=(kind.code()); }
                @if !list.query.is_empty() { input type="hidden" name="q" value=(list.query); }
                label.say for="area" { (word("batch-area")) }
                select.field__ctl id="area" name="area" {
                    option value="" { (word("console-whole-scope")) }
                    @for area in ctx.areas.iter().filter(|area| ctx.who.scope.contains(area.id)) {
                        option value=(area.id) selected[list.area == Some(area.id)] { (ctx.area(area.id)) }
                    }
                }
                button.btn.btn--second { (word("console-look")) }
            }
        }
        section.panel {
            @if rows.is_empty() {
                p.panel__b.sub { (word("console-nothing-found")) }
            } @else {
                table.table {
                    thead { tr {
                        th { (word("console-record")) } th { (word("console-kind")) } th { (word("console-facts")) }
                        th { (word("batch-area")) } th {}
                    } }
                    tbody {
                        @for (part, facts) in &rows {
                            tr {
                                td { a.go href={ "/console/records/" (part.record) } { (part.title) } }
                                td.n { (word(&format!("kind-{}", part.kind.code()))) }
                                td { (facts) }
                                td.n { (part.areas.iter().map(|id| ctx.area(*id)).collect::<Vec<_>>().join(&ctx.words.text("list-separator"))) }
                                td.r.n {
                                    @if part.open_fields > 0 { (light("yellow", &word("to-decide"))) }
                                    @if part.deleted { (light("off", &word("console-deleted"))) }
                                }
                            }
                        }
                    }
                }
                div.pager {
                    (ctx.words.with("console-page-of", &[("page", grouped(list.page).into()), ("pages", grouped(pages).into())]))
                    span.end {
                        @if list.page > 1 { a.btn.btn--quiet href=(list.href(list.kind, list.page - 1)) { (word("console-earlier-page")) } }
                        @if list.page < pages { a.btn.btn--quiet href=(list.href(list.kind, list.page + 1)) { (word("console-next-page")) } }
                    }
                }
            }
        }
    })
}
