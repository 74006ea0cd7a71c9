//! What time makes of an event: lights, and rising by itself. Clocks show here and decide nothing.

use chrono::{DateTime, TimeDelta, Utc};

use super::{EventState, Level, Light, Limit, Stage};

/// The longest limit, extensions included, in working days (or that many times 24 hours).
pub const MAX_DAYS: u32 = 15;

impl Limit {
    /// Whether this is more than anybody may set.
    pub(super) fn is_too_long(self) -> bool {
        match self {
            Self::Days(days) => days > MAX_DAYS,
            Self::Hours(hours) => hours > MAX_DAYS * 24,
        }
    }
}

/// The light of an event under way: green, yellow with less than a fifth of its time left, red when it is over. None
/// before its time runs and after it was answered.
pub fn light(state: &EventState, now: DateTime<Utc>) -> Option<Light> {
    let (Some(since), Some(due)) = (state.since, state.due) else { return None };
    if !matches!(state.stage, Stage::Handling | Stage::Handled) {
        return None;
    }
    let left = due.signed_duration_since(now);
    let whole = due.signed_duration_since(since);
    Some(if left <= TimeDelta::zero() {
        Light::Red
    } else if left.num_milliseconds().saturating_mul(5) < whole.num_milliseconds() {
        Light::Yellow
    } else {
        Light::Green
    })
}

/// Who holds an event that is not dispatched yet: for every 24 h in which nobody moved it, one level up. Shown and
/// listed by; what is allowed goes by [`EventState::level`] alone, so that no clock decides a right: whoever is at a
/// higher level may act at once, and the lower one still may until it was raised.
pub fn held_by(state: &EventState, now: DateTime<Utc>) -> Level {
    let Some(moved) = state.moved_at.filter(|_| state.stage == Stage::Reported) else { return state.level };
    let days = now.signed_duration_since(moved).num_hours() / 24;
    (0..days.clamp(0, 2)).fold(state.level, |level, _| level.above())
}

/// Whether `level` decides about an event now: it holds it, or it is the community's and the grid below has no leader of
/// its own (`led`), so that nothing lies a day on nobody's list.
pub fn decides_now(state: &EventState, level: Level, led: bool, now: DateTime<Utc>) -> bool {
    let holder = held_by(state, now);
    holder == level || (holder == Level::Grid && level == Level::Community && !led)
}

impl Level {
    /// The next one up; the centre has none above it.
    pub fn above(self) -> Self {
        match self {
            Self::Grid => Self::Community,
            Self::Community | Self::Centre => Self::Centre,
        }
    }
}
