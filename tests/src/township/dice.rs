//! Seeded chance: the same township from the same seed, on every machine.

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use shared::outside::Outside;
use uuid::Uuid;

/// Chance that replays.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        // The bias of the remainder is below 2^-20 for what is asked here.
        if n == 0 { 0 } else { self.0.next_u32() % n }
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `list`; the first type's default if it is empty.
    pub fn one<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> Option<&'a T> {
        let at = self.below(u32::try_from(list.len()).unwrap_or(u32::MAX));
        list.get(usize::try_from(at).unwrap_or_default()).copied()
    }

    /// One of the words; empty if there are none.
    pub fn word<'a>(&mut self, list: &[&'a str]) -> &'a str {
        self.one(list).unwrap_or_default()
    }

    /// A UUIDv7 of that time.
    pub fn uuid(&mut self, at: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// A world outside whose clock stands and whose chance replays.
#[derive(Debug)]
pub struct Replay {
    now: Mutex<DateTime<Utc>>,
    dice: Mutex<ChaCha8Rng>,
}

impl Replay {
    /// From a seed, at a time.
    pub fn new(seed: u64, now: DateTime<Utc>) -> Self {
        Self { now: Mutex::new(now), dice: Mutex::new(ChaCha8Rng::seed_from_u64(seed)) }
    }

    /// Puts the clock forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Ok(mut clock) = self.now.lock() {
            *clock = now;
        }
    }
}

impl Outside for Replay {
    fn now(&self) -> DateTime<Utc> {
        self.now.lock().map(|now| *now).unwrap_or_default()
    }

    fn fill(&self, bytes: &mut [u8]) {
        if let Ok(mut dice) = self.dice.lock() {
            dice.fill_bytes(bytes);
        }
    }
}
