//! What is erased along with what: duplicates with the record they were merged into, and visits with whom they were of.

use std::collections::BTreeSet;

use shared::area::{AreaId, AreaTree};
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::work::{self, Work};
use shared::workflow::STEPS;

use super::EraseError;
use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{self, PartFilter, Read, StoreError};
use crate::sync::alias;

/// Records with their kinds.
pub type Chosen = Vec<(RecordId, RecordKind)>;

/// The record with its kind, and all that were merged into it.
pub fn group_in(read: &dyn Read, record: RecordId) -> Result<Chosen, EraseError> {
    let mut group = Vec::new();
    for id in std::iter::once(record).chain(alias::losers(read, record)?) {
        if let Some(part) = read.load_many(&[(id, Part::Open)])?.first() {
            group.push((id, part.kind));
        } else if let Some(kind) = read.kind_refused(id)? {
            // It was never applied, but what was refused has values too.
            group.push((id, kind));
        }
    }
    if group.is_empty() { Err(EraseError::NoSuchRecord) } else { Ok(group) }
}

/// The chosen with the visits of the people among them, refused ones included: whom a visit was of is all it tells. One walk
/// over the events, however many were chosen.
pub fn with_work(read: &dyn Read, mut chosen: Chosen) -> Result<Chosen, EraseError> {
    let people = chosen.iter().filter(|(_, kind)| *kind == RecordKind::Person).map(|(id, _)| *id);
    let people: BTreeSet<RecordId> = people.collect();
    if people.is_empty() {
        return Ok(chosen);
    }
    let names: BTreeSet<String> = people.iter().map(RecordId::to_string).collect();
    let mut known: BTreeSet<RecordId> = chosen.iter().map(|(id, _)| *id).collect();
    let events = PartFilter { kind: Some(RecordKind::Event), with_merged: true, ..PartFilter::default() };
    read.each_part(&events, &mut |part| {
        // Most events name nobody of them: those are not read.
        if known.contains(&part.record) || !part.state.split('"').any(|word| names.contains(word)) {
            return Ok(true);
        }
        let open = crate::batch::state(&part)?;
        let of_them = work::subject(&open).is_some_and(|subject| people.contains(&subject));
        if of_them && Work::of(&open).is_some() && known.insert(part.record) {
            chosen.push((part.record, part.kind));
        }
        Ok(true)
    })?;
    for (record, about) in read.refused_about()? {
        if people.contains(&about) && !known.contains(&record) && is_refused_work(read, record)? {
            known.insert(record);
            chosen.push((record, RecordKind::Event));
        }
    }
    Ok(chosen)
}

/// Whether an event is nothing but what was refused of it, and no step among that.
fn is_refused_work(read: &dyn Read, record: RecordId) -> Result<bool, StoreError> {
    if !read.load_many(&[(record, Part::Open)])?.is_empty() {
        return Ok(false);
    }
    let refused = read.quarantined_of(record)?;
    Ok(refused.iter().all(|held| held.edit.writes.keys().all(|path| path.field_name() != STEPS)))
}

/// The town that has a record.
pub fn town_of(app: &AppState, record: RecordId) -> Result<AreaId, EraseError> {
    for town in app.store.towns()? {
        match store::read(&*app.store, town, |read| group_in(read, record)) {
            Err(EraseError::NoSuchRecord) => {}
            found => return found.map(|_| town),
        }
    }
    Err(EraseError::NoSuchRecord)
}

/// Whether `who` may erase all of the chosen, whose first is the one that was asked for. What was only ever refused lies
/// nowhere, and goes with the record it would have told of.
pub fn allowed(read: &dyn Read, areas: &AreaTree, who: &Who, chosen: &Chosen) -> Result<(), EraseError> {
    for (place, (record, _)) in chosen.iter().enumerate() {
        let parts = read.load_many(&[(*record, Part::Open)])?;
        let Some(reach) = parts.first().map(Reach::of) else {
            if place == 0 {
                return Err(EraseError::NoSuchRecord);
            }
            continue;
        };
        if place == 0 && authorize(who, Action::Read(Part::Open), Some(&reach), &reach, areas).is_err() {
            return Err(EraseError::NoSuchRecord);
        }
        authorize(who, Action::Erase, Some(&reach), &reach, areas).map_err(|_| EraseError::NotAllowed)?;
    }
    Ok(())
}
