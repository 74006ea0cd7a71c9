//! Looking at a backup, or at a data folder: is it what it should be?

use std::path::Path;

use shared::calendar::Calendar;

use super::files::{self, DATABASE};
use super::manifest::{self, Manifest};
use super::{BackupError, Finding, check};
use crate::AppState;
use crate::blobs;
use crate::store::sqlite::SqliteStore;

/// The manifest of a backup that this program can read.
pub(super) fn manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData => BackupError::NoBackup,
        _ => BackupError::file(&folder.join(manifest::FILE))(error),
    })?;
    if manifest.version > manifest::VERSION || manifest.schema > SqliteStore::schema() {
        return Err(BackupError::FromTheFuture);
    }
    Ok(manifest)
}

/// Every file of a backup against the manifest, and the database as SQLite sees it.
pub(super) fn files(folder: &Path, manifest: &Manifest) -> Result<Vec<Finding>, BackupError> {
    let mut found = Vec::new();
    for entry in &manifest.files {
        let Some(path) = entry.within(folder) else {
            found.push(Finding::new("keep-found-path", &[("path", &entry.path)]));
            continue;
        };
        match files::is(&path, entry.bytes, &entry.sha256) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                found.push(Finding::new("keep-found-missing", &[("path", &entry.path)]));
            }
            Err(error) => found.push(Finding::new("keep-found-unread", &[("path", &entry.path), ("why", &error)])),
            Ok(false) => {
                found.push(Finding::new("keep-found-bytes", &[("path", &entry.path)]));
            }
            Ok(true) => {}
        }
    }
    if !manifest.files.iter().any(|entry| entry.path == DATABASE) {
        found.push(Finding::new("keep-found-missing", &[("path", &DATABASE)]));
    }
    // A file that is not what was written tells nothing more.
    if found.is_empty() {
        sqlite(&folder.join(DATABASE), &mut found);
    }
    Ok(found)
}

fn sqlite(database: &Path, found: &mut Vec<Finding>) {
    match SqliteStore::examine(database) {
        Ok((_, wrong)) => {
            found.extend(wrong.iter().map(|line| Finding::new("keep-found-sqlite", &[("why", line)])));
        }
        Err(error) => found.push(Finding::new("keep-found-sqlite", &[("why", &error)])),
    }
}

/// All of a backup: its files by the manifest; the database opened as a restore would open it, on a copy beside the
/// backup that goes again; every part against the fold of its edits, slots against their edits, photos by their hash.
pub fn verify_backup(folder: &Path, calendar: &Calendar) -> Result<(Manifest, Vec<Finding>), BackupError> {
    let manifest = manifest(folder)?;
    let mut found = files(folder, &manifest)?;
    if !found.is_empty() {
        return Ok((manifest, found));
    }
    let beside = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = beside.join(format!(".checking-{}", std::process::id()));
    let done = on_copy(folder, &manifest, &scratch, calendar, &mut found);
    disk::remove_dir_all(&scratch).map_err(BackupError::file(&scratch))?;
    done.map(|()| (manifest, found))
}

fn on_copy(
    folder: &Path,
    manifest: &Manifest,
    scratch: &Path,
    calendar: &Calendar,
    found: &mut Vec<Finding>,
) -> Result<(), BackupError> {
    disk::create_private_dir_all(scratch).map_err(BackupError::file(scratch))?;
    let copy = scratch.join(DATABASE);
    disk::copy_private(&folder.join(DATABASE), &copy).map_err(BackupError::file(&copy))?;
    let store = SqliteStore::open(&copy)?;
    check::store(&store, calendar, found)?;
    // That each photo hashes to what the manifest says was looked at; that the manifest has all of them was not.
    if manifest.photos_in.is_none() {
        let root = folder.join("blobs");
        check::photos(&store, &|hash, bytes| files::is(&blobs::place(&root, hash), bytes, hash.as_str()), found)?;
    }
    Ok(())
}

/// The same for a data folder, which may be in use.
pub fn verify_data(app: &AppState) -> Result<Vec<Finding>, BackupError> {
    let mut found = Vec::new();
    let database = app.data.join(DATABASE);
    // PostgreSQL looks after its own pages: initdb --data-checksums, pg_amcheck.
    if disk::exists(&database).map_err(BackupError::file(&database))? {
        sqlite(&database, &mut found);
    }
    check::store(&*app.store, &app.calendar, &mut found)?;
    check::photos(&*app.store, &|hash, bytes| blobs::is_whole(&*app.blobs, hash, bytes), &mut found)?;
    for town in app.store.towns()? {
        for number in crate::batch::damaged(&*app.store, &app.data, town)? {
            found.push(Finding::new("keep-found-batch", &[("number", &number)]));
        }
    }
    Ok(found)
}
