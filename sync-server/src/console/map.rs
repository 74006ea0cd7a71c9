//! The map of the overview: the communities of a scope, or its grids, coloured by one figure; each is a link and each
//! figure stands there as text.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shared::area::{Area, AreaId, AreaLevel};
use shared::outline::Bounds;
use shared::record::RecordKind;
use shared::workflow::Light;

use super::Ctx;
use super::ledger;
use super::overview::Figures;

/// Width and height of the drawing.
const SIZE: (f64, f64) = (560.0, 280.0);
/// Shades, from the palest.
const SHADES: u64 = 4;

/// By what the map is coloured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Who was visited, of a hundred residents.
    Visited,
    /// Events under way.
    Open,
    /// Events over their time.
    Red,
    /// Residents' records that are complete, per cent.
    Complete,
}

impl Show {
    const ALL: [Self; 4] = [Self::Visited, Self::Open, Self::Red, Self::Complete];

    fn code(self) -> &'static str {
        match self {
            Self::Visited => "visited",
            Self::Open => "open",
            Self::Red => "red",
            Self::Complete => "complete",
        }
    }
}

/// The map by what `chosen` names.
pub fn map(ctx: &Ctx, figures: &Figures, chosen: &str) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let shown: Vec<Show> =
        Show::ALL.into_iter().filter(|show| *show != Show::Visited || !ctx.events_by_scope().without_visits).collect();
    let show =
        shown.iter().copied().find(|show| show.code() == chosen).or(shown.first().copied()).unwrap_or(Show::Open);
    let next = shown.iter().position(|it| *it == show).map_or(0, |place| (place + 1) % shown.len().max(1));
    let areas = drawn(ctx);
    let values: BTreeMap<AreaId, u64> =
        areas.iter().map(|area| (area.id, value(ctx, figures, show, area.id))).collect();
    let most = values.values().copied().max().unwrap_or(0).max(1);
    html! {
        div.panel__h {
            h2 #p2 { (word("desk-map")) } span.sub { (word(&format!("desk-map-{}", show.code()))) }
            @if let Some(next) = shown.get(next) {
                a.go.end href={ "/console?map=" (next.code()) } { (word("desk-map-next")) }
            }
        }
        div.panel__b {
            @match bounds(ctx, &areas) {
                Some(bounds) => {
                    svg.chart.map viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="group" aria-label=(word("desk-map")) {
                        @for area in &areas { (one(ctx, area, &bounds, values.get(&area.id).copied().unwrap_or(0), most, show)) }
                    }
                }
                None => (as_tiles(ctx, &areas, &values, most, show)),
            }
        }
    }
}

/// The communities of the scope; of a community's own, its grids.
fn drawn(ctx: &Ctx) -> Vec<&Area> {
    let level = |level| ctx.areas.iter().filter(move |area| area.level == level && ctx.who.scope.contains(area.id));
    let communities: Vec<&Area> = level(AreaLevel::Community).collect();
    if communities.len() > 1 { communities } else { level(AreaLevel::Grid).collect() }
}

/// Outlines of an area; a community without one of its own has those of its grids.
fn rings(ctx: &Ctx, area: &Area) -> Vec<Vec<[i32; 2]>> {
    if !area.outline.is_empty() {
        return area.outline.0.clone();
    }
    let below = ctx.areas.scope(&[area.id]);
    let grids = ctx.areas.iter().filter(|grid| below.contains(grid.id) && !grid.outline.is_empty());
    grids.flat_map(|grid| grid.outline.0.clone()).collect()
}

fn bounds(ctx: &Ctx, areas: &[&Area]) -> Option<Bounds> {
    // With less than half of them drawn, tiles tell more.
    let around = |area: &&Area| Bounds::around(rings(ctx, area).into_iter().flatten());
    let drawn: Vec<Bounds> = areas.iter().filter_map(around).collect();
    if drawn.len() * 2 <= areas.len() {
        return None;
    }
    drawn.into_iter().reduce(Bounds::with)
}

