//! The rows of the store as values.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{DeviceId, EditId, PhotoHash, RecordId, Slot, UserId};
use shared::vector::VectorTimestamp;
use shared::wire::{Outcome, Rejection};
use uuid::Uuid;

/// Somebody who may log in to a handheld or to the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Permanent.
    pub id: UserId,
    /// Where they work.
    pub town: AreaId,
    /// As shown.
    pub name: String,
    /// Unique over all towns.
    pub login: String,
    /// What they do.
    pub role: Role,
    /// The roots of their scope.
    pub scope: Vec<AreaId>,
    /// Whether they may read restricted parts in their scope.
    pub cleared: bool,
    /// Whether they may see and export without masks; asking for it is logged.
    pub may_unmask: bool,
    /// Argon2id in PHC form; none: no log-in to the console.
    pub password: Option<String>,
    /// Whether they still work here.
    pub active: bool,
}

/// One enrolment of one handheld by one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Permanent.
    pub id: DeviceId,
    /// Of its user.
    pub town: AreaId,
    /// Who uses it.
    pub user: UserId,
    /// The writer it is.
    pub slot: Slot,
    /// What it calls itself (model).
    pub name: String,
    /// When its token ends.
    pub expires: DateTime<Utc>,
    /// When it was enrolled.
    pub enrolled: DateTime<Utc>,
    /// The enrolment whose slot it shared until it was given one of its own.
    pub parted_from: Option<DeviceId>,
    /// What it said last.
    pub seen: Option<DeviceSeen>,
    /// What is to become of it before its time, and since when that was said.
    pub fate: Option<(Fate, DateTime<Utc>)>,
    /// How its credential stands.
    pub credential: Credential,
}

/// Which of an enrolment's credentials was used last (decision 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// 0 is the one it was given; each later one came with an answer.
    pub turn: u32,
    /// When that one was first used.
    pub since: DateTime<Utc>,
    /// When one was used whose successor had been used before.
    pub doubled: Option<DateTime<Utc>>,
}

impl Credential {
    /// The one given by an enrolment at `at`.
    pub fn first(at: DateTime<Utc>) -> Self {
        Self { turn: 0, since: at, doubled: None }
    }
}

/// What is to become, or became, of an enrolment before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its credential opens nothing any more; what it holds stays on it, to be enrolled again.
    Revoked,
    /// It delivers what it holds, then it erases its user's data.
    Wipe,
    /// It erases everything at once, delivered or not.
    Stolen,
    /// It said that it did.
    Wiped,
    /// Its user handed it in: all was delivered and in a backup.
    HandedOver,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Revoked, Self::Wipe, Self::Stolen, Self::Wiped, Self::HandedOver];

    /// As stored, and the end of message keys.
    pub fn code(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Wipe => "wipe",
            Self::Stolen => "stolen",
            Self::Wiped => "wiped",
            Self::HandedOver => "handed_over",
        }
    }

    /// What is written down when it is said, or when it came to pass.
    pub fn action(self) -> &'static str {
        match self {
            Self::Revoked => "audit-device-revoked",
            Self::Wipe => "audit-device-wipe",
            Self::Stolen => "audit-device-stolen",
            Self::Wiped => "audit-device-wiped",
            Self::HandedOver => "audit-device-handed-over",
        }
    }

    /// The one of this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.code() == code)
    }

    /// Whether it stands although `later` is said after it: 被盗 is not softened by 停用, 清除 or 交机, which would leave a
    /// thief the data or let them in once more, and what was wiped is wiped. Of 停用 and 清除 each does what the other does
    /// not: there the last word counts.
    pub fn stands_against(self, later: Self) -> bool {
        self.strength() > later.strength()
    }

    fn strength(self) -> u8 {
        match self {
            Self::Revoked | Self::Wipe => 0,
            Self::HandedOver => 1,
            Self::Stolen => 2,
            Self::Wiped => 3,
        }
    }

    /// Whether it lets nothing through but, from a stolen one, that it is wiped.
    pub fn is_closed(self) -> bool {
        self != Self::Wipe
    }
}

/// What a device said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSeen {
    /// By the server's clock.
    pub at: DateTime<Utc>,
    /// The app's version.
    pub app: String,
    /// Percent, if known.
    pub battery: Option<u8>,
    /// Its clock less the server's, in milliseconds.
    pub clock_off: i64,
    /// Edits and photos it still holds.
    pub undelivered: u32,
    /// The version of its web view; empty where it did not say.
    pub web_view: String,
}

