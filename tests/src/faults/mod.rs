//! Failing and forgetting for SQLite too: its default file system is patched so that it asks `disk::faults` as our own
//! file layer does. One number counts the steps of both.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! let folder = tests::faults::folder()?;
//! let watch = tests::faults::watch(folder.path())?;
//! // … open stores below the folder, work …
//! watch.plan(Some(tests::faults::Plan { fault: tests::faults::Fault::Crash, at: 7, lasts: false }));
//! // … until an error comes; drop everything that has files open …
//! watch.lose(tests::faults::Loss::Unsynced)?;
//! // … open again: as after a power cut.
//! # Ok(())
//! # }
//! ```

mod vfs;

use std::io;
use std::path::Path;

pub use disk::faults::{Fault, Loss, Op, Plan, Watch};
pub use vfs::{install, never_wait};

/// A folder for stores that is forgotten afterwards: in memory where there is such a place.
pub fn folder() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// Looks over `root`, SQLite's files included. Open no connection there before. Syncs do not wait for the device
/// unless [`Watch::flush`] says so.
pub fn watch(root: &Path) -> io::Result<Watch> {
    install();
    Watch::over(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(root: &Path) -> rusqlite::Result<rusqlite::Connection> {
        let sql = rusqlite::Connection::open(root.join("db"))?;
        sql.execute_batch(
            "PRAGMA key = \"x'0101010101010101010101010101010101010101010101010101010101010101'\";
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 3;
             CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text TEXT NOT NULL);",
        )?;
        Ok(sql)
    }

    /// How many rows were acknowledged, and why it went no further.
    fn work(root: &Path) -> (i64, rusqlite::Result<()>) {
        let mut said = 0;
        let mut run = || {
            let sql = open(root)?;
            for n in 0..6_i64 {
                sql.execute("INSERT OR IGNORE INTO t VALUES (?1, ?2)", (n, "记".repeat(1_000)))?;
                said = n + 1;
            }
            Ok(())
        };
        let end = run();
        (said, end)
    }

    #[test]
    fn what_a_database_acknowledged_is_there_after_every_crash_and_every_loss() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Some(7), Loss::Some(8)] {
            for at in 1.. {
                let folder = folder().unwrap();
                let watch = watch(folder.path()).unwrap();
                watch.plan(Some(Plan { fault: Fault::Crash, at, lasts: false }));
                let (said, end) = work(folder.path());
                let struck = watch.struck();
                assert_eq!(end.is_err(), struck && said < 6, "{end:?}");
                watch.lose(loss).unwrap();
                let sql = open(folder.path()).unwrap();
                let count: i64 = sql.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
                assert!(count >= said, "{said} rows were acknowledged, {count} are there: step {at}, {loss:?}");
                let whole: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(whole, "ok");
                if !struck {
                    assert!(at > 30, "only {at} steps were seen");
                    break;
                }
            }
        }
    }

    #[test]
    fn without_its_syncs_a_database_would_lose_rows_it_acknowledged() {
        // Shows that the loss is real: the same without syncs loses.
        let folder = folder().unwrap();
        let watch = watch(folder.path()).unwrap();
        {
            let sql = open(folder.path()).unwrap();
            sql.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;").unwrap();
            sql.execute("INSERT INTO t VALUES (1, 'x')", []).unwrap();
            watch.crash();
        }
        watch.lose(Loss::Unsynced).unwrap();
        let sql = open(folder.path()).unwrap();
        let count: i64 = sql.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn a_full_disk_and_a_busy_database_are_said_and_pass() {
        let folder = folder().unwrap();
        let watch = watch(folder.path()).unwrap();
        let sql = open(folder.path()).unwrap();
        let insert = || sql.execute("INSERT INTO t VALUES (NULL, 'x')", []);
        for (fault, code) in [
            (Fault::Full, rusqlite::ErrorCode::DiskFull),
            (Fault::Io, rusqlite::ErrorCode::SystemIoFailure),
            // What SQLite calls it when a log's lock is not to be had, however often it asks.
            (Fault::Busy, rusqlite::ErrorCode::FileLockingProtocolFailed),
        ] {
            never_wait(true);
            watch.plan(Some(Plan { fault, at: 1, lasts: true }));
            assert_eq!(insert().unwrap_err().sqlite_error_code(), Some(code));
            watch.plan(None);
            insert().unwrap();
        }
    }
}
