//! What handhelds still showed of edits that were lost when the server was restored: kept for staff to look at, never
//! applied.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::ids::{EditId, RecordId};
use shared::limits::{EDIT_BYTES, REMAINS_A_USER};
use shared::record::Part;
use shared::wire::Remain;

use super::epoch;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{KeptRemain, Read, StoreError, Tx};

/// Keeps what `who` still shows, each edit and path once. Not what the server has, nor what they may not read; nor anything
/// where nothing was ever restored, nor more than a handheld can honestly show.
pub fn keep(
    tx: &mut dyn Tx,
    who: &Who,
    areas: &AreaTree,
    now: DateTime<Utc>,
    told: &[Remain],
) -> Result<(), StoreError> {
    if told.is_empty() || tx.present_epoch()? <= epoch::FIRST {
        return Ok(());
    }
    let room = REMAINS_A_USER.saturating_sub(tx.unsettled_by(who.user.id)?);
    let ids: Vec<EditId> = told.iter().map(|remain| remain.edit).collect::<BTreeSet<_>>().into_iter().collect();
    let here: BTreeSet<EditId> = tx.outcomes(&ids)?.into_iter().map(|seen| seen.edit).collect();
    let records: BTreeSet<RecordId> = told.iter().map(|remain| remain.record).collect();
    let erased = tx.erased_of(&records)?;
    let ended = tx.ended_of(&ids)?;
    let reaches = reaches(&*tx, &records)?;
    let taken = told.iter().filter(|remain| {
        !here.contains(&remain.edit)
            && !erased.contains(&remain.record)
            && !ended.contains(&remain.edit)
            && remain.value.json().len() <= EDIT_BYTES
            && may(who, areas, reaches.get(&remain.record), remain.part)
    });
    let taken = taken.take(usize::try_from(room).unwrap_or(usize::MAX));
    let taken: Vec<KeptRemain> =
        taken.map(|remain| KeptRemain { remain: remain.clone(), shown_by: who.user.id, shown: now }).collect();
    tx.put_remains(&taken)
}

/// Where the records lie that are here.
pub fn reaches(read: &dyn Read, records: &BTreeSet<RecordId>) -> Result<BTreeMap<RecordId, Reach>, StoreError> {
    let keys: Vec<_> = records.iter().map(|record| (*record, Part::Open)).collect();
    Ok(read.load_many(&keys)?.iter().map(|part| (part.record, Reach::of(part))).collect())
}

/// Whether `who` may read a part that a remain tells of. A record that is lost as a whole lies nowhere any more: then
/// only clearance is asked here, and who looks at it is staff of the town.
pub fn may(who: &Who, areas: &AreaTree, reach: Option<&Reach>, part: Part) -> bool {
    match reach {
        Some(reach) => authorize(who, Action::Read(part), Some(reach), reach, areas).is_ok(),
        None => part == Part::Open || who.user.cleared,
    }
}
