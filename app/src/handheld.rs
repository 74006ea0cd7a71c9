//! The one door between the screens and everything below: what may be asked of a handheld, and what it answers.
//!
//! Methods that are not `async` touch the disk and take a few milliseconds at most (see each): call them from
//! `spawn_blocking`, or directly where that is short enough. All of them may be called from any thread.

mod closing;
mod delivery;
mod diagnostics;
mod door;
#[cfg(test)]
mod door_tests;
mod enrolment;
mod farewell;
#[cfg(test)]
mod look_tests;
mod map;
mod moving;
mod photos;
#[cfg(test)]
mod photos_tests;
mod reading;
mod saving;
mod session;
#[cfg(test)]
mod stuck_tests;
mod syncing;
#[cfg(test)]
mod tests;
mod types;
mod update;
#[cfg(test)]
mod work_tests;

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::form::{Form, Position};
use shared::ids::{EditId, PhotoHash, RecordId, UserId};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{HistoryEntry, Setup};
use shared::workflow::{Limit, MAX_DAYS};
use tokio::sync::watch;

use crate::photo::Codes;
use crate::platform::Services;
use crate::store::{Checked, ExportError, Exported, Rules, StoreError};
use crate::sync::{Fetched, SyncProgress};
use session::Inner;

pub use closing::{Closed, Closing};
pub use door::{AWAY, Door, Resident, key_behind};
pub use moving::moved_from;
pub use types::*;
pub use update::Update;

/// In a look: not one field but the restricted part was shown.
pub const RESTRICTED: &str = "restricted";

/// A handheld and who uses it. Cheap to clone: all clones are the same handheld.
#[derive(Clone)]
pub struct Handheld(pub(crate) Arc<Inner>);

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
    /// What is restricted of the record cannot be read until the next sync, see [`RecordPage::closed`].
    #[error("the lease of what is restricted is over")]
    LeaseOver,
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
            Self::LeaseOver => Message::of("save-lease-over"),
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
    /// The server asked to wait until then: a save does not bring it forward, only the user does.
    pub asked_to_wait: bool,
}

/// Why a picture was not taken in or is not there.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.key)]
pub struct PhotoError(pub Message);

impl Handheld {
    /// Opens the handheld whose files lie in `dir`. The databases of its users stay closed until [`Handheld::unlock`].
    pub fn open(dir: &FilePath, services: Services, outside: Arc<dyn Outside>) -> Result<Self, StoreError> {
        Self::open_with(dir, services, outside, session::rules()?)
    }

    /// The same by other forms than those that come with this app: how an older version of it, or a newer one, behaves.
    pub fn open_with(
        dir: &FilePath,
        services: Services,
        outside: Arc<dyn Outside>,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        Inner::open(dir, services, outside, rules).map(|inner| Self(Arc::new(inner)))
    }

    /// What the user has to be told about the opening: a database set aside. Empty when all is well.
    pub fn notices(&self) -> Vec<Message> {
        self.0.notices()
    }

    /// Who uses the handheld and where; `None` while nobody is enrolled.
    pub fn setup(&self) -> Option<Arc<Setup>> {
        self.0.setup()
    }

    /// The areas this handheld knows: the scope and those above it.
    pub fn areas(&self) -> Arc<AreaTree> {
        self.0.session().map(|session| session.areas()).unwrap_or_default()
    }

    /// The newest form of a kind.
    pub fn form(&self, kind: RecordKind) -> Option<Arc<Form>> {
        self.0.rules().form(kind)
    }

    /// The limits offered to who gives an event to somebody: urgent, ordinary, difficult, and the most there is.
    pub fn limits(&self) -> [Limit; 4] {
        let limits = self.0.rules().calendar.limits();
        [limits.of(Some("urgent")), limits.of(None), limits.of(Some("difficult")), Limit::Days(MAX_DAYS)]
    }

    /// Enrols with a one-time code (blanks and dashes are ignored) and sets the PIN. An outbox of the same user is kept: the
    /// centre opens it, whatever the PIN was.
    pub async fn enrol(&self, server: &str, code: &str, pin: &str) -> Result<Arc<Setup>, SyncError> {
        self.0.enrol(server, code, pin).await
    }

    /// What the screen shows first.
    pub fn door(&self) -> Door {
        self.0.door()
    }

    /// Opens the database of `user` if the PIN is theirs; as slow as [`crate::lock::Cost`] makes it.
    ///
    /// A database that cannot be read is set aside under a new name and a new one begun: see [`Handheld::notices`]. A
    /// database from the future, a read-only or a busy one is an error and stays as it is.
    pub fn unlock(&self, user: UserId, pin: &str) -> Result<(), StoreError> {
        self.0.unlock(user, pin)
    }

