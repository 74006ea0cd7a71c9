//! Saving: validate, next dot, edit row, shown row, search; one transaction, durable when it returns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::{FieldType, Form};
use shared::ids::{Dot, EditId, PhotoHash, RecordId, Slot};
use shared::limits::{EDIT_BYTES, WRITES_AN_EDIT};
use shared::merge::{DELETED, PartState};
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::validate::{self, Problem, Severity};
use shared::value::Value;
use shared::vector::VectorTimestamp;

use super::meta::{self, key};
use super::project::part_of;
use super::rows::{blob, json, shown};
use super::{Store, StoreError, Tx, fork, lease, read};
use crate::handheld::{SaveError, SeenAt};

/// One edit as the caller wants it; the store gives it its dot.
#[derive(Debug, Clone)]
pub struct NewEdit {
    /// Its id.
    pub id: EditId,
    /// The record.
    pub record: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// The part.
    pub part: Part,
    /// What its author had seen.
    pub context: VectorTimestamp,
    /// When that context was read; now if `None`.
    pub seen: Option<SeenAt>,
    /// The form version.
    pub form: u32,
    /// What is written.
    pub writes: BTreeMap<Path, Value>,
}

/// What stood in each written path before an edit.
pub type Replaced = BTreeMap<Path, Vec<Value>>;

/// Who saves and when.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The device clock.
    pub at: DateTime<Utc>,
    /// Minutes east of UTC.
    pub zone: i16,
    /// Who.
    pub author: Arc<Author>,
}

/// What else happens in the transaction of a save.
#[derive(Debug, Clone, Copy, Default)]
pub struct Also<'a> {
    /// A draft that is done with.
    pub forget_draft: Option<&'a str>,
    /// A rejected edit that this one takes the place of.
    pub corrects: Option<EditId>,
}

impl Store {
    /// Saves edits of one record in the order given. On an error nothing was saved. Gives what is 待核实.
    pub fn save(&self, edits: Vec<NewEdit>, stamp: &Stamp, also: Also<'_>) -> Result<Vec<Problem>, SaveError> {
        self.write(|tx| tx.save(edits, stamp, also))
    }

    /// Saves edits of several records in one transaction: all of them, or on an error none.
    pub fn save_together(&self, records: Vec<Vec<NewEdit>>, stamp: &Stamp) -> Result<(), SaveError> {
        self.write(|tx| {
            for edits in records {
                tx.save(edits, stamp, Also::default())?;
            }
            Ok(())
        })
    }

    /// Everything wrong with these edits, without saving.
    pub fn check(&self, edits: &[NewEdit]) -> Result<Vec<Problem>, SaveError> {
        let Some(first) = edits.first() else { return Ok(Vec::new()) };
        let mut record = self.read(|sql| held(sql, first))?;
        let author = Author { user: None, name: String::new(), role: Role::GridMember };
        let stamp = Stamp { at: DateTime::UNIX_EPOCH, zone: 0, author: Arc::new(author) };
        let (rules, mut found) = (self.rules(), Vec::new());
        for (n, edit) in (1..).zip(edits) {
            let form = rules.forms.get(edit.kind, edit.form);
            let form = form.ok_or(SaveError::NoSuchForm(edit.kind, edit.form))?;
            // A slot that nobody has: the edit is applied to a copy and forgotten.
            let edit = edit.clone().into_edit(Dot { slot: Slot(u64::MAX), n }, 0, &stamp);
            found.extend(problems(form, &mut record, &edit));
        }
        Ok(found)
    }
}

/// The record as it is shown, or an empty one.
fn held(sql: &Connection, edit: &NewEdit) -> Result<Record, StoreError> {
    Ok(shown(sql, edit.record)?.unwrap_or_else(|| Record::empty(edit.record, edit.kind)))
}

