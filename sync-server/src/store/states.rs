//! States that the feed told lately. Who walks the same grid is told the same ones: a dozen handhelds each, within a minute when all
//! of a town come back at once.
//!
//! A state is known by its number in the feed: whatever changes it takes the next one. Only what was committed is kept for
//! all (a transaction that writes has a box of its own), and nothing depends on it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use serde_json::value::RawValue;
use shared::area::AreaId;
use shared::record::Part;

use super::StoreError;

/// Bytes of states kept at most.
const MOST: usize = 32 * 1024 * 1024;

/// Town, part and number in its feed.
type Key = (AreaId, Part, u64);

/// A stored state as JSON, or [`StoreError::Corrupt`].
pub fn raw_state(state: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(state).map_err(bad_state)
}

/// Where a stored state cannot be read; nothing of what stands in it.
pub fn bad_state(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "state".to_owned(), why: format!("line {}, column {}", error.line(), error.column()) }
}

/// The states. See the module's text.
#[derive(Default)]
pub struct States(RwLock<Kept>);

#[derive(Default)]
struct Kept {
    states: HashMap<Key, Arc<RawValue>>,
    /// As they came. What came first goes first: a number that was passed by a later one is told no more.
    order: VecDeque<Key>,
    bytes: usize,
}

impl States {
    fn kept(&self) -> RwLockWriteGuard<'_, Kept> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<Arc<RawValue>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).states.get(key).map(Arc::clone)
    }

    /// Keeps one that was read; [`StoreError::Corrupt`] if it is no JSON.
    pub fn keep(&self, key: Key, state: String) -> Result<Arc<RawValue>, StoreError> {
        let state: Arc<RawValue> = Arc::from(raw_state(state)?);
        let mut kept = self.kept();
        kept.bytes += state.get().len();
        match kept.states.insert(key, Arc::clone(&state)) {
            Some(before) => kept.bytes = kept.bytes.saturating_sub(before.get().len()),
            None => kept.order.push_back(key),
        }
        while kept.bytes > MOST
            && let Some(first) = kept.order.pop_front()
        {
            let gone = kept.states.remove(&first).map_or(0, |state| state.get().len());
            kept.bytes = kept.bytes.saturating_sub(gone);
        }
        Ok(state)
    }

    /// Keeps nothing of them: something was erased, or numbers may begin to mean others.
    pub fn clear(&self) {
        let mut kept = self.kept();
        *kept = Kept::default();
    }
}
