//! Saves as a handheld makes them: dots without gaps, contexts of what stood there.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::area::AreaId;
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;

use super::dice::Dice;
use super::people::Account;

/// Counts each slot's edits.
#[derive(Debug)]
pub struct Writer {
    epoch: u32,
    counts: BTreeMap<Slot, u64>,
}

/// What one save writes.
#[derive(Debug, Clone, Default)]
pub struct Writes(BTreeMap<Path, Value>);

impl Writes {
    /// What creates a record: its area.
    pub fn in_area(area: AreaId) -> Self {
        Self::default().set("area", &area)
    }

    /// A field.
    #[must_use]
    pub fn set<T: Serialize + ?Sized>(mut self, field: &str, value: &T) -> Self {
        self.0.insert(Path::field(field), Value::of(value));
        self
    }

    /// A field, if there is something to write.
    #[must_use]
    pub fn maybe<T: Serialize>(self, field: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.set(field, &value),
            None => self,
        }
    }

    /// An element of a set.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, field: &str, element: &str, value: &T) -> Self {
        self.0.insert(Path::element(field, element), Value::of(value));
        self
    }
}

/// Whose save, when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub account: &'a Account,
    /// The clock of their device.
    pub at: DateTime<Utc>,
    /// Where the edit is counted.
    pub slot: Slot,
}

impl Writer {
    /// Nobody wrote yet.
    pub fn new(epoch: u32) -> Self {
        Self { epoch, counts: BTreeMap::new() }
    }

    /// One save. `context` is what its author saw.
    #[expect(clippy::too_many_arguments, reason = "they are what an edit consists of")]
    pub fn save(
        &mut self,
        dice: &mut Dice,
        by: By<'_>,
        record: RecordId,
        kind: RecordKind,
        part: Part,
        context: VectorTimestamp,
        writes: Writes,
    ) -> Edit {
        let id = EditId(dice.uuid(by.at));
        self.save_as(id, by, record, kind, part, context, writes)
    }

    /// The same with an id that is known already: a step names its own edit.
    #[expect(clippy::too_many_arguments, reason = "they are what an edit consists of")]
    pub fn save_as(
        &mut self,
        id: EditId,
        by: By<'_>,
        record: RecordId,
        kind: RecordKind,
        part: Part,
        context: VectorTimestamp,
        writes: Writes,
    ) -> Edit {
        let n = self.counts.entry(by.slot).or_insert(0);
        *n += 1;
        Edit {
            id,
            record,
            kind,
            part,
            dot: Dot { slot: by.slot, n: *n },
            context,
            epoch: self.epoch,
            at: by.at,
            zone: 480,
            author: Arc::new(Author {
                user: Some(by.account.id),
                name: by.account.name.clone(),
                role: by.account.role,
            }),
            // 走访 and its like came with the second version of the event's form.
            form: if kind == RecordKind::Event { 2 } else { 1 },
            writes: writes.0,
        }
    }
}
