//! Reports from any phone: a process of its own that serves public pages and keeps what is sent, sealed for the centre,
//! until the centre fetches it (decision 23, `docs/intake.md`). It holds no resident's data and calls nobody.
//!
//! [`keep`], [`watch`], [`send`], [`pages`] and [`serve`] are the public process; [`pull`], [`take`], [`state`] and [`published`] are the
//! main server's side of it.

pub mod cli;
pub mod keep;
pub mod pages;
pub mod pictures;
pub mod published;
pub mod pull;
pub mod report;
pub mod send;
pub mod serve;
pub mod sign;
pub mod state;
pub mod take;
pub mod watch;
pub mod wire;

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use shared::outside::Outside;

use self::keep::Keep;
use self::watch::Watch;
use self::wire::Share;
use crate::store::StoreError;
use crate::tls::Tls;

/// Why the intake does not begin.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Its folder.
    #[error("cannot use the folder of the intake")]
    Folder(#[source] std::io::Error),
    /// Its database.
    #[error("cannot open intake.db")]
    Store(#[from] StoreError),
    /// What the centre gave.
    #[error("the file for the intake is not what `sync-server intake-key` writes: {0}")]
    Share(String),
}

/// Everything a public page works with.
pub struct Intake {
    /// What waits, and what is told.
    pub keep: Keep,
    /// Who sends how much.
    pub watch: Watch,
    /// Clock and randomness.
    pub outside: Arc<dyn Outside>,
    /// For whom reports are sealed.
    recipient: age::x25519::Recipient,
    /// SHA-256 of what the centre says when it fetches.
    secret: [u8; 32],
    /// Whether every request comes through a proxy of ours.
    pub behind_proxy: bool,
    /// The address on the door signs.
    pub public_url: String,
    /// The certificate.
    pub tls: Tls,
    /// One picture at a time: each takes up to 200 MB while it is looked at.
    drawing: Mutex<()>,
    /// How many reports may be on their way in at once.
    arriving: tokio::sync::Semaphore,
}

impl AsRef<Tls> for Intake {
    fn as_ref(&self) -> &Tls {
        &self.tls
    }
}

/// So many reports are received at once; more wait for their turn.
const AT_ONCE: usize = 8;

impl Intake {
    /// Opens the folder of the intake, making it where it is not there. `share` is what the centre made for it.
    pub fn open(data: &Path, share: &Share, outside: Arc<dyn Outside>) -> Result<Self, IntakeError> {
        disk::create_private_dir_all(data).map_err(IntakeError::Folder)?;
        let path = data.join("intake.db");
        match disk::create_new(&path, b"") {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.map_err(IntakeError::Folder)?,
        }
        let keep = Keep::open(&path, &*outside)?;
        let watch = Watch::new(keep.form_key());
        let recipient =
            age::x25519::Recipient::from_str(&share.recipient).map_err(|why| IntakeError::Share(why.to_owned()))?;
        Ok(Self {
            keep,
            watch,
            outside,
            recipient,
            secret: share.secret_hash,
            behind_proxy: false,
            public_url: String::new(),
            tls: Tls::of_folder(data),
            drawing: Mutex::default(),
            arriving: tokio::sync::Semaphore::new(AT_ONCE),
        })
    }
}
