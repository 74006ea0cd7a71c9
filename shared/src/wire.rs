//! What travels between a handheld and the server: one request, one answer (`sync.md`, "One round").

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::area::{Area, AreaId};
use crate::author::Role;
use crate::edit::Edit;
use crate::ids::{DeviceId, Dot, EditId, PhotoHash, RecordId, Slot, UserId};
use crate::path::Path;
use crate::record::{Part, RecordKind};
use crate::vector::VectorTimestamp;

/// `POST /api/v1/enrol`: a one-time code for a token. No credential needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The protocol spoken.
    pub protocol: u32,
    /// The code as typed: digits, blanks and dashes ignored.
    pub code: String,
    /// What the device calls itself (model), for the list of terminals.
    pub name: String,
    /// The app's version.
    pub app: String,
}

/// What enrolment gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// This enrolment.
    pub device: DeviceId,
    /// The writer this installation is for this user.
    pub slot: Slot,
    /// The present epoch of the server.
    pub epoch: u32,
    /// Sent as `Authorization: Bearer …`.
    pub token: String,
    /// When the token ends.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub expires: DateTime<Utc>,
    /// Who and where.
    pub setup: Setup,
}

/// What a handheld is told about its user and surroundings; sent again when it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Changes when anything in here does; the request names the one held.
    pub version: String,
    /// The town the handheld belongs to.
    pub town: AreaId,
    /// Who uses it.
    pub user: Me,
    /// The areas of the scope, and those above them up to the root.
    pub areas: Vec<Area>,
    /// The roots of the scope: what the user reads and writes is in them or below.
    pub scope: Vec<AreaId>,
    /// Departments and people an event can be given to: id and name.
    pub handlers: Vec<Handler>,
}

/// The user of a handheld.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// The person.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they do.
    pub role: Role,
    /// Whether they may read restricted parts in their scope.
    pub cleared: bool,
}

/// Somebody an event can be given to: a person or a department (which is a user of role `department`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Who.
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// A department, a leader, a member.
    pub role: Role,
}

/// `POST /api/v1/sync`, up, as both sides know it.
pub type SyncRequest = SyncRequestOf<Edit>;

/// The same with its edits as they are written: `Box<RawValue>` is read without looking into them, so that one edit
/// that this version cannot read does not keep the others away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncRequestOf<E> {
    /// The protocol spoken.
    pub protocol: u32,
    /// As given by the last answer; none before the first fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// [`Setup::version`] held, none before the first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// In order of n.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<E>,
    /// What the server sees of the device; not in every round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceState>,
    /// Masked values that the user asked to see since the last round. Sent until an answer came; taken once by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
}

/// Somebody asked a handheld to show a masked value in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Made when it was asked.
    pub id: uuid::Uuid,
    /// Of which record.
    pub record: RecordId,
    /// Which field: its name, never its value.
    pub field: String,
    /// When, by the device's clock.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
}

/// Sent in place of an edit that was refused as a whole: its id and dot, so that its n gets an outcome, and the edit as
/// text, which any version can keep. Not being an edit it is answered `Rejected(Unknown)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// The edit.
    pub id: EditId,
    /// Its place.
    pub dot: Dot,
    /// The JSON of the edit.
    pub unreadable: String,
}

/// How a device is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceState {
    /// The app's version.
    pub app: String,
    /// Percent, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// The device's clock when it sent this.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub clock: DateTime<Utc>,
    /// Edits and photos still to deliver.
    pub undelivered: u32,
}

/// `POST /api/v1/sync`, down. Absent lists are empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncAnswer {
    /// One a sent edit, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// What became of edits that were quarantined in earlier rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<Receipt>,
    /// The highest n of this slot the server has an outcome for.
    pub high_water: u64,
    /// The present epoch.
    pub epoch: u32,
    /// The next page of the feed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Whether another page waits.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The confirmed state begins anew with this page: what was not named again when `more` ends is gone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub refill: bool,
    /// How many items the whole of the feed from here holds, for showing progress. Sent with the first page of a fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// To be sent next time. Opaque.
    pub cursor: String,
    /// Photos the server knows to be linked by this device's edits but does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<PhotoHash>,
    /// Up to which n of this slot a backup holds every edit and photo.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backed_up: u64,
    /// The server's clock.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub time: DateTime<Utc>,
    /// When it differs from the one held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Setup>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The outcome of one edit; a repetition gets its first outcome again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which edit.
    pub edit: EditId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Part of the record now.
    Applied {
        /// The vector of the record's part right after it.
        vector: VectorTimestamp,
    },
    /// Kept in quarantine, with the reason.
    Rejected(Rejection),
}

/// Why an edit was not applied. Codes are message keys: the handheld says it in its user's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What kind of reason.
    pub reason: RejectReason,
    /// The path it is about, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// The code of the form's problem or the workflow's, a message key; empty where the reason says all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What whoever looked at it and left it out wrote to its author; empty while nobody has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Kinds of reasons why an edit is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// The writer may not do this here.
    NotAllowed,
    /// The form refuses a value.
    Form,
    /// The step is not possible in the state it was made in.
    Workflow,
    /// Too large or too many writes.
    Size,
    /// The edit names a form version, kind or area the server does not know.
    Unknown,
    /// Its dot does not follow the last one of its slot, or its author is not who the credential names.
    Protocol,
    /// The record it changes was itself rejected.
    Orphan,
    /// The record was erased; nothing revives it.
    Erased,
}

/// One item of the feed. Fields are optional rather than an enum because serde's enums lose raw JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    /// Which record.
    pub id: RecordId,
    /// Which part.
    #[serde(default, skip_serializing_if = "is_open")]
    pub part: Part,
    /// Its kind; absent when gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RecordKind>,
    /// The projection for this reader: JSON of a [`crate::merge::PartState`]; absent when the record (or this part)
    /// left what the reader may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<RawValue>>,
}

fn is_open(part: &Part) -> bool {
    *part == Part::Open
}

impl Item {
    /// Whether the part left what the reader may see.
    pub fn is_gone(&self) -> bool {
        self.state.is_none()
    }
}

/// Any answer that is not a success: a code that is a message key, and one safe sentence. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// Stable, for programs, e.g. `token_expired`.
    pub code: String,
    /// For people, in the language asked for by `Accept-Language` (zh-CN or en).
    pub message: String,
    /// To find it in the server's log.
    pub request: String,
}

/// One edit of the history of a record, as `GET /api/v1/records/{id}/history` lists them, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The edit; its author masked as the reader may know them.
    pub edit: Edit,
    /// What stood in each written path before it, by this edit's own context: the replaced values.
    pub replaced: BTreeMap<Path, Vec<crate::value::Value>>,
    /// The name of the device or "console" that wrote it.
    pub origin: String,
}
