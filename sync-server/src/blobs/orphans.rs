//! Photos that nothing refers to, and files in their folder that the database does not know: taken away a month after they
//! came. A link may come after its photo, from a handheld that was out of reach for long; and whoever linked it keeps its
//! own copy for as long.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use shared::ids::PhotoHash;

use super::Blobs;
use crate::AppState;
use crate::store::{self, Store, StoreError};

/// How long a photo lies here that nothing refers to.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// What was taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Photos that nothing referred to.
    pub orphans: usize,
    /// Files that the database did not know.
    pub strangers: usize,
}

/// How many photos nothing refers to, whenever they came.
pub fn count(store: &dyn Store) -> Result<usize, StoreError> {
    let mut count = 0;
    for town in store.towns()? {
        count += store::read::<_, StoreError>(store, town, |read| read.orphans(DateTime::<Utc>::MAX_UTC))?.len();
    }
    Ok(count)
}

/// Takes both away. The row goes before its file: when the server dies between the two, the file belongs to nobody and goes
/// as a stranger. The other way round a photo would be missing that the database says is here.
pub fn clear(app: &AppState) -> Result<Cleared, StoreError> {
    let Some(before) = app.outside.now().checked_sub_signed(KEPT) else { return Ok(Cleared::default()) };
    let towns = app.store.towns()?;
    let mut cleared = Cleared::default();
    for town in &towns {
        // Looked for without holding up who writes, and once more, one by one, where nobody comes between.
        for hash in store::read::<_, StoreError>(&*app.store, *town, |read| read.orphans(before))? {
            let _settling = app.blobs.settling();
            let gone = store::write::<_, StoreError>(&*app.store, *town, |tx| {
                let old = tx.photo(&hash)?.is_some_and(|photo| photo.received < before);
                if !old || tx.is_referred_to(&hash)? {
                    return Ok(false);
                }
                tx.drop_photo(&hash)?;
                Ok(true)
            })?;
            // Another town may have the same.
            if gone && !store::read::<_, StoreError>(&*app.store, *town, |read| read.photo_anywhere(&hash))? {
                app.blobs.drop_photo(&hash).map_err(files)?;
                cleared.orphans += 1;
            }
        }
    }
    for hash in app.blobs.photos_of_before(before).map_err(files)? {
        let _settling = app.blobs.settling();
        let mut needed = false;
        for town in &towns {
            needed |= store::read::<_, StoreError>(&*app.store, *town, |read| {
                Ok(read.photo_anywhere(&hash)? || read.is_referred_to(&hash)?)
            })?;
        }
        if !needed {
            app.blobs.drop_photo(&hash).map_err(files)?;
            cleared.strangers += 1;
        }
    }
    Ok(cleared)
}

fn files(source: io::Error) -> StoreError {
    StoreError::Other { action: "looked for photos that nothing refers to", source: Box::new(source) }
}

impl Blobs {
    /// Photos whose files were last written before a moment, by their names.
    fn photos_of_before(&self, before: DateTime<Utc>) -> io::Result<Vec<PhotoHash>> {
        let mut found = Vec::new();
        for folder in disk::list(&self.root.join("photos"))?.into_iter().filter(|entry| entry.is_folder) {
            for file in disk::list(&folder.path)? {
                let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let hash: Option<PhotoHash> = name.parse().ok().filter(|hash| self.path(hash) == file.path);
                let Some(hash) = hash else { continue };
                match disk::modified(&file.path) {
                    Ok(at) if DateTime::<Utc>::from(at) < before => found.push(hash),
                    // Erased just now.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}
