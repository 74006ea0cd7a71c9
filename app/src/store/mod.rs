//! The encrypted store of one user: one SQLCipher database, and photos as encrypted files beside it.
//!
//! Confirmed state (what the server says) and pending edits (what was saved here) lie apart; what lists and search
//! read is derived from both in the transaction that changes either. Nothing here knows of screens or of the network.

mod aside;
mod confirmed;
mod digest;
mod drafts;
mod erase;
mod error;
mod events;
mod fork;
mod haystack;
mod leaving;
mod looks;
mod meta;
mod migrations;
mod open;
mod outbox;
mod pending;
mod photos;
mod project;
mod read;
mod receipts;
mod remains;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use confirmed::{Page, PageApplied};
pub use digest::{Checked, Differing};
pub use error::StoreError;
pub use events::Event;
pub use meta::Meta;
pub use outbox::{Counts, Outgoing, Returned, Waiting};
pub use pending::{Also, NewEdit, Replaced, Stamp};
pub use photos::{PhotoRow, PhotoState};
pub use project::Rules;
pub use read::{Linked, OpenRow, Own, Row, Whole};
pub use words::normal;

use haystack::{Change, Haystack};

/// Items of the feed after which the log is written back.
const WORTH_A_CHECKPOINT: usize = 1_000;

/// The store of one user. All methods may be called from any thread; writers wait for each other, readers do not wait
/// for writers.
pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    haystack: RwLock<Haystack>,
    rules: Rules,
    /// Items of the feed taken in since the last checkpoint.
    taken_in: AtomicUsize,
}

/// A write under way. What it changes in the search index is kept until the commit.
pub(crate) struct Tx<'a> {
    sql: Transaction<'a>,
    rules: &'a Rules,
    changes: Vec<Change>,
    /// Photos whose rows went: their files go after the commit.
    photos_gone: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere rolled its transaction back when it unwound: the connection is as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Runs `work` in one transaction: all of it is durable when this returns, or nothing happened.
    pub(crate) fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.write_on(&mut lock(&self.writer), work)
    }

    /// The same without the flush: atomic and in order with all other writes, durable with the next of them.
    fn write_relaxed<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = lock(&self.writer);
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(StoreError::from)?;
        let done = self.write_on(&mut connection, work);
        connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::from)?;
        done
    }

    fn write_on<T, E: From<StoreError>>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let sql = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.said(error.into()))?;
        let mut tx = Tx { sql, rules: &self.rules, changes: Vec::new(), photos_gone: Vec::new() };
        let value = work(&mut tx)?;
        let Tx { sql, changes, photos_gone, .. } = tx;
        sql.commit().map_err(|error| self.said(error.into()))?;
        if !changes.is_empty() {
            // Still under the writer's lock, so that changes reach the index in the order of their commits.
            self.haystack.write().unwrap_or_else(PoisonError::into_inner).apply(changes);
        }
        self.remove_photo_files(&photos_gone);
        Ok(value)
    }

    /// Runs `work` on one consistent state of the database.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = lock(&self.reader);
        let sql = connection.transaction().map_err(StoreError::from)?;
        work(&sql).map_err(|error| self.said(error))
    }

    /// The rules this store projects and validates by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// After a large fill: makes it durable and writes what the log holds back into the database file. Best called when
    /// nobody waits. After a small round it does nothing: SQLite does it by itself now and then, and the flushes would
    /// cost more than the round.
    pub fn checkpoint(&self) {
        if self.taken_in.swap(0, Ordering::Relaxed) < WORTH_A_CHECKPOINT {
            return;
        }
        let connection = lock(&self.writer);
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::debug!(%error, "no checkpoint");
        }
    }

    /// An error with the file it is about.
    fn said(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::ReadOnly(_) => StoreError::ReadOnly(self.path.clone()),
            StoreError::WrongKey(_) => StoreError::Damaged("a page does not open with the key".to_owned()),
            other => other,
        }
    }
}
