//! The drawing of the map: from degrees to points of the screen and back, and what lies too close together to be drawn
//! apart. Equirectangular around the middle of the view: over a county that is off by less than a line is wide.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::RecordId;
use shared::outline::{Bounds, Micro, micro};
use shared::record::RecordKind;
use shared::workflow::Light;

use crate::handheld::Handheld;
use crate::store::{OnMap, StoreError};

/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;
/// The least and the most metres a point of the screen stands for: a courtyard, a province.
const SCALES: (f64, f64) = (0.1, 2_000.0);
/// Records whose places on the screen are nearer than about this are drawn as one, in points.
const CELL: f64 = 52.0;
/// The longest scale bar, in points.
const BAR: f64 = 110.0;
/// How many events that are urgent are drawn apart from the rest.
const MARKS: usize = 60;
/// How much of the screen what is to be seen takes up.
const FILLED: f64 = 0.84;

/// Width and height of the drawing in points of the screen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Default for Size {
    fn default() -> Self {
        Self { width: 412.0, height: 520.0 }
    }
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct View {
    /// Longitude and latitude of the middle, in degrees.
    middle: [f64; 2],
    /// Metres that a point of the screen stands for.
    scale: f64,
}

/// What is asked of the map.
#[derive(Clone, PartialEq, Debug)]
pub struct Look {
    /// Which records.
    pub kinds: Vec<RecordKind>,
    /// What is looked at; none: all of it.
    pub view: Option<View>,
    /// How large the drawing is.
    pub size: Size,
}

/// What is drawn of the records.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Seen {
    /// What is looked at; none: nothing says where it is.
    pub view: Option<View>,
    /// How many records there are in it.
    pub count: usize,
    /// All of them but the urgent events.
    pub spots: Vec<Spot>,
    /// The most urgent events.
    pub urgent: Vec<Urgent>,
}

/// An event whose limit is near or over.
#[derive(Clone, PartialEq, Debug)]
pub struct Urgent {
    /// The event.
    pub id: RecordId,
    /// Where it is.
    pub at: Micro,
    /// How much is left of its limit.
    pub light: Light,
    /// What it is called.
    pub title: String,
}

/// What is drawn at one place.
#[derive(Clone, PartialEq, Debug)]
pub struct Spot {
    /// The middle of it.
    pub at: Micro,
    /// The records there.
    pub records: Vec<RecordId>,
    /// Of which kind, where it is one.
    pub kind: RecordKind,
}

fn degrees(micro: i32) -> f64 {
    f64::from(micro) / 1e6
}

impl View {
    /// Everything in `bounds`.
    pub fn fit(bounds: Bounds, size: Size) -> Self {
        let middle = bounds.middle().map(degrees);
        let height = degrees(bounds.north.saturating_sub(bounds.south)) * DEGREE;
        let width = degrees(bounds.east.saturating_sub(bounds.west)) * DEGREE * narrowed(middle[1]);
        let scale = (width / (size.width * FILLED)).max(height / (size.height * FILLED));
        // A single point is shown with its surroundings.
        let scale = if scale > 0.0 { scale } else { 1.0 };
        Self { middle, scale: scale.clamp(SCALES.0, SCALES.1) }
    }

    /// The same middle, `by` times as near.
    #[must_use]
    pub fn nearer(self, by: f64) -> Self {
        Self { scale: (self.scale / by).clamp(SCALES.0, SCALES.1), ..self }
    }

    /// As near as before, around another point.
    #[must_use]
    pub fn around(self, at: Micro) -> Self {
        Self { middle: at.map(degrees), ..self }
    }

    /// As if the drawing had been pulled to the right and down by so many points.
    #[must_use]
    pub fn pulled(self, right: f64, down: f64) -> Self {
        let lat = (self.middle[1] + down * self.scale / DEGREE).clamp(-89.0, 89.0);
        let lon = self.middle[0] - right * self.scale / (DEGREE * narrowed(self.middle[1]));
        Self { middle: [lon.clamp(-180.0, 180.0), lat], ..self }
    }

    /// Where a point is drawn, from the left and upper edge.
    pub fn place(self, at: Micro, size: Size) -> (f64, f64) {
        let [lon, lat] = at.map(degrees);
        let right = (lon - self.middle[0]) * DEGREE * narrowed(self.middle[1]) / self.scale;
        let up = (lat - self.middle[1]) * DEGREE / self.scale;
        (size.width / 2.0 + right, size.height / 2.0 - up)
    }

    /// What is seen, and a little beyond.
    pub fn bounds(self, size: Size) -> Bounds {
        let (right, up) = (
            (size.width / 2.0 + CELL) * self.scale / (DEGREE * narrowed(self.middle[1])),
            (size.height / 2.0 + CELL) * self.scale / DEGREE,
        );
        let [lon, lat] = self.middle;
        Bounds { west: micro(lon - right), south: micro(lat - up), east: micro(lon + right), north: micro(lat + up) }
    }

    /// How many points of the screen so many metres are.
    pub fn points(self, metres: f64) -> f64 {
        metres / self.scale
    }

    /// A scale bar: its length in points, and the round number of metres it stands for.
    pub fn bar(self) -> (f64, u32) {
        let most = BAR * self.scale;
        let power = 10_f64.powf(most.log10().floor());
        let metres = [5.0, 2.0, 1.0].into_iter().map(|step| step * power).find(|metres| *metres <= most);
        let metres = metres.unwrap_or(power).max(1.0);
        (self.points(metres), metres as u32)
    }

