//! Where an area lies: its outline, and boxes around points.

use serde::{Deserialize, Serialize};

use crate::form::Position;

/// A point: longitude and latitude in millionths of a degree, WGS-84. A millionth of a degree is at most 11 cm.
pub type Micro = [i32; 2];

/// The rings of an area, each a closed line whose last point is not repeated; a ring inside another one is a hole.
/// Empty: nobody drew it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outline(pub Vec<Vec<Micro>>);

/// The most points of an outline: more make no difference on a screen, and each handheld is sent them.
pub const MOST_POINTS: usize = 1000;

impl Outline {
    /// Whether nobody drew it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many points it has.
    pub fn points(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The box around it.
    pub fn bounds(&self) -> Option<Bounds> {
        Bounds::around(self.0.iter().flatten().copied())
    }
}

/// A box of longitudes and latitudes, both edges included, in millionths of a degree. None of ours crosses the date line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The least longitude.
    pub west: i32,
    /// The least latitude.
    pub south: i32,
    /// The greatest longitude.
    pub east: i32,
    /// The greatest latitude.
    pub north: i32,
}

impl Bounds {
    /// The least box that holds all `points`; none without points.
    pub fn around(points: impl IntoIterator<Item = Micro>) -> Option<Self> {
        points.into_iter().fold(None, |found: Option<Self>, [lon, lat]| {
            let one = Self { west: lon, south: lat, east: lon, north: lat };
            Some(found.map_or(one, |found| found.with(one)))
        })
    }

    /// The least box that holds both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }

    /// The same, wider by `edge` on each side.
    #[must_use]
    pub fn wider(self, edge: i32) -> Self {
        Self {
            west: self.west.saturating_sub(edge),
            south: self.south.saturating_sub(edge),
            east: self.east.saturating_add(edge),
            north: self.north.saturating_add(edge),
        }
    }

    /// Whether a point lies in it.
    pub fn contains(self, [lon, lat]: Micro) -> bool {
        (self.west..=self.east).contains(&lon) && (self.south..=self.north).contains(&lat)
    }

    /// Its middle.
    pub fn middle(self) -> Micro {
        let half = |a: i32, b: i32| i32::try_from((i64::from(a) + i64::from(b)) / 2).unwrap_or(a);
        [half(self.west, self.east), half(self.south, self.north)]
    }
}

/// Degrees in millionths.
pub fn micro(degrees: f64) -> i32 {
    // A longitude or latitude has at most nine digits so; anything else was refused before.
    (degrees * 1e6).round().clamp(-180e6, 180e6) as i32
}

impl Position {
    /// Where it is, without accuracy and time.
    pub fn micro(self) -> Micro {
        [micro(self.lon), micro(self.lat)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_what_it_was_drawn_around() {
        let ring = vec![[104_050_000, 37_180_000], [104_070_000, 37_180_000], [104_060_000, 37_200_000]];
        let outline = Outline(vec![ring.clone()]);
        let bounds = outline.bounds().unwrap();
        assert!(ring.into_iter().all(|point| bounds.contains(point)));
        assert!(!bounds.contains([0, 0]));
        assert_eq!(bounds.middle(), [104_060_000, 37_190_000]);
        assert_eq!(Outline::default().bounds(), None);
    }

    #[test]
    fn an_outline_is_a_plain_list_on_the_wire() {
        let outline: Outline = serde_json::from_str("[[[104050000,37180000],[104070000,37180000]]]").unwrap();
        assert_eq!(serde_json::to_string(&outline).unwrap(), "[[[104050000,37180000],[104070000,37180000]]]");
    }
}
