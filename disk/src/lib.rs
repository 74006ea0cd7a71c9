//! Files that are there whole or not at all; the one door to the file system, so that tests can make it fail.
//!
//! Two things have to reach the disk before a file is safe: its bytes ([`File::sync`]) and its name ([`sync_dir`], which
//! also brings home renamed and removed names). Each function says what is durable when it returns.
//!
//! With the feature `faults` each step asks [`faults`] first and notes there what has not reached the disk yet.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("failing files have no place in a release build");

#[cfg(feature = "faults")]
pub mod faults;
mod file;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

pub use file::File;

/// Who may read a new file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// What the system gives: usually everybody.
    Usual,
    /// Its owner only: 0600, folders 0700.
    Owner,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Folder and name.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Length of a file; 0 for a folder.
    pub bytes: u64,
}

/// Why bytes were not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The file has this length, not the one the caller thinks.
    Offset(u64),
    /// Somebody else is appending to it.
    Locked,
    /// The disk.
    Io(io::Error),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The length of a file in bytes.
pub fn len(path: &Path) -> io::Result<u64> {
    step::look(path)?;
    fs::metadata(path).map(|file| file.len())
}

/// When a file was last written, by the clock of the system.
pub fn modified(path: &Path) -> io::Result<SystemTime> {
    step::look(path)?;
    fs::metadata(path)?.modified()
}

/// Whether there is a file or folder of this name. Unlike [`Path::exists`] it does not take "I cannot tell" for a no.
pub fn exists(path: &Path) -> io::Result<bool> {
    step::look(path)?;
    path.try_exists()
}

/// Puts a whole file in place of what is there, if anything: old or new, never half. Bytes and name are durable when
/// this returns.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, Access::Usual, |file| file.write_all(bytes))
}

/// The same, written piece by piece.
pub fn replace_with(path: &Path, access: Access, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let part = beside(path, "part");
    let written = write_part(&part, access, write).and_then(|_| step::rename(&part, path));
    if written.is_err() {
        // What is left of it says nothing to anybody; the error that counts is the first.
        remove(&part).ok();
    }
    written?;
    sync_parent(path)
}

/// Makes a file that is not there yet, readable by its owner only; [`ErrorKind::AlreadyExists`] if it is. Whole or not
/// at all; bytes and name are durable when this returns.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_new_with(path, |file| file.write_all(bytes))
}

/// The same, written piece by piece.
pub fn create_new_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if exists(path)? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    // A part of its own for each process: of two that begin at once one has to lose, whole.
    let part = beside(path, &format!("{}.part", std::process::id()));
    // Its lock is held until it has its name: [`clear_parts`] of another process leaves it.
    let made = write_part(&part, Access::Owner, write).and_then(|_locked| match step::link(&part, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists || step::failed_by_plan(&error) => Err(error),
        // Not every file system links (Android refuses its apps); there nobody else is in this folder.
        Err(_) => step::rename(&part, path),
        Ok(()) => Ok(()),
    });
    remove(&part).ok();
    made?;
    sync_parent(path)
}

/// Takes away what processes that were killed left of a file that [`create_new_with`] made for them. One that is still
/// being written stays.
pub fn clear_parts(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let is_part = |entry: &Entry| {
        let other = entry.path.file_name().and_then(|other| other.to_str()).unwrap_or_default();
        let number = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".part"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for entry in list(folder)?.into_iter().filter(|entry| !entry.is_folder && is_part(entry)) {
        if File::edit(&entry.path)?.try_lock()? {
            remove(&entry.path)?;
        }
    }
    Ok(())
}

fn write_part(part: &Path, access: Access, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let mut file = File::create(part, access)?;
    // Where there are no locks nobody clears it.
    file.try_lock().ok();
    write(&mut file)?;
    file.sync()?;
    Ok(file)
}

/// `name.extension` beside a file.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Appends to a file that is `offset` bytes long: all of it durable when this returns. When it fails the file is cut
/// back to `offset`; if that fails too, what it is longer by is a beginning of `bytes` or lost. One at a time.
pub fn append(path: &Path, offset: u64, bytes: &[u8]) -> Result<(), AppendError> {
    let mut file = File::edit(path)?;
    if !file.try_lock()? {
        return Err(AppendError::Locked);
    }
    let length = file.len()?;
    if length != offset {
        return Err(AppendError::Offset(length));
    }
    file.seek_to(offset)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_data()) {
        // What is half there would shift the rest.
        file.set_len(offset).ok();
        return Err(error.into());
    }
    Ok(())
}

