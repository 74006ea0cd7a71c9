//! What was refused before a restore, held again.

use std::collections::{BTreeMap, BTreeSet};

use shared::area::AreaId;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::wire::{HeldEdit, Rejection};

use super::erased::Gone;
use super::ground::Places;
use super::held::Holding;
use super::{Rules, Writer, held, judge, mend};
use crate::store::{StoreError, Tx};

/// Puts into quarantine again what was refused before a restore and is not known any more: not judged, because contexts of
/// others may cover its dot and have not seen it.
pub fn hold_again(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    held: Vec<HeldEdit<Edit>>,
) -> Result<(), StoreError> {
    if held.is_empty() {
        return Ok(());
    }
    let home = tx.town();
    let records = held.iter().map(|held| held.edit.record).collect();
    let places = Places::find(tx, &writer.who, &records, held.iter().map(|held| &held.edit), &rules.areas)?;
    let mut by_town: BTreeMap<AreaId, Vec<HeldEdit<Edit>>> = BTreeMap::new();
    for held in held {
        by_town.entry(places.of(Some(held.edit.record), home)).or_default().push(held);
    }
    for (town, held) in by_town {
        hold_again_in(&mut *tx.at(town)?, rules, writer, held)?;
    }
    Ok(())
}

fn hold_again_in(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    again: Vec<HeldEdit<Edit>>,
) -> Result<(), StoreError> {
    let ids: Vec<EditId> = again.iter().map(|held| held.edit.id).collect();
    let mut known: BTreeSet<EditId> = tx.outcomes(&ids)?.into_iter().map(|it| it.edit).collect();
    let records = again.iter().map(|held| held.edit.record);
    let mut gone = Gone::of(&*tx, records, again.iter().map(|held| &held.edit))?;
    let holding = Holding::load(&*tx, again.iter().map(|held| &held.edit))?;
    let mut quarantine = Vec::new();
    let ended = tx.ended_of(&ids)?;
    for HeldEdit { mut edit, why } in again {
        // The words of a decision are of whoever decided, and that decision is lost.
        let why = Rejection { note: String::new(), ..why };
        if !judge::fits(&edit) || !known.insert(edit.id) {
            continue;
        }
        if ended.contains(&edit.id) {
            edit.writes.clear();
        }
        if gone.takes_edit(&edit) {
            let begins = holding.get(edit.record).is_none_or(|held| held.reach.is_none());
            gone.keep_out(tx, rules.now, edit.id, edit.dot, begins.then_some(edit.record))?;
        } else {
            quarantine.push(held(tx, rules, writer, edit, why)?);
        }
    }
    tx.put_quarantined(&quarantine)?;
    // What another edit claims to have been known by may have been one of these.
    let dots: Vec<Dot> = quarantine.iter().map(|held| held.edit.dot).collect();
    let claimed: BTreeSet<RecordId> = tx.once_at(&dots)?.into_iter().collect();
    mend::fold_anew(tx, rules, &claimed)?;
    Ok(())
}
