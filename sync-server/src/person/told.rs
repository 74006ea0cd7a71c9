//! What the file says, as `person.json` has it. Keys are never renamed; new ones may come. Times are RFC 3339 in 北京时间.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use shared::ids::{EditId, RecordId};
use shared::value::Value;

use crate::export::show::beijing;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Told {
    /// Of this layout, 1.
    pub version: u32,
    /// Who keeps it.
    pub town: String,
    /// The newest thing in it: what is told is as of then.
    pub as_of: Option<String>,
    /// When all of it was erased; then nothing is kept.
    pub erased_at: Option<String>,
    /// The person's records: the one that counts first, then the duplicates merged into it.
    pub records: Vec<Record>,
    /// Records of other kinds, and of other people without their names, that name this person.
    pub named_in: Vec<Named>,
    /// Events that name this person.
    pub events: Vec<Event>,
    /// What they reported from a telephone with their name and number.
    pub reported: Vec<Reported>,
    /// How many reports bear their name or their number and may be somebody else's.
    pub reported_unsure: usize,
    /// Photos that their own records link.
    pub photos: Vec<Photo>,
    /// Changes that were sent and not taken over.
    pub not_taken: Vec<NotTaken>,
    /// How many were sent that nobody can read.
    pub unreadable: usize,
    /// Who may read the records now, by role.
    pub readers: BTreeMap<&'static str, Readers>,
    /// Who looked at what is masked or restricted, or did something with a record as a whole.
    pub looked: Vec<Looked>,
    /// Batches that told of this person.
    pub batches: Vec<Batch>,
    /// Years that a deleted record of a person is kept; none: no rule says.
    pub years_after_deletion: Option<u32>,
}

/// One record.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Where it lies.
    pub areas: Vec<String>,
    /// The record it was merged into.
    pub merged_into: Option<RecordId>,
    /// Whether it was deleted (and is kept, marked).
    pub deleted: bool,
    /// When the first of it came in.
    pub since: Option<String>,
    /// What stands in it.
    pub fields: Vec<Field>,
}

/// One field, or one element of a list.
#[derive(Debug, Serialize)]
pub struct Field {
    /// `open`, `restricted`.
    pub part: &'static str,
    /// Its code name with the element.
    pub path: String,
    /// Its name on the screen.
    pub label: String,
    /// What stands there; more than one while nobody has decided which is right.
    pub values: Vec<Written>,
}

/// One value.
#[derive(Debug, Serialize)]
pub struct Written {
    /// As stored.
    pub value: Value,
    /// As read.
    pub text: String,
    /// When it was written, by the device's clock.
    pub at: String,
    /// By whom.
    pub by: By,
}

/// Somebody who worked with it, as far as the person may know: an informant is a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct By {
    /// The code of the role; none: the server itself.
    pub role: Option<&'static str>,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where they work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A record that names the person.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Named {
    /// Its kind.
    pub kind: &'static str,
    /// In which field.
    pub field: String,
    /// Its name; of another person it is left out.
    pub title: Option<String>,
}

/// An event that names the person.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Its number in the ledger.
    pub ledger: Option<String>,
    /// What it is about, as titles go: no names of people are to stand there.
    pub title: String,
    /// In which fields the person is named.
    pub named_as: Vec<String>,
    /// Short facts by the field's name: category, urgency, when, what was done for them.
    pub facts: Vec<(String, String)>,
    /// Where it stands, as `stage-…`.
    pub stage: &'static str,
    /// How it ended.
    pub outcome: Option<String>,
    /// What was done when by which role.
    pub steps: Vec<Step>,
    /// How many others it names, by kind.
    pub others: BTreeMap<&'static str, usize>,
    /// Texts that are filled in and left out, by the field's name: they may name who reported it, or others.
    pub left_out: Vec<String>,
}

/// A report that the person sent from a telephone.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// When.
    pub at: String,
    /// The name they gave; may be empty.
    pub name: String,
    /// The telephone they gave.
    pub phone: String,
    /// What they wrote, in their own words; none where it is not to be read any more.
    pub text: Option<String>,
    /// Where it stands, as `stage-…`; none: it waits to be looked at.
    pub stage: Option<&'static str>,
}

/// One step of an event.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its code, as in `step-…`.
    pub step: String,
    /// When.
    pub at: String,
    /// By whom; of a report nobody.
    pub by: Option<By>,
}

/// One photo.
#[derive(Debug, Serialize)]
pub struct Photo {
    /// SHA-256 of its bytes; it lies under `photos/`.
    pub sha256: String,
    /// When it was taken.
    pub at: Option<String>,
    /// Whether it is in this file; else it was linked and never delivered.
    pub here: bool,
}

/// A change that was not taken over.
#[derive(Debug, Serialize)]
pub struct NotTaken {
    /// Its id.
    pub id: EditId,
    /// When it came in.
    pub received: String,
    /// Why it was not taken, as code.
    pub why: Value,
    /// `waiting`, `taken_later`, `left_out`, `taken_back`; `shown_after_restore`: handhelds showed it after the server was put
    /// back to an older backup.
    pub decision: &'static str,
    /// By whom.
    pub by: By,
    /// What it wanted to write.
    pub writes: BTreeMap<String, Value>,
}

/// How many people of a role may read.
#[derive(Debug, Default, Serialize)]
pub struct Readers {
    /// The open part.
    pub open: usize,
    /// The restricted part too.
    pub restricted: usize,
}

/// An entry of the audit.
#[derive(Debug, Serialize)]
pub struct Looked {
    /// When.
    pub at: String,
    /// What was done, a code.
    pub action: String,
    /// Which fields, where one was seen in full.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fields: String,
    /// By whom, by role and place.
    pub by: By,
}

/// A batch.
#[derive(Debug, Serialize)]
pub struct Batch {
    /// Its number.
    pub number: String,
    /// When it was sealed.
    pub at: String,
    /// Whether numbers stood in it in full.
    pub in_full: bool,
    /// Whether care services were in it.
    pub restricted: bool,
    /// By whom.
    pub by: By,
}

/// One line of `history.ndjson`.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Of which record.
    pub record: RecordId,
    /// `open`, `restricted`.
    pub part: &'static str,
    /// The change.
    pub id: EditId,
    /// When it was saved, by the device's clock.
    pub at: String,
    /// When it came in, by the server's clock.
    pub received: String,
    /// By whom.
    pub by: By,
    /// What it wrote.
    pub writes: BTreeMap<String, Value>,
}

/// To the second.
pub fn time(at: DateTime<Utc>) -> String {
    beijing(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}
