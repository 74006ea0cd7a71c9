//! The one place of this crate that reads the real clock and real randomness.

use chrono::{DateTime, Utc};
use shared::outside::Outside;

/// The machine's own clock and random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Outside for System {
    #[allow(clippy::disallowed_methods, reason = "the one implementation of Outside that is the real world")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn since_boot(&self) -> i64 {
        // `Instant` stops while a handheld sleeps, which is most of the time.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
    }

    #[allow(clippy::disallowed_methods, reason = "the one implementation of Outside that is the real world")]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Keys and ids made of predictable bytes would be worse than not starting.
            tracing::error!(%error, "the system gives no random bytes");
            std::process::abort();
        }
    }
}
