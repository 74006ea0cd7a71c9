//! Photos: rows in the database, bytes in encrypted files named by their hash.
//!
//! Each file is a random nonce of 24 bytes and XChaCha20-Poly1305 over the bytes, with a random key of its own that
//! lies in the (encrypted) database. The hash is bound in as associated data, so that files cannot be exchanged.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use shared::ids::{PhotoHash, RecordId};
use shared::outside::Outside;
use uuid::Uuid;

use super::{Store, StoreError};

/// What is known of a photo's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoState {
    /// No save links it yet.
    Taken,
    /// To be delivered.
    Waiting,
    /// The server said the hash back.
    Delivered,
    /// Somebody else's, kept for reading.
    Fetched,
}

impl PhotoState {
    fn code(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Fetched => "fetched",
        }
    }
}

/// A photo or thumbnail to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRow {
    /// Its hash.
    pub hash: PhotoHash,
    /// Whether it is a thumbnail.
    pub is_thumbnail: bool,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes the server has.
    pub sent: u64,
    /// Where the upload goes on; empty before it began.
    pub upload: String,
    /// The record it was taken for.
    pub record: Option<RecordId>,
    /// When it was taken in.
    pub taken: DateTime<Utc>,
}

pub(super) const NONCE: usize = 24;

impl Store {
    fn photo_path(&self, hash: &PhotoHash) -> PathBuf {
        let folder = self.path.parent().map(|folder| folder.join("photos")).unwrap_or_default();
        folder.join(hash.as_str())
    }

    /// Keeps the bytes of a photo. Keeping the same again changes nothing. `thumbnail` is the hash of its thumbnail,
    /// `None` if it is one itself.
    pub fn put_photo(
        &self,
        hash: &PhotoHash,
        bytes: &[u8],
        thumbnail: Option<&PhotoHash>,
        state: PhotoState,
        outside: &dyn Outside,
    ) -> Result<(), StoreError> {
        let known: bool =
            self.read(|sql| Ok(sql.prepare_cached("SELECT 1 FROM photo WHERE hash = ?1")?.exists([hash.as_str()])?))?;
        // It must open, too: a crash between file and row leaves a file that the row has no key for.
        if known && matches!(self.photo(hash), Ok(Some(_))) {
            return Ok(());
        }
        let mut secret = [0; 32];
        outside.fill(&mut secret);
        let mut nonce = [0; NONCE];
        outside.fill(&mut nonce);
        let payload = Payload { msg: bytes, aad: hash.as_str().as_bytes() };
        let sealed = XChaCha20Poly1305::new(&secret.into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| StoreError::Row { what: "photo", why: "too large to encrypt".to_owned() })?;
        // File first, row second: a row without a file would promise what is not there.
        self.write_photo_file(hash, &[&nonce, sealed.as_slice()])?;
        self.write(|tx| {
            tx.sql
                .prepare_cached(
                    "INSERT INTO photo (hash, thumbnail, state, secret, bytes, sent, upload, record, taken)
                     VALUES (?1, ?2, ?3, ?4, ?5, 0, '', x'', ?6)
                     ON CONFLICT (hash) DO UPDATE SET secret = ?4",
                )?
                .execute(params![
                    hash.as_str(),
                    thumbnail.map_or("", PhotoHash::as_str),
                    state.code(),
                    secret.as_slice(),
                    i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                    outside.now().timestamp_millis()
                ])?;
            Ok(())
        })
    }

    fn write_photo_file(&self, hash: &PhotoHash, pieces: &[&[u8]]) -> Result<(), StoreError> {
        let path = self.photo_path(hash);
        let error = |source| StoreError::File { what: "writing a photo", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            disk::create_dir_all(folder).map_err(error)?;
        }
        let write = |file: &mut disk::File| pieces.iter().try_for_each(|piece| file.write_all(piece));
        disk::replace_with(&path, disk::Access::Usual, write).map_err(error)
    }

    /// The bytes of a photo held here.
    pub fn photo(&self, hash: &PhotoHash) -> Result<Option<Vec<u8>>, StoreError> {
        let secret: Option<[u8; 32]> = self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT secret FROM photo WHERE hash = ?1")?
                .query_row([hash.as_str()], |row| row.get(0))
                .optional()?)
        })?;
        let Some(secret) = secret else { return Ok(None) };
        let path = self.photo_path(hash);
        let sealed = match disk::read(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::File { what: "reading a photo", path, source }),
        };
        let damaged = || StoreError::Row { what: "photo", why: "the file does not open with its key".to_owned() };
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: hash.as_str().as_bytes() };
        XChaCha20Poly1305::new(&secret.into())
            .decrypt(XNonce::from_slice(nonce), payload)
            .map(Some)
            .map_err(|_| damaged())
    }

    /// Photos to be delivered: thumbnails first, each kind in the order they were taken.
    pub fn photos_waiting(&self) -> Result<Vec<PhotoRow>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT hash, thumbnail = '', bytes, sent, upload, record, taken FROM photo WHERE state = 'waiting'
                 ORDER BY thumbnail <> '', seq",
            )?;
            let mut rows = statement.query([])?;
            let mut photos = Vec::new();
            while let Some(row) = rows.next()? {
                let hash: String = row.get(0)?;
                photos.push(PhotoRow {
                    hash: PhotoHash::try_from(hash)
                        .map_err(|error| StoreError::Row { what: "photo", why: error.to_string() })?,
                    is_thumbnail: row.get(1)?,
                    bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                    sent: row.get::<_, i64>(3)?.cast_unsigned(),
                    upload: row.get(4)?,
                    record: row.get_ref(5)?.as_blob().ok().and_then(|id| Uuid::from_slice(id).ok()).map(RecordId),
                    taken: DateTime::from_timestamp_millis(row.get(6)?).unwrap_or_default(),
                });
            }
            Ok(photos)
        })
    }

    /// Notes how far an upload came.
    pub fn photo_sent(&self, hash: &PhotoHash, upload: &str, sent: u64) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql.prepare_cached("UPDATE photo SET upload = ?2, sent = ?3 WHERE hash = ?1")?.execute(params![
                hash.as_str(),
                upload,
                sent.cast_signed()
            ])?;
            Ok(())
        })
    }

    /// The server said the hash back.
    pub fn photo_delivered(&self, hash: &PhotoHash) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql
                .prepare_cached("UPDATE photo SET state = 'delivered', sent = bytes, upload = '' WHERE hash = ?1")?
                .execute([hash.as_str()])?;
            Ok(())
        })
    }

    /// Removes the files of photos whose rows are gone.
    pub fn remove_photo_files(&self, hashes: &[String]) {
        for hash in hashes.iter().filter_map(|hash| PhotoHash::try_from(hash.clone()).ok()) {
            if let Err(error) = disk::remove(&self.photo_path(&hash)) {
                tracing::debug!(%error, "a photo's file cannot be removed");
            }
        }
    }
}
