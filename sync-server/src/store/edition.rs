//! What a town publishes beside what comes with the program: forms, its calendar. Every version is kept.

use chrono::{DateTime, Utc};
use shared::ids::UserId;

use super::StoreError;

/// One version of something published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// `calendar`, or `form/` with the kind.
    pub name: String,
    /// Of a calendar from 1; of a form that of the form.
    pub version: u32,
    /// The file.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub user: UserId,
}

/// What can be read.
pub trait ReadEditions {
    /// How many there are: it grows with each.
    fn edition_count(&self) -> Result<usize, StoreError>;
    /// All of them, by name and version.
    fn editions(&self) -> Result<Vec<Edition>, StoreError>;
}

/// What can be written.
pub trait KeepEditions {
    /// Adds one; an error if there is one of this name and version.
    fn put_edition(&mut self, edition: &Edition) -> Result<(), StoreError>;
}
