//! Saving: what forms, cards and buttons write.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::author::Author;
use shared::ids::{EditId, RecordId};
use shared::merge::DELETED;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::vector::VectorTimestamp;

use super::SaveError;
use super::session::{Inner, Session};
use super::types::{Draft, Problem, Saved, SeenAt};
use crate::store::{Also, NewEdit, Stamp, StoreError};

/// Minutes east of UTC where the handheld is used: all of China is one zone.
const ZONE: i16 = 480;

impl Session {
    pub(super) fn stamp(&self, inner: &Inner) -> Stamp {
        let setup = self.setup();
        let me = &setup.user;
        let author = Author { user: Some(me.id), name: me.name.clone(), role: me.role };
        Stamp { at: inner.now(), zone: ZONE, author: Arc::new(author) }
    }

    /// The edits a draft makes: open first, then restricted, each with the context of its part.
    fn edits(&self, draft: Draft, mut fresh: impl FnMut() -> EditId) -> Vec<NewEdit> {
        let mut context = draft.context;
        self.store
            .split(draft.kind, draft.form, draft.writes)
            .into_iter()
            .enumerate()
            .map(|(place, (part, writes))| NewEdit {
                id: if place == 0 { draft.edit } else { fresh() },
                record: draft.record,
                kind: draft.kind,
                part,
                context: context.remove(&part).unwrap_or_default(),
                seen: draft.seen,
                form: draft.form,
                writes,
            })
            .collect()
    }

    pub(super) fn check(&self, draft: &Draft) -> Result<Vec<Problem>, SaveError> {
        let edits = self.edits(draft.clone(), || draft.edit);
        self.store.check(&edits)
    }

    pub(super) fn save(&self, inner: &Inner, draft: Draft, forget: Option<&str>) -> Result<Saved, SaveError> {
        let record = draft.record;
        let edits = self.edits(draft, || EditId::fresh(inner.outside()));
        self.store_all(inner, record, edits, Also { forget_draft: forget, corrects: None })
    }

    fn store_all(
        &self,
        inner: &Inner,
        record: RecordId,
        edits: Vec<NewEdit>,
        also: Also<'_>,
    ) -> Result<Saved, SaveError> {
        let ids = edits.iter().map(|edit| edit.id).collect();
        let unverified = self.store.save(edits, &self.stamp(inner), also)?;
        Ok(Saved { record, edits: ids, unverified })
    }

    pub(super) fn settle(
        &self,
        inner: &Inner,
        record: RecordId,
        part: Part,
        field: &str,
        value: Value,
    ) -> Result<Saved, SaveError> {
        let edit = self.one_write(inner, record, part, Path::field(field), value)?;
        self.store_all(inner, record, vec![edit], Also::default())
    }

    pub(super) fn delete(&self, inner: &Inner, record: RecordId, deleted: bool) -> Result<Saved, SaveError> {
        let value = if deleted { Value::of(&true) } else { Value::null() };
        let mut edits = vec![self.one_write(inner, record, Part::Open, Path::field(DELETED), value.clone())?];
        if self.store.is_closed(record)? {
            // Half of it would stay.
            return Err(SaveError::LeaseOver);
        }
        let held = self.store.record(record)?;
        if held.is_some_and(|held| !held.restricted.is_empty()) {
            edits.push(self.one_write(inner, record, Part::Restricted, Path::field(DELETED), value)?);
        }
        self.store_all(inner, record, edits, Also::default())
    }

    /// A write that has seen everything that stands there.
    pub(super) fn one_write(
        &self,
        inner: &Inner,
        record: RecordId,
        part: Part,
        path: Path,
        value: Value,
    ) -> Result<NewEdit, SaveError> {
        // Asked first: should this handheld become another writer in between, dots of the old slot are mapped.
        let seen = self.store.seen(record)?;
        if part == Part::Restricted && self.store.is_closed(record)? {
            return Err(SaveError::LeaseOver);
        }
        let held = self.store.record(record)?.ok_or(SaveError::Nothing)?;
        let form = inner.rules().form(held.kind).ok_or(SaveError::NoSuchForm(held.kind, 0))?;
        Ok(NewEdit {
            id: EditId::fresh(inner.outside()),
            record,
            kind: held.kind,
            part,
            context: held.part(part).vector().clone(),
            seen: Some(seen),
            form: form.version,
            writes: BTreeMap::from([(path, value)]),
        })
    }

    /// Brings back what stood before `settled`, in the paths it wrote. Where there were several values, each gets an
    /// edit of its own that has not seen the others: so they stand beside each other again.
    pub(super) fn undo(&self, inner: &Inner, settled: EditId) -> Result<Saved, SaveError> {
        let (edit, replaced) = self.store.own_edit(settled)?.ok_or(SaveError::Nothing)?;
        let seen = self.store.seen(edit.record)?;
        let held = self.store.record(edit.record)?.ok_or(SaveError::Nothing)?;
        let context: VectorTimestamp = held.part(edit.part).vector().clone();
        let most = replaced.values().map(Vec::len).max().unwrap_or_default().max(1);
        let mut edits = Vec::with_capacity(most);
        for round in 0..most {
            let writes: BTreeMap<Path, Value> = replaced
                .iter()
                .filter_map(|(path, values)| match values.get(round) {
                    Some(value) => Some((path.clone(), value.clone())),
                    // Nothing stood there: clear it, once.
                    None if round == 0 => Some((path.clone(), Value::null())),
                    None => None,
                })
                .collect();
            edits.push(NewEdit {
                id: EditId::fresh(inner.outside()),
                record: edit.record,
                kind: edit.kind,
                part: edit.part,
                context: context.clone(),
                seen: Some(seen),
                form: edit.form,
                writes,
            });
        }
        self.store_all(inner, edit.record, edits, Also::default())
    }

    pub(super) fn correct(
        &self,
        inner: &Inner,
        edit: EditId,
        writes: BTreeMap<Path, Value>,
    ) -> Result<Saved, SaveError> {
        let old = self.store.rejected(edit)?.ok_or(SaveError::NotInTray(edit))?;
        if writes.is_empty() {
            return Err(SaveError::Nothing);
        }
        // A new id and a new dot, but the old context: what its author had seen has not changed. An entry of a log is
        // named after the edit that writes it, so it moves along.
        let id = EditId::fresh(inner.outside());
        let named = edit.to_string();
        let writes = writes
            .into_iter()
            .map(|(path, value)| match path.element_name() == Some(named.as_str()) {
                true => (Path::entry(path.field_name(), id), value),
                false => (path, value),
            })
            .collect();
        let new = NewEdit {
            id,
            record: old.record,
            kind: old.kind,
            part: old.part,
            context: old.context,
            seen: Some(SeenAt { epoch: old.epoch, slot: old.dot.slot }),
            form: old.form,
            writes,
        };
        self.store_all(inner, old.record, vec![new], Also { forget_draft: None, corrects: Some(edit) })
    }
}

impl From<StoreError> for super::SyncError {
    fn from(error: StoreError) -> Self {
        Self { message: error.message(), detail: error.to_string(), retry: None, asked_to_wait: false }
    }
}
