//! Ending a part: the time of what stands in it is over, the rest of the record stays (decision 14).
//!
//! Every edit of the part stays in its place, with its dot and context, and what it wrote is taken out; refused ones too.
//! Then the server writes an edit of its own, whose dot says that the ending was seen: a form opened after it covers it. The
//! ids of the emptied edits stand on the list, with that edit's: one that is offered again after a restore is emptied
//! again, and the server's own comes back under the dot that others have seen. Files, batches and sweeping: as for a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assets::messages::{Lang, Messages};
use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;

use super::{Done, EraseError, Note, Taken, finish, list, take_back};
use crate::AppState;
use crate::batch::Manifest;
use crate::store::{self, Decision, Origin, Read, SlotRow, StoreError, StoredEdit, Tx};
use crate::sync::accept::{self, Rules, mend};

/// What the server writes under, in the history.
const LABEL: &str = "retention";

/// A part whose time was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Of which record.
    pub record: RecordId,
    /// What it is.
    pub kind: RecordKind,
    /// Which part.
    pub part: Part,
    /// The field that said until when; the server's edit clears it.
    pub field: String,
    /// By the server's clock.
    pub at: DateTime<Utc>,
    /// The server's edit.
    pub by: EditId,
    /// Its dot.
    pub dot: Dot,
    /// Its epoch.
    pub epoch: u32,
    /// The edits that were emptied, in order of ids.
    pub edits: BTreeSet<EditId>,
}

/// Ends a part of some records of a town, at once: the database is swept once. `is_over` is asked again at the moment of
/// ending: somebody may have renewed it meanwhile.
pub fn end(
    app: &AppState,
    town: AreaId,
    part: Part,
    field: &str,
    records: &[(RecordId, RecordKind)],
    is_over: &dyn Fn(&dyn Read, RecordId) -> Result<bool, StoreError>,
) -> Result<Done, EraseError> {
    let (now, epoch) = (app.outside.now(), app.store.epoch()?);
    let rules = app.rules_of(town)?;
    let note = Note { user: None, action: "audit-part-ended", detail: part.code(), at: now };
    let (parts, taken) = store::write::<_, EraseError>(&*app.store, town, |tx| {
        let mut over = Vec::with_capacity(records.len());
        for (record, kind) in records {
            if is_over(&*tx, *record)? {
                over.push((*record, *kind));
            }
        }
        if over.is_empty() {
            return Ok((0, Taken::default()));
        }
        // A slot of its own, as an import has: whatever becomes of it, no other edit ever had these dots.
        let slot = accept::new_slot(app, tx, Origin::Console, LABEL)?;
        let mut ended = Vec::with_capacity(over.len());
        for ((record, kind), n) in over.into_iter().zip(1..) {
            ended.push(Ended {
                record,
                kind,
                part,
                field: field.to_owned(),
                at: now,
                by: EditId::fresh(&*app.outside),
                dot: Dot { slot, n },
                epoch,
                edits: edits_of(&*tx, record, part)?,
            });
        }
        let lines: Vec<_> = ended.iter().map(|one| (town, one.clone())).collect();
        list::append_ended(&app.data, &lines).map_err(EraseError::List)?;
        Ok((ended.len(), forget_in(tx, &rules, &ended, &note)?))
    })?;
    Ok(Done { parts, ..finish(app, Vec::new(), taken) })
}

/// The edits of a part that say anything, taken or refused.
fn edits_of(read: &dyn Read, record: RecordId, part: Part) -> Result<BTreeSet<EditId>, StoreError> {
    let applied = read.edits_of(record)?.into_iter().map(|stored| stored.edit);
    let refused = read.quarantined_of(record)?.into_iter().map(|held| held.edit);
    let all = applied.chain(refused).filter(|edit| edit.part == part && !edit.writes.is_empty());
    Ok(all.map(|edit| edit.id).collect())
}

/// Those on the list that this database does not know of: it was restored, or a crash came between list and database.
pub(super) fn unknown(read: &dyn Read, listed: &[Ended]) -> Result<Vec<Ended>, StoreError> {
    let mut unknown = Vec::new();
    for one in listed {
        if read.applied_at(one.dot)?.is_some() || !read.erased_of(&BTreeSet::from([one.record]))?.is_empty() {
            continue;
        }
        // The ending was listed and then not carried out, and it was written since: its time is counted anew.
        let since = |stored: &StoredEdit| {
            stored.edit.part == one.part && stored.received > one.at && !one.edits.contains(&stored.edit.id)
        };
        if read.edits_of(one.record)?.iter().any(since) {
            continue;
        }
        // Of a record that this database never had it is enough that the ids are known.
        let ids: Vec<EditId> = one.edits.iter().copied().collect();
        let known = read.ended_of(&ids)?.len() == ids.len();
        if !known || !read.load_many(&[(one.record, Part::Open)])?.is_empty() {
            unknown.push(one.clone());
        }
    }
    Ok(unknown)
}

