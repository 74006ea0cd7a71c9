//! The one door between the screens and everything below: what may be asked of a handheld, and what it answers.
//!
//! Methods that are not `async` touch the disk and take a few milliseconds at most (see each): call them from
//! `spawn_blocking`, or directly where that is short enough. All of them may be called from any thread.

mod types;

use std::path::Path as FilePath;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::form::{Form, Position};
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{HistoryEntry, Setup};
use tokio::sync::watch;

use crate::platform::Services;
use crate::store::StoreError;
use crate::sync::SyncProgress;

pub use types::*;

/// A handheld and who uses it. Cheap to clone: all clones are the same handheld.
#[derive(Clone)]
pub struct Handheld(Arc<Inner>);

struct Inner {
    #[allow(dead_code, reason = "being built")]
    services: Services,
    outside: Arc<dyn Outside>,
    progress: watch::Sender<SyncProgress>,
}

/// Why something was not saved. What was typed stays in the form.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The form refuses values; every problem is listed.
    #[error("the form refuses {} values", .0.len())]
    Problems(Vec<Problem>),
    /// There is nothing to save.
    #[error("nothing was changed")]
    Nothing,
    /// Too large or too many writes for one edit.
    #[error("the edit has {bytes} bytes and {writes} writes")]
    TooLarge {
        /// Bytes of JSON.
        bytes: usize,
        /// Writes.
        writes: usize,
    },
    /// This version has no such form, or the field is none of it.
    #[error("the form of {0:?} has no version {1}")]
    NoSuchForm(RecordKind, u32),
    /// The edit is not there (any more), or is in another state.
    #[error("the edit {0} is not in the tray")]
    NotInTray(EditId),
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SaveError {
    /// In words for the user. Problems have their own messages, one each.
    pub fn message(&self) -> Message {
        match self {
            Self::Problems(problems) => Message::of("save-problems").with("count", problems.len()),
            Self::Nothing => Message::of("save-nothing"),
            Self::TooLarge { bytes, .. } => Message::of("save-too-large").with("kilobytes", bytes.div_ceil(1024)),
            Self::NoSuchForm(..) => Message::of("save-no-such-form"),
            Self::NotInTray(_) => Message::of("save-not-in-tray"),
            Self::Store(error) => error.message(),
        }
    }
}

/// Why a sync, an enrolment or a look-up at the server did not come through.
#[derive(Debug, thiserror::Error)]
#[error("{}", .message.key)]
pub struct SyncError {
    /// In words for the user.
    pub message: Message,
    /// What exactly, for the log: without personal data.
    pub detail: String,
    /// When to try again, if that makes sense.
    pub retry: Option<DateTime<Utc>>,
}

/// Why a picture was not taken in or is not there.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.key)]
pub struct PhotoError(pub Message);

impl Handheld {
    /// Opens the handheld whose files lie in `dir`, and the database of who is enrolled.
    ///
    /// A database that cannot be read is set aside under a new name and a new one begun: see [`Handheld::notices`].
    pub fn open(_dir: &FilePath, services: Services, outside: Arc<dyn Outside>) -> Result<Self, StoreError> {
        let (progress, _) = watch::channel(SyncProgress::default());
        Ok(Self(Arc::new(Inner { services, outside, progress })))
    }

    /// What the user has to be told about the opening: a database set aside, a key lost. Empty when all is well.
    pub fn notices(&self) -> Vec<Message> {
        Vec::new()
    }

    /// Who uses the handheld and where; `None` while nobody is enrolled.
    pub fn setup(&self) -> Option<Arc<Setup>> {
        None
    }

    /// The areas this handheld knows: the scope and those above it.
    pub fn areas(&self) -> Arc<AreaTree> {
        Arc::default()
    }

    /// The newest form of a kind.
    pub fn form(&self, _kind: RecordKind) -> Option<Arc<Form>> {
        None
    }

    /// Enrols with a one-time code (blanks and dashes are ignored). An outbox of the same user is kept.
    pub async fn enrol(&self, _server: &str, _code: &str) -> Result<Arc<Setup>, SyncError> {
        Err(SyncError { message: Message::of("sync-unreachable"), detail: String::new(), retry: None })
    }

    /// A fresh id for a new record.
    pub fn new_record_id(&self) -> RecordId {
        RecordId::fresh(self.0.outside.as_ref())
    }

    /// A fresh id for a [`Draft`].
    pub fn new_edit_id(&self) -> EditId {
        EditId::fresh(self.0.outside.as_ref())
    }

