//! One commit for all who wait to write. Each works by itself, one after the other, inside one transaction; whoever comes last
//! makes it durable for all of them, and none returns before that. Where nobody waits everyone has a commit of their own.
//!
//! A flush to the disk and the pages that all of them touch are paid once (a group commit, as PostgreSQL's `commit_siblings`).

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::store::outcome::{Lost, Shared};
use crate::store::{End, StoreError};

/// So many share a commit at most: who came first does not wait for long.
const TOGETHER: usize = 16;
/// Pages of the log after which it goes into the file, once nobody waits: 32 MB.
const LOG: u32 = 8_000;
/// Pages after which it does though others wait.
const LOG_MOST: u32 = 32_000;

/// The writing connection, and those who wait for it.
pub struct Writers {
    writing: Mutex<Writing>,
    waiting: AtomicUsize,
}

struct Writing {
    conn: Connection,
    /// Pages that stand in the log.
    log: Arc<AtomicU32>,
    /// What is open between two who share it.
    open: Option<Open>,
}

#[derive(Default)]
struct Open {
    shared: Arc<Shared>,
    members: usize,
}

impl Writers {
    /// Of the one connection that writes.
    pub fn of(mut conn: Connection) -> Result<Self, StoreError> {
        let log = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&log);
        conn.wal_hook(Some(move |_: &mut Wal, pages| {
            counted.store(u32::try_from(pages).unwrap_or_default(), Ordering::SeqCst);
            Ok(())
        }))?;
        Ok(Self { writing: Mutex::new(Writing { conn, log, open: None }), waiting: AtomicUsize::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        // A panic inside a transaction has rolled it back, see `Turn`: the connection is good.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait for their turn.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Works with the connection outside of any transaction.
    pub fn alone<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut writing = self.lock();
        // Its members hear of it if that fails; it is no concern of this work.
        writing.close().ok();
        work(&mut writing.conn)
    }

    /// Works inside a transaction. What it did is durable when this returns, or nothing of it was kept.
    pub fn transact(&self, work: impl FnOnce(&Connection) -> Result<End, StoreError>) -> Result<(), StoreError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let writing = self.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let mut turn = Turn { writing, waiting: &self.waiting, ended: false };
        let joined = turn.begin()?;
        let end = work(&turn.writing.conn);
        let shared = turn.end(joined, end)?;
        // Whoever waits for the connection has it.
        drop(turn);
        // Whoever was counted comes, for nobody gives up: there is nothing to look for.
        shared.map_or(Ok(()), |shared| shared.wait(|| ()))
    }
}

/// Somebody's turn with the connection.
struct Turn<'a> {
    writing: MutexGuard<'a, Writing>,
    waiting: &'a AtomicUsize,
    ended: bool,
}

impl Turn<'_> {
    /// Says whether others worked in this transaction before.
    fn begin(&mut self) -> Result<bool, StoreError> {
        let writing = &mut *self.writing;
        let joined = writing.open.is_some();
        if let Err(error) = run(&writing.conn, if joined { "SAVEPOINT mine" } else { "BEGIN IMMEDIATE" }) {
            self.ended = true;
            writing.close().ok();
            return Err(error);
        }
        if !joined {
            writing.open = Some(Open::default());
        }
        Ok(joined)
    }

    /// What became of it is still to be heard, where it is left to another to commit.
    fn end(&mut self, joined: bool, end: Result<End, StoreError>) -> Result<Option<Arc<Shared>>, StoreError> {
        self.ended = true;
        let writing = &mut *self.writing;
        // A full disk makes SQLite roll back by itself: all of it.
        if writing.conn.is_autocommit() {
            let why = match &end {
                Err(error) => Lost::by(error),
                Ok(_) => Lost::along(),
            };
            writing.lose(why);
            return match end? {
                End::Rollback => Ok(None),
                End::Commit => Err(why.into()),
            };
        }
        let keeps = matches!(end, Ok(End::Commit));
        let own: &[&str] = match (keeps, joined) {
            (true, false) => &[],
            (true, true) => &["RELEASE mine"],
            (false, true) => &["ROLLBACK TO mine", "RELEASE mine"],
            (false, false) => &["ROLLBACK"],
        };
        if let Err(error) = own.iter().try_for_each(|sql| run(&writing.conn, sql)) {
            writing.lose(Lost::by(&error));
            return Err(end.err().unwrap_or(error));
        }
        if !keeps && !joined {
            writing.open = None;
            return end.map(|_| None);
        }
        let Some(open) = writing.open.as_mut() else { return Err(StoreError::Missing("the transaction")) };
        open.members += 1;
        let shared = Arc::clone(&open.shared);
        // Who is counted there comes, and finds it open.
        if open.members < TOGETHER && self.waiting.load(Ordering::SeqCst) > 0 {
            return end.map(|_| keeps.then_some(shared));
        }
        let closed = writing.close();
        writing.put_away(self.waiting.load(Ordering::SeqCst) > 0);
        end?;
        if keeps { closed.map(|()| None) } else { Ok(None) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.writing.lose(Lost::along());
        }
    }
}

fn run(conn: &Connection, sql: &str) -> Result<(), StoreError> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

impl Writing {
    /// Makes what is open durable, and says so to those who wait for it.
    fn close(&mut self) -> Result<(), StoreError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let done = run(&self.conn, "COMMIT");
        if done.is_err() && !self.conn.is_autocommit() {
            run(&self.conn, "ROLLBACK").ok();
        }
        open.shared.tell(done.as_ref().copied().map_err(Lost::by));
        done
    }

    /// Takes a long log into the file. Those who shared the last commit have heard of it and do not wait for this.
    fn put_away(&self, others_wait: bool) {
        if self.log.load(Ordering::SeqCst) < if others_wait { LOG_MOST } else { LOG } {
            return;
        }
        // What a reader still needs of it stays; so does all of it where that fails, and the next one tries again.
        let done = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(%error, "the log could not be taken into the file");
        }
    }

    /// Keeps nothing of what is open, and says so to those who wait for it.
    fn lose(&mut self, why: Lost) {
        if !self.conn.is_autocommit() {
            run(&self.conn, "ROLLBACK").ok();
        }
        if let Some(open) = self.open.take() {
            open.shared.tell(Err(why));
        }
    }
}
