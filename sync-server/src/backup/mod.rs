//! Backups of a running server: made, verified, restored.
//!
//! A backup is a folder that is complete or not there: the database as it stood at one moment (SQLite's online backup),
//! every photo it knows (a second name for the same file where the file system can), the files of batches, the keys, and
//! a manifest with the SHA-256 of each. It is made under a temporary name, verified, then put in place. Only then is it
//! counted: handhelds are told how far it reaches, taken from the backup itself ([`crate::store::Kept::complete_upto`]).
//!
//! The list of erased ids is not in it (`sync.md`, "Erasure"). A copy of the list lies beside the backups, not in them.

pub mod archived;
pub mod check;
pub mod cli;
mod files;
mod make;
pub mod manifest;
mod restore;
mod schedule;
mod state;
mod verify;

use std::path::PathBuf;

use assets::messages::{FluentValue, Messages};

pub use files::{DATABASE, ERASED, is as is_file};
pub use make::{Made, make};
pub use manifest::Manifest;
pub use restore::{Restored, restore};
pub use schedule::{Plan, no_schedule, on_schedule, ticks};
pub use state::{Failed, Last, State};
pub use verify::{verify_backup, verify_data};

use crate::store::StoreError;

/// What is wrong with a backup or a data folder, as a message key and its arguments: ids and names of files, no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `keep-found-…`
    pub key: &'static str,
    /// What it is about.
    pub args: Vec<(&'static str, String)>,
}

impl Finding {
    fn new(key: &'static str, args: &[(&'static str, &dyn std::fmt::Display)]) -> Self {
        Self { key, args: args.iter().map(|(name, value)| (*name, value.to_string())).collect() }
    }

    /// In words.
    pub fn text(&self, words: &Messages) -> String {
        let args: Vec<(&str, FluentValue<'_>)> =
            self.args.iter().map(|(name, value)| (*name, FluentValue::from(value.as_str()))).collect();
        words.with(self.key, &args)
    }
}

/// Why there is no backup, or none was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The storage of photos cannot be asked.
    #[error("the photos cannot be looked at")]
    Photos(#[source] std::io::Error),
    /// Where photos are cannot be noted.
    #[error(transparent)]
    Place(#[from] crate::blobs::place::Unfit),
    /// Another backup is being made into the same folder.
    #[error("another backup is being made there")]
    Busy,
    /// Files went while they were copied, several times in a row.
    #[error("the files would not stand still")]
    Unsteady,
    /// It was made and is not what it should be. It is not kept.
    #[error("the backup is not whole: {0:?}")]
    NotWhole(Vec<Finding>),
    /// The folder to restore from is no backup.
    #[error("there is no backup here")]
    NoBackup,
    /// A newer program made it.
    #[error("a newer program made this backup")]
    FromTheFuture,
    /// The folder to restore into has something in it.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The clock stands before the time of the backup.
    #[error("the clock stands before the backup's time")]
    ClockBehind,
    /// The list of erased ids cannot be read.
    #[error("the list of erased records cannot be read")]
    BadList,
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::OpenError),
    /// Erasing again what was erased after the backup failed.
    #[error(transparent)]
    Erase(#[from] crate::erase::EraseError),
}

impl BackupError {
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// The message key of the sentence for people.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Full) => "keep-error-full",
            Self::File { source, .. } if is_full(source) => "keep-error-full",
            Self::Photos(_) => "keep-error-photos",
            Self::Place(_) | Self::Store(_) | Self::File { .. } | Self::Open(_) | Self::Erase(_) => "keep-error-failed",
            Self::Busy => "keep-error-busy",
            Self::Unsteady => "keep-error-unsteady",
            Self::NotWhole(_) => "keep-error-not-whole",
            Self::NoBackup => "keep-error-no-backup",
            Self::FromTheFuture => "keep-error-future",
            Self::NotEmpty => "keep-error-not-empty",
            Self::ClockBehind => "keep-error-clock",
            Self::BadList => "keep-error-list",
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
