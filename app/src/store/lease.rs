//! The second key: what is restricted lies under a key that the centre leases, and that is thrown away when the lease ends
//! without a sync (`docs/decisions/012`).
//!
//! Under it lie the confirmed restricted parts, those put aside, and own restricted edits that have their outcome. What
//! waits, was refused or is to be held again lies under the key of the database alone: unsent work never depends on a lease.
//!
//! Its clock is the server's time at the last answer plus the larger advance of two clocks: the wall's, which the user can
//! set, and the one that counts since the device was started, which nobody can. It never goes back.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use shared::ids::RecordId;
use shared::outside::Outside;
use shared::record::Part;

use super::meta::{self, key};
use super::open::RawKey;
use super::rows::{find, place};
use super::{Store, StoreError, Tx};

/// What a sealed text begins with; no JSON does.
const SEALED: char = '~';
/// Bytes of a nonce.
const NONCE: usize = 24;
const HOUR_MS: i64 = 3_600_000;
/// Less progress of the clock is not written down: a lease may last so much longer if the app is ended at once.
const STEP_MS: i64 = 600_000;

/// The key, as long as the lease lasts: what the SQL functions of a connection look at.
#[derive(Clone, Default)]
pub(super) struct LeasedKey(Arc<RwLock<Option<RawKey>>>);

impl LeasedKey {
    fn get(&self) -> Option<RawKey> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, key: Option<RawKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The text under the key; as it is while there is none, or if it lies under it already.
    fn sealed(&self, text: &str) -> String {
        match self.get() {
            Some(key) if !text.starts_with(SEALED) => seal(&key, text.as_bytes()),
            _ => text.to_owned(),
        }
    }

    /// The text in clear; nothing if its key is not there.
    fn opened(&self, text: &str) -> Option<String> {
        if !text.starts_with(SEALED) {
            return Some(text.to_owned());
        }
        String::from_utf8(unseal(&self.get()?, text)?).ok()
    }

    /// Gives a connection `sealed(text)` and `opened(text)`; the second is NULL where the key is not there.
    pub(super) fn lend(&self, sql: &Connection) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let slot = self.clone();
        sql.create_scalar_function("sealed", 1, flags, move |context| {
            Ok(slot.sealed(context.get_raw(0).as_str().unwrap_or_default()))
        })?;
        let slot = self.clone();
        sql.create_scalar_function("opened", 1, flags, move |context| {
            Ok(context.get_raw(0).as_str().ok().and_then(|text| slot.opened(text)))
        })
    }
}

/// The nonce is made of the text, so that the same text is the same again and nothing random is needed (as in SIV, RFC
/// 5297): two texts under one nonce would be two texts with one HMAC.
fn seal(key: &RawKey, text: &[u8]) -> String {
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return String::new() };
    mac.update(text);
    let mac = mac.finalize().into_bytes();
    let nonce = mac.get(..NONCE).unwrap_or_default();
    let cipher = XChaCha20Poly1305::new(key.into());
    let Ok(sealed) = cipher.encrypt(XNonce::from_slice(nonce), Payload::from(text)) else { return String::new() };
    format!("{SEALED}{}", STANDARD.encode([nonce, &sealed].concat()))
}

fn unseal(key: &RawKey, text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(SEALED)?).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), sealed).ok()
}

/// The lease as it is kept: sealed by the key of the database, in a file of its own, so that throwing it away is removing a
/// file and leaves no old page behind.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    /// Base64.
    key: String,
    hours: u32,
    /// The server's time at the answer that renewed it last, milliseconds since 1970; so are the others.
    server: i64,
    /// The wall clock then.
    wall: i64,
    /// The clock since the start of the device when it was looked at last.
    boot: i64,
    /// How much time had gone by since then, as far as was ever seen.
    gone: i64,
}

impl Kept {
    fn raw_key(&self) -> Option<RawKey> {
        STANDARD.decode(&self.key).ok().and_then(|key| RawKey::try_from(key).ok())
    }

    /// Looks at the clocks.
    fn look(&mut self, outside: &dyn Outside) {
        let boot = outside.since_boot();
        // Started anew since: at least all that it counts now has gone by.
        let since = if boot >= self.boot { boot - self.boot } else { boot };
        self.boot = boot;
        let wall = outside.now().timestamp_millis().saturating_sub(self.wall);
        self.gone = self.gone.saturating_add(since).max(wall);
    }

