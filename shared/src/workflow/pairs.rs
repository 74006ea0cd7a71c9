//! The table of concurrent pairs: which of two moves that did not see each other stands, and which are at odds.
//! `docs/workflow.md` shows the same table; a test compares them.

use super::{EventState, Step, StepEntry};

/// Kinds of entries that move an event. All others (interim notes, extensions, 催办, 督办) stand beside any entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// 上报
    Report,
    /// 提级
    Raise,
    /// 现场处理
    Settle,
    /// 自办, 分流
    Assign,
    /// 退回
    SendBack,
    /// 办理 done
    Done,
    /// 反馈 satisfied, or told without an answer
    Told,
    /// 反馈 不满意
    Unhappy,
    /// 结案
    Close,
    /// 建档
    Archive,
}

/// What two entries must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// 主办, 协办 and limit.
    Assignment,
    /// 主办
    Host,
    /// The outcome of 结案.
    Outcome,
    /// The outcome and the ledger number.
    Ledger,
}

/// What becomes of two concurrent moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Both say the same.
    Agree,
    /// They agree if they have this in common, else they are contested.
    AgreeIf(Same),
    /// The first stands, the second is moot.
    FirstStands,
    /// The second stands, the first is moot.
    SecondStands,
    /// The first stands if they have this in common, else they are contested.
    FirstStandsIf(Same),
    /// The second stands if they have this in common, else they are contested.
    SecondStandsIf(Same),
    /// At odds: staff decide.
    Contested,
}

impl Move {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Report,
        Self::Raise,
        Self::Settle,
        Self::Assign,
        Self::SendBack,
        Self::Done,
        Self::Told,
        Self::Unhappy,
        Self::Close,
        Self::Archive,
    ];

    /// The move that an entry makes, if it makes one.
    pub fn of(entry: &StepEntry) -> Option<Self> {
        match entry.step {
            Step::Report => Some(Self::Report),
            Step::SettleOnSite => Some(Self::Settle),
            Step::Take | Step::Dispatch => Some(Self::Assign),
            Step::Raise => Some(Self::Raise),
            Step::Handle => (entry.done == Some(true)).then_some(Self::Done),
            Step::SendBack => Some(Self::SendBack),
            Step::Feedback if entry.satisfied == Some(false) => Some(Self::Unhappy),
            Step::Feedback => Some(Self::Told),
            Step::Close => Some(Self::Close),
            Step::Archive => Some(Self::Archive),
            Step::Extend | Step::GrantExtension | Step::Urge | Step::Supervise => None,
        }
    }
}

/// The table. `rule(a, b)` is `rule(b, a)` with first and second exchanged.
pub fn rule(first: Move, second: Move) -> Rule {
    match (moot(first, second), moot(second, first)) {
        (Some(None), _) => Rule::SecondStands,
        (Some(Some(same)), _) => Rule::SecondStandsIf(same),
        (_, Some(None)) => Rule::FirstStands,
        (_, Some(Some(same))) => Rule::FirstStandsIf(same),
        (None, None) if first != second => Rule::Contested,
        (None, None) => match first {
            Move::Assign => Rule::AgreeIf(Same::Assignment),
            Move::Done => Rule::AgreeIf(Same::Host),
            Move::Close => Rule::AgreeIf(Same::Outcome),
            Move::Archive => Rule::AgreeIf(Same::Ledger),
            Move::Report | Move::Raise | Move::Settle | Move::SendBack | Move::Told | Move::Unhappy => Rule::Agree,
        },
    }
}

/// Whether `this` is moot beside `other`, and what they must have in common for it.
fn moot(this: Move, other: Move) -> Option<Option<Same>> {
    use Move::{Archive, Close, Done, Raise, Report, Settle, Told};
    match (this, other) {
        (Report, Report) | (Raise, Raise | Report) => None,
        // Whoever raised it wanted somebody to act, and somebody did.
        (Report | Raise, _) => Some(None),
        // Settled on the spot, and those who came later found it so.
        (Settle, Done | Told | Close | Archive) => Some(None),
        // The same host on two handhelds: done is done. Another host's work is not covered by it.
        (Done, Told | Close | Archive) => Some(Some(Same::Host)),
        (Told, Close | Archive) => Some(None),
        (Close, Archive) => Some(Some(Same::Outcome)),
        _ => None,
    }
}

impl Same {
    /// Whether the states right after two entries have this in common.
    pub(super) fn holds(self, a: &EventState, b: &EventState) -> bool {
        match self {
            Self::Assignment => a.host == b.host && a.helpers == b.helpers && a.limit == b.limit,
            Self::Host => a.host == b.host,
            Self::Outcome => a.outcome == b.outcome,
            Self::Ledger => a.outcome == b.outcome && a.ledger == b.ledger,
        }
    }
}

/// What becomes of two concurrent moves, given the states right after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Agree,
    FirstStands,
    SecondStands,
    Contested,
}

pub(super) fn verdict(a: (Move, &EventState), b: (Move, &EventState)) -> Verdict {
    let if_same = |same: Same, verdict| if same.holds(a.1, b.1) { verdict } else { Verdict::Contested };
    match rule(a.0, b.0) {
        Rule::Agree => Verdict::Agree,
        Rule::FirstStands => Verdict::FirstStands,
        Rule::SecondStands => Verdict::SecondStands,
        Rule::Contested => Verdict::Contested,
        Rule::AgreeIf(same) => if_same(same, Verdict::Agree),
        Rule::FirstStandsIf(same) => if_same(same, Verdict::FirstStands),
        Rule::SecondStandsIf(same) => if_same(same, Verdict::SecondStands),
    }
}
