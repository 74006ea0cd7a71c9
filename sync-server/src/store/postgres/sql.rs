//! Parameters and rows: what goes into a statement of PostgreSQL and what comes out.

use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

use super::failure::failure;
use crate::store::StoreError;

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
    /// An array of any of them, which may be NULL.
    List(Vec<Value>),
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
            Self::List(all) => all.to_sql_checked(ty, out),
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

/// Values of one row.
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        [$($crate::store::postgres::sql::AsValue::value(&$value)),*]
    };
}
pub(super) use row;

/// Parameters in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::postgres::sql::AsValue::value(&$value)),*]
    };
}
pub(super) use params;

/// Rows as one statement takes them: an array of each column, and what makes rows of them again, by the names of the types.
pub fn together<const N: usize>(types: [&str; N], rows: Vec<[Value; N]>) -> (String, Vec<Value>) {
    let marks: Vec<String> = (1..).zip(types).map(|(at, ty)| format!("${at}::{ty}[]")).collect();
    let mut columns: Vec<Vec<Value>> = types.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    (format!("SELECT * FROM unnest({})", marks.join(", ")), columns.into_iter().map(Value::List).collect())
}

/// A row of what a query found.
pub struct Row(pub tokio_postgres::Row);

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
