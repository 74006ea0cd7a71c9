//! Pictures of others: thumbnails that come with the records, what was fetched to be looked at, and how much of it stays.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;
use shared::ids::PhotoHash;

use super::{Store, StoreError, Tx};

/// Bytes of fetched pictures that stay; above it those not looked at for longest go. What was taken here and not delivered
/// is never counted and never goes.
const FETCHED_BYTES: u64 = 200 * 1024 * 1024;
/// How exactly it is known when a picture was last looked at: each look is a write.
const EXACTLY: TimeDelta = TimeDelta::hours(12);
/// Days that a photo is kept which no saved form and no draft names.
const UNUSED_DAYS: i64 = 30;

impl Store {
    /// Thumbnails of records held here that are not, those of the records that came last first, at most so many. No clock decides: what is asked
    /// for, and in which order, is the same however wrong it is.
    pub fn thumbnails_missing(&self, most: usize) -> Result<Vec<PhotoHash>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT thumbnail FROM picture
                 WHERE NOT EXISTS (SELECT 1 FROM photo WHERE photo.hash = picture.thumbnail)
                 GROUP BY thumbnail ORDER BY max(row) DESC, thumbnail",
            )?;
            let hashes = statement.query_map([], |row| row.get::<_, String>(0))?;
            let hashes = hashes.take(most).collect::<Result<Vec<_>, _>>()?;
            Ok(hashes.into_iter().filter_map(|hash| PhotoHash::try_from(hash).ok()).collect())
        })
    }

    /// Notes that a picture was looked at.
    pub fn picture_used(&self, hash: &PhotoHash, now: DateTime<Utc>) -> Result<(), StoreError> {
        let before = (now - EXACTLY).timestamp_millis();
        let due: bool = self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT 1 FROM photo WHERE hash = ?1 AND state = 'fetched' AND used NOT BETWEEN ?2 AND ?3",
            )?;
            Ok(statement.exists(params![hash.as_str(), before, now.timestamp_millis()])?)
        })?;
        if !due {
            return Ok(());
        }
        self.write_relaxed(|tx| {
            tx.sql
                .prepare_cached("UPDATE photo SET used = ?2 WHERE hash = ?1")?
                .execute(params![hash.as_str(), now.timestamp_millis()])?;
            Ok(())
        })
    }

    /// Lets fetched pictures go until no more than [`FETCHED_BYTES`] of them are left.
    pub fn shrink_pictures(&self) -> Result<(), StoreError> {
        self.shrink_pictures_to(FETCHED_BYTES)
    }

    pub(super) fn shrink_pictures_to(&self, most: u64) -> Result<(), StoreError> {
        let fetched: i64 = self.read(|sql| {
            Ok(sql
                .query_row("SELECT coalesce(sum(bytes), 0) FROM photo WHERE state = 'fetched'", [], |row| row.get(0))?)
        })?;
        if fetched.cast_unsigned() <= most {
            return Ok(());
        }
        self.write(|tx| {
            let gone: Vec<String> = {
                let mut statement = tx.sql.prepare_cached(
                    "DELETE FROM photo WHERE seq IN (
                        SELECT seq FROM (
                            SELECT seq, sum(bytes) OVER (ORDER BY used DESC, seq DESC) AS so_far FROM photo
                            WHERE state = 'fetched')
                        WHERE so_far > ?1)
                     RETURNING hash",
                )?;
                let hashes = statement.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?;
                hashes.collect::<Result<_, _>>()?
            };
            tx.photos_gone.extend(gone);
            Ok(())
        })
    }
}

impl Tx<'_> {
    /// What was fetched for a record that leaves this handheld leaves with it.
    pub(super) fn drop_pictures(&mut self, row: i64) -> Result<(), StoreError> {
        let gone: Vec<String> = {
            let mut statement = self.sql.prepare_cached(
                "DELETE FROM photo WHERE state = 'fetched' AND hash IN (
                    SELECT hash FROM picture WHERE row = ?1 UNION SELECT thumbnail FROM picture WHERE row = ?1)
                 AND NOT EXISTS (SELECT 1 FROM picture WHERE row <> ?1 AND photo.hash IN (hash, thumbnail))
                 RETURNING hash",
            )?;
            let hashes = statement.query_map([row], |row| row.get(0))?;
            hashes.collect::<Result<_, _>>()?
        };
        self.photos_gone.extend(gone);
        self.sql.prepare_cached("DELETE FROM picture WHERE row = ?1")?.execute([row])?;
        Ok(())
    }

    /// Lets photos go that were taken long ago for a form that was never saved.
    pub(super) fn drop_unused(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let bound = (now - TimeDelta::days(UNUSED_DAYS)).timestamp_millis();
        let gone: Vec<String> = {
            let mut statement = self.sql.prepare_cached(
                "DELETE FROM photo WHERE state = 'taken' AND taken < ?1
                    AND NOT EXISTS (SELECT 1 FROM draft WHERE instr(draft.json, photo.hash) > 0)
                 RETURNING hash",
            )?;
            let hashes = statement.query_map([bound], |row| row.get(0))?;
            hashes.collect::<Result<_, _>>()?
        };
        self.photos_gone.extend(gone);
        Ok(())
    }
}
