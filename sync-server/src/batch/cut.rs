//! The records of a cut: everything of some areas between two sequence numbers, read at one moment, in pieces.

use std::collections::{BTreeMap, BTreeSet};

use shared::area::{AreaTree, Scope};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::{Part, RecordKind};
use shared::value::Value;

use crate::export::{Line, Status};
use crate::store::{FeedWhat, PartFilter, Read, ReaderKey, StoreError, StoredPart};

/// How many records are held at once.
const PIECE: usize = 1_000;

/// Which records are wanted.
pub struct Cut<'a> {
    /// The areas, every one of them.
    pub scope: &'a Scope,
    /// Sequence numbers after which it begins.
    pub after: (u64, u64),
    /// Whether restricted parts belong to it.
    pub cleared: bool,
    /// When the cut it follows was made; records whose first edit came later are new.
    pub last: Option<chrono::DateTime<chrono::Utc>>,
}

/// A piece of a cut: records, and the titles of what they link to as far as it lies in the scope.
pub struct Piece {
    /// In the order of the sequence.
    pub lines: Vec<Line>,
    /// By record.
    pub titles: BTreeMap<RecordId, String>,
}

/// Where the cut ends: the last sequence numbers of both parts.
pub fn end(read: &dyn Read) -> Result<(u64, u64), StoreError> {
    Ok((read.last_seq(Part::Open)?, read.last_seq(Part::Restricted)?))
}

