//! An event's life (六步闭环): the state is what the log of steps folds to, the same on every machine.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::author::Role;
use crate::edit::Edit;
use crate::ids::UserId;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 上报 done, waiting for 分流.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 小网格
    Grid,
    /// 大网格: village, community, farm
    Community,
    /// 综治中心
    Centre,
}