    /// Hands the terminal in, as far as its user is concerned: refused unless 可以交机 is lit and the server agrees. Then the
    /// enrolment has ended and their data are erased here.
    pub async fn hand_over(&self) -> Result<(), SyncError> {
        self.0.hand_over().await
    }

    /// Closes the database of who is in. What was typed and not saved is a draft, if its page kept one.
    pub fn lock(&self) {
        self.0.lock();
    }

    /// The screen went out of sight: told again while it stays so. After [`AWAY`] the handheld is locked.
    pub fn left(&self) {
        self.0.left();
    }

    /// The screen is in sight again. If it was away for too long it is locked first.
    pub fn back(&self) {
        self.0.back();
    }

    /// Sets the PIN of who is in. `old` is the one there was; who never had one gives none.
    pub fn set_pin(&self, old: Option<&str>, new: &str) -> Result<(), StoreError> {
        self.0.set_pin(old, new)
    }

    /// A fresh id for a new record.
    pub fn new_record_id(&self) -> RecordId {
        RecordId::fresh(self.0.outside())
    }

    /// A fresh id for a [`Draft`].
    pub fn new_edit_id(&self) -> EditId {
        EditId::fresh(self.0.outside())
    }

    /// The clock: the server's as last seen, carried on by the device's own.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    /// The page of a record; `None` if this handheld does not hold it. Under 1 ms.
    pub fn record(&self, id: RecordId) -> Result<Option<RecordPage>, StoreError> {
        self.0.reading()?.page(id)
    }

    /// Every problem the form would have with these writes on top of what stands there, without saving.
    pub fn check(&self, draft: &Draft) -> Result<Vec<Problem>, SaveError> {
        self.0.session()?.check(draft)
    }

    /// Saves: validates, makes one edit (or two, open and restricted), in one transaction that is durable when this
    /// returns. A draft kept under `forget_draft` goes in the same transaction. Under 2 ms and one disk flush.
    pub fn save(&self, draft: Draft, forget_draft: Option<&str>) -> Result<Saved, SaveError> {
        self.0.saved(self.0.session()?.save(&self.0, draft, forget_draft))
    }

    /// Decides a field that is 待核对: the edit's context covers every value that stands there. Undo is the same with
    /// [`Handheld::undo_settle`].
    pub fn settle(&self, record: RecordId, part: Part, field: &str, value: Value) -> Result<Saved, SaveError> {
        self.0.saved(self.0.session()?.settle(&self.0, record, part, field, value))
    }

    /// Takes a decision back: what stood before the edit `settled` stands again; several values are 待核对 again.
    pub fn undo_settle(&self, settled: EditId) -> Result<Saved, SaveError> {
        self.0.saved(self.0.session()?.undo(&self.0, settled))
    }

    /// Closes events together: each is judged as the server will, those that may be closed are saved in one transaction,
    /// the others stay as they are.
    pub fn close_together(&self, closings: &[Closing]) -> Result<Closed, SaveError> {
        self.0.saved(self.0.session()?.close_together(&self.0, closings))
    }

    /// Deletes a record or brings it back. It stays in the feed.
    pub fn delete(&self, record: RecordId, deleted: bool) -> Result<Saved, SaveError> {
        self.0.saved(self.0.session()?.delete(&self.0, record, deleted))
    }

    /// Search as typed: every word of `query` has to occur in name, pinyin, initials, phone, address or be the full
    /// number of a paper. An empty query lists the newest first. Up to 3 ms for 50 hits of 72,000.
    pub fn search(&self, query: &str, filter: &Filter, limit: usize, offset: usize) -> Result<Hits, StoreError> {
        self.0.session()?.search(query, filter, limit, offset, self.now())
    }

    /// The rows of some records, in that order; those not held are left out.
    pub fn rows(&self, ids: &[RecordId]) -> Result<Vec<Hit>, StoreError> {
        self.0.session()?.rows(ids, self.now())
    }

    /// What 今日 shows.
    pub fn today(&self) -> Result<Today, StoreError> {
        self.0.reading()?.today(self.now())
    }

    /// The visits of [`Handheld::today`].
    pub fn visits_due(&self) -> Result<Vec<DueVisit>, StoreError> {
        self.0.reading()?.visits_due(self.now())
    }

    /// Records by kind, deleted ones not counted.
    pub fn kinds(&self) -> Result<BTreeMap<RecordKind, u64>, StoreError> {
        Ok(self.0.session()?.store.kinds())
    }

