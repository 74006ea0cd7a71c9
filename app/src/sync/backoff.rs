//! When to try again.

use std::time::Duration;

use shared::outside::Outside;

/// The first wait.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait, unless the server asks for more.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How long to wait after `attempts` failures in a row (from 1). Doubles each time; a random half of it is jitter, so
/// that 76 handhelds that lost the network together do not come back together. Never less than the server asked for.
pub fn delay(attempts: u32, retry_after: Option<Duration>, outside: &dyn Outside) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(12)).min(LONGEST);
    let mut bytes = [0; 4];
    outside.fill(&mut bytes);
    let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    let jittered = whole.mul_f64(0.5 + share / 2.0);
    match retry_after {
        Some(asked) => asked.saturating_add(whole.mul_f64(share / 2.0)).max(jittered),
        None => jittered,
    }
}
