//! Batches: how staff take the data out. A batch is everything of an area between two sequence numbers, sealed under a
//! number, and the same to the byte whenever it is taken again.
//!
//! Each member of staff has a cursor for each set of areas: the end of their last batch of it. Files lie under
//! `batches/<id>/`; number, counts and SHA-256 stand in the manifest, which is kept in the store, longer than the files.

pub mod approval;
pub mod cli;
mod cut;
mod files;
mod manifest;
mod photos;
mod profile;
pub mod schedule;
mod seal;
mod verify;

use std::path::PathBuf;

use shared::area::AreaId;

pub use cli::{BatchCommand, command};
pub use cut::{link_of, links, state};
pub use files::{copy_out, hex};
pub use manifest::{Counts, FileEntry, Manifest};
pub use seal::{again, clear_unnamed, damaged, list, manifest, may_pull, pending, pull};
pub use verify::{Looked, verify};

use crate::export::profile::BadProfile;
use crate::store::{StoreError, User};

/// How the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// One file a kind, for Excel and WPS.
    Csv,
    /// One file a kind, for programs.
    Ndjson,
    /// One workbook, one sheet a kind, for Excel and WPS.
    Xlsx,
    /// One file a kind of what has a place, and one of the areas' outlines, for maps.
    GeoJson,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Ndjson, Self::Xlsx, Self::GeoJson];

    /// The name as in options, the manifest and the file's extension.
    pub fn code(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Xlsx => "xlsx",
            Self::GeoJson => "geojson",
        }
    }

    /// The format of a name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.code() == code)
    }
}

/// From where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// The end of this person's last batch of the same areas; everything if there is none.
    Last,
    /// Everything.
    All,
    /// The end of the batch of this number (`2026-019`).
    Batch(String),
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Pull<'a> {
    /// Who; their scope, clearance and right to unmask bound what they get.
    pub user: &'a User,
    /// The roots; each must lie in the user's scope.
    pub areas: Vec<AreaId>,
    /// From where on.
    pub since: Since,
    /// At least one.
    pub formats: Vec<Format>,
    /// Numbers in full. Needs the right and another person, see [`approval`].
    pub unmasked: bool,
    /// With restricted columns. Needs clearance and another person.
    pub restricted: bool,
    /// As an upper platform takes it, in place of the formats; see [`crate::export::profile`].
    pub profile: Option<String>,
    /// With the photos of its records, as far as this person may see them.
    pub photos: bool,
    /// By which another released it, where it takes two.
    pub released: Option<uuid::Uuid>,
    /// Of headers and words.
    pub lang: assets::messages::Lang,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Pulled {
    /// Nothing changed since; no number was used.
    NothingNew,
    /// A batch, sealed.
    Sealed(Box<Sealed>),
}

/// A batch with its files.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// What is in it.
    pub manifest: Manifest,
    /// Where its files lie, by the names of the manifest.
    pub folder: PathBuf,
}

/// Why there is no batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files could not be written or read.
    #[error("batch {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The person's role takes out no batches, or the area lies outside their scope.
    #[error("not allowed: the area {0} is not in this person's scope, or their role takes out no batches")]
    NotAllowed(AreaId),
    /// Numbers in full were asked for without the right to them.
    #[error("not allowed: this person may not take out numbers in full")]
    MayNotUnmask,
    /// The batch holds restricted parts and the person is not cleared for them.
    #[error("not allowed: the batch holds restricted parts")]
    NotCleared,
    /// It takes two, and nobody else has released exactly this within a day; or it was used.
    #[error("not released: another person has to release it first")]
    NotReleased,
    /// No batch of this number.
    #[error("there is no batch {0}")]
    NoSuchBatch(String),
    /// The files were taken away (erasure, end of their time). The manifest is still there.
    #[error("the files of batch {0} are gone")]
    FilesGone(String),
    /// The files went because they held a record that was erased. The manifest is still there.
    #[error("the files of batch {0} went with an erased record")]
    Erased(String),
    /// A file does not hash to what the manifest says.
    #[error("the file {file} of batch {number} is not what was sealed")]
    Damaged {
        /// The batch.
        number: String,
        /// The file.
        file: String,
    },
    /// There is no such profile, or it does not hold together.
    #[error(transparent)]
    Profile(#[from] BadProfile),
    /// Values for which the profile has no code; nothing was written.
    #[error("the profile has no code for {0}")]
    UnknownCodes(String),
    /// A row could not be written as JSON.
    #[error("writing a row: {0}")]
    Json(#[from] serde_json::Error),
}

impl BatchError {
    /// The message key of the sentence for people.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Io { .. } | Self::Json(_) => "batch-error-failed",
            Self::NotAllowed(_) => "batch-error-not-allowed",
            Self::MayNotUnmask => "batch-error-may-not-unmask",
            Self::NotCleared => "batch-error-not-cleared",
            Self::NotReleased => "batch-error-not-released",
            Self::Profile(_) => "batch-error-profile",
            Self::UnknownCodes(_) => "batch-error-unknown-codes",
            Self::NoSuchBatch(_) => "batch-error-no-such-batch",
            Self::FilesGone(_) => "batch-error-files-gone",
            Self::Erased(_) => "batch-error-erased",
            Self::Damaged { .. } => "batch-error-damaged",
        }
    }

    fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
