//! 移交: handing a record over to another town. All that is kept of it goes along, edits with their ids and dots; what stays
//! is that it left. There it is new in the feed, here it is gone for everybody who saw it, in one transaction of both towns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::area::{AreaId, AreaLevel};
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view;

use super::accept::{Rules, console_slot, mend, next_dot};
use super::projection;
use super::rebuild::anew;
use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::erase::{EraseError, group_in};
use crate::store::{self, Audit, Departure, Moved, StoreError, StoredEdit, Tx};

/// Why a record was not handed over. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such record, or this person may not know that there is.
    #[error("there is no such record")]
    NoSuchRecord,
    /// This person may not hand it over, or not to there.
    #[error("not allowed")]
    NotAllowed,
    /// No area that records can lie in, or one of the same town.
    #[error("it cannot be handed over to there")]
    NoSuchArea,
    /// It counts as one with another record, which has to be handed over instead.
    #[error("it was merged into another record")]
    Merged,
}

/// Whether `who` may hand a record over to an area of another town.
pub fn may_hand_over(who: &Who, areas: &shared::area::AreaTree, reach: &Reach, to: AreaId) -> bool {
    let after = Reach { areas: vec![to], ..reach.clone() };
    authorize(who, Action::HandOver, Some(reach), &after, areas).is_ok()
}

/// Hands a record over to an area of another town, with all that was merged into it. Visits and events about it stay: they
/// tell what was done here. Blocks.
pub fn hand_over(app: &AppState, who: &Who, record: RecordId, to: AreaId) -> Result<(), MoveError> {
    let areas = app.areas()?;
    let open = areas.get(to).is_some_and(|area| area.level > AreaLevel::Town && !area.closed);
    let town = areas.town_of(to).filter(|_| open).ok_or(MoveError::NoSuchArea)?;
    let from = store::read::<_, StoreError>(&*app.store, who.user.town, |read| {
        for town in who.towns() {
            if !read.beside(town).load_many(&[(record, Part::Open)])?.is_empty() {
                return Ok(Some(town));
            }
        }
        Ok(None)
    })?;
    let from = from.ok_or(MoveError::NoSuchRecord)?;
    if from == town {
        return Err(MoveError::NoSuchArea);
    }
    let rules = app.rules_of(from)?;
    store::write(&*app.store, from, |tx| {
        tx.hold(&BTreeSet::from([town]))?;
        let group = group_in(&*tx, record).map_err(|error| match error {
            EraseError::Store(error) => MoveError::Store(error),
            _ => MoveError::NoSuchRecord,
        })?;
        let parts = tx.load_many(&group.iter().map(|(id, _)| (*id, Part::Open)).collect::<Vec<_>>())?;
        for (place, (id, _)) in group.iter().enumerate() {
            let reach = parts.iter().find(|part| part.record == *id).map(Reach::of);
            let Some(reach) = reach else { return Err(MoveError::NoSuchRecord) };
            if authorize(who, Action::Read(Part::Open), Some(&reach), &reach, &areas).is_err() && place == 0 {
                return Err(MoveError::NoSuchRecord);
            }
            if !may_hand_over(who, &areas, &reach, to) {
                return Err(MoveError::NotAllowed);
            }
        }
        if tx.alias_of(record)? != record {
            return Err(MoveError::Merged);
        }
        group.iter().try_for_each(|(id, kind)| one(app, tx, &rules, who, (*id, *kind), (to, town)))
    })
}

fn one(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    (record, kind): (RecordId, RecordKind),
    (to, town): (AreaId, AreaId),
) -> Result<(), MoveError> {
    let home = tx.town();
    let readers = tx.readers_ever(record)?;
    let parts = tx.load_many(&[(record, Part::Open), (record, Part::Restricted)])?;
    let (open, _) = anew(&*tx, record)?;
    let mut writes = BTreeMap::from([(Path::field("area"), Value::of(&to))]);
    if kind == RecordKind::Person {
        // As of whoever moves to another grid of the town: there it is marked until they came; house and household stay behind.
        writes.extend(view::areas(&open).first().map(|area| (Path::field("moved_from"), Value::of(area))));
        let said = |path: &Path| open.live(path).any(|write| !write.value.is_null());
        let home = ["lives_at", "householder", "relation"].map(Path::field).into_iter();
        writes.extend(home.filter(said).map(|path| (path, Value::null())));
    }
    let slot = console_slot(app, tx)?;
    let author = Author { user: Some(who.user.id), name: who.user.name.clone(), role: who.user.role };
    let edit = Edit {
        id: EditId::fresh(&*app.outside),
        record,
        kind,
        part: Part::Open,
        dot: next_dot(&*tx, slot)?,
        context: open.vector().clone(),
        epoch: rules.epoch,
        at: rules.now,
        zone: 480,
        author: Arc::new(author),
        form: rules.forms.newest(kind).map_or(1, |form| form.version),
        writes,
    };
    let (n, mut after) = (edit.dot.n, open);
    after.apply(&edit);
    let vector = after.vector().clone();
    tx.save_edits(&[StoredEdit { edit, received: rules.now, vector, origin: String::new() }])?;
    tx.set_high_water(slot, n)?;
    for stored in &parts {
        let seq = tx.next_seq(stored.part)?;
        let left = readers.iter().map(|key| Departure { record, part: stored.part, key: *key, seq: Some(seq) });
        tx.note_departures(&left.collect::<Vec<_>>())?;
    }
    tx.hand_over(&Moved { record, kind, to: town, at: rules.now })?;
    note(tx, rules, who, "audit-handed-over", record, town)?;
    let mut there = tx.at(town)?;
    let rules = app.rules_beside(&*there, rules)?;
    let (open, restricted) = anew(&*there, record)?;
    let reach = projection::reach(kind, &open, &rules.calendar);
    mend::save_new(&mut *there, &rules, record, reach, (open, restricted))?;
    note(&mut *there, &rules, who, "audit-taken-over", record, home)?;
    Ok(())
}

/// Written down in both towns, each naming the other.
fn note(
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    action: &str,
    record: RecordId,
    other: AreaId,
) -> Result<(), StoreError> {
    tx.put_audit(&Audit {
        at: rules.now,
        user: Some(who.user.id),
        action: action.to_owned(),
        subject: record.to_string(),
        detail: other.to_string(),
    })
}