/// Applies `edit` to `record` and says what is wrong with the result where the edit touched it.
fn problems(form: &Form, record: &mut Record, edit: &Edit) -> Vec<Problem> {
    let mut found = validate::edit(form, edit);
    let created = record.part(edit.part).is_empty();
    record.part_mut(edit.part).apply(edit);
    let values: BTreeMap<Path, Value> = record
        .part(edit.part)
        .all_live()
        .map(|(path, write)| (path.clone(), write.value.clone()))
        .chain(edit.writes.iter().map(|(path, value)| (path.clone(), value.clone())))
        .collect();
    for problem in validate::draft(form, edit.part, &values) {
        // What was there before and was not touched now is not this save's fault: it must not keep it from being saved.
        let ours = created || edit.writes.contains_key(&problem.path);
        if ours && !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

impl NewEdit {
    fn into_edit(self, dot: Dot, epoch: u32, stamp: &Stamp) -> Edit {
        Edit {
            id: self.id,
            record: self.record,
            kind: self.kind,
            part: self.part,
            dot,
            context: self.context,
            epoch: self.seen.map_or(epoch, |seen| seen.epoch),
            at: stamp.at,
            zone: stamp.zone,
            author: Arc::clone(&stamp.author),
            form: self.form,
            writes: self.writes,
        }
    }
}

impl Tx<'_> {
    fn save(&mut self, edits: Vec<NewEdit>, stamp: &Stamp, also: Also<'_>) -> Result<Vec<Problem>, SaveError> {
        let Some(first) = edits.first() else { return Err(SaveError::Nothing) };
        let slot: Slot = meta::get(&self.sql, key::SLOT)?.ok_or(StoreError::NotEnrolled)?;
        let epoch = read::epoch(&self.sql, first.record)?;
        let mut n: u64 = meta::get(&self.sql, key::NEXT_N)?.unwrap_or(1);
        let mut record = held(&self.sql, first)?;
        let closed = lease::is_closed(&self.sql, first.record)?;
        let mut found = Vec::new();
        for new in edits {
            let before = record.part(new.part).clone();
            let (form_version, seen) = (new.form, new.seen);
            let mut edit = new.into_edit(Dot { slot, n }, epoch, stamp);
            edit.context = fork::todays(&self.sql, seen.map(|seen| seen.slot), edit.context)?;
            let form =
                self.rules.forms.get(edit.kind, form_version).ok_or(SaveError::NoSuchForm(edit.kind, form_version))?;
            let blind = closed && edit.part == Part::Restricted;
            if blind && edit.context.is_empty() {
                // It has not seen what lies there and would stand beside all of it.
                return Err(SaveError::LeaseOver);
            }
            let mut touching = problems(form, &mut record, &edit);
            if blind {
                // Typed before the lease ended. Whether it fits what lies there, the centre says.
                touching.retain(|problem| edit.writes.contains_key(&problem.path));
            }
            found.extend(touching);
            let replaced: BTreeMap<&Path, Vec<&Value>> =
                edit.writes.keys().map(|path| (path, before.live(path).map(|write| write.value).collect())).collect();
            insert(&self.sql, &edit, &replaced, &over(&before, &edit))?;
            link_photos(&self.sql, form, &edit)?;
            n += 1;
        }
        if found.iter().any(|problem| problem.severity == Severity::Refused) {
            return Err(SaveError::Problems(found));
        }
        meta::put(&self.sql, key::NEXT_N, &n)?;
        self.put_shown(&record)?;
        if let Some(draft) = also.forget_draft {
            super::drafts::delete(&self.sql, draft)?;
        }
        if let Some(old) = also.corrects {
            let changed = self
                .sql
                .prepare_cached("UPDATE edit SET state = 'corrected', told = 0 WHERE id = ?1 AND state = 'rejected'")
                .and_then(|mut statement| statement.execute([blob(&old.0)]))
                .map_err(StoreError::from)?;
            if changed != 1 {
                return Err(SaveError::NotInTray(old));
            }
        }
        Ok(found)
    }
}

/// What an edit stands in place of: the live writes its author saw where it writes, or everywhere if it deletes. Not own ones
/// of the same slot: they are renamed with it.
fn over(before: &PartState, edit: &Edit) -> BTreeSet<(EditId, Dot)> {
    let deletes = edit.writes.contains_key(&Path::field(DELETED));
    before
        .all_live()
        .filter(|(path, _)| deletes || edit.writes.contains_key(*path))
        .filter(|(_, write)| write.dot.slot != edit.dot.slot && edit.context.covers(write.dot))
        .map(|(_, write)| (write.head.id, write.dot))
        .collect()
}

fn insert(
    sql: &Connection,
    edit: &Edit,
    replaced: &BTreeMap<&Path, Vec<&Value>>,
    over: &BTreeSet<(EditId, Dot)>,
) -> Result<(), SaveError> {
    let row = |error: serde_json::Error| StoreError::Row { what: "edit", why: error.to_string() };
    let text = serde_json::to_string(edit).map_err(row)?;
    if text.len() > EDIT_BYTES || edit.writes.len() > WRITES_AN_EDIT {
        return Err(SaveError::TooLarge { bytes: text.len(), writes: edit.writes.len() });
    }
    let (replaced, over) = (serde_json::to_string(replaced).map_err(row)?, serde_json::to_string(over).map_err(row)?);
    sql.prepare_cached(
        "INSERT INTO edit (id, record, part, slot, n, state, json, replaced, over, receipt, saved, answered)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6, CASE ?3 WHEN 'restricted' THEN sealed(?7) ELSE ?7 END, ?8, '', ?9, 0)",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            blob(&edit.id.0),
            blob(&edit.record.0),
            edit.part.code(),
            edit.dot.slot.0.cast_signed(),
            edit.dot.n.cast_signed(),
            text,
            replaced,
            over,
            edit.at.timestamp_millis()
        ])
    })
    .map_err(StoreError::from)?;
    Ok(())
}

