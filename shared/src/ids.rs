//! Names of things: random ids (UUIDv7, RFC 9562), slots and dots.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::outside::Outside;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id; time and randomness come from `outside`.
            pub fn fresh(outside: &dyn Outside) -> Self {
                Self(outside.uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A person, place, object, event or organisation. The same everywhere and for good.
    RecordId
);
uuid_id!(
    /// One save. Permanent, also when the edit has to take a new dot.
    EditId
);
uuid_id!(
    /// Somebody who logs in.
    UserId
);
uuid_id!(
    /// One enrolment of one handheld.
    DeviceId
);

/// One incarnation of one writer: a random number below 2^53 (exact in JSON readers and BIGINT), never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u64);

impl Slot {
    /// The largest slot that every JSON reader keeps exact.
    pub const MAX: u64 = (1 << 53) - 1;

    /// A random slot; the caller checks that it is unused.
    pub fn fresh(outside: &dyn Outside) -> Self {
        let mut bytes = [0; 8];
        outside.fill(&mut bytes);
        Self((u64::from_le_bytes(bytes) & Self::MAX).max(1))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an edit in its slot: the `n`-th edit of `slot`, from 1 without gaps. On the wire `[slot, n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(Slot, u64)", into = "(Slot, u64)")]
pub struct Dot {
    /// Who writes.
    pub slot: Slot,
    /// The how manieth edit of the slot, from 1.
    pub n: u64,
}

impl From<(Slot, u64)> for Dot {
    fn from((slot, n): (Slot, u64)) -> Self {
        Self { slot, n }
    }
}

impl From<Dot> for (Slot, u64) {
    fn from(dot: Dot) -> Self {
        (dot.slot, dot.n)
    }
}

/// SHA-256 of a photo's bytes as sent, 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhotoHash(String);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a photo hash has 64 lower-case hexadecimal digits, this has {0} characters")]
pub struct BadPhotoHash(usize);

impl PhotoHash {
    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the 32 bytes of a SHA-256.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        use fmt::Write;
        Self(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing into a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        }))
    }
}

impl TryFrom<String> for PhotoHash {
    type Error = BadPhotoHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text))
        } else {
            Err(BadPhotoHash(text.chars().count()))
        }
    }
}

impl FromStr for PhotoHash {
    type Err = BadPhotoHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<PhotoHash> for String {
    fn from(hash: PhotoHash) -> Self {
        hash.0
    }
}

impl fmt::Display for PhotoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