/// A one-time code for enrolment; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolCode {
    /// SHA-256 of the digits.
    pub hash: [u8; 32],
    /// Of the user.
    pub town: AreaId,
    /// Who may use it.
    pub user: UserId,
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// A log-in to the console; only the hash of its token is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token in the cookie.
    pub hash: [u8; 32],
    /// Of the user.
    pub town: AreaId,
    /// Who.
    pub user: UserId,
    /// To be named by every form that changes something.
    pub csrf: String,
    /// When it ends.
    pub expires: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub seen: DateTime<Utc>,
    /// Whether the second factor was given.
    pub second: bool,
}

/// What a writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A handheld.
    Device,
    /// The console, one slot an epoch.
    Console,
    /// One import.
    Import,
    /// Reports from any phone, one slot an epoch.
    Intake,
}

impl Origin {
    /// The code name, as in SQL.
    pub fn code(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Console => "console",
            Self::Import => "import",
            Self::Intake => "intake",
        }
    }

    /// The origin of a code name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Device, Self::Console, Self::Import, Self::Intake].into_iter().find(|origin| origin.code() == code)
    }
}

/// A writer: never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// Its number.
    pub slot: Slot,
    /// Its town.
    pub town: AreaId,
    /// What it is.
    pub origin: Origin,
    /// As shown in the history: the device's name, "console", the import's file.
    pub label: String,
    /// The highest n that has an outcome.
    pub high_water: u64,
}

/// An applied edit.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEdit {
    /// As it was applied (its context clipped).
    pub edit: Edit,
    /// By the server's clock.
    pub received: DateTime<Utc>,
    /// The vector of the part right after it.
    pub vector: VectorTimestamp,
    /// The label of its slot; not read by `save_edits`.
    pub origin: String,
}

/// An edit that was seen before, with its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenEdit {
    /// Which.
    pub edit: EditId,
    /// What became of it.
    pub outcome: Outcome,
}

/// An edit the server would not apply.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// As it came.
    pub edit: Edit,
    /// Who sent it; an edit may name another slot than its sender's, which is one of the reasons to be here.
    pub slot: Slot,
    /// By the server's clock.
    pub received: DateTime<Utc>,
    /// Why.
    pub rejection: Rejection,
    /// The label of its slot; not read by `put_quarantined`.
    pub origin: String,
    /// What was decided about it since, if anything.
    pub decision: Option<Decision>,
}

/// What somebody decided about a quarantined edit.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Applied after all, with a new dot; the vector of the part right after.
    Released(VectorTimestamp),
    /// Left out for good, with what is said to its author about it.
    Dismissed(String),
    /// Its author took it back, or sent a corrected one.
    Withdrawn,
}

/// Who did what, for the log of access to personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// By the server's clock.
    pub at: DateTime<Utc>,
    /// Who; none: a command on the server.
    pub user: Option<UserId>,
    /// A message key, one of [`crate::audit::ACTIONS`].
    pub action: String,
    /// What it was done to: an id, never a name.
    pub subject: String,
    /// More of it, no personal data.
    pub detail: String,
}

/// A verified photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// SHA-256 of its bytes.
    pub hash: PhotoHash,
    /// Its length.
    pub bytes: u64,
    /// When it was delivered last, by the server's clock.
    pub received: DateTime<Utc>,
}

/// A record links a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoLink {
    /// Which photo.
    pub hash: PhotoHash,
    /// Which record.
    pub record: RecordId,
    /// Who linked it.
    pub user: Option<UserId>,
    /// Whether who linked it could read it by then; else the link counts only if they deliver it.
    pub proved: bool,
}

/// A photo on its way (tus).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Names it in its URL.
    pub id: Uuid,
    /// Who sends.
    pub user: UserId,
    /// On which handheld it was begun; none where that was not noted yet.
    pub device: Option<DeviceId>,
    /// What the bytes must hash to.
    pub hash: PhotoHash,
    /// How many bytes there will be.
    pub length: u64,
    /// When it was begun.
    pub begun: DateTime<Utc>,
    /// Whether it was verified and stored.
    pub done: bool,
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Names it in its file and URL.
    pub id: Uuid,
    /// The roots of what it holds.
    pub scope: Vec<AreaId>,
    /// `csv`, `ndjson`.
    pub format: String,
    /// Whether values are masked in it.
    pub masked: bool,
    /// Sequence numbers after which it begins: open, restricted.
    pub after: (u64, u64),
    /// Sequence numbers up to which it goes.
    pub upto: (u64, u64),
    /// When it was sealed.
    pub at: DateTime<Utc>,
    /// By whom; none: a command on the server.
    pub user: Option<UserId>,
    /// JSON: files, counts, SHA-256.
    pub manifest: String,
    /// When its files went because they held an erased record.
    pub erased: Option<DateTime<Utc>>,
}
