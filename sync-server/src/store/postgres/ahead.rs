//! What a push or an answer is going to ask, asked in one go: each question by itself is a way there and back, that of a push
//! under the town's lock.
//!
//! What a push found stays true until the transaction ends, for nobody else writes in the town; what it writes itself is kept
//! up with here. Any statement of another kind makes all of it forgotten ([`Query::execute`](super::conn::Query::execute)).

use std::collections::BTreeSet;

use shared::area::AreaId;
use shared::ids::{Dot, EditId, PhotoHash, RecordId, Slot};
use shared::record::Part;
use shared::wire::{Outcome, RejectReason, Rejection};

use super::InTown;
use super::columns::{count, from_json, int, uuid};
use super::doubts::{decided, decided_since};
use super::figures::{Like, STOOD, stood_row};
use super::keep::{BACKED_UP, ERASED};
use super::parts::{columns_of, load, stored_part};
use super::read::{SLOT, STANDING, WANTED, ids, records_of, slot_row, standing_row, wanted_row};
use super::sql::{Row, params};
use super::towns::{MOVED, moved_row};
use crate::store::{Ahead, Answering, Moved, SeenEdit, SlotRow, Standing, StoreError, StoredPart};

/// What is known of a town, of what was asked about.
pub struct Known {
    town: AreaId,
    slot: (Slot, Option<SlotRow>),
    edits: BTreeSet<EditId>,
    seen: Vec<Seen>,
    ended: BTreeSet<EditId>,
    records: BTreeSet<RecordId>,
    erased: BTreeSet<RecordId>,
    moved: Vec<Moved>,
    parts: BTreeSet<(RecordId, Part)>,
    stored: Vec<StoredPart>,
    /// Of all events among `parts`, as long as none was written.
    stood: Option<Vec<(RecordId, Like)>>,
    once: bool,
    remains: bool,
    open: u64,
    restricted: u64,
}

/// What is known for an answer: of the one moment that it is read at.
pub struct KnownAnswer {
    town: AreaId,
    pub asked: Answering,
    pub standing: Standing,
    pub slot: Option<SlotRow>,
    pub decided: Vec<(u64, SeenEdit)>,
    pub wanted: Vec<PhotoHash>,
    pub backed_up: u64,
}

/// The tables in which an edit may stand. One that was released stands in two of them: refused first, then applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Quarantine,
    Unreadable,
    Erased,
    Applied,
}

/// Where an edit stands that came before.
#[derive(Debug, Clone)]
pub struct Seen {
    pub edit: EditId,
    pub dot: Dot,
    pub outcome: Outcome,
    table: Table,
}

const SEEN: &str = "SELECT id, dot_slot, dot_n, 1, reason FROM quarantine WHERE id = ANY ($1)
    UNION ALL SELECT id, slot, n, 2, reason FROM unreadable WHERE id = ANY ($1)
    UNION ALL SELECT id, slot, n, 3, '' FROM erased_edit WHERE id = ANY ($1)
    UNION ALL SELECT id, slot, n, 4, vector FROM edit WHERE id = ANY ($1)";

/// Those of these edits whose part has ended.
pub const ENDED: &str = "SELECT id FROM ended_edit WHERE id = ANY ($1)";

const TOWN: &str =
    "SELECT EXISTS (SELECT FROM once WHERE town = $1)::int, EXISTS (SELECT FROM remain WHERE town = $1)::int,
    coalesce((SELECT last FROM sequence WHERE town = $1 AND part = 'open'), 0),
    coalesce((SELECT last FROM sequence WHERE town = $1 AND part = 'restricted'), 0)";

fn seen_row(row: &Row) -> Result<Seen, StoreError> {
    let rejected = || Ok::<_, StoreError>(Outcome::Rejected(from_json("reason", row.text(4)?)?));
    let (table, outcome) = match row.get::<i64>(3)? {
        1 => (Table::Quarantine, rejected()?),
        2 => (Table::Unreadable, rejected()?),
        3 => (Table::Erased, Outcome::Rejected(Rejection::of(RejectReason::Erased))),
        _ => (Table::Applied, Outcome::Applied { vector: from_json("vector", row.text(4)?)? }),
    };
    let dot = Dot { slot: Slot(count(row.get(1)?)), n: count(row.get(2)?) };
    Ok(Seen { edit: edit_id(row)?, dot, outcome, table })
}

