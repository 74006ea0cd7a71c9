//! A database that was set aside and can be read after all: the disk failed for a while, or gave it back too short.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::lease::Lease;
use super::meta::{self, key};
use super::open::{RawKey, connect};
use super::{Store, StoreError};

impl Store {
    /// Whether nobody ever enrolled with it: nothing was saved in it either.
    pub fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.meta()?.token.is_empty())
    }

    /// The newest database set aside beside `path` that is whole and in which somebody is enrolled.
    pub fn readable_set_aside(path: &Path, key: &RawKey) -> Result<Option<PathBuf>, StoreError> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let before = format!("{}.set-aside-", name.to_string_lossy());
        let entries = disk::list(folder).map_err(|source| StoreError::File {
            what: "looking for databases set aside",
            path: folder.to_owned(),
            source,
        })?;
        let asides = entries.into_iter().map(|entry| entry.path).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&before) && !name.ends_with("-wal") && !name.ends_with("-shm")
        });
        // Their names end with the time.
        let asides: Vec<PathBuf> = asides.collect();
        Ok(asides.into_iter().rev().find(|aside| {
            let whole = whole(aside, key);
            if let Err(error) = &whole {
                tracing::info!(%error, "a database set aside cannot be read still");
            }
            whole.unwrap_or_default()
        }))
    }

    /// Puts it back in the place of a blank one, which is set aside in turn. No store may be open at `path`.
    pub fn put_back(path: &Path, aside: &Path, now: DateTime<Utc>) -> Result<(), StoreError> {
        Self::set_aside(path, now)?;
        disk::rename(aside, path).map_err(|source| StoreError::File {
            what: "putting a database back",
            path: aside.to_owned(),
            source,
        })
    }
}

/// Whether a database reads from end to end. If so, all of it is in the one file afterwards; if not, nothing of it was
/// touched.
fn whole(path: &Path, key: &RawKey) -> Result<bool, StoreError> {
    let sql = connect(path, key, &Lease::of(path, key)?)?;
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let found: String = sql.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    if found != "ok" || !is_enrolled(&sql)? {
        return Ok(false);
    }
    let busy: i64 = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(busy == 0)
}

fn is_enrolled(sql: &Connection) -> Result<bool, StoreError> {
    Ok(meta::get::<String>(sql, key::TOKEN)?.is_some_and(|token| !token.is_empty()))
}
