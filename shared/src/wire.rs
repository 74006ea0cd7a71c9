//! What travels between a handheld and the server: one request, one answer (`sync.md`, "One round").

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::area::{Area, AreaId};
use crate::author::{Author, Role};
use crate::digest::{Prefix, Sum};
use crate::edit::Edit;
use crate::ids::{DeviceId, Dot, EditId, PhotoHash, RecordId, Slot, UserId};
use crate::path::Path;
use crate::record::{Part, RecordKind};
use crate::value::Value;
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
    /// Who this installation was before, if it was somebody: the same terminal, which keeps the credential it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// The [`SealedKey`]s of users whose databases are closed on this handheld: base64 of age files. That of who enrols is
    /// opened for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// The key of a user's database on one handheld. Encrypted to the centre it lies beside the database, for a forgotten PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKey {
    /// Whose database.
    pub user: UserId,
    /// Base64 of the 32 bytes.
    pub key: String,
}

/// An earlier enrolment of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Of whom.
    pub user: UserId,
    /// The slot written under.
    pub slot: Slot,
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
    /// The key that was among [`EnrolRequest::keys`], base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
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
    /// The age recipient (`age1…`) to which what leaves a handheld as a file is encrypted; only the centre opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
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
    /// The epoch in which the slot was given or asked about last. In a later one its numbers may mean other edits: then
    /// nothing is taken before the handheld has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// In order of n.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<E>,
    /// What the server sees of the device; not in every round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceState>,
    /// Masked values that the user asked to see since the last round. Sent until an answer came; taken once by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// Edits in quarantine that nobody need decide on any more: their author took them back or sent a corrected one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<EditId>,
    /// After a restore of the server: edits that it had refused. Sent until an answer came; taken once by id.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldEdit<E>>,
    /// After a restore of the server: what this handheld showed of edits that the server lost. Sent until an answer came;
    /// taken once by edit and path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remains: Vec<Remain>,
    /// Own edits that do not stand under the slot: asked about until a backup holds them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
    /// Branches whose sums are to be told, taken in the read of this answer's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestAsk>,
    /// Parts that differ although nothing is waiting: to be looked over and sent again whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<(RecordId, Part)>,
}

impl<E> SyncRequestOf<E> {
    /// A round that says and asks nothing, in this version's protocol.
    pub fn idle() -> Self {
        Self {
            protocol: crate::limits::PROTOCOL,
            cursor: None,
            setup: None,
            epoch: None,
            edits: Vec::new(),
            device: None,
            looks: Vec::new(),
            withdrawn: Vec::new(),
            held: Vec::new(),
            remains: Vec::new(),
            elsewhere: None,
            digest: None,
            again: Vec::new(),
        }
    }
}

/// Edits of a handheld that have their outcome under other slots than the one it writes as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// The highest n of each slot.
    #[serde(default, skip_serializing_if = "VectorTimestamp::is_empty")]
    pub upto: VectorTimestamp,
    /// Refused ones, which may have come under a dot of another installation or, held again, under none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<EditId>,
}

/// A live write that a handheld had from the server before it was restored, and that the restored server no longer has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remain {
    /// The edit it was part of.
    pub edit: EditId,
    /// Of which record.
    pub record: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// Which part.
    pub part: Part,
    /// Where it stood.
    pub path: Path,
    /// What stood there.
    pub value: Value,
    /// The clock of the device it was saved on.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
    /// Who saved it, as this handheld was told.
    pub author: Author,
}

/// Which branches a handheld wants summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestAsk {
    /// [`crate::digest::VERSION`] of the asking side. A server with another one answers no digest.
    pub version: u32,
    /// At most [`crate::digest::BRANCHES`].
    pub branches: Vec<(Part, Prefix)>,
}

/// Answer to a [`DigestAsk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestAnswer {
    /// [`crate::digest::VERSION`] of the answering side.
    pub version: u32,
    /// One for each asked, in the same order.
    pub branches: Vec<Branch>,
}

/// The sum of a branch, and what lies directly below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Which part.
    pub part: Part,
    /// Which branch.
    pub prefix: Prefix,
    /// How many leaves lie in it.
    pub count: u64,
    /// Their sum.
    pub sum: Sum,
    /// The sums of the sixteen branches below, in order, empty ones too; absent where `leaves` stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Sum>,
    /// Of a branch with at most [`crate::digest::LEAVES`] leaves: each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<(RecordId, Sum)>,
}

