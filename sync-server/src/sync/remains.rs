//! What handhelds still showed of edits that were lost when the server was restored: kept for staff to look at, never
//! applied.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::ids::{EditId, RecordId};
use shared::limits::EDIT_BYTES;
use shared::record::Part;
use shared::wire::Remain;

use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{KeptRemain, Read, StoreError, Tx};

/// Keeps what `who` still shows, each edit and path once. Not what the server has, nor what they may not read.
pub fn keep(
    tx: &mut dyn Tx,
    who: &Who,
    areas: &AreaTree,
    now: DateTime<Utc>,
    told: &[Remain],
) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
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
            && may(who, areas, reaches.get(&remain.record), remain)
    });
    let taken: Vec<KeptRemain> =
        taken.map(|remain| KeptRemain { remain: remain.clone(), shown_by: who.user.id, shown: now }).collect();
    tx.put_remains(&taken)
}

/// Where the records lie that are here.
pub fn reaches(read: &dyn Read, records: &BTreeSet<RecordId>) -> Result<BTreeMap<RecordId, Reach>, StoreError> {
    let keys: Vec<_> = records.iter().map(|record| (*record, Part::Open)).collect();
    Ok(read.load_many(&keys)?.iter().map(|part| (part.record, Reach::of(part))).collect())
}

/// Whether `who` may read the part that a remain tells of. A record that is lost as a whole lies nowhere any more: then
/// only clearance is asked here, and who looks at it is staff of the town.
pub fn may(who: &Who, areas: &AreaTree, reach: Option<&Reach>, remain: &Remain) -> bool {
    match reach {
        Some(reach) => authorize(who, Action::Read(remain.part), Some(reach), reach, areas).is_ok(),
        None => remain.part == Part::Open || who.user.cleared,
    }
}
