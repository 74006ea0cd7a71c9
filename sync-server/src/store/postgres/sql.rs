//! Statements, their parameters and rows: the little of a database that the store needs, blocking.
//!
//! A statement is prepared once a connection. Rows of a query that may be long come through a portal, some at a time, so
//! that others can be run between them.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use deadpool_postgres::Transaction;
use futures_util::SinkExt as _;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use tokio_postgres::{CopyInSink, Portal, Statement};

use super::failure::{Failure, failure};
use crate::store::StoreError;

/// Rows that are fetched at a time of a query that may be long.
const ROWS: i32 = 256;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for what the store's own runtime works on. Unlike `Handle::block_on` it may stand inside of another runtime, as
/// a call into SQLite may.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    // Inside of a task of another runtime its budget would run out, and nobody would be woken before that task gives way.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        std::thread::park();
    }
}

/// A parameter. Text cannot hold U+0000 in PostgreSQL: U+FFFD stands in its place.
#[derive(Debug, Clone)]
pub enum Value {
    /// NULL
    Null,
    /// Any of the whole numbers, and 0 or 1 for a flag.
    Int(i64),
    /// TEXT
    Text(String),
    /// BYTEA
    Blob(Vec<u8>),
    /// BIGINT[]
    Ints(Vec<i64>),
    /// TEXT[]
    Texts(Vec<String>),
    /// BYTEA[]
    Blobs(Vec<Vec<u8>>),
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *ty == Type::INT2 => i16::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) if *ty == Type::BOOL => (*n != 0).to_sql(ty, out),
            Self::Int(n) => n.to_sql_checked(ty, out),
            Self::Text(text) if text.contains('\0') => without_nul(text).to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Blob(bytes) => bytes.to_sql_checked(ty, out),
            Self::Ints(all) => all.to_sql_checked(ty, out),
            Self::Texts(all) if all.iter().any(|text| text.contains('\0')) => {
                all.iter().map(|text| without_nul(text)).collect::<Vec<_>>().to_sql_checked(ty, out)
            }
            Self::Texts(all) => all.to_sql_checked(ty, out),
            Self::Blobs(all) => all.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each of them looks for itself.
        true
    }

    to_sql_checked!();
}

/// What can be a parameter.
pub trait AsValue {
    /// As one.
    fn value(&self) -> Value;
}

macro_rules! as_value {
    ($($of:ty: $it:ident => $make:expr;)*) => {
        $(impl AsValue for $of {
            fn value(&self) -> Value {
                let $it = self;
                $make
            }
        })*
    };
}

as_value! {
    Value: it => it.clone();
    i64: it => Value::Int(*it);
    i32: it => Value::Int(i64::from(*it));
    u32: it => Value::Int(i64::from(*it));
    u8: it => Value::Int(i64::from(*it));
    bool: it => Value::Int(i64::from(*it));
    str: it => Value::Text(it.to_owned());
    String: it => Value::Text(it.clone());
    [u8]: it => Value::Blob(it.to_vec());
    [u8; 16]: it => Value::Blob(it.to_vec());
    [u8; 32]: it => Value::Blob(it.to_vec());
    Vec<u8>: it => Value::Blob(it.clone());
}

impl<T: AsValue + ?Sized> AsValue for &T {
    fn value(&self) -> Value {
        (**self).value()
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, AsValue::value)
    }
}

/// Parameters in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::postgres::sql::AsValue::value(&$value)),*]
    };
}
pub(super) use params;

/// A row of what a query found.
pub struct Row(tokio_postgres::Row);

/// Any of the whole numbers, or a flag.
struct Whole(i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT2 => i64::from(i16::from_sql(ty, raw)?),
            Type::INT4 => i64::from(i32::from_sql(ty, raw)?),
            _ => i64::from_sql(ty, raw)?,
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

fn odd(what: &str) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), why: "it is outside of what it may be".to_owned() }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// The column at `at`; none: it is NULL.
    fn read(row: &Row, at: usize) -> Result<Option<Self>, StoreError>;
}

macro_rules! column {
    ($($of:ty: $raw:ty, $it:ident => $make:expr;)*) => {
        $(impl Column for $of {
            fn read(row: &Row, at: usize) -> Result<Option<Self>, StoreError> {
                let read: Option<$raw> = row.0.try_get(at).map_err(failure)?;
                read.map(|$it| $make).transpose()
            }
        })*
    };
}

column! {
    i64: Whole, it => Ok(it.0);
    u32: Whole, it => u32::try_from(it.0).map_err(|_| odd("number"));
    u8: Whole, it => u8::try_from(it.0).map_err(|_| odd("number"));
    bool: Whole, it => Ok(it.0 != 0);
    String: String, it => Ok(it);
    Vec<u8>: Vec<u8>, it => Ok(it);
    [u8; 32]: &[u8], it => it.try_into().map_err(|_| odd("hash"));
}

