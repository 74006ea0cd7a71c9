//! Uploads and what refers to photos, in SQL.

use chrono::{DateTime, Utc};
use shared::ids::{DeviceId, PhotoHash, UserId};

use super::InTown;
use super::columns::{count, int, ms, photo_hash, time, uuid};
use super::sql::{Row, params};
use crate::store::{KeepUploads, ReadUploads, StoreError, Upload};

/// The columns [`upload`] reads, in order.
pub(super) const UPLOAD: &str = "id, user_id, device, hash, length, begun, done";

/// Whether a photo `p` is named anywhere. Links are taken back by nothing but erasure; the bodies are looked through for
/// what came without one: edits that could not be read, those of an older version, what handhelds still showed.
const REFERRED_TO: &str = "
    EXISTS (SELECT 1 FROM photo_link l WHERE l.town = p.town AND l.hash = p.hash)
    OR EXISTS (SELECT 1 FROM photo_wanted w WHERE w.town = p.town AND w.hash = p.hash)
    OR EXISTS (SELECT 1 FROM quarantine q WHERE q.town = p.town AND strpos(q.body, p.hash) > 0)
    OR EXISTS (SELECT 1 FROM unreadable u WHERE u.town = p.town AND strpos(u.body, p.hash) > 0)
    OR EXISTS (SELECT 1 FROM remain r WHERE r.town = p.town AND (strpos(r.path, p.hash) > 0 OR strpos(r.value, p.hash) > 0))
    OR EXISTS (SELECT 1 FROM edit e WHERE e.town = p.town AND strpos(e.body, p.hash) > 0)";

pub(super) fn upload(row: &Row) -> Result<Upload, StoreError> {
    let device: Vec<u8> = row.get(2)?;
    Ok(Upload {
        id: uuid(&row.get::<Vec<u8>>(0)?)?,
        user: UserId(uuid(&row.get::<Vec<u8>>(1)?)?),
        device: if device.is_empty() { None } else { Some(DeviceId(uuid(&device)?)) },
        hash: photo_hash(row.get(3)?)?,
        length: count(row.get(4)?),
        begun: time(row.get(5)?),
        done: row.get(6)?,
    })
}

impl ReadUploads for InTown<'_> {
    fn unfinished_of(&self, device: DeviceId) -> Result<Vec<Upload>, StoreError> {
        let sql =
            format!("SELECT {UPLOAD} FROM upload WHERE town = $1 AND device = $2 AND done = 0 ORDER BY begun, id");
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0, device.0.as_bytes()], upload)
    }

    fn unfinished_for(&self, hash: &PhotoHash) -> Result<Vec<Upload>, StoreError> {
        let sql = format!("SELECT {UPLOAD} FROM upload WHERE town = $1 AND hash = $2 AND done = 0 ORDER BY begun, id");
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0, hash.as_str()], upload)
    }

    fn announced(&self, device: DeviceId, since: i64) -> Result<u64, StoreError> {
        let query = self.conn.prepare_cached(
            "SELECT coalesce(sum(bytes), 0)::bigint FROM upload_hour WHERE town = $1 AND device = $2 AND hour >= $3",
        )?;
        Ok(count(query.one(params![self.town.0, device.0.as_bytes(), since], |row| row.get(0))?))
    }

    fn orphans(&self, before: DateTime<Utc>) -> Result<Vec<PhotoHash>, StoreError> {
        let sql = format!(
            "SELECT p.hash FROM photo p WHERE p.town = $1 AND p.received < $2 AND NOT ({REFERRED_TO}) ORDER BY p.hash"
        );
        let query = self.conn.prepare_cached(&sql)?;
        query.map(params![self.town.0, ms(before)], |row| photo_hash(row.get(0)?))
    }

    fn is_referred_to(&self, hash: &PhotoHash) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM (SELECT $1::bigint AS town, $2::text AS hash) p WHERE {REFERRED_TO}");
        let query = self.conn.prepare_cached(&sql)?;
        query.exists(params![self.town.0, hash.as_str()])
    }
}

impl KeepUploads for InTown<'_> {
    fn announce(&mut self, device: DeviceId, hour: i64, bytes: u64, since: i64) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM upload_hour WHERE town = $1 AND device = $2 AND hour < $3")?
            .execute(params![self.town.0, device.0.as_bytes(), since])?;
        self.conn
            .prepare_cached(
                "INSERT INTO upload_hour (town, device, hour, bytes) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (town, device, hour) DO UPDATE SET bytes = upload_hour.bytes + excluded.bytes",
            )?
            .execute(params![self.town.0, device.0.as_bytes(), hour, int(bytes)])?;
        Ok(())
    }

    fn drop_photo(&mut self, hash: &PhotoHash) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM upload WHERE town = $1 AND hash = $2 AND done = 1",
            "DELETE FROM photo_sender WHERE town = $1 AND hash = $2",
            "DELETE FROM photo WHERE town = $1 AND hash = $2",
        ] {
            self.conn.prepare_cached(sql)?.execute(params![self.town.0, hash.as_str()])?;
        }
        Ok(())
    }
}
