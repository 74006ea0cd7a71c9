//! What the handheld gives to the screens and takes from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::edit::Edit;
use shared::form::{Form, PhotoParticulars};
use shared::ids::{EditId, PhotoHash, RecordId, Slot, UserId};
use shared::merge::Deletion;
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::Rejection;
use shared::workflow::{Level, Light, Stage, Step};

/// Something to be said to the user: a message key with its arguments, in no language yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// A key of the message files.
    pub key: String,
    /// Arguments by name.
    pub args: Vec<(String, String)>,
}

impl Message {
    /// A message without arguments.
    pub fn of(key: &str) -> Self {
        Self { key: key.to_owned(), args: Vec::new() }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.args.push((name.to_owned(), value.to_string()));
        self
    }

    /// In words.
    pub fn text(&self, messages: &assets::messages::Messages) -> String {
        let args: Vec<(&str, assets::messages::FluentValue<'_>)> = self
            .args
            .iter()
            .map(|(name, value)| {
                let value = match value.parse::<f64>() {
                    Ok(number) if value.len() < 10 => number.into(),
                    _ => value.as_str().into(),
                };
                (name.as_str(), value)
            })
            .collect();
        messages.with(&self.key, &args)
    }
}

impl From<&Problem> for Message {
    fn from(problem: &Problem) -> Self {
        let args = problem.args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { key: problem.code.to_owned(), args }
    }
}

/// Everything the page of one record shows. Confirmed and pending together, as the user last left it.
#[derive(Debug, Clone)]
pub struct RecordPage {
    /// Both parts; the restricted one is empty for those who may not read it.
    pub record: Record,
    /// The vector of each part as it stands on the screen: goes into [`Draft::context`] when a form is opened.
    pub vectors: BTreeMap<Part, VectorTimestamp>,
    /// When these vectors were read: goes into [`Draft::seen`].
    pub seen: SeenAt,
    /// The newest version of the form of its kind.
    pub form: Arc<Form>,
    /// What it is called in lists.
    pub title: String,
    /// The areas it lies in; several while that is 待核对.
    pub areas: Vec<AreaId>,
    /// The fields that are 待核对.
    pub open_fields: Vec<OpenField>,
    /// Edits saved on this handheld and still kept here, oldest first. The whole history is online only.
    pub history: Vec<OwnEdit>,
    /// Records this one names.
    pub links: Vec<RecordLink>,
    /// Records that name this one.
    pub linked_from: Vec<RecordLink>,
    /// Deleted, or deleted and brought back.
    pub deletion: Deletion,
    /// Edits of this record that the server has not answered yet.
    pub waiting: usize,
    /// It was found to be the same as this one, which goes on in its place.
    pub merged_into: Option<RecordLink>,
    /// What reached records merged into this one since then, as far as it does not stand here.
    pub offered: Vec<Late>,
    /// The restricted part is on this handheld, and cannot be read until a sync renews its lease.
    pub closed: bool,
}

/// A field on which a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenField {
    /// The part it belongs to.
    pub part: Part,
    /// Its name.
    pub field: String,
}

/// An edit saved on this handheld.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnEdit {
    /// As it was saved.
    pub edit: Edit,
    /// What became of it.
    pub state: EditState,
    /// The values that stood in each of its paths when it was saved.
    pub replaced: BTreeMap<Path, Vec<Value>>,
}

/// What became of an own edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditState {
    /// In the outbox.
    Waiting,
    /// Part of the record on the server.
    Applied,
    /// In the tray: the server did not take it, and says why.
    Rejected,
    /// It was in the tray; a corrected edit took its place.
    Corrected,
    /// It was in the tray; its author took it back.
    Withdrawn,
}

/// A link between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLink {
    /// The field that holds it.
    pub field: String,
    /// The other record.
    pub id: RecordId,
    /// Its kind, as far as known.
    pub kind: Option<RecordKind>,
    /// Its title; `None` if the record is outside what this handheld holds (网格外).
    pub title: Option<String>,
}

/// Between reading a record and saving it the server may have been restored, and this handheld may have become another
/// writer: what a vector says is said of then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAt {
    /// The server's epoch.
    pub epoch: u32,
    /// Who this handheld was.
    pub slot: Slot,
}

