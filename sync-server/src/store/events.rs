//! Events as lists and figures need them: what their logs fold to, without the logs.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{RecordId, UserId};
use shared::record::RecordKind;
use shared::workflow::{self, EventState, Level, Light, Stage};

use super::StoreError;
use crate::auth::authorize::Reach;

/// What is stored of an event beside its part; all of it follows from the state of its open part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts {
    /// Its category's code.
    pub category: String,
    /// Where it came from, the code.
    pub source: String,
    /// How urgent, the code.
    pub urgency: String,
    /// Of a 公共服务代办, the code of what is done.
    pub service: String,
    /// Whom or what a visit or an inspection was about.
    pub subject: Option<RecordId>,
    /// The 专项排查 it was made for.
    pub campaign: Option<RecordId>,
    /// When it was reported; of work that is recorded, when it was done.
    pub at: DateTime<Utc>,
    /// Where it stands; none for work that is recorded: it has no steps.
    pub stage: Option<Stage>,
    /// Who holds it until it is dispatched.
    pub level: Level,
    /// When it was reported, if it was.
    pub reported: Option<DateTime<Utc>>,
    /// When it last moved.
    pub moved: Option<DateTime<Utc>>,
    /// When its time began to run.
    pub since: Option<DateTime<Utc>>,
    /// When its time is over.
    pub due: Option<DateTime<Utc>>,
    /// When it was closed, if it is.
    pub closed: Option<DateTime<Utc>>,
    /// 主办
    pub host: Option<UserId>,
    /// 协办
    pub helpers: Vec<UserId>,
    /// Who dispatched or took it.
    pub dispatcher: Option<UserId>,
    /// Whether more time is asked for.
    pub asked: bool,
    /// Whether entries are at odds.
    pub contested: bool,
    /// 现场处理
    pub on_site: bool,
    /// How often it was urged since it last moved.
    pub urged: u32,
    /// 督办
    pub supervised: bool,
    /// The outcome's code, once closed.
    pub outcome: String,
    /// The number of its ledger, once archived.
    pub ledger: String,
}

impl EventFacts {
    /// Whether it was reported and is neither closed nor archived. Work that is recorded waits for nobody.
    pub fn is_under_way(&self) -> bool {
        self.reported.is_some() && !matches!(self.stage, None | Some(Stage::Closed | Stage::Archived))
    }

    /// As the workflow's rules about time take it; what those do not ask for is left out.
    pub fn state(&self) -> EventState {
        let mut state = EventState::default();
        state.stage = self.stage.unwrap_or_default();
        state.level = self.level;
        (state.reported_at, state.moved_at, state.closed_at) = (self.reported, self.moved, self.closed);
        (state.since, state.due) = (self.since, self.due);
        (state.host, state.dispatcher) = (self.host, self.dispatcher);
        state.helpers.clone_from(&self.helpers);
        (state.settled_on_site, state.urged, state.supervised) = (self.on_site, self.urged, self.supervised);
        state
    }

    /// How much of its time is left.
    pub fn light(&self, now: DateTime<Utc>) -> Option<Light> {
        workflow::light(&self.state(), now)
    }
}

/// An event of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Which record.
    pub record: RecordId,
    /// The place of its open part in the feed: whoever saw this number saw what stands here.
    pub seq: u64,
    /// Where it lies.
    pub areas: Vec<AreaId>,
    /// Reporter, 主办 and 协办.
    pub readers: Vec<UserId>,
    /// Whether it tells of a visit.
    pub visit: bool,
    /// Whether it counts as deleted.
    pub deleted: bool,
    /// Its title.
    pub title: String,
    /// The rest.
    pub facts: EventFacts,
}

impl EventRow {
    /// All that rights depend on.
    pub fn reach(&self) -> Reach {
        Reach { kind: RecordKind::Event, areas: self.areas.clone(), readers: self.readers.clone(), visit: self.visit }
    }
}

/// From this moment on, and before that one.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// Which events are wanted. Merged ones never are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only in one of these areas (name every one).
    pub areas: Option<Vec<AreaId>>,
    /// No visits.
    pub without_visits: bool,
    /// Only those under way.
    pub open_only: bool,
    /// Only of these categories; none: of any.
    pub categories: Vec<String>,
    /// Only these 代办; none: any.
    pub services: Vec<String>,
    /// Only from these sources; none: any.
    pub sources: Vec<String>,
    /// Only at these stages; none: at any.
    pub stages: Vec<Stage>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Reported, or done, within.
    pub at: Option<Span>,
    /// Closed within.
    pub closed: Option<Span>,
    /// Only those made for a 专项排查.
    pub for_campaigns: bool,
    /// Only with a number of a ledger, in the order of the numbers.
    pub archived: bool,
    /// Leave so many out first.
    pub offset: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

/// By what figures of events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The category's code.
    Category,
    /// The code of a 代办.
    Service,
    /// The stage's code; empty for work that is recorded.
    Stage,
    /// The outcome's code; empty before it is closed.
    Outcome,
    /// The month of Beijing in which it was reported or done, `2026-11`.
    Month,
}

/// So many events that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTally {
    /// Where they lie.
    pub areas: Vec<AreaId>,
    /// What each [`By`] asked for says.
    pub by: Vec<String>,
    /// How many.
    pub count: u64,
}

/// So many records that are alike, deleted and merged ones aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartTally {
    /// Of which kind.
    pub kind: RecordKind,
    /// Where they lie.
    pub areas: Vec<AreaId>,
    /// Whether they tell of visits.
    pub visit: bool,
    /// Whether nothing is missing that makes such a record complete.
    pub complete: bool,
    /// How many.
    pub count: u64,
}

/// What a search looks through of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsRow {
    /// Which.
    pub record: RecordId,
    /// Of which kind.
    pub kind: RecordKind,
    /// Where it lies.
    pub areas: Vec<AreaId>,
    /// Whether it tells of a visit.
    pub visit: bool,
    /// Whether it was merged into another one.
    pub merged: bool,
    /// Its title.
    pub title: String,
    /// The values of its searched fields, one a line.
    pub words: String,
}

/// Reading events.
pub trait ReadEvents {
    /// Events that `filter` wants, the latest first, or by the number of the ledger; stops when `each` says `false`.
    fn each_event(
        &self,
        filter: &EventFilter,
        each: &mut dyn FnMut(EventRow) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>;
    /// How many of the events that `filter` wants are alike (its `offset` and `limit` aside), deleted ones not counted.
    fn tally_events(&self, filter: &EventFilter, by: &[By]) -> Result<Vec<EventTally>, StoreError>;
    /// Whom and what events that `filter` wants were about, each once, with where the events lie; deleted ones not counted.
    fn subjects(&self, filter: &EventFilter) -> Result<Vec<(RecordId, Vec<AreaId>)>, StoreError>;
    /// How many open parts there are by kind and area; `kind`: only of this one, `made`: only of records made within.
    fn tally_parts(&self, kind: Option<RecordKind>, made: Option<Span>) -> Result<Vec<PartTally>, StoreError>;
    /// The words of open parts after a number of their feed, in its order.
    fn each_words(
        &self,
        after: u64,
        each: &mut dyn FnMut(WordsRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// The last running number of a ledger: the greatest number behind `prefix` of events of a category.
    fn last_in_ledger(&self, prefix: &str) -> Result<u32, StoreError>;
}
