//! Opening: key, pragmas, schema; and setting a database aside that cannot be read.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, RwLock};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::haystack::Haystack;
use super::lease::Lease;
use super::meta::LastSetup;
use super::{Rules, Store, StoreError, migrations};

/// The raw key of a database: 32 random bytes.
pub type RawKey = [u8; 32];

/// Names of the files that belong to one database.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

impl Store {
    /// Opens the database at `path`, making it if it is not there. The file is never changed when this fails.
    pub fn open(path: &Path, key: &RawKey, rules: Rules) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            disk::create_dir_all(folder).map_err(|source| StoreError::File {
                what: "making the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        let lease = Lease::of(path, key)?;
        let mut writer = connect(path, key, &lease)?;
        if writer.is_readonly("main").map_err(StoreError::from)? {
            return Err(StoreError::ReadOnly(path.to_owned()));
        }
        migrations::run(&mut writer).map_err(|error| at(error, path))?;
        let reader = connect_reader(path, key, &lease)?;
        let haystack = Haystack::load(&reader).map_err(|error| at(error, path))?;
        let store = Self {
            path: path.to_owned(),
            key: *key,
            writer: Mutex::new(Some(writer)),
            readers: [Mutex::new(Some(reader)), Mutex::new(None)],
            haystack: RwLock::new(haystack),
            rules: RwLock::new(rules.clone()),
            program: rules,
            lease,
            last_setup: LastSetup::default(),
            taken_in: AtomicUsize::new(0),
        };
        store.recall_edition()?;
        store.derive_anew()?;
        Ok(store)
    }

    /// How large the database is, in bytes.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            Ok(sql
                .query_row("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", [], |row| {
                    row.get::<_, i64>(0)
                })?
                .cast_unsigned())
        })
    }

    /// The key of the database.
    pub(crate) fn key(&self) -> &RawKey {
        &self.key
    }

    /// Moves a database that cannot be read out of the way, under a new name beside the old one; never deletes.
    /// Gives the new name of the first file moved.
    pub fn set_aside(path: &Path, now: DateTime<Utc>) -> Result<PathBuf, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { what: "setting aside", path, source }
        };
        let stamp = now.format("%Y%m%dT%H%M%S");
        let name = |beside: &str, count: u32| with_suffix(path, &format!(".set-aside-{stamp}-{count}{beside}"));
        let count = (1..).find(|count| BESIDE.iter().all(|beside| !name(beside, *count).exists())).unwrap_or(1);
        let mut first = None;
        // The database first: see `is_half_set_aside`.
        for beside in BESIDE {
            let old = with_suffix(path, beside);
            if disk::exists(&old).map_err(failed(&old))? {
                let new = name(beside, count);
                disk::rename(&old, &new).map_err(failed(&old))?;
                first.get_or_insert(new);
            }
        }
        Ok(first.unwrap_or_else(|| name("", count)))
    }

    /// Whether a crash came between moving a database and moving its log. The log alone must not stay where it is:
    /// SQLite would delete it with the saves in it.
    pub fn is_half_set_aside(path: &Path) -> Result<bool, StoreError> {
        let there = |path: &Path| {
            disk::exists(path).map_err(|source| StoreError::File {
                what: "looking for the database",
                path: path.to_owned(),
                source,
            })
        };
        Ok(!there(path)? && there(&with_suffix(path, "-wal"))?)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Errors of the first look at a file are about the file.
fn at(error: StoreError, path: &Path) -> StoreError {
    match error {
        StoreError::ReadOnly(_) => StoreError::ReadOnly(path.to_owned()),
        StoreError::WrongKey(_) => StoreError::WrongKey(path.to_owned()),
        other => other,
    }
}

/// A connection that refuses to write.
pub(super) fn connect_reader(path: &Path, key: &RawKey, lease: &Lease) -> Result<Connection, StoreError> {
    let reader = connect(path, key, lease)?;
    reader.pragma_update(None, "query_only", true).map_err(StoreError::from)?;
    Ok(reader)
}

/// A connection that reads and writes.
pub(super) fn connect(path: &Path, key: &RawKey, lease: &Lease) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::from)?;
    prepare(&connection, key).map_err(|error| at(error, path))?;
    lease.leased.lend(&connection)?;
    Ok(connection)
}

/// For `make bench`, which tells what the key costs: from now on databases are made and opened without one. The app of a
/// handheld is built without this.
#[cfg(feature = "preview")]
pub fn go_without_key(yes: bool) {
    KEYLESS.store(yes, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(feature = "preview")]
static KEYLESS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[cfg(feature = "preview")]
fn is_keyless() -> bool {
    KEYLESS.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(not(feature = "preview"))]
fn is_keyless() -> bool {
    false
}

/// Gives the key and looks into the file.
pub(super) fn unlock(connection: &Connection, key: &RawKey) -> Result<(), StoreError> {
    use std::fmt::Write;
    let mut hex = String::with_capacity(64);
    for byte in key {
        // Writing into a String cannot fail.
        write!(hex, "{byte:02x}").ok();
    }
    // A raw key: no derivation, which would cost 109 ms an open.
    if !is_keyless() {
        connection.execute_batch(&format!("PRAGMA key = \"x'{hex}'\""))?;
    }
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    // The first look into the file: here a wrong key shows.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(())
}

fn prepare(connection: &Connection, key: &RawKey) -> Result<(), StoreError> {
    unlock(connection, key)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16000;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(())
}
