//! All of a store brought from SQLite to PostgreSQL, or back: table by table, in one transaction, and compared afterwards.
//!
//! Tables and columns have the same names and meanings in both (but for `user`, a word of SQL). What PostgreSQL has in
//! columns of its own is made of the text it stands in. Slots, tokens, sequence numbers and the epoch come along: a
//! handheld notices nothing. What was left refuses whatever a server that still runs on it would write.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;
use rusqlite::types::{Value as LiteValue, ValueRef};
use sha2::{Digest as _, Sha256};
use shared::edit::Edit;

use super::PostgresStore;
use super::conn::Conn;
use super::sql::{Value, params};
use super::write::{author, written};
use crate::store::columns::from_json;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store as _, StoreError};

/// In an order in which nothing refers to what is not there yet.
const TABLES: [&str; 38] = [
    "meta",
    "area",
    "users",
    "slot",
    "device",
    "parting",
    "enrol_code",
    "session",
    "sequence",
    "part",
    "departed",
    "edit",
    "quarantine",
    "unreadable",
    "audit",
    "audit_head",
    "look",
    "seen",
    "once",
    "second_factor",
    "recovery_code",
    "approval",
    "backed_up",
    "remain",
    "erased",
    "erased_edit",
    "erased_photo",
    "ended_edit",
    "photo",
    "photo_sender",
    "photo_link",
    "photo_wanted",
    "upload",
    "upload_hour",
    "batch",
    "event",
    "event_count",
    "edition",
];
/// The rest of them.
const LATER: [&str; 6] = ["import", "import_header", "intake_report", "reporter", "intake_tray", "moved"];
/// Columns that only PostgreSQL has, see `migrations/001_begin.sql`.
const MADE: [(&str, &[&str]); 3] = [
    ("edit", &["part", "author"]),
    ("quarantine", &["dot_slot", "dot_n", "part", "kind", "author", "area", "about"]),
    ("event_count", &["alike"]),
];
/// Tables whose every writer touches one of: refusing them refuses everything.
const GATES: [&str; 5] = ["sequence", "slot", "meta", "audit", "session"];
/// Bytes of one piece of a copy.
const PIECE: usize = 1 << 16;

/// What a table holds: how many rows, and the sum of their hashes, in whatever order they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    rows: u64,
    sum: u128,
}

impl Held {
    fn add(&mut self, row: &[Value]) {
        let hash = Sha256::digest(line(row));
        let first: [u8; 16] = std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default());
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
    }
}

/// What was brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Tables.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// A row as COPY takes it.
fn line(row: &[Value]) -> Vec<u8> {
    let mut line = Vec::new();
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push(b'\t');
        }
        match value {
            Value::Int(n) => line.extend(n.to_string().into_bytes()),
            Value::Text(text) => {
                for byte in text.bytes() {
                    match byte {
                        b'\\' => line.extend(b"\\\\"),
                        b'\t' => line.extend(b"\\t"),
                        b'\n' => line.extend(b"\\n"),
                        b'\r' => line.extend(b"\\r"),
                        byte => line.push(byte),
                    }
                }
            }
            Value::Blob(bytes) => {
                line.extend(b"\\\\x");
                line.extend(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
            }
            Value::Null | Value::Ints(_) | Value::Texts(_) | Value::Blobs(_) | Value::List(_) => line.extend(b"\\N"),
        }
    }
    line.push(b'\n');
    line
}

fn lite_name(name: &str) -> String {
    match name {
        "users" => "\"user\"".to_owned(),
        "user_id" => "\"user\"".to_owned(),
        name => format!("\"{name}\""),
    }
}

fn made_of(table: &str) -> &'static [&'static str] {
    MADE.iter().find(|(of, _)| *of == table).map_or(&[], |(_, made)| made)
}

