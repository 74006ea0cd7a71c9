//! How much one handheld may send: a credential that somebody took, or a program that begins the same photo for ever, does
//! not fill the disk of the town. Whoever is sent away keeps the photo and comes again; nothing is lost by it.

use chrono::{DateTime, TimeDelta, Utc};
use shared::ids::DeviceId;
use uuid::Uuid;

use super::expiry;
use crate::store::{Read, StoreError, Tx, Upload};

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

/// What the quota would say. Counted is what a handheld announces, so that neither what it takes back nor what is no photo can
/// be sent for ever; an hour counts until all of it is a day ago.
pub fn look(read: &dyn Read, upload: &Upload, now: DateTime<Utc>) -> Result<Said, StoreError> {
    let device = device(upload)?;
    let (mut before, mut others) = (Vec::new(), 0);
    for other in read.unfinished_of(device)? {
        if other.hash == upload.hash && other.user == upload.user {
            before.push(other.id);
        } else if expiry::ends(&other).is_some_and(|at| at > now) {
            others += 1;
        }
    }
    let announced = read.announced(device, since(now))?.saturating_add(upload.length);
    Ok(if others >= UNFINISHED || announced > BYTES_A_DAY { Said::Over } else { Said::Begun(before) })
}

/// Begins an upload, unless its handheld has sent enough.
pub fn begin(tx: &mut dyn Tx, upload: &Upload, now: DateTime<Utc>) -> Result<Said, StoreError> {
    let said = look(&*tx, upload, now)?;
    if let Said::Begun(before) = &said {
        tx.announce(device(upload)?, hour(now), upload.length, since(now))?;
        for id in before {
            tx.drop_upload(*id)?;
        }
        tx.put_upload(upload)?;
    }
    Ok(said)
}

fn device(upload: &Upload) -> Result<DeviceId, StoreError> {
    upload.device.ok_or(StoreError::Missing("the handheld of the upload"))
}

fn since(now: DateTime<Utc>) -> i64 {
    hour(now - TimeDelta::hours(24))
}

fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3_600)
}
