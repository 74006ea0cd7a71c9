//! What a pure rule may not reach for by itself: the clock and randomness. A simulation brings its own and replays.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The world outside: wall clock and randomness.
pub trait Outside: Send + Sync {
    /// The wall clock of this machine. It decides nothing in a merge.
    fn now(&self) -> DateTime<Utc>;

    /// Milliseconds since the machine was started, sleep included; nobody sets this clock. 0 where there is none.
    fn since_boot(&self) -> i64 {
        0
    }

    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A UUIDv7 (RFC 9562 section 5.7) of [`Outside::now`] and [`Outside::fill`].
    fn uuid(&self) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
