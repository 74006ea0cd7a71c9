//! Guessing is slowed down, by the log-in name that is guessed at and by the address it comes from: after some wrong
//! attempts each further one has to wait, twice as long every time. The wait is the same for names that do not exist, and
//! for what is right: nothing is learnt from it. In memory: a restart forgets it, which gives a guesser no more than a few
//! attempts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::token;

/// So many wrong passwords and codes of a name cost nothing: people mistype.
const FREE: u32 = 5;
/// So many of one address, whatever the names: a whole centre may come from one. Attempts are forgiven one a minute, so
/// that many people's mistakes do not add up over a day; a guesser is left with about one a minute.
const FREE_ADDRESS: u32 = 30;
/// So many wrong enrolment codes of one address.
const FREE_CODES: u32 = 10;
/// After so long one wrong attempt of an address is forgiven.
const FORGIVEN: TimeDelta = TimeDelta::minutes(1);
/// The first wait.
const FIRST: TimeDelta = TimeDelta::seconds(2);
/// The longest: whoever locks somebody else out by guessing must go on doing so.
const LONGEST: TimeDelta = TimeDelta::minutes(5);
/// After so long without an attempt all is forgotten.
const FORGET: TimeDelta = TimeDelta::hours(1);
/// The most names, and the most addresses, remembered; beyond it the one that tried least recently is forgotten.
const REMEMBERED: usize = 10_000;

/// Attempts to log in to the console and to enrol handhelds.
#[derive(Debug)]
pub struct Throttle {
    names: Attempts,
    addresses: Attempts,
    codes: Attempts,
    one: Mutex<()>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            names: Attempts::new(FREE, None),
            addresses: Attempts::new(FREE_ADDRESS, Some(FORGIVEN)),
            codes: Attempts::new(FREE_CODES, Some(FORGIVEN)),
            one: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Throttle {
    /// Begins an attempt, which counts as wrong until [`Self::right`] or [`Self::passed`] says otherwise, so that many
    /// at once are as slow as one after the other. Or says how many seconds are left to wait.
    pub fn begin(&self, login: &str, from: IpAddr, now: DateTime<Utc>) -> Result<(), i64> {
        // Whoever waits for one reason does not use up attempts for the other.
        self.names.wait(&of_name(login), now)?;
        self.addresses.wait(&of_address(from), now)?;
        self.names.begin(of_name(login), now)?;
        self.addresses.begin(of_address(from), now)
    }

    /// All that was asked for was right: the name begins anew. Its address does not, or one log-in known to a guesser
    /// would open the way to all others.
    pub fn right(&self, login: &str, from: IpAddr) {
        self.names.forget(&of_name(login));
        self.addresses.take_back(&of_address(from));
    }

    /// This was right, more is to come: the attempt does not count, the wrong ones before it do.
    pub fn passed(&self, login: &str, from: IpAddr) {
        self.names.take_back(&of_name(login));
        self.addresses.take_back(&of_address(from));
    }

    /// Begins an attempt to enrol, which counts as wrong until [`Self::enrolled`].
    pub fn begin_code(&self, from: IpAddr, now: DateTime<Utc>) -> Result<(), i64> {
        self.codes.begin(of_address(from), now)
    }

    /// The code was right.
    pub fn enrolled(&self, from: IpAddr) {
        self.codes.take_back(&of_address(from));
    }

    /// Runs one password check at a time: each takes 19 MiB, and whoever sends many must not take all of the memory.
    pub fn one_at_a_time<T>(&self, check: impl FnOnce() -> T) -> T {
        let _one = lock(&self.one);
        check()
    }
}

/// Only the hash is kept: people type passwords into the wrong box.
fn of_name(login: &str) -> Key {
    token::hash(login)
}

/// An IPv6 address by its first half: whoever has one has all that begin with it.
fn of_address(from: IpAddr) -> Key {
    let first = match from.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    };
    let mut key = Key::default();
    key.iter_mut().zip(first).for_each(|(to, from)| *to = from);
    key
}

type Key = [u8; 32];