/// Takes the writes out and writes the server's edits, in one transaction.
pub(super) fn forget(app: &AppState, town: AreaId, ended: &[Ended], note: &Note<'_>) -> Result<Taken, EraseError> {
    let rules = app.rules_of(town)?;
    store::write(&*app.store, town, |tx| forget_in(tx, &rules, ended, note))
}

fn forget_in(tx: &mut dyn Tx, rules: &Rules, ended: &[Ended], note: &Note<'_>) -> Result<Taken, EraseError> {
    let mut taken = Taken::default();
    let records: BTreeSet<RecordId> = ended.iter().map(|one| one.record).collect();
    for id in tx.batches_telling(&records)? {
        let Some(batch) = tx.batch(id)?.filter(|batch| batch.erased.is_none()) else { continue };
        let manifest: Manifest = serde_json::from_str(&batch.manifest)?;
        if manifest.restricted {
            take_back(tx, id, manifest, note, &mut taken)?;
        }
    }
    let words = Messages::of(Lang::default());
    let why = words.text("retention-tray");
    let author = Arc::new(Author { user: None, name: words.text("retention-author"), role: Role::Admin });
    let mut last: BTreeMap<Slot, u64> = BTreeMap::new();
    for one in ended {
        if tx.applied_at(one.dot)?.is_some() {
            // Another process was faster.
            continue;
        }
        tx.empty_edits(one.record, one.part, &one.edits)?;
        for id in &one.edits {
            if tx.quarantined(*id)?.is_some_and(|held| held.decision.is_none()) {
                tx.decide_quarantined(*id, &Decision::Dismissed(why.clone()))?;
            }
        }
        if write(tx, rules, one, &author)? {
            let n = last.entry(one.dot.slot).or_default();
            *n = (*n).max(one.dot.n);
            note.put(tx, one.record.to_string())?;
        }
    }
    for (slot, n) in last {
        let row = tx.slot(slot)?.ok_or(StoreError::Missing("the slot"))?;
        tx.set_high_water(slot, n.max(row.high_water))?;
    }
    super::note_forgotten(tx)?;
    Ok(taken)
}

/// The server's edit, and the part as its emptied edits make it. Not where the record is not there: a backup may be older
/// than it. Says whether it was written.
fn write(tx: &mut dyn Tx, rules: &Rules, ended: &Ended, author: &Arc<Author>) -> Result<bool, EraseError> {
    let open = tx.load_many(&[(ended.record, Part::Open)])?;
    if open.is_empty() {
        return Ok(false);
    }
    if tx.slot(ended.dot.slot)?.is_none() {
        let (town, label) = (tx.town(), LABEL.to_owned());
        tx.put_slot(&SlotRow { slot: ended.dot.slot, town, origin: Origin::Console, label, high_water: 0 })?;
    }
    let mut context = VectorTimestamp::new();
    for stored in tx.edits_of(ended.record)? {
        // What came after the list was made is not covered: it stands beside the ending, for somebody to decide.
        if stored.edit.part == ended.part && stored.edit.writes.is_empty() {
            context.observe(stored.edit.dot);
        }
    }
    let edit = Edit {
        id: ended.by,
        record: ended.record,
        kind: ended.kind,
        part: ended.part,
        dot: ended.dot,
        context,
        epoch: ended.epoch,
        at: ended.at,
        zone: 480,
        author: Arc::clone(author),
        form: rules.forms.newest(ended.kind).map_or(1, |form| form.version),
        writes: BTreeMap::from([(Path::field(&ended.field), Value::null())]),
    };
    let (open, restricted) = crate::sync::rebuild::anew(tx, ended.record)?;
    let mut after = if ended.part == Part::Open { open } else { restricted };
    after.apply(&edit);
    let vector = after.vector().clone();
    tx.save_edits(&[StoredEdit { edit, received: rules.now, vector, origin: String::new() }])?;
    mend::put_anew(tx, rules, ended.record, ended.part)?;
    Ok(true)
}
