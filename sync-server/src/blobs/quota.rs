//! How much one handheld may send: a credential that somebody took, or a program that begins the same photo for ever, does
//! not fill the disk of the town. Whoever is sent away keeps the photo and comes again; nothing is lost by it.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Blobs, expiry};
use crate::store::{StoreError, Tx, Upload};

/// Unfinished uploads of one handheld. Of each photo there is one: whoever begins it anew has lost the one before. The app
/// sends one photo after the other, and those of a day without a network one by one.
pub const UNFINISHED: usize = 64;
/// Bytes that one handheld may announce in any 24 hours: some 1,600 photos of 300 kB, a hundred times a busy day.
pub const BYTES_A_DAY: u64 = 500_000_000;
/// Seconds after which another attempt makes sense.
pub const AGAIN: u32 = 3_600;

/// What the quota says of a new upload.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// It is begun. Uploads of the same photo that the handheld had begun before are at an end; their bytes can go.
    Begun(Vec<Uuid>),
    /// Not now.
    Over,
}

/// Begins an upload, unless its handheld has sent enough. Counted is what it announces, so that neither what it takes back
/// nor what is no photo can be sent for ever; an hour counts until all of it is a day ago.
pub fn begin(tx: &mut dyn Tx, blobs: &Blobs, upload: &Upload, now: DateTime<Utc>) -> Result<Said, StoreError> {
    let Some(device) = upload.device else { return Err(StoreError::Missing("the handheld of the upload")) };
    let (mut before, mut others) = (Vec::new(), 0);
    for other in tx.unfinished_of(device)? {
        if other.hash == upload.hash && other.user == upload.user {
            before.push(other.id);
        } else if expiry::ends(&other).is_some_and(|at| at > now) {
            others += 1;
        }
    }
    let since = hour(now - TimeDelta::hours(24));
    if others >= UNFINISHED || tx.announced(device, since)?.saturating_add(upload.length) > BYTES_A_DAY {
        return Ok(Said::Over);
    }
    tx.announce(device, hour(now), upload.length, since)?;
    for id in &before {
        tx.drop_upload(*id)?;
    }
    // Before the row that names it; a file alone goes with the daily look.
    blobs.begin(upload.id).map_err(on_disk)?;
    tx.put_upload(upload)?;
    Ok(Said::Begun(before))
}

fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3_600)
}

fn on_disk(source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Other { action: "began an upload", source: Box::new(source) },
    }
}