    /// What time it is at least, by the server's clock.
    fn time(&self) -> i64 {
        self.server.saturating_add(self.gone)
    }

    fn is_over(&self) -> bool {
        self.gone >= i64::from(self.hours).saturating_mul(HOUR_MS)
    }
}

/// The lease of one store.
pub(super) struct Lease {
    path: PathBuf,
    db: RawKey,
    pub(super) leased: LeasedKey,
    /// As known, and what time it was, by its own clock, when it was written last.
    kept: Mutex<Option<(Kept, i64)>>,
}

impl Lease {
    /// The lease of the database at `path`. Nothing can be read by it before it was looked at once.
    pub(super) fn of(path: &Path, db: &RawKey) -> Result<Self, StoreError> {
        let path = path.with_file_name("lease");
        let lease = Self { path, db: *db, leased: LeasedKey::default(), kept: Mutex::default() };
        *lease.kept() = lease.read()?.map(|kept| (kept.clone(), kept.time()));
        Ok(lease)
    }

    /// The key at `path`, however much time has gone by: for what only the centre will read.
    pub(super) fn for_export(path: &Path, db: &RawKey) -> Result<LeasedKey, StoreError> {
        let lease = Self::of(path, db)?;
        let key = lease.kept().as_ref().and_then(|(kept, _)| kept.raw_key());
        lease.leased.set(key);
        Ok(lease.leased)
    }

    fn kept(&self) -> MutexGuard<'_, Option<(Kept, i64)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::File { what, path, source }
    }

    fn read(&self) -> Result<Option<Kept>, StoreError> {
        match disk::read(&self.path) {
            // One that does not open is as good as none: the centre gives the key again.
            Ok(bytes) => Ok(std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| unseal(&self.db, text))
                .and_then(|json| serde_json::from_slice(&json).ok())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.file("reading the lease")(error)),
        }
    }

    fn write(&self, kept: &Kept) -> Result<(), StoreError> {
        let json = serde_json::to_vec(kept).unwrap_or_default();
        disk::replace(&self.path, seal(&self.db, &json).as_bytes()).map_err(self.file("writing the lease"))
    }

    fn is_open(&self) -> bool {
        self.leased.get().is_some()
    }

    /// Looks at the clocks; throws the key away if the lease is over. Says whether it is open.
    fn look(&self, outside: &dyn Outside) -> Result<bool, StoreError> {
        let mut held = self.kept();
        let Some((kept, written)) = held.as_mut() else { return Ok(false) };
        kept.look(outside);
        if kept.is_over() {
            return self.end(&mut held).map(|()| false);
        }
        if kept.time().saturating_sub(*written) >= STEP_MS {
            self.write(kept)?;
            *written = kept.time();
        }
        self.leased.set(kept.raw_key());
        Ok(self.is_open())
    }

    /// Throws the key away. Out of the memory first: whatever the disk says, nothing is shown any more.
    fn end(&self, held: &mut Option<(Kept, i64)>) -> Result<(), StoreError> {
        self.leased.set(None);
        *held = None;
        match disk::remove(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.file("removing the lease")(error)),
            _ => Ok(()),
        }
    }

    /// An answer of the server, of `server` by its clock, which came at `wall`: renews the lease, or begins one where it
    /// brought the key. Says whether it began.
    fn renew(
        &self,
        given: Option<&str>,
        hours: u32,
        server: DateTime<Utc>,
        outside: (DateTime<Utc>, i64),
    ) -> Result<bool, StoreError> {
        let mut held = self.kept();
        let key = match (given, held.as_ref()) {
            (Some(key), _) => key.to_owned(),
            (None, Some((kept, _))) if self.is_open() => kept.key.clone(),
            _ => return Ok(false),
        };
        let (wall, boot) = (outside.0.timestamp_millis(), outside.1);
        let kept = Kept { key, hours, server: server.timestamp_millis(), wall, boot, gone: 0 };
        let Some(raw) = kept.raw_key() else { return Ok(false) };
        let began = self.leased.get() != Some(raw);
        // Written now and then: an idle round shall not cost a flush.
        let written = held.as_ref().filter(|(before, written)| {
            let same = before.key == kept.key && before.hours == hours;
            same && kept.server.abs_diff(*written) < STEP_MS.unsigned_abs()
        });
        let written = match written {
            Some((_, written)) => *written,
            None => {
                self.write(&kept)?;
                kept.server
            }
        };
        *held = Some((kept, written));
        self.leased.set(Some(raw));
        Ok(began)
    }
}

