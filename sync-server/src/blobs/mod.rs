//! Photos as files: named by their SHA-256, written once; uploads on their way beside them.

pub mod cli;
pub mod expiry;
pub mod jpeg;
pub mod orphans;
pub mod picture;
pub mod quota;
mod verify;

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;
use shared::limits::PHOTO_PIXELS;
use uuid::Uuid;

pub use verify::{Seen, verify};

/// The folder of photos and uploads.
pub struct Blobs {
    root: PathBuf,
    settling: Mutex<()>,
    /// Uploads that are being written to just now.
    writing: Mutex<BTreeSet<Uuid>>,
    written: Condvar,
}

/// An upload that nobody else writes to meanwhile.
struct Writing<'a> {
    blobs: &'a Blobs,
    id: Uuid,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.blobs.writing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.blobs.written.notify_all();
    }
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
    /// The disk.
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
    /// The disk.
    #[error("cannot store the photo")]
    Io(#[from] io::Error),
}

impl Blobs {
    /// Opens the folder, making it where it is not there. What is made is for its owner only.
    pub fn open(root: &Path) -> io::Result<Self> {
        disk::create_private_dir_all(&root.join("uploads"))?;
        disk::create_private_dir_all(&root.join("photos"))?;
        Ok(Self {
            root: root.to_owned(),
            settling: Mutex::default(),
            writing: Mutex::default(),
            written: Condvar::new(),
        })
    }

    /// Waits until nobody else writes to an upload: for one step of it at most.
    fn writing(&self, id: Uuid) -> Writing<'_> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        while !writing.insert(id) {
            writing = self.written.wait(writing).unwrap_or_else(PoisonError::into_inner);
        }
        Writing { blobs: self, id }
    }

    /// Held by whoever makes a photo of an upload, or takes a photo away, until both file and row are as they should be:
    /// one of them alone would be taken for a photo that is missing, or for a file that belongs to nobody.
    pub fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upload(&self, id: Uuid) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    /// Where a photo lies, or would.
    pub fn path(&self, hash: &PhotoHash) -> PathBuf {
        Self::place(&self.root, hash)
    }

    /// Where a photo lies in a folder of photos and uploads.
    pub fn place(root: &Path, hash: &PhotoHash) -> PathBuf {
        let folder = hash.as_str().get(..2).unwrap_or_default();
        root.join("photos").join(folder).join(hash.as_str())
    }

    /// The uploads that have a file.
    pub fn uploads(&self) -> io::Result<Vec<Uuid>> {
        let entries = disk::list(&self.root.join("uploads"))?.into_iter();
        Ok(entries.filter_map(|entry| entry.path.file_name()?.to_str()?.parse().ok()).collect())
    }

    /// Begins an upload.
    pub fn begin(&self, id: Uuid) -> io::Result<()> {
        disk::File::create(&self.upload(id), disk::Access::Owner).map(|_| ())
    }

    /// How many bytes of an upload are on the disk. What is just being written is waited for: it would be told too early.
    pub fn offset(&self, id: Uuid) -> io::Result<u64> {
        let _writing = self.writing(id);
        disk::len(&self.upload(id))
    }

    /// Appends to an upload that stands at `offset`; on the disk when this returns, or not at all.
    pub fn append(&self, id: Uuid, offset: u64, bytes: &[u8]) -> Result<(), AppendError> {
        let _writing = self.writing(id);
        disk::append(&self.upload(id), offset, bytes).map_err(|error| match error {
            disk::AppendError::Offset(at) => AppendError::Offset(at),
            disk::AppendError::Locked => AppendError::Locked,
            disk::AppendError::Io(error) => AppendError::Io(error),
        })
    }

    /// Verifies a complete upload and stores it as the photo of `hash`, on the disk when this returns. The upload stays as
    /// well, until [`Self::drop_upload`]: if the server dies before the photo is noted, it is finished once more.
    pub fn finish(&self, id: Uuid, hash: &PhotoHash) -> Result<(), FinishError> {
        let from = self.upload(id);
        whole(&disk::read(&from)?, hash)?;
        let (second, to) = (self.second(id), self.path(hash));
        // Of an attempt that was cut off.
        disk::remove(&second)?;
        disk::link_or_copy(&from, &second)?;
        if let Some(folder) = to.parent() {
            disk::create_private_dir_all(folder)?;
        }
        disk::rename(&second, &to)?;
        // Where both are names of one file already, renaming leaves both (POSIX).
        disk::remove(&second)?;
        Ok(())
    }

    /// Takes an upload away; it may be gone already.
    pub fn drop_upload(&self, id: Uuid) -> io::Result<()> {
        disk::remove(&self.second(id))?;
        disk::remove(&self.upload(id))
    }

    fn second(&self, id: Uuid) -> PathBuf {
        self.upload(id).with_extension("done")
    }

    /// Takes a photo away; it may be gone already.
    pub fn drop_photo(&self, hash: &PhotoHash) -> io::Result<()> {
        disk::remove(&self.path(hash))
    }

    /// The bytes of a photo.
    pub fn read(&self, hash: &PhotoHash) -> io::Result<Vec<u8>> {
        disk::read(&self.path(hash))
    }

    /// So many bytes of a photo from `from` on, fewer where it ends before.
    pub fn read_part(&self, hash: &PhotoHash, from: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut file = disk::File::open(&self.path(hash))?;
        file.seek_to(from)?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn whole(bytes: &[u8], hash: &PhotoHash) -> Result<(), FinishError> {
    if PhotoHash::from_bytes(&Sha256::digest(bytes).into()) != *hash {
        return Err(FinishError::Hash);
    }
    let size = jpeg::size(bytes)?;
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels > PHOTO_PIXELS { Err(FinishError::Pixels(pixels)) } else { Ok(()) }
}
