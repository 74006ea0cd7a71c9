//! Edits as they come: read one by one, so that one this version cannot read does not keep the others away.

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::wire::{HeldEdit, SyncRequestOf};

use super::round::RoundError;

/// A request with its edits still unread.
pub type Incoming = SyncRequestOf<Box<RawValue>>;

/// One edit of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Offered {
    /// It was read.
    Edit(Edit),
    /// Its id and dot are known and nothing else: it gets its outcome and is kept as it came.
    Unreadable(Unreadable),
}

/// An edit that cannot be read: an unknown kind or member, a bad path, an older or newer version's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id.
    pub id: EditId,
    /// Its place in its slot.
    pub dot: Dot,
    /// What it is for, if that much can be read.
    pub record: Option<RecordId>,
    /// The JSON as it came.
    pub raw: String,
}

impl Offered {
    /// The edit's id.
    pub fn id(&self) -> EditId {
        match self {
            Self::Edit(edit) => edit.id,
            Self::Unreadable(unreadable) => unreadable.id,
        }
    }

    /// The edit's place.
    pub fn dot(&self) -> Dot {
        match self {
            Self::Edit(edit) => edit.dot,
            Self::Unreadable(unreadable) => unreadable.dot,
        }
    }

    /// What it is for, if that much is known.
    pub fn record(&self) -> Option<RecordId> {
        match self {
            Self::Edit(edit) => Some(edit.record),
            Self::Unreadable(unreadable) => unreadable.record,
        }
    }

    /// The edit, if it was read.
    pub fn edit(&self) -> Option<&Edit> {
        match self {
            Self::Edit(edit) => Some(edit),
            Self::Unreadable(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Bare {
    id: EditId,
    dot: Dot,
}

#[derive(Deserialize)]
struct For {
    record: RecordId,
}

/// Reads one edit. An error only where not even id and dot can be read: nothing could be answered then.
fn offered(place: usize, raw: &RawValue) -> Result<Offered, RoundError> {
    match serde_json::from_str::<Edit>(raw.get()) {
        Ok(edit) => Ok(Offered::Edit(edit)),
        Err(_) => {
            let Bare { id, dot } = serde_json::from_str(raw.get()).map_err(|_| RoundError::NoEdit(place))?;
            let record = serde_json::from_str(raw.get()).ok().map(|For { record }| record);
            Ok(Offered::Unreadable(Unreadable { id, dot, record, raw: raw.get().to_owned() }))
        }
    }
}

/// Reads the edits of a request that were refused before. What this version cannot read stays with its author alone.
pub fn read_held(request: &Incoming) -> Result<Vec<HeldEdit<Edit>>, RoundError> {
    let read = |held: &HeldEdit<Box<RawValue>>| {
        let edit = serde_json::from_str(held.edit.get()).ok()?;
        Some(HeldEdit { edit, why: held.why.clone() })
    };
    Ok(request.held.iter().filter_map(read).collect())
}

/// Reads all edits of a request.
pub fn read(request: &Incoming) -> Result<Vec<Offered>, RoundError> {
    request.edits.iter().enumerate().map(|(place, raw)| offered(place, raw)).collect()
}
