//! Whether what a store holds agrees with itself: every part with the fold of its edits, every slot with its edits,
//! the audit with its own chain.

use std::io;

use shared::calendar::Calendar;
use shared::ids::PhotoHash;
use shared::merge::{Deletion, PartState};
use shared::record::Part;

use super::Finding;
use crate::auth::authorize::Reach;
use crate::store::{self, PartFilter, Read, Store, StoreError, StoredPart};
use crate::sync::projection;
use crate::sync::rebuild::anew;

/// Looks at all of a store; what is wrong is added to `found`.
pub fn store(store: &dyn Store, calendar: &Calendar, found: &mut Vec<Finding>) -> Result<(), StoreError> {
    for checked in crate::audit::check(store, &[])?.towns {
        found.extend(checked.fault.map(|fault| fault.finding(&checked.name)));
    }
    for town in store.towns()? {
        store::read::<_, StoreError>(store, town, |read| {
            parts(read, calendar, found)?;
            for record in read.without_part()? {
                found.push(Finding::new("keep-found-no-part", &[("record", &record)]));
            }
            for slot in read.overflown()? {
                let args: [(&str, &dyn std::fmt::Display); 3] =
                    [("slot", &slot.slot), ("mark", &slot.high_water), ("n", &slot.highest)];
                found.push(Finding::new("keep-found-high-water", &args));
            }
            for erased in read.erased()? {
                if read.holds_anything_of(erased.record)? {
                    found.push(Finding::new("keep-found-erased", &[("record", &erased.record)]));
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn parts(read: &dyn Read, calendar: &Calendar, found: &mut Vec<Finding>) -> Result<(), StoreError> {
    for part in Part::ALL {
        let all = PartFilter { part, with_merged: true, ..PartFilter::default() };
        read.each_part(&all, &mut |stored| {
            let (open, restricted) = anew(read, stored.record)?;
            let right = if part == Part::Open { open } else { restricted };
            let wrong = match serde_json::from_str::<PartState>(&stored.state) {
                Err(_) => Some("keep-found-unreadable"),
                Ok(state) if state != right => Some("keep-found-altered"),
                Ok(state) if !is_beside(&stored, &state, calendar) => Some("keep-found-beside"),
                Ok(_) => None,
            };
            if let Some(key) = wrong {
                found.push(Finding::new(key, &[("record", &stored.record), ("part", &part.code())]));
            }
            Ok(true)
        })?;
    }
    Ok(())
}

/// Whether what decides rights stands beside the state as it follows from it.
fn is_beside(stored: &StoredPart, state: &PartState, calendar: &Calendar) -> bool {
    let deleted = stored.deleted == (state.deletion() == Deletion::Deleted);
    if stored.part == Part::Restricted {
        return deleted;
    }
    let reach = projection::reach(stored.kind, state, calendar);
    deleted && Reach::of(stored) == reach
}

/// Looks at every photo of a store: there, and of its hash.
pub fn photos(
    store: &dyn Store,
    is_whole: &dyn Fn(&PhotoHash, u64) -> io::Result<bool>,
    found: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    for town in store.towns()? {
        for photo in store::read::<_, StoreError>(store, town, |read| read.photos())? {
            match is_whole(&photo.hash, photo.bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    found.push(Finding::new("keep-found-no-photo", &[("hash", &photo.hash)]));
                }
                Err(error) => {
                    found.push(Finding::new("keep-found-unread", &[("path", &photo.hash), ("why", &error)]));
                }
                Ok(false) => found.push(Finding::new("keep-found-photo", &[("hash", &photo.hash)])),
                Ok(true) => {}
            }
        }
    }
    Ok(())
}
