//! The lock of one user: the key of their database, wrapped by their PIN and by the key store of the device.
//!
//! | file in the folder of the user | what |
//! | --- | --- |
//! | `lock.json` | the wrapped key, with what a PIN is stretched by |
//! | `tries.json` | how often a PIN was wrong, and when the next one is taken |
//! | `centre.age` | the same key for whom only the centre opens it: for a forgotten PIN, or after [`TRIES`] wrong ones |
//!
//! The key is sealed with XChaCha20-Poly1305 under Argon2id of the PIN (RFC 9106), and that once more by the platform's
//! [`KeyStore`]. A PIN of six digits has a million values: against whoever copied the folder *and* can use the key store,
//! the stretching makes each guess cost what [`Cost`] says, no more. Counting wrong ones only holds off who has the
//! handheld in hand and the app before them; the key store in hardware holds off the others.

mod pin;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::UserId;
use shared::outside::Outside;
use shared::wire::SealedKey;
use zeroize::Zeroizing;

use crate::handheld::Message;
use crate::platform::{KeyStore, KeyStoreError};
use crate::store::RawKey;

pub use pin::{Pin, PinProblem};

/// After so many wrong PINs in a row only the centre opens.
pub const TRIES: u32 = 10;
/// How long one waits after the n-th wrong PIN in a row, seconds; nothing after the first ones, which are slips.
const WAITS: [i64; 9] = [0, 0, 30, 60, 300, 900, 1_800, 3_600, 3_600];
/// Bytes of a nonce.
const NONCE: usize = 24;

/// What it costs to try a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory, KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// What a handheld of 2018 does in under a second: above what OWASP's password storage cheat sheet asks of servers
    /// (19 MiB, 2 passes).
    pub const USUAL: Self = Self { memory: 65_536, passes: 3 };
    /// For tests that open thousands of handhelds. It defends nothing.
    pub const LEAST: Self = Self { memory: 8, passes: 1 };
}

/// Why a user's database stays closed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The PIN is wrong.
    #[error("the PIN is wrong; {left} tries are left")]
    Wrong {
        /// Tries until only the centre opens.
        left: u32,
        /// Until when none is taken; `None`: at once.
        until: Option<DateTime<Utc>>,
    },
    /// None is taken yet.
    #[error("no PIN is taken before {0}")]
    Wait(DateTime<Utc>),
    /// Only the centre opens.
    #[error("too many wrong PINs: only the centre opens")]
    Locked,
    /// A PIN that is none.
    #[error(transparent)]
    Pin(#[from] PinProblem),
    /// The lock's file says nothing that opens.
    #[error("the lock is damaged: {0}")]
    Damaged(String),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// The disk.
    #[error("{what} {path}: {source}")]
    File {
        /// What was done.
        what: &'static str,
        /// To which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl LockError {
    /// In words for the user.
    pub fn message(&self) -> Message {
        match self {
            Self::Wrong { left, until: Some(until) } => {
                Message::of("lock-wrong-wait").with("left", left).with("until", clock(*until))
            }
            Self::Wrong { left, until: None } => Message::of("lock-wrong").with("left", left),
            Self::Wait(until) => Message::of("lock-wait").with("until", clock(*until)),
            Self::Locked => Message::of("lock-centre"),
            Self::Pin(problem) => problem.message(),
            Self::Damaged(_) => Message::of("lock-damaged"),
            Self::Keys(_) => Message::of("lock-keys"),
            Self::File { source, .. } if source.kind() == ErrorKind::StorageFull => Message::of("store-full"),
            Self::File { .. } => Message::of("lock-file"),
        }
    }
}

/// A time of today as a clock shows it.
fn clock(time: DateTime<Utc>) -> String {
    shared::mask::in_beijing(time).map(|time| time.format("%H:%M:%S").to_string()).unwrap_or_default()
}

/// How often a PIN was wrong, and when the next is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Wrong ones in a row.
    pub wrong: u32,
    /// By the device's clock, milliseconds; 0: at once.
    pub next: i64,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    /// The user's name, to choose by: whose PIN is asked for has to be said before anything is opened.
    name: String,
    cost: Cost,
    salt: String,
    sealed: String,
}

