//! Making a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{PhotoHash, Slot};

use super::files::{self, DATABASE};
use super::manifest::{FileEntry, Manifest, NotedHead, VERSION};
use super::state::{self, Last};
use super::verify;
use super::{BackupError, Finding};
use crate::AppState;
use crate::blobs::{self, Where};
use crate::store::sqlite::SqliteStore;
use crate::store::{self, Store, StoreError};

/// What the folder of an unfinished backup begins with.
const MAKING: &str = ".making-";
/// What the folder of one on its way out begins with.
const GOING: &str = ".going-";
/// What the folder of a backup begins with.
const NAME: &str = "backup-";
/// How often it is begun again when a file went while it was copied.
const ATTEMPTS: usize = 3;

/// A backup that was made and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its folder.
    pub folder: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// Older ones that went.
    pub dropped: usize,
    /// Photos that were missing or damaged here: they are asked of the handhelds again.
    pub wanted_again: usize,
}

/// Makes a backup in `to`, verifies it, tells how far it reaches, and lets older ones beyond `keep` go: at least one
/// stays. One at a time: a second gets [`BackupError::Busy`].
pub fn make(app: &AppState, to: &Path, keep: usize) -> Result<Made, BackupError> {
    let now = app.outside.now();
    let made = locked(app, to, keep, now);
    if let Err(error) = &made
        && !matches!(error, BackupError::Busy)
        && let Err(unsaid) = state::note_failed(&*app.store, now, error.key())
    {
        tracing::error!(error = &unsaid as &dyn std::error::Error, "cannot note that the backup failed");
    }
    made
}

fn locked(app: &AppState, to: &Path, keep: usize, now: DateTime<Utc>) -> Result<Made, BackupError> {
    disk::create_private_dir_all(to).map_err(BackupError::file(to))?;
    let lock = to.join(".lock");
    let held = disk::File::create(&lock, disk::Access::Owner).map_err(BackupError::file(&lock))?;
    if !held.try_lock().map_err(BackupError::file(&lock))? {
        return Err(BackupError::Busy);
    }
    // Nobody else is here: what is unfinished was left by somebody who died.
    clear(to, &[MAKING, GOING])?;
    let mut wanted_again = 0;
    for _ in 0..ATTEMPTS {
        let aside = to.join(format!("{MAKING}{}", app.outside.uuid()));
        match attempt(app, &aside, now) {
            Ok(Attempt::Whole(taken)) => {
                let folder = put_in_place(&aside, to, now)?;
                count(app, &taken)?;
                let last = Last { at: now, name: name_of(&folder), bytes: taken.manifest.bytes() };
                state::note_made(&*app.store, &last)?;
                // An old one that stays too long is no reason to call the new one failed.
                let dropped = prune(to, &folder, keep).unwrap_or_else(|error| {
                    tracing::error!(error = &error as &dyn std::error::Error, "old backups could not be removed");
                    0
                });
                crate::erase::list::copy_beside(&app.data, to).map_err(BackupError::file(to))?;
                return Ok(Made { folder, manifest: taken.manifest, dropped, wanted_again });
            }
            Ok(Attempt::Again(photos)) => {
                wanted_again += photos;
                remove(&aside);
            }
            Err(error) => {
                remove(&aside);
                return Err(error);
            }
        }
    }
    Err(BackupError::Unsteady)
}

/// A complete copy.
struct Taken {
    manifest: Manifest,
    /// How far it reaches, by town.
    upto: Vec<(AreaId, Vec<(Slot, u64)>)>,
}

enum Attempt {
    Whole(Taken),
    /// Something went meanwhile, or so many photos were found missing or damaged and are wanted again.
    Again(usize),
}

