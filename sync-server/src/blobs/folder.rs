//! Photos as files of a folder.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use shared::ids::PhotoHash;
use uuid::Uuid;

use super::place::Unfit;
use super::{AppendError, Blobs, FinishError, Listed, Settling, Where, whole};

/// The folder of photos and uploads.
pub struct Folder {
    root: PathBuf,
    settling: Mutex<()>,
    /// Uploads that are being written to just now.
    writing: Mutex<BTreeSet<Uuid>>,
    written: Condvar,
}

/// An upload that nobody else writes to meanwhile.
struct Writing<'a> {
    blobs: &'a Folder,
    id: Uuid,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.blobs.writing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.blobs.written.notify_all();
    }
}

/// Where a photo lies in a folder of photos and uploads.
pub fn place(root: &Path, hash: &PhotoHash) -> PathBuf {
    let folder = hash.as_str().get(..2).unwrap_or_default();
    root.join("photos").join(folder).join(hash.as_str())
}

impl Folder {
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

    fn upload(&self, id: Uuid) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    fn second(&self, id: Uuid) -> PathBuf {
        self.upload(id).with_extension("done")
    }

    fn path(&self, hash: &PhotoHash) -> PathBuf {
        place(&self.root, hash)
    }
}

impl Blobs for Folder {
    fn settling(&self) -> Settling<'_> {
        Settling(Some(self.settling.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn begin(&self, id: Uuid) -> io::Result<()> {
        disk::File::create(&self.upload(id), disk::Access::Owner).map(|_| ())
    }

    /// What is just being written is waited for: it would be told too early.
    fn offset(&self, id: Uuid) -> io::Result<u64> {
        let _writing = self.writing(id);
        disk::len(&self.upload(id))
    }

    fn append(&self, id: Uuid, offset: u64, bytes: &[u8]) -> Result<(), AppendError> {
        let _writing = self.writing(id);
        disk::append(&self.upload(id), offset, bytes).map_err(|error| match error {
            disk::AppendError::Offset(at) => AppendError::Offset(at),
            disk::AppendError::Locked => AppendError::Locked,
            disk::AppendError::Io(error) => AppendError::Io(error),
        })
    }

    fn finish(&self, id: Uuid, hash: &PhotoHash) -> Result<(), FinishError> {
        let from = self.upload(id);
        let bytes = disk::read(&from)?;
        whole(&bytes, hash)?;
        let (second, to) = (self.second(id), self.path(hash));
        // Written once more: of a piece that could not be flushed the system may show bytes that no disk has.
        disk::replace_with(&second, disk::Access::Owner, |file| file.write_all(&bytes))?;
        if let Some(folder) = to.parent() {
            disk::create_private_dir_all(folder)?;
        }
        disk::rename(&second, &to)?;
        Ok(())
    }

    fn put(&self, id: Uuid, hash: &PhotoHash, bytes: &[u8]) -> Result<(), FinishError> {
        self.begin(id)?;
        let kept = self.append(id, 0, bytes).map_err(|error| match error {
            AppendError::Io(error) => error,
            other => io::Error::other(other),
        });
        let finished = kept.map_err(FinishError::from).and_then(|()| self.finish(id, hash));
        self.drop_upload(id)?;
        finished
    }

    fn uploads(&self) -> io::Result<Vec<Uuid>> {
        let entries = disk::list(&self.root.join("uploads"))?.into_iter();
        Ok(entries.filter_map(|entry| entry.path.file_name()?.to_str()?.parse().ok()).collect())
    }

    fn drop_upload(&self, id: Uuid) -> io::Result<()> {
        // The first is of an attempt that was cut off.
        disk::remove(&self.upload(id).with_extension("done.part"))?;
        disk::remove(&self.second(id))?;
        disk::remove(&self.upload(id))
    }

    fn drop_photo(&self, hash: &PhotoHash) -> io::Result<()> {
        disk::remove(&self.path(hash))
    }

    fn read(&self, hash: &PhotoHash) -> io::Result<Vec<u8>> {
        disk::read(&self.path(hash))
    }

    fn read_part(&self, hash: &PhotoHash, from: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut file = disk::File::open(&self.path(hash))?;
        file.seek_to(from)?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn lacking(&self, hashes: &BTreeSet<PhotoHash>) -> io::Result<BTreeSet<PhotoHash>> {
        let mut lacking = BTreeSet::new();
        for hash in hashes {
            if !disk::exists(&self.path(hash))? {
                lacking.insert(hash.clone());
            }
        }
        Ok(lacking)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut all = Vec::new();
        for folder in disk::list(&self.root.join("photos"))? {
            let files = if folder.is_folder { disk::list(&folder.path)? } else { vec![folder] };
            for file in files {
                let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                let hash: Option<PhotoHash> = name.parse().ok().filter(|hash| self.path(hash) == file.path);
                match disk::modified(&file.path) {
                    Ok(at) => all.push(Listed {
                        path: file.path.display().to_string(),
                        hash,
                        bytes: file.bytes,
                        written: at.into(),
                    }),
                    // Taken away just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(all)
    }

    fn at(&self) -> Where<'_> {
        Where::Folder(&self.root)
    }

    fn reach(&self) -> io::Result<()> {
        disk::list(&self.root).map(drop)
    }

    fn try_out(&self, _: Uuid) -> Result<(), Unfit> {
        Ok(())
    }
}
