//! The store in PostgreSQL, for any number of server processes (decision 28).
//!
//! A write transaction holds its town's advisory lock from its first statement until its commit is visible: numbers of a
//! feed become visible in their order whichever process takes them. Those of one process who wait for the same town share
//! one ([`together`]). One that turns out to need further towns begins again and takes all their locks in the order of ids.
//! It is READ COMMITTED, so that each statement after the lock sees what the transaction before it committed. A read is one
//! REPEATABLE READ transaction.

mod ahead;
mod approval;
mod audit;
mod conn;
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
mod together;
mod towns;
mod uploads;
mod write;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use serde_json::value::RawValue;
use shared::area::AreaId;
use tokio::runtime::Runtime;
use tokio_postgres::IsolationLevel;

use super::columns;
use super::states::{Lately, States};
use super::{Read, StoreError};
use conn::{Conn, Query, answer, wait};
use failure::{failure, no_connection};
use lineage::{Lineage, Outdated};
use sql::params;
use together::Turn;
use towns::Held;

/// So many statements a connection keeps prepared. Lists with filters make ever new ones.
const PREPARED: usize = 512;

/// [`Store`](super::Store) over one schema of one database.
pub struct PostgresStore {
    pool: Pool,
    /// Connections live here; none once the store is dropped.
    runtime: Option<Runtime>,
    /// One writer of a town waits for the lock with a connection in its hands; its neighbours in this process wait here.
    towns: Mutex<BTreeMap<AreaId, Arc<Turn>>>,
    /// In which of the sixteen parts of a table a town lies.
    splits: Mutex<BTreeMap<AreaId, u8>>,
    lineage: Arc<Mutex<Lineage>>,
    lately: Lately,
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
    fetched: RefCell<BTreeMap<i64, Fetched>>,
    held: &'a Held,
    /// In which part of the tables the town lies; none: it was not asked.
    split: Option<u8>,
}

/// A state that came with a page.
enum Fetched {
    /// As it is stored.
    Stored(String),
    /// As it was told lately.
    Told(Arc<RawValue>),
}

impl<'a> InTown<'a> {
    fn new(conn: &'a Conn<'a>, town: AreaId, states: &'a States, held: &'a Held, split: Option<u8>) -> Self {
        Self { conn, town, states, fetched: RefCell::default(), held, split }
    }

    /// A statement with its tables in braces: named is the part of them in which the town lies. By the whole table every
    /// single execution would be planned anew, and look at all sixteen.
    fn sql(&self, sql: &str) -> String {
        let mut named = sql.to_owned();
        for table in ["part", "departed", "edit", "event"] {
            let part = self.split.map_or_else(|| table.to_owned(), |split| format!("{table}_{split}"));
            named = named.replace(&format!("{{{table}}}"), &part);
        }
        named
    }

    /// [`Self::sql`], prepared.
    fn prepare(&self, sql: &str) -> Result<Query<'_>, StoreError> {
        self.conn.prepare_cached(&self.sql(sql))
    }
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
        work: impl FnOnce(&mut Object, &AtomicBool) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut client, lost) = (self.connection()?, AtomicBool::new(false));
        let done = work(&mut client, &lost);
        self.after(client, &lost);
        done
    }

    /// After work with a connection.
    fn after(&self, client: Object, lost: &AtomicBool) {
        if lost.load(Ordering::Relaxed) {
            drop(Object::take(client));
            self.pool.retain(|_, _| false);
        }
    }

    fn begin<'a>(&self, client: &'a mut Object, lost: &'a AtomicBool, read: bool) -> Result<Conn<'a>, StoreError> {
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

    /// In which part of the tables a town lies: by its number, and for good.
    fn split_of(&self, town: AreaId) -> Result<u8, StoreError> {
        if let Some(known) = lock(&self.splits).get(&town) {
            return Ok(*known);
        }
        let split = self.asking(|conn| {
            let query = conn.prepare_cached(
                "SELECT n FROM generate_series(0, 15) AS n WHERE satisfies_hash_partition('part'::regclass, 16, n, $1::bigint)",
            )?;
            query.one(params![town.0], |row| row.get(0))
        })?;
        lock(&self.splits).insert(town, split);
        Ok(split)
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
        let (split, states) = (Some(self.split_of(town)?), self.lately.now());
        self.reading(|conn| work(&InTown::new(conn, town, &states, &Held::default(), split)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
