//! Who may see a photo, and what is told of one that has not arrived.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::{PhotoHash, RecordId, UserId};
use shared::record::Part;

use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Photo, PhotoLink, Read, StoreError, Tx, Upload};

/// The field whose elements are photos.
const PHOTOS: &str = "photos";

/// Whether `who` may see a photo: they delivered it, or a record they may read links it. A link counts only if who made
/// it delivered the photo or could see it by then: knowing a hash opens nothing.
pub fn may_see(read: &dyn Read, who: &Who, areas: &AreaTree, hash: &PhotoHash) -> Result<bool, StoreError> {
    let senders = read.photo_senders(hash)?;
    if senders.contains(&who.user.id) {
        return Ok(true);
    }
    for link in read.photo_links(hash)? {
        if !link.proved && !link.user.is_some_and(|user| senders.contains(&user)) {
            continue;
        }
        if may_read(read, who, areas, link.record)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn may_read(read: &dyn Read, who: &Who, areas: &AreaTree, record: RecordId) -> Result<bool, StoreError> {
    let parts = read.load_many(&[(record, Part::Open)])?;
    Ok(parts.iter().any(|part| {
        let reach = Reach::of(part);
        authorize(who, Action::Read(Part::Open), Some(&reach), &reach, areas).is_ok()
    }))
}

/// A photo that a record links and that has not arrived whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnItsWay {
    /// When a handheld of who linked it was last heard of.
    pub seen: Option<DateTime<Utc>>,
    /// Their uploads of it, the first begun first; they may have ended.
    pub uploads: Vec<Upload>,
}

/// What is told of a photo that `who` cannot see, where a record they may read links it. Nothing where none does; and of
/// what others than those who linked it sent, nothing at all: a link of one's own asks no questions about other photos.
pub fn on_its_way(
    read: &dyn Read,
    who: &Who,
    areas: &AreaTree,
    hash: &PhotoHash,
) -> Result<Option<OnItsWay>, StoreError> {
    let mut linked = false;
    let mut users: BTreeSet<UserId> = BTreeSet::new();
    for link in read.photo_links(hash)? {
        if may_read(read, who, areas, link.record)? {
            linked = true;
            users.extend(link.user);
        }
    }
    if !linked {
        return Ok(None);
    }
    let devices = read.devices()?.into_iter().filter(|device| users.contains(&device.user));
    let seen = devices.filter_map(|device| Some(device.seen?.at)).max();
    let uploads = read.unfinished_for(hash)?.into_iter().filter(|upload| users.contains(&upload.user)).collect();
    Ok(Some(OnItsWay { seen, uploads }))
}

/// A photo was delivered: it is there for every town whose records link it.
pub fn deliver(tx: &mut dyn Tx, photo: &Photo, sender: UserId) -> Result<(), StoreError> {
    let home = tx.town();
    let towns = tx.photo_towns(&photo.hash)?;
    tx.hold(&towns)?;
    for town in towns.into_iter().filter(|town| *town != home) {
        tx.at(town)?.put_photo(photo, sender)?;
    }
    tx.put_photo(photo, sender)
}

/// The photos an edit links, thumbnails included.
pub fn links(read: &dyn Read, who: &Who, areas: &AreaTree, edit: &Edit) -> Result<Vec<PhotoLink>, StoreError> {
    let mut links = Vec::new();
    let photos = edit.writes.iter().filter(|(path, value)| path.field_name() == PHOTOS && !value.is_null());
    for (path, value) in photos {
        let photo = path.element_name().and_then(|name| name.parse::<PhotoHash>().ok());
        let thumbnail = value.get::<PhotoParticulars>().map(|particulars| particulars.thumbnail);
        for hash in photo.into_iter().chain(thumbnail) {
            let proved = read.photo(&hash)?.is_some() && may_see(read, who, areas, &hash)?;
            links.push(PhotoLink { hash, record: edit.record, user: edit.author.user, proved });
        }
    }
    Ok(links)
}
