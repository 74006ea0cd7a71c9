//! States that the feed told lately. Who walks the same grid is told the same ones: a dozen handhelds each, within a minute when all
//! of a town come back at once.
//!
//! A state is known by its number in the feed: whatever changes it takes the next one. Only what was committed is kept for
//! all (a transaction that writes has a box of its own), and nothing depends on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
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
pub struct States(Mutex<Kept>);

struct Kept {
    states: LruCache<Key, Arc<RawValue>>,
    bytes: usize,
}

impl Default for States {
    fn default() -> Self {
        Self(Mutex::new(Kept { states: LruCache::new_unbounded(), bytes: 0 }))
    }
}

impl States {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<Arc<RawValue>> {
        self.kept().states.get(key).map(Arc::clone)
    }

    /// Keeps one that was read; [`StoreError::Corrupt`] if it is no JSON.
    pub fn keep(&self, key: Key, state: String) -> Result<Arc<RawValue>, StoreError> {
        let state: Arc<RawValue> = Arc::from(raw_state(state)?);
        let mut kept = self.kept();
        kept.bytes += state.get().len();
        if let Some(before) = kept.states.insert(key, Arc::clone(&state)) {
            kept.bytes = kept.bytes.saturating_sub(before.get().len());
        }
        while kept.bytes > MOST
            && let Some((_, oldest)) = kept.states.remove_lru()
        {
            kept.bytes = kept.bytes.saturating_sub(oldest.get().len());
        }
        Ok(state)
    }

    /// Keeps nothing of them: something was erased, or numbers may begin to mean others.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.states.clear();
        kept.bytes = 0;
    }
}
