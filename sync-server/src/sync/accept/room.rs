//! How large one part may become. A state is read, folded, shown and sent as a whole, many times a day: what one person
//! could fill without end would hold up everybody else.

use std::collections::BTreeSet;

use shared::author::Role;
use shared::edit::Edit;
use shared::limits::{PART_BYTES, STEPS_AN_EVENT, WRITES_A_PART};
use shared::merge::{PartState, sees};
use shared::workflow::STEPS;

/// What one entry of a vector takes as JSON.
const ENTRY: usize = 24;

/// What stands in a part.
#[derive(Default)]
struct Size {
    writes: usize,
    bytes: usize,
}

/// Whether a part has room for an edit of somebody in `role`. One that does not make it larger always has.
pub fn has_room(state: &PartState, edit: &Edit, role: Role) -> bool {
    // Nothing leaves a log: it is counted by itself.
    let most = |most: usize| if role == Role::CenterStaff { most.saturating_mul(2) } else { most };
    let takes_step = edit.writes.keys().any(|path| path.field_name() == STEPS);
    if takes_step && state.live_under(STEPS).count() >= most(STEPS_AN_EVENT) {
        return false;
    }
    let (held, after) = sizes(state, edit);
    let fits = |before: usize, after: usize, limit: usize| after <= most(limit) || after <= before;
    fits(held.writes, after.writes, WRITES_A_PART)
        && fits(held.bytes, after.bytes, PART_BYTES)
        && ahead(state, edit).is_none_or(|bytes| bytes <= most(PART_BYTES))
}

/// What is there, and what would be after the edit.
fn sizes(state: &PartState, edit: &Edit) -> (Size, Size) {
    let (mut held, mut gone) = (Size::default(), Size::default());
    let mut heads = BTreeSet::new();
    for (path, write) in state.all_live() {
        let bytes = path.as_str().len() + write.value.json().len();
        let of_head = if heads.insert(write.dot) { write.head.context.iter().count() * ENTRY } else { 0 };
        held.writes += 1;
        held.bytes += bytes + of_head;
        let replaced = edit.context.covers(write.dot) && sees(edit.epoch, write.head.epoch);
        if replaced && edit.writes.contains_key(path) {
            gone.writes += 1;
            gone.bytes += bytes;
        }
    }
    let written: usize = edit.writes.iter().map(|(path, value)| path.as_str().len() + value.json().len()).sum();
    let added = written + edit.context.iter().count() * ENTRY;
    let after = Size { writes: held.writes - gone.writes + edit.writes.len(), bytes: held.bytes - gone.bytes + added };
    (held, after)
}

/// What the whole state takes after an edit whose context goes beyond it, as one read in an earlier epoch may: that is
/// kept for each path it writes. Nearly always there is none such.
fn ahead(state: &PartState, edit: &Edit) -> Option<usize> {
    let beyond = edit.context.beyond(state.vector()).iter().count();
    let whole = || serde_json::to_string(state).map_or(usize::MAX, |text| text.len());
    (beyond > 0).then(|| whole().saturating_add(beyond.saturating_mul(edit.writes.len()).saturating_mul(ENTRY)))
}