    /// When a record was last visited; `None`: never, as far as this handheld knows.
    pub fn last_visit(&self, id: RecordId) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.0.session()?.store.last_visit(id)?.and_then(DateTime::from_timestamp_millis))
    }

    /// The 专项排查 of which something remains here.
    pub fn campaigns(&self) -> Result<Vec<CampaignLeft>, StoreError> {
        self.0.session()?.campaigns(self.now())
    }

    /// One 专项排查, also if it is over or nothing of it remains here; `None` if it is not held or is none.
    pub fn campaign(&self, id: RecordId) -> Result<Option<CampaignLeft>, StoreError> {
        self.0.session()?.campaign(id, self.now())
    }

    /// The events of a list, the most urgent first, and whether there are more.
    pub fn events(
        &self,
        query: impl Into<EventQuery>,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<EventRow>, bool), StoreError> {
        self.0.session()?.events(&query.into(), limit, offset, self.now())
    }

    /// One event's state and what this user may do next; `None` if it is not held or is no event.
    pub fn event(&self, id: RecordId) -> Result<Option<EventRow>, StoreError> {
        self.0.session()?.event(id, self.now())
    }

    /// Records with fields that are 待核对, each with these fields, and whether there are more.
    pub fn conflicts(&self, limit: usize, offset: usize) -> Result<(Vec<Conflict>, bool), StoreError> {
        self.0.reading()?.conflicts(limit, offset, self.now())
    }

    /// Decisions on 待核对 fields made on this handheld that still stand, the last one first: what
    /// [`Handheld::undo_settle`] can take back.
    pub fn decisions(&self, limit: usize) -> Result<Vec<Decision>, StoreError> {
        self.0.reading()?.store.decisions(limit)
    }

    /// What others decided where the user had filled in a value, and the user has not seen yet.
    pub fn told(&self) -> Result<Vec<Told>, StoreError> {
        let session = self.0.reading()?;
        session.store.decided_by_others(session.setup().user.id)
    }

    /// Notes that the user has seen these: the own edit and the one that decided, of each.
    pub fn note_told(&self, seen: &[(EditId, EditId)]) -> Result<(), StoreError> {
        self.0.session()?.store.note_told(seen)
    }

    /// Records that may be the same as the one being entered, the surest first.
    pub fn candidates(&self, draft: &Draft) -> Result<Vec<Candidate>, StoreError> {
        self.0.session()?.candidates(draft, self.now())
    }

    /// Keeps what was typed so far, encrypted, under a key of the page's choice.
    pub fn save_draft(&self, key: &str, json: &str) -> Result<(), StoreError> {
        self.0.session()?.store.save_draft(key, json, self.0.outside().now())
    }

    /// Whether this is the first page since the user was let in. True once.
    pub fn begins(&self) -> bool {
        self.0.session().is_ok_and(|session| session.begins())
    }

    /// What was typed.
    pub fn load_draft(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.0.session()?.store.load_draft(key)
    }

    /// Every draft kept, newest first: key and when it was kept.
    pub fn drafts(&self) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        self.0.session()?.store.drafts()
    }

    /// Forgets a draft.
    pub fn delete_draft(&self, key: &str) -> Result<(), StoreError> {
        self.0.session()?.store.delete_draft(key)
    }

    /// Takes a picture in: upright, small enough, stripped, encrypted, with its thumbnail. About 150 ms. It is sent
    /// once a save links it.
    pub fn take_in(
        &self,
        bytes: &[u8],
        position: Option<Position>,
        at: Option<DateTime<Utc>>,
    ) -> Result<TakenIn, PhotoError> {
        self.0.take_in(bytes, position, at)
    }

    /// The texts of the QR codes in a picture, one at least; or, in words, why none can be read. Nothing of it is kept. Up to a
    /// second.
    pub fn read_codes(&self, picture: &[u8]) -> Result<Vec<String>, Message> {
        let read = crate::photo::read_codes(picture);
        self.0.services().device.forget_pictures();
        match read {
            Ok(Codes::Read(texts)) => Ok(texts),
            Ok(Codes::Unclear) => Err(Message::of("scan-unclear")),
            Ok(Codes::None) => Err(Message::of("scan-none")),
            Err(bad) => Err(bad.message()),
        }
    }

    /// JPEG bytes of a photo or thumbnail held on this handheld.
    pub fn picture(&self, hash: &PhotoHash) -> Result<Option<Vec<u8>>, PhotoError> {
        self.0.picture(hash)
    }

    /// The same, asking the server if it is not held; kept then. After a break the next call goes on where it broke.
    pub async fn fetch_picture(&self, hash: &PhotoHash) -> Result<Fetched, PhotoError> {
        self.0.fetch_picture(hash).await
    }

    /// The whole history of a record from the server, oldest first.
    pub async fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>, SyncError> {
        self.0.history(id).await
    }

    /// What is still to be delivered, item by item, in the order it goes.
    pub fn outbox(&self) -> Result<Vec<OutboxItem>, StoreError> {
        self.0.outbox()
    }

    /// Counts of the same.
    pub fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.0.session()?.counts()
    }

    /// Edits the server did not take, newest first.
    pub fn tray(&self) -> Result<Vec<TrayItem>, StoreError> {
        self.0.session()?.tray()
    }

    /// Sends a rejected edit again with other values: a new edit with the old context. `writes` replaces all of it.
    pub fn correct(&self, edit: EditId, writes: BTreeMap<Path, Value>) -> Result<Saved, SaveError> {
        self.0.saved(self.0.session()?.correct(&self.0, edit, writes))
    }

    /// Notes that the user asked to see a masked field in full; the next sync tells the server. Show it only once this
    /// returned.
    pub fn note_look(&self, record: RecordId, field: &str) -> Result<(), StoreError> {
        self.0.session()?.store.note_look(record, field, self.0.outside())
    }

    /// Takes a rejected edit back. Ask first: it leaves the tray (and is kept 30 days on the handheld).
    pub fn withdraw(&self, edit: EditId) -> Result<(), SaveError> {
        let withdrawn = self.0.session()?.store.withdraw(edit)?;
        if withdrawn { Ok(()) } else { Err(SaveError::NotInTray(edit)) }
    }

    /// Writes everything that is not delivered into a file that only the centre opens: for when this handheld cannot send
    /// any more. It changes nothing here.
    pub fn export_outbox(&self, to: &FilePath) -> Result<Exported, ExportError> {
        match self.0.session() {
            Ok(session) => session.store.export_outbox(to, self.0.outside().now()),
            // Also of a database that may not be opened: a newer version of the app wrote it, or it cannot be written.
            Err(_) => self.0.export_refused(to),
        }
    }

    /// Where an export is put if nobody says otherwise.
    pub fn export_path(&self) -> PathBuf {
        session::export_path(self.0.paths().root(), self.0.outside())
    }

    /// Offers a file that was written here to the other programs of the device, if it has such a way.
    pub fn share(&self, file: &FilePath, mime: &str) -> bool {
        self.0.services().device.share(file, mime)
    }

    /// What a sync would carry.
    pub fn estimate(&self) -> Result<Estimate, StoreError> {
        self.0.estimate()
    }

    /// The two lamps.
    pub fn lights(&self) -> Result<Lights, StoreError> {
        let session = self.0.session()?;
        let others = self.0.others_open(session.setup().user.id)?;
        session.lights(others)
    }

    /// Starts the sync that runs by itself: at start, after a save, on [`Handheld::wake`], and by its back-off. Call
    /// once, inside a tokio runtime; ends with the last clone of the handheld.
    pub fn start(&self) {
        syncing::start(&self.0);
    }

    /// Asks the running sync to try now.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// Syncs until nothing is left, or says why not.
    pub async fn sync_now(&self) -> Result<(), SyncError> {
        self.0.sync().await
    }

    /// Syncs and compares all that is held here with the server, now.
    pub async fn check_data(&self) -> Result<(), SyncError> {
        self.0.session()?.store.ask_check()?;
        self.0.sync().await
    }

    /// What the last comparison gave, and how many records this version cannot read.
    pub fn checked(&self) -> Result<(Checked, u64), StoreError> {
        let session = self.0.session()?;
        Ok((session.store.checked()?, session.store.aside()?))
    }

    /// The sync as it moves.
    pub fn progress(&self) -> watch::Receiver<SyncProgress> {
        self.0.progress()
    }

    /// "No network": nothing is sent until it is switched back.
    pub fn set_offline(&self, offline: bool) {
        self.0.set_offline(offline);
    }

    /// Notes by what the pages are shown, as it calls itself; the centre is told with the next sync.
    pub fn shown_by(&self, user_agent: &str) {
        self.0.shown_by(user_agent);
    }

    /// Whether it is switched to "no network".
    pub fn is_offline(&self) -> bool {
        self.0.is_offline()
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.0.settings()
    }

    /// Changes the settings, durably.
    pub fn set_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), StoreError> {
        self.0.set_settings(change)
    }

    /// A fix of where the handheld is: the first of 20 m or better within 20 s, else the best there was.
    pub async fn position(&self) -> Option<Position> {
        self.0.services().location.fix().await
    }

    /// The store of who is enrolled: for diagnostics, benches and tests, not for screens.
    pub fn store(&self) -> Result<Arc<crate::store::Store>, StoreError> {
        self.0.session().map(|session| Arc::clone(&session.store))
    }
}