/// Cuts a file to a length; durable when this returns.
pub fn truncate(path: &Path, length: u64) -> io::Result<()> {
    let mut file = File::edit(path)?;
    file.set_len(length)?;
    file.sync_data()
}

/// Gives a file or folder another name, over a file that has it already; durable when this returns. Its bytes must be
/// durable before.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step::rename(from, to)?;
    sync_parent(to)?;
    if from.parent() != to.parent() { sync_parent(from) } else { Ok(()) }
}

/// Takes a file away; one that is not there is fine. The name is gone for good after the next [`sync_dir`].
pub fn remove(path: &Path) -> io::Result<()> {
    match step::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Takes a folder with everything in it away; one that is not there is fine. Gone for good after the next [`sync_dir`]
/// of the folder it lay in.
pub fn remove_dir_all(folder: &Path) -> io::Result<()> {
    let entries = match list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        if entry.is_folder {
            remove_dir_all(&entry.path)?;
        } else {
            remove(&entry.path)?;
        }
    }
    step::remove_dir(folder)
}

/// Makes a folder and those above it; fine if they are there. New names are durable when this returns.
pub fn create_dir_all(folder: &Path) -> io::Result<()> {
    make_dirs(folder, Access::Usual)
}

/// The same; those made are readable by their owner only.
pub fn create_private_dir_all(folder: &Path) -> io::Result<()> {
    make_dirs(folder, Access::Owner)
}

/// Folders whose names this process has brought to the disk: one that is there may be there for now only, because who
/// made it failed at just that.
static DURABLE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn make_dirs(folder: &Path, access: Access) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let durable = || DURABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let known = durable().contains(folder);
    if folder.is_dir() {
        if known {
            return Ok(());
        }
        match sync_parent(folder) {
            // What lies above our own folders may be closed to us; it was there before us.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {}
            other => other?,
        }
    } else {
        if let Some(parent) = folder.parent() {
            make_dirs(parent, access)?;
        }
        match step::make_dir(folder, access) {
            // Somebody else made it just now.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            other => other?,
        }
        sync_parent(folder)?;
    }
    durable().insert(folder.to_owned());
    Ok(())
}

/// Lets only the owner read a folder.
pub fn make_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Takes from everybody but its owner what they may do with a file or folder; one that is not there is fine.
pub fn tighten(path: &Path) -> io::Result<()> {
    step::look(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let rights = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?.permissions().mode(),
        };
        if rights & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(rights & 0o700))?;
        }
    }
    Ok(())
}

/// Takes a folder's lock until what is given back is dropped; none if somebody else has it. It goes along when the folder
/// gets another name. [`ErrorKind::Unsupported`] where folders have no locks.
pub fn hold_dir(folder: &Path) -> io::Result<Option<File>> {
    if cfg!(not(unix)) {
        return Err(ErrorKind::Unsupported.into());
    }
    let folder = File::open(folder)?;
    Ok(if folder.try_lock()? { Some(folder) } else { None })
}

/// Gives a file a second name, or copies it where the file system cannot, to one that only its owner reads. Its bytes are
/// durable when this returns if they were before; the name is after the next [`sync_dir`].
pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match step::link(from, to) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Err(error),
        Err(error) if step::failed_by_plan(&error) => Err(error),
        Err(_) => copy_private(from, to),
        Ok(()) => Ok(()),
    }
}

/// Copies the bytes of a file to a new one, or over one that is there. They are durable when this returns; the name is
/// after the next [`sync_dir`].
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    copy_as(from, to, Access::Usual)
}

/// The same; a new one is readable by its owner only.
pub fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    copy_as(from, to, Access::Owner)
}

fn copy_as(from: &Path, to: &Path, access: Access) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = File::create(to, access)?;
    io::copy(&mut from, &mut to)?;
    to.sync()
}

/// What lies in a folder, by name.
pub fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    step::look(folder)?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = match entry.metadata() {
            // Somebody took it away, or gave it another name, since.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        let is_folder = about.is_dir();
        entries.push(Entry { path: entry.path(), is_folder, bytes: if is_folder { 0 } else { about.len() } });
    }
    entries.sort();
    Ok(entries)
}

/// Brings the names in a folder to the disk: those made, renamed and removed.
pub fn sync_dir(folder: &Path) -> io::Result<()> {
    step::sync_dir(folder)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => step::sync_dir(Path::new(".")),
        Some(parent) => step::sync_dir(parent),
        None => Ok(()),
    }
}
