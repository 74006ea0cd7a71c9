//! The records a request touches, read once and written once.

use std::collections::{BTreeMap, BTreeSet};

use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::mutants::Mutant;
use shared::record::{Part, RecordKind};

use super::Rules;
use crate::auth::authorize::Reach;
use crate::store::{Departure, ReaderKey, StoreError, StoredPart, Tx};
use crate::sync::projection::{self, RowOf};
use crate::sync::rebuild::{Formerly, anew};

/// One part of a record in hand.
#[derive(Default)]
pub struct HeldPart {
    /// As it stands after the edits so far.
    pub state: PartState,
    /// Whether an edit of this request changed it.
    touched: bool,
    /// Whether the sender can compute it (see [`super::Accepted::settled`]).
    settled: bool,
}

/// One record in hand.
pub struct Held {
    /// Where it lies; none while it does not exist.
    pub reach: Option<Reach>,
    /// Where it lay before the request, or where the request made it.
    before: Option<Reach>,
    open: HeldPart,
    restricted: Option<HeldPart>,
    /// Where its edits stood once.
    pub formerly: Formerly,
}

impl Held {
    /// The open part.
    pub fn open(&self) -> &PartState {
        &self.open.state
    }

    /// Notes where a record was made that did not exist before. Moved away in the same request it left there like any
    /// other: its author has to be told.
    pub fn created(&mut self) {
        if self.before.is_none() {
            self.before.clone_from(&self.reach);
        }
    }

    /// The state of a part; empty where there is none.
    pub fn part_mut(&mut self, part: Part) -> &mut HeldPart {
        match part {
            Part::Open => &mut self.open,
            Part::Restricted => self.restricted.get_or_insert_default(),
        }
    }
}

impl HeldPart {
    /// Notes that an edit was applied, and whether the sender can compute the result.
    pub fn touch(&mut self, settled: bool) {
        // One that cannot be computed is in whatever follows on it.
        self.settled = settled && (self.settled || !self.touched);
        self.touched = true;
    }
}

/// All records in hand, in order of ids.
pub struct Holding(BTreeMap<RecordId, Held>);

