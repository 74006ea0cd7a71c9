//! One transaction for all who wait to write in a town. Each works by itself, one after the other, from a savepoint; whoever
//! comes last makes it durable for all of them, and none returns before that. Where nobody waits everyone has a transaction
//! of their own.
//!
//! The town's lock, which another process may want, is taken, and the log flushed, once for all of them (decision 38).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use self_cell::{MutBorrow, self_cell};
use shared::area::AreaId;
use shared::mutants::Mutant;
use tokio::sync::MutexGuard;

use super::conn::{Conn, wait};
use super::lineage::Outdated;
use super::sql::params;
use super::towns::Held;
use super::{InTown, PostgresStore, lock};
use crate::store::outcome::{Lost, Shared};
use crate::store::states::States;
use crate::store::{End, StoreError, Tx};

/// So many share a transaction at most: who came first does not wait for long, nor does another process.
const TOGETHER: usize = 16;

/// So often work is run again because another transaction stood in its way.
const AGAIN: u32 = 20;

type Work<'w> = &'w mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>;

/// The turn of this process to write in a town, and what is open between two who share a transaction.
#[derive(Default)]
pub struct Turn {
    writing: tokio::sync::Mutex<Option<Open>>,
    waiting: AtomicUsize,
}

struct Line {
    client: MutBorrow<Object>,
    /// Whether an answer never came on it.
    lost: AtomicBool,
}

/// None once it has ended.
type Working<'a> = Option<Conn<'a>>;

self_cell!(
    /// A connection with the transaction on it, to be handed from one to another.
    struct Begun {
        owner: Line,
        #[covariant]
        dependent: Working,
    }
);

/// A transaction that has begun and not ended.
struct Open {
    begun: Begun,
    told: Told,
    /// Who worked in it so far and is to be told.
    members: usize,
}

/// Tells those who wait that nothing was kept, where nothing else was said: somebody panicked in between.
struct Told(Arc<Shared>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.tell(Err(Lost::along()));
    }
}

impl Turn {
    fn enter(&self, limit: Duration) -> Result<MutexGuard<'_, Option<Open>>, StoreError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let entered = wait(limit, self.writing.lock());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        entered.ok_or(StoreError::Busy)
    }

    pub(in crate::store) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn others_wait(&self) -> bool {
        self.waiting() > 0
    }
}

impl Open {
    fn conn(&self) -> Result<&Conn<'_>, StoreError> {
        self.begun.borrow_dependent().as_ref().ok_or(StoreError::Missing("the transaction"))
    }

    /// Works in it; what is to be kept has been answered by PostgreSQL when this returns.
    fn work(&self, (town, split): (AreaId, u8), held: &Held, work: Work<'_>) -> Result<End, StoreError> {
        let conn = self.conn()?;
        conn.known.take();
        let joins = self.members > 0;
        if joins {
            conn.mark()?;
        }
        let states = States::default();
        let end = work(&mut InTown::new(conn, town, &states, held, Some(split)))?;
        // Nothing is kept where a town was not held that the work asked for.
        if end == End::Rollback || held.wanted().is_some() {
            return Ok(End::Rollback);
        }
        // PostgreSQL would answer this commit with a rollback, and no error.
        if conn.failed.get() {
            return Err(StoreError::Missing("the transaction, of which a statement failed"));
        }
        if joins {
            conn.keep()?;
        }
        conn.settle()?;
        Ok(End::Commit)
    }
}

impl PostgresStore {
    pub(super) fn in_tx(&self, town: AreaId, work: Work<'_>) -> Result<(), StoreError> {
        let (mut held, mut left) = (Held::of(BTreeSet::from([town])), AGAIN);
        loop {
            let mut again = false;
            let done = self.in_turn(town, &held, work, &mut again);
            match held.wanted() {
                Some(wanted) => held = Held::of(wanted),
                None if again && left > 0 => left -= 1,
                None => return done,
            }
        }
    }

    fn turn_of(&self, town: AreaId) -> Arc<Turn> {
        Arc::clone(lock(&self.towns).entry(town).or_default())
    }

    /// How many wait for their turn in a town.
    #[cfg(test)]
    pub(in crate::store) fn waiting(&self, town: AreaId) -> usize {
        self.turn_of(town).waiting()
    }

    /// One who is counted and never comes.
    #[cfg(test)]
    pub(in crate::store) fn as_if_one_waited(&self, town: AreaId) -> Arc<Turn> {
        let turn = self.turn_of(town);
        turn.waiting.fetch_add(1, Ordering::SeqCst);
        turn
    }

