//! The five elements (人 地 物 事 组织) and the two parts of a record.

use serde::{Deserialize, Serialize};

use crate::ids::RecordId;
use crate::merge::PartState;

/// The kind of a record; fixed when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// 人
    Person,
    /// 地
    Place,
    /// 物
    Object,
    /// 事
    Event,
    /// 组织
    Organization,
}

impl RecordKind {
    /// Every kind, in the order of the cards on 采集.
    pub const ALL: [Self; 5] = [Self::Person, Self::Place, Self::Object, Self::Event, Self::Organization];

    /// The code name, as on the wire and in SQL.
    pub fn code(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Place => "place",
            Self::Object => "object",
            Self::Event => "event",
            Self::Organization => "organization",
        }
    }

    /// The kind of a code name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A part of a record: each has its own edits, vector, sequence and digest, so that one never speaks of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What everybody who may read the record reads.
    #[default]
    Open,
    /// What only those cleared for care records read.
    Restricted,
}

impl Part {
    /// Both parts.
    pub const ALL: [Self; 2] = [Self::Open, Self::Restricted];

    /// The code name, as on the wire and in SQL.
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Restricted => "restricted",
        }
    }

    /// The part of a code name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.code() == code)
    }
}

/// A record as somebody holds it: both parts, the restricted one only for those cleared.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The same everywhere and for good.
    pub id: RecordId,
    /// Fixed when it was created.
    pub kind: RecordKind,
    /// The open part.
    pub open: PartState,
    /// The restricted part; empty when there is none or the holder may not read it.
    pub restricted: PartState,
}

impl Record {
    /// A record that nobody has written to yet.
    pub fn empty(id: RecordId, kind: RecordKind) -> Self {
        Self { id, kind, open: PartState::default(), restricted: PartState::default() }
    }

    /// One of the two parts.
    pub fn part(&self, part: Part) -> &PartState {
        match part {
            Part::Open => &self.open,
            Part::Restricted => &self.restricted,
        }
    }

    /// One of the two parts, to apply edits to.
    pub fn part_mut(&mut self, part: Part) -> &mut PartState {
        match part {
            Part::Open => &mut self.open,
            Part::Restricted => &mut self.restricted,
        }
    }
}