impl Holding {
    /// Reads what `edits` touch.
    pub fn load<'a>(tx: &dyn Tx, edits: impl Iterator<Item = &'a Edit>) -> Result<Self, StoreError> {
        let mut keys = BTreeSet::new();
        for edit in edits {
            // The open part decides who may write either.
            keys.insert((edit.record, Part::Open));
            keys.insert((edit.record, edit.part));
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let mut held: BTreeMap<RecordId, Held> = BTreeMap::new();
        let any = tx.any_once()?;
        for (record, _) in &keys {
            if held.contains_key(record) {
                continue;
            }
            let (open, formerly) =
                (HeldPart::default(), if any { Formerly::of(tx, *record)? } else { Formerly::default() });
            held.insert(*record, Held { reach: None, before: None, open, restricted: None, formerly });
        }
        for stored in tx.load_many(&keys)? {
            let Some(record) = held.get_mut(&stored.record) else { continue };
            if stored.part == Part::Open {
                record.reach = Some(Reach::of(&stored));
                record.before.clone_from(&record.reach);
            }
            record.part_mut(stored.part).state = state_or_anew(tx, &stored)?;
        }
        Ok(Self(held))
    }

    /// A record folded anew, of which the `altered` parts are written, and both where it lay elsewhere `before`.
    pub fn anew(
        record: RecordId,
        before: Reach,
        after: Reach,
        altered: &[Part],
        open: PartState,
        restricted: Option<PartState>,
    ) -> Self {
        let part = |of: Part, state| HeldPart { state, touched: altered.contains(&of), settled: false };
        let held = Held {
            reach: Some(after),
            before: Some(before),
            open: part(Part::Open, open),
            restricted: restricted.map(|state| part(Part::Restricted, state)),
            formerly: Formerly::default(),
        };
        Self(BTreeMap::from([(record, held)]))
    }

    /// A record of the request, to look at.
    pub fn get(&self, record: RecordId) -> Option<&Held> {
        self.0.get(&record)
    }

    /// A record of the request.
    pub fn get_mut(&mut self, record: RecordId) -> Option<&mut Held> {
        self.0.get_mut(&record)
    }

    /// Writes what changed, each part with the next number of its feed. Says what the sender need not be told.
    pub fn save(self, tx: &mut dyn Tx, rules: &Rules) -> Result<BTreeSet<(RecordId, Part)>, StoreError> {
        let mut settled = BTreeSet::new();
        let mut rows = Vec::with_capacity(self.0.len());
        let mut moves = Vec::new();
        for (record, mut held) in self.0 {
            let Some(reach) = held.reach.clone() else { continue };
            let moved = held.before.as_ref().is_some_and(|before| *before != reach);
            if moved && held.restricted.is_none() {
                // Where the open part lies decides who reads the other, so that one moves along.
                if let Some(stored) = tx.load_many(&[(record, Part::Restricted)])?.first() {
                    held.restricted = Some(HeldPart { state: state(stored)?, ..HeldPart::default() });
                }
            }
            // Planted mistake, see shared::mutants.
            if Mutant::OneVector.on()
                && let Some(restricted) = &mut held.restricted
            {
                held.open.state.join_vector(restricted.state.vector());
                restricted.state.join_vector(held.open.state.vector());
            }
            let parts = [(Part::Open, Some(&held.open)), (Part::Restricted, held.restricted.as_ref())];
            for (part, held_part) in parts {
                let Some(held_part) = held_part.filter(|it| it.touched || (moved && !it.state.is_empty())) else {
                    continue;
                };
                let of = RowOf { record, part, state: &held_part.state };
                let mut row = projection::row(&rules.forms, &rules.calendar, &reach, of);
                row.state = serde_json::to_string(&held_part.state).map_err(|error| StoreError::Corrupt {
                    what: format!("state of {record}"),
                    why: error.to_string(),
                })?;
                if let Some(before) = held.before.as_ref().filter(|_| moved) {
                    moves.push((rows.len(), before.clone()));
                }
                if held_part.settled {
                    settled.insert((record, part));
                }
                rows.push(row);
            }
        }
        for part in Part::ALL {
            let count = rows.iter().filter(|row| row.part == part).count();
            if count == 0 {
                continue;
            }
            let first = tx.take_seqs(part, u64::try_from(count).unwrap_or(u64::MAX))?;
            for (row, seq) in rows.iter_mut().filter(|row| row.part == part).zip(first..) {
                row.seq = seq;
            }
        }
        tx.save_many(&rows)?;
        for (place, before) in moves {
            if let Some(row) = rows.get(place) {
                tx.note_departures(&departures(row, &before))?;
            }
        }
        Ok(settled)
    }
}

/// The state of a stored part; what cannot be read any more is folded anew from its edits, and saved so.
fn state_or_anew(tx: &dyn Tx, stored: &StoredPart) -> Result<PartState, StoreError> {
    state(stored).or_else(|error| {
        let (open, restricted) = anew(tx, stored.record)?;
        let anew = if stored.part == Part::Open { open } else { restricted };
        tracing::error!(record = %stored.record, part = stored.part.code(), "a stored state cannot be read");
        if anew.is_empty() { Err(error) } else { Ok(anew) }
    })
}

fn state(stored: &StoredPart) -> Result<PartState, StoreError> {
    serde_json::from_str(&stored.state).map_err(|error| StoreError::Corrupt {
        what: format!("state of {}", stored.record),
        why: format!("line {}, column {}", error.line(), error.column()),
    })
}

fn keys(reach: &Reach) -> BTreeSet<ReaderKey> {
    let by_scope = if reach.visit { ReaderKey::Visits } else { ReaderKey::Area };
    let areas = reach.areas.iter().copied().map(by_scope);
    areas.chain(reach.readers.iter().map(|user| ReaderKey::User(*user))).collect()
}

fn departures(row: &StoredPart, before: &Reach) -> Vec<Departure> {
    let (record, part) = (row.record, row.part);
    let (before, after) = (keys(before), keys(&Reach::of(row)));
    let left = before.difference(&after).map(|key| Departure { record, part, key: *key, seq: Some(row.seq) });
    let back = after.difference(&before).map(|key| Departure { record, part, key: *key, seq: None });
    left.chain(back).collect()
}

/// What a new record is, before any edit.
pub fn nowhere(kind: RecordKind) -> Reach {
    Reach { kind, areas: Vec::new(), readers: Vec::new(), visit: false }
}
