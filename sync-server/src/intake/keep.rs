//! What the intake keeps, in one SQLite file: sealed reports until they were fetched, statuses by the hash of their token,
//! the public pages. A commit is on the disk when it returns.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use shared::outside::Outside;
use uuid::Uuid;

use super::wire::{ANSWER_BYTES, Ask, Page, Told, Waiting};
use crate::store::StoreError;

/// Statuses nobody changed for so long are forgotten, and their links with them.
const STATUS_KEPT: TimeDelta = TimeDelta::days(400);
/// The most suspicious reports that wait.
pub const SUSPICIOUS: u64 = 2_000;
/// The most bytes they take.
pub const SUSPICIOUS_BYTES: u64 = 256 * 1024 * 1024;
/// How far the file may grow, in pages of 4,096 bytes: 2 GB.
const PAGES: u64 = 512 * 1024;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS report (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    suspicious INTEGER NOT NULL CHECK (suspicious IN (0, 1)),
    sealed     BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS status (
    token   BLOB NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    code    INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;";

/// The file.
pub struct Keep {
    conn: Mutex<Connection>,
    pages: Mutex<(String, Vec<Page>)>,
    folder: Uuid,
    form_key: [u8; 32],
}

/// A report to be kept.
pub struct Sealed {
    /// Its id.
    pub id: Uuid,
    /// SHA-256 of its token.
    pub token: [u8; 32],
    /// Whether it is suspicious.
    pub suspicious: bool,
    /// For the centre only.
    pub bytes: Vec<u8>,
}

impl Keep {
    /// Opens the file, making its tables where they are not there.
    pub fn open(path: &Path, outside: &dyn Outside) -> Result<Self, StoreError> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(std::time::Duration::from_secs(20))?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "secure_delete", "ON")?;
        conn.execute_batch(SCHEMA)?;
        let folder = once(&conn, "folder", || outside.uuid().as_bytes().to_vec())?;
        let key = once(&conn, "form_key", || {
            let mut key = [0; 32];
            outside.fill(&mut key);
            key.to_vec()
        })?;
        let json: Option<Vec<u8>> = value(&conn, "pages")?;
        let shown = json.as_deref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
        let keep = Self {
            conn: Mutex::new(conn),
            pages: Mutex::new((hash(json.as_deref().unwrap_or_default()), shown)),
            folder: Uuid::from_slice(&folder).map_err(|_| StoreError::Missing("the intake's id"))?,
            form_key: key.try_into().map_err(|_| StoreError::Missing("the intake's key"))?,
        };
        keep.set_quota(PAGES)?;
        Ok(keep)
    }

    /// Lets the file grow to so many pages (of 4,096 bytes) and no further.
    pub fn set_quota(&self, pages: u64) -> Result<(), StoreError> {
        Ok(self.conn().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
    }

    /// Signs the forms that are given out.
    pub fn form_key(&self) -> [u8; 32] {
        self.form_key
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pages that are shown.
    pub fn page(&self, area: shared::area::AreaId) -> Option<Page> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.1.iter().find(|page| page.area == area).cloned()
    }

    /// Keeps a report; on the disk when this returns.
    pub fn add(&self, report: &Sealed, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut conn = self.conn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.prepare_cached("INSERT INTO report (id, suspicious, sealed) VALUES (?1, ?2, ?3)")?.execute(params![
            report.id.as_bytes(),
            report.suspicious,
            report.bytes
        ])?;
        tx.prepare_cached("INSERT INTO status (token, code, changed) VALUES (?1, 0, ?2)")?
            .execute(params![report.token, now.timestamp_millis()])?;
        Ok(tx.commit()?)
    }

    /// How many suspicious reports wait, and their bytes.
    pub fn suspicious(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM report WHERE suspicious = 1";
        let row: (i64, i64) = self.conn().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((row.0.unsigned_abs(), row.1.unsigned_abs()))
    }

    /// The code of a status.
    pub fn status(&self, token: &[u8; 32]) -> Result<Option<u8>, StoreError> {
        let conn = self.conn();
        let mut query = conn.prepare_cached("SELECT code FROM status WHERE token = ?1")?;
        Ok(query.query_row(params![token], |row| row.get(0)).optional()?)
    }

    /// One request of the centre.
    pub fn pull(&self, ask: &Ask, now: DateTime<Utc>) -> Result<Told, StoreError> {
        let mut conn = self.conn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in &ask.received {
            tx.prepare_cached("DELETE FROM report WHERE id = ?1")?.execute(params![id.as_bytes()])?;
        }
        for (token, code) in &ask.statuses {
            tx.prepare_cached(
                "INSERT INTO status (token, code, changed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (token) DO UPDATE SET code = excluded.code, changed = excluded.changed",
            )?
            .execute(params![token, code, now.timestamp_millis()])?;
        }
        let before = (now - STATUS_KEPT).timestamp_millis();
        tx.prepare_cached("DELETE FROM status WHERE changed < ?1")?.execute(params![before])?;
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = &ask.pages {
            let json = serde_json::to_vec(shown).map_err(|_| StoreError::Missing("the pages"))?;
            tx.prepare_cached(
                "INSERT INTO kept (name, value) VALUES ('pages', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![json])?;
            *pages = (hash(&json), shown.clone());
        }
        let reports = waiting(&tx, ask.suspicious)?;
        tx.commit()?;
        Ok(Told { reports, pages: pages.0.clone(), folder: self.folder })
    }
}

/// What waits, the oldest first, what is not suspicious before what is.
fn waiting(conn: &Connection, suspicious: bool) -> Result<Vec<Waiting>, StoreError> {
    let mut query = conn
        .prepare_cached("SELECT id, sealed FROM report WHERE suspicious = 0 OR ?1 ORDER BY suspicious, n LIMIT 200")?;
    let mut rows = query.query(params![suspicious])?;
    let (mut reports, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let id = Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).map_err(|_| StoreError::Missing("the report's id"))?;
        let sealed = STANDARD.encode(row.get::<_, Vec<u8>>(1)?);
        bytes += sealed.len();
        reports.push(Waiting { id, sealed });
        if bytes > ANSWER_BYTES {
            break;
        }
    }
    Ok(reports)
}

fn value(conn: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut query = conn.prepare_cached("SELECT value FROM kept WHERE name = ?1")?;
    Ok(query.query_row(params![name], |row| row.get(0)).optional()?)
}

fn once(conn: &Connection, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if let Some(there) = value(conn, name)? {
        return Ok(there);
    }
    let made = make();
    conn.execute("INSERT INTO kept (name, value) VALUES (?1, ?2)", params![name, made])?;
    Ok(made)
}

/// By which the pages are compared.
pub fn hash(json: &[u8]) -> String {
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}
