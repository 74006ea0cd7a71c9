//! What the server keeps, behind one trait: synchronous, keyed by town, set-based, called inside `spawn_blocking`.
//!
//! What the trait guarantees, and `store/tests.rs` checks against every implementation:
//! - the work of [`Store::with_tx`] is applied whole or not at all, and is durable when the call returns;
//! - one write transaction of a town runs at a time; a sequence number taken in it becomes visible in order;
//! - [`Store::with_read`] sees one moment and never waits for a writer.

mod approval;
pub mod audit;
mod columns;
mod common;
mod doubts;
mod edition;
mod events;
mod imports;
mod intake;
mod keep;
mod model;
mod outcome;
mod parts;
pub mod place;
pub mod postgres;
mod second;
pub mod sqlite;
mod states;
#[cfg(test)]
mod tests;
mod titles;
mod towns;
mod uploads;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use shared::area::{Area, AreaId};
use shared::ids::{DeviceId, EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::Part;
use shared::wire::Rejection;
use uuid::Uuid;

use crate::sync::incoming::Unreadable;

pub use approval::{Approval, KeepApprovals, ReadApprovals};
pub use audit::{AuditEntry, AuditFilter, AuditHead, AuditMark, Audited};
pub use doubts::*;
pub use edition::{Edition, KeepEditions, ReadEditions};
pub use events::*;
pub use imports::{KeepImports, ReadImports, StoredImport};
pub use intake::{KeepIntake, ReadIntake, Reporter, Told, Tray};
pub use keep::{Erased, Gone, Keep, Kept, Overflown};
pub use model::*;
pub use parts::*;
pub use second::{KeepSecond, ReadSecond, SecondFactor};
pub use states::{bad_state, raw_state};
pub use titles::{ReadTitles, Titled};
pub use towns::{KeepTowns, Moved, ReadTowns};
pub use uploads::{KeepUploads, ReadUploads};

/// What can go wrong below: all of it lies outside the protocol. Texts hold no personal data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the quota of the store, is full. Nothing was applied.
    #[error("the store is full")]
    Full,
    /// Another process held the store for too long.
    #[error("the store is busy")]
    Busy,
    /// The file was written by a newer version of this program.
    #[error("the store has schema version {found}, this program knows {known}; start a newer program")]
    FromTheFuture {
        /// What the file says.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Stored bytes do not read as what they should be.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Kind of thing and, where harmless, its id.
        what: String,
        /// The parser's words.
        why: String,
    },
    /// Something that must be unique was there already (a login, a slot).
    #[error("{0} exists already")]
    Exists(&'static str),
    /// What an operation was for is not there.
    #[error("{0} does not exist")]
    Missing(&'static str),
    /// The address of a database cannot be read. It is not told: a password may stand in it.
    #[error("the address of the database is none; it looks like postgres://user:password@host/database")]
    Address,
    /// A database on another machine that is to be spoken to without TLS.
    #[error("the address asks for sslmode=disable; without TLS only a database on this machine is opened")]
    Open,
    /// A database that may lose what it confirmed.
    #[error("PostgreSQL's setting {0} is off: it would lose what it confirmed when the power fails; set it on")]
    Forgetful(&'static str),
    /// A copy was asked for of a store that has its own means for it.
    #[error(
        "the store is in PostgreSQL: its backups are made there, by pg_basebackup and the archive of its log (WAL)"
    )]
    Elsewhere,
    /// Anything else.
    #[error("the store failed while it {action}")]
    Other {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a write transaction ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Keep all of it.
    Commit,
    /// Keep nothing of it.
    Rollback,
}

/// A log that is archived, file by file; their names are in the order of what stands in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The file that is being written to.
    pub writing: String,
    /// The last one that the archive has; empty where it has none.
    pub archived: String,
}

/// The turn to do what one process at a time does. It ends with the value.
pub type Turn = Box<dyn std::any::Any + Send>;

/// The store. See [`write`] and [`read`] for the comfortable doors.
pub trait Store: Send + Sync {
    /// Runs `work` in one write transaction of `town`. `work` may be run again from the start if the store asks for it.
    fn with_tx(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
    ) -> Result<(), StoreError>;

    /// Runs `work` on one moment of `town`.
    fn with_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Every town there is, in order of ids.
    fn towns(&self) -> Result<Vec<AreaId>, StoreError>;
    /// Every town of which something stands in the audit, 0 for what stands above the towns.
    fn audited_towns(&self) -> Result<Vec<AreaId>, StoreError>;
    /// Every area there is.
    fn areas(&self) -> Result<Vec<Area>, StoreError>;
    /// Grows whenever an area or a user changes.
    fn directory_version(&self) -> Result<u64, StoreError>;
    /// The present epoch.
    fn epoch(&self) -> Result<u32, StoreError>;
    /// [`Read::standing`] of a town.
    fn standing(&self, town: AreaId) -> Result<Standing, StoreError>;
    /// The device that holds the token of this SHA-256, whatever its town.
    fn device_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Device, User)>, StoreError>;
    /// The device that writes under a slot, whatever its town.
    fn device_by_slot(&self, slot: Slot) -> Result<Option<(Device, User)>, StoreError>;
    /// The session whose token has this SHA-256, whatever its town; with its user.
    fn session_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Session, User)>, StoreError>;
    /// The user of a login name, whatever the town.
    fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError>;
    /// The town and user of an unused enrolment code's SHA-256, and when it ends.
    fn enrol_code(&self, hash: &[u8; 32]) -> Result<Option<EnrolCode>, StoreError>;
    /// Adds or replaces areas; all towns see them.
    fn put_areas(&self, areas: &[Area]) -> Result<(), StoreError>;
    /// Writes all of it, as it stands at one moment, to a new file; writers go on meanwhile. Not durable yet.
    fn snapshot(&self, to: &Path) -> Result<(), StoreError>;
    /// Makes what was deleted unreadable in the files too: no free page or log keeps a remnant. Holds up writers for
    /// seconds and needs as much room again.
    fn scrub(&self) -> Result<(), StoreError>;

    /// The turn to do something of that name, where several processes share the store; none while another one has it.
    fn turn(&self, _what: &str) -> Result<Option<Turn>, StoreError> {
        Ok(Some(Box::new(())))
    }
    /// The log of the store that somebody archives; none where nobody does.
    fn archive(&self) -> Result<Option<Archive>, StoreError> {
        Ok(None)
    }
    /// On which line of history the store is, where another one can take its place behind the program's back: a standby that
    /// was promoted, a cluster restored to a moment. What was confirmed last may be missing there. None: that cannot be.
    fn lineage(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
    /// From now on works along this line only; on another it is [`StoreError::Busy`], and [`Store::strays`].
    fn follow(&self, _lineage: &str) {}
    /// Whether it was last found on another line than the one it follows.
    fn strays(&self) -> bool {
        false
    }
}

