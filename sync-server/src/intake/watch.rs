//! Who sends how much: what is suspicious waits for somebody's word, what is far too much is asked to wait. In memory, by
//! hashes: nothing of it lies on the disk.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::area::AreaId;
use shared::outside::Outside;

use super::report::Suspicion;

/// Nobody reads the page and writes something sooner.
const SOONEST: TimeDelta = TimeDelta::seconds(3);
/// What is counted is counted for so long.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// From one address more than this in an hour is suspicious: a whole village may come from one of the carrier's.
const ADDRESS: usize = 20;
/// After so many suspicious ones from an address in an hour all of it is.
const ADDRESS_SUSPICIOUS: usize = 3;
/// From one address more than this in an hour is asked to wait.
const ADDRESS_MOST: usize = 60;
/// For one grid more than this in an hour is suspicious. What is suspicious anyway does not count: nobody who floods a grid
/// keeps its people from being heard.
const GRID: usize = 30;
/// For one grid more than this in an hour is asked to wait, counted the same way.
const GRID_MOST: usize = 300;
/// The most addresses, and the most texts, that are remembered.
const REMEMBERED: usize = 20_000;

type Key = [u8; 32];

/// What is asked about a report.
pub struct Sent<'a> {
    /// From where.
    pub address: IpAddr,
    /// For which grid.
    pub area: AreaId,
    /// What it says.
    pub text: &'a str,
    /// Whether a field was filled in that nobody sees.
    pub trapped: bool,
    /// The stamp of its form.
    pub stamp: &'a str,
}

/// What is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is like any other.
    Fine,
    /// Somebody should look at it first.
    Suspicious(Suspicion),
    /// Not now; so many seconds later.
    TooMany(u32),
}

/// Counts.
pub struct Watch {
    key: Key,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When something came from an address, and whether it was suspicious.
    addresses: BTreeMap<Key, Vec<(DateTime<Utc>, bool)>>,
    grids: BTreeMap<AreaId, Vec<DateTime<Utc>>>,
    texts: BTreeMap<Key, DateTime<Utc>>,
}

impl Watch {
    /// With the key that signs forms.
    pub fn new(key: Key) -> Self {
        Self { key, seen: Mutex::default() }
    }

    /// The stamp of a form that is given out now.
    pub fn stamp(&self, outside: &dyn Outside) -> String {
        let mut bytes = outside.now().timestamp_millis().to_be_bytes().to_vec();
        let mut chance = [0; 8];
        outside.fill(&mut chance);
        bytes.extend(chance);
        let mac = self.mac(b"form", &bytes);
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// When a form was given out, if it was.
    fn given_out(&self, stamp: &str) -> Option<DateTime<Utc>> {
        let bytes = URL_SAFE_NO_PAD.decode(stamp).ok()?;
        let (said, mac) = bytes.split_at_checked(16)?;
        let mut right = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        right.update(b"form");
        right.update(said);
        right.verify_slice(mac).ok()?;
        let (millis, _) = said.split_first_chunk::<8>()?;
        DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))
    }

    fn mac(&self, what: &[u8], said: &[u8]) -> Key {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Key::default() };
        mac.update(what);
        mac.update(said);
        mac.finalize().into_bytes().into()
    }

    fn of_text(&self, text: &str) -> Key {
        let said: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        self.mac(b"text", said.as_bytes())
    }

    /// It was not kept: who sends it once more repeats nothing.
    pub fn was_not_kept(&self, text: &str) {
        let text = self.of_text(text);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).texts.remove(&text);
    }

    /// Judges a report and counts it.
    pub fn judge(&self, sent: &Sent<'_>, now: DateTime<Utc>) -> Verdict {
        let (from, text) = (self.mac(b"address", &network(sent.address)), self.of_text(sent.text));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = seen.addresses.get(&from).map(Vec::as_slice).unwrap_or_default();
        let of_grid = seen.grids.get(&sent.area).map(Vec::as_slice).unwrap_or_default();
        let recent = |at: &DateTime<Utc>| now - *at < WINDOW;
        let sent_before = of_address.iter().filter(|(at, _)| recent(at)).count();
        let suspicious_before = of_address.iter().filter(|(at, suspicious)| recent(at) && *suspicious).count();
        let for_grid = of_grid.iter().filter(|at| recent(at)).count();
        let repeated = seen.texts.get(&text).is_some_and(|at| now - *at < TimeDelta::days(1));
        if sent_before >= ADDRESS_MOST || for_grid >= GRID_MOST {
            let first = of_address.iter().map(|(at, _)| at).chain(of_grid).filter(|at| recent(at)).min();
            let wait = first.map_or(60, |first| (*first + WINDOW - now).num_seconds());
            return Verdict::TooMany(u32::try_from(wait).unwrap_or(60).max(60));
        }
        let suspicion = if sent.trapped {
            Some(Suspicion::Trap)
        } else if let Some(at) = self.given_out(sent.stamp) {
            (now - at < SOONEST).then_some(Suspicion::Fast)
        } else {
            Some(Suspicion::Form)
        };
        let suspicion = suspicion
            .or(has_link(sent.text).then_some(Suspicion::Link))
            .or(repeated.then_some(Suspicion::Repeated))
            .or((suspicious_before >= ADDRESS_SUSPICIOUS || sent_before >= ADDRESS).then_some(Suspicion::Address))
            .or((for_grid >= GRID).then_some(Suspicion::Grid));
        let times = seen.addresses.entry(from).or_default();
        times.retain(|(at, _)| now - *at < WINDOW);
        times.push((now, suspicion.is_some()));
        seen.texts.insert(text, now);
        if suspicion.is_none() {
            seen.grids.entry(sent.area).or_default().push(now);
        }
        seen.forget(now);
        suspicion.map_or(Verdict::Fine, Verdict::Suspicious)
    }
}

impl Seen {
    /// Forgets what is over, and where there is still too much, what is oldest.
    fn forget(&mut self, now: DateTime<Utc>) {
        for times in self.grids.values_mut() {
            times.retain(|at| now - *at < WINDOW);
        }
        if self.addresses.len() > REMEMBERED {
            self.addresses.retain(|_, times| times.last().is_some_and(|(at, _)| now - *at < WINDOW));
        }
        if self.texts.len() > REMEMBERED {
            self.texts.retain(|_, at| now - *at < WINDOW);
        }
        while self.addresses.len() > REMEMBERED {
            self.addresses.pop_first();
        }
        while self.texts.len() > REMEMBERED {
            self.texts.pop_first();
        }
    }
}

/// An IPv6 address by its first half: whoever has one has all that begin with it.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}

fn has_link(text: &str) -> bool {
    let text = text.to_lowercase();
    ["http:", "https:", "www.", ".com", ".cn/", ".top", ".xyz"].iter().any(|mark| text.contains(mark))
}
