//! The file-based key store, and locations for where there is no receiver.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use shared::form::Position;

use super::{Boxed, KeyStore, KeyStoreError, Location};

/// Keys as files of 32 bytes, readable by their owner only.
///
/// What this does **not** defend: whoever can read this folder (another program of the same account, root, a copy of
/// the whole storage) has the key and with it the database. It only keeps the database useless to whoever gets the
/// database file alone. The Android key store and a PIN are to take its place on handhelds.
#[derive(Debug, Clone)]
pub struct FileKeyStore {
    folder: PathBuf,
}

impl FileKeyStore {
    /// Keys below `folder`, which is created with the first key.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        let safe: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        self.folder.join(format!("{safe}.key"))
    }
}

impl KeyStore for FileKeyStore {
    fn get(&self, name: &str) -> Result<Option<[u8; 32]>, KeyStoreError> {
        match disk::read(&self.path(name)) {
            Ok(bytes) => {
                // Making it may have failed at its name: what is relied on from now on must not go with the power.
                disk::sync_dir(&self.folder).map_err(|source| KeyStoreError::Io { name: name.to_owned(), source })?;
                bytes.try_into().map(Some).map_err(|_: Vec<u8>| KeyStoreError::Damaged(name.to_owned()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyStoreError::Io { name: name.to_owned(), source }),
        }
    }

    fn put(&self, name: &str, key: &[u8; 32]) -> Result<(), KeyStoreError> {
        let io = |source| KeyStoreError::Io { name: name.to_owned(), source };
        disk::create_private_dir_all(&self.folder)
            .and_then(|()| disk::make_private(&self.folder))
            // Whole and durable before this returns: half a key, or one whose name is lost, would cost the database.
            .and_then(|()| disk::create_new(&self.path(name), key))
            .map_err(io)
    }
}

/// A machine without a receiver.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLocation;

impl Location for NoLocation {
    fn fix(&self) -> Boxed<'_, Option<Position>> {
        Box::pin(std::future::ready(None))
    }
}

/// Always the same place: for tests and demonstrations.
#[derive(Debug, Clone, Copy)]
pub struct FixedLocation(pub Position);

impl Location for FixedLocation {
    fn fix(&self) -> Boxed<'_, Option<Position>> {
        Box::pin(std::future::ready(Some(self.0)))
    }
}
