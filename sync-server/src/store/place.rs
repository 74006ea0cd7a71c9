//! Where the records of a data folder are: in its `town.db`, or in the PostgreSQL that its file `database` names.
//!
//! The file is written once, so that no command on the folder can take it for one with records of its own; only its owner
//! reads it, for a password may stand in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postgres::PostgresStore;
use super::postgres::migrate::{self, Moved};
use super::sqlite::SqliteStore;
use super::{Store, StoreError};

/// The name of the file of SQLite.
pub const FILE: &str = "town.db";
/// The name of the file that names a PostgreSQL.
pub const ADDRESS: &str = "database";

/// Why it cannot be said where the records are.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file.
    #[error("cannot open {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store.
    #[error("cannot open {path}")]
    Store {
        /// Its file, or the one that names it.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// What moves, or where it moves to.
    #[error("cannot bring the records of {path} into the database")]
    Move {
        /// The file they are in.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The folder has records of its own.
    #[error("{0} holds records; bring them into PostgreSQL with `migrate-store`, or name an empty folder")]
    HasRecords(PathBuf),
    /// There is nothing to move.
    #[error("{0} is not there: there is nothing to move")]
    Nothing(PathBuf),
    /// The folder belongs to another database.
    #[error("{0} names another database; `migrate-store` changes that, or write it there by hand")]
    Another(PathBuf),
}

fn file(path: PathBuf) -> impl FnOnce(io::Error) -> PlaceError {
    move |source| PlaceError::File { path, source }
}

/// The database that a folder names, if it names one.
pub fn address(data: &Path) -> Result<Option<String>, PlaceError> {
    let path = data.join(ADDRESS);
    match disk::read(&path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PlaceError::File { path, source }),
    }
}

/// Lets a folder name a database; once named, it stays that one.
pub fn name(data: &Path, database: &str) -> Result<(), PlaceError> {
    let path = data.join(ADDRESS);
    match address(data)? {
        Some(named) if named == database.trim() => return Ok(()),
        Some(_) => return Err(PlaceError::Another(path)),
        None => {}
    }
    let records = data.join(FILE);
    if disk::exists(&records).map_err(file(records.clone()))? {
        return Err(PlaceError::HasRecords(records));
    }
    // A folder that names what cannot be read would stay unusable.
    PostgresStore::examine(database).map_err(|source| PlaceError::Store { path: path.clone(), source })?;
    disk::create_private_dir_all(data).map_err(file(data.to_owned()))?;
    disk::create_new(&path, database.trim().as_bytes()).map_err(file(path))
}

/// Brings the records of a folder into the empty database `to`, and lets the folder name that. What was there stays as
/// `town.db.moved`, and takes nothing any more.
pub fn to_postgres(data: &Path, to: &str) -> Result<Moved, PlaceError> {
    let (path, from) = (data.join(ADDRESS), data.join(FILE));
    if address(data)?.is_some() {
        return Err(PlaceError::Another(path));
    }
    if !disk::exists(&from).map_err(file(from.clone()))? {
        return Err(PlaceError::Nothing(from));
    }
    let stopped = |source| PlaceError::Move { path: from.clone(), source };
    let there = || disk::create_new(&path, to.trim().as_bytes()).map_err(file(path.clone()));
    let moved = migrate::bring_in(&from, to.trim(), stopped, there)?;
    // With its log and index, if somebody still has it open: another file of the name would take them for its own.
    for more in ["", "-wal", "-shm"] {
        let (from, aside) = (data.join(format!("{FILE}{more}")), data.join(format!("{FILE}.moved{more}")));
        if disk::exists(&from).map_err(file(from.clone()))? {
            disk::rename(&from, &aside).map_err(file(from))?;
        }
    }
    Ok(moved)
}

/// Takes the records of a folder out of the database it names, into its `town.db`. What was there stays, and takes nothing
/// any more.
pub fn to_sqlite(data: &Path) -> Result<Moved, PlaceError> {
    let (path, to) = (data.join(ADDRESS), data.join(FILE));
    let Some(from) = address(data)? else { return Err(PlaceError::Nothing(path)) };
    for there in [to.clone(), data.join(format!("{FILE}-wal"))] {
        if disk::exists(&there).map_err(file(there.clone()))? {
            return Err(PlaceError::HasRecords(there));
        }
    }
    let part = data.join(format!("{FILE}.part"));
    for name in [part.clone(), data.join(format!("{FILE}.part-wal")), data.join(format!("{FILE}.part-shm"))] {
        match disk::remove(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(file(name))?,
        }
    }
    disk::create_new(&part, b"").map_err(file(part.clone()))?;
    let moved = migrate::take_out(&from, &part).map_err(|source| PlaceError::Store { path: path.clone(), source })?;
    disk::rename(&part, &to).map_err(file(to))?;
    disk::remove(&path).map_err(file(path))?;
    Ok(moved)
}

/// Opens the store of a folder, making it where there is none.
pub fn open(data: &Path) -> Result<Arc<dyn Store>, PlaceError> {
    match address(data)? {
        Some(database) => {
            let path = data.join(ADDRESS);
            let store = PostgresStore::open(&database).map_err(|source| PlaceError::Store { path, source })?;
            Ok(Arc::new(store))
        }
        None => Ok(Arc::new(open_file(data)?)),
    }
}

/// Opens the SQLite of a folder, making it where there is none.
pub fn open_file(data: &Path) -> Result<SqliteStore, PlaceError> {
    let path = data.join(FILE);
    // SQLite makes its file for everybody to read; its log and index get the rights of the file.
    match disk::create_new(&path, b"") {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(file(path.clone()))?,
    }
    SqliteStore::open(&path).map_err(|source| PlaceError::Store { path, source })
}
