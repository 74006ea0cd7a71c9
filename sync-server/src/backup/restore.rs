//! Putting a backup back: into an empty folder, under a new epoch, without what was erased since.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::area::AreaId;
use shared::outside::Outside;

use super::files::{self, DATABASE, ERASED};
use super::manifest::Manifest;
use super::{BackupError, Finding, verify};
use crate::AppState;
use crate::blobs::place::Place;
use crate::erase::list;
use crate::store::sqlite::SqliteStore;
use crate::store::{self, Store, StoreError};
use crate::sync::epoch::{self, Why};

/// A backup that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Of what it was made.
    pub manifest: Manifest,
    /// The epoch that began.
    pub epoch: u32,
    /// How many ids were on the list of erased records.
    pub erased: usize,
    /// Whether a list was found beside the backup's own knowledge.
    pub list_found: bool,
}

/// Puts the backup in `from` into the empty folder `data`. `erased` names the list of erased ids, or the old data folder
/// that has it; the copy that lies beside the backups is read too. Nothing is at `data` before all of it is.
pub fn restore(
    from: &Path,
    data: &Path,
    erased: Option<&Path>,
    outside: Arc<dyn Outside>,
) -> Result<Restored, BackupError> {
    let manifest = verify::manifest(from)?;
    let now = outside.now();
    if now < manifest.at {
        return Err(BackupError::ClockBehind);
    }
    if !is_empty(data)? {
        return Err(BackupError::NotEmpty);
    }
    let (mut ids, list_found) = erased_ids(from, erased)?;
    let found = verify::files(from, &manifest)?;
    if !found.is_empty() {
        return Err(BackupError::NotWhole(found));
    }
    let aside = beside(data);
    // Left by an attempt that died.
    disk::remove_dir_all(&aside).map_err(BackupError::file(&aside))?;
    let epoch = fill(from, &aside, &manifest, &mut ids, now).inspect_err(|_| drop(disk::remove_dir_all(&aside)))?;
    disk::rename(&aside, data).map_err(BackupError::file(data))?;
    // Opening erases again what the list names.
    AppState::open(data, outside)?;
    Ok(Restored { manifest, epoch, erased: ids.len(), list_found })
}

fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    match disk::list(folder) {
        Ok(entries) => Ok(entries.is_empty()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(BackupError::file(folder)(error)),
    }
}

fn beside(data: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".restoring-");
    name.push(data.file_name().unwrap_or_default());
    data.with_file_name(name)
}

fn erased_ids(from: &Path, named: Option<&Path>) -> Result<(list::List, bool), BackupError> {
    let mut ids = list::List::default();
    let mut found = false;
    let named = named.map(|path| if path.is_dir() { path.join(ERASED) } else { path.to_owned() });
    let beside = from.parent().map(|parent| parent.join(ERASED));
    for (path, must_be) in named.map(|path| (path, true)).into_iter().chain(beside.map(|path| (path, false))) {
        match list::read(&path) {
            Ok(Some(more)) => {
                ids.join(more);
                found = true;
            }
            // A data folder in which nothing was ever erased has no list.
            Ok(None) if must_be && !path.parent().is_some_and(|folder| folder.join(DATABASE).exists()) => {
                return Err(BackupError::BadList);
            }
            Ok(None) => found |= must_be,
            Err(list::ListError::Line(_)) => return Err(BackupError::BadList),
            Err(list::ListError::File(error)) => return Err(BackupError::file(&path)(error)),
        }
    }
    Ok((ids, found))
}

/// Copies, begins the epoch, writes the list. What is restored shares no file with the backup: a change to one, however
/// it comes about, is none to the other.
fn fill(
    from: &Path,
    aside: &Path,
    manifest: &Manifest,
    ids: &mut list::List,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<u32, BackupError> {
    disk::create_private_dir_all(aside).map_err(BackupError::file(aside))?;
    for entry in &manifest.files {
        let (Some(source), Some(to)) = (entry.within(from), entry.within(aside)) else { continue };
        if let Some(folder) = to.parent() {
            disk::create_private_dir_all(folder).map_err(BackupError::file(folder))?;
        }
        disk::copy_private(&source, &to).map_err(BackupError::file(&to))?;
        // What is restored is what was backed up, whatever the disk gave while it was copied.
        if !files::is(&to, entry.bytes, &entry.sha256).map_err(BackupError::file(&to))? {
            return Err(BackupError::NotWhole(vec![Finding::new("keep-found-bytes", &[("path", &entry.path)])]));
        }
    }
    let store = SqliteStore::open(&aside.join(DATABASE))?;
    if manifest.photos_in.is_none() {
        // They came along, wherever they were before.
        Place::Usual.note(&store, true)?;
    }
    let towns = store.towns()?;
    for town in &towns {
        let known = store::read::<_, StoreError>(&store, *town, |read| read.erased())?;
        ids.extend(known.into_iter().map(|erased| (*town, erased)));
        // The backup it comes from holds all of it.
        store::write::<_, StoreError>(&store, *town, |tx| {
            let upto = tx.complete_upto()?;
            tx.note_backed_up(&upto)
        })?;
    }
    list::write(aside, ids).map_err(BackupError::file(aside))?;
    disk::tighten(&aside.join(ERASED)).map_err(BackupError::file(aside))?;
    let above = towns.first().copied().unwrap_or(AreaId(0));
    let epoch =
        store::write::<_, StoreError>(&store, above, |tx| epoch::begin(tx, now, manifest.epoch, Why::Restored))?;
    drop(store);
    files::sync_tree(aside).map_err(BackupError::file(aside))?;
    Ok(epoch)
}
