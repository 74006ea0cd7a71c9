//! What imports need, beside [`super::Read`] and [`super::Tx`].

use chrono::{DateTime, Utc};
use shared::ids::{RecordId, Slot, UserId};
use uuid::Uuid;

use super::StoreError;

/// A table that somebody brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImport {
    /// Of the import; its files are called by it.
    pub id: Uuid,
    /// Who; none: a command on the server.
    pub user: Option<UserId>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// A code name, see [`crate::import::job::State`].
    pub state: String,
    /// Its writer, once there is one.
    pub slot: Option<Slot>,
    /// JSON of a [`crate::import::job::Body`].
    pub body: String,
}

/// What can be read.
pub trait ReadImports {
    /// One import.
    fn import(&self, id: Uuid) -> Result<Option<StoredImport>, StoreError>;
    /// Imports, newest first.
    fn imports(&self, limit: usize) -> Result<Vec<StoredImport>, StoreError>;
    /// What the columns of a header were said to be the last time.
    fn import_mapping(&self, header: &str) -> Result<Option<String>, StoreError>;
    /// The applied edits of a slot after `n`, in order: their n and record.
    fn edits_by(&self, slot: Slot, after: u64, limit: usize) -> Result<Vec<(u64, RecordId)>, StoreError>;
}

/// What can be written.
pub trait KeepImports {
    /// Adds or replaces an import.
    fn put_import(&mut self, import: &StoredImport) -> Result<(), StoreError>;
    /// Remembers what the columns of a header are.
    fn put_import_mapping(&mut self, header: &str, mapping: &str) -> Result<(), StoreError>;
}
