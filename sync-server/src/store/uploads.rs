//! What uploads and the keeping of photos need, beside [`super::Read`] and [`super::Tx`].

use chrono::{DateTime, Utc};
use shared::ids::{DeviceId, PhotoHash};

use super::{StoreError, Upload};

/// What can be read.
pub trait ReadUploads {
    /// The unfinished uploads that a handheld began, oldest first.
    fn unfinished_of(&self, device: DeviceId) -> Result<Vec<Upload>, StoreError>;
    /// The unfinished uploads of a photo, oldest first.
    fn unfinished_for(&self, hash: &PhotoHash) -> Result<Vec<Upload>, StoreError>;
    /// How many bytes of photos a handheld announced since an hour (since 1970).
    fn announced(&self, device: DeviceId, since: i64) -> Result<u64, StoreError>;
    /// Photos that came before `before` and that nothing refers to, by hash: no link, no edit, applied or refused or
    /// unreadable, nothing that handhelds still showed; nor are they wanted.
    fn orphans(&self, before: DateTime<Utc>) -> Result<Vec<PhotoHash>, StoreError>;
    /// Whether anything of the town refers to a photo, be it here or not.
    fn is_referred_to(&self, hash: &PhotoHash) -> Result<bool, StoreError>;
}

/// What can be written.
pub trait KeepUploads {
    /// Counts bytes that a handheld announced in an hour; forgets what it announced before `since`.
    fn announce(&mut self, device: DeviceId, hour: i64, bytes: u64, since: i64) -> Result<(), StoreError>;
    /// Forgets a photo, who delivered it and its uploads.
    fn drop_photo(&mut self, hash: &PhotoHash) -> Result<(), StoreError>;
}