fn attempt(app: &AppState, aside: &Path, now: DateTime<Utc>) -> Result<Attempt, BackupError> {
    disk::create_private_dir_all(aside).map_err(BackupError::file(aside))?;
    let database = aside.join(DATABASE);
    app.store.snapshot(&database)?;
    disk::File::edit(&database).and_then(|mut file| file.sync()).map_err(BackupError::file(&database))?;
    // From here on only the copy is asked: what came after it does not count.
    let copy = SqliteStore::open_read_only(&database)?;
    let mut entries = vec![entry(aside, &database)?];
    let mut upto = Vec::new();
    let (mut photos, mut elsewhere) = (BTreeSet::new(), BTreeMap::new());
    if let Where::Bucket(_) = app.blobs.at() {
        // After the copy of the database: whatever that knows is in it.
        let listed = app.blobs.list().map_err(BackupError::Photos)?;
        elsewhere = listed.into_iter().filter_map(|it| Some((it.hash?, it.bytes))).collect();
    }
    for town in copy.towns()? {
        let (complete, delivered, batches) = store::read::<_, StoreError>(&copy, town, |read| {
            Ok((read.complete_upto()?, read.photos()?, read.batches(usize::MAX)?))
        })?;
        upto.push((town, complete));
        let mut missing = Vec::new();
        for photo in delivered {
            if !photos.insert(photo.hash.clone()) {
                continue;
            }
            let Where::Folder(root) = app.blobs.at() else {
                // The bucket keeps its own copies. What is looked at is that it is there, as long as it was.
                if elsewhere.get(&photo.hash) != Some(&photo.bytes) {
                    missing.push(photo.hash);
                }
                continue;
            };
            let (from, to) = (blobs::place(root, &photo.hash), blobs::place(&aside.join("blobs"), &photo.hash));
            match take(&from, &to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push(photo.hash.clone()),
                other => other.map_err(BackupError::file(&from))?,
            }
            // Its name says what it must hash to; verifying reads it.
            entries.push(FileEntry {
                path: relative(aside, &to),
                bytes: photo.bytes,
                sha256: photo.hash.as_str().to_owned(),
            });
        }
        if !missing.is_empty() {
            return Ok(Attempt::Again(want_again(app, &missing)?));
        }
        for batch in batches.into_iter().filter(|batch| batch.erased.is_none()) {
            let from = app.data.join("batches").join(batch.id.to_string());
            if !take_folder(&from, &aside.join("batches").join(batch.id.to_string()), aside, &mut entries)? {
                return Ok(Attempt::Again(0));
            }
        }
    }
    for from in files::beside_database(&app.data).map_err(BackupError::file(&app.data))? {
        let to = aside.join(from.file_name().unwrap_or_default());
        files::copy_private(&from, &to).map_err(BackupError::file(&from))?;
        entries.push(entry(aside, &to)?);
    }
    entries.sort();
    let photos_in = match app.blobs.at() {
        Where::Bucket(at) => Some(at.to_string()),
        Where::Folder(_) => None,
    };
    let manifest = Manifest {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: SqliteStore::schema(),
        epoch: copy.epoch()?,
        at: now,
        files: entries,
        photos_in,
        audit: heads(&copy)?,
    };
    drop(copy);
    manifest.write(aside).map_err(BackupError::file(aside))?;
    files::sync_tree(aside).map_err(BackupError::file(aside))?;
    let found = verify::files(aside, &manifest)?;
    if found.is_empty() {
        return Ok(Attempt::Whole(Taken { manifest, upto }));
    }
    let damaged: Option<Vec<PhotoHash>> = found.iter().map(damaged_photo).collect();
    match damaged {
        Some(photos) => Ok(Attempt::Again(want_again(app, &photos)?)),
        None => Err(BackupError::NotWhole(found)),
    }
}

/// The last entry of each town's audit.
fn heads(copy: &dyn Store) -> Result<Vec<NotedHead>, StoreError> {
    let mut heads = Vec::new();
    for town in copy.audited_towns()? {
        let head = store::read::<_, StoreError>(copy, town, |read| read.audit_head())?;
        heads.extend(head.map(|head| NotedHead { town, head: head.mark }));
    }
    Ok(heads)
}

/// The photo a finding is about, if it is about one that is damaged: one that cannot be read just now may be whole.
fn damaged_photo(finding: &Finding) -> Option<PhotoHash> {
    if finding.key == "keep-found-unread" {
        return None;
    }
    let (_, path) = finding.args.iter().find(|(name, _)| *name == "path")?;
    path.strip_prefix("blobs/photos/")?.rsplit('/').next()?.parse().ok()
}

