//! A connection and the statements on it: the little of a database that the store needs, blocking.
//!
//! A statement is prepared once a connection. Rows of a query that may be long come through a portal, some at a time, so
//! that others can be run between them. What changes rows and nobody waits for ([`Query::later`]) is sent with the next
//! statement that somebody waits for; several questions ([`Conn::all_of`]) are sent before the first is answered.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Transaction};
use futures_util::SinkExt as _;
use futures_util::future::{join, join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, Portal, Statement};

use super::ahead::{Known, KnownAnswer};
use super::failure::{Failure, failure};
use super::sql::{Row, Value};
use crate::store::StoreError;

/// Rows that are fetched at a time of a query that may be long.
const ROWS: i32 = 256;

/// What concerns all of the database may take so long: its tables made anew, vacuumed, copied.
pub const LONG: Duration = Duration::from_secs(3_600);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for what the store's own runtime works on, so long and no longer: none, and nobody asks for it any more. Unlike
/// `Handle::block_on` it may stand inside of another runtime, as a call into SQLite may.
pub fn wait<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let begun = Instant::now();
    // Inside of a task of another runtime its budget would run out, and nobody would be woken before that task gives way.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        match limit.checked_sub(begun.elapsed()) {
            Some(left) if !left.is_zero() => std::thread::park_timeout(left),
            _ => return None,
        }
    }
}

/// An answer of PostgreSQL. Where it owes one for too long, the connection is lost: what comes on it later nobody could tell
/// from the answer to what is asked next.
pub fn answer<T>(
    limit: Duration,
    lost: &AtomicBool,
    future: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<Result<T, tokio_postgres::Error>, StoreError> {
    let answered = if lost.load(Ordering::Relaxed) { None } else { wait(limit, future) };
    answered.ok_or_else(|| {
        if !lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(limit_s = limit.as_secs_f32(), "PostgreSQL owes an answer; the connection is given up");
        }
        StoreError::Busy
    })
}

/// What statements run on.
enum On<'a> {
    Tx(Transaction<'a>),
    /// Each by itself.
    Bare(&'a Object),
}

/// A statement that nobody waits for by itself.
struct Later {
    statement: Statement,
    params: Vec<Value>,
    /// What is missing where it changes no row; none: it may.
    must: Option<&'static str>,
}

/// One connection, inside a transaction or for one statement.
pub struct Conn<'a> {
    on: On<'a>,
    /// How long an answer may take.
    limit: Cell<Duration>,
    /// Whether one took longer.
    lost: &'a AtomicBool,
    /// Whether a statement failed because of what another transaction did: run again, it may not.
    pub again: Cell<bool>,
    /// Whether any statement failed: nothing of the transaction can be kept.
    pub failed: Cell<bool>,
    /// What is sent before the next statement.
    later: RefCell<Vec<Later>>,
    /// Whether the mark is among it.
    unmarked: Cell<bool>,
    /// What was asked ahead of a push, as it is now.
    pub known: RefCell<Option<Known>>,
    /// What was asked ahead of an answer, all at one moment.
    pub answer: OnceCell<KnownAnswer>,
}

impl<'a> Conn<'a> {
    /// Of a transaction that has begun.
    pub fn new(tx: Transaction<'a>, limit: Duration, lost: &'a AtomicBool) -> Self {
        Self::on(On::Tx(tx), limit, lost)
    }

    /// For one statement, without a transaction.
    pub fn bare(client: &'a Object, limit: Duration, lost: &'a AtomicBool) -> Self {
        Self::on(On::Bare(client), limit, lost)
    }

    fn on(on: On<'a>, limit: Duration, lost: &'a AtomicBool) -> Self {
        Self {
            on,
            limit: Cell::new(limit),
            lost,
            again: Cell::new(false),
            failed: Cell::new(false),
            later: RefCell::default(),
            unmarked: Cell::new(false),
            known: RefCell::default(),
            answer: OnceCell::new(),
        }
    }

