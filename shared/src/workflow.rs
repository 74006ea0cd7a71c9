//! An event's life (六步闭环): the state is what the log of steps folds to, the same on every machine.

mod fold;
mod judge;
mod pairs;
mod time;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::area::AreaLevel;
use crate::author::Role;
use crate::ids::{Dot, EditId, UserId};

pub use fold::{fold, fold_at};
pub use judge::{allowed, judge};
pub use pairs::{Move, Rule, Same, rule};
pub use time::{MAX_DAYS, decides_now, held_by, light};

/// The log of steps in the open part of an event.
pub const STEPS: &str = "steps";

/// What one entry of the log does: the six steps and the side moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// 上报
    Report,
    /// 现场处理: goes straight to feedback.
    SettleOnSite,
    /// 自办: the leader takes it as 主办.
    Take,
    /// 提级: to the next level up (grid → community → centre).
    Raise,
    /// 分流: one 主办, any number of 协办, a time limit.
    Dispatch,
    /// 办理: what was done; 主办 completes (`done`).
    Handle,
    /// 延期: asked for by 主办 with a reason and days; granted by who dispatched.
    Extend,
    /// 准予延期
    GrantExtension,
    /// 退回 with a reason: back to who dispatched.
    SendBack,
    /// 反馈: what they were told, 满意/不满意; 不满意 goes back to 办理.
    Feedback,
    /// 结案 with an outcome.
    Close,
    /// 建档: a ledger number; read-only from here on.
    Archive,
    /// 催办
    Urge,
    /// 督办
    Supervise,
}

/// One entry of the log, the value at `steps/<edit id>`. Absent members are not said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// What it does.
    pub step: Step,
    /// Findings, what was done, what they were told, the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// 主办 (dispatch).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<UserId>,
    /// 协办 (dispatch).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<UserId>,
    /// The limit (dispatch) or the days asked for (extend).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Handle: whether 主办 is done. Absent means an interim note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    /// Feedback: 满意 or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satisfied: Option<bool>,
    /// Close: the outcome's code (disputes: `reconciled`, `not_reconciled`; else `settled`, `not_settled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Archive: the ledger number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
}

impl StepEntry {
    /// An entry that says nothing but a text.
    pub fn new(step: Step, text: impl Into<String>) -> Self {
        Self {
            step,
            text: text.into(),
            host: None,
            helpers: Vec::new(),
            limit: None,
            done: None,
            satisfied: None,
            outcome: None,
            ledger: None,
        }
    }
}

/// A time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// For urgent ones: hours, around the clock.
    Hours(u32),
    /// Working days of the town's calendar.
    Days(u32),
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 上报 done, waiting for 分流.
    #[default]
    Reported,
    /// 分流 done, 办理 under way.
    Handling,
    /// 办理 done, waiting for 反馈.
    Handled,
    /// 反馈 done, waiting for 结案.
    Answered,
    /// 结案
    Closed,
    /// 建档
    Archived,
}

/// Who holds an event that is not dispatched yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 小网格
    #[default]
    Grid,
    /// 大网格: village, community, farm
    Community,
    /// 综治中心
    Centre,
}

/// Who acts: a user in a role, at the highest level of their scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The person or department.
    pub user: UserId,
    /// What they are.
    pub role: Role,
    /// Where they stand; see [`Actor::new`].
    pub level: Level,
}

impl Actor {
    /// `scope` is the level of the highest root of the actor's scope; centre staff act for the centre in any case.
    pub fn new(user: UserId, role: Role, scope: AreaLevel) -> Self {
        let level = match (role, scope) {
            (Role::CenterStaff, _) | (_, AreaLevel::County | AreaLevel::Town) => Level::Centre,
            (_, AreaLevel::Community) => Level::Community,
            (_, AreaLevel::Grid) => Level::Grid,
        };
        Self { user, role, level }
    }
}

/// 准予延期 is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// By which entry.
    pub entry: EditId,
    /// How much more.
    pub limit: Limit,
    /// Why.
    pub reason: String,
}

/// Where an event stands: what its log folds to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventState {
    /// Where it stands.
    pub stage: Stage,
    /// Who holds it until it is dispatched, as the log says; see [`held_by`] for what time makes of it.
    pub level: Level,
    /// Who reported it; `None` where that may not be known, or nobody has.
    pub reporter: Option<UserId>,
    /// When it was reported; `None` while nobody has.
    pub reported_at: Option<DateTime<Utc>>,
    /// When it last moved (reported, raised, dispatched, …).
    pub moved_at: Option<DateTime<Utc>>,
    /// 主办
    pub host: Option<UserId>,
    /// 协办, in order of ids.
    pub helpers: Vec<UserId>,
    /// Who dispatched or took it.
    pub dispatcher: Option<UserId>,
    /// When its time began to run.
    pub since: Option<DateTime<Utc>>,
    /// The limit set.
    pub limit: Option<Limit>,
    /// When its time is over, extensions included.
    pub due: Option<DateTime<Utc>>,
    /// An extension asked for and neither granted nor overtaken.
    pub asked: Option<Asked>,
    /// 现场处理
    pub settled_on_site: bool,
    /// How often it was urged since it last moved.
    pub urged: u32,
    /// 督办
    pub supervised: bool,
    /// What the reporter said to the outcome, if asked.
    pub satisfied: Option<bool>,
    /// Of 结案.
    pub outcome: Option<String>,
    /// When 结案 was said; `None` while it is not closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Of 建档.
    pub ledger: Option<String>,
    /// Entries at odds with each other, in pairs; empty: not contested. Staff decide by a further entry.
    pub contested: Vec<(EditId, EditId)>,
    /// The entry that set host and limit: which extensions belong to it.
    assigned: Option<Dot>,
}

/// How much of the limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// 期限内
    Green,
    /// 将到期: under a fifth left.
    Yellow,
    /// 超期
    Red,
}

impl EventState {
    /// Whether entries are at odds, so that a person has to decide.
    pub fn is_contested(&self) -> bool {
        !self.contested.is_empty()
    }

    /// Whether `user` is 主办 or one of the 协办.
    pub fn is_handled_by(&self, user: UserId) -> bool {
        self.host == Some(user) || self.helpers.contains(&user)
    }
}

/// The limit of an urgency (the form's code): urgent 24 h, difficult 7 working days, else 3.
pub fn usual_limit(urgency: Option<&str>) -> Limit {
    match urgency {
        Some("urgent") => Limit::Hours(24),
        Some("difficult") => Limit::Days(7),
        _ => Limit::Days(3),
    }
}

macro_rules! codes {
    ($type:ident { $($variant:ident => $code:literal),+ $(,)? }) => {
        impl $type {
            /// Each of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code name, as on the wire, in SQL and at the end of message keys.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code),+
                }
            }
        }
    };
}

codes!(Step {
    Report => "report",
    SettleOnSite => "settle_on_site",
    Take => "take",
    Raise => "raise",
    Dispatch => "dispatch",
    Handle => "handle",
    Extend => "extend",
    GrantExtension => "grant_extension",
    SendBack => "send_back",
    Feedback => "feedback",
    Close => "close",
    Archive => "archive",
    Urge => "urge",
    Supervise => "supervise",
});
codes!(Stage {
    Reported => "reported",
    Handling => "handling",
    Handled => "handled",
    Answered => "answered",
    Closed => "closed",
    Archived => "archived",
});
codes!(Level { Grid => "grid", Community => "community", Centre => "centre" });
codes!(Light { Green => "green", Yellow => "yellow", Red => "red" });
