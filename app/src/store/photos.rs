//! Photos: rows in the database, bytes in encrypted files named by their hash.
//!
//! Each file is a random nonce of 24 bytes and XChaCha20-Poly1305 over the bytes, with a random key of its own that
//! lies in the (encrypted) database. Its name is bound in as associated data, so that files cannot be exchanged.
//!
//! Beside a photo lies what the camera gave, until the server has said the photo's hash back: a photo whose file was
//! damaged meanwhile is made of it again.

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
use crate::photo::{Taken, take_in};

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

/// A file of photos that is there but does not open.
fn damaged() -> StoreError {
    StoreError::Row { what: "photo", why: "the file does not open with its key".to_owned() }
}

fn original(hash: &PhotoHash) -> String {
    format!("{hash}.original")
}

impl Store {
    fn photo_path(&self, name: &str) -> PathBuf {
        let folder = self.path.parent().map(|folder| folder.join("photos")).unwrap_or_default();
        folder.join(name)
    }

    /// Writes a file and gives the key it opens with.
    fn seal_photo(&self, name: &str, bytes: &[u8], outside: &dyn Outside) -> Result<[u8; 32], StoreError> {
        let mut secret = [0; 32];
        outside.fill(&mut secret);
        let mut nonce = [0; NONCE];
        outside.fill(&mut nonce);
        let payload = Payload { msg: bytes, aad: name.as_bytes() };
        let sealed = XChaCha20Poly1305::new(&secret.into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| StoreError::Row { what: "photo", why: "too large to encrypt".to_owned() })?;
        self.write_photo_file(name, &[&nonce, sealed.as_slice()])?;
        Ok(secret)
    }

    fn write_photo_file(&self, name: &str, pieces: &[&[u8]]) -> Result<(), StoreError> {
        let path = self.photo_path(name);
        let error = |source| StoreError::File { what: "writing a photo", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            disk::create_dir_all(folder).map_err(error)?;
        }
        let write = |file: &mut disk::File| pieces.iter().try_for_each(|piece| file.write_all(piece));
        disk::replace_with(&path, disk::Access::Usual, write).map_err(error)
    }

    /// What a file holds; `None` if it is not there.
    fn open_photo(&self, name: &str, secret: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.photo_path(name);
        let sealed = match disk::read(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::File { what: "reading a photo", path, source }),
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        XChaCha20Poly1305::new(&secret.into())
            .decrypt(XNonce::from_slice(nonce), payload)
            .map(Some)
            .map_err(|_| damaged())
    }