/// Photos that a save links are to be delivered from now on, each after its thumbnail.
fn link_photos(sql: &Connection, form: &Form, edit: &Edit) -> Result<(), StoreError> {
    for (path, value) in &edit.writes {
        let is_photo = form.field(path.field_name()).is_some_and(|field| field.kind == FieldType::Photos);
        let Some(hash) = path.element_name().filter(|_| is_photo && !value.is_null()) else { continue };
        let Ok(hash) = PhotoHash::try_from(hash.to_owned()) else { continue };
        sql.prepare_cached(
            "UPDATE photo SET state = 'waiting', record = ?2
             WHERE state = 'taken' AND (hash = ?1 OR hash = (SELECT thumbnail FROM photo WHERE hash = ?1))",
        )?
        .execute(params![hash.as_str(), blob(&edit.record.0)])?;
    }
    Ok(())
}

/// What an own edit replaced: the values that stood in each of its paths when it was saved.
pub(super) fn replaced_by(sql: &Connection, id: EditId) -> Result<Option<(Edit, Replaced)>, StoreError> {
    let found: Option<(String, String)> = sql
        .prepare_cached(
            "SELECT opened(json), opened(replaced) FROM edit
             WHERE id = ?1 AND opened(json) IS NOT NULL AND opened(replaced) IS NOT NULL",
        )?
        .query_row([blob(&id.0)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(edit, replaced)| Ok((json("edit", &edit)?, json("replaced values", &replaced)?))).transpose()
}

impl Store {
    /// An own edit that is still kept, with what it replaced.
    pub fn own_edit(&self, id: EditId) -> Result<Option<(Edit, Replaced)>, StoreError> {
        self.read(|sql| replaced_by(sql, id))
    }

    /// Splits writes by the part their fields belong to.
    pub fn split(
        &self,
        kind: RecordKind,
        form: u32,
        writes: BTreeMap<Path, Value>,
    ) -> BTreeMap<Part, BTreeMap<Path, Value>> {
        let mut parts: BTreeMap<Part, BTreeMap<Path, Value>> = BTreeMap::new();
        let rules = self.rules();
        let form = rules.forms.get(kind, form);
        for (path, value) in writes {
            let part = form.map_or(Part::Open, |form| part_of(form, path.field_name()));
            parts.entry(part).or_default().insert(path, value);
        }
        parts
    }
}
