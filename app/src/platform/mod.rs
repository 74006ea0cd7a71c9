//! What differs between an Android handheld, a desktop window and the preview: one trait each, chosen at start.

pub mod android;
mod device;
mod files;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use shared::form::Position;
use shared::outside::Outside;
use zeroize::Zeroizing;

#[cfg(any(target_os = "android", feature = "android-check"))]
pub use android::{Android, JavaError};
pub use device::{Desk, Device};
pub use files::{FileKeyStore, FixedLocation, NoLocation};

use crate::lock::Cost;
use crate::sync::{Connect, HttpConnect};

impl Network for Line {
    fn line(&self) -> Line {
        *self
    }
}

/// A future that can be sent to another thread.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a key could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The file system refused.
    #[error("the key {name} cannot be read or written: {source}")]
    Io {
        /// Which key.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is something under this name that is not a key.
    #[error("the key {0} is damaged")]
    Damaged(String),
    /// There is no key of this name, or what it is to open was sealed by another one: the files came from elsewhere.
    #[error("the key {0} does not open this")]
    Missing(String),
}

/// Seals small secrets with keys that stay inside, each key under a name of letters, digits and dashes.
///
/// Guarantees: what was sealed opens again under the same name until that is removed, and never after; names do not
/// influence each other; what [`KeyStore::seal`] returned still opens after the power failed.
pub trait KeyStore: Send + Sync {
    /// Seals `secret` with the key of `name`, which is made if there is none yet.
    fn seal(&self, name: &str, secret: &[u8], outside: &dyn Outside) -> Result<Vec<u8>, KeyStoreError>;

    /// Opens what was sealed under `name`.
    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyStoreError>;

    /// Destroys the key of `name`; one that is not there is destroyed already.
    fn remove(&self, name: &str) -> Result<(), KeyStoreError>;
}

/// Where the handheld is.
pub trait Location: Send + Sync {
    /// A fix: the first one of 20 m or better within 20 s, else the best there was. `None` without a receiver or
    /// permission. WGS-84.
    fn fix(&self) -> Boxed<'_, Option<Position>>;
}

/// What a connection costs who uses the handheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Nothing more: Wi-Fi, a cable; or nobody knows.
    Free,
    /// By the byte: a mobile network.
    Metered,
}

/// The network as the system sees it.
pub trait Network: Send + Sync {
    /// What the line in use costs.
    fn line(&self) -> Line;
}

/// Where files of a handheld lie. Everything below one folder, so that two handhelds can run beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
    no_backup: PathBuf,
}

impl Paths {
    /// Everything below `root`, which is created when needed.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), no_backup: root.join("no-backup") }
    }

    /// The same with what must not be part of any backup in a folder of its own.
    #[must_use]
    pub fn with_no_backup(self, folder: &Path) -> Self {
        Self { no_backup: folder.to_owned(), ..self }
    }

    /// The mark of this installation: files that know another one were restored or copied.
    pub fn installation(&self) -> PathBuf {
        self.no_backup.join("installation")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings of the handheld that belong to no user (language, text size, server): not secret.
    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// The folder of the file-based key store.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The folder of the users' folders.
    pub fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    /// The folder of one user: database and photos.
    pub fn user(&self, user: shared::ids::UserId) -> PathBuf {
        self.users().join(user.to_string())
    }
}

/// The platform as the rest of the app sees it.
#[derive(Clone)]
pub struct Services {
    /// Seals the keys of the databases.
    pub keys: Arc<dyn KeyStore>,
    /// What it costs to try a PIN that is set from now on.
    pub pin_cost: Cost,
    /// Makes transports to a server.
    pub connect: Arc<dyn Connect>,
    /// Positions.
    pub location: Arc<dyn Location>,
    /// What the line costs.
    pub network: Arc<dyn Network>,
    /// Its name, its battery, what it offers to others.
    pub device: Arc<dyn Device>,
    /// The folder for what no backup of the device may hold (`Context.getNoBackupFilesDir()`); `None`: one below the
    /// handheld's own.
    pub no_backup: Option<PathBuf>,
}

impl Services {
    /// Files below `root` for the keys, HTTP to the server, no position: desktop, preview and tests.
    pub fn files(root: &Path) -> Self {
        Self {
            keys: Arc::new(FileKeyStore::new(&Paths::new(root).keys())),
            pin_cost: Cost::USUAL,
            connect: Arc::new(HttpConnect),
            location: Arc::new(NoLocation),
            network: Arc::new(Line::Free),
            device: Arc::new(Desk),
            no_backup: None,
        }
    }
}
