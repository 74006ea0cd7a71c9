//! Guessing passwords is slowed down: after a few wrong ones each further attempt at the same log-in has to wait, twice
//! as long every time. The wait is the same for log-ins that do not exist, and for the right password: nothing is learnt
//! from it. In memory: a restart forgets it, which gives a guesser no more than a few attempts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::token;

/// So many wrong passwords cost nothing: people mistype.
const FREE: u32 = 5;
/// The first wait.
const FIRST: TimeDelta = TimeDelta::seconds(2);
/// The longest: whoever locks somebody else out by guessing must go on doing so.
const LONGEST: TimeDelta = TimeDelta::minutes(5);
/// After so long without an attempt all is forgotten.
const FORGET: TimeDelta = TimeDelta::hours(1);
/// The most log-ins remembered; beyond it the one asked for least recently is forgotten.
const REMEMBERED: usize = 10_000;

/// Attempts by log-in.
#[derive(Debug, Default)]
pub struct Throttle {
    tries: Mutex<BTreeMap<[u8; 32], Tries>>,
    one: Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: DateTime<Utc>,
    until: DateTime<Utc>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Throttle {
    /// Begins an attempt, which counts as wrong until [`Self::right`] says otherwise, so that many at once are as slow
    /// as one after the other. Or says how many seconds are left to wait.
    pub fn begin(&self, login: &str, now: DateTime<Utc>) -> Result<(), i64> {
        let mut tries = lock(&self.tries);
        // Only the hash is kept: people type passwords into the wrong box.
        let key = token::hash(login);
        let known = tries.get(&key).copied().filter(|it| now - it.last < FORGET);
        if let Some(known) = known.filter(|it| it.until > now) {
            return Err((known.until - now).num_seconds() + 1);
        }
        let wrong = known.map_or(0, |it| it.wrong).saturating_add(1);
        let doubled = wrong.checked_sub(FREE).and_then(|more| FIRST.checked_mul(1_i32.checked_shl(more.min(20))?));
        let wait = doubled.unwrap_or_default().min(LONGEST);
        tries.insert(key, Tries { wrong, last: now, until: now + wait });
        if tries.len() > REMEMBERED {
            tries.retain(|_, it| now - it.last < FORGET);
            let oldest = tries.iter().min_by_key(|(_, it)| it.last).map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| tries.len() > REMEMBERED) {
                tries.remove(&oldest);
            }
        }
        Ok(())
    }

    /// The password was right.
    pub fn right(&self, login: &str) {
        lock(&self.tries).remove(&token::hash(login));
    }

    /// Runs one password check at a time: each takes 19 MiB, and whoever sends many must not take all of the memory.
    pub fn one_at_a_time<T>(&self, check: impl FnOnce() -> T) -> T {
        let _one = lock(&self.one);
        check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_mistakes_cost_nothing_and_then_each_costs_twice_the_last() {
        let throttle = Throttle::default();
        let mut now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        for _ in 0..5 {
            assert_eq!(throttle.begin("staff", now), Ok(()));
        }
        let mut waits = Vec::new();
        while let Err(seconds) = throttle.begin("staff", now) {
            waits.push(seconds);
            assert_eq!(throttle.begin("other", now - FORGET), Ok(()), "others are not held up");
            throttle.right("other");
            now += TimeDelta::seconds(seconds);
            assert_eq!(throttle.begin("staff", now), Ok(()));
            if waits.len() == 10 {
                break;
            }
        }
        assert_eq!(waits.first(), Some(&3));
        assert!(waits.is_sorted() && waits.last() == Some(&301), "{waits:?}");
        throttle.right("staff");
        assert_eq!(throttle.begin("staff", now), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        for n in 0..REMEMBERED + 50 {
            assert_eq!(throttle.begin(&n.to_string(), now), Ok(()));
        }
        assert_eq!(lock(&throttle.tries).len(), REMEMBERED);
    }
}
