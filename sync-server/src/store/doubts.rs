//! What the store keeps for when a handheld and the server are in doubt about each other: epochs, partings of a slot,
//! edits taken back, and what only handhelds still show after a restore.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{DeviceId, Dot, EditId, RecordId, Slot, UserId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::wire::Remain;

use super::{Device, SeenEdit, StoreError};
use crate::auth::authorize::Reach;

/// A [`Remain`] as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRemain {
    /// What was told.
    pub remain: Remain,
    /// By whom.
    pub shown_by: UserId,
    /// When, by the server's clock.
    pub shown: DateTime<Utc>,
}

/// That an edit stood under another dot once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// The edit.
    pub edit: EditId,
    /// The dot.
    pub dot: Dot,
    /// Whether a server had said that it applied it there. Else its handheld only sent it under that dot, and another
    /// installation may have used the same.
    pub sure: bool,
    /// Who told of an own edit; `None`: somebody who saw it there. That says for no edit where it stood, only of others that
    /// they did not stand there.
    pub user: Option<UserId>,
}

/// That an applied edit stood under another dot once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// The part it is of.
    pub part: Part,
    /// Then.
    pub then: Dot,
    /// Now.
    pub now: Dot,
    /// Whose contexts mean it by that dot; `None`: everybody's.
    pub to: Option<UserId>,
}

/// A quarantined edit that nobody has decided on, as far as it takes to know for whom it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Which.
    pub edit: EditId,
    /// Of which part.
    pub part: Part,
    /// Of which kind it says its record is.
    pub kind: RecordKind,
    /// Where it would put its record, if it says so.
    pub area: Option<AreaId>,
    /// Where its record lies; none: it is not here.
    pub reach: Option<Reach>,
}

/// A part of a record of which something waits to be looked at that only handhelds still show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which record.
    pub record: RecordId,
    /// Which part.
    pub part: Part,
    /// Where the record lies; none: it is not here.
    pub reach: Option<Reach>,
}

/// What can be read of doubts.
pub trait ReadDoubts {
    /// The present epoch, as of this moment.
    fn present_epoch(&self) -> Result<u32, StoreError>;
    /// The running number of the last decision on a quarantined edit.
    fn last_decision(&self) -> Result<u64, StoreError>;
    /// Under which dots these edits came first; those the server has not are left out.
    fn first_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError>;
    /// Under which dots these edits were applied; a released one under the console's.
    fn applied_dots(&self, edits: &[EditId]) -> Result<Vec<(EditId, Dot)>, StoreError>;
    /// Which edit was applied under a dot.
    fn applied_at(&self, dot: Dot) -> Result<Option<EditId>, StoreError>;
    /// Whether anything was ever told by [`SettleDoubts::put_once`].
    fn any_once(&self) -> Result<bool, StoreError>;
    /// Where applied edits of a record stood once, with where they stand now: of each dot the one edit that it can have
    /// been, and for whoever saw another there, that one.
    fn once_of(&self, record: RecordId) -> Result<Vec<Stood>, StoreError>;
    /// The records of applied edits of which somebody told that they stood, or were seen, under one of these dots once.
    fn once_at(&self, dots: &[Dot]) -> Result<Vec<RecordId>, StoreError>;
    /// Those of these edits that stood, or were seen, under another dot once.
    fn stood_elsewhere(&self, edits: &[EditId]) -> Result<Vec<EditId>, StoreError>;
    /// The last enrolment of a user that writes, or wrote, as a slot.
    fn device_of(&self, user: UserId, slot: Slot) -> Result<Option<DeviceId>, StoreError>;
    /// What became of quarantined edits that came from handhelds of a user and that somebody decided on after the running
    /// number `after`, with their numbers. Of the user and not of a slot: a handheld that was enrolled again, or got a new
    /// slot, still shows what it sent before.
    fn decided_since(&self, user: UserId, after: u64) -> Result<Vec<(u64, SeenEdit)>, StoreError>;
    /// The quarantined edits from handhelds of a user that nobody decided on and that were not taken back, oldest first.
    fn undecided_of(&self, user: UserId, limit: usize) -> Result<Vec<SeenEdit>, StoreError>;
    /// The last enrolment that `device` was given when it asked under the key of this SHA-256.
    fn parting(&self, device: DeviceId, key: &[u8; 32]) -> Result<Option<Device>, StoreError>;
    /// How many new slots handhelds of a user were given since `since`.
    fn partings_since(&self, user: UserId, since: DateTime<Utc>) -> Result<u64, StoreError>;
    /// The quarantined edits that nobody decided on and nobody took back, newest first, without what they write; stops at
    /// `false`.
    fn each_undecided(&self, each: &mut dyn FnMut(Undecided) -> Result<bool, StoreError>) -> Result<(), StoreError>;
    /// What nobody has seen to yet of what handhelds still show, by record, at most `limit`.
    fn remains(&self, limit: usize) -> Result<Vec<KeptRemain>, StoreError>;
    /// The parts of which something such waits, by record, without the values; stops at `false`.
    fn each_lost(&self, each: &mut dyn FnMut(Lost) -> Result<bool, StoreError>) -> Result<(), StoreError>;
    /// What nobody has seen to yet of one record.
    fn unsettled_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError>;
    /// How many such values somebody has told of.
    fn unsettled_by(&self, user: UserId) -> Result<u64, StoreError>;
    /// The same of one record, also what somebody has seen to.
    fn remains_of(&self, record: RecordId) -> Result<Vec<KeptRemain>, StoreError>;
}

/// What can be written of doubts.
pub trait SettleDoubts {
    /// Remembers that `asker` got the enrolment `made` for the key of this SHA-256.
    fn put_parting(
        &mut self,
        asker: &Device,
        key: &[u8; 32],
        made: DeviceId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Remembers where edits stood once. Told again as sure it is sure.
    fn put_once(&mut self, once: &[Once]) -> Result<(), StoreError>;
    /// Remembers under which dots `user` saw edits.
    fn put_seen(&mut self, user: UserId, seen: &[(EditId, Dot)]) -> Result<(), StoreError>;
    /// Marks quarantined edits from handhelds of a user that nobody decided on as taken back; says how many.
    fn withdraw(&mut self, user: UserId, edits: &[EditId], at: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Keeps remains, each edit and path once.
    fn put_remains(&mut self, remains: &[KeptRemain]) -> Result<(), StoreError>;
    /// Forgets the remains of edits that have arrived.
    fn drop_remains(&mut self, edits: &[EditId]) -> Result<(), StoreError>;
    /// Somebody saw to a remain; `false` if it is not there or somebody was faster.
    fn settle_remain(&mut self, edit: EditId, path: &Path, at: DateTime<Utc>) -> Result<bool, StoreError>;
    /// Forgets what is kept of a record that is erased.
    fn drop_remains_of(&mut self, record: RecordId) -> Result<(), StoreError>;
}
