//! Vector timestamps: which edits somebody has seen.
//!
//! After C. J. Fidge, "Timestamps in message-passing systems that preserve the partial ordering" (1988), with dots as
//! in "Dotted Version Vectors" (Preguiça, Baquero, Almeida, Fonte, Gonçalves, 2010).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{Dot, Slot};

/// Maps each slot to the highest n seen of it. On the wire `{"slot": n}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VectorTimestamp(BTreeMap<Slot, u64>);

/// How two vectors stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same dots.
    Equal,
    /// The left one has seen less.
    Before,
    /// The left one has seen more.
    After,
    /// Each has seen something the other has not.
    Concurrent,
}

impl VectorTimestamp {
    /// Nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest n seen of `slot`, 0 if none.
    pub fn get(&self, slot: Slot) -> u64 {
        self.0.get(&slot).copied().unwrap_or(0)
    }

    /// Whether `dot` was seen.
    pub fn covers(&self, dot: Dot) -> bool {
        self.get(dot.slot) >= dot.n
    }

    /// Adds `dot` and all before it in its slot.
    pub fn observe(&mut self, dot: Dot) {
        let n = self.0.entry(dot.slot).or_insert(0);
        *n = (*n).max(dot.n);
    }

    /// Everything either has seen.
    pub fn join(&mut self, other: &Self) {
        for dot in other.iter() {
            self.observe(dot);
        }
    }

    /// Whether all that `other` has seen was seen here.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.iter().all(|dot| self.covers(dot))
    }

    /// How this stands to `other`.
    pub fn compare(&self, other: &Self) -> Relation {
        match (self.covers_all(other), other.covers_all(self)) {
            (true, true) => Relation::Equal,
            (true, false) => Relation::After,
            (false, true) => Relation::Before,
            (false, false) => Relation::Concurrent,
        }
    }

    /// What is covered here and by `bound` too: each entry at most `bound`'s.
    pub fn clipped_to(&self, bound: &Self) -> Self {
        Self(self.0.iter().map(|(slot, n)| (*slot, (*n).min(bound.get(*slot)))).filter(|(_, n)| *n > 0).collect())
    }

    /// The entries that go beyond `bound`, whole.
    pub fn beyond(&self, bound: &Self) -> Self {
        Self(self.0.iter().filter(|(slot, n)| **n > bound.get(**slot)).map(|(slot, n)| (*slot, *n)).collect())
    }

    /// Drops the entries that `bound` has caught up with.
    pub fn drop_covered(&mut self, bound: &Self) {
        self.0.retain(|slot, n| *n > bound.get(*slot));
    }

    /// The highest dot of each slot, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0.iter().map(|(slot, n)| Dot { slot: *slot, n: *n })
    }
}

impl FromIterator<Dot> for VectorTimestamp {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut vector = Self::new();
        for dot in dots {
            vector.observe(dot);
        }
        vector
    }
}