impl Store {
    /// Looks at the clocks and ends the lease if its time is over. Says whether what is restricted can be read. To be called
    /// before anything restricted is shown, and now and then.
    pub fn look_at_lease(&self, outside: &dyn Outside) -> Result<bool, StoreError> {
        self.lease.look(outside)
    }

    /// Ends the lease now.
    pub fn end_lease(&self) -> Result<(), StoreError> {
        self.lease.end(&mut self.lease.kept())
    }

    /// Whether the server is to be asked for the key: it leases, none is held, and there is or may be what lies under it.
    pub(crate) fn wants_lease(&self) -> Result<bool, StoreError> {
        if self.is_leased() { Ok(false) } else { self.read(wants) }
    }

    /// Whether the restricted part of a record is held here and its lease is over.
    pub fn is_closed(&self, id: RecordId) -> Result<bool, StoreError> {
        self.read(|sql| is_closed(sql, id))
    }

    /// Whether the key is held.
    pub(super) fn is_leased(&self) -> bool {
        self.lease.is_open()
    }
}

/// What the set-up says of leases, with [`shared::wire::Setup`]'s names: this is asked in every round, and areas are many.
#[derive(Deserialize)]
struct Terms {
    #[serde(default)]
    lease_hours: u32,
    user: Clearance,
}

#[derive(Deserialize)]
struct Clearance {
    cleared: bool,
}

pub(super) fn wants(sql: &Connection) -> Result<bool, StoreError> {
    let Some(setup) = meta::get::<Terms>(sql, key::SETUP)?.filter(|setup| setup.lease_hours > 0) else {
        return Ok(false);
    };
    let mut statement =
        sql.prepare_cached("SELECT 1 FROM edit WHERE part = 'restricted' AND substr(json, 1, 1) = '~' LIMIT 1")?;
    Ok(setup.user.cleared || statement.exists([])?)
}

/// Whether anything confirmed lies closed.
pub(super) fn any(sql: &Connection) -> Result<bool, StoreError> {
    let mut statement =
        sql.prepare_cached("SELECT 1 FROM confirmed WHERE place & 1 = 1 AND opened(state) IS NULL LIMIT 1")?;
    Ok(statement.exists([])?)
}

/// Whether the restricted part of a record is held and cannot be read.
pub(super) fn is_closed(sql: &Connection, id: RecordId) -> Result<bool, StoreError> {
    let Some((row, _)) = find(sql, id)? else { return Ok(false) };
    let mut statement = sql.prepare_cached("SELECT 1 FROM confirmed WHERE place = ?1 AND opened(state) IS NULL")?;
    Ok(statement.exists([place(row, Part::Restricted)])?)
}

