//! What became of a transaction that several worked in, for those who wait for it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::StoreError;

/// After so long whoever waits looks for themselves.
const A_WHILE: Duration = Duration::from_millis(500);

/// The outcome, once there is one.
#[derive(Default)]
pub struct Shared {
    outcome: Mutex<Option<Result<(), Lost>>>,
    told: Condvar,
}

/// Nothing of it was kept: there was no room, or another's mistake took all of it along, and who comes again may be luckier.
#[derive(Debug, Clone, Copy)]
pub struct Lost {
    full: bool,
}

impl Lost {
    /// With a transaction that failed so.
    pub fn by(error: &StoreError) -> Self {
        Self { full: matches!(error, StoreError::Full) }
    }

    /// With another's mistake.
    pub fn along() -> Self {
        Self { full: false }
    }
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        if lost.full { Self::Full } else { Self::Busy }
    }
}

impl Shared {
    /// Says it to all. What was said first counts.
    pub fn tell(&self, outcome: Result<(), Lost>) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
        self.told.notify_all();
    }

    /// Waits for it; looks `meanwhile` whether anybody is left to say it.
    pub fn wait(&self, meanwhile: impl Fn()) -> Result<(), StoreError> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = *outcome {
                return Ok(outcome?);
            }
            outcome = self.told.wait_timeout(outcome, A_WHILE).unwrap_or_else(PoisonError::into_inner).0;
            if outcome.is_none() {
                drop(outcome);
                meanwhile();
                outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
