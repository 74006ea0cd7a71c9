//! Who may see a photo.

use shared::area::AreaTree;
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::PhotoHash;
use shared::record::Part;

use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{PhotoLink, Read, StoreError};

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
        for part in read.load_many(&[(link.record, Part::Open)])? {
            let reach = Reach::of(&part);
            if authorize(who, Action::Read(Part::Open), Some(&reach), &reach, areas).is_ok() {
                return Ok(true);
            }
        }
    }
    Ok(false)
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