    /// Once: `again` says whether another transaction stood in its way and nothing was kept.
    fn in_turn(&self, town: AreaId, held: &Held, work: Work<'_>, again: &mut bool) -> Result<(), StoreError> {
        let split = self.split_of(town)?;
        let turns: Vec<Arc<Turn>> = held.towns.iter().map(|town| self.turn_of(*town)).collect();
        // Whoever works in several towns has a transaction of their own.
        let alone = turns.len() > 1;
        let mut entered = Vec::with_capacity(turns.len());
        for turn in &turns {
            // No longer than for a writer of another process.
            let mut writing = turn.enter(self.connect * 2)?;
            // What is open has the lock of one of them, and others may wait for it while this waits for the next. Its members
            // hear of it if that fails; it is no concern of this work.
            if let Some(open) = writing.take_if(|_| alone) {
                self.close(open, &mut false).ok();
            }
            entered.push(writing);
        }
        let (Some(turn), Some(writing)) = (turns.first(), entered.first_mut()) else {
            return Err(StoreError::Missing("the town"));
        };
        let mut open = match writing.take() {
            Some(open) => open,
            None => self.open_transaction(held)?,
        };
        let end = open.work((town, split), held, work);
        *again = open.conn().is_ok_and(|conn| conn.again.get());
        if !matches!(end, Ok(End::Commit)) {
            if open.members == 0 {
                return self.drop_transaction(open).and(end.map(|_| ()));
            }
            if let Err(error) = open.conn().and_then(Conn::back) {
                self.drop_transaction(open).ok();
                return Err(end.err().unwrap_or(error));
            }
        }
        let keeps = matches!(end, Ok(End::Commit));
        open.members += usize::from(keeps);
        let shared = Arc::clone(&open.told.0);
        // Who is counted there comes, and finds it open.
        let closed = if !alone && open.members < TOGETHER && turn.others_wait() {
            **writing = Some(open);
            None
        } else {
            let mut stood = false;
            let closed = self.close(open, &mut stood);
            *again |= keeps && stood;
            Some(closed)
        };
        // Whoever waits for the turn has it.
        drop(entered);
        match (end?, closed) {
            (End::Rollback, _) => Ok(()),
            (End::Commit, Some(closed)) => closed,
            // One who was counted may have given up meanwhile.
            (End::Commit, None) => shared.wait(|| self.close_what_was_left(turn, &shared)),
        }
    }

    /// Begins a transaction and takes the locks of its towns.
    fn open_transaction(&self, held: &Held) -> Result<Open, StoreError> {
        let line = Line { client: MutBorrow::new(self.connection()?), lost: AtomicBool::new(false) };
        let begun =
            Begun::try_new_or_recover(line, |line| self.begin(line.client.borrow_mut(), &line.lost, false).map(Some));
        let begun = begun.map_err(|(line, error)| {
            self.hand_back(line);
            error
        })?;
        let open = Open { begun, told: Told(Arc::default()), members: 0 };
        match open.conn().and_then(|conn| self.take_locks(conn, held)) {
            Ok(()) => Ok(open),
            Err(error) => {
                self.drop_transaction(open).ok();
                Err(error)
            }
        }
    }

    fn take_locks(&self, conn: &Conn<'_>, held: &Held) -> Result<(), StoreError> {
        // What a newer program's schema asks for is looked at where that program would wait for us, see `migrate`.
        let query = conn.prepare_cached(
            "SELECT version, least, pg_advisory_xact_lock(hashtext(current_schema()), $1)
             FROM (SELECT max(version) AS version, max(least) AS least FROM schema_version) AS s",
        )?;
        for town in &held.towns {
            let of_town = params![i64::from(i32::from_ne_bytes(town.0.to_ne_bytes()))];
            let (version, least) = query.one(of_town, |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let Some(outdated) = Outdated::by(version, least) {
                // The connection goes too: each new one looks whether this has changed.
                lock(&self.lineage).outdated = Some(outdated);
                conn.give_up();
                return Err(outdated.told());
            }
        }
        Ok(())
    }

    /// Makes it durable, and says so to those who wait for it.
    fn close(&self, open: Open, again: &mut bool) -> Result<(), StoreError> {
        let Open { mut begun, told, members } = open;
        let mut stood = false;
        let done = begun.with_dependent_mut(|_, conn| conn.take().map_or(Ok(()), |conn| conn.commit(&mut stood)));
        // Planted mistake, see shared::mutants: a commit of which nobody knows counts as one. Lost here, nobody knows what
        // became of it: whoever sent it sends it again, and an edit is applied once.
        let done = if Mutant::AckBeforeCommit.on() { Ok(()) } else { done };
        told.0.tell(done.as_ref().copied().map_err(Lost::by));
        *again = stood && members <= 1;
        self.hand_back(begun.into_owner());
        done
    }

    /// What was left open for somebody who did not come.
    fn close_what_was_left(&self, turn: &Turn, shared: &Arc<Shared>) {
        if let Ok(mut writing) = turn.writing.try_lock()
            && let Some(open) = writing.take_if(|open| Arc::ptr_eq(&open.told.0, shared))
        {
            self.close(open, &mut false).ok();
        }
    }

    /// Keeps nothing of it.
    fn drop_transaction(&self, open: Open) -> Result<(), StoreError> {
        let Open { mut begun, told, .. } = open;
        let done = begun.with_dependent_mut(|_, conn| conn.take().map_or(Ok(()), Conn::rollback));
        drop(told);
        self.hand_back(begun.into_owner());
        done
    }

    fn hand_back(&self, line: Line) {
        self.after(line.client.into_inner(), &line.lost);
    }
}
