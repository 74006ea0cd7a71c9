//! Towns that edits of one request are for. Mostly it is the sender's own; of who works in several, and of a record that was
//! handed over since it was read, it is where the record lies.

use std::collections::{BTreeMap, BTreeSet};

use shared::area::AreaId;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::Part;
use shared::wire::{RejectReason, Rejection};

use super::erased::Gone;
use super::held::Holding;
use super::{AREA, Rules};
use crate::auth::Who;
use crate::store::{Quarantined, Read, StoreError, StoredEdit, Tx};

/// The detail of a rejection: the record was handed over to another town, a message key.
const HANDED_OVER: &str = "handed-over";

/// By what rules edits of another town are judged.
pub type RulesOf<'a> = &'a dyn Fn(&dyn Read) -> Result<Rules, StoreError>;

/// One town with what a request touches there.
pub struct Ground {
    pub rules: Rules,
    pub holding: Holding,
    pub gone: Gone,
    pub save: Vec<StoredEdit>,
    pub quarantine: Vec<Quarantined>,
}

impl Ground {
    /// Reads what edits touch, which are offered for records there.
    pub fn load<'a>(
        tx: &dyn Tx,
        rules: Rules,
        fresh: impl Iterator<Item = &'a Edit>,
        records: impl Iterator<Item = RecordId>,
        edits: impl Iterator<Item = &'a Edit>,
    ) -> Result<Self, StoreError> {
        let (holding, gone) = (Holding::load(tx, fresh)?, Gone::of(tx, records, edits)?);
        Ok(Self { rules, holding, gone, save: Vec::new(), quarantine: Vec::new() })
    }
}

/// Where the records of a request lie, those of its own town left out.
#[derive(Default)]
pub struct Places(BTreeMap<RecordId, AreaId>);

impl Places {
    /// Finds them, and sees to it that their towns are held: what was found under their locks stays so.
    pub fn find<'a>(
        tx: &mut dyn Tx,
        who: &Who,
        records: &BTreeSet<RecordId>,
        edits: impl Iterator<Item = &'a Edit>,
        areas: &shared::area::AreaTree,
    ) -> Result<Self, StoreError> {
        let mut places = BTreeMap::new();
        for moved in tx.moved(records)? {
            places.insert(moved.record, follow(&*tx, moved.record, moved.to)?);
        }
        if !who.elsewhere.is_empty() {
            for record in records.iter().filter(|record| !places.contains_key(record)).copied().collect::<Vec<_>>() {
                places.extend(of_theirs(&*tx, who, record)?.map(|town| (record, town)));
            }
            // What is new lies where it says.
            for edit in edits.filter(|edit| edit.part == Part::Open) {
                let area = edit.writes.get(&Path::field(AREA)).and_then(|value| value.get());
                let town = area.and_then(|area| areas.town_of(area)).filter(|town| who.works_in(*town));
                if let Some(town) = town
                    && !places.contains_key(&edit.record)
                {
                    places.insert(edit.record, town);
                }
            }
        }
        let home = tx.town();
        places.retain(|_, town| *town != home);
        tx.hold(&places.values().copied().collect())?;
        Ok(Self(places))
    }

    /// The town of a record; `home` where nothing else is known.
    pub fn of(&self, record: Option<RecordId>, home: AreaId) -> AreaId {
        record.and_then(|record| self.0.get(&record)).copied().unwrap_or(home)
    }

    /// The towns other than the request's own.
    pub fn towns(&self) -> BTreeSet<AreaId> {
        self.0.values().copied().collect()
    }
}

/// Where a record is now that left for `town` once. Each town tells where it let it go last, so that this comes to an end.
fn follow(read: &dyn Read, record: RecordId, town: AreaId) -> Result<AreaId, StoreError> {
    let (mut town, mut seen) = (town, BTreeSet::new());
    while seen.insert(town) {
        match read.beside(town).moved(&BTreeSet::from([record]))?.first() {
            Some(moved) => town = moved.to,
            None => break,
        }
    }
    Ok(town)
}

/// Where a record lies, or lay, in the towns that `who` works in; none: it was never in one of them.
fn of_theirs(read: &dyn Read, who: &Who, record: RecordId) -> Result<Option<AreaId>, StoreError> {
    for town in who.towns() {
        let there = read.beside(town);
        if let Some(moved) = there.moved(&BTreeSet::from([record]))?.first() {
            return follow(read, record, moved.to).map(Some);
        }
        let erased = || there.erased_of(&BTreeSet::from([record]));
        if there.holds_anything_of(record)? || !erased()?.is_empty() {
            return Ok(Some(town));
        }
    }
    Ok(None)
}

/// The record is in a town where its author does not work: whoever works there decides.
pub fn handed_over() -> Rejection {
    Rejection { detail: HANDED_OVER.to_owned(), ..Rejection::of(RejectReason::NotAllowed) }
}
