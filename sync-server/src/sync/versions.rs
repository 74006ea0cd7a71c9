//! Answers for handhelds that speak an earlier protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use shared::ids::Slot;
use shared::wire::SyncAnswer;

use crate::store::StoreError;

/// Up to this version what a context covered beyond the vector was not kept by epoch.
const BEYOND_WITHOUT_EPOCHS: u32 = 1;

/// What a path's contexts covered beyond the vector, by slot.
type Covered = BTreeMap<Slot, u64>;

/// A state, opened no further than needed.
#[derive(Deserialize, Serialize)]
struct State<B> {
    vector: Box<RawValue>,
    heads: Box<RawValue>,
    live: Box<RawValue>,
    beyond: BTreeMap<String, B>,
}

/// Rewrites an answer as a reader of this protocol understands it. What is only added (an erased item is gone, the epoch
/// of a head) such a reader passes over by itself.
pub fn for_version(protocol: u32, answer: &mut SyncAnswer) -> Result<(), StoreError> {
    if protocol > BEYOND_WITHOUT_EPOCHS {
        return Ok(());
    }
    for item in &mut answer.items {
        // Only after a restore, and of few records then.
        if let Some(state) = item.state.as_mut().filter(|state| state.get().contains("\"beyond\":")) {
            *state = without_epochs(state).map_err(|error| StoreError::Corrupt {
                what: "state".to_owned(),
                why: format!("line {}, column {}", error.line(), error.column()),
            })?;
        }
    }
    Ok(())
}

fn without_epochs(state: &RawValue) -> Result<Box<RawValue>, serde_json::Error> {
    let Ok(state) = serde_json::from_str::<State<BTreeMap<u32, Covered>>>(state.get()) else {
        // The word stood in a value: there is nothing beyond.
        return RawValue::from_string(state.get().to_owned());
    };
    let joined = |epochs: BTreeMap<u32, Covered>| {
        let mut all = Covered::new();
        for (slot, n) in epochs.into_values().flatten() {
            let seen = all.entry(slot).or_default();
            *seen = (*seen).max(n);
        }
        all
    };
    let State { vector, heads, live, beyond } = state;
    let beyond = beyond.into_iter().map(|(path, epochs)| (path, joined(epochs))).collect();
    to_raw_value(&State { vector, heads, live, beyond })
}