/// A table's columns, those that only PostgreSQL has last.
fn columns(conn: &Conn<'_>, table: &str) -> Result<(Vec<String>, &'static [&'static str]), StoreError> {
    let query = conn.prepare_cached(
        "SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1::text::regclass AND a.attnum > 0
         AND NOT a.attisdropped ORDER BY a.attnum",
    )?;
    let made = made_of(table);
    let mut all: Vec<String> = query.map(params![table], |row| row.get(0))?;
    all.retain(|column| !made.contains(&column.as_str()));
    Ok((all, made))
}

fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// What stands in the columns that only PostgreSQL has.
fn made(table: &str, columns: &[String], row: &[Value]) -> Result<Vec<Value>, StoreError> {
    if table != "edit" && table != "quarantine" {
        return Ok(Vec::new());
    }
    let body = columns.iter().position(|column| column == "body").and_then(|at| row.get(at));
    let Some(Value::Text(body)) = body else { return Err(StoreError::Missing("the text of an edit")) };
    let edit: Edit = from_json("edit", body)?;
    let part = Value::Text(edit.part.code().to_owned());
    let by = Value::Text(author(&edit));
    if table == "edit" {
        return Ok(vec![part, by]);
    }
    let whole = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(vec![
        whole(edit.dot.slot.0),
        whole(edit.dot.n),
        part,
        Value::Text(edit.kind.code().to_owned()),
        by,
        written::<i64>(&edit, "area").map_or(Value::Null, Value::Int),
        written::<String>(&edit, "subject").map_or(Value::Null, Value::Text),
    ])
}

/// Rows of a table of SQLite, one after the other.
fn each_lite(
    lite: &Connection,
    table: &str,
    columns: &[String],
    each: &mut dyn FnMut(Vec<Value>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let names: Vec<String> = columns.iter().map(|column| lite_name(column)).collect();
    let mut query = lite.prepare(&format!("SELECT {} FROM {}", names.join(", "), lite_name(table)))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(columns.len());
        for at in 0..columns.len() {
            values.push(match row.get_ref(at)? {
                ValueRef::Integer(n) => Value::Int(n),
                // PostgreSQL's text holds no U+0000.
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).replace('\0', "\u{fffd}")),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                ValueRef::Null | ValueRef::Real(_) => Value::Null,
            });
        }
        each(values)?;
    }
    Ok(())
}

/// The same of PostgreSQL.
fn each_row(
    conn: &Conn<'_>,
    table: &str,
    columns: &[String],
    each: &mut dyn FnMut(Vec<Value>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let query = conn.prepare_cached(&format!("SELECT {} FROM \"{table}\"", quoted(columns)))?;
    let mut rows = query.rows(&[])?;
    while let Some(row) = rows.next()? {
        each(row.values()?)?;
    }
    Ok(())
}

fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().chain(LATER)
}

/// That no table stays behind which a later schema has and the lists above forgot.
fn all_named(conn: &Conn<'_>) -> Result<(), StoreError> {
    let query = conn.prepare_cached(
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
         AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_version'",
    )?;
    let there: Vec<String> = query.map(&[], |row| row.get(0))?;
    match there.iter().find(|table| !tables().any(|named| named == table.as_str())) {
        Some(table) => {
            Err(StoreError::Corrupt { what: "list of tables".to_owned(), why: format!("{table} is not in it") })
        }
        None => Ok(()),
    }
}

fn differ(what: &BTreeMap<&str, (Held, Held)>) -> Result<Moved, StoreError> {
    let wrong: Vec<&str> = what.iter().filter(|(_, (from, to))| from != to).map(|(table, _)| *table).collect();
    if !wrong.is_empty() {
        return Err(StoreError::Corrupt { what: "copy".to_owned(), why: format!("{} differ", wrong.join(", ")) });
    }
    Ok(Moved { tables: what.len(), rows: what.values().map(|(held, _)| held.rows).sum() })
}

/// Brings all of the SQLite file `from` into the empty database `to`. Once it is there, and before `from` refuses to go on,
/// `there` says so wherever it is asked for.
pub fn bring_in<E>(
    from: &Path,
    to: &str,
    stopped: impl Fn(StoreError) -> E,
    there: impl FnOnce() -> Result<(), E>,
) -> Result<Moved, E> {
    let mut said = Ok(());
    let moved = brought(from, to, || {
        said = there();
        said.is_ok()
    });
    said.and(moved.map_err(stopped))
}

/// The same; `there` says whether it could say so.
fn brought(from: &Path, to: &str, there: impl FnOnce() -> bool) -> Result<Moved, StoreError> {
    // Brought up to date, and left so that it cannot be opened by two of us.
    drop(SqliteStore::open(from)?);
    let mut lite = Connection::open(from)?;
    let lite = lite.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let store = PostgresStore::open(to)?;
    if !store.areas()?.is_empty() || !store.audited_towns()?.is_empty() {
        return Err(StoreError::Exists("something in that database"));
    }
    let (mut client, lost) = (store.connection()?, AtomicBool::new(false));
    let conn = store.begin(&mut client, &lost, false)?;
    conn.be_patient()?;
    all_named(&conn)?;
    conn.execute_batch("DELETE FROM meta")?;
    let mut held = BTreeMap::new();
    for table in tables() {
        held.insert(table, copy_in(&lite, &conn, table)?);
    }
    for (sequence, table, column) in [("edit_row", "edit", "row"), ("audit_id", "audit", "id")] {
        conn.execute_batch(&format!(
            "SELECT setval('{sequence}', greatest(1, (SELECT coalesce(max({column}), 0) + 1 FROM {table})), false)"
        ))?;
    }
    for table in ["parting", "quarantine", "unreadable", "batch"] {
        conn.execute_batch(&format!(
            "SELECT setval(s, (SELECT coalesce(max(\"row\"), 0) + 1 FROM \"{table}\"), false)
             FROM pg_get_serial_sequence('{table}', 'row') AS s WHERE s IS NOT NULL"
        ))?;
    }
    // PostgreSQL looks at its tables by itself some minutes later. Until then it plans as if nothing stood in them, and a
    // round takes four times as long.
    conn.execute_batch("ANALYZE")?;
    let moved = differ(&held)?;
    // Committed there before it is closed here: in between, both are the same.
    conn.commit(&mut false)?;
    if !there() {
        return Ok(moved);
    }
    for table in GATES {
        for what in ["INSERT", "UPDATE"] {
            lite.execute_batch(&format!(
                "CREATE TRIGGER moved_{table}_{what} BEFORE {what} ON {} BEGIN SELECT raise(ABORT, 'moved'); END",
                lite_name(table)
            ))?;
        }
    }
    lite.commit()?;
    Ok(moved)
}