/// Attempts of one kind, by what they are counted by.
#[derive(Debug)]
struct Attempts {
    free: u32,
    /// After so long one is forgiven; none: only what is right, or [`FORGET`], ends the count.
    forgiven: Option<TimeDelta>,
    tries: Mutex<BTreeMap<Key, Tries>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Attempts {
    fn new(free: u32, forgiven: Option<TimeDelta>) -> Self {
        Self { free, forgiven, tries: Mutex::default() }
    }

    fn wait(&self, key: &Key, now: DateTime<Utc>) -> Result<(), i64> {
        let until = lock(&self.tries).get(key).map(|it| it.until).filter(|until| *until > now);
        until.map_or(Ok(()), |until| Err((until - now).num_seconds() + 1))
    }

    fn begin(&self, key: Key, now: DateTime<Utc>) -> Result<(), i64> {
        let mut tries = lock(&self.tries);
        let known = tries.get(&key).copied().filter(|it| now - it.last < FORGET);
        if let Some(known) = known.filter(|it| it.until > now) {
            return Err((known.until - now).num_seconds() + 1);
        }
        let before = known.map_or(0, |it| it.wrong.saturating_sub(self.forgiven_in(now - it.last)));
        let wrong = before.saturating_add(1);
        let doubled = wrong.checked_sub(self.free).and_then(|more| FIRST.checked_mul(1_i32.checked_shl(more.min(20))?));
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

    /// How many are forgiven after a pause.
    fn forgiven_in(&self, pause: TimeDelta) -> u32 {
        let each = self.forgiven.map_or(i64::MAX, |each| each.num_seconds().max(1));
        u32::try_from(pause.num_seconds() / each).unwrap_or_default()
    }

    /// The last attempt does not count, nor the wait it began: it was right.
    fn take_back(&self, key: &Key) {
        if let Some(it) = lock(&self.tries).get_mut(key) {
            it.wrong = it.wrong.saturating_sub(1);
            it.until = it.last;
        }
    }

    fn forget(&self, key: &Key) {
        lock(&self.tries).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(n: usize) -> IpAddr {
        std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap() + 0x0a00_0000).into()
    }

    #[test]
    fn a_few_mistakes_cost_nothing_and_then_each_costs_twice_the_last() {
        let throttle = Throttle::default();
        let mut now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        for _ in 0..5 {
            assert_eq!(throttle.begin("staff", HERE, now), Ok(()));
        }
        let mut waits = Vec::new();
        while let Err(seconds) = throttle.begin("staff", HERE, now) {
            waits.push(seconds);
            assert_eq!(throttle.begin("other", HERE, now), Ok(()), "others are not held up");
            throttle.right("other", HERE);
            now += TimeDelta::seconds(seconds);
            assert_eq!(throttle.begin("staff", HERE, now), Ok(()));
            if waits.len() == 10 {
                break;
            }
        }
        assert_eq!(waits.first(), Some(&3));
        assert!(waits.is_sorted() && waits.last() == Some(&301), "{waits:?}");
        throttle.right("staff", HERE);
        assert_eq!(throttle.begin("staff", HERE, now), Ok(()));
    }

    #[test]
    fn who_knows_the_password_does_not_guess_codes_without_end() {
        let throttle = Throttle::default();
        let now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        let guesses = (0..100).take_while(|_| {
            let password = throttle.begin("staff", HERE, now).is_ok();
            throttle.passed("staff", HERE);
            password && throttle.begin("staff", HERE, now).is_ok()
        });
        assert_eq!(guesses.count(), 5);
    }

    #[test]
    fn an_address_that_tries_many_names_is_slowed_down_and_others_are_not() {
        let throttle = Throttle::default();
        let mut now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        let (mut n, mut tried) = (0, 0);
        let end = now + TimeDelta::hours(6);
        while now < end {
            n += 1;
            match throttle.begin(&format!("name{n}"), HERE, now) {
                Ok(()) => tried += 1,
                Err(seconds) => now += TimeDelta::seconds(seconds),
            }
            assert_eq!(throttle.begin("staff", address(n), now), Ok(()), "{n}");
            throttle.right("staff", address(n));
            // Knowing one log-in does not help with the others.
            if throttle.begin("own", HERE, now).is_ok() {
                throttle.right("own", HERE);
            }
        }
        assert!((300..=420).contains(&tried), "{tried} in six hours: about one a minute");
    }

    #[test]
    fn mistakes_of_a_whole_centre_do_not_add_up() {
        let throttle = Throttle::default();
        let mut now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        for n in 0..500 {
            assert_eq!(throttle.begin(&format!("name{n}"), HERE, now), Ok(()), "{n}");
            now += TimeDelta::minutes(1);
        }
    }

    #[test]
    fn an_address_is_an_ipv4_one_or_the_network_of_an_ipv6_one() {
        let of = |text: &str| of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let now = DateTime::from_timestamp(1_795_400_000, 0).unwrap();
        for n in 0..REMEMBERED + 50 {
            assert_eq!(throttle.begin(&n.to_string(), address(n), now), Ok(()));
        }
        assert_eq!(lock(&throttle.names.tries).len(), REMEMBERED);
        assert_eq!(lock(&throttle.addresses.tries).len(), REMEMBERED);
    }
}
