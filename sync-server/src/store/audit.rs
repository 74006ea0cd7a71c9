//! The audit as a chain: each entry of a town carries the SHA-256 over the entry before it and over itself.
//!
//! What is hashed is told in `docs/audit.md`, so that somebody can check it without this program; it never changes.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::ids::UserId;
use uuid::Uuid;

use super::{Audit, StoreError};
use crate::batch::hex;

/// Stands for the hash of an entry before the first one.
pub const BEFORE_FIRST: [u8; 32] = [0; 32];

/// An entry as it stands in the file. Nothing in it is taken to be well-formed: somebody may have written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Unique over all towns, ascending.
    pub id: i64,
    /// Whose chain it is in.
    pub town: AreaId,
    /// Its place in the chain, from 1.
    pub number: i64,
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    /// 16 bytes; none: a command on the server.
    pub user: Option<Vec<u8>>,
    /// See [`Audit::action`].
    pub action: String,
    /// See [`Audit::subject`].
    pub subject: String,
    /// See [`Audit::detail`].
    pub detail: String,
    /// What it was hashed to when it was written.
    pub hash: Vec<u8>,
}

impl AuditEntry {
    /// What it hashes to after an entry of the hash `before`.
    pub fn hash_after(&self, before: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        // Netstrings: the length says where a field ends, so that no two entries are the same bytes.
        let mut put = |text: &str| {
            hash.update(text.len().to_string());
            hash.update(":");
            hash.update(text);
            hash.update(",");
        };
        put(&hex(before));
        for number in [i64::from(self.town.0), self.number, self.id, self.at] {
            put(&number.to_string());
        }
        put(&self.user.as_ref().map_or_else(|| "-".to_owned(), |user| hex(user)));
        put(&self.action);
        put(&self.subject);
        put(&self.detail);
        hash.finalize().into()
    }

    /// Whether it is what was written after an entry of the hash `before`.
    pub fn fits(&self, before: &[u8]) -> bool {
        self.hash_after(before).as_slice() == self.hash
    }

    /// Who; none also where the bytes are no id.
    pub fn user(&self) -> Option<UserId> {
        Uuid::from_slice(self.user.as_deref()?).ok().map(UserId)
    }

    /// When.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.at).unwrap_or_default()
    }

    /// Who did what.
    pub fn audit(&self) -> Audit {
        Audit {
            at: self.at(),
            user: self.user(),
            action: self.action.clone(),
            subject: self.subject.clone(),
            detail: self.detail.clone(),
        }
    }
}

/// The last entry of a town's chain, as noted apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// How many entries there are.
    pub number: i64,
    /// What is to be written down elsewhere.
    pub mark: AuditMark,
}

/// An entry by id and hash: whoever has written it down sees later whether it is still there and nothing before it was
/// altered. As text `id:64 hexadecimal digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditMark {
    /// Of the entry.
    pub id: i64,
    /// Over it and all before it.
    pub hash: [u8; 32],
}

impl std::fmt::Display for AuditMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.id, hex(&self.hash))
    }
}

impl FromStr for AuditMark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = "it is a number, a colon and 64 hexadecimal digits";
        let (id, digits) = text.trim().split_once(':').ok_or(bad)?;
        let id = id.parse().map_err(|_| bad)?;
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(bad);
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            let pair = digits.get(2 * place..2 * place + 2).ok_or(bad)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad)?;
        }
        Ok(Self { id, hash })
    }
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what stands before the entry of this id.
    pub before: Option<i64>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what this person did; the inner none: commands on the server.
    pub user: Option<Option<UserId>>,
    /// At most so many.
    pub limit: usize,
}

/// What can be read of the audit of a town.
pub trait Audited {
    /// The newest entries that are wanted, newest first, each with whether it fits onto the one before it in the chain.
    fn audit_entries(&self, filter: &AuditFilter) -> Result<Vec<(AuditEntry, bool)>, StoreError>;
    /// Every entry, in the order of the chain.
    fn each_audit(&self, each: &mut dyn FnMut(AuditEntry)) -> Result<(), StoreError>;
    /// The last entry, as noted apart from the others; none: nothing was ever written.
    fn audit_head(&self) -> Result<Option<AuditHead>, StoreError>;
}
