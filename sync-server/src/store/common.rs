//! What every store makes of its rows in the same way.

use chrono::{DateTime, Datelike as _, Utc};
use shared::area::AreaId;
use shared::edit::Edit;

use super::columns::{areas_text, count, int, ms, to_json, users_text};
use super::{Near, Span, StoreError};

/// The month of Beijing of a moment.
pub fn month(at: DateTime<Utc>) -> String {
    let there = at.checked_add_signed(chrono::TimeDelta::hours(8)).unwrap_or(at);
    // Years of five digits would not stand in the order of their text.
    if there.year() > 9_998 { "9998-12".to_owned() } else { format!("{:04}-{:02}", there.year().max(0), there.month()) }
}

/// The months of a span, the last one not among them, if it begins and ends with a month or is open there.
pub fn months((from, to): Span) -> Option<(String, String)> {
    let bound = |at: DateTime<Utc>, open: DateTime<Utc>, text: &str| {
        if at == open {
            return Some(text.to_owned());
        }
        let there = at.checked_add_signed(chrono::TimeDelta::hours(8))?;
        (there.day() == 1 && there.time() == chrono::NaiveTime::MIN).then(|| month(at))
    };
    // Of what is not closed the month is empty, before any other.
    Some((bound(from, DateTime::UNIX_EPOCH, "0")?, bound(to, DateTime::<Utc>::MAX_UTC, "9999")?))
}

/// The least bytes of an id made at a moment or later.
pub fn first_made_at(moment: DateTime<Utc>) -> [u8; 16] {
    let mut bytes = [0; 16];
    let ms = int(count(ms(moment))).to_be_bytes();
    for (byte, of) in bytes.iter_mut().zip(ms.into_iter().skip(2)) {
        *byte = of;
    }
    bytes
}

/// The key of a town's own small value.
pub fn in_town(town: AreaId, key: &str) -> String {
    format!("{town}/{key}")
}

/// Edits as they are stored in both tables.
pub fn body(edit: &Edit) -> Result<String, StoreError> {
    to_json("edit", edit)
}

/// More areas than this are not looked for one by one: so large a scope wants most of what there is.
const AREAS_NEAR: usize = 8;

/// The rows of `part` that are not found by the one area they lie in: somebody is named, or it lies in several. The indexes
/// `part_near` and `part_beside` share the rows by this very text.
const BESIDE: &str = "(readers <> ',' OR instr(substr(areas, 2), ',') < length(areas) - 1)";

/// Where the rows of a feed are looked for, each of which stands in one place only.
pub struct Place {
    /// Of the indexes of `part`.
    pub index: &'static str,
    /// More that SQL asks of a row, from ` AND` on; empty: nothing.
    pub asked: String,
}

impl Near {
    /// The places SQL looks at, by a function that finds a text in another, and the texts of its parameters, which are counted
    /// from `first`.
    pub fn places(&self, find: &str, mark: &str, first: usize) -> (Vec<Place>, Vec<String>) {
        let Some((areas, user)) = self.lies.as_ref().filter(|(areas, _)| areas.len() <= AREAS_NEAR) else {
            return (vec![Place { index: "part_feed", asked: String::new() }], Vec::new());
        };
        let beside = BESIDE.replace("instr", find);
        let in_area = |at: usize| Place {
            index: "part_near",
            asked: format!(" AND areas = {mark}{} AND NOT {beside}", first + at),
        };
        let named = |at: usize| {
            let column = if at < areas.len() { "areas" } else { "readers" };
            format!("{find}({column}, {mark}{}) > 0", first + at)
        };
        let named: Vec<String> = (0..=areas.len()).map(named).collect();
        let others = Place { index: "part_beside", asked: format!(" AND {beside} AND ({})", named.join(" OR ")) };
        let texts = areas.iter().map(|area| areas_text(&[*area])).chain([users_text(&[*user])]);
        ((0..areas.len()).map(in_area).chain([others]).collect(), texts.collect())
    }
}
