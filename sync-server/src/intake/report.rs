//! A report as it travels, sealed, from the intake to the centre; and the words in which its status is told.

use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::form::Position;
use shared::workflow::{EventState, STEPS, Stage, Step, StepEntry};
use uuid::Uuid;

/// The most characters of what happened.
pub const TEXT: usize = 1_000;
/// The most characters of a place.
pub const PLACE: usize = 100;
/// The most characters of a name.
pub const NAME: usize = 40;
/// The most characters of a telephone number.
pub const PHONE: usize = 20;
/// The most photos.
pub const PHOTOS: usize = 3;

/// What can be chosen, in plain words; each is a category of the event form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// 有危险
    Hazard,
    /// 脏乱
    Sanitation,
    /// 邻里纠纷
    Dispute,
    /// 治安
    PublicOrder,
    /// 请帮忙办事
    Service,
    /// 投诉
    Complaint,
    /// 建议
    Suggestion,
}

impl What {
    /// In the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Hazard,
        Self::Sanitation,
        Self::Dispute,
        Self::PublicOrder,
        Self::Service,
        Self::Complaint,
        Self::Suggestion,
    ];

    /// As in the form and at the end of message keys.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hazard => "hazard",
            Self::Sanitation => "sanitation",
            Self::Dispute => "dispute",
            Self::PublicOrder => "public_order",
            Self::Service => "service",
            Self::Complaint => "complaint",
            Self::Suggestion => "suggestion",
        }
    }

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.code() == code)
    }

    /// The category of the event form.
    pub fn category(self) -> &'static str {
        match self {
            Self::Hazard => "hazard",
            Self::Sanitation => "sanitation",
            Self::Dispute => "dispute",
            Self::PublicOrder => "public_order",
            Self::Service => "public_service",
            Self::Complaint => "petition",
            Self::Suggestion => "opinion",
        }
    }
}

/// Why a report waits for somebody's word before it reaches the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// A field was filled in that nobody sees.
    Trap,
    /// Faster than anybody types.
    Fast,
    /// Not from a page of ours.
    Form,
    /// It holds links.
    Link,
    /// The same text came before.
    Repeated,
    /// Much came from this address.
    Address,
    /// Much came for this grid.
    Grid,
    /// It cannot be read here.
    Unreadable,
}

impl Suspicion {
    /// The end of its message key.
    pub fn code(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fast => "fast",
            Self::Form => "form",
            Self::Link => "link",
            Self::Repeated => "repeated",
            Self::Address => "address",
            Self::Grid => "grid",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A report. Nothing of it lies on the intake's disk unsealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// By which it is told apart: taken twice it lands once.
    pub id: Uuid,
    /// SHA-256 of the token its sender holds.
    pub token: [u8; 32],
    /// For which grid.
    pub area: AreaId,
    /// Of which kind.
    pub what: What,
    /// What happened.
    pub text: String,
    /// Where, in words.
    pub place: String,
    /// Where, by the telephone.
    pub position: Option<Position>,
    /// Who, if they say so.
    pub name: String,
    /// How to reach them, if they say so.
    pub phone: String,
    /// Whether they say that they are an informant of the town.
    pub informant: bool,
    /// JPEGs without metadata, in base64.
    pub photos: Vec<String>,
    /// When it was sent, milliseconds since 1970 UTC.
    pub at: i64,
    /// Why it is suspicious, if it is.
    pub suspicion: Option<Suspicion>,
}

/// What whoever holds the link is told: 已收到 / 已分派 / 办理中 / 已答复 / 已结案.
pub const STATUSES: u8 = 5;

/// The code of the status of an event.
pub fn status(open: &shared::merge::PartState, state: &EventState) -> u8 {
    match state.stage {
        Stage::Reported => 0,
        Stage::Handling => {
            let begun = open.live_under(STEPS).filter_map(|(_, write)| write.value.get::<StepEntry>());
            if begun.into_iter().any(|entry| entry.step == Step::Handle) { 2 } else { 1 }
        }
        Stage::Handled => 2,
        Stage::Answered => 3,
        Stage::Closed | Stage::Archived => 4,
    }
}
