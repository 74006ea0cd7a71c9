//! The one place that reaches for the real clock and real randomness.

use chrono::{DateTime, Utc};
use shared::outside::Outside;

/// The machine this runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Outside for System {
    #[allow(clippy::disallowed_methods, reason = "this is the implementation everything else is handed")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[allow(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "the implementation everything else is handed; without randomness no token is safe, so the process must end"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
