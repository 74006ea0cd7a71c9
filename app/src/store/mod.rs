//! The encrypted store of one user: one SQLCipher database, and photos as encrypted files beside it.
//!
//! Confirmed state (what the server says) and pending edits (what was saved here) lie apart; what lists and search
//! read is derived from both in the transaction that changes either. Nothing here knows of screens or of the network.

mod alias;
mod aside;
mod confirmed;
mod decisions;
mod derive;
mod digest;
mod drafts;
mod edition;
mod erase;
mod error;
mod events;
mod export;
mod fork;
mod haystack;
mod lease;
mod leaving;
mod looks;
mod map;
mod meta;
mod migrations;
mod open;
mod outbox;
mod pending;
mod photos;
mod pictures;
mod project;
mod read;
mod receipts;
mod remains;
mod rows;
#[cfg(test)]
mod tests;
mod unread;
mod words;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, TryLockError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use alias::Late;
pub use confirmed::{Page, PageApplied};
pub use decisions::{Decision, Place, Told};
pub use digest::{Checked, Differing};
pub use error::StoreError;
pub use events::{Among, Event};
pub use export::{ExportError, Exported, Source};
pub use map::OnMap;
pub use meta::Meta;
pub use migrations::NEWEST as DATABASE_VERSION;
pub use open::RawKey;
#[cfg(feature = "preview")]
pub use open::go_without_key;
pub use outbox::{Counts, Outgoing, Returned, Waiting};
pub use pending::{Also, NewEdit, Replaced, Stamp};
pub use photos::{PhotoRow, PhotoState};
pub use project::Rules;
pub use read::{Linked, OpenRow, Own, Row, Sought, Whole};
pub use words::normal;
pub use work::{Campaign, Due};

use crate::handheld::SaveError;
use haystack::{Change, Haystack};
use lease::Lease;
use meta::LastSetup;

/// Items of the feed after which the log is written back.
const WORTH_A_CHECKPOINT: usize = 1_000;

/// The store of one user. All methods may be called from any thread; writers wait for each other, readers do not wait
/// for writers.
pub struct Store {
    path: PathBuf,
    key: RawKey,
    writer: Mutex<Held>,
    /// Whoever reads takes the first that is free, so that what is long keeps nothing short waiting; the second is opened
    /// when it is needed.
    readers: [Mutex<Held>; 2],
    haystack: RwLock<Haystack>,
    /// What comes with the app.
    program: Rules,
    /// What counts: the same with what the town published.
    rules: RwLock<Rules>,
    lease: Lease,
    last_setup: LastSetup,
    /// Items of the feed taken in since the last checkpoint.
    taken_in: AtomicUsize,
}

/// A connection, or none: one that met a failing disk is given up and opened again when it is needed. SQLCipher's keeps
/// failing after its first error, and a page that was read wrong may stay in its cache.
type Held = Option<Connection>;

/// An error that may be one of the store.
pub(crate) trait MayBeStoreError: From<StoreError> {
    /// That error.
    fn of_store(&self) -> Option<&StoreError>;
}

impl MayBeStoreError for StoreError {
    fn of_store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl MayBeStoreError for SaveError {
    fn of_store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// A write under way. What it changes in the search index is kept until the commit.
pub(crate) struct Tx<'a> {
    sql: Transaction<'a>,
    rules: Rules,
    lease: &'a Lease,
    changes: Vec<Change>,
    /// Photos whose rows went: their files go after the commit.
    photos_gone: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere rolled its transaction back when it unwound: the connection is as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first that is free; the first of all where none is.
fn first_free<T>(all: &[Mutex<T>; 2]) -> MutexGuard<'_, T> {
    let free = all.iter().find_map(|mutex| match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    let [first, _] = all;
    free.unwrap_or_else(|| lock(first))
}

fn give_up_if_in_doubt<T, E: MayBeStoreError>(held: &mut Held, done: &Result<T, E>) {
    if done.as_ref().err().and_then(E::of_store).is_some_and(StoreError::leaves_connection_in_doubt) {
        *held = None;
    }
}

impl Store {
    /// Runs `work` in one transaction: all of it is durable when this returns, or nothing happened.
    pub(crate) fn write<T, E: MayBeStoreError>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.with_writer(|connection| self.write_on(connection, work))
    }

    /// Lends the writing connection.
    fn with_writer<T, E: MayBeStoreError>(&self, work: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let mut held = lock(&self.writer);
        let connection = match &mut *held {
            Some(connection) => connection,
            none => {
                let connection = open::connect(&self.path, &self.key, &self.lease)?;
                // A commit that was said to have failed may have come through.
                let haystack = Haystack::load(&connection)?;
                *self.haystack.write().unwrap_or_else(PoisonError::into_inner) = haystack;
                none.insert(connection)
            }
        };
        let done = work(connection);
        give_up_if_in_doubt(&mut held, &done);
        done
    }

    /// The same without the flush: atomic and in order with all other writes, durable with the next of them.
    fn write_relaxed<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.with_writer(|connection| {
            connection.pragma_update(None, "synchronous", "NORMAL").map_err(StoreError::from)?;
            let done = self.write_on(connection, work);
            connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::from)?;
            done
        })
    }

    fn write_on<T, E: MayBeStoreError>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let sql = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.said(error.into()))?;
        let mut tx = Tx { sql, rules: self.rules(), lease: &self.lease, changes: Vec::new(), photos_gone: Vec::new() };
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
        let mut held = first_free(&self.readers);
        let connection = match &mut *held {
            Some(connection) => connection,
            none => none.insert(open::connect_reader(&self.path, &self.key, &self.lease)?),
        };
        let done = connection.transaction().map_err(StoreError::from).and_then(|sql| work(&sql));
        give_up_if_in_doubt(&mut held, &done);
        done.map_err(|error| self.said(error))
    }

    /// The rules this store projects and validates by.
    pub fn rules(&self) -> Rules {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a large fill: makes it durable and writes what the log holds back into the database file. Best called when
    /// nobody waits. After a small round it does nothing: SQLite does it by itself now and then, and the flushes would
    /// cost more than the round.
    pub fn checkpoint(&self) {
        if self.taken_in.swap(0, Ordering::Relaxed) < WORTH_A_CHECKPOINT {
            return;
        }
        let checkpoint = |connection: &mut Connection| {
            Ok::<_, StoreError>(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
        };
        if let Err(error) = self.with_writer(checkpoint) {
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