    fn tx(&self) -> Result<&Transaction<'a>, StoreError> {
        match &self.on {
            On::Tx(tx) => Ok(tx),
            On::Bare(_) => Err(StoreError::Missing("a transaction")),
        }
    }

    fn wait<T>(&self, future: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
        let later = self.later.take();
        if later.is_empty() {
            return self.told(answer(self.limit.get(), self.lost, future));
        }
        self.unmarked.set(false);
        let tx = self.tx()?;
        // Each is polled in its order, and that is when it is sent.
        let before = join_all(later.iter().map(|it| async { tx.execute(&it.statement, &by_ref(&it.params)).await }));
        let all = async { Ok(join(before, future).await) };
        let (before, done) = self.told(answer(self.limit.get(), self.lost, all))?;
        // What went wrong first is why what came after it did.
        for (it, changed) in later.iter().zip(before) {
            if let (0, Some(missing)) = (self.told(Ok(changed))?, it.must) {
                self.failed.set(true);
                return Err(StoreError::Missing(missing));
            }
        }
        self.told(Ok(done))
    }

    /// An answer as the store tells it, noted where it is none.
    fn told<T>(&self, answer: Result<Result<T, tokio_postgres::Error>, StoreError>) -> Result<T, StoreError> {
        let done = answer.inspect_err(|_| self.failed.set(true))?;
        done.map_err(|error| {
            self.failed.set(true);
            if Failure::of(&error) == Failure::Again {
                self.again.set(true);
            }
            failure(error)
        })
    }

    /// Sends what nobody waited for yet, and waits for it.
    pub fn settle(&self) -> Result<(), StoreError> {
        if self.later.borrow().is_empty() { Ok(()) } else { self.wait(std::future::ready(Ok(()))) }
    }

    /// All rows of several questions, which are sent before the first is answered.
    pub fn all_of<const N: usize>(&self, asked: [(&str, Vec<Value>); N]) -> Result<[Vec<Row>; N], StoreError> {
        let prepared = asked.map(|(sql, params)| Ok((self.prepare_cached(sql)?.statement, params)));
        let prepared: Vec<(Statement, Vec<Value>)> = prepared.into_iter().collect::<Result<_, StoreError>>()?;
        let sent = prepared.iter().map(|(statement, params)| async move {
            match &self.on {
                On::Tx(tx) => tx.query(statement, &by_ref(params)).await,
                On::Bare(client) => client.query(statement, &by_ref(params)).await,
            }
        });
        let answers = self.wait(async { join_all(sent).await.into_iter().collect::<Result<Vec<_>, _>>() })?;
        let rows: Vec<Vec<Row>> = answers.into_iter().map(|rows| rows.into_iter().map(Row).collect()).collect();
        rows.try_into().map_err(|_| StoreError::Missing("an answer"))
    }

    /// From now on a statement may take as long as what concerns all of the database takes.
    pub fn be_patient(&self) -> Result<(), StoreError> {
        self.execute_batch(&format!("SET LOCAL statement_timeout = {}", LONG.as_millis()))?;
        self.limit.set(LONG + self.limit.get());
        Ok(())
    }

    /// Keeps all of it; `again` is set where another transaction stood in its way.
    pub fn commit(self, again: &mut bool) -> Result<(), StoreError> {
        self.settle().inspect_err(|_| *again = self.again.get())?;
        let On::Tx(tx) = self.on else { return Ok(()) };
        answer(self.limit.get(), self.lost, tx.commit())?.map_err(|error| {
            *again = Failure::of(&error) == Failure::Again;
            failure(error)
        })
    }

    /// Ends what has only read. Nobody waits for an answer: whoever speaks next on this connection gets theirs after it.
    pub fn let_go(self) {
        if let On::Tx(tx) = self.on {
            wait(Duration::ZERO, tx.commit());
        }
    }

    /// Nobody speaks on this connection any more.
    pub fn give_up(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// From now on statements are planned once for all of their parameters, which takes longer than most of them. Not for
    /// lists: what is best there hangs on what is looked for.
    pub fn plan_once(&self) -> Result<(), StoreError> {
        self.prepare_cached("SET LOCAL plan_cache_mode = force_generic_plan")?.later(&[])
    }

    /// Marks the place to which [`Self::back`] goes.
    pub fn mark(&self) -> Result<(), StoreError> {
        self.prepare_cached("SAVEPOINT mine")?.later(&[])?;
        self.unmarked.set(true);
        Ok(())
    }

    /// Forgets the mark: what was done since is as what was done before.
    pub fn keep(&self) -> Result<(), StoreError> {
        self.prepare_cached("RELEASE mine")?.later(&[])
    }

    /// Keeps nothing of what was done since the mark, failures included.
    pub fn back(&self) -> Result<(), StoreError> {
        self.later.take();
        self.known.take();
        // Where nothing was asked since, there is no mark either.
        if !self.unmarked.take() {
            self.execute_batch("ROLLBACK TO mine; RELEASE mine")?;
        }
        self.failed.set(false);
        self.again.set(false);
        Ok(())
    }

    /// Keeps nothing of it.
    pub fn rollback(self) -> Result<(), StoreError> {
        let On::Tx(tx) = self.on else { return Ok(()) };
        answer(self.limit.get(), self.lost, tx.rollback())?.map_err(failure)
    }

    /// A statement, prepared where this connection has not yet.
    pub fn prepare_cached(&self, sql: &str) -> Result<Query<'_>, StoreError> {
        let statement = match &self.on {
            On::Tx(tx) => self.wait(tx.prepare_cached(sql)),
            On::Bare(client) => self.wait(client.prepare_cached(sql)),
        };
        Ok(Query { conn: self, statement: statement? })
    }

    /// Begins to copy lines into a table.
    pub fn copy_in(&self, sql: &str) -> Result<Copy<'_>, StoreError> {
        self.known.take();
        Ok(Copy { conn: self, sink: Box::pin(self.wait(self.tx()?.copy_in(sql))?) })
    }

    /// Statements without parameters or results.
    pub fn execute_batch(&self, sql: &str) -> Result<(), StoreError> {
        self.known.take();
        self.wait(self.tx()?.batch_execute(sql))
    }
}

