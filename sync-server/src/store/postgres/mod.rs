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

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_postgres::{Object, Pool, Transaction};
use shared::area::AreaId;
use tokio::runtime::Runtime;
use tokio_postgres::IsolationLevel;

use super::columns;
use super::{End, Read, StoreError, Tx};
use failure::{failure, no_connection};
use lineage::Lineage;
use sql::{Conn, params, wait};
use towns::Held;

/// So often work is run again because another transaction stood in its way.
const AGAIN: u32 = 20;

/// [`Store`](super::Store) over one schema of one database.
pub struct PostgresStore {
    pool: Pool,
    /// Connections live here; none once the store is dropped.
    runtime: Option<Runtime>,
    /// One writer of a town waits for the lock with a connection in its hands; its neighbours in this process wait here.
    towns: Mutex<BTreeMap<AreaId, Arc<Mutex<()>>>>,
    lineage: Arc<Mutex<Lineage>>,
}

/// One connection inside a transaction of one town.
struct InTown<'a> {
    conn: &'a Conn<'a>,
    town: AreaId,
    /// States that came with a page of the feed, by their place in it, until they are asked for.
    states: RefCell<BTreeMap<i64, String>>,
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
        wait(self.pool.get()).map_err(no_connection)
    }

    fn begin<'a>(&self, client: &'a mut Object, read: bool) -> Result<Transaction<'a>, StoreError> {
        let begun = client.build_transaction();
        let begun = if read { begun.isolation_level(IsolationLevel::RepeatableRead).read_only(true) } else { begun };
        wait(begun.start()).map_err(failure)
    }

    /// Runs what looks at more than one town, on one moment.
    fn reading<T>(&self, work: impl FnOnce(&Conn<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut client = self.connection()?;
        let conn = Conn::new(self.begin(&mut client, true)?);
        let done = work(&conn)?;
        wait(conn.into_inner().commit()).map_err(failure)?;
        Ok(done)
    }

    fn in_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut client = self.connection()?;
        let conn = Conn::new(self.begin(&mut client, true)?);
        work(&InTown { conn: &conn, town, states: RefCell::default(), held: &Held::default() })?;
        wait(conn.into_inner().commit()).map_err(failure)
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
            // A panic inside a transaction has rolled it back (it was dropped).
            let _turns: Vec<_> = turns.iter().map(|turn| lock(turn)).collect();
            let mut again = false;
            let done = self.once(town, &held, work, &mut again);
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
        town: AreaId,
        held: &Held,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
        again: &mut bool,
    ) -> Result<(), StoreError> {
        let mut client = self.connection()?;
        let conn = Conn::new(self.begin(&mut client, false)?);
        for town in &held.towns {
            conn.prepare_cached("SELECT pg_advisory_xact_lock(hashtext(current_schema()), $1)")?
                .exists(params![i64::from(i32::from_ne_bytes(town.0.to_ne_bytes()))])?;
        }
        let end = work(&mut InTown { conn: &conn, town, states: RefCell::default(), held });
        let end = if held.wanted().is_some() { Ok(End::Rollback) } else { end };
        *again = conn.again.get();
        let failed = conn.failed.get();
        let tx = conn.into_inner();
        match end {
            // PostgreSQL would answer this commit with a rollback, and no error.
            Ok(End::Commit) if failed => {
                wait(tx.rollback()).map_err(failure)?;
                Err(StoreError::Missing("the transaction, of which a statement failed"))
            }
            Ok(End::Commit) => {
                // Lost here, nobody knows what became of it: whoever sent it sends it again, and an edit is applied once.
                wait(tx.commit()).map_err(|error| {
                    *again = failure::Failure::of(&error) == failure::Failure::Again;
                    failure(error)
                })
            }
            end => {
                wait(tx.rollback()).map_err(failure)?;
                end.map(|_| ())
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
