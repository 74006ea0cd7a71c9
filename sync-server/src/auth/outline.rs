//! Outlines as geographic programs write them: polygons in WKT (OGC 06-103r4), degrees, WGS-84, longitude first.

use shared::outline::{MOST_POINTS, Micro, Outline, micro};
use wkt::Wkt;
use wkt::types::{LineString, Polygon};

/// Why a text is no outline.
#[derive(Debug, thiserror::Error)]
pub enum BadOutline {
    /// Not WKT.
    #[error("the outline is no WKT: {0}")]
    Text(String),
    /// A point, a line, a collection.
    #[error("the outline is a POLYGON or MULTIPOLYGON")]
    Shape,
    /// Fewer than three different points.
    #[error("a ring of the outline has fewer than three points")]
    Few,
    /// More than a screen shows.
    #[error("the outline has {0} points, at most {MOST_POINTS}: simplify it")]
    Many(usize),
    /// Metres, or another order of the axes.
    #[error("the outline is in degrees, longitude first: {0} {1} is no place on the earth")]
    NotDegrees(f64, f64),
}

/// An outline from WKT.
pub fn from_wkt(text: &str) -> Result<Outline, BadOutline> {
    // Collections nest, and nobody needs one here.
    let named = text.trim_start().to_ascii_uppercase();
    if !named.starts_with("POLYGON") && !named.starts_with("MULTIPOLYGON") {
        return Err(BadOutline::Shape);
    }
    let polygons: Vec<Polygon<f64>> = match text.parse::<Wkt<f64>>() {
        Ok(Wkt::Polygon(polygon)) => vec![polygon],
        Ok(Wkt::MultiPolygon(polygons)) => polygons.polygons().to_vec(),
        Ok(_) => return Err(BadOutline::Shape),
        Err(why) => return Err(BadOutline::Text(why.to_owned())),
    };
    let rings: Vec<Vec<Micro>> =
        polygons.iter().flat_map(Polygon::rings).map(ring).collect::<Result<_, BadOutline>>()?;
    let outline = Outline(rings);
    match outline.points() {
        0 => Err(BadOutline::Few),
        points if points > MOST_POINTS => Err(BadOutline::Many(points)),
        _ => Ok(outline),
    }
}

fn ring(line: &LineString<f64>) -> Result<Vec<Micro>, BadOutline> {
    let mut points = Vec::with_capacity(line.coords().len());
    for at in line.coords() {
        if !(-180.0..=180.0).contains(&at.x) || !(-90.0..=90.0).contains(&at.y) {
            return Err(BadOutline::NotDegrees(at.x, at.y));
        }
        points.push([micro(at.x), micro(at.y)]);
    }
    points.dedup();
    // The last point of a ring is its first again.
    if points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    if points.len() < 3 { Err(BadOutline::Few) } else { Ok(points) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_as_qgis_writes_it_is_an_outline() {
        let text = "Polygon ((104.05 37.18, 104.07 37.18, 104.06 37.2, 104.05 37.18))";
        let outline = from_wkt(text).unwrap();
        assert_eq!(
            outline,
            Outline(vec![vec![[104_050_000, 37_180_000], [104_070_000, 37_180_000], [104_060_000, 37_200_000]]])
        );
        let two = "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((3 3, 4 3, 4 4, 3 3)))";
        assert_eq!(from_wkt(two).unwrap().0.len(), 2);
    }

    #[test]
    fn what_is_no_outline_says_why() {
        let said = |text: &str| from_wkt(text).unwrap_err().to_string();
        assert!(said("POLYGON here").contains("no WKT"));
        assert!(said("POINT (104 37)").contains("POLYGON"));
        assert!(said("POLYGON ((104 37, 105 37, 104 37))").contains("three points"));
        assert!(said("POLYGON ((456123.2 4112345.1, 456124.2 4112345.1, 456125.2 4112346.1))").contains("degrees"));
        let many: Vec<String> = (0..1200).map(|at| format!("{} {}", 104.0 + f64::from(at) * 1e-4, at % 2)).collect();
        assert!(said(&format!("POLYGON (({}))", many.join(", "))).contains("simplify"));
    }
}