/// What can be read of one town at one moment.
pub trait Read:
    Kept
    + ReadDoubts
    + ReadEvents
    + Audited
    + ReadSecond
    + ReadApprovals
    + ReadUploads
    + ReadEditions
    + ReadImports
    + ReadTitles
    + ReadIntake
    + ReadTowns
{
    /// The town.
    fn town(&self) -> AreaId;

    /// The parts of these records that exist, in no particular order.
    fn load_many(&self, keys: &[(RecordId, Part)]) -> Result<Vec<StoredPart>, StoreError>;
    /// Parts that `filter` wants, one after the other, without holding them all; stops when `each` says `false`.
    fn each_part(
        &self,
        filter: &PartFilter,
        each: &mut dyn FnMut(StoredPart) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>;
    /// How many parts `filter` wants (its `limit` aside).
    fn count_parts(&self, filter: &PartFilter) -> Result<u64, StoreError>;
    /// What stands in the feed of a part after a sequence number, in order, without the states; stops at `false`.
    fn feed(
        &self,
        part: Part,
        after: u64,
        each: &mut dyn FnMut(FeedEntry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.feed_near(part, after, &Near::default(), each)
    }
    /// The same without parts that are not [`Near`]; with what left, wherever it was.
    fn feed_near(
        &self,
        part: Part,
        after: u64,
        near: &Near,
        each: &mut dyn FnMut(FeedEntry) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>;
    /// The state (JSON of a `PartState`) and kind at a place the feed named.
    fn feed_state(&self, row: i64) -> Result<String, StoreError>;
    /// The same by its number in the feed too, to tell one reader after the other of a change: as it was read lately.
    fn told_state(&self, part: Part, seq: u64, row: i64) -> Result<Arc<RawValue>, StoreError>;
    /// Says what will be asked, and [`Read::standing`]. A store that every question travels to asks all of it at once.
    fn look_ahead_for(&self, _asked: &Answering) -> Result<(), StoreError> {
        Ok(())
    }
    /// How far the town is.
    fn standing(&self) -> Result<Standing, StoreError>;
    /// The last sequence number taken of a part.
    fn last_seq(&self, part: Part) -> Result<u64, StoreError>;

    /// Every applied edit of a record, oldest first.
    fn edits_of(&self, record: RecordId) -> Result<Vec<StoredEdit>, StoreError>;
    /// What became of edits that were seen before.
    fn outcomes(&self, edits: &[EditId]) -> Result<Vec<SeenEdit>, StoreError>;
    /// What the server did not apply: newest first; `open` only those nobody has decided on.
    fn quarantine(&self, open: bool, limit: usize) -> Result<Vec<Quarantined>, StoreError>;
    /// One quarantined edit.
    fn quarantined(&self, edit: EditId) -> Result<Option<Quarantined>, StoreError>;
    /// The quarantined edits for a record, decided on or not, oldest first.
    fn quarantined_of(&self, record: RecordId) -> Result<Vec<Quarantined>, StoreError>;
    /// The edits that could not be read, as they came, oldest first.
    fn unreadable(&self) -> Result<Vec<Unreadable>, StoreError>;
    /// Whether some quarantined edit was for this record.
    fn has_quarantined(&self, record: RecordId) -> Result<bool, StoreError>;

    /// Every user of the town, by name.
    fn users(&self) -> Result<Vec<User>, StoreError>;
    /// One user.
    fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Every device of the town, the last seen first.
    fn devices(&self) -> Result<Vec<Device>, StoreError>;
    /// A writer.
    fn slot(&self, slot: Slot) -> Result<Option<SlotRow>, StoreError>;
    /// The newest audit entries.
    fn audits(&self, limit: usize) -> Result<Vec<Audit>, StoreError>;
    /// A small named value.
    fn meta(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// A photo that was delivered and verified.
    fn photo(&self, hash: &PhotoHash) -> Result<Option<Photo>, StoreError>;
    /// Who delivered a photo.
    fn photo_senders(&self, hash: &PhotoHash) -> Result<Vec<UserId>, StoreError>;
    /// Which records link a photo.
    fn photo_links(&self, hash: &PhotoHash) -> Result<Vec<PhotoLink>, StoreError>;
    /// Photos that edits of the user who writes under this slot link and nobody has delivered, those of the slot first: an
    /// installation that became another writer still holds what it linked before.
    fn wanted(&self, slot: Slot, limit: usize) -> Result<Vec<PhotoHash>, StoreError>;
    /// An unfinished or finished upload.
    fn upload(&self, id: Uuid) -> Result<Option<Upload>, StoreError>;

    /// Batches, newest first.
    fn batches(&self, limit: usize) -> Result<Vec<Batch>, StoreError>;
    /// One batch.
    fn batch(&self, id: Uuid) -> Result<Option<Batch>, StoreError>;
}

/// What can be written in one town's transaction.
pub trait Tx:
    Read
    + Keep
    + SettleDoubts
    + KeepSecond
    + KeepApprovals
    + KeepUploads
    + KeepEditions
    + KeepImports
    + KeepIntake
    + KeepTowns
{
    /// Says what will be asked. A store that every question travels to asks all of it at once; the answers are the same.
    fn look_ahead(&mut self, _asked: &Ahead) -> Result<(), StoreError> {
        Ok(())
    }
    /// Takes the next `count` sequence numbers of a part; the first of them is returned.
    fn take_seqs(&mut self, part: Part, count: u64) -> Result<u64, StoreError>;
    /// Takes the next sequence number of a part.
    fn next_seq(&mut self, part: Part) -> Result<u64, StoreError> {
        self.take_seqs(part, 1)
    }
    /// Adds or replaces parts, with the edits, departures and photo links that made them so.
    fn save_many(&mut self, parts: &[StoredPart]) -> Result<(), StoreError>;
    /// Notes that a record's part left what these readers see; takes notes back for those who see it again.
    fn note_departures(&mut self, departures: &[Departure]) -> Result<(), StoreError>;
    /// Forgets what lists and figures need beside the parts of events; it is written anew then.
    fn forget_beside(&mut self) -> Result<(), StoreError>;
    /// Writes what lists and figures need beside a stored part, as [`Tx::save_many`] does; nothing of the part itself.
    fn save_beside(&mut self, part: &StoredPart) -> Result<(), StoreError>;
    /// Adds applied edits.
    fn save_edits(&mut self, edits: &[StoredEdit]) -> Result<(), StoreError>;
    /// Adds edits that are not applied.
    fn put_quarantined(&mut self, edits: &[Quarantined]) -> Result<(), StoreError>;
    /// Keeps an edit that could not be read, as it came.
    fn put_unreadable(
        &mut self,
        slot: Slot,
        received: DateTime<Utc>,
        edit: &Unreadable,
        why: &Rejection,
    ) -> Result<(), StoreError>;
    /// Says what became of a quarantined edit. Its author hears of it in their own town, which has to be held.
    fn decide_quarantined(&mut self, edit: EditId, outcome: &Decision) -> Result<(), StoreError>;
    /// A new writer; its slot must be unused.
    fn put_slot(&mut self, slot: &SlotRow) -> Result<(), StoreError>;
    /// The highest n of a slot with an outcome.
    fn set_high_water(&mut self, slot: Slot, n: u64) -> Result<(), StoreError>;

    /// Adds or replaces areas; all towns see them.
    fn put_areas(&mut self, areas: &[Area]) -> Result<(), StoreError>;
    /// Adds or replaces a user.
    fn put_user(&mut self, user: &User) -> Result<(), StoreError>;
    /// Adds a device, and writes down that it was enrolled: nobody gets a credential unseen.
    fn put_device(&mut self, device: &Device, token_hash: &[u8; 32]) -> Result<(), StoreError>;
    /// Notes what a device said of itself.
    fn seen_device(&mut self, id: DeviceId, seen: &DeviceSeen) -> Result<(), StoreError>;
    /// Ends a device's token at `at`, and those of the enrolments it was parted from: it may still keep them.
    fn expire_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// Says what is to become of a device; the enrolments it went on from share it, for it may go back to their credentials.
    /// What stands against it stays, see [`Fate::stands_against`].
    fn doom_device(&mut self, id: DeviceId, fate: Fate, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// A later credential of a device is used for the first time, which puts off its end. Changes nothing if it was used.
    fn turn_device(
        &mut self,
        id: DeviceId,
        turn: u32,
        at: DateTime<Utc>,
        ends: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// A credential was used whose successor had been used. Says whether that is news.
    fn double_device(&mut self, id: DeviceId, at: DateTime<Utc>) -> Result<bool, StoreError>;
    /// Adds a one-time code.
    fn put_enrol_code(&mut self, code: &EnrolCode) -> Result<(), StoreError>;
    /// Uses a code up; `false` if somebody was faster.
    fn use_enrol_code(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError>;
    /// Adds a session.
    fn put_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// Ends a session, and all that are over by `now`.
    fn drop_session(&mut self, hash: &[u8; 32], now: DateTime<Utc>) -> Result<(), StoreError>;
    /// Writes down who did what, for good: chained to what stands there already.
    fn put_audit(&mut self, audit: &Audit) -> Result<(), StoreError>;
    /// Remembers a look of a handheld; `false` if it was remembered before.
    fn note_look(&mut self, id: Uuid) -> Result<bool, StoreError>;
    /// Sets a small named value.
    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError>;

    /// A photo was delivered by somebody and verified, for the first time or once more; it is wanted no longer.
    fn put_photo(&mut self, photo: &Photo, sender: UserId) -> Result<(), StoreError>;
    /// Links photos to a record; those not delivered yet are wanted of `slot`.
    fn link_photos(&mut self, slot: Slot, links: &[PhotoLink]) -> Result<(), StoreError>;
    /// Adds or replaces an upload.
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError>;
    /// Forgets an upload.
    fn drop_upload(&mut self, id: Uuid) -> Result<(), StoreError>;

    /// Adds or replaces a batch.
    fn put_batch(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// When an id was made, as a UUIDv7 says.
pub fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// Runs `work` in one write transaction of `town` and hands its result through; an error keeps nothing.
pub fn write<T, E: From<StoreError>>(
    store: &dyn Store,
    town: AreaId,
    mut work: impl FnMut(&mut dyn Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut result = None;
    store.with_tx(town, &mut |tx| {
        let done = work(tx);
        let end = if done.is_ok() { End::Commit } else { End::Rollback };
        result = Some(done);
        Ok(end)
    })?;
    result.unwrap_or_else(|| Err(StoreError::Missing("the transaction's result").into()))
}

/// Runs `work` on one moment of `town` and hands its result through.
pub fn read<T, E: From<StoreError>>(
    store: &dyn Store,
    town: AreaId,
    mut work: impl FnMut(&dyn Read) -> Result<T, E>,
) -> Result<T, E> {
    let mut result = None;
    store.with_read(town, &mut |read| {
        result = Some(work(read));
        Ok(())
    })?;
    result.unwrap_or_else(|| Err(StoreError::Missing("the read's result").into()))
}