fn value(ctx: &Ctx, figures: &Figures, show: Show, area: AreaId) -> u64 {
    let below = ctx.areas.scope(&[area]);
    let here = |areas: &[AreaId]| areas.iter().any(|id| below.contains(*id));
    let people = |complete: bool| -> u64 {
        let of = figures.holdings.iter().filter(|tally| tally.kind == RecordKind::Person && here(&tally.areas));
        of.filter(|tally| !complete || tally.complete).map(|tally| tally.count).sum()
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    match show {
        Show::Visited => {
            let visited = figures.visited.iter().filter(|(_, areas)| here(areas)).count();
            (count(visited) * 100).checked_div(people(false)).unwrap_or(0)
        }
        Show::Open => count(figures.open.iter().filter(|event| here(&event.areas)).count()),
        Show::Red => {
            let red = |event: &&crate::store::EventRow| event.facts.light(ctx.now) == Some(Light::Red);
            count(figures.open.iter().filter(|event| here(&event.areas)).filter(red).count())
        }
        Show::Complete => (people(true) * 100).checked_div(people(false)).unwrap_or(0),
    }
}

fn href(show: Show, area: AreaId) -> String {
    let area = area.to_string();
    match show {
        Show::Visited => ledger::link(&[("category", "visit"), ("area", &area)]),
        Show::Open => ledger::link(&[("stage", "open"), ("area", &area)]),
        Show::Red => ledger::link(&[("light", "red"), ("area", &area)]),
        Show::Complete => format!("/console/records?kind=person&area={area}"),
    }
}

fn shade(value: u64, most: u64) -> u64 {
    (value * SHADES / most.max(1)).min(SHADES)
}

fn one(ctx: &Ctx, area: &Area, bounds: &Bounds, value: u64, most: u64, show: Show) -> Markup {
    let (width, height) =
        (f64::from(bounds.east - bounds.west).max(1.0), f64::from(bounds.north - bounds.south).max(1.0));
    // One degree of longitude is shorter than one of latitude, by the cosine.
    let middle = (f64::from(bounds.south) + f64::from(bounds.north)) / 2_000_000.0;
    let narrow = middle.to_radians().cos().max(0.1);
    let scale = (SIZE.0 / (width * narrow)).min(SIZE.1 / height);
    let left = (SIZE.0 - width * narrow * scale) / 2.0;
    let point = |[lon, lat]: [i32; 2]| {
        (left + f64::from(lon - bounds.west) * narrow * scale, f64::from(bounds.north - lat) * scale)
    };
    let rings = rings(ctx, area);
    let mut path = String::new();
    for ring in &rings {
        for (place, at) in ring.iter().enumerate() {
            let (x, y) = point(*at);
            path.push_str(&format!("{}{x:.1} {y:.1}", if place == 0 { "M" } else { "L" }));
        }
        path.push('Z');
    }
    let around = room(&rings);
    html! {
        a href=(href(show, area.id)) aria-label={ (area.name) " " (value) } {
            path class={ "map__a map__a--" (shade(value, most)) } d=(path) {}
            @if let Some(around) = around {
                @let (west, north) = point([around.west, around.north]);
                @let (east, south) = point([around.east, around.south]);
                @let (x, y) = ((west + east) / 2.0, (north + south) / 2.0);
                // Where there is no room for words the figure alone stands; the name is in the link.
                @if east - west > 62.0 && south - north > 40.0 {
                    text class={ "mid map__t--" (shade(value, most)) } x=(format!("{x:.1}")) y=(format!("{:.1}", y - 3.0)) { (short(&area.name)) }
                    text class={ "mid tb map__t--" (shade(value, most)) } x=(format!("{x:.1}")) y=(format!("{:.1}", y + 17.0)) { (value) }
                } @else {
                    text class={ "mid tb map__t--" (shade(value, most)) } x=(format!("{x:.1}")) y=(format!("{:.1}", y + 6.0)) { (value) }
                }
            }
        }
    }
}

/// Where the figure stands: in that of an area's outlines that lies nearest to its middle. The middle itself may be a neighbour's.
fn room(rings: &[Vec<[i32; 2]>]) -> Option<Bounds> {
    let middle = |of: &Bounds| (i64::from(of.west) + i64::from(of.east), i64::from(of.south) + i64::from(of.north));
    let (x, y) = middle(&Bounds::around(rings.iter().flatten().copied())?);
    let each = rings.iter().filter_map(|ring| Bounds::around(ring.iter().copied()));
    each.min_by_key(|of| {
        let (east, north) = middle(of);
        (east - x).pow(2) + (north - y).pow(2)
    })
}

/// A name without the word for what it is.
fn short(name: &str) -> String {
    let name = ["社区", "村"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    name.chars().take(6).collect()
}

/// Where nobody drew outlines: one tile an area.
fn as_tiles(ctx: &Ctx, areas: &[&Area], values: &BTreeMap<AreaId, u64>, most: u64, show: Show) -> Markup {
    html! {
        ul.tiles {
            @for area in areas {
                @let value = values.get(&area.id).copied().unwrap_or(0);
                li { a class={ "tile tile--" (shade(value, most)) } href=(href(show, area.id)) {
                    span { (if area.level == AreaLevel::Grid { ctx.area(area.id) } else { area.name.clone() }) } b { (value) }
                } }
            }
        }
    }
}
