//! The file as a whole: copied while it is written to, examined, swept.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::together::Writers;
use crate::store::StoreError;
use crate::store::states::Lately;

impl SqliteStore {
    /// See [`crate::store::Store::snapshot`].
    pub(super) fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        self.reading(|conn| {
            let mut copy = Connection::open(to)?;
            {
                let backup = rusqlite::backup::Backup::new(conn, &mut copy)?;
                // All pages in one step: one read transaction, so that all of it is of one moment.
                match backup.step(-1)? {
                    rusqlite::backup::StepResult::Done => {}
                    _ => return Err(StoreError::Busy),
                }
            }
            // One file, without a log beside it.
            let mode: String = copy.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
            if mode != "delete" {
                return Err(StoreError::Busy);
            }
            copy.close().map_err(|(_, error)| error)?;
            Ok(())
        })
    }

    /// Opens a file of the present schema for reading only, leaving it as it is.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let writer = Connection::open_with_flags(path, flags)?;
        let found: u32 = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = Self::schema();
        if found != known {
            return Err(StoreError::FromTheFuture { found, known });
        }
        Ok(Self {
            path: path.to_owned(),
            writers: Writers::of(writer)?,
            readers: std::sync::Mutex::default(),
            lately: Lately::default(),
        })
    }

    /// See [`crate::store::Store::scrub`].
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        self.writers.alone(|writer| {
            writer.execute_batch("VACUUM")?;
            let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
        })
    }

    /// The schema version and what SQLite itself finds wrong with the file: nothing, when it is whole.
    pub fn examine(path: &Path) -> Result<(u32, Vec<String>), StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        let schema = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let mut query = conn.prepare("PRAGMA integrity_check")?;
        let found: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok((schema, found.into_iter().filter(|line| line != "ok").collect()))
    }

    /// The newest schema this program knows.
    pub fn schema() -> u32 {
        u32::try_from(super::MIGRATIONS.len()).unwrap_or(u32::MAX)
    }
}