    /// Keeps a photo just taken with its thumbnail and with what the camera gave. Where there is no room for the latter the
    /// photo is kept without it.
    pub fn keep_taken(
        &self,
        taken: &Taken,
        camera: &[u8],
        stamp: &str,
        outside: &dyn Outside,
    ) -> Result<(), StoreError> {
        self.put_photo(&taken.thumbnail_hash, &taken.thumbnail, None, PhotoState::Taken, outside)?;
        self.put_photo(&taken.hash, &taken.jpeg, Some(&taken.thumbnail_hash), PhotoState::Taken, outside)?;
        let known: bool = self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT 1 FROM photo WHERE hash = ?1 AND (original <> x'' OR state <> 'taken')")?
                .exists([taken.hash.as_str()])?)
        })?;
        if known {
            return Ok(());
        }
        let secret = match self.seal_photo(&original(&taken.hash), camera, outside) {
            Err(error) => {
                tracing::warn!(%error, "what the camera gave is not kept");
                return Ok(());
            }
            Ok(secret) => secret,
        };
        self.write(|tx| {
            tx.sql.prepare_cached("UPDATE photo SET original = ?2, stamp = ?3 WHERE hash = ?1")?.execute(params![
                taken.hash.as_str(),
                secret.as_slice(),
                stamp
            ])?;
            Ok(())
        })
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
        // File first, row second: a row without a file would promise what is not there.
        let secret = self.seal_photo(hash.as_str(), bytes, outside)?;
        self.write(|tx| {
            tx.sql
                .prepare_cached(
                    "INSERT INTO photo (hash, thumbnail, state, secret, bytes, sent, upload, record, taken, used)
                     VALUES (?1, ?2, ?3, ?4, ?5, 0, '', x'', ?6, ?6)
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

    /// The bytes of a photo held here.
    pub fn photo(&self, hash: &PhotoHash) -> Result<Option<Vec<u8>>, StoreError> {
        let secret: Option<[u8; 32]> = self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT secret FROM photo WHERE hash = ?1")?
                .query_row([hash.as_str()], |row| row.get(0))
                .optional()?)
        })?;
        secret.map_or(Ok(None), |secret| self.open_photo(hash.as_str(), secret))
    }

    /// The bytes of a photo that is to be delivered. One whose file is gone or damaged is made again of what the camera gave;
    /// `None` if that is not there either.
    pub fn photo_to_deliver(&self, hash: &PhotoHash, outside: &dyn Outside) -> Result<Option<Vec<u8>>, StoreError> {
        match self.photo(hash) {
            Ok(Some(bytes)) => return Ok(Some(bytes)),
            Ok(None) | Err(StoreError::Row { .. }) => {}
            Err(error) => return Err(error),
        }
        let kept: Option<(String, [u8; 32], String)> = self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT hash, original, stamp FROM photo WHERE ?1 IN (hash, thumbnail) AND original <> x''",
            )?;
            let kept = statement.query_row([hash.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            Ok(kept.optional()?)
        })?;
        let Some((photo, secret, stamp)) = kept else { return Ok(None) };
        let photo =
            PhotoHash::try_from(photo).map_err(|error| StoreError::Row { what: "photo", why: error.to_string() })?;
        let Ok(Some(camera)) = self.open_photo(&original(&photo), secret) else { return Ok(None) };
        let Ok(taken) = take_in(&camera, &stamp) else { return Ok(None) };
        let made = [(taken.hash, taken.jpeg), (taken.thumbnail_hash, taken.thumbnail)];
        let Some((_, bytes)) = made.into_iter().find(|(made, _)| made == hash) else { return Ok(None) };
        self.put_photo(hash, &bytes, None, PhotoState::Taken, outside)?;
        Ok(Some(bytes))
    }

    /// Photos to be delivered: thumbnails first; those of events before others, the newest first.
    pub fn photos_waiting(&self) -> Result<Vec<PhotoRow>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT hash, thumbnail = '', bytes, sent, upload, photo.record, taken
                 FROM photo LEFT JOIN record ON record.id = photo.record WHERE state = 'waiting'
                 ORDER BY thumbnail <> '', coalesce(kind, '') <> 'event', seq DESC",
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

    /// The server said the hash back. What the camera gave is needed no more once photo and thumbnail are delivered.
    pub fn photo_delivered(&self, hash: &PhotoHash) -> Result<(), StoreError> {
        let spent = self.write(|tx| {
            tx.sql
                .prepare_cached("UPDATE photo SET state = 'delivered', sent = bytes, upload = '' WHERE hash = ?1")?
                .execute([hash.as_str()])?;
            let mut statement = tx.sql.prepare_cached(
                "UPDATE photo SET original = x'' WHERE ?1 IN (hash, thumbnail) AND original <> x'' AND state = 'delivered'
                    AND NOT EXISTS (SELECT 1 FROM photo AS small WHERE small.hash = photo.thumbnail
                        AND small.state = 'waiting')
                 RETURNING hash",
            )?;
            let hashes = statement.query_map([hash.as_str()], |row| row.get(0))?;
            Ok::<_, StoreError>(hashes.collect::<Result<Vec<String>, _>>()?)
        })?;
        self.remove_files(spent.iter().map(|hash| format!("{hash}.original")));
        Ok(())
    }

    /// Removes the files of photos whose rows are gone.
    pub fn remove_photo_files(&self, hashes: &[String]) {
        self.remove_files(hashes.iter().flat_map(|hash| [hash.clone(), format!("{hash}.original")]));
    }

    fn remove_files(&self, names: impl Iterator<Item = String>) {
        for name in names.filter(|name| name.get(..64).is_some_and(|hash| hash.parse::<PhotoHash>().is_ok())) {
            if let Err(error) = disk::remove(&self.photo_path(&name)) {
                tracing::debug!(%error, "a photo's file cannot be removed");
            }
        }
    }
}
