//! The file-based key store, and locations for where there is no receiver.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use shared::form::Position;
use shared::outside::Outside;
use zeroize::Zeroizing;

use super::{Boxed, KeyStore, KeyStoreError, Location};

/// Bytes of a nonce.
const NONCE: usize = 24;

/// Keys as files of 32 bytes, readable by their owner only.
///
/// What this does **not** defend: whoever can read this folder (another program of the same account, root, a copy of the
/// whole storage) has the keys, and only the PIN is left between them and the database. A key store in hardware takes its
/// place on Android.
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

    /// The raw key of a database as versions before the PIN kept it, `None` if there is none.
    pub fn earlier(&self, name: &str) -> Result<Option<[u8; 32]>, KeyStoreError> {
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

impl KeyStore for FileKeyStore {
    fn seal(&self, name: &str, secret: &[u8], outside: &dyn Outside) -> Result<Vec<u8>, KeyStoreError> {
        let key = match self.earlier(name)? {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                outside.fill(&mut key);
                self.put(name, &key)?;
                key
            }
        };
        let mut nonce = [0; NONCE];
        outside.fill(&mut nonce);
        let bound = Payload { msg: secret, aad: name.as_bytes() };
        let sealed = XChaCha20Poly1305::new((&key).into())
            .encrypt(XNonce::from_slice(&nonce), bound)
            .map_err(|_| KeyStoreError::Damaged(name.to_owned()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
        let missing = || KeyStoreError::Missing(name.to_owned());
        let key = self.earlier(name)?.ok_or_else(missing)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or_else(missing)?;
        let bound = Payload { msg: sealed, aad: name.as_bytes() };
        let opened = XChaCha20Poly1305::new((&key).into()).decrypt(XNonce::from_slice(nonce), bound);
        opened.map(Zeroizing::new).map_err(|_| missing())
    }

    fn remove(&self, name: &str) -> Result<(), KeyStoreError> {
        match disk::remove(&self.path(name)) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(KeyStoreError::Io { name: name.to_owned(), source })
            }
            _ => Ok(()),
        }
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
