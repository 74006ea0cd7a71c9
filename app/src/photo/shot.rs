//! What a camera writes beside a picture (EXIF 2.32, CIPA DC-008): which way is up, when and where.

use std::io::Cursor;

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use exif::{Exif, In, Rational, Tag, Value};
use shared::form::Position;

/// Metres said of a position whose camera does not say how good it is.
const UNSAID: f64 = 100.0;
/// The time zone of a camera that does not say its own: Beijing's.
const BEIJING: i32 = 8 * 3600;

/// When and where a picture was taken, as the camera says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shot {
    /// By the clock of the camera.
    pub at: Option<DateTime<Utc>>,
    /// WGS-84, as EXIF has it; `at` is 0.
    pub position: Option<Position>,
}

/// Both, and the orientation: 1 to 8, 1 where none is said.
pub(super) fn read(bytes: &[u8]) -> (Shot, u32) {
    let Ok(exif) = exif::Reader::new().read_from_container(&mut Cursor::new(bytes)) else {
        return (Shot::default(), 1);
    };
    let orientation = exif
        .get_field(Tag::Orientation, In::PRIMARY)
        .and_then(|field| field.value.get_uint(0))
        .filter(|orientation| (1..=8).contains(orientation))
        .unwrap_or(1);
    (Shot { at: time(&exif), position: position(&exif) }, orientation)
}

fn text(exif: &Exif, tag: Tag) -> Option<&str> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(lines) => std::str::from_utf8(lines.first()?).ok(),
        _ => None,
    }
}

fn time(exif: &Exif) -> Option<DateTime<Utc>> {
    let said = text(exif, Tag::DateTimeOriginal)?;
    let local = NaiveDateTime::parse_from_str(said.trim(), "%Y:%m:%d %H:%M:%S").ok()?;
    let zone = text(exif, Tag::OffsetTimeOriginal).and_then(|zone| zone.trim().parse::<FixedOffset>().ok());
    let zone = zone.or_else(|| FixedOffset::east_opt(BEIJING))?;
    Some(local.and_local_timezone(zone).single()?.to_utc())
}

fn position(exif: &Exif) -> Option<Position> {
    let degrees = |of: Tag, sign: Tag, most: f64, minus: &str| -> Option<f64> {
        let Value::Rational(parts) = &exif.get_field(of, In::PRIMARY)?.value else { return None };
        let [whole, minutes, seconds] = parts.get(..3)? else { return None };
        let value = number(*whole)? + number(*minutes)? / 60.0 + number(*seconds)? / 3600.0;
        let signed = if text(exif, sign)?.trim() == minus { -value } else { value };
        (signed.abs() <= most).then_some(signed)
    };
    let lat = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, 90.0, "S")?;
    let lon = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, 180.0, "W")?;
    // What a camera without a fix writes.
    if lat == 0.0 && lon == 0.0 {
        return None;
    }
    let error = exif.get_field(Tag::GPSHPositioningError, In::PRIMARY).and_then(|field| match &field.value {
        Value::Rational(parts) => number(*parts.first()?),
        _ => None,
    });
    Some(Position { lat, lon, accuracy: error.filter(|error| *error > 0.0).unwrap_or(UNSAID), at: 0 })
}

fn number(part: Rational) -> Option<f64> {
    (part.denom != 0).then(|| part.to_f64())
}