/// A photo that is not here any more, or not as it was, counts as not delivered: the handhelds that sent it keep it for
/// 30 days. One that was erased meanwhile is not asked for.
fn want_again(app: &AppState, photos: &[PhotoHash]) -> Result<usize, BackupError> {
    let mut wanted = 0;
    for town in app.store.towns()? {
        for hash in photos {
            let known = store::write::<_, StoreError>(&*app.store, town, |tx| tx.want_photo_again(hash))?;
            if known {
                tracing::error!(%hash, "a photo is missing or damaged; it is asked of the handhelds again");
                wanted += 1;
            }
        }
    }
    Ok(wanted)
}

fn take(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        disk::create_private_dir_all(folder)?;
    }
    disk::link_or_copy(from, to)
}

/// Takes the files of a folder; one that is not there was taken away by hand and is passed over. `false` if a file went
/// meanwhile.
fn take_folder(from: &Path, to: &Path, aside: &Path, entries: &mut Vec<FileEntry>) -> Result<bool, BackupError> {
    let listed = match disk::list(from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(BackupError::file(from))?,
    };
    for file in listed.into_iter().filter(|entry| !entry.is_folder) {
        let to = to.join(file.path.file_name().unwrap_or_default());
        match take(&file.path, &to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(BackupError::file(&file.path))?,
        }
        entries.push(entry(aside, &to)?);
    }
    Ok(true)
}

fn entry(folder: &Path, file: &Path) -> Result<FileEntry, BackupError> {
    let (bytes, sha256) = files::hash(file).map_err(BackupError::file(file))?;
    Ok(FileEntry { path: relative(folder, file), bytes, sha256 })
}

fn relative(folder: &Path, file: &Path) -> String {
    let parts = file.strip_prefix(folder).unwrap_or(file).iter();
    parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// `backup-20261125T022500Z`, with a number behind it where that name is taken.
fn put_in_place(aside: &Path, to: &Path, now: DateTime<Utc>) -> Result<PathBuf, BackupError> {
    let name = format!("{NAME}{}", now.format("%Y%m%dT%H%M%SZ"));
    let mut place = to.join(&name);
    let mut number = 1;
    while disk::exists(&place).map_err(BackupError::file(&place))? {
        number += 1;
        place = to.join(format!("{name}-{number:03}"));
    }
    disk::rename(aside, &place).map_err(BackupError::file(&place))?;
    Ok(place)
}

/// Tells the slots how far the backup reaches.
fn count(app: &AppState, taken: &Taken) -> Result<(), BackupError> {
    for (town, upto) in &taken.upto {
        store::write::<_, StoreError>(&*app.store, *town, |tx| tx.note_backed_up(upto))?;
    }
    Ok(())
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lets all but the newest `keep` go; the one just made is among those that stay. Whatever has no readable manifest is
/// not counted as one and not touched.
fn prune(to: &Path, made: &Path, keep: usize) -> Result<usize, BackupError> {
    let mut others: Vec<(DateTime<Utc>, PathBuf)> = Vec::new();
    for entry in disk::list(to).map_err(BackupError::file(to))? {
        if entry.is_folder
            && entry.path != made
            && name_of(&entry.path).starts_with(NAME)
            && let Ok(manifest) = Manifest::read(&entry.path)
        {
            others.push((manifest.at, entry.path));
        }
    }
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(keep).min(others.len());
    for (_, folder) in others.iter().take(surplus) {
        // Under another name first: half a backup is none.
        let going = to.join(format!("{GOING}{}", name_of(folder)));
        disk::rename(folder, &going).map_err(BackupError::file(folder))?;
        disk::remove_dir_all(&going).map_err(BackupError::file(&going))?;
    }
    disk::sync_dir(to).map_err(BackupError::file(to))?;
    Ok(surplus)
}

fn clear(to: &Path, beginnings: &[&str]) -> Result<(), BackupError> {
    for entry in disk::list(to).map_err(BackupError::file(to))? {
        if entry.is_folder && beginnings.iter().any(|beginning| name_of(&entry.path).starts_with(beginning)) {
            disk::remove_dir_all(&entry.path).map_err(BackupError::file(&entry.path))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) {
    if let Err(error) = disk::remove_dir_all(folder) {
        tracing::warn!(%error, "an unfinished backup could not be cleared away");
    }
}
