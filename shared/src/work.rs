//! Work that is recorded and done with: 走访, 巡防, 检查, 例会, 专项排查. An event of such a category of which nothing was
//! reported has no steps and waits for nobody (`domain.md`, "Other work that is recorded").

use chrono::NaiveDate;

use crate::ids::RecordId;
use crate::mask::parse_date;
use crate::merge::PartState;
use crate::value::Value;
use crate::view::{self, Policy};
use crate::workflow::STEPS;

/// The field that says whom or what it was about: a person, a place, an object, an organization.
pub const SUBJECT: &str = "subject";
/// The field of a visit that says when the next one is due.
pub const NEXT_VISIT: &str = "next_visit";
/// The field of an inspection: what was found wrong.
pub const FAULTS: &str = "faults";
/// The field of an inspection or a visit that names the 专项排查 it was made for.
pub const CAMPAIGN: &str = "campaign";
/// The field of a 专项排查 that names what is to be looked at.
pub const TARGETS: &str = "targets";

/// A category of an event that is work done, not something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// 走访: of a person, a place, an organization.
    Visit,
    /// 巡防: a round through a zone.
    Patrol,
    /// 检查: against a checklist.
    Inspection,
    /// 例会, 民情分析会
    Meeting,
    /// 专项排查: targets to be looked at until a day.
    Campaign,
}

impl Work {
    /// Each of them, in the order of the screen.
    pub const ALL: [Self; 5] = [Self::Visit, Self::Patrol, Self::Inspection, Self::Meeting, Self::Campaign];

    /// The code of the category.
    pub fn code(self) -> &'static str {
        match self {
            Self::Visit => "visit",
            Self::Patrol => "patrol",
            Self::Inspection => "inspection",
            Self::Meeting => "meeting",
            Self::Campaign => "campaign",
        }
    }

    /// The work of a category; `None`: something that happened.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.code() == code)
    }

    /// What an event records by its open part. One that was reported goes through its six steps, whatever its category
    /// says by now.
    pub fn of(open: &PartState) -> Option<Self> {
        if open.live_under(STEPS).next().is_some() {
            return None;
        }
        let category = view::shown(open, "category", Policy::One)?;
        Self::from_code(&category.as_text()?)
    }
}

/// Whom or what it was about.
pub fn subject(open: &PartState) -> Option<RecordId> {
    view::shown(open, SUBJECT, Policy::One)?.as_text()?.parse().ok()
}

/// When the next visit is due, if the visit says so.
pub fn next_visit(open: &PartState) -> Option<NaiveDate> {
    parse_date(&view::shown(open, NEXT_VISIT, Policy::One)?.as_text()?)
}

/// The last day of a 专项排查, if it names one.
pub fn until(open: &PartState) -> Option<NaiveDate> {
    parse_date(&view::shown(open, "until", Policy::One)?.as_text()?)
}

/// When it was done, milliseconds since 1970 UTC.
pub fn done_at(open: &PartState) -> Option<i64> {
    view::shown(open, "happened_at", Policy::One).and_then(Value::get)
}
