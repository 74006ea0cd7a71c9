//! The digest: whether two sides hold the same, found out by comparing few bytes.
//!
//! Each part of a record is a *leaf*: 128 bits of SHA-256 over its id, part, kind and the text of its state. Leaves are
//! added modulo 2^128, so that order plays no role. Records are spread over a tree by the SHA-256 of their id (ids of an
//! import lie side by side, their hashes do not); a *prefix* of hexadecimal digits of it names a branch. Where sums
//! differ the next exchange compares sixteen branches below, then leaves: 72,000 records are four levels.
//!
//! After R. Merkle, "A Digital Signature Based on a Conventional Encryption Function" (1987); sums instead of hashes of
//! hashes, because a branch is then the sum of what a reader may see and nothing has to be kept per reader.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::ids::RecordId;
use crate::record::{Part, RecordKind};

/// Changes whenever a state is written differently by [`crate::merge::PartState`]'s `Serialize`, or a leaf is made
/// otherwise: sides with different versions do not compare.
pub const VERSION: u32 = 1;
/// A branch with at most so many leaves is told leaf by leaf.
pub const LEAVES: u64 = 48;
/// The most branches asked for in one exchange.
pub const BRANCHES: usize = 32;
/// The longest prefix, in hexadecimal digits.
pub const DEEPEST: usize = 16;

/// A sum of leaves, or one. On the wire 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(u128);

impl Sum {
    /// The leaf of one part.
    pub fn leaf(record: RecordId, part: Part, kind: RecordKind, state: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(record.0.as_bytes());
        hash.update(part.code().as_bytes());
        hash.update([0]);
        hash.update(kind.code().as_bytes());
        hash.update([0]);
        hash.update(covered(state));
        Self(first16(&hash.finalize()))
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// What of a state's text a leaf covers: all of it.
fn covered(state: &str) -> &[u8] {
    // Planted mistake, see shared::mutants: the vector stands first and ends with the first brace.
    if crate::mutants::Mutant::DigestOfVectors.on() {
        return state.split_once('}').map_or(state, |(vector, _)| vector).as_bytes();
    }
    state.as_bytes()
}

fn first16(bytes: &[u8]) -> u128 {
    bytes.first_chunk().copied().map_or(0, u128::from_be_bytes)
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = String::deserialize(reader)?;
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let sum = if digits { u128::from_str_radix(&text, 16).ok() } else { None };
        sum.map(Self).ok_or_else(|| D::Error::custom("a sum has 32 hexadecimal digits"))
    }
}

/// A branch of the tree: up to [`DEEPEST`] hexadecimal digits, in small letters. The empty one is the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// Not a [`Prefix`].
#[derive(Debug, thiserror::Error)]
#[error("a prefix has up to {DEEPEST} hexadecimal digits in small letters")]
pub struct BadPrefix;

impl TryFrom<String> for Prefix {
    type Error = BadPrefix;

    fn try_from(text: String) -> Result<Self, BadPrefix> {
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex && text.len() <= DEEPEST { Ok(Self(text)) } else { Err(BadPrefix) }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl Prefix {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How deep it lies: the whole is 0.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The branch of this depth that a record lies in.
    pub fn of(record: RecordId, depth: usize) -> Self {
        let hash = Sha256::digest(record.0.as_bytes());
        let bits = hash.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let digits = format!("{bits:016x}");
        Self(digits.get(..depth.min(DEEPEST)).unwrap_or_default().to_owned())
    }

    /// Whether a record lies in this branch.
    pub fn holds(&self, record: RecordId) -> bool {
        self.0.is_empty() || Self::of(record, self.depth()) == *self
    }

    /// The sixteen branches below it; none below the deepest.
    pub fn below(&self) -> Vec<Self> {
        if self.depth() >= DEEPEST {
            return Vec::new();
        }
        (0..16_u32).map(|digit| Self(format!("{}{digit:x}", self.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_branch_holds_what_its_children_hold_and_nothing_else() {
        let ids: Vec<RecordId> = (0..2_000_u128).map(|n| RecordId(Uuid::from_u128(n))).collect();
        let whole = Prefix::default();
        for parent in whole.below() {
            let children = parent.below();
            assert_eq!(children.len(), 16);
            for id in &ids {
                let within = children.iter().filter(|child| child.holds(*id)).count();
                assert_eq!(within, usize::from(parent.holds(*id)));
            }
        }
        assert!(ids.iter().all(|id| whole.holds(*id)));
        assert!(Prefix::of(ids[0], DEEPEST).below().is_empty());
    }

    #[test]
    fn sums_do_not_depend_on_order_and_see_a_changed_value() {
        let id = |n| RecordId(Uuid::from_u128(n));
        let leaf = |n, state| Sum::leaf(id(n), Part::Open, RecordKind::Person, state);
        let sum = |leaves: &[Sum]| {
            let mut sum = Sum::default();
            leaves.iter().for_each(|leaf| sum.add(*leaf));
            sum
        };
        let (a, b) = (leaf(1, r#"{"vector":{"1":1},"v":1}"#), leaf(2, "{}"));
        assert_eq!(sum(&[a, b]), sum(&[b, a]));
        assert_ne!(sum(&[a, b]), sum(&[leaf(1, r#"{"vector":{"1":1},"v":2}"#), b]));
        assert_ne!(leaf(1, "{}"), Sum::leaf(id(1), Part::Restricted, RecordKind::Person, "{}"));
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<Sum>(&text).unwrap(), a);
        assert!(serde_json::from_str::<Sum>("\"+0000000000000000000000000000001\"").is_err());
        assert!(serde_json::from_str::<Prefix>("\"0F\"").is_err());
    }
}