fn copy_in(lite: &Connection, conn: &Conn<'_>, table: &'static str) -> Result<(Held, Held), StoreError> {
    let (columns, more) = columns(conn, table)?;
    // What only PostgreSQL can make is made there.
    let counted = table == "event_count";
    if counted {
        conn.execute_batch(
            "CREATE TEMPORARY TABLE counted (LIKE event_count) ON COMMIT DROP; ALTER TABLE counted DROP alike",
        )?;
    }
    let mut from = Held::default();
    let all: Vec<String> = if counted {
        columns.clone()
    } else {
        columns.iter().cloned().chain(more.iter().map(|column| (*column).to_owned())).collect()
    };
    let into = if counted { "counted" } else { table };
    let mut copy = conn.copy_in(&format!("COPY \"{into}\" ({}) FROM STDIN", quoted(&all)))?;
    let mut piece = Vec::with_capacity(2 * PIECE);
    each_lite(lite, table, &columns, &mut |mut row| {
        from.add(&row);
        row.extend(made(table, &columns, &row)?);
        piece.extend(line(&row));
        if piece.len() >= PIECE { copy.send(std::mem::take(&mut piece)) } else { Ok(()) }
    })?;
    copy.send(piece)?;
    copy.finish()?;
    if counted {
        let names = quoted(&columns);
        conn.execute_batch(&format!(
            "INSERT INTO event_count ({names}, alike) SELECT {names},
             md5(concat_ws('|', areas, category, service, stage, outcome, visit)) FROM counted"
        ))?;
    }
    let mut to = Held::default();
    each_row(conn, table, &columns, &mut |row| {
        to.add(&row);
        Ok(())
    })?;
    Ok((from, to))
}

/// Takes all of the database `from` out into the new SQLite file `to`.
pub fn take_out(from: &str, to: &Path) -> Result<Moved, StoreError> {
    let store = PostgresStore::open(from)?;
    let (mut client, lost) = (store.connection()?, AtomicBool::new(false));
    let conn = store.begin(&mut client, &lost, false)?;
    conn.be_patient()?;
    all_named(&conn)?;
    let gates = GATES.map(|table| format!("\"{table}\"")).join(", ");
    conn.execute_batch(&format!("LOCK TABLE {gates} IN EXCLUSIVE MODE"))?;
    drop(SqliteStore::open(to)?);
    let mut lite = Connection::open(to)?;
    let lite = lite.transaction()?;
    lite.execute("DELETE FROM meta", [])?;
    let mut held = BTreeMap::new();
    for table in tables() {
        let (columns, _) = columns(&conn, table)?;
        let names: Vec<String> = columns.iter().map(|column| lite_name(column)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", lite_name(table), names.join(", "));
        let mut insert = lite.prepare(&sql)?;
        let (mut there, mut here) = (Held::default(), Held::default());
        each_row(&conn, table, &columns, &mut |row| {
            there.add(&row);
            let values = row.into_iter().map(|value| match value {
                Value::Int(n) => LiteValue::Integer(n),
                Value::Text(text) => LiteValue::Text(text),
                Value::Blob(bytes) => LiteValue::Blob(bytes),
                Value::Null | Value::Ints(_) | Value::Texts(_) | Value::Blobs(_) | Value::List(_) => LiteValue::Null,
            });
            insert.execute(rusqlite::params_from_iter(values)).map(|_| ()).map_err(StoreError::from)
        })?;
        each_lite(&lite, table, &columns, &mut |row| {
            here.add(&row);
            Ok(())
        })?;
        held.insert(table, (there, here));
    }
    let moved = differ(&held)?;
    // Of another database's history nothing is known here.
    lite.execute("DELETE FROM meta WHERE key LIKE '%/lineage'", [])?;
    lite.commit()?;
    conn.execute_batch(
        "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'moved'; END $$",
    )?;
    for table in GATES {
        conn.execute_batch(&format!(
            "CREATE TRIGGER moved BEFORE INSERT OR UPDATE ON \"{table}\" FOR EACH STATEMENT EXECUTE FUNCTION moved()"
        ))?;
    }
    conn.commit(&mut false)?;
    Ok(moved)
}