/// A save as the form gives it: only what was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The id the edit will have. Take [`crate::handheld::Handheld::new_edit_id`]; a step is written at
    /// `steps/<this id>`. The restricted half of a save that touches both parts gets an id of its own.
    pub edit: EditId,
    /// The record; for a new one [`crate::handheld::Handheld::new_record_id`].
    pub record: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// The form version that was open.
    pub form: u32,
    /// The vector of each part as it stood on the screen when the form was opened ([`RecordPage::vectors`]); empty for
    /// a new record.
    #[serde(default)]
    pub context: BTreeMap<Part, VectorTimestamp>,
    /// [`RecordPage::seen`] of the same page; `None` for a new record, which has seen nothing.
    #[serde(default)]
    pub seen: Option<SeenAt>,
    /// Path → value for what was changed, in both parts: the form says which field belongs where.
    pub writes: BTreeMap<Path, Value>,
}

/// What a save gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The record.
    pub record: RecordId,
    /// The edits made: one, or open and restricted.
    pub edits: Vec<EditId>,
    /// What was saved as 待核实: shown, never refused.
    pub unverified: Vec<Problem>,
}

/// Which records a search may give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this kind.
    pub kind: Option<RecordKind>,
    /// Only of this type (places, objects, organisations) or category (events), as its code.
    pub category: Option<String>,
    /// Only in this area or below.
    pub area: Option<AreaId>,
    /// Deleted ones too.
    pub deleted: bool,
    /// Only what was not visited for so many days.
    pub unvisited_days: Option<u32>,
}

/// One row of a result list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The record.
    pub id: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// Its title.
    pub title: String,
    /// What tells it from others of the same title, masked where the form says so.
    pub facts: Vec<Fact>,
    /// Where it lies; none if nobody said.
    pub area: Option<AreaId>,
    /// Fields that are 待核对.
    pub conflicts: u32,
    /// Whether it has edits the server has not answered.
    pub waiting: bool,
    /// Whether it is deleted.
    pub deleted: bool,
    /// When it was last written, by the clock of who wrote.
    pub updated: DateTime<Utc>,
}

/// One fact of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The field.
    pub field: String,
    /// Its value as JSON text, already masked: a choice is its code, a time is milliseconds, a birth date the age.
    pub text: String,
}

/// A result list, a piece at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// In order.
    pub hits: Vec<Hit>,
    /// Whether there are more behind these.
    pub more: bool,
}

/// Which events a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventFilter {
    /// Where the user is 主办 or 协办, or it waits for their decision.
    #[default]
    Mine,
    /// Reported by the user.
    ReportedByMe,
    /// Everything in the user's areas.
    MyArea,
    /// Settled on site, nothing at odds, and this user may close it.
    ToClose,
}

/// A list of events, perhaps only some of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// Which list.
    pub of: EventFilter,
    /// Only of this category, as its code.
    pub category: Option<String>,
    /// Only those whose limit has this light.
    pub light: Option<Light>,
}

impl From<EventFilter> for EventQuery {
    fn from(of: EventFilter) -> Self {
        Self { of, ..Self::default() }
    }
}

/// One event of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Id, title, area, facts.
    pub hit: Hit,
    /// Where it stands; `None` while nothing was reported.
    pub stage: Option<Stage>,
    /// The colour of its limit, if one runs.
    pub light: Option<Light>,
    /// When its limit ends.
    pub due: Option<DateTime<Utc>>,
    /// Concurrent steps are at odds: staff decide.
    pub contested: bool,
    /// 现场处理
    pub settled_on_site: bool,
    /// 主办, once it was dispatched.
    pub host: Option<UserId>,
    /// Who dispatched or took it.
    pub dispatcher: Option<UserId>,
    /// Who holds it until then, see [`shared::workflow::held_by`].
    pub level: Level,
    /// What this user may do next.
    pub allowed: Vec<Step>,
}

/// What 今日 shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Today {
    /// Events the user has to act on, the most urgent first.
    pub due: Vec<EventRow>,
    /// Visits that are due, by date: never the reason.
    pub visits: Vec<DueVisit>,
    /// 专项排查 of which something remains here.
    pub campaigns: Vec<CampaignLeft>,
    /// Whether no meeting was recorded this week.
    pub meeting_due: bool,
    /// People who moved here from another grid, until somebody says that they came.
    pub arrivals: Vec<Hit>,
    /// Records by kind on this handheld.
    pub counts: BTreeMap<RecordKind, u64>,
    /// Records with fields that are 待核对.
    pub conflicts: u64,
    /// Edits waiting, photos waiting, edits in the tray.
    pub outbox: OutboxCounts,
    /// When the last sync ended well, by the device's clock.
    pub last_sync: Option<DateTime<Utc>>,
}

