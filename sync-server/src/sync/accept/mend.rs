//! Looking over parts that a handheld holds otherwise than the server says: each is folded anew from its edits, and one
//! that was altered behind the server's back is put right and goes to everybody as a change.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::Part;

use super::Rules;
use super::held::Holding;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Audit, StoreError, StoredPart, Tx};
use crate::sync::projection;
use crate::sync::rebuild::anew;

/// The small value that counts parts put right here.
pub const MENDED: &str = "mended";
/// The small value that counts parts sent again because a handheld's differed while the server's was right.
pub const RESENT: &str = "resent";

/// Looks over the parts that `who` may read. Says how many were put right.
pub fn look_over(tx: &mut dyn Tx, rules: &Rules, who: &Who, asked: &[(RecordId, Part)]) -> Result<u64, StoreError> {
    let mut by_record: BTreeMap<RecordId, BTreeSet<Part>> = BTreeMap::new();
    for (record, part) in asked {
        by_record.entry(*record).or_default().insert(*part);
    }
    let (mut mended, mut sound) = (0, 0);
    for (record, parts) in by_record {
        for part in parts {
            match look_at(tx, rules, who, record, part)? {
                None => {}
                Some(true) => mended += 1,
                Some(false) => sound += 1,
            }
        }
    }
    count(tx, MENDED, mended)?;
    count(tx, RESENT, sound)?;
    Ok(mended)
}

/// Whether a part had to be put right; none where it is not there for this reader.
fn look_at(
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    record: RecordId,
    part: Part,
) -> Result<Option<bool>, StoreError> {
    let stored = tx.load_many(&[(record, Part::Open), (record, Part::Restricted)])?;
    let of = |part: Part| stored.iter().find(|stored| stored.part == part);
    let Some(open) = of(Part::Open) else { return Ok(None) };
    let before = Reach::of(open);
    let (whole, hidden) = anew(tx, record)?;
    if whole.is_empty() {
        // Its edits are not there: nothing to put it right from.
        tracing::error!(%record, "a record without edits cannot be looked over");
        return Ok(None);
    }
    let after = projection::reach(before.kind, &whole, &rules.calendar);
    // Where it lies may be what was altered: then its readers by right ask for it.
    let may = |reach: &Reach| authorize(who, Action::Read(part), Some(reach), reach, &rules.areas).is_ok();
    if !may(&before) && !may(&after) {
        return Ok(None);
    }
    let altered = |part: Part, right: &PartState| match of(part) {
        Some(stored) => !says(stored, right) || Reach::of(stored) != after,
        None => !right.is_empty(),
    };
    let wrong = match part {
        Part::Open => altered(Part::Open, &whole),
        Part::Restricted => altered(Part::Restricted, &hidden),
    };
    if !wrong {
        return Ok(Some(false));
    }
    // Of the other part nothing is changed but where it lies, should that have been altered.
    let restricted = of(Part::Restricted).is_some() || !hidden.is_empty();
    Holding::anew(record, before, after, &[part], whole, restricted.then_some(hidden)).save(tx, rules)?;
    tx.put_audit(&Audit {
        at: rules.now,
        user: None,
        action: "audit-mended".to_owned(),
        subject: record.to_string(),
        detail: part.code().to_owned(),
    })?;
    tracing::error!(%record, part = part.code(), "a stored state was altered behind the server's back; put right");
    Ok(Some(true))
}

/// Folds records anew because it was told where edits of them stood once: what covers those dots may be there already.
/// What becomes otherwise goes to everybody as a change. Says which parts did.
pub fn fold_anew(
    tx: &mut dyn Tx,
    rules: &Rules,
    records: &BTreeSet<RecordId>,
) -> Result<BTreeSet<(RecordId, Part)>, StoreError> {
    let mut changed = BTreeSet::new();
    for record in records {
        let stored = tx.load_many(&[(*record, Part::Open), (*record, Part::Restricted)])?;
        let of = |part: Part| stored.iter().find(|stored| stored.part == part);
        let Some(open) = of(Part::Open) else { continue };
        let (whole, hidden) = anew(tx, *record)?;
        let differs = |part, right: &PartState| of(part).is_some_and(|stored| !says(stored, right));
        let parts: Vec<Part> = [(Part::Open, &whole), (Part::Restricted, &hidden)]
            .into_iter()
            .filter(|(part, right)| differs(*part, right))
            .map(|(part, _)| part)
            .collect();
        if parts.is_empty() {
            continue;
        }
        changed.extend(parts.iter().map(|part| (*record, *part)));
        let (before, after) = (Reach::of(open), projection::reach(open.kind, &whole, &rules.calendar));
        let restricted = of(Part::Restricted).is_some();
        Holding::anew(*record, before, after, &parts, whole, restricted.then_some(hidden)).save(tx, rules)?;
    }
    Ok(changed)
}

/// Writes a part as its edits make it, with the next number of its feed: some of them were emptied.
pub fn put_anew(tx: &mut dyn Tx, rules: &Rules, record: RecordId, part: Part) -> Result<(), StoreError> {
    let Some(open) = tx.load_many(&[(record, Part::Open)])?.into_iter().next() else { return Ok(()) };
    let (whole, hidden) = anew(tx, record)?;
    let reach = Reach::of(&open);
    Holding::anew(record, reach.clone(), reach, &[part], whole, Some(hidden)).save(tx, rules)?;
    Ok(())
}

/// Saves a record as its edits make it, in a town to which it is new.
pub fn save_new(
    tx: &mut dyn Tx,
    rules: &Rules,
    record: RecordId,
    reach: Reach,
    (open, restricted): (PartState, PartState),
) -> Result<(), StoreError> {
    let restricted = (!restricted.is_empty()).then_some(restricted);
    Holding::anew(record, reach.clone(), reach, &Part::ALL, open, restricted).save(tx, rules)?;
    Ok(())
}

/// Whether the stored text says what the edits make.
fn says(stored: &StoredPart, right: &PartState) -> bool {
    serde_json::from_str::<PartState>(&stored.state).is_ok_and(|state| state == *right)
        && serde_json::to_string(right).is_ok_and(|text| text == stored.state)
}

/// Adds to a counter that is kept as a small value.
fn count(tx: &mut dyn Tx, name: &str, more: u64) -> Result<(), StoreError> {
    if more == 0 {
        return Ok(());
    }
    let before: u64 = tx.meta(name)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    tx.set_meta(name, &before.saturating_add(more).to_string())
}
