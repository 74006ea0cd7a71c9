//! What is known of the last backup, kept in the database so that console and command line say the same.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;

use crate::store::{self, Store, StoreError};

/// Backups are of all towns: what is said of them stands above the towns.
const ABOVE: AreaId = AreaId(0);
const LAST: &str = "backup_last";
const FAILED: &str = "backup_failed";
const PLANNED: &str = "backup_planned";

/// The last good backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When it was begun.
    pub at: DateTime<Utc>,
    /// The name of its folder.
    pub name: String,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// The last attempt, if it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: DateTime<Utc>,
    /// A message key.
    pub why: String,
}

/// How backups stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The last good one.
    pub last: Option<Last>,
    /// What went wrong since.
    pub failed: Option<Failed>,
    /// Seconds between two of the running server's own; none: it makes none by itself.
    pub every: Option<u64>,
}

impl State {
    /// As noted in the database.
    pub fn read(store: &dyn Store) -> Result<Self, StoreError> {
        store::read(store, ABOVE, |read| {
            let text = |key| read.meta(key).map(|text| text.unwrap_or_default());
            Ok(Self {
                last: serde_json::from_str(&text(LAST)?).ok(),
                failed: serde_json::from_str(&text(FAILED)?).ok(),
                every: text(PLANNED)?.parse().ok(),
            })
        })
    }
}

/// Notes a good backup; what went wrong before is past.
pub fn note_made(store: &dyn Store, last: &Last) -> Result<(), StoreError> {
    let text = serde_json::to_string(last).unwrap_or_default();
    store::write(store, ABOVE, |tx| {
        tx.set_meta(LAST, &text)?;
        tx.set_meta(FAILED, "")
    })
}

/// Notes that there was none.
pub fn note_failed(store: &dyn Store, at: DateTime<Utc>, why: &str) -> Result<(), StoreError> {
    let text = serde_json::to_string(&Failed { at, why: why.to_owned() }).unwrap_or_default();
    store::write(store, ABOVE, |tx| tx.set_meta(FAILED, &text))
}

/// Notes whether the running server makes backups by itself, and how often (seconds).
pub fn note_planned(store: &dyn Store, every: Option<u64>) -> Result<(), StoreError> {
    let text = every.map(|seconds| seconds.to_string()).unwrap_or_default();
    store::write(store, ABOVE, |tx| tx.set_meta(PLANNED, &text))
}