impl Tx<'_> {
    /// An answer came: see [`Lease::renew`]. Where the key is new here, what lies in clear goes under it, and what lay closed
    /// is shown again.
    pub(super) fn renew_lease(
        &mut self,
        given: Option<&str>,
        hours: Option<u32>,
        server: DateTime<Utc>,
        outside: (DateTime<Utc>, i64),
    ) -> Result<(), StoreError> {
        if given.is_none() && !self.lease.is_open() {
            return Ok(());
        }
        let hours = match hours {
            Some(hours) => hours,
            None => meta::get::<Terms>(&self.sql, key::SETUP)?.map_or(0, |setup| setup.lease_hours),
        };
        if hours == 0 {
            return Ok(());
        }
        let began = self.lease.renew(given, hours, server, outside)?;
        // Noted in this transaction: the key may be there from one that failed, and nothing lie under it yet.
        if !began && meta::get(&self.sql, key::LEASED)?.unwrap_or(false) {
            return Ok(());
        }
        meta::put(&self.sql, key::LEASED, &true)?;
        self.sql.execute("UPDATE confirmed SET state = sealed(state) WHERE place & 1 = 1", [])?;
        self.sql.execute("UPDATE aside SET json = sealed(json) WHERE part = 'restricted'", [])?;
        self.seal_edits()?;
        let mut again: Vec<RecordId> = Vec::new();
        {
            let mut statement = self.sql.prepare(
                "SELECT record.id FROM confirmed JOIN record ON record.row = confirmed.place / 2
                 WHERE confirmed.place & 1 = 1",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                again.push(RecordId(super::rows::id_at(row, 0)?));
            }
        }
        again.into_iter().try_for_each(|id| self.refresh(id))
    }

    /// Puts own restricted edits that have their outcome under the leased key, and takes out what waits, was refused or is to
    /// be held again. What stood there before an edit lies under it in any case: it is not sent.
    pub(super) fn seal_edits(&self) -> Result<(), StoreError> {
        if !self.lease.is_open() {
            return Ok(());
        }
        for statement in [
            "UPDATE edit SET json = sealed(json)
             WHERE part = 'restricted' AND state IN ('applied', 'done', 'corrected', 'withdrawn') AND held = 0
                AND substr(json, 1, 1) <> '~'",
            "UPDATE edit SET json = opened(json)
             WHERE part = 'restricted' AND (state IN ('waiting', 'rejected') OR held = 1)
                AND substr(json, 1, 1) = '~' AND opened(json) IS NOT NULL",
            "UPDATE edit SET replaced = sealed(replaced) WHERE part = 'restricted' AND substr(replaced, 1, 1) <> '~'",
        ] {
            self.sql.prepare_cached(statement)?.execute([])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = HOUR_MS;

    /// A handheld's two clocks, in milliseconds.
    struct Clocks(i64, i64);

    impl Outside for Clocks {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp_millis(self.0).unwrap()
        }
        fn since_boot(&self) -> i64 {
            self.1
        }
        fn fill(&self, _: &mut [u8]) {}
    }

    fn lease() -> Kept {
        Kept { key: String::new(), hours: 72, server: 0, wall: 1_000 * HOUR, boot: 5 * HOUR, gone: 0 }
    }

    fn gone(looks: &[(i64, i64)]) -> i64 {
        let mut kept = lease();
        looks.iter().for_each(|(wall, boot)| kept.look(&Clocks(wall * HOUR, boot * HOUR)));
        kept.gone / HOUR
    }

    #[test]
    fn the_clock_of_a_lease_never_goes_back() {
        assert_eq!(gone(&[(1_010, 15)]), 10);
        assert_eq!(gone(&[(1_010 - 24 * 365, 15)]), 10, "the wall clock was set back a year");
        assert_eq!(gone(&[(1_030, 15), (1_010, 16)]), 31, "it was set forward, and back again");
        assert_eq!(gone(&[(1_000 - 24 * 365, 40), (1_000 - 24 * 365, 80)]), 75);
        assert_eq!(gone(&[(1_010, 15), (1_010, 2), (1_010, 4)]), 14, "started anew twice, its wall clock stands");
        assert_eq!(gone(&[(1_050, 3)]), 50, "it lay switched off");
    }

    #[test]
    fn it_is_over_when_its_hours_are() {
        let mut kept = lease();
        kept.look(&Clocks(1_071 * HOUR, 6 * HOUR));
        assert!(!kept.is_over());
        kept.look(&Clocks(900 * HOUR, 7 * HOUR));
        assert!(kept.is_over());
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let slot = LeasedKey::default();
        assert_eq!(slot.sealed("{}"), "{}");
        slot.set(Some([7; 32]));
        let sealed = slot.sealed(r#"{"care_note":"每周送餐"}"#);
        assert!(sealed.starts_with(SEALED) && !sealed.contains("care"));
        assert_eq!(slot.sealed(&sealed), sealed);
        assert_eq!(slot.opened(&sealed).as_deref(), Some(r#"{"care_note":"每周送餐"}"#));
        slot.set(Some([8; 32]));
        assert_eq!(slot.opened(&sealed), None);
        slot.set(None);
        assert_eq!((slot.opened(&sealed), slot.opened("{}").as_deref()), (None, Some("{}")));
    }
}
