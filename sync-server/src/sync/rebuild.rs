//! Folding a part anew from its applied edits: what a stored state must be equal to.

use shared::merge::PartState;
use shared::record::Part;

use crate::store::StoredEdit;

/// The state that `edits` (of one record, in the order they were applied, as `edits_of` gives them) make of a part. Empty
/// where none of them is for it.
pub fn rebuild(edits: &[StoredEdit], part: Part) -> PartState {
    let mut state = PartState::default();
    for stored in edits.iter().filter(|stored| stored.edit.part == part) {
        state.apply(&stored.edit);
    }
    state
}
