//! What each user of a handheld has not delivered, told to the others: one small file a user, numbers only, for the
//! databases of others are closed. It says less than there may be only if the app was killed within a save.

use serde::{Deserialize, Serialize};
use shared::ids::UserId;

use super::session::{Inner, Session};
use crate::store::StoreError;

/// What stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Delivery {
    /// Edits and photos without a receipt.
    undelivered: u64,
    /// All of it is delivered and in a backup of the server.
    safe: bool,
}

const FILE: &str = "delivery.json";

impl Inner {
    /// Notes for the others how far the user of this session is. A file that cannot be written is no reason to fail.
    pub(super) fn note_delivery(&self, session: &Session) {
        let told = self.tell_delivery(session);
        if let Err(error) = told {
            tracing::warn!(%error, "what is not delivered could not be noted for the other users");
        }
    }

    fn tell_delivery(&self, session: &Session) -> Result<(), StoreError> {
        let counts = session.store.counts()?;
        let lights = session.lights(0)?;
        let delivery = Delivery { undelivered: counts.edits + counts.photos, safe: lights.safe_to_hand_in };
        if !session.is_news((delivery.undelivered, delivery.safe)) {
            return Ok(());
        }
        let me = session.setup().user.id;
        let others = self.others(me)?;
        let waits = |other: &Option<Delivery>| other.is_some_and(|other| other.undelivered > 0);
        self.services().device.undelivered(delivery.undelivered > 0 || others.iter().any(waits));
        let path = self.paths().user(me).join(FILE);
        let json = serde_json::to_vec(&delivery).unwrap_or_default();
        disk::replace(&path, &json).map_err(|source| StoreError::File {
            what: "noting what is delivered",
            path,
            source,
        })
    }

    /// How many others who use this handheld have something that is not delivered, or in no backup.
    pub(super) fn others_open(&self, me: UserId) -> Result<u64, StoreError> {
        let others = self.others(me)?;
        Ok(others.iter().filter(|other| other.is_none_or(|delivery| !delivery.safe)).count() as u64)
    }

    /// What the others told; one who has not told used an earlier version of the app, or never saved anything.
    fn others(&self, me: UserId) -> Result<Vec<Option<Delivery>>, StoreError> {
        let folder = self.paths().users();
        let read = |source| StoreError::File { what: "looking for other users", path: folder.clone(), source };
        let mut others = Vec::new();
        for entry in disk::list(&folder).map_err(read)? {
            let name = entry.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !entry.is_folder || name == me.to_string() {
                continue;
            }
            let told = disk::read(&entry.path.join(FILE)).ok();
            others.push(told.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
        }
        Ok(others)
    }
}