/// Hands the cut over piece by piece.
pub fn each_piece<E: From<StoreError>>(
    read: &dyn Read,
    cut: &Cut<'_>,
    each: &mut dyn FnMut(Piece) -> Result<(), E>,
) -> Result<(), E> {
    let mut told = BTreeSet::new();
    let mut piece: Vec<StoredPart> = Vec::with_capacity(PIECE);
    let mut failed = None;
    let areas: Vec<_> = cut.scope.iter().collect();
    let open =
        PartFilter { areas: Some(areas.clone()), after: cut.after.0, with_merged: true, ..PartFilter::default() };
    let mut merged = Vec::new();
    read.each_part(&open, &mut |part| {
        told.insert(part.record);
        if part.merged_into.is_some() && read.alias_of(part.record)? != part.record {
            // Its values are told with the record it is a duplicate of.
            merged.push(Line { status: Status::Removed, ..gone_line(part.record, part.kind) });
            return Ok(true);
        }
        piece.push(part);
        if piece.len() < PIECE {
            return Ok(true);
        }
        failed = hand_over(read, cut, std::mem::take(&mut piece), each).err();
        Ok(failed.is_none())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    hand_over(read, cut, std::mem::take(&mut piece), each)?;
    if cut.cleared {
        let mut only = Vec::new();
        let filter =
            PartFilter { part: Part::Restricted, areas: Some(areas), after: cut.after.1, ..PartFilter::default() };
        read.each_part(&filter, &mut |part| {
            if told.insert(part.record) {
                only.push((part.record, Part::Open));
            }
            Ok(true)
        })?;
        for keys in only.chunks(PIECE) {
            hand_over(read, cut, read.load_many(keys)?, each)?;
        }
    }
    if cut.after.0 > 0 {
        let mut lines = gone(read, cut, &told)?;
        lines.append(&mut merged);
        if !lines.is_empty() {
            each(Piece { lines, titles: BTreeMap::new() })?;
        }
    }
    Ok(())
}

fn hand_over<E: From<StoreError>>(
    read: &dyn Read,
    cut: &Cut<'_>,
    parts: Vec<StoredPart>,
    each: &mut dyn FnMut(Piece) -> Result<(), E>,
) -> Result<(), E> {
    if parts.is_empty() {
        return Ok(());
    }
    let mut restricted = BTreeMap::new();
    if cut.cleared {
        let keys: Vec<_> = parts.iter().map(|part| (part.record, Part::Restricted)).collect();
        for part in read.load_many(&keys)? {
            restricted.insert(part.record, state(&part)?);
        }
    }
    let mut lines = Vec::with_capacity(parts.len());
    let mut linked = BTreeSet::new();
    for part in parts {
        let open = state(&part)?;
        links(&open, &mut linked);
        let restricted = restricted.remove(&part.record);
        let status = status(read, cut, &part)?;
        lines.push(Line { id: part.record, kind: part.kind, status, open, restricted });
    }
    let mut titles = BTreeMap::new();
    for titled in read.titles(&mut linked.into_iter())? {
        if titled.areas.iter().any(|area| cut.scope.contains(*area)) {
            titles.insert(titled.record, titled.title);
        }
    }
    each(Piece { lines, titles })
}

fn status(read: &dyn Read, cut: &Cut<'_>, part: &StoredPart) -> Result<Status, StoreError> {
    if part.deleted {
        return Ok(Status::Removed);
    }
    let Some(last) = cut.last.filter(|_| cut.after.0 > 0) else { return Ok(Status::New) };
    let first = read.edits_of(part.record)?.into_iter().next();
    Ok(if first.is_some_and(|first| first.received > last) { Status::New } else { Status::Changed })
}

/// The state of a stored part.
pub fn state(part: &StoredPart) -> Result<PartState, StoreError> {
    serde_json::from_str(&part.state).map_err(|error| StoreError::Corrupt {
        what: format!("part of record {}", part.record),
        why: error.to_string(),
    })
}

/// The records a part links to, in any field: ids as text, and the `id` of a link or text.
pub fn links(part: &PartState, found: &mut BTreeSet<RecordId>) {
    for (path, write) in part.all_live() {
        found.extend(path.element_name().and_then(|element| element.parse::<RecordId>().ok()));
        found.extend(link_of(write.value));
    }
}

/// The record a value links to, if it does.
pub fn link_of(value: &Value) -> Option<RecordId> {
    let json = value.json();
    if json.len() < 38 || json.len() > 60 {
        return None;
    }
    if let Some(id) = value.get::<RecordId>() {
        return Some(id);
    }
    value.get::<BTreeMap<String, String>>()?.get("id")?.parse().ok()
}

fn gone(read: &dyn Read, cut: &Cut<'_>, told: &BTreeSet<RecordId>) -> Result<Vec<Line>, StoreError> {
    let mut left = BTreeSet::new();
    let mut erased = BTreeMap::new();
    read.feed(Part::Open, cut.after.0, &mut |entry| {
        if let FeedWhat::Left { key: ReaderKey::Area(area) | ReaderKey::Visits(area), erased: kind } = entry.what
            && cut.scope.contains(area)
            && !told.contains(&entry.record)
        {
            left.insert(entry.record);
            erased.extend(kind.map(|kind| (entry.record, kind)));
        }
        Ok(true)
    })?;
    let moved = read.moved(&left)?;
    let keys: Vec<_> = left.into_iter().map(|id| (id, Part::Open)).collect();
    let mut lines = Vec::new();
    for part in read.load_many(&keys)? {
        // It may have moved from one area of the scope to another.
        if !part.areas.iter().any(|area| cut.scope.contains(*area)) {
            lines.push(gone_line(part.record, part.kind));
        }
    }
    // What was erased in the town it went on to is told as that.
    let moved = moved.into_iter().filter(|moved| !erased.contains_key(&moved.record));
    lines.extend(moved.map(|moved| gone_line(moved.record, moved.kind)));
    lines.extend(erased.into_iter().map(|(record, kind)| gone_line(record, kind)));
    lines.sort_by_key(|line| line.id);
    Ok(lines)
}

fn gone_line(id: RecordId, kind: RecordKind) -> Line {
    Line { id, kind, status: Status::Gone, open: PartState::default(), restricted: None }
}

/// The tree of all areas.
pub fn tree(store: &dyn crate::store::Store) -> Result<AreaTree, StoreError> {
    Ok(store.areas()?.into_iter().collect())
}
