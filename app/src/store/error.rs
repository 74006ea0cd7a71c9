//! What can be wrong with a store, each with its message key.

use std::path::PathBuf;

use crate::handheld::Message;
use crate::lock::LockError;
use crate::platform::KeyStoreError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody is enrolled on this handheld.
    #[error("nobody is enrolled on this handheld")]
    NotEnrolled,
    /// A newer version of the app wrote the database.
    #[error("the database has schema {found}, this app knows {known}: update the app")]
    FromTheFuture {
        /// `PRAGMA user_version`.
        found: i64,
        /// The newest this app knows.
        known: i64,
    },
    /// The database may be read but not written.
    #[error("the database at {0} cannot be written")]
    ReadOnly(PathBuf),
    /// The key does not open the database, or it is no database at all.
    #[error("the database at {0} does not open with its key: wrong key, or damaged")]
    WrongKey(PathBuf),
    /// Pages of the database do not hold together.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// The database is locked by another process.
    #[error("the database is in use by another process")]
    Busy,
    /// The key store did not give the key.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// The lock before the database.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file beside the database.
    #[error("{what} at {path}: {source}")]
    File {
        /// What was done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row does not hold what it should.
    #[error("stored {what} is unreadable: {why}")]
    Row {
        /// Which kind of row.
        what: &'static str,
        /// What the reader said.
        why: String,
    },
    /// Anything else SQLite says.
    #[error("database: {0}")]
    Sql(rusqlite::Error),
}

impl StoreError {
    /// Whether the connection that met it had better be opened anew: the disk failed, or pages did not read as what they
    /// should be.
    pub(super) fn leaves_connection_in_doubt(&self) -> bool {
        match self {
            Self::WrongKey(_) | Self::Damaged(_) => true,
            Self::Sql(error) => !matches!(
                error.sqlite_error_code(),
                None | Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TooBig)
            ),
            _ => false,
        }
    }

    /// In words for the user: what happened and what can be done.
    pub fn message(&self) -> Message {
        match self {
            Self::NotEnrolled => Message::of("store-not-enrolled"),
            Self::FromTheFuture { .. } => Message::of("store-from-the-future"),
            Self::ReadOnly(_) => Message::of("store-read-only"),
            Self::WrongKey(_) => Message::of("store-wrong-key"),
            Self::Damaged(_) => Message::of("store-damaged"),
            Self::Full => Message::of("store-full"),
            Self::Busy => Message::of("store-busy"),
            Self::Key(_) => Message::of("store-key"),
            Self::Lock(error) => error.message(),
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Message::of("store-full"),
            Self::File { .. } => Message::of("store-file"),
            Self::Row { .. } | Self::Sql(_) => Message::of("store-other"),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(PathBuf::new()),
            Some(ErrorCode::NotADatabase) => Self::WrongKey(PathBuf::new()),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            // A log whose lock is not to be had has a code of its own.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Busy
            }
            _ => Self::Sql(error),
        }
    }
}