    /// The clock: the server's as last seen, carried on by the device's own.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.outside.now()
    }

    /// The page of a record; `None` if this handheld does not hold it. Under 1 ms.
    pub fn record(&self, _id: RecordId) -> Result<Option<RecordPage>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Every problem the form would have with these writes on top of what stands there, without saving.
    pub fn check(&self, _draft: &Draft) -> Result<Vec<Problem>, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Saves: validates, makes one edit (or two, open and restricted), in one transaction that is durable when this
    /// returns. A draft kept under `forget_draft` goes in the same transaction. Under 2 ms and one disk flush.
    pub fn save(&self, _draft: Draft, _forget_draft: Option<&str>) -> Result<Saved, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Decides a field that is 待核对: the edit's context covers every value that stands there. Undo is the same with
    /// [`Handheld::undo_settle`].
    pub fn settle(&self, _record: RecordId, _part: Part, _field: &str, _value: Value) -> Result<Saved, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Takes a decision back: writes what stood before the edit `settled` (several values become 待核对 again).
    pub fn undo_settle(&self, _settled: EditId) -> Result<Saved, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Deletes a record (both parts the user may write). It stays in the feed and can be brought back.
    pub fn delete(&self, _record: RecordId, _deleted: bool) -> Result<Saved, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Search as typed: every word of `query` has to occur in name, pinyin, initials, phone, address or be the full
    /// number of a paper. An empty query lists what was last written first. Up to 3 ms for 50 hits of 72,000.
    pub fn search(&self, _query: &str, _filter: &Filter, _limit: usize, _offset: usize) -> Result<Hits, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// The rows of some records, in that order; those not held are left out.
    pub fn rows(&self, _ids: &[RecordId]) -> Result<Vec<Hit>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// What 今日 shows.
    pub fn today(&self) -> Result<Today, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Events by filter, the most urgent first.
    pub fn events(
        &self,
        _filter: EventFilter,
        _limit: usize,
        _offset: usize,
    ) -> Result<(Vec<EventRow>, bool), StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// One event's state and what this user may do next; `None` if it is not held or is no event.
    pub fn event(&self, _id: RecordId) -> Result<Option<EventRow>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Records with fields that are 待核对, each with these fields.
    pub fn conflicts(&self, _limit: usize, _offset: usize) -> Result<(Vec<(Hit, Vec<OpenField>)>, bool), StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Records that may be the same as the one being entered, the surest first.
    pub fn candidates(&self, _draft: &Draft) -> Result<Vec<Candidate>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Keeps what was typed so far, encrypted, under a key of the page's choice.
    pub fn save_draft(&self, _key: &str, _json: &str) -> Result<(), StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// What was typed.
    pub fn load_draft(&self, _key: &str) -> Result<Option<String>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Every draft kept, newest first: key and when it was kept.
    pub fn drafts(&self) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Forgets a draft.
    pub fn delete_draft(&self, _key: &str) -> Result<(), StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Takes a picture in: upright, small enough, stripped, encrypted, with its thumbnail. About 150 ms. It is sent
    /// once a save links it.
    pub fn take_in(
        &self,
        _bytes: &[u8],
        _position: Option<Position>,
        _at: Option<DateTime<Utc>>,
    ) -> Result<TakenIn, PhotoError> {
        Err(PhotoError(StoreError::NotEnrolled.message()))
    }

    /// JPEG bytes of a photo or thumbnail held on this handheld.
    pub fn picture(&self, _hash: &PhotoHash) -> Result<Option<Vec<u8>>, PhotoError> {
        Err(PhotoError(StoreError::NotEnrolled.message()))
    }

    /// The same, asking the server if it is not held; kept then.
    pub async fn fetch_picture(&self, _hash: &PhotoHash) -> Result<Option<Vec<u8>>, PhotoError> {
        Err(PhotoError(StoreError::NotEnrolled.message()))
    }

    /// The whole history of a record from the server, oldest first.
    pub async fn history(&self, _id: RecordId) -> Result<Vec<HistoryEntry>, SyncError> {
        Err(SyncError { message: Message::of("sync-unreachable"), detail: String::new(), retry: None })
    }

    /// What is still to be delivered, item by item, in the order it goes.
    pub fn outbox(&self) -> Result<Vec<OutboxItem>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Counts of the same.
    pub fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Edits the server did not take, newest first.
    pub fn tray(&self) -> Result<Vec<TrayItem>, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Sends a rejected edit again with other values: a new edit with the old context. `writes` replaces all of it.
    pub fn correct(&self, _edit: EditId, _writes: std::collections::BTreeMap<Path, Value>) -> Result<Saved, SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// Takes a rejected edit back. Ask first: it leaves the tray (and is kept 30 days on the handheld).
    pub fn withdraw(&self, _edit: EditId) -> Result<(), SaveError> {
        Err(StoreError::NotEnrolled.into())
    }

    /// What a sync would carry.
    pub fn estimate(&self) -> Result<Estimate, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// The two lamps.
    pub fn lights(&self) -> Result<Lights, StoreError> {
        Err(StoreError::NotEnrolled)
    }

    /// Starts the sync that runs by itself: at start, after a save, on [`Handheld::wake`], and by its back-off. Call
    /// once, inside a tokio runtime; ends with the last clone of the handheld.
    pub fn start(&self) {}

    /// Asks the running sync to try now.
    pub fn wake(&self) {}

    /// Syncs until nothing is left, or says why not.
    pub async fn sync_now(&self) -> Result<(), SyncError> {
        Err(SyncError { message: Message::of("sync-unreachable"), detail: String::new(), retry: None })
    }

    /// The sync as it moves.
    pub fn progress(&self) -> watch::Receiver<SyncProgress> {
        self.0.progress.subscribe()
    }

    /// "No network": nothing is sent until it is switched back.
    pub fn set_offline(&self, _offline: bool) {}

    /// Whether it is switched to "no network".
    pub fn is_offline(&self) -> bool {
        false
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        Settings::default()
    }

    /// Changes the settings, durably.
    pub fn set_settings(&self, _change: impl FnOnce(&mut Settings)) -> Result<(), StoreError> {
        Ok(())
    }

    /// A fix of where the handheld is: the first of 20 m or better within 20 s, else the best there was.
    pub async fn position(&self) -> Option<Position> {
        self.0.services.location.fix().await
    }
}
