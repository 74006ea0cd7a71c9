//! What has a place, for maps: a FeatureCollection (RFC 7946, WGS-84) a kind, and one of the areas' outlines.
//!
//! The properties of a record are the fields of its NDJSON line under the same masks; what the line says beside them has an
//! underscore before its name, which no field of a form has: `_kind`, `_status`, `_areas`. One feature a line, keys sorted,
//! so that the same cut gives the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::area::{Area, AreaId};
use shared::form::{FieldType, Position};
use shared::outline::{Micro, Outline};
use shared::view;

use super::columns::Columns;
use super::ndjson::{FieldValue, fields};
use super::{Line, Telling};

/// Before the first feature.
pub const BEGIN: &[u8] = b"{\"type\":\"FeatureCollection\",\"features\":[\n";
/// Between two of them.
pub const BETWEEN: &[u8] = b",\n";
/// After the last.
pub const END: &[u8] = b"\n]}\n";

/// A millionth of a degree.
const MICRO: f64 = 1e6;

#[derive(Serialize)]
struct Feature<P> {
    r#type: &'static str,
    id: String,
    geometry: Geometry,
    properties: P,
}

#[derive(Serialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Point([f64; 2]),
    Polygon(Vec<Vec<[f64; 2]>>),
    MultiPolygon(Vec<Vec<Vec<[f64; 2]>>>),
}

#[derive(Serialize)]
struct Record<'a> {
    _kind: &'a str,
    _status: &'a str,
    _areas: Vec<AreaId>,
    #[serde(flatten)]
    fields: BTreeMap<&'a str, FieldValue>,
}

/// The feature of a record; none where it has no position.
pub fn record(columns: &Columns<'_>, line: &Line, told: &Telling<'_>) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let positions = columns.fields().iter().filter(|field| field.kind == FieldType::Position);
    let mut found = positions.filter_map(|field| {
        let part = if field.restricted { line.restricted.as_ref()? } else { &line.open };
        view::shown(part, &field.name, field.policy())?.get::<Position>()
    });
    let on_earth = |at: &Position| (-180.0..=180.0).contains(&at.lon) && (-90.0..=90.0).contains(&at.lat);
    let Some(at) = found.find(on_earth) else { return Ok(None) };
    let properties = Record {
        _kind: line.kind.code(),
        _status: line.status.code(),
        _areas: view::areas(&line.open),
        fields: fields(columns, line, told),
    };
    let (id, geometry) = (line.id.to_string(), Geometry::Point([at.lon, at.lat]));
    serde_json::to_vec(&Feature { r#type: "Feature", id, geometry, properties }).map(Some)
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    level: shared::area::AreaLevel,
    code: &'a str,
    parent: Option<AreaId>,
}

/// The feature of an area; none where nobody drew it.
pub fn area(area: &Area) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let mut polygons = polygons(&area.outline);
    let geometry = match polygons.len() {
        0 => return Ok(None),
        1 => Geometry::Polygon(polygons.remove(0)),
        _ => Geometry::MultiPolygon(polygons),
    };
    let properties = Named { name: &area.name, level: area.level, code: &area.code, parent: area.parent };
    serde_json::to_vec(&Feature { r#type: "Feature", id: area.id.to_string(), geometry, properties }).map(Some)
}

/// The polygons of an outline, each with its holes: a ring within an odd number of others is a hole.
fn polygons(outline: &Outline) -> Vec<Vec<Vec<[f64; 2]>>> {
    let rings: Vec<&Vec<Micro>> = outline.0.iter().filter(|ring| ring.len() >= 3).collect();
    let around = |ring: &Vec<Micro>| -> Vec<usize> {
        let Some(point) = ring.first() else { return Vec::new() };
        let others = rings.iter().enumerate().filter(|(_, other)| !std::ptr::eq(**other, ring));
        others.filter(|(_, other)| contains(other, *point)).map(|(place, _)| place).collect()
    };
    let around: Vec<Vec<usize>> = rings.iter().map(|ring| around(ring)).collect();
    let mut polygons: BTreeMap<usize, Vec<Vec<[f64; 2]>>> = BTreeMap::new();
    for (place, (ring, outer)) in rings.iter().zip(&around).enumerate() {
        if outer.len() % 2 == 0 {
            polygons.insert(place, vec![closed(ring, true)]);
        }
    }
    for (ring, outer) in rings.iter().zip(&around).filter(|(_, outer)| outer.len() % 2 == 1) {
        // Of the rings around it the innermost, which has all the others around itself.
        let innermost = outer.iter().max_by_key(|place| around.get(**place).map_or(0, Vec::len));
        if let Some(polygon) = innermost.and_then(|place| polygons.get_mut(place)) {
            polygon.push(closed(ring, false));
        }
    }
    polygons.into_values().collect()
}

/// A ring as RFC 7946 wants it: its first point again at the end, counter-clockwise, a hole clockwise.
fn closed(ring: &[Micro], counter_clockwise: bool) -> Vec<[f64; 2]> {
    let pairs = || ring.iter().zip(ring.iter().cycle().skip(1));
    let area: i128 = pairs()
        .map(|([x, y], [next_x, next_y])| i128::from(*x) * i128::from(*next_y) - i128::from(*next_x) * i128::from(*y))
        .sum();
    let degrees = |[lon, lat]: &Micro| [f64::from(*lon) / MICRO, f64::from(*lat) / MICRO];
    let mut points: Vec<[f64; 2]> = ring.iter().map(degrees).collect();
    if (area > 0) != counter_clockwise {
        points.reverse();
    }
    points.extend(points.first().copied());
    points
}

/// Whether a point lies within a ring: a line from it to the east crosses the ring an odd number of times.
fn contains(ring: &[Micro], [x, y]: Micro) -> bool {
    let crosses = |([from_x, from_y], [to_x, to_y]): &(&Micro, &Micro)| {
        let (x, y) = (f64::from(x), f64::from(y));
        let [from_x, from_y, to_x, to_y] = [from_x, from_y, to_x, to_y].map(|at| f64::from(*at));
        (from_y > y) != (to_y > y) && x < (to_x - from_x) * (y - from_y) / (to_y - from_y) + from_x
    };
    ring.iter().zip(ring.iter().cycle().skip(1)).filter(crosses).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(from: i32, to: i32) -> Vec<Micro> {
        vec![[from, from], [from, to], [to, to], [to, from]]
    }

    #[test]
    fn a_ring_within_another_is_its_hole_and_one_within_that_an_island() {
        let far = vec![[30, 30], [40, 30], [40, 40]];
        let outline = Outline(vec![square(4, 6), square(0, 10), square(2, 8), far]);
        let polygons = polygons(&outline);
        let sizes: Vec<usize> = polygons.iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 2, 1], "the island, the land with its lake, the land far off");
        let land = &polygons[1];
        let micro = |at: f64| at / MICRO;
        assert_eq!(land[0][0], land[0][4], "closed");
        assert_eq!(land[0][0], [micro(10.0), micro(0.0)], "the other way round than it was drawn: {land:?}");
    }

    #[test]
    fn outer_rings_go_counter_clockwise_and_holes_clockwise() {
        let signed = |ring: &[[f64; 2]]| -> f64 {
            ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum()
        };
        for ring in [square(0, 10), square(0, 10).into_iter().rev().collect()] {
            assert!(signed(&closed(&ring, true)) > 0.0);
            assert!(signed(&closed(&ring, false)) < 0.0);
        }
    }
}
