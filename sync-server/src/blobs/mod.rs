//! Photos, named by their SHA-256 and written once; uploads on their way beside them. In a folder ([`folder`]), or in a
//! bucket of an object storage that several servers share ([`bucket`]).

pub mod bucket;
pub mod cli;
pub mod expiry;
pub mod folder;
pub mod jpeg;
pub mod orphans;
pub mod picture;
pub mod place;
pub mod quota;
mod storage;
mod verify;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::MutexGuard;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;
use shared::limits::PHOTO_PIXELS;
use uuid::Uuid;

use crate::AppState;
use crate::store::StoreError;

pub use folder::place;
pub use verify::{Seen, is_whole, verify};

/// Where photos and uploads are kept. Everything blocks. What cannot be reached just now fails with
/// [`io::ErrorKind::NotConnected`], what is not there with [`io::ErrorKind::NotFound`].
pub trait Blobs: Send + Sync {
    /// Held in this process by whoever makes a photo of an upload, or takes a photo away, until both bytes and row are as they
    /// should be. Other processes are not kept out: who writes the row looks after it whether the bytes are there still, and
    /// who takes bytes away looks after it for the row ([`take_away`]); one of the two sees the other.
    fn settling(&self) -> Settling<'_>;

    /// Begins an upload.
    fn begin(&self, id: Uuid) -> io::Result<()>;

    /// How many bytes of an upload are kept.
    fn offset(&self, id: Uuid) -> io::Result<u64>;

    /// Appends to an upload that stands at `offset`; kept when this returns, or not at all. Of two who append at the same offset
    /// one does.
    fn append(&self, id: Uuid, offset: u64, bytes: &[u8]) -> Result<(), AppendError>;

    /// Verifies a complete upload and stores it as the photo of `hash`, kept when this returns. The upload stays as well, until
    /// [`Self::drop_upload`]: if the server dies before the photo is noted, it is finished once more.
    fn finish(&self, id: Uuid, hash: &PhotoHash) -> Result<(), FinishError>;

    /// The same of bytes that are all here; `id` is nobody else's.
    fn put(&self, id: Uuid, hash: &PhotoHash, bytes: &[u8]) -> Result<(), FinishError>;

    /// The uploads of which something is kept.
    fn uploads(&self) -> io::Result<Vec<Uuid>>;

    /// Takes an upload away; it may be gone already.
    fn drop_upload(&self, id: Uuid) -> io::Result<()>;

    /// Takes a photo away; it may be gone already.
    fn drop_photo(&self, hash: &PhotoHash) -> io::Result<()>;

    /// The bytes of a photo.
    fn read(&self, hash: &PhotoHash) -> io::Result<Vec<u8>>;

    /// So many bytes of a photo from `from` on, fewer where it ends before.
    fn read_part(&self, hash: &PhotoHash, from: u64, most: u64) -> io::Result<Vec<u8>>;

    /// Which of these photos are not there.
    fn lacking(&self, hashes: &BTreeSet<PhotoHash>) -> io::Result<BTreeSet<PhotoHash>>;

    /// Whether a photo is there.
    fn has(&self, hash: &PhotoHash) -> io::Result<bool> {
        Ok(self.lacking(&BTreeSet::from([hash.clone()]))?.is_empty())
    }

    /// All that lies where photos lie.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// Where that is.
    fn at(&self) -> Where<'_>;

    /// Whether it answers.
    fn reach(&self) -> io::Result<()>;

    /// Whether photos can be written, kept apart and taken away: asked once when a server starts.
    fn try_out(&self, id: Uuid) -> Result<(), place::Unfit>;
}

/// See [`Blobs::settling`].
pub struct Settling<'a>(#[expect(dead_code, reason = "held, not read")] Option<MutexGuard<'a, ()>>);

/// Where photos and uploads are.
#[derive(Debug, Clone, Copy)]
pub enum Where<'a> {
    /// On a disk of ours.
    Folder(&'a Path),
    /// In a storage that keeps its own copies.
    Bucket(&'a place::At),
}

/// Something that lies where photos lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as an operator finds it.
    pub path: String,
    /// The photo it is by its name and place; none: it is in the wrong place.
    pub hash: Option<PhotoHash>,
    /// Its length.
    pub bytes: u64,
    /// When it was last written.
    pub written: DateTime<Utc>,
}

/// Why bytes were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The file has another length than the sender thinks; here it is.
    #[error("the upload stands at {0} bytes")]
    Offset(u64),
    /// Another process is writing to it.
    #[error("the upload is being written to by another process")]
    Locked,
    /// The disk, or the storage.
    #[error("cannot write the upload")]
    Io(#[from] io::Error),
}

/// Why a complete upload is no photo. The sender begins again.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Other bytes than were announced.
    #[error("the bytes do not have the hash that was announced")]
    Hash,
    /// Not what our app sends.
    #[error(transparent)]
    Jpeg(#[from] jpeg::NoJpeg),
    /// More pixels than anything may have to decode.
    #[error("{0} pixels, at most {PHOTO_PIXELS} are taken")]
    Pixels(u64),
    /// The disk, or the storage.
    #[error("cannot store the photo")]
    Io(#[from] io::Error),
}

/// The name of bytes.
pub fn hash(bytes: &[u8]) -> PhotoHash {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into())
}

/// Whether bytes are the photo of this name, all of it.
fn whole(bytes: &[u8], name: &PhotoHash) -> Result<(), FinishError> {
    if hash(bytes) != *name {
        return Err(FinishError::Hash);
    }
    let size = jpeg::size(bytes)?;
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels > PHOTO_PIXELS { Err(FinishError::Pixels(pixels)) } else { Ok(()) }
}

/// Takes the bytes of a photo away unless it is `needed`. When somebody came to need it meanwhile, in another process, they are
/// put back. Gives whether they went.
pub fn take_away(
    app: &AppState,
    hash: &PhotoHash,
    needed: &dyn Fn() -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let failed = |source: io::Error| StoreError::Other { action: "took a photo away", source: Box::new(source) };
    if needed()? {
        return Ok(false);
    }
    let bytes = match app.blobs.read(hash) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(failed)?,
    };
    app.blobs.drop_photo(hash).map_err(failed)?;
    if !needed()? {
        return Ok(true);
    }
    match app.blobs.put(app.outside.uuid(), hash, &bytes) {
        Err(FinishError::Io(error)) => Err(failed(error)),
        // Damaged, it was of no use to whoever needs it.
        Err(_) | Ok(()) => Ok(false),
    }
}
