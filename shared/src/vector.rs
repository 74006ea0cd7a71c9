//! Vector timestamps: which edits somebody has seen.
//!
//! After C. J. Fidge, "Timestamps in message-passing systems that preserve the partial ordering" (1988), with dots as
//! in "Dotted Version Vectors" (Preguiça, Baquero, Almeida, Fonte, Gonçalves, 2010).

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{Dot, Slot};

/// Maps each slot to the highest n seen of it. On the wire `{"slot": n}`.
///
/// In order of slots, without zeros: a few pairs side by side are a third of the memory of a `BTreeMap`, and a part
/// keeps one of these for every edit that lives in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VectorTimestamp(Vec<(Slot, u64)>);

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

    fn find(&self, slot: Slot) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |(slot, _)| *slot)
    }

    /// The highest n seen of `slot`, 0 if none.
    pub fn get(&self, slot: Slot) -> u64 {
        self.find(slot).ok().and_then(|place| self.0.get(place)).map_or(0, |(_, n)| *n)
    }

    /// Whether `dot` was seen.
    pub fn covers(&self, dot: Dot) -> bool {
        if crate::mutants::Mutant::CoversStrictly.on() {
            return self.get(dot.slot) > dot.n;
        }
        self.get(dot.slot) >= dot.n
    }

    /// Adds `dot` and all before it in its slot.
    pub fn observe(&mut self, dot: Dot) {
        match self.find(dot.slot) {
            Ok(place) => {
                if let Some((_, n)) = self.0.get_mut(place) {
                    *n = (*n).max(dot.n);
                }
            }
            Err(place) if dot.n > 0 => self.0.insert(place, (dot.slot, dot.n)),
            Err(_) => {}
        }
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
        Self(self.0.iter().filter(|(slot, n)| *n > bound.get(*slot)).copied().collect())
    }

    /// Drops the entries that `bound` has caught up with.
    pub fn drop_covered(&mut self, bound: &Self) {
        self.0.retain(|(slot, n)| *n > bound.get(*slot));
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

impl Serialize for VectorTimestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(slot, n)| (slot, n)))
    }
}

impl<'de> Deserialize<'de> for VectorTimestamp {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = VectorTimestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of slots to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VectorTimestamp, A::Error> {
                let mut vector = VectorTimestamp::new();
                while let Some((slot, n)) = map.next_entry()? {
                    match vector.find(slot) {
                        Ok(_) => return Err(A::Error::custom("a slot stands twice")),
                        Err(place) if n > 0 => vector.0.insert(place, (slot, n)),
                        Err(_) => {}
                    }
                }
                Ok(vector)
            }
        }

        reader.deserialize_map(Pairs)
    }
}
