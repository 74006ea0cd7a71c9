//! The app's packages that handhelds are offered: files in a folder, the newest by its name.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use shared::wire::{AppOffer, Package, numbers};

/// How `make apk` calls what is signed.
const NAME: (&str, &str) = ("grid-handheld-", "-release.apk");

/// The folder, and what was found in it.
#[derive(Debug, Default)]
pub struct Packages {
    folder: Option<PathBuf>,
    least: Option<String>,
    known: Mutex<Option<Known>>,
}

/// A package that was read through.
#[derive(Debug, Clone)]
struct Known {
    path: PathBuf,
    modified: SystemTime,
    package: Package,
}

impl Packages {
    /// Packages in `folder`; a version older than `least` is to be replaced.
    pub fn of(folder: Option<PathBuf>, least: Option<String>) -> Self {
        Self { folder, least, known: Mutex::default() }
    }

    /// What handhelds are told; `None`: nothing. A package that was just put there is read through once, which takes a moment.
    pub fn offer(&self) -> Option<AppOffer> {
        let newest = self.newest().map(|known| known.package);
        (newest.is_some() || self.least.is_some()).then(|| AppOffer { newest, least: self.least.clone() })
    }

    /// The file of the package with this hash, if it is the one offered.
    pub fn find(&self, sha256: &str) -> Option<(PathBuf, Package)> {
        self.newest().filter(|known| known.package.sha256 == sha256).map(|known| (known.path, known.package))
    }

    fn newest(&self) -> Option<Known> {
        let folder = self.folder.as_deref()?;
        let looked = look(folder);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = looked.and_then(|found| {
            let Some((path, version)) = found else { return Ok(None) };
            let (bytes, modified) = (disk::len(&path)?, disk::modified(&path)?);
            let is_known = known
                .as_ref()
                .is_some_and(|known| known.path == path && known.modified == modified && known.package.bytes == bytes);
            if !is_known {
                let (sha256, bytes) = digest(&path)?;
                tracing::info!(version, sha256, "handhelds are offered this package");
                *known = Some(Known { path, modified, package: Package { version, bytes, sha256 } });
            }
            Ok(known.clone())
        });
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, folder = %folder.display(), "packages of the app could not be read");
            None
        })
    }
}

/// The newest package of a folder, with its version.
fn look(folder: &Path) -> std::io::Result<Option<(PathBuf, String)>> {
    let packages = disk::list(folder)?.into_iter().filter(|entry| !entry.is_folder).filter_map(|entry| {
        let name = entry.path.file_name()?.to_str()?;
        let version = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.to_owned();
        (numbers(&version).len() == 3).then_some((entry.path, version))
    });
    Ok(packages.max_by_key(|(_, version)| numbers(version)))
}

/// What a file is, and how long.
fn digest(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = disk::File::open(path)?;
    let (mut hash, mut piece, mut length) = (Sha256::new(), vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        length += read as u64;
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), length))
}