/// The id of an edit in the first column.
pub fn edit_id(row: &Row) -> Result<EditId, StoreError> {
    Ok(EditId(uuid(row.blob(0)?)?))
}

/// The id of a record in the first column.
pub fn record_id(row: &Row) -> Result<RecordId, StoreError> {
    Ok(RecordId(uuid(row.blob(0)?)?))
}

fn each<T>(rows: &[Row], make: fn(&Row) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(make).collect()
}

impl InTown<'_> {
    /// See [`crate::store::Tx::look_ahead`].
    pub(super) fn ask_ahead(&self, asked: &Ahead) -> Result<(), StoreError> {
        let (town, of_edits) = (self.town.0, ids(&asked.edits));
        let of_records = records_of(&asked.records);
        let open: BTreeSet<RecordId> =
            asked.parts.iter().filter(|(_, part)| *part == Part::Open).map(|(record, _)| *record).collect();
        let (of_keys, of_parts) = columns_of(&asked.parts);
        self.conn.plan_once()?;
        let (load, counted) = (self.sql(&load()), self.sql(STOOD));
        let [about, slot, seen, ended, erased, moved, stored, stood] = self.conn.all_of([
            (TOWN, params![town].to_vec()),
            (SLOT, params![int(asked.slot.0)].to_vec()),
            (SEEN, params![of_edits].to_vec()),
            (ENDED, params![of_edits].to_vec()),
            (ERASED, params![town, of_records].to_vec()),
            (MOVED, params![town, of_records].to_vec()),
            (&load, params![town, of_keys, of_parts].to_vec()),
            (&counted, params![town, records_of(&open)].to_vec()),
        ])?;
        let about = about.first().ok_or(StoreError::Missing("a row"))?;
        let slot = slot.first().map(|row| slot_row(asked.slot, row)).transpose()?;
        self.conn.known.replace(Some(Known {
            town: self.town,
            slot: (asked.slot, slot),
            edits: asked.edits.iter().copied().collect(),
            seen: each(&seen, seen_row)?,
            ended: each(&ended, edit_id)?.into_iter().collect(),
            records: asked.records.clone(),
            erased: each(&erased, record_id)?.into_iter().collect(),
            moved: each(&moved, moved_row)?,
            parts: asked.parts.clone(),
            stored: each(&stored, stored_part)?,
            stood: Some(each(&stood, stood_row)?),
            once: about.get(0)?,
            remains: about.get(1)?,
            open: count(about.get(2)?),
            restricted: count(about.get(3)?),
        }));
        Ok(())
    }

    /// See [`crate::store::Read::look_ahead_for`].
    pub(super) fn ask_for_answer(&self, asked: &Answering) -> Result<(), StoreError> {
        let (town, slot) = (self.town.0, int(asked.slot.0));
        let most = i64::try_from(asked.wanted).unwrap_or(i64::MAX);
        self.conn.plan_once()?;
        let [standing, row, since, wanted, backed_up] = self.conn.all_of([
            (STANDING, params![town].to_vec()),
            (SLOT, params![slot].to_vec()),
            (&decided_since(), params![asked.user.0.as_bytes(), int(asked.decided)].to_vec()),
            (WANTED, params![town, slot, most].to_vec()),
            (BACKED_UP, params![slot].to_vec()),
        ])?;
        let known = KnownAnswer {
            town: self.town,
            asked: *asked,
            standing: standing_row(standing.first().ok_or(StoreError::Missing("a row"))?)?,
            slot: row.first().map(|row| slot_row(asked.slot, row)).transpose()?,
            decided: each(&since, decided)?,
            wanted: each(&wanted, wanted_row)?,
            backed_up: backed_up.first().map(|row| row.get(0)).transpose()?.map_or(0, count),
        };
        // Of two moments there is none here: whoever asks once more is answered as before.
        self.conn.answer.set(known).ok();
        Ok(())
    }

    pub(super) fn known_answer(&self) -> Option<&KnownAnswer> {
        self.conn.answer.get().filter(|known| known.town == self.town)
    }

    /// What was asked ahead, if that tells it.
    fn known<T>(&self, of: impl FnOnce(&Known) -> Option<T>) -> Option<T> {
        self.conn.known.borrow().as_ref().filter(|known| known.town == self.town).and_then(of)
    }

    /// Keeps up with what is written.
    fn keep_up(&self, with: impl FnOnce(&mut Known)) {
        if let Some(known) = self.conn.known.borrow_mut().as_mut().filter(|known| known.town == self.town) {
            with(known);
        }
    }

    pub(super) fn known_slot(&self, slot: Slot) -> Option<Option<SlotRow>> {
        self.known(|known| (known.slot.0 == slot).then(|| known.slot.1.clone()))
    }

    /// Where these edits stand that came before, in an `order` of the tables.
    pub(super) fn seen<O: Ord>(&self, edits: &[EditId], order: impl Fn(Table) -> O) -> Result<Vec<Seen>, StoreError> {
        let known = self.known(|known| {
            let edits: BTreeSet<EditId> = edits.iter().copied().collect();
            let seen = known.seen.iter().filter(|seen| edits.contains(&seen.edit));
            edits.is_subset(&known.edits).then(|| seen.cloned().collect())
        });
        let mut seen: Vec<Seen> = match known {
            Some(known) => known,
            None => self.conn.prepare_cached(SEEN)?.map(params![ids(edits)], seen_row)?,
        };
        seen.sort_by_key(|seen| order(seen.table));
        Ok(seen)
    }

    pub(super) fn known_ended(&self, edits: &[EditId]) -> Option<BTreeSet<EditId>> {
        self.known(|known| {
            let edits: BTreeSet<EditId> = edits.iter().copied().collect();
            edits.is_subset(&known.edits).then(|| known.ended.intersection(&edits).copied().collect())
        })
    }

    pub(super) fn known_erased(&self, records: &BTreeSet<RecordId>) -> Option<BTreeSet<RecordId>> {
        self.known(|known| {
            records.is_subset(&known.records).then(|| known.erased.intersection(records).copied().collect())
        })
    }

    pub(super) fn known_moved(&self, records: &BTreeSet<RecordId>) -> Option<Vec<Moved>> {
        self.known(|known| {
            let moved = known.moved.iter().filter(|moved| records.contains(&moved.record));
            records.is_subset(&known.records).then(|| moved.cloned().collect())
        })
    }

    pub(super) fn known_parts(&self, keys: &[(RecordId, Part)]) -> Option<Vec<StoredPart>> {
        self.known(|known| {
            let keys: BTreeSet<(RecordId, Part)> = keys.iter().copied().collect();
            let stored = known.stored.iter().filter(|stored| keys.contains(&(stored.record, stored.part)));
            keys.is_subset(&known.parts).then(|| stored.cloned().collect())
        })
    }

    pub(super) fn known_stood(&self, events: &BTreeSet<RecordId>) -> Option<Vec<(RecordId, Like)>> {
        self.known(|known| {
            let stood = known.stood.as_ref()?;
            let all = events.iter().all(|record| known.parts.contains(&(*record, Part::Open)));
            all.then(|| stood.iter().filter(|(record, _)| events.contains(record)).cloned().collect())
        })
    }

    pub(super) fn known_once(&self) -> Option<bool> {
        self.known(|known| Some(known.once))
    }

    pub(super) fn known_remains(&self) -> Option<bool> {
        self.known(|known| Some(known.remains))
    }

    /// The first of the next `count` numbers of a part, which are taken.
    pub(super) fn known_seqs(&self, part: Part, count: u64) -> Option<u64> {
        let mut first = None;
        self.keep_up(|known| {
            let last = match part {
                Part::Open => &mut known.open,
                Part::Restricted => &mut known.restricted,
            };
            first = Some(*last + 1);
            *last += count;
        });
        first
    }

    pub(super) fn wrote_high_water(&self, slot: Slot, n: u64) {
        self.keep_up(|known| match &mut known.slot {
            (of, Some(row)) if *of == slot => row.high_water = n,
            _ => {}
        });
    }

    pub(super) fn wrote_parts(&self) {
        self.keep_up(|known| {
            known.parts.clear();
            known.stored.clear();
            known.stood = None;
        });
    }

    pub(super) fn wrote_edits(&self) {
        self.keep_up(|known| {
            known.edits.clear();
            known.seen.clear();
        });
    }
}