/// Lines on their way into a table.
pub struct Copy<'a> {
    conn: &'a Conn<'a>,
    sink: Pin<Box<CopyInSink<std::io::Cursor<Vec<u8>>>>>,
}

impl Copy<'_> {
    /// Some whole lines.
    pub fn send(&mut self, lines: Vec<u8>) -> Result<(), StoreError> {
        self.conn.wait(self.sink.send(std::io::Cursor::new(lines)))
    }

    /// The end of it; how many lines there were.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        self.conn.wait(self.sink.as_mut().finish())
    }
}

/// A prepared statement.
pub struct Query<'a> {
    conn: &'a Conn<'a>,
    statement: Statement,
}

fn by_ref(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl<'a> Query<'a> {
    /// Runs it; how many rows it changed. What was asked ahead may be otherwise now, and is forgotten.
    pub fn execute(&self, params: &[Value]) -> Result<u64, StoreError> {
        self.conn.known.take();
        self.conn.wait(self.conn.tx()?.execute(&self.statement, &by_ref(params)))
    }

    /// Runs it before the next statement that somebody waits for, or before the end; what goes wrong is told there. What
    /// was asked ahead stays as it is: whoever writes this keeps up with it.
    pub fn later(self, params: &[Value]) -> Result<(), StoreError> {
        self.put_off(params, None)
    }

    /// The same of what has to change a row: it is `missing` otherwise.
    pub fn later_of(self, missing: &'static str, params: &[Value]) -> Result<(), StoreError> {
        self.put_off(params, Some(missing))
    }

    fn put_off(self, params: &[Value], must: Option<&'static str>) -> Result<(), StoreError> {
        self.conn.tx()?;
        self.conn.later.borrow_mut().push(Later { statement: self.statement, params: params.to_vec(), must });
        Ok(())
    }

    /// All rows at once.
    pub fn all(&self, params: &[Value]) -> Result<impl Iterator<Item = Row> + use<>, StoreError> {
        let rows = match &self.conn.on {
            On::Tx(tx) => self.conn.wait(tx.query(&self.statement, &by_ref(params))),
            On::Bare(client) => self.conn.wait(client.query(&self.statement, &by_ref(params))),
        };
        Ok(rows?.into_iter().map(Row))
    }

    /// Each row as `make` reads it.
    pub fn map<T>(
        &self,
        params: &[Value],
        make: impl FnMut(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut make = make;
        self.all(params)?.map(|row| make(&row)).collect()
    }

    /// The first row, if there is one.
    pub fn first<T>(
        &self,
        params: &[Value],
        make: impl FnOnce(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.all(params)?.next().map(|row| make(&row)).transpose()
    }

    /// The row there always is.
    pub fn one<T>(&self, params: &[Value], make: impl FnOnce(&Row) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.first(params, make)?.ok_or(StoreError::Missing("a row"))
    }

    /// Whether there is a row.
    pub fn exists(&self, params: &[Value]) -> Result<bool, StoreError> {
        Ok(self.all(params)?.next().is_some())
    }

    /// Rows some at a time.
    pub fn rows(&self, params: &[Value]) -> Result<Rows<'a>, StoreError> {
        let portal = self.conn.wait(self.conn.tx()?.bind(&self.statement, &by_ref(params)))?;
        Ok(Rows { conn: self.conn, portal, fetched: Vec::new().into_iter(), more: true })
    }
}

/// Rows of a query, some at a time.
pub struct Rows<'a> {
    conn: &'a Conn<'a>,
    portal: Portal,
    fetched: std::vec::IntoIter<tokio_postgres::Row>,
    more: bool,
}

impl Rows<'_> {
    /// The next one.
    pub fn next(&mut self) -> Result<Option<Row>, StoreError> {
        if self.fetched.as_slice().is_empty() && self.more {
            let rows = self.conn.wait(self.conn.tx()?.query_portal(&self.portal, ROWS))?;
            self.more = i32::try_from(rows.len()).is_ok_and(|len| len == ROWS);
            self.fetched = rows.into_iter();
        }
        Ok(self.fetched.next().map(Row))
    }
}
