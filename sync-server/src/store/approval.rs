//! What takes two people, beside [`super::Read`] and [`super::Tx`].

use chrono::{DateTime, Utc};
use shared::ids::UserId;
use uuid::Uuid;

use super::StoreError;

/// Something somebody asked for that another has to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Names it in forms and the audit.
    pub id: Uuid,
    /// What it is for.
    pub kind: String,
    /// What exactly: ids and code names, nothing personal.
    pub subject: String,
    /// Who asked.
    pub asked_by: UserId,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Who released it, and when.
    pub released: Option<(UserId, DateTime<Utc>)>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// What can be read.
pub trait ReadApprovals {
    /// One of them.
    fn approval(&self, id: Uuid) -> Result<Option<Approval>, StoreError>;
    /// Those of a kind asked for after `after`, newest first.
    fn approvals(&self, kind: &str, after: DateTime<Utc>) -> Result<Vec<Approval>, StoreError>;
}

/// What can be written.
pub trait KeepApprovals {
    /// Adds one that nobody has released.
    fn put_approval(&mut self, approval: &Approval) -> Result<(), StoreError>;
    /// Releases one; `false` if it is released already, or `by` asked for it.
    fn release_approval(&mut self, id: Uuid, by: UserId, at: DateTime<Utc>) -> Result<bool, StoreError>;
    /// Uses one up; `false` if it is not released, or used already.
    fn use_approval(&mut self, id: Uuid, at: DateTime<Utc>) -> Result<bool, StoreError>;
}
