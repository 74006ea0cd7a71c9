//! What the feed told lately. Who walks the same grid is told the same ones: a dozen handhelds each, within a minute when all
//! of a town come back at once.
//!
//! A state is known by its number in the feed: whatever changes it takes the next one. Only what was committed is kept for
//! all (a transaction that writes has a box of its own), and nothing depends on it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use serde_json::value::RawValue;
use shared::area::AreaId;
use shared::record::Part;

use super::{FeedEntry, StoreError};

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

/// A state, and what stands beside it in the feed where that was read with it.
#[derive(Clone)]
pub struct Told {
    pub state: Arc<RawValue>,
    pub entry: Option<Arc<FeedEntry>>,
}

impl Told {
    /// Bytes, about.
    fn size(&self) -> usize {
        self.state.get().len() + self.entry.as_ref().map_or(0, |_| 200)
    }
}

/// The states. See the module's text.
#[derive(Default)]
pub struct States(RwLock<Kept>);

#[derive(Default)]
struct Kept {
    states: HashMap<Key, Told>,
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
        self.0.read().unwrap_or_else(PoisonError::into_inner).states.get(key).map(|told| Arc::clone(&told.state))
    }

    /// Each of these numbers, if it is here.
    pub fn all(&self, town: AreaId, part: Part, seqs: &[u64]) -> Vec<Option<Told>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seqs.iter().map(|seq| kept.states.get(&(town, part, *seq)).cloned()).collect()
    }

    /// Keeps one that was read; [`StoreError::Corrupt`] if it is no JSON.
    pub fn keep(&self, key: Key, state: String) -> Result<Arc<RawValue>, StoreError> {
        let state: Arc<RawValue> = Arc::from(raw_state(state)?);
        self.keep_all([(key, Told { state: Arc::clone(&state), entry: None })]);
        Ok(state)
    }

    /// Keeps what was read.
    pub fn keep_all(&self, read: impl IntoIterator<Item = (Key, Told)>) {
        let mut kept = self.kept();
        for (key, told) in read {
            kept.bytes += told.size();
            match kept.states.insert(key, told) {
                Some(before) => kept.bytes = kept.bytes.saturating_sub(before.size()),
                None => kept.order.push_back(key),
            }
        }
        while kept.bytes > MOST
            && let Some(first) = kept.order.pop_front()
        {
            let gone = kept.states.remove(&first).map_or(0, |told| told.size());
            kept.bytes = kept.bytes.saturating_sub(gone);
        }
    }
}

/// The box that readers share at the moment. Who began with another keeps what they read in that one, where nobody new looks.
#[derive(Default)]
pub struct Lately(RwLock<Arc<States>>);

impl Lately {
    /// To be taken before a read begins.
    pub fn now(&self) -> Arc<States> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// An empty box from now on: something was erased, or numbers may begin to mean others.
    pub fn renew(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_read_from_before_an_erasure_brings_reaches_nobody_who_comes_after_it() {
        let (lately, key) = (Lately::default(), (AreaId(2), Part::Open, 7));
        let before = lately.now();
        lately.renew();
        before.keep(key, r#"{"name":"张三"}"#.to_owned()).unwrap();
        assert!(before.get(&key).is_some());
        assert!(lately.now().get(&key).is_none());
    }
}
