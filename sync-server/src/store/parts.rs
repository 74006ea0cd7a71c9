//! Parts as they stand, and the feed of them.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::ids::{EditId, PhotoHash, RecordId, Slot, UserId};
use shared::record::{Part, RecordKind};

use super::EventFacts;

/// One part of one record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Of which record.
    pub record: RecordId,
    /// Which part.
    pub part: Part,
    /// Of which kind.
    pub kind: RecordKind,
    /// Its place in the feed of its town and part.
    pub seq: u64,
    /// Where the record lies (more than one while 待核对), from its open part.
    pub areas: Vec<AreaId>,
    /// Who else may read it: an event's reporter, 主办 and 协办.
    pub readers: Vec<UserId>,
    /// Whether the record tells of a visit, from its open part: not everybody reads those by their scope.
    pub visit: bool,
    /// The shown value of the form's title field; empty for a restricted part.
    pub title: String,
    /// The shown values of the fields search goes by, in lower case, one a line.
    pub words: String,
    /// How many fields are 待核对.
    pub open_fields: u32,
    /// How much of what makes such a record complete is not written in it.
    pub missing: u32,
    /// Whether it counts as deleted.
    pub deleted: bool,
    /// Whether a live write's author stays with the centre.
    pub anonymous: bool,
    /// The record it says it was merged into; of an open part only. Where that leads, [`super::Kept::alias_of`] says.
    pub merged_into: Option<RecordId>,
    /// JSON of the `merge::PartState`.
    pub state: String,
    /// Of an event's open part that is being saved: what stands beside it for lists and figures. Not read with parts.
    pub event: Option<Box<EventFacts>>,
}

/// Which parts are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartFilter {
    /// Which of the two parts.
    pub part: Part,
    /// Only of this kind.
    pub kind: Option<RecordKind>,
    /// Only of these kinds.
    pub kinds: Option<Vec<RecordKind>>,
    /// No visits.
    pub without_visits: bool,
    /// Only in one of these areas (name every one: no tree is walked here).
    pub areas: Option<Vec<AreaId>>,
    /// Only with fields that are 待核对.
    pub open_only: bool,
    /// Also records that were merged into another.
    pub with_merged: bool,
    /// Only where every one of these words stands in a searched field; lower case.
    pub words: Vec<String>,
    /// Only after this sequence number.
    pub after: u64,
    /// Only up to this sequence number.
    pub upto: Option<u64>,
    /// Only of records made within: an id tells when.
    pub made: Option<super::Span>,
    /// Newest first; else in the order of the sequence.
    pub newest_first: bool,
    /// Leave so many out first.
    pub offset: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

/// A place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its number.
    pub seq: u64,
    /// Which record.
    pub record: RecordId,
    /// What stands there.
    pub what: FeedWhat,
}

/// What stands at a place of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedWhat {
    /// The part as it is now.
    Part {
        /// For [`Read::feed_state`](super::Read::feed_state).
        row: i64,
        /// Of which kind.
        kind: RecordKind,
        /// Where the record lies.
        areas: Vec<AreaId>,
        /// Who else may read it.
        readers: Vec<UserId>,
        /// Whether the record tells of a visit.
        visit: bool,
        /// Whether authors have to be masked for some readers.
        anonymous: bool,
    },
    /// It left what this reader saw.
    Left {
        /// By what it was seen.
        key: ReaderKey,
        /// What it was, if it was erased.
        erased: Option<RecordKind>,
    },
}

/// By what somebody sees a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReaderKey {
    /// By their scope.
    Area(AreaId),
    /// By their scope, of those who read visits by it.
    Visits(AreaId),
    /// By name.
    User(UserId),
}

/// A record's part left, or came back to, what readers of a key see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Which record.
    pub record: RecordId,
    /// Which part.
    pub part: Part,
    /// By what it was seen.
    pub key: ReaderKey,
    /// The sequence number at which it left; none: it is back.
    pub seq: Option<u64>,
}

/// A number as it stands in the words of a row: SHA-256 in hexadecimal behind a character that nobody types.
pub fn number_word(number: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(number.trim().to_lowercase().as_bytes()).into();
    format!("\u{1}{}", PhotoHash::from_bytes(&digest))
}

/// Which parts of a feed somebody wants: those that lie in one of the areas or name the reader. A store need not look at the
/// others one by one; most of a town's changes lie elsewhere than where one member walks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Near {
    /// The areas and the reader; none: all parts.
    pub lies: Option<(Vec<AreaId>, UserId)>,
    /// Whether the states of most of them will be asked for too.
    pub states: Asked,
}

/// What of states will be asked for along a feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Asked {
    /// None.
    #[default]
    None,
    /// As they were read lately: [`super::Read::told_state`].
    Told,
    /// As they are stored: [`super::Read::feed_state`].
    Stored,
}

/// What a push is going to ask of its town, see [`super::Tx::look_ahead`].
#[derive(Debug, Clone)]
pub struct Ahead {
    /// The writer: [`super::Read::slot`].
    pub slot: Slot,
    /// What it brings: [`super::Read::outcomes`], [`super::ReadDoubts::first_dots`], [`super::Kept::ended_of`].
    pub edits: Vec<EditId>,
    /// What that is for or about: [`super::Kept::erased_of`], [`super::ReadTowns::moved`].
    pub records: BTreeSet<RecordId>,
    /// What will be read and written: [`super::Read::load_many`], [`super::Tx::save_many`].
    pub parts: BTreeSet<(RecordId, Part)>,
}

/// What will be asked for the answer to a round, see [`super::Read::look_ahead_for`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answering {
    /// The writer: [`super::Read::slot`], [`super::Kept::backed_up`].
    pub slot: Slot,
    /// Its user: [`super::ReadDoubts::decided_since`].
    pub user: UserId,
    /// Which decisions they know.
    pub decided: u64,
    /// How many photos will be asked of them: [`super::Read::wanted`].
    pub wanted: usize,
}

/// How a town stands at one moment: what a round has to know before it looks at anything else, by one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Grows whenever an area or a user changes, of any town.
    pub directory: u64,
    /// The present epoch.
    pub epoch: u32,
    /// How many editions the town has published.
    pub editions: usize,
    /// The last number of the open feed.
    pub open: u64,
    /// The last number of the restricted feed.
    pub restricted: u64,
    /// The last decision on a quarantined edit.
    pub decided: u64,
}

impl Standing {
    /// The last number of a part's feed.
    pub fn last(&self, part: Part) -> u64 {
        match part {
            Part::Open => self.open,
            Part::Restricted => self.restricted,
        }
    }
}
