//! What leaves the house: a record as columns ([`columns`]), as CSV ([`csv`]), as a workbook ([`xlsx`]), as NDJSON
//! ([`ndjson`]) and, if it has a place, for maps ([`geojson`]). Pure: no store.

pub mod columns;
pub mod csv;
pub mod geojson;
pub mod ndjson;
pub mod profile;
pub mod show;
pub mod xlsx;

use chrono::NaiveDate;
use shared::area::{AreaId, AreaTree};
use shared::form::Forms;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::RecordKind;

/// How a record stands to what was taken out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Not in an earlier cut.
    New,
    /// In an earlier cut, changed since.
    Changed,
    /// Deleted; the row says what it was.
    Removed,
    /// Left the area; nothing but its id is told.
    Gone,
}

impl Status {
    /// The code in NDJSON and the manifest.
    pub fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Gone => "gone",
        }
    }
}

/// One record of a batch.
#[derive(Debug, Clone)]
pub struct Line {
    /// Which record.
    pub id: RecordId,
    /// Its kind.
    pub kind: RecordKind,
    /// How it stands to the last cut.
    pub status: Status,
    /// The open part; empty when gone.
    pub open: PartState,
    /// The restricted part, for those cleared.
    pub restricted: Option<PartState>,
}

/// How a batch is told: to whom, in which words, with which masks.
pub struct Telling<'a> {
    /// Every form.
    pub forms: &'a Forms,
    /// The names of areas.
    pub areas: &'a AreaTree,
    /// `zh-CN` or `en`.
    pub lang: assets::messages::Lang,
    /// Numbers in full: only for those who may and ask.
    pub unmasked: bool,
    /// Whether restricted parts are told.
    pub cleared: bool,
    /// The day ages are counted to.
    pub today: NaiveDate,
    /// The title of a record that a link goes to, where the reader may know it.
    pub titles: &'a dyn Fn(RecordId) -> Option<String>,
    /// The name of a user, for steps.
    pub users: &'a dyn Fn(shared::ids::UserId) -> Option<String>,
}

impl Telling<'_> {
    /// The name of an area with those above it up to the community, `青禾社区 第三网格`.
    pub fn area(&self, id: AreaId) -> String {
        area_name(self.areas, id)
    }
}

/// The name of an area with those above it below the town, `青禾社区 第三网格`; the id where it is unknown.
pub fn area_name(areas: &AreaTree, id: AreaId) -> String {
    let mut names: Vec<&str> = areas
        .ancestors(id)
        .into_iter()
        .filter_map(|id| areas.get(id))
        .enumerate()
        .filter(|(place, area)| {
            *place == 0 || !matches!(area.level, shared::area::AreaLevel::Town | shared::area::AreaLevel::County)
        })
        .map(|(_, area)| area.name.as_str())
        .collect();
    names.reverse();
    if names.is_empty() { id.to_string() } else { names.join(" ") }
}