/// The lock of one user.
pub struct Lock<'a> {
    folder: PathBuf,
    user: UserId,
    keys: &'a dyn KeyStore,
}

impl<'a> Lock<'a> {
    /// The lock of `user`, whose folder is `folder`.
    pub fn of(folder: &Path, user: UserId, keys: &'a dyn KeyStore) -> Self {
        Self { folder: folder.to_owned(), user, keys }
    }

    /// The name under which the key store seals.
    fn name(&self) -> String {
        format!("lock-{}", self.user)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, LockError> {
        let path = self.path(file);
        match disk::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockError::File { what: "reading", path, source }),
        }
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), LockError> {
        let path = self.path(file);
        disk::create_dir_all(&self.folder)
            .and_then(|()| disk::replace(&path, bytes))
            .map_err(|source| LockError::File { what: "writing", path, source })
    }

    fn file(&self) -> Result<Option<File>, LockError> {
        let damaged = |error: serde_json::Error| LockError::Damaged(error.to_string());
        self.read("lock.json")?.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
    }

    /// Whether there is one.
    pub fn is_set(&self) -> Result<bool, LockError> {
        Ok(self.read("lock.json")?.is_some())
    }

    /// The name of the user as it was when the lock was set.
    pub fn whose(&self) -> Result<Option<String>, LockError> {
        Ok(self.file()?.map(|file| file.name))
    }

    /// Wraps `key` by `pin`. The wrong ones of before are forgotten. Durable when this returns.
    pub fn set(&self, key: &RawKey, pin: &Pin, name: &str, cost: Cost, outside: &dyn Outside) -> Result<(), LockError> {
        let (mut salt, mut nonce) = ([0; 16], [0; NONCE]);
        outside.fill(&mut salt);
        outside.fill(&mut nonce);
        let stretched = stretch(pin, &salt, cost)?;
        let mut inner = nonce.to_vec();
        let bound = Payload { msg: key, aad: &self.bound() };
        let sealed = XChaCha20Poly1305::new((&*stretched).into()).encrypt(XNonce::from_slice(&nonce), bound);
        inner.extend(sealed.map_err(|_| LockError::Damaged("the key does not seal".to_owned()))?);
        let file = File {
            version: 1,
            name: name.to_owned(),
            cost,
            salt: STANDARD.encode(salt),
            sealed: STANDARD.encode(self.keys.seal(&self.name(), &inner, outside)?),
        };
        let json = serde_json::to_vec(&file).map_err(|error| LockError::Damaged(error.to_string()))?;
        self.write("lock.json", &json)?;
        self.note(Tries::default())
    }

    /// The key, if `pin` is right. A wrong one is written down before it is tried: ending the app in between does not
    /// give it for nothing.
    pub fn open(&self, pin: &Pin, now: DateTime<Utc>) -> Result<RawKey, LockError> {
        let file = self.file()?.ok_or_else(|| LockError::Damaged("there is none".to_owned()))?;
        let tries = self.tries()?;
        if tries.wrong >= TRIES {
            return Err(LockError::Locked);
        }
        if let Some(until) = self.waits(tries, now)? {
            return Err(LockError::Wait(until));
        }
        let wrong = tries.wrong + 1;
        let wait =
            usize::try_from(wrong).ok().and_then(|n| WAITS.get(n.saturating_sub(1))).copied().unwrap_or_default();
        let until = now + TimeDelta::try_seconds(wait).unwrap_or_default();
        self.note(Tries { wrong, next: if wait > 0 { until.timestamp_millis() } else { 0 } })?;
        match self.unwrap(&file, pin)? {
            Some(key) => {
                self.note(Tries::default())?;
                Ok(key)
            }
            None if wrong >= TRIES => Err(LockError::Locked),
            None => Err(LockError::Wrong { left: TRIES - wrong, until: (wait > 0).then_some(until) }),
        }
    }

    fn unwrap(&self, file: &File, pin: &Pin) -> Result<Option<RawKey>, LockError> {
        let damaged = |what: &str| LockError::Damaged(what.to_owned());
        let salt = STANDARD.decode(&file.salt).map_err(|_| damaged("the salt"))?;
        let sealed = STANDARD.decode(&file.sealed).map_err(|_| damaged("the key"))?;
        let inner = self.keys.open(&self.name(), &sealed)?;
        let (nonce, sealed) = inner.split_at_checked(NONCE).ok_or_else(|| damaged("the key is short"))?;
        let stretched = stretch(pin, &salt, file.cost)?;
        let bound = Payload { msg: sealed, aad: &self.bound() };
        let opened = XChaCha20Poly1305::new((&*stretched).into()).decrypt(XNonce::from_slice(nonce), bound);
        opened.ok().map(|key| RawKey::try_from(key).map_err(|_| damaged("the key's length"))).transpose()
    }

    /// What the sealed key is for: it opens nothing under another user's name.
    fn bound(&self) -> Vec<u8> {
        [b"grid lock 1 ".as_slice(), self.user.0.as_bytes()].concat()
    }

    /// How often a PIN was wrong.
    pub fn tries(&self) -> Result<Tries, LockError> {
        // A file that was meddled with counts as the most that may be.
        let most = Tries { wrong: TRIES, next: 0 };
        Ok(self.read("tries.json")?.map_or(Tries::default(), |bytes| serde_json::from_slice(&bytes).unwrap_or(most)))
    }

    /// Until when no PIN is taken. A clock that was set back must not make it longer than it was.
    fn waits(&self, tries: Tries, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LockError> {
        let Some(until) = DateTime::from_timestamp_millis(tries.next).filter(|until| *until > now) else {
            return Ok(None);
        };
        let wait = WAITS.get(tries.wrong.saturating_sub(1) as usize).copied().unwrap_or_default();
        let longest = now + TimeDelta::try_seconds(wait).unwrap_or_default();
        if until > longest {
            self.note(Tries { next: longest.timestamp_millis(), ..tries })?;
        }
        Ok(Some(until.min(longest)))
    }

    fn note(&self, tries: Tries) -> Result<(), LockError> {
        self.write("tries.json", &serde_json::to_vec(&tries).unwrap_or_default())
    }

    /// Keeps the key for the centre too. `recipient` is what the centre told at enrolment.
    pub fn seal_for_centre(&self, key: &RawKey, recipient: &str) -> Result<(), LockError> {
        let damaged = |what: String| LockError::Damaged(what);
        let recipient = age::x25519::Recipient::from_str(recipient).map_err(|why| damaged(why.to_owned()))?;
        let sealed = SealedKey { user: self.user, key: STANDARD.encode(key) };
        let json = Zeroizing::new(serde_json::to_vec(&sealed).map_err(|error| damaged(error.to_string()))?);
        let sealed = age::encrypt(&recipient, &json).map_err(|error| damaged(error.to_string()))?;
        self.write("centre.age", &sealed)
    }

    /// The key as only the centre opens it, as an enrolment carries it.
    pub fn sealed_for_centre(&self) -> Result<Option<String>, LockError> {
        Ok(self.read("centre.age")?.map(|sealed| STANDARD.encode(sealed)))
    }

    /// A key that the centre opened.
    pub fn opened_by_centre(text: &str) -> Result<RawKey, LockError> {
        let key = STANDARD.decode(text).ok().and_then(|key| RawKey::try_from(key).ok());
        key.ok_or_else(|| LockError::Damaged("what the centre opened".to_owned()))
    }

    /// Takes the lock away with its keys: what it locked is not readable by anybody any more, the centre excepted until the
    /// files are gone too.
    pub fn destroy(&self) -> Result<(), LockError> {
        self.keys.remove(&self.name())?;
        for file in ["lock.json", "tries.json", "centre.age"] {
            let path = self.path(file);
            match disk::remove(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(LockError::File { what: "removing", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn stretch(pin: &Pin, salt: &[u8], cost: Cost) -> Result<Zeroizing<[u8; 32]>, LockError> {
    let bad = |error: argon2::Error| LockError::Damaged(error.to_string());
    let params = Params::new(cost.memory, cost.passes, 1, Some(32)).map_err(bad)?;
    let mut stretched = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.digits().as_bytes(), salt, &mut *stretched)
        .map_err(bad)?;
    Ok(stretched)
}
