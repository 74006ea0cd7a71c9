//! The store in PostgreSQL, for any number of server processes (decision 28).
//!
//! A write transaction holds its town's advisory lock from its first statement until its commit is visible: numbers of a
//! feed become visible in their order whichever process takes them. One that turns out to need further towns begins again
//! and takes all their locks in the order of ids. It is READ COMMITTED, so that each statement after the
//! lock sees what the transaction before it committed. A read is one REPEATABLE READ transaction.

mod approval;
mod audit;
mod doubts;
mod edition;
mod erase;
mod events;
mod failure;
mod figures;
mod global;
mod imports;
mod intake;
mod keep;
mod lineage;
pub mod migrate;
mod open;
mod parts;
mod read;
mod second;
mod sql;
mod titles;
mod towns;
mod uploads;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use shared::area::AreaId;
use shared::mutants::Mutant;
use tokio::runtime::Runtime;
use tokio_postgres::IsolationLevel;

use super::columns;
use super::states::States;
use super::{End, Read, StoreError, Tx};
use failure::{failure, no_connection};
use lineage::{Lineage, Outdated};
use sql::{Conn, answer, params, wait};
use towns::Held;

/// So often work is run again because another transaction stood in its way.
const AGAIN: u32 = 20;

/// So many statements a connection keeps prepared. Lists with filters make ever new ones.
const PREPARED: usize = 256;

/// [`Store`](super::Store) over one schema of one database.
pub struct PostgresStore {
    pool: Pool,
    /// Connections live here; none once the store is dropped.
    runtime: Option<Runtime>,
    /// One writer of a town waits for the lock with a connection in its hands; its neighbours in this process wait here.
    towns: Mutex<BTreeMap<AreaId, Arc<tokio::sync::Mutex<()>>>>,
    lineage: Arc<Mutex<Lineage>>,
    states: States,
    /// How long a connection may take to be made.
    connect: Duration,
    /// How long a connection is waited for, until the first word on it.
    first: Duration,
}

/// One connection inside a transaction of one town.
struct InTown<'a> {
    conn: &'a Conn<'a>,
    town: AreaId,
    states: &'a States,
    /// States that came with a page of the feed, by their place in it, until they are asked for.
    fetched: RefCell<BTreeMap<i64, String>>,
    held: &'a Held,
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // A runtime that waits for its threads may not be dropped inside of another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl PostgresStore {
    fn connection(&self) -> Result<Object, StoreError> {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        let got = wait(self.first, self.pool.get()).ok_or(StoreError::Busy);
        let got = got.and_then(|got| got.map_err(no_connection));
        let client = got.map_err(|error| lock(&self.lineage).outdated.map_or(error, Outdated::told))?;
        if client.statement_cache.size() > PREPARED {
            client.statement_cache.clear();
        }
        Ok(client)
    }

    /// How long PostgreSQL may take to answer: as long as it gives a statement, and as long as a line may take.
    fn limit(&self) -> Duration {
        lock(&self.lineage).statement.saturating_add(self.connect)
    }

    /// Works with a connection, which is closed where an answer never came: nobody else may wait on it. Those that nobody
    /// works with go too, for they may be no better.
    fn with_client<T>(
        &self,
        work: impl FnOnce(&mut Object, &Cell<bool>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut client, lost) = (self.connection()?, Cell::new(false));
        let done = work(&mut client, &lost);
        if lost.get() {
            drop(Object::take(client));
            self.pool.retain(|_, _| false);
        }
        done
    }

    fn begin<'a>(&self, client: &'a mut Object, lost: &'a Cell<bool>, read: bool) -> Result<Conn<'a>, StoreError> {
        let begun = client.build_transaction();
        let begun = if read { begun.isolation_level(IsolationLevel::RepeatableRead).read_only(true) } else { begun };
        let limit = self.limit();
        Ok(Conn::new(answer(limit, lost, begun.start())?.map_err(failure)?, limit, lost))
    }

    /// Runs what looks at more than one town, on one moment.
    pub(in crate::store) fn reading<T>(
        &self,
        work: impl FnOnce(&Conn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_client(|client, lost| {
            let conn = self.begin(client, lost, true)?;
            let done = work(&conn)?;
            conn.let_go();
            Ok(done)
        })
    }

    /// Asks one question, which sees one moment by itself.
    fn asking<T>(&self, question: impl FnOnce(&Conn<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.with_client(|client, lost| question(&Conn::bare(client, self.limit(), lost)))
    }

    fn in_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.reading(|conn| {
            work(&InTown { conn, town, states: &self.states, fetched: RefCell::default(), held: &Held::default() })
        })
    }

    fn in_tx(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
    ) -> Result<(), StoreError> {
        let (mut held, mut left) = (Held::of(BTreeSet::from([town])), AGAIN);
        loop {
            let turns: Vec<_> =
                held.towns.iter().map(|town| Arc::clone(lock(&self.towns).entry(*town).or_default())).collect();
            // No longer than for a writer of another process. A panic inside a transaction has rolled it back (it was dropped).
            let turns = turns.iter().map(|turn| wait(self.connect * 2, turn.lock()).ok_or(StoreError::Busy));
            let _turns: Vec<_> = turns.collect::<Result<_, _>>()?;
            let mut again = false;
            let done = self.with_client(|client, lost| self.once(client, lost, town, &held, work, &mut again));
            match held.wanted() {
                Some(wanted) => held = Held::of(wanted),
                None if again && left > 0 => left -= 1,
                None => return done,
            }
        }
    }

    /// Once: `again` says whether another transaction stood in its way and nothing was kept. Nothing is kept either where a
    /// town was not held that the work asked for.
    fn once(
        &self,
        client: &mut Object,
        lost: &Cell<bool>,
        town: AreaId,
        held: &Held,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
        again: &mut bool,
    ) -> Result<(), StoreError> {
        let conn = self.begin(client, lost, false)?;
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
                lost.set(true);
                return Err(outdated.told());
            }
        }
        let end =
            work(&mut InTown { conn: &conn, town, states: &States::default(), fetched: RefCell::default(), held });
        let end = if held.wanted().is_some() { Ok(End::Rollback) } else { end };
        *again = conn.again.get();
        match end {
            // PostgreSQL would answer this commit with a rollback, and no error.
            Ok(End::Commit) if conn.failed.get() => {
                conn.rollback()?;
                Err(StoreError::Missing("the transaction, of which a statement failed"))
            }
            // Planted mistake, see shared::mutants: a commit of which nobody knows counts as one.
            Ok(End::Commit) if Mutant::AckBeforeCommit.on() => {
                conn.commit(again).ok();
                Ok(())
            }
            // Lost here, nobody knows what became of it: whoever sent it sends it again, and an edit is applied once.
            Ok(End::Commit) => conn.commit(again),
            end => {
                conn.rollback()?;
                end.map(|_| ())
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