impl<T: Column> Column for Option<T> {
    fn read(row: &Row, at: usize) -> Result<Option<Self>, StoreError> {
        Ok(Some(T::read(row, at)?))
    }
}

impl Row {
    /// The column at `at`, which must not be NULL unless it is read as an `Option`.
    pub fn get<T: Column>(&self, at: usize) -> Result<T, StoreError> {
        T::read(self, at)?.ok_or_else(|| odd("column"))
    }

    /// Text; empty where it is NULL.
    pub fn text(&self, at: usize) -> Result<&str, StoreError> {
        Ok(self.0.try_get::<_, Option<&str>>(at).map_err(failure)?.unwrap_or_default())
    }

    /// All of it, as parameters of another statement.
    pub fn values(&self) -> Result<Vec<Value>, StoreError> {
        let value = |(at, column): (usize, &tokio_postgres::Column)| {
            Ok(match *column.type_() {
                Type::BYTEA => self.get::<Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Blob),
                Type::TEXT => self.get::<Option<String>>(at)?.map_or(Value::Null, Value::Text),
                _ => self.get::<Option<i64>>(at)?.map_or(Value::Null, Value::Int),
            })
        };
        self.0.columns().iter().enumerate().map(value).collect()
    }

    /// Bytes; none where it is NULL.
    pub fn blob(&self, at: usize) -> Result<&[u8], StoreError> {
        Ok(self.0.try_get::<_, Option<&[u8]>>(at).map_err(failure)?.unwrap_or_default())
    }
}

/// One connection inside a transaction.
pub struct Conn<'a> {
    tx: Transaction<'a>,
    /// Whether a statement failed because of what another transaction did: run again, it may not.
    pub again: Cell<bool>,
    /// Whether any statement failed: nothing of the transaction can be kept.
    pub failed: Cell<bool>,
}

impl<'a> Conn<'a> {
    /// Of a transaction that has begun.
    pub fn new(tx: Transaction<'a>) -> Self {
        Self { tx, again: Cell::new(false), failed: Cell::new(false) }
    }

    /// The transaction.
    pub fn into_inner(self) -> Transaction<'a> {
        self.tx
    }

    fn fails(&self, error: tokio_postgres::Error) -> StoreError {
        self.failed.set(true);
        if Failure::of(&error) == Failure::Again {
            self.again.set(true);
        }
        failure(error)
    }

    /// A statement, prepared where this connection has not yet.
    pub fn prepare_cached(&self, sql: &str) -> Result<Query<'_>, StoreError> {
        let statement = wait(self.tx.prepare_cached(sql)).map_err(|error| self.fails(error))?;
        Ok(Query { conn: self, statement })
    }

    /// Begins to copy lines into a table.
    pub fn copy_in(&self, sql: &str) -> Result<Copy<'_>, StoreError> {
        let sink = wait(self.tx.copy_in(sql)).map_err(|error| self.fails(error))?;
        Ok(Copy { conn: self, sink: Box::pin(sink) })
    }

    /// Statements without parameters or results.
    pub fn execute_batch(&self, sql: &str) -> Result<(), StoreError> {
        wait(self.tx.batch_execute(sql)).map_err(|error| self.fails(error))
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
        wait(self.sink.send(std::io::Cursor::new(lines))).map_err(|error| self.conn.fails(error))
    }

    /// The end of it; how many lines there were.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        wait(self.sink.as_mut().finish()).map_err(|error| self.conn.fails(error))
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
    /// Runs it; how many rows it changed.
    pub fn execute(&self, params: &[Value]) -> Result<u64, StoreError> {
        wait(self.conn.tx.execute(&self.statement, &by_ref(params))).map_err(|error| self.conn.fails(error))
    }

    /// All rows at once.
    pub fn all(&self, params: &[Value]) -> Result<impl Iterator<Item = Row> + use<>, StoreError> {
        let rows = wait(self.conn.tx.query(&self.statement, &by_ref(params)));
        Ok(rows.map_err(|error| self.conn.fails(error))?.into_iter().map(Row))
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
        let portal = wait(self.conn.tx.bind(&self.statement, &by_ref(params)));
        let portal = portal.map_err(|error| self.conn.fails(error))?;
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
            let rows = wait(self.conn.tx.query_portal(&self.portal, ROWS)).map_err(|error| self.conn.fails(error))?;
            self.more = i32::try_from(rows.len()).is_ok_and(|len| len == ROWS);
            self.fetched = rows.into_iter();
        }
        Ok(self.fetched.next().map(Row))
    }
}
