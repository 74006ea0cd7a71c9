//! What is being typed, kept at every pause, so that a killed app comes back to the same field.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

pub(super) fn delete(sql: &Connection, key: &str) -> Result<(), StoreError> {
    sql.prepare_cached("DELETE FROM draft WHERE key = ?1")?.execute([key])?;
    Ok(())
}

impl Store {
    /// Keeps a draft under `key`, in place of what was there.
    pub fn save_draft(&self, key: &str, text: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql
                .prepare_cached(
                    "INSERT INTO draft (key, json, saved) VALUES (?1, ?2, ?3)
                     ON CONFLICT (key) DO UPDATE SET json = ?2, saved = ?3",
                )?
                .execute(params![key, text, at.timestamp_millis()])?;
            Ok(())
        })
    }

    /// The draft kept under `key`.
    pub fn load_draft(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT json FROM draft WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?)
        })
    }

    /// Every draft, newest first: key and when it was kept.
    pub fn drafts(&self) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT key, saved FROM draft ORDER BY saved DESC, key")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get(0)?, DateTime::from_timestamp_millis(row.get(1)?).unwrap_or_default()))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets a draft.
    pub fn delete_draft(&self, key: &str) -> Result<(), StoreError> {
        self.write(|tx| delete(&tx.sql, key))
    }
}
