//! What is not delivered, as one file that only the centre opens (`shared::outbox`). Also from a database that may not be
//! written or that a newer version of the app wrote: only what the first step of the schema guarantees is read.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::ids::{Dot, EditId, Slot};
use shared::outbox::{Header, Kind, MAGIC, put};
use shared::wire::StandIn;

use super::lease::Lease;
use super::meta::{self, key};
use super::open::{RawKey, unlock};
use super::photos::NONCE;
use super::rows::{id_at, text};
use super::{Store, StoreError};
use crate::handheld::Message;

/// What went into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where it is.
    pub path: PathBuf,
    /// Edits: all that are kept, for a centre that was restored may lack what it once had.
    pub edits: u64,
    /// Photos and thumbnails that were not delivered.
    pub photos: u64,
    /// Photos whose file is not there or does not open with its key.
    pub lost: u64,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The centre has not told yet for whom to encrypt.
    #[error("the recipient of an export is not known")]
    NoRecipient,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("writing {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ExportError {
    /// In words for the user.
    pub fn message(&self) -> Message {
        match self {
            Self::NoRecipient => Message::of("export-no-recipient"),
            Self::Store(error) => error.message(),
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => Message::of("store-full"),
            Self::File { .. } => Message::of("export-failed"),
        }
    }
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A database of which nothing but its outbox is read.
pub struct Source {
    sql: Connection,
    photos: PathBuf,
}

/// The one field of the set-up that is needed; a newer version may have changed the others.
#[derive(Deserialize)]
struct Recipient {
    #[serde(default)]
    recipient: Option<String>,
}

impl Store {
    /// Opens a database for [`Source::export`] alone: whatever its version is, and though it cannot be written.
    pub fn open_for_export(path: &Path, key: &RawKey) -> Result<Source, StoreError> {
        let open = |flags| {
            let sql = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            unlock(&sql, key)?;
            sql.pragma_update(None, "query_only", true)?;
            Lease::for_export(path, key)?.lend(&sql)?;
            Ok::<_, StoreError>(sql)
        };
        // Read-only first. Where the log of the last save still has to be taken in, that needs a file beside it.
        let sql = open(OpenFlags::SQLITE_OPEN_READ_ONLY).or_else(|_| open(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
        let photos = path.parent().map(|folder| folder.join("photos")).unwrap_or_default();
        Ok(Source { sql, photos })
    }

    /// Writes everything that is not delivered into a file at `to`.
    pub fn export_outbox(&self, to: &Path, now: DateTime<Utc>) -> Result<Exported, ExportError> {
        Self::open_for_export(&self.path, &self.key)?.export(to, now)
    }
}

impl Source {
    /// Writes everything that is not delivered into a file at `to`.
    pub fn export(&self, to: &Path, now: DateTime<Utc>) -> Result<Exported, ExportError> {
        export(&self.sql, &self.photos, to, now)
    }
}

fn export(sql: &Connection, photos: &Path, to: &Path, now: DateTime<Utc>) -> Result<Exported, ExportError> {
    let token: String = meta::get(sql, key::TOKEN)?.ok_or(StoreError::NotEnrolled)?;
    let slot: Slot = meta::get(sql, key::SLOT)?.ok_or(StoreError::NotEnrolled)?;
    let setup: Option<Recipient> = meta::get(sql, key::SETUP)?;
    let recipient = setup.and_then(|setup| setup.recipient).ok_or(ExportError::NoRecipient)?;
    let recipient = age::x25519::Recipient::from_str(&recipient).map_err(|_| ExportError::NoRecipient)?;
    let secret: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let count = |which: &str| {
        let count: i64 = sql.query_row(&format!("SELECT count(*) FROM {which}"), [], |row| row.get(0))?;
        Ok::<u64, rusqlite::Error>(count.cast_unsigned())
    };
    let header = Header {
        key: secret.iter().map(|byte| format!("{byte:02x}")).collect(),
        slot,
        made: now,
        app: env!("CARGO_PKG_VERSION").to_owned(),
        edits: count(&format!("edit WHERE slot = {}", slot.0.cast_signed()))?,
        photos: count("photo WHERE state = 'waiting'")?,
    };
    let mut done = Exported { path: to.to_owned(), edits: header.edits, photos: 0, lost: 0 };
    let mut failed = None;
    if let Some(folder) = to.parent() {
        disk::create_dir_all(folder).map_err(|source| ExportError::File { path: folder.to_owned(), source })?;
    }
    disk::replace_with(to, disk::Access::Owner, |file| {
        file.write_all(&MAGIC)?;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            .map_err(io::Error::other)?;
        let mut sealed = encryptor.wrap_output(&mut *file)?;
        let mut packed = zstd::Encoder::new(&mut sealed, 3)?;
        let frames = (|| {
            let mut out = Signed::new(&mut packed, &secret)?;
            put(&mut out, Kind::Header, text("header", &header)?.as_bytes()).map_err(io)?;
            put_edits(sql, slot, &mut out)?;
            put_photos(sql, photos, &mut out, &mut done)?;
            let mac = out.mac.clone().finalize().into_bytes();
            put(&mut out, Kind::End, &mac).map_err(io)
        })();
        if let Err(error) = frames {
            // The file is given up; why is said below.
            failed = Some(error);
            return Err(io::ErrorKind::Interrupted.into());
        }
        packed.finish()?;
        sealed.finish()?;
        Ok(())
    })
    .map_err(|source| match failed.take() {
        Some(Trouble::Store(error)) => ExportError::Store(error),
        Some(Trouble::Io(source)) => ExportError::File { path: to.to_owned(), source },
        None => ExportError::File { path: to.to_owned(), source },
    })?;
    Ok(done)
}

enum Trouble {
    Store(StoreError),
    Io(io::Error),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

fn io(error: io::Error) -> Trouble {
    Trouble::Io(error)
}

/// Passes on what is written and signs it.
struct Signed<W> {
    out: W,
    mac: Hmac<Sha256>,
}

impl<W: Write> Signed<W> {
    fn new(out: W, secret: &[u8; 32]) -> Result<Self, Trouble> {
        let mac =
            <Hmac<Sha256> as Mac>::new_from_slice(secret).map_err(|error| Trouble::Io(io::Error::other(error)))?;
        Ok(Self { out, mac })
    }
}

impl<W: Write> Write for Signed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.mac.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The edits in order of n. What its author has done with goes as a stand-in, so that it is not applied after all; so does
/// what lies under a lease that is over, which the centre had.
fn put_edits(sql: &Connection, slot: Slot, out: &mut impl Write) -> Result<(), Trouble> {
    let mut statement = sql.prepare("SELECT id, n, state, json, opened(json) FROM edit WHERE slot = ?1 ORDER BY n")?;
    let mut rows = statement.query([slot.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (state, json, opened): (String, String, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let away = matches!(state.as_str(), "corrected" | "withdrawn");
        let Some(json) = opened.clone().filter(|_| !away) else {
            let dot = Dot { slot, n: row.get::<_, i64>(1)?.cast_unsigned() };
            let stand_in = StandIn { id: EditId(id_at(row, 0)?), dot, unreadable: opened.unwrap_or(json) };
            put(out, Kind::Edit, text("stand-in", &stand_in)?.as_bytes()).map_err(io)?;
            continue;
        };
        put(out, Kind::Edit, json.as_bytes()).map_err(io)?;
    }
    Ok(())
}

/// Photos one by one: never more than one in memory.
fn put_photos(sql: &Connection, folder: &Path, out: &mut impl Write, done: &mut Exported) -> Result<(), Trouble> {
    let mut statement =
        sql.prepare("SELECT hash, secret FROM photo WHERE state = 'waiting' ORDER BY thumbnail <> '', seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (hash, secret): (String, [u8; 32]) = (row.get(0)?, row.get(1)?);
        let opened = disk::read(&folder.join(&hash)).ok().and_then(|sealed| {
            let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
            let payload = Payload { msg: sealed, aad: hash.as_bytes() };
            XChaCha20Poly1305::new(&secret.into()).decrypt(XNonce::from_slice(nonce), payload).ok()
        });
        let Some(bytes) = opened else {
            done.lost += 1;
            continue;
        };
        put(out, Kind::Photo, &[hash.as_bytes(), &bytes].concat()).map_err(io)?;
        done.photos += 1;
    }
    Ok(())
}
