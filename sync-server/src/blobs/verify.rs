//! Every photo against its name: those that records refer to, and those that merely lie in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use shared::ids::PhotoHash;

use super::{Blobs, orphans};
use crate::backup::{Finding, is_file};
use crate::store::{self, Store, StoreError};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Photos that are what was delivered.
    pub well: usize,
    /// Files in the folder, whole, that the database does not know: an upload was cut off right before it was noted.
    pub strangers: usize,
    /// Photos, whole or not, that nothing refers to.
    pub orphans: usize,
    /// What is wrong.
    pub found: Vec<Finding>,
}

impl Seen {
    fn add(&mut self, key: &'static str, args: Vec<(&'static str, String)>) {
        self.found.push(Finding { key, args });
    }
}

/// Reads every photo once.
pub fn verify(store: &dyn Store, blobs: &Blobs) -> Result<Seen, StoreError> {
    let mut known: BTreeMap<PhotoHash, u64> = BTreeMap::new();
    for town in store.towns()? {
        let photos = store::read::<_, StoreError>(store, town, |read| read.photos())?;
        known.extend(photos.into_iter().map(|photo| (photo.hash, photo.bytes)));
    }
    let mut seen = Seen { orphans: orphans::count(store)?, ..Seen::default() };
    for (hash, bytes) in &known {
        match is_file(&blobs.path(hash), *bytes, hash.as_str()) {
            Ok(true) => seen.well += 1,
            Ok(false) => seen.add("keep-found-photo", vec![("hash", hash.to_string())]),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                seen.add("keep-found-no-photo", vec![("hash", hash.to_string())]);
            }
            Err(error) => seen.add("keep-found-unread", vec![("path", hash.to_string()), ("why", error.to_string())]),
        }
    }
    strangers(blobs, &known.into_keys().collect(), &mut seen)
        .map_err(|source| StoreError::Other { action: "listed the folder of photos", source: Box::new(source) })?;
    Ok(seen)
}

/// Files that the database does not know: whole ones are counted, what is no photo by its name or bytes is told.
fn strangers(blobs: &Blobs, known: &BTreeSet<PhotoHash>, seen: &mut Seen) -> io::Result<()> {
    for folder in disk::list(&blobs.root.join("photos"))? {
        let files = if folder.is_folder { disk::list(&folder.path)? } else { vec![folder] };
        for file in files {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let hash: Option<PhotoHash> = name.parse().ok().filter(|hash| blobs.path(hash) == file.path);
            match hash {
                Some(hash) if known.contains(&hash) => {}
                Some(hash) if is_file(&file.path, disk::len(&file.path)?, hash.as_str())? => seen.strangers += 1,
                Some(hash) => seen.add("keep-found-photo", vec![("hash", hash.to_string())]),
                None => seen.add("blobs-found-no-photo", vec![("path", file.path.display().to_string())]),
            }
        }
    }
    Ok(())
}
