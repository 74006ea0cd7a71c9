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
/// What was fetched is kept for so long, sealed as it is: a centre that is put back to an older backup asks for it again.
const FETCHED_KEPT: TimeDelta = TimeDelta::days(14);
/// The most bytes of it.
const FETCHED_BYTES: i64 = 512 * 1024 * 1024;
/// The most suspicious reports that wait.
pub const SUSPICIOUS: u64 = 2_000;
/// The most bytes they take.
pub const SUSPICIOUS_BYTES: u64 = 256 * 1024 * 1024;
/// How far the file may grow, in pages of 4,096 bytes: 2 GB that wait, and what was fetched.
const PAGES: u64 = 640 * 1024;
/// In percent: a file that is fuller puts nothing aside, what comes needs the room.
const ROOM: u8 = 75;
/// Reports that wait.
const WAITS: &str = "NOT EXISTS (SELECT 1 FROM aside WHERE aside.id = report.id)";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS report (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    suspicious INTEGER NOT NULL CHECK (suspicious IN (0, 1)),
    sealed     BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS aside (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
        let sql =
            format!("SELECT count(*), coalesce(sum(length(sealed)), 0) FROM report WHERE suspicious = 1 AND {WAITS}");
        let row: (i64, i64) = self.conn().query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((row.0.unsigned_abs(), row.1.unsigned_abs()))
    }

    /// How many reports lie here, those that were fetched included.
    pub fn held(&self) -> Result<u64, StoreError> {
        let held: i64 = self.conn().query_row("SELECT count(*) FROM report", [], |row| row.get(0))?;
        Ok(held.unsigned_abs())
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
        hand_again(&tx, ask.epoch)?;
        for id in &ask.received {
            tx.prepare_cached("INSERT INTO aside (id, at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING")?
                .execute(params![id.as_bytes(), now.timestamp_millis()])?;
        }
        for (id, token) in &ask.forgotten {
            tx.prepare_cached("DELETE FROM report WHERE id = ?1")?.execute(params![id.as_bytes()])?;
            tx.prepare_cached("DELETE FROM status WHERE token = ?1")?.execute(params![token])?;
        }
        let_go(&tx, now)?;
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
            set(&tx, "pages", &json)?;
            *pages = (hash(&json), shown.clone());
        }
        let reports = waiting(&tx, ask.suspicious)?;
        let full = full(&tx)?;
        tx.commit()?;
        Ok(Told { reports, pages: pages.0.clone(), folder: self.folder, full })
    }
}

/// A centre of another epoch was put back to a backup, which may lack what it had fetched: all of that waits again, and what
/// it knows lands no second time.
fn hand_again(conn: &Connection, epoch: u32) -> Result<(), StoreError> {
    if value(conn, "epoch")?.as_deref() == Some(&epoch.to_be_bytes()[..]) {
        return Ok(());
    }
    conn.execute("DELETE FROM aside", [])?;
    set(conn, "epoch", &epoch.to_be_bytes())
}

/// What was fetched long ago goes; where it takes too much room, the suspicious first, then the oldest.
fn let_go(conn: &Connection, now: DateTime<Utc>) -> Result<(), StoreError> {
    let before = (now - FETCHED_KEPT).timestamp_millis();
    let bytes = if full(conn)? < ROOM { FETCHED_BYTES } else { 0 };
    conn.prepare_cached(
        "DELETE FROM report WHERE id IN (SELECT id FROM
             (SELECT id, at, sum(length(sealed)) OVER (ORDER BY suspicious, n DESC) bytes FROM aside JOIN report USING (id))
             WHERE at < ?1 OR bytes > ?2)",
    )?
    .execute(params![before, bytes])?;
    conn.prepare_cached("DELETE FROM aside WHERE id NOT IN (SELECT id FROM report)")?.execute([])?;
    Ok(())
}

/// How full the file is, in percent of what it may hold.
fn full(conn: &Connection) -> Result<u8, StoreError> {
    let number = |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let used = number("page_count")? - number("freelist_count")?;
    Ok(u8::try_from(used * 100 / number("max_page_count")?.max(1)).unwrap_or(100))
}

/// What waits, the oldest first, what is not suspicious before what is.
fn waiting(conn: &Connection, suspicious: bool) -> Result<Vec<Waiting>, StoreError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT id, sealed FROM report WHERE (suspicious = 0 OR ?1) AND {WAITS} ORDER BY suspicious, n LIMIT 200"
    ))?;
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

fn set(conn: &Connection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    conn.prepare_cached(sql)?.execute(params![name, value])?;
    Ok(())
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
