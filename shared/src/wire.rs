//! What travels between a handheld and the server: one request, one answer (`sync.md`, "One round").

mod app;
mod edition;
mod enrol;
mod slot;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::author::Author;
use crate::digest::{Prefix, Sum};
use crate::edit::Edit;
use crate::ids::{Dot, EditId, PhotoHash, RecordId};
use crate::path::Path;
use crate::record::{Part, RecordKind};
use crate::value::Value;
use crate::vector::VectorTimestamp;

pub use app::{AppOffer, Package, numbers};
pub use edition::Edition;
pub use enrol::{Before, EnrolAnswer, EnrolRequest, Handler, Me, SealedKey, Setup};
pub use slot::{Fork, KeptEdit, SlotAnswer, SlotRequest};

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
    /// The key that restricted parts lie under here is not held, or no longer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lease: bool,
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
            lease: false,
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
    /// The version of the web view that shows the app's pages, if it has one: old ones are the first thing to look at when
    /// something looks wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_view: Option<String>,
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
    /// The key that this user's restricted parts lie under on a handheld, base64 of 32 bytes; for [`Setup::lease_hours`] from
    /// this answer or any later one. Sent when it was asked for, and with the set-up of who is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The handheld is to erase its user's data as soon as everything is delivered, and to say that it did.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wipe: bool,
    /// The credential to use from the next request on. Using it spends the present one, so it has to be kept first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Two have used this credential: what was sent is kept aside, and nothing is given until it is enrolled anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub locked: bool,
}

impl<I> SyncAnswerOf<I> {
    /// An answer that brings and says nothing.
    pub fn nothing(epoch: u32, cursor: String, time: DateTime<Utc>) -> Self {
        Self {
            receipts: Vec::new(),
            released: Vec::new(),
            high_water: 0,
            epoch,
            items: Vec::new(),
            more: false,
            refill: false,
            total: None,
            cursor,
            wanted: Vec::new(),
            backed_up: 0,
            elsewhere_safe: false,
            time,
            setup: None,
            digest: None,
            lease: None,
            wipe: false,
            token: None,
            locked: false,
        }
    }

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
            lease: self.lease,
            wipe: self.wipe,
            token: self.token,
            locked: self.locked,
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

impl Outcome {
    /// Whether its record was erased.
    pub fn is_erased(&self) -> bool {
        matches!(self, Self::Rejected(why) if why.reason == RejectReason::Erased)
    }
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
