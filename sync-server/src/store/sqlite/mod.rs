//! The store in one SQLite file: WAL, every commit synced, one writing connection and a pool of reading ones.

mod approval;
mod audit;
mod doubts;
mod edition;
mod erase;
mod events;
mod global;
mod imports;
mod intake;
mod keep;
mod parts;
mod read;
mod second;
mod titles;
mod together;
mod towns;
mod uploads;
mod whole;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use shared::area::AreaId;
use shared::mutants::Mutant;

use super::states::{Lately, States};
use super::{End, Read, StoreError, Tx, columns};
use together::Writers;

/// In order; a file's schema version is how many of them it has seen. Append only.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001_begin.sql"),
    include_str!("../migrations/002_decisions_and_looks.sql"),
    include_str!("../migrations/003_unreadable.sql"),
    include_str!("../migrations/004_keep_and_forget.sql"),
    include_str!("../migrations/005_doubts.sql"),
    include_str!("../migrations/006_once.sql"),
    include_str!("../migrations/007_audit_chain.sql"),
    include_str!("../migrations/008_second_factor.sql"),
    include_str!("../migrations/009_approval.sql"),
    include_str!("../migrations/010_seen.sql"),
    include_str!("../migrations/011_fate.sql"),
    include_str!("../migrations/012_turn.sql"),
    include_str!("../migrations/013_refused_dot.sql"),
    include_str!("../migrations/014_ended.sql"),
    include_str!("../migrations/015_outline.sql"),
    include_str!("../migrations/016_visit.sql"),
    include_str!("../migrations/017_photo_quota.sql"),
    include_str!("../migrations/018_events.sql"),
    include_str!("../migrations/019_editions.sql"),
    include_str!("../migrations/020_import.sql"),
    include_str!("../migrations/021_intake.sql"),
    include_str!("../migrations/022_near.sql"),
    include_str!("../migrations/023_towns.sql"),
];

/// More reading connections than this are closed when handed back.
const READERS_KEPT: usize = 8;

/// [`Store`] over one file.
pub struct SqliteStore {
    path: PathBuf,
    pub(super) writers: Writers,
    readers: Mutex<Vec<Connection>>,
    lately: Lately,
}

/// One connection inside a transaction of one town.
struct InTown<'a> {
    conn: &'a Connection,
    town: AreaId,
    states: &'a States,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Other { action: "ran a statement", source: Box::new(error) },
        }
    }
}

impl SqliteStore {
    /// Opens the file, making it or bringing its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut writer = Connection::open(path)?;
        writer.busy_timeout(Duration::from_secs(20))?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        tune(&writer)?;
        migrate(&mut writer)?;
        Ok(Self {
            path: path.to_owned(),
            writers: Writers::of(writer)?,
            readers: Mutex::default(),
            lately: Lately::default(),
        })
    }

    /// Lets the file grow to so many pages (of 4,096 bytes) and no further; beyond it writes fail with
    /// [`StoreError::Full`]. Returns what SQLite took, which is never less than the present size.
    pub fn set_quota(&self, pages: u64) -> Result<u64, StoreError> {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let taken: i64 = self.writers.alone(|writer| Ok(writer.query_row(&sql, [], |row| row.get(0))?))?;
        Ok(columns::count(taken))
    }

    /// Lends a reading connection.
    fn reading<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match kept {
            Some(conn) => conn,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let conn = Connection::open_with_flags(&self.path, flags)?;
                conn.busy_timeout(Duration::from_secs(5))?;
                tune(&conn)?;
                conn
            }
        };
        let result = work(&conn);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if conn.is_autocommit() && readers.len() < READERS_KEPT {
            readers.push(conn);
        }
        result
    }
}

fn tune(conn: &Connection) -> Result<(), StoreError> {
    // FULL: an answer to a handheld means "on the disk"; it deletes its copy after 30 days.
    // Planted mistake, see shared::mutants: a commit that is on the way to the disk only.
    conn.pragma_update(None, "synchronous", if Mutant::AckBeforeCommit.on() { "OFF" } else { "FULL" })?;
    conn.pragma_update(None, "foreign_keys", "ON")?;
    conn.pragma_update(None, "cache_size", -32_768)?;
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    conn.set_prepared_statement_cache_capacity(96);
    Ok(())
}

fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::FromTheFuture { found, known });
    }
    for (step, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        tx.execute_batch(migration)?;
        if step == audit::CHAINED {
            // SQLite has no SHA-256.
            audit::chain(&tx)?;
        }
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}

impl SqliteStore {
    fn in_tx(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
    ) -> Result<(), StoreError> {
        self.writers.transact(|conn| work(&mut InTown { conn, town, states: &States::default() }))
    }

    fn in_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let states = self.lately.now();
        self.reading(|conn| {
            let tx = conn.unchecked_transaction()?;
            work(&InTown { conn: &tx, town, states: &states })?;
            tx.commit()?;
            Ok(())
        })
    }
}
