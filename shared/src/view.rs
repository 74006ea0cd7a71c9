//! Views of the live writes. They never change the state: collapsing equal values or dropping an older one *in the
//! state* would make replicas diverge.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::area::AreaId;
use crate::ids::{Dot, RecordId};
use crate::merge::{LiveWrite, PartState};
use crate::order::causal;
use crate::path::Path;
use crate::value::Value;

/// How the live writes of a field are shown. A field's policy never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Text, choices, numbers, dates, a link to one: differing values are 待核对, a person decides.
    One,
    /// Position, condition, last checked: the newest by (time, dot), nobody is asked.
    Latest,
    /// Tags, links, photos: one path an element, present if any live write says so.
    Many,
    /// Workflow steps, remarks: one path an entry, written once, all shown.
    Log,
}

/// A field of policy [`Policy::One`].
#[derive(Debug, Clone, PartialEq)]
pub enum One<'a> {
    /// Nobody wrote it.
    Absent,
    /// One distinct live value (perhaps written by several).
    Agreed(LiveWrite<'a>),
    /// 待核对: several distinct live values, one write each, the first by (time, dot) leading.
    Open(Vec<LiveWrite<'a>>),
}

impl<'a> One<'a> {
    /// What is shown where there is room for one value: the agreed or the leading one; nothing if cleared.
    pub fn leading(&self) -> Option<LiveWrite<'a>> {
        match self {
            Self::Absent => None,
            Self::Agreed(write) => Some(*write),
            Self::Open(writes) => writes.first().copied(),
        }
        .filter(|write| !write.value.is_null())
    }

    /// Whether a person has to decide.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

fn by_time(write: &LiveWrite<'_>) -> (DateTime<Utc>, Dot) {
    (write.head.at, write.dot)
}

/// The view of a field of policy [`Policy::One`].
pub fn one<'a>(part: &'a PartState, field: &str) -> One<'a> {
    let mut writes: Vec<_> = part.live(&Path::field(field)).collect();
    writes.sort_by_key(by_time);
    let mut distinct: Vec<LiveWrite<'a>> = Vec::with_capacity(writes.len());
    for write in writes {
        if !distinct.iter().any(|known| known.value == write.value) {
            distinct.push(write);
        }
    }
    match distinct.as_slice() {
        [] => One::Absent,
        [write] => One::Agreed(*write),
        _ => One::Open(distinct),
    }
}

/// The view of a field of policy [`Policy::Latest`]: the newest live write, if it is not a clearing one.
pub fn latest<'a>(part: &'a PartState, field: &str) -> Option<LiveWrite<'a>> {
    part.live(&Path::field(field)).max_by_key(by_time).filter(|write| !write.value.is_null())
}

/// The view of a field of policy [`Policy::Many`]: the elements present, each with its newest particulars.
pub fn many<'a>(part: &'a PartState, field: &'a str) -> Vec<(&'a str, LiveWrite<'a>)> {
    let mut elements: Vec<(&str, LiveWrite<'_>)> = Vec::new();
    for (path, write) in part.live_under(field).filter(|(_, write)| !write.value.is_null()) {
        let Some(name) = path.element_name() else { continue };
        match elements.last_mut() {
            Some((known, newest)) if *known == name => {
                if by_time(newest) < by_time(&write) {
                    *newest = write;
                }
            }
            _ => elements.push((name, write)),
        }
    }
    elements
}

/// The view of a field of policy [`Policy::Log`]: all entries in causal order, concurrent ones by (time, dot).
pub fn log<'a>(part: &'a PartState, field: &'a str) -> Vec<(&'a str, LiveWrite<'a>)> {
    let rest: Vec<_> = part
        .live_under(field)
        .filter_map(|(path, write)| Some((path.element_name()?, write)))
        .filter(|(_, write)| !write.value.is_null())
        .collect();
    let items: Vec<_> = rest.iter().map(|(_, write)| (write.dot, &write.head.context, by_time(write))).collect();
    causal(&items).into_iter().filter_map(|place| rest.get(place).copied()).collect()
}

/// The fields of policy [`Policy::One`] among `fields` on which a person has to decide.
pub fn open_fields<'a>(part: &PartState, fields: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    fields.filter(|field| one(part, field).is_open()).collect()
}

/// The value shown for a field of policy `One` or `Latest` where there is room for one.
pub fn shown<'a>(part: &'a PartState, field: &str, policy: Policy) -> Option<&'a Value> {
    match policy {
        Policy::One => one(part, field).leading().map(|write| write.value),
        Policy::Latest => latest(part, field).map(|write| write.value),
        Policy::Many | Policy::Log => None,
    }
}

/// The areas the record lies in: more than one while they are 待核对; readable in each of them.
pub fn areas(open: &PartState) -> Vec<AreaId> {
    let mut areas: Vec<AreaId> = open.live(&Path::field("area")).filter_map(|write| write.value.get()).collect();
    areas.sort_unstable();
    areas.dedup();
    areas
}

/// The path by which a record says that it is a duplicate of another.
pub const MERGED_INTO: &str = "merged_into";

/// The field of the grid from which somebody moved here; it stands until the receiving grid says that they did.
pub const MOVED_FROM: &str = "moved_from";

/// The record this one says it was merged into. Where several say so the last dot decides, never a clock.
pub fn merged_into(open: &PartState) -> Option<RecordId> {
    open.live(&Path::field(MERGED_INTO)).max_by_key(|write| write.dot).and_then(|write| write.value.get())
}

/// Where the values of a duplicate are to be looked for: the end of the line of `merged_into`, itself if it says none.
/// A circle (two people merged two records into each other) leads to the smallest id in it. `lookup` says what a record
/// says of itself, see [`merged_into`].
pub fn alias_of(id: RecordId, mut lookup: impl FnMut(RecordId) -> Option<RecordId>) -> RecordId {
    let mut line = vec![id];
    let mut last = id;
    while let Some(next) = lookup(last) {
        if let Some(place) = line.iter().position(|known| *known == next) {
            return line.get(place..).and_then(|circle| circle.iter().min().copied()).unwrap_or(next);
        }
        line.push(next);
        last = next;
    }
    last
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ends(line: &[(u128, u128)], from: u128) -> u128 {
        let lookup = |id: RecordId| {
            line.iter().find(|(from, _)| *from == id.0.as_u128()).map(|(_, to)| RecordId(Uuid::from_u128(*to)))
        };
        alias_of(RecordId(Uuid::from_u128(from)), lookup).0.as_u128()
    }

    #[test]
    fn a_duplicate_of_a_duplicate_leads_to_the_last() {
        let line = [(3, 7), (7, 5), (9, 7)];
        assert_eq!([3, 7, 9, 5, 4].map(|from| ends(&line, from)), [5, 5, 5, 5, 4]);
    }

    #[test]
    fn records_merged_in_a_circle_are_the_smallest_of_it_whoever_asks() {
        let circle = [(8, 2), (2, 6), (6, 8), (1, 6), (4, 4)];
        assert_eq!([8, 2, 6, 1, 4].map(|from| ends(&circle, from)), [2, 2, 2, 2, 4]);
    }
}
