//! An open file.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Access;
use crate::step;

/// An open file whose reads and writes can be made to fail. Nothing written is durable before [`File::sync`].
#[derive(Debug)]
pub struct File {
    inner: fs::File,
    path: PathBuf,
}

impl File {
    /// For reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        step::look(path)?;
        Ok(Self { inner: fs::File::open(path)?, path: path.to_owned() })
    }

    /// For writing from the beginning; what was in it is gone.
    pub fn create(path: &Path, access: Access) -> io::Result<Self> {
        step::create(path)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if access == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _: Access = access;
        Ok(Self { inner: options.open(path)?, path: path.to_owned() })
    }

    /// For changing what is there.
    pub fn edit(path: &Path) -> io::Result<Self> {
        step::look(path)?;
        Ok(Self { inner: fs::OpenOptions::new().read(true).write(true).open(path)?, path: path.to_owned() })
    }

    /// Its length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        self.inner.metadata().map(|file| file.len())
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }

    /// Goes on reading or writing at `offset`.
    pub fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        self.inner.seek(SeekFrom::Start(offset)).map(|_| ())
    }

    /// Takes the file's lock until it is closed; false if somebody else has it.
    pub fn try_lock(&self) -> io::Result<bool> {
        match self.inner.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Cuts or extends it.
    pub fn set_len(&mut self, length: u64) -> io::Result<()> {
        step::set_len(&self.path, length)?;
        self.inner.set_len(length)
    }

    /// Brings its bytes and its length to the disk. Its name needs [`crate::sync_dir`].
    pub fn sync(&mut self) -> io::Result<()> {
        step::sync(&self.path, || self.inner.sync_all())
    }

    /// The same without times and rights: enough for a file that was there.
    pub fn sync_data(&mut self) -> io::Result<()> {
        step::sync(&self.path, || self.inner.sync_data())
    }

    /// The system's own handle, for handing it to what streams; reads through it are not asked about any more.
    pub fn into_std(self) -> fs::File {
        self.inner
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = step::read(&self.path, buffer.len())?;
        self.inner.read(buffer.get_mut(..most).unwrap_or_default())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "faults")]
        {
            let at = self.inner.stream_position()?;
            if let Err((part, error)) = step::write(&self.path, at, bytes.len()) {
                // A disk that fills up takes a beginning.
                self.inner.write_all(bytes.get(..part).unwrap_or_default())?;
                return Err(error);
            }
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
