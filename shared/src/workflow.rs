//! An event's life (六步闭环): the state is what the log of steps folds to, the same on every machine.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::area::AreaLevel;
use crate::author::Role;
use crate::calendar::Calendar;
use crate::edit::Edit;
use crate::ids::{EditId, UserId};
use crate::merge::PartState;

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
    /// Of 建档.
    pub ledger: Option<String>,
    /// Entries at odds with each other, in pairs; empty: not contested. Staff decide by a further entry.
    pub contested: Vec<(EditId, EditId)>,
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

/// The state of an event by its open part.
pub fn fold(open: &PartState, calendar: &Calendar) -> EventState {
    let _ = (open, calendar);
    EventState::default()
}

/// What `actor` may do now, in the order of the buttons.
pub fn allowed(state: &EventState, actor: &Actor) -> Vec<Step> {
    let _ = (state, actor);
    Vec::new()
}

/// Whether `edit` of an event is possible in the state it was made in (its context). `Err` is a message key.
pub fn judge(open: &PartState, edit: &Edit, actor: &Actor, calendar: &Calendar) -> Result<(), &'static str> {
    let _ = (open, edit, actor, calendar);
    Ok(())
}

/// The light of an event under way; none before its time runs and after it was closed.
pub fn light(state: &EventState, now: DateTime<Utc>) -> Option<Light> {
    let _ = (state, now);
    None
}

/// Who holds an event that is not dispatched yet: untouched for 24 h it rises by itself.
pub fn held_by(state: &EventState, now: DateTime<Utc>) -> Level {
    let _ = now;
    state.level
}

/// The limit of an urgency (the form's code): urgent 24 h, difficult 7 working days, else 3.
pub fn usual_limit(urgency: Option<&str>) -> Limit {
    match urgency {
        Some("urgent") => Limit::Hours(24),
        Some("difficult") => Limit::Days(7),
        _ => Limit::Days(3),
    }
}