/// A visit that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct DueVisit {
    /// Who is to be visited.
    pub hit: Hit,
    /// By when.
    pub date: NaiveDate,
}

/// What remains of a 专项排查 on this handheld.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignLeft {
    /// The 专项排查.
    pub hit: Hit,
    /// Its last day, if it names one.
    pub until: Option<NaiveDate>,
    /// How many of its targets are held here.
    pub targets: usize,
    /// Those that nobody has looked at for it, by name.
    pub remaining: Vec<RecordId>,
}

/// How much is not delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Edits without a receipt.
    pub edits: u64,
    /// Photos (thumbnails not counted) whose hash the server has not said back.
    pub photos: u64,
    /// Edits in the tray.
    pub tray: u64,
}

/// Something still to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxItem {
    /// What it is.
    pub what: OutboxWhat,
    /// The record it is for, where known.
    pub record: Option<RecordId>,
    /// The title of that record.
    pub title: String,
    /// Bytes still to send, before compression.
    pub bytes: u64,
    /// When it was saved.
    pub saved: DateTime<Utc>,
    /// Why it is still here.
    pub why: Message,
    /// When it is tried again; `None` if that is not planned (offline, paused).
    pub next_attempt: Option<DateTime<Utc>>,
}

/// An edit or a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxWhat {
    /// An edit, with the fields it writes.
    Edit {
        /// Which.
        edit: EditId,
        /// Names of the fields.
        fields: Vec<String>,
    },
    /// A photo.
    Photo {
        /// Which.
        hash: PhotoHash,
        /// Bytes the server has already.
        sent: u64,
    },
}

/// An edit that the server did not take.
#[derive(Debug, Clone, PartialEq)]
pub struct TrayItem {
    /// As it was saved.
    pub edit: Edit,
    /// The title of its record.
    pub title: String,
    /// Why.
    pub rejection: Rejection,
    /// When the answer came.
    pub since: DateTime<Utc>,
}

/// What a sync would carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Edits to send.
    pub records: u64,
    /// Photos to send.
    pub photos: u64,
    /// Kilobytes to send, about, compressed.
    pub kilobytes: u64,
    /// About how long, by the speed of the last syncs.
    pub seconds: u64,
}

/// The two lamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lights {
    /// 已全部上传: every edit has an outcome and every photo its hash said back.
    pub delivered: bool,
    /// 可以交机: delivered, also by all others who use this handheld, and a backup of the server holds it.
    pub safe_to_hand_in: bool,
    /// Others who use this handheld and have not delivered everything, or of whom no backup holds everything.
    pub others: u64,
}

/// A photo taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TakenIn {
    /// SHA-256 of the photo as it will be sent: the element of its path `photos/<hash>`.
    pub hash: PhotoHash,
    /// The value to write there.
    pub particulars: PhotoParticulars,
}

/// A row with the fields that are 待核对 in it.
pub type Conflict = (Hit, Vec<OpenField>);

/// A likely duplicate of a record that is being entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The record that is there.
    pub hit: Hit,
    /// Why it may be the same.
    pub why: SameBy,
}

/// Why two records may be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameBy {
    /// The same number of an identity paper (or credit code).
    Number,
    /// The same name and birth date.
    NameAndBirthDate,
    /// The same name and address.
    NameAndAddress,
}

/// Settings of this handheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `zh-CN` or `en`.
    pub language: String,
    /// Percent: 100, 115, 130, 150, 200.
    pub text_size: u16,
    /// `light`, `dark` or `auto`.
    pub theme: String,
    /// Photos wait until this is switched off ("send only text now").
    pub text_only: bool,
    /// Photos wait for a line that costs nothing.
    pub wifi_only: bool,
    /// The server, once enrolled.
    pub server: String,
    /// Who uses the handheld, once enrolled.
    pub user: Option<UserId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: "zh-CN".to_owned(),
            text_size: 100,
            theme: "auto".to_owned(),
            text_only: false,
            wifi_only: false,
            server: String::new(),
            user: None,
        }
    }
}

pub use crate::store::{Decision, Late, Place, Told};
pub use shared::validate::Problem;
