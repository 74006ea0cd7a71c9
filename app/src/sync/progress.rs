//! What the sync page shows while a round runs.

use chrono::{DateTime, Utc};

use crate::handheld::Message;

/// What the sync is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing to do, or nothing tried yet.
    #[default]
    Idle,
    /// Switched to "no network".
    Offline,
    /// Edits go up, the feed comes down.
    Records,
    /// Photos go up.
    Photos,
    /// The last attempt did not come through; the next is planned.
    Waiting,
}

/// The state of the sync, as a value that is replaced whenever something moves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncProgress {
    /// What it is doing.
    pub phase: Phase,
    /// Records (or bytes of photos) dealt with in this phase.
    pub done: u64,
    /// How many there are, where known; 0 if not.
    pub total: u64,
    /// Bytes sent since the sync began.
    pub sent: u64,
    /// Bytes received since the sync began.
    pub received: u64,
    /// Why the last attempt did not come through.
    pub problem: Option<Message>,
    /// When the next attempt is planned.
    pub next_attempt: Option<DateTime<Utc>>,
    /// When the last sync ended well.
    pub last_sync: Option<DateTime<Utc>>,
    /// Grows whenever records on this handheld changed: lists and pages read again.
    pub changed: u64,
}