/// `POST /api/v1/slot`: asks how far the server knows this handheld's slot, and gets a new one where the two have parted.
///
/// Asked when there is doubt, never in an ordinary round: the handheld's files were restored or cloned, the server was
/// restored, it has an outcome for an n that waits here, or the edits do not follow on what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotRequest {
    /// The protocol spoken.
    pub protocol: u32,
    /// Made for this question and kept until it is answered: asked again under the same key, the same slot is given.
    pub key: uuid::Uuid,
    /// The installation says itself that its files are older than it, or of another one: a new slot whatever is known.
    pub restored: bool,
    /// The slot is that of a new enrolment, and nothing was saved under it yet: all that waits is to move there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moving: bool,
    /// The epoch of the server that what stands here was read in.
    pub epoch: u32,
    /// The highest n given of the slot.
    pub last: u64,
    /// What is kept here and was not refused, waiting or not, in the order it was saved: at most
    /// [`crate::limits::IDS_A_QUESTION`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptEdit>,
    /// What these stand in place of, with the dots that had: what their contexts mean by them. Where another edit is said to
    /// have stood under such a dot, it was not seen. At most [`crate::limits::IDS_A_QUESTION`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<(EditId, Dot)>,
}

/// An edit that a handheld keeps, and by what it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptEdit {
    /// The edit.
    pub id: EditId,
    /// Its dot as it stands here.
    pub dot: Dot,
    /// Whether a server said that it applied it under that dot. Then every context that covers the dot has seen it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sure: bool,
    /// It was saved while these files were in doubt, and nothing is sent then: nobody saw it under that dot, where another
    /// edit may stand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
    /// Dots it had before, each with the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<(Dot, bool)>,
}

/// An edit that was refused before the server was restored, and that it may not know any more. It is put into quarantine
/// again as it was, and not judged anew: applied now it would be covered by contexts that never saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldEdit<E> {
    /// The edit.
    pub edit: E,
    /// Why it was refused.
    pub why: Rejection,
}

/// Answer to a [`SlotRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotAnswer {
    /// The present epoch.
    pub epoch: u32,
    /// The server's clock.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub time: DateTime<Utc>,
    /// The outcomes of those that are kept and that the server has, whatever slot they came under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Of these the applied ones that stand under another dot than here: what was saved after them has seen them under
    /// this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dots: Vec<(EditId, Dot)>,
    /// Where handheld and server have parted: who this installation is from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
}

/// A new writer in place of one that two installations shared, or that the server does not know to the end. What is kept
/// and the server does not have gets dots of it, from 1 on, and own dots in its contexts follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The new enrolment; the old one stays with the other installation.
    pub device: DeviceId,
    /// The new slot.
    pub slot: Slot,
    /// The new credential. The old one is given up.
    pub token: String,
    /// When it ends.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub expires: DateTime<Utc>,
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
pub type SyncAnswer = SyncAnswerOf<Item>;

/// The same with items as they are written, so that one this version cannot read does not keep the others away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncAnswerOf<I> {
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
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<I>,
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
    /// A backup holds all that was asked about as [`Elsewhere`], with its photos.
    #[serde(default, skip_serializing_if = "is_false")]
    pub elsewhere_safe: bool,
    /// The server's clock.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub time: DateTime<Utc>,
    /// When it differs from the one held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Setup>,
    /// Sums of the branches asked for, of what this reader holds after this page. Absent while another page waits, and
    /// where the sides do not compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestAnswer>,
}

impl<I> SyncAnswerOf<I> {
    /// The same with its items read by `read`; nothing if one of them gives nothing.
    pub fn read_items<J>(self, read: impl FnMut(I) -> Option<J>) -> Option<SyncAnswerOf<J>> {
        Some(SyncAnswerOf {
            items: self.items.into_iter().map(read).collect::<Option<_>>()?,
            receipts: self.receipts,
            released: self.released,
            high_water: self.high_water,
            epoch: self.epoch,
            more: self.more,
            refill: self.refill,
            total: self.total,
            cursor: self.cursor,
            wanted: self.wanted,
            backed_up: self.backed_up,
            elsewhere_safe: self.elsewhere_safe,
            time: self.time,
            setup: self.setup,
            digest: self.digest,
        })
    }
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

impl Rejection {
    /// For a reason that says all.
    pub fn of(reason: RejectReason) -> Self {
        Self { reason, path: None, detail: String::new(), note: String::new() }
    }
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
    /// It was erased: whatever is kept of it goes, edits and photos too, sent or not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erased: bool,
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
    pub replaced: BTreeMap<Path, Vec<Value>>,
    /// The name of the device or "console" that wrote it.
    pub origin: String,
}
