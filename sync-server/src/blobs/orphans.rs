//! Photos that nothing refers to, and files in their folder that the database does not know: taken away a month after they
//! came. A link may come after its photo, from a handheld that was out of reach for long; and whoever linked it keeps its
//! own copy for as long.

use chrono::{DateTime, TimeDelta, Utc};

use super::take_away;
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
            let anywhere = || store::read::<_, StoreError>(&*app.store, *town, |read| read.photo_anywhere(&hash));
            if gone && take_away(app, &hash, &anywhere)? {
                cleared.orphans += 1;
            }
        }
    }
    let listed = app.blobs.list().map_err(|source| StoreError::Other {
        action: "looked for photos that nothing refers to",
        source: Box::new(source),
    })?;
    for hash in listed.into_iter().filter(|it| it.written < before).filter_map(|it| it.hash) {
        let _settling = app.blobs.settling();
        let needed = || {
            let mut needed = false;
            for town in &towns {
                needed |= store::read::<_, StoreError>(&*app.store, *town, |read| {
                    Ok(read.photo_anywhere(&hash)? || read.is_referred_to(&hash)?)
                })?;
            }
            Ok(needed)
        };
        if take_away(app, &hash, &needed)? {
            cleared.strangers += 1;
        }
    }
    Ok(cleared)
}
