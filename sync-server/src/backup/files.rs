//! The files of a data folder beside its database, and hashing.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::batch::hex;

/// The database.
pub const DATABASE: &str = "town.db";
/// The ids of erased records: never part of a backup, see [`crate::erase`].
pub const ERASED: &str = "erased.list";

/// Length and SHA-256 of a file, read in pieces.
pub fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = disk::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        bytes += u64::try_from(read).unwrap_or_default();
    }
}

/// Whether a file has this length and SHA-256. What failed or did not fit is read a second time: a disk that failed once
/// must not cost a photo.
pub fn is(path: &Path, bytes: u64, sha256: &str) -> io::Result<bool> {
    let fits = |read: io::Result<(u64, String)>| read.map(|(length, hash)| length == bytes && hash == sha256);
    match fits(hash(path)) {
        Ok(true) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        _ => fits(hash(path)),
    }
}

/// The files right in a data folder that belong into a backup beside the database: keys, and the town's own
/// `retention.toml`. What begins with a dot, the database with its logs and the list of erased ids do not.
pub fn beside_database(data: &Path) -> io::Result<Vec<PathBuf>> {
    let belongs = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.is_empty() && !name.starts_with('.') && !name.starts_with(DATABASE) && !name.starts_with(ERASED)
    };
    let files = disk::list(data)?.into_iter().filter(|entry| !entry.is_folder && belongs(&entry.path));
    Ok(files.map(|entry| entry.path).collect())
}

/// Copies a small file, a key, to one that only its owner reads; durable when this returns.
pub fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = disk::read(from)?;
    disk::replace_with(to, disk::Access::Owner, |file| file.write_all(&bytes))
}

/// Brings the names in a folder and all folders below it to the disk, the innermost first.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in disk::list(folder)?.into_iter().filter(|entry| entry.is_folder) {
        sync_tree(&entry.path)?;
    }
    disk::sync_dir(folder)
}
