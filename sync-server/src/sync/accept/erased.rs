//! What comes for records that were erased, and visits of people who were: nothing of it is kept but ids and dots.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::work::SUBJECT;

use super::held::Holding;
use crate::erase;
use crate::store::{Erased, StoreError, Tx};
use crate::sync::incoming::Offered;

/// Records that were erased, of those that edits are for or say they are about.
#[derive(Default)]
pub struct Gone {
    records: BTreeSet<RecordId>,
    /// Of these the people: whom a visit was of is all it tells.
    people: BTreeSet<RecordId>,
}

impl Gone {
    /// Those of records, and of whom `edits` say they are about.
    pub fn of<'a>(
        tx: &dyn Tx,
        records: impl Iterator<Item = RecordId>,
        edits: impl Iterator<Item = &'a Edit>,
    ) -> Result<Self, StoreError> {
        let about: BTreeSet<RecordId> = edits.filter_map(about).collect();
        let records = tx.erased_of(&records.collect())?;
        let mut people = tx.erased_of(&about)?;
        // Nearly never there is one.
        if !people.is_empty() {
            let erased = tx.erased()?.into_iter().filter(|it| it.kind == RecordKind::Person);
            people = erased.map(|it| it.record).filter(|id| people.contains(id)).collect();
        }
        Ok(Self { records, people })
    }

    /// Whether nothing of what was offered may be kept.
    pub fn takes(&self, offered: &Offered) -> bool {
        match offered {
            Offered::Edit(edit) => self.takes_edit(edit),
            Offered::Unreadable(unreadable) => unreadable.record.is_some_and(|record| self.records.contains(&record)),
        }
    }

    /// Whether nothing of an edit may be kept.
    pub fn takes_edit(&self, edit: &Edit) -> bool {
        self.records.contains(&edit.record) || about(edit).is_some_and(|subject| self.people.contains(&subject))
    }

    /// Keeps id and dot of what [`Self::takes`] says. What would have begun a visit is erased before it began, or what
    /// follows on it would stand in quarantine with all it says.
    pub fn keep_out(
        &mut self,
        tx: &mut dyn Tx,
        now: DateTime<Utc>,
        edit: EditId,
        dot: Dot,
        begins: Option<RecordId>,
    ) -> Result<(), StoreError> {
        tx.put_erased_edit(edit, dot)?;
        let Some(record) = begins.filter(|record| !self.records.contains(record)) else { return Ok(()) };
        if tx.holds_anything_of(record)? {
            erase::note_forgotten(tx)?;
        }
        tx.erase(&Erased { record, kind: RecordKind::Event, at: now })?;
        self.records.insert(record);
        Ok(())
    }
}

/// The record that an edit is for, if it is not here.
pub fn begins(holding: &Holding, offered: &Offered) -> Option<RecordId> {
    offered.record().filter(|record| holding.get(*record).is_none_or(|held| held.reach.is_none()))
}

/// Whom or what an edit of an event says it is about.
pub fn about(edit: &Edit) -> Option<RecordId> {
    let of_event = edit.kind == RecordKind::Event && edit.part == Part::Open;
    edit.writes.get(&Path::field(SUBJECT)).filter(|_| of_event)?.get()
}
