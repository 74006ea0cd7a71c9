//! Every photo against its name: those that records refer to, and those that merely lie in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use shared::ids::PhotoHash;

use super::{Blobs, hash, orphans};
use crate::backup::Finding;
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
pub fn verify(store: &dyn Store, blobs: &dyn Blobs) -> Result<Seen, StoreError> {
    let mut known: BTreeMap<PhotoHash, u64> = BTreeMap::new();
    for town in store.towns()? {
        let photos = store::read::<_, StoreError>(store, town, |read| read.photos())?;
        known.extend(photos.into_iter().map(|photo| (photo.hash, photo.bytes)));
    }
    let mut seen = Seen { orphans: orphans::count(store)?, ..Seen::default() };
    for (hash, bytes) in &known {
        match is_whole(blobs, hash, *bytes) {
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

/// Whether a photo is what was delivered.
pub fn is_whole(blobs: &dyn Blobs, name: &PhotoHash, length: u64) -> io::Result<bool> {
    let bytes = blobs.read(name)?;
    Ok(u64::try_from(bytes.len()).is_ok_and(|read| read == length) && hash(&bytes) == *name)
}

/// Files that the database does not know: whole ones are counted, what is no photo by its name or bytes is told.
fn strangers(blobs: &dyn Blobs, known: &BTreeSet<PhotoHash>, seen: &mut Seen) -> io::Result<()> {
    for listed in blobs.list()? {
        match listed.hash {
            Some(hash) if known.contains(&hash) => {}
            Some(hash) if is_whole(blobs, &hash, listed.bytes)? => seen.strangers += 1,
            Some(hash) => seen.add("keep-found-photo", vec![("hash", hash.to_string())]),
            None => seen.add("blobs-found-no-photo", vec![("path", listed.path)]),
        }
    }
    Ok(())
}