    /// What is drawn of `found`: what lies close together as one spot in the middle of it. Spots stay together while the
    /// drawing is pulled.
    pub fn spots<'a>(self, found: impl IntoIterator<Item = &'a OnMap>) -> Vec<Spot> {
        let cell = CELL * self.scale / DEGREE;
        let narrow = narrowed(self.middle[1]);
        let mut cells: BTreeMap<(i64, i64), Vec<&OnMap>> = BTreeMap::new();
        for one in found {
            let [lon, lat] = one.at.map(degrees);
            cells.entry(((lon * narrow / cell).floor() as i64, (lat / cell).floor() as i64)).or_default().push(one);
        }
        let mut spots: Vec<Spot> = cells.into_values().filter_map(|members| spot(&members)).collect();
        // The larger ones lie on top: they are what is pressed.
        spots.sort_by_key(|spot| spot.records.len());
        spots
    }
}

impl Look {
    /// Reads what is to be drawn. A town's takes some tenths of a second.
    pub fn read(&self, handheld: &Handheld) -> Result<Seen, StoreError> {
        let all = || Ok::<_, StoreError>(handheld.map_bounds()?.map(|bounds| View::fit(bounds, self.size)));
        let Some(view) = self.view.map_or_else(all, |view| Ok(Some(view)))? else { return Ok(Seen::default()) };
        let found = handheld.on_map(&self.kinds, view.bounds(self.size))?;
        let mut limited: Vec<&OnMap> = found.iter().filter(|one| one.due.is_some()).collect();
        limited.sort_by_key(|one| one.due);
        let mut urgent = Vec::new();
        for one in limited {
            let Some(event) = handheld.event(one.id)? else { continue };
            if let Some(light @ (Light::Red | Light::Yellow)) = event.light {
                urgent.push(Urgent { id: one.id, at: one.at, light, title: event.hit.title });
            }
            if urgent.len() == MARKS {
                break;
            }
        }
        let apart: BTreeSet<RecordId> = urgent.iter().map(|event| event.id).collect();
        let spots = view.spots(found.iter().filter(|one| !apart.contains(&one.id)));
        Ok(Seen { view: Some(view), count: found.len(), spots, urgent })
    }
}

fn spot(members: &[&OnMap]) -> Option<Spot> {
    let count = i64::try_from(members.len()).unwrap_or(1).max(1);
    let mean = |place: usize| {
        let sum: i64 = members.iter().filter_map(|one| one.at.get(place)).map(|degrees| i64::from(*degrees)).sum();
        i32::try_from(sum / count).unwrap_or_default()
    };
    let records = members.iter().map(|one| one.id).collect();
    Some(Spot { at: [mean(0), mean(1)], records, kind: members.first()?.kind })
}

/// How much shorter a degree of longitude is at a latitude.
fn narrowed(lat: f64) -> f64 {
    lat.to_radians().cos().max(0.01)
}

#[cfg(test)]
mod tests {
    use shared::ids::RecordId;
    use uuid::Uuid;

    use super::*;

    const GRID: Bounds = Bounds { west: 104_050_000, south: 37_180_000, east: 104_058_000, north: 37_188_000 };

    fn one(n: u128, at: Micro) -> OnMap {
        OnMap { id: RecordId(Uuid::from_u128(n)), kind: RecordKind::Object, at, due: None }
    }

    #[test]
    fn a_grid_fits_on_the_screen_and_north_is_up() {
        let (size, view) = (Size::default(), View::fit(GRID, Size::default()));
        for at in [[GRID.west, GRID.south], [GRID.east, GRID.north]] {
            let (x, y) = view.place(at, size);
            assert!((0.0..=size.width).contains(&x) && (0.0..=size.height).contains(&y), "{x} {y}");
            assert!(view.bounds(size).contains(at));
        }
        let (south, north) = (view.place([GRID.west, GRID.south], size), view.place([GRID.east, GRID.north], size));
        assert!(north.1 < south.1 && north.0 > south.0);
    }

    #[test]
    fn what_is_pulled_follows_the_finger() {
        let (size, view) = (Size::default(), View::fit(GRID, Size::default()));
        let at = [104_053_000, 37_184_000];
        let (before, after) = (view.place(at, size), view.pulled(30.0, -12.0).place(at, size));
        assert!((after.0 - before.0 - 30.0).abs() < 0.1 && (after.1 - before.1 + 12.0).abs() < 0.1);
    }

    #[test]
    fn neighbours_are_one_spot_until_one_looks_closer() {
        let size = Size::default();
        let view = View::fit(GRID, size);
        let found = [one(1, [104_052_000, 37_182_000]), one(2, [104_052_010, 37_182_010]), one(3, GRID.middle())];
        let spots = view.spots(&found);
        assert_eq!(spots.iter().map(|spot| spot.records.len()).collect::<Vec<_>>(), [1, 2]);
        let close = view.around([104_052_005, 37_182_005]).nearer(1000.0);
        assert_eq!(close.spots(&found[..1]).len(), 1);
        assert!(close.points(1.0) > 5.0, "as near as it goes");
    }

    #[test]
    fn a_scale_bar_is_a_round_number() {
        let mut view = View::fit(GRID, Size::default());
        for _ in 0..12 {
            let (points, metres) = view.bar();
            assert!(points <= BAR + 0.1 || metres == 1, "{points} {metres}");
            let leading = f64::from(metres) / 10_f64.powf(f64::from(metres).log10().floor());
            assert!([1.0, 2.0, 5.0].iter().any(|round| (leading - round).abs() < 1e-6), "{metres}");
            view = view.nearer(1.7);
        }
    }

    #[test]
    fn a_single_point_has_surroundings() {
        let point = Bounds { west: 104_050_000, south: 37_180_000, east: 104_050_000, north: 37_180_000 };
        assert_eq!(View::fit(point, Size::default()).bar().1, 100);
    }
}
