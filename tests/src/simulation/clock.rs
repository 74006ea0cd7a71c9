//! Virtual time, and the clocks of machines that show it right or wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use shared::outside::Outside;
use uuid::Uuid;

use super::dice::Dice;

/// When a run begins, milliseconds since 1970.
const BEGIN: i64 = 1_795_400_000_000;
/// Milliseconds of ten years.
pub const TEN_YEARS: i64 = 3652 * 86_400_000;

/// The true time of a run. Only the simulation moves it.
#[derive(Debug, Clone)]
pub struct Time(Arc<AtomicI64>);

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(BEGIN)))
    }
}

impl Time {
    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it forward; never back.
    pub fn reach(&self, at: i64) {
        self.0.fetch_max(at, Ordering::Relaxed);
    }
}

/// How a clock shows the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The true time and so many milliseconds.
    Off(i64),
    /// Always this.
    Stands(i64),
    /// Runs backwards from this, since that true time.
    Backwards {
        /// What it showed.
        from: i64,
        /// When.
        since: i64,
    },
}

/// What a machine's product code knows of the world outside.
pub struct Machine {
    time: Time,
    shows: Mutex<Shows>,
    dice: Mutex<Dice>,
    /// Ids are made with the true time: two runs that differ only in their clocks then name things alike.
    true_ids: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// A machine with its own randomness.
    pub fn new(time: &Time, shows: Shows, seed: u64, true_ids: bool) -> Arc<Self> {
        let (shows, dice) = (Mutex::new(shows), Mutex::new(Dice::new(seed)));
        Arc::new(Self { time: time.clone(), shows, dice, true_ids })
    }

    /// What its clock shows, milliseconds since 1970.
    pub fn shown(&self) -> i64 {
        let now = self.time.now();
        match *lock(&self.shows) {
            Shows::Off(off) => now + off,
            Shows::Stands(at) => at,
            Shows::Backwards { from, since } => from - (now - since),
        }
    }

    /// Somebody, or a fault, sets the clock.
    pub fn set(&self, shows: Shows) {
        *lock(&self.shows) = shows;
    }

    /// The true time it is in.
    pub fn time(&self) -> &Time {
        &self.time
    }

    /// Gives it other randomness: a clone of a machine does not go on with the same.
    pub fn reseed(&self, seed: u64) {
        *lock(&self.dice) = Dice::new(seed);
    }
}

impl Outside for Machine {
    fn since_boot(&self) -> i64 {
        self.time.now()
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.shown()).unwrap_or_default()
    }

    fn fill(&self, bytes: &mut [u8]) {
        lock(&self.dice).fill(bytes);
    }

    fn uuid(&self) -> Uuid {
        let millis = if self.true_ids { self.time.now() } else { self.shown() };
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(millis.max(0).cast_unsigned(), &random).into_uuid()
    }
}
