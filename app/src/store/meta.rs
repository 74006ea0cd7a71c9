//! What there is one of: who this is, where the sync stands.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::ids::{DeviceId, Slot};
use shared::wire::Setup;

use super::{Store, StoreError};

/// Keys of the table `meta`. Values are JSON.
pub(super) mod key {
    pub const SERVER: &str = "server";
    pub const TOKEN: &str = "token";
    pub const EARLIER_TOKENS: &str = "earlier_tokens";
    pub const DEVICE: &str = "device";
    pub const SLOT: &str = "slot";
    pub const NEXT_N: &str = "next_n";
    pub const EPOCH: &str = "epoch";
    pub const CURSOR: &str = "cursor";
    pub const SETUP: &str = "setup";
    pub const FILL: &str = "fill";
    pub const FILLING: &str = "filling";
    pub const FROM_EMPTY: &str = "from_empty";
    pub const STALE: &str = "stale";
    pub const BACKED_UP: &str = "backed_up";
    pub const ASKED_EPOCH: &str = "asked_epoch";
    pub const EARLIER_OPEN: &str = "earlier_open";
    pub const CLOCK_OFFSET: &str = "clock_offset";
    pub const LAST_SYNC: &str = "last_sync";
    pub const SPEED: &str = "speed";
    pub const NONCE: &str = "nonce";
    pub const DOUBT: &str = "doubt";
    pub const FILL_EPOCHS: &str = "fill_epochs";
    pub const CHECKED: &str = "checked";
    pub const CHECK_NOW: &str = "check_now";
    pub const MENDED: &str = "mended";
    pub const WIPE: &str = "wipe";
    pub const LEASED: &str = "leased";
    pub const EDITION: &str = "edition";
    pub const DERIVE_EVENTS: &str = "derive_events";
    pub const DERIVE_POINTS: &str = "derive_points";
}

/// Everything there is one of, as last written.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// The server's address.
    pub server: String,
    /// The credential; empty before enrolment.
    pub token: String,
    /// This enrolment.
    pub device: Option<DeviceId>,
    /// The writer this installation is for this user.
    pub slot: Option<Slot>,
    /// The n the next edit gets.
    pub next_n: u64,
    /// The server's epoch as last seen.
    pub epoch: u32,
    /// Where the feed goes on.
    pub cursor: Option<String>,
    /// Who and where.
    pub setup: Option<Arc<Setup>>,
    /// Up to which n a backup of the server holds everything.
    pub backed_up: u64,
    /// Server clock minus device clock as last seen, milliseconds.
    pub clock_offset: i64,
    /// When the last sync ended well, device clock, milliseconds; 0: never.
    pub last_sync: i64,
    /// Bytes a second of the last uploads; 0: not known.
    pub speed: u64,
    /// A fill is under way.
    pub filling: bool,
}

fn text(sql: &Connection, key: &'static str) -> Result<Option<String>, StoreError> {
    Ok(sql.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()?)
}

pub(super) fn get<T: DeserializeOwned>(sql: &Connection, key: &'static str) -> Result<Option<T>, StoreError> {
    let json = text(sql, key)?;
    json.map(|json| read(key, &json)).transpose()
}

fn read<T: DeserializeOwned>(key: &'static str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Row { what: key, why: error.to_string() })
}

pub(super) fn put<T: Serialize>(sql: &Connection, key: &'static str, value: &T) -> Result<(), StoreError> {
    let json = serde_json::to_string(value).map_err(|error| StoreError::Row { what: key, why: error.to_string() })?;
    // What stands there already is not written again: an idle round writes next to nothing.
    sql.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = ?2 WHERE value <> ?2",
    )?
    .execute(params![key, json])?;
    Ok(())
}

/// The set-up as it was read last, and the text of it.
#[derive(Default)]
pub(super) struct LastSetup(Mutex<Option<(String, Arc<Setup>)>>);

impl LastSetup {
    /// The set-up of this text. It is long, and hardly ever another one.
    fn of(&self, json: String) -> Result<Arc<Setup>, StoreError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((text, setup)) = &*last
            && *text == json
        {
            return Ok(Arc::clone(setup));
        }
        let setup: Arc<Setup> = Arc::new(read(key::SETUP, &json)?);
        *last = Some((json, Arc::clone(&setup)));
        Ok(setup)
    }
}

fn load(sql: &Connection, last: &LastSetup) -> Result<Meta, StoreError> {
    Ok(Meta {
        server: get(sql, key::SERVER)?.unwrap_or_default(),
        token: get(sql, key::TOKEN)?.unwrap_or_default(),
        device: get(sql, key::DEVICE)?,
        slot: get(sql, key::SLOT)?,
        next_n: get(sql, key::NEXT_N)?.unwrap_or(1),
        epoch: get(sql, key::EPOCH)?.unwrap_or_default(),
        cursor: get(sql, key::CURSOR)?,
        setup: text(sql, key::SETUP)?.map(|json| last.of(json)).transpose()?,
        backed_up: get(sql, key::BACKED_UP)?.unwrap_or_default(),
        clock_offset: get(sql, key::CLOCK_OFFSET)?.unwrap_or_default(),
        last_sync: get(sql, key::LAST_SYNC)?.unwrap_or_default(),
        speed: get(sql, key::SPEED)?.unwrap_or_default(),
        filling: get(sql, key::FILLING)?.unwrap_or_default(),
    })
}

impl Store {
    /// Everything there is one of.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        self.read(|sql| load(sql, &self.last_setup))
    }

    /// Notes how a sync ended and how fast it sent. Not flushed by itself: it is told, not relied on.
    pub fn note_sync(&self, at_ms: i64, speed: Option<u64>) -> Result<(), StoreError> {
        self.write_relaxed(|tx| {
            put(&tx.sql, key::LAST_SYNC, &at_ms)?;
            if let Some(speed) = speed {
                put(&tx.sql, key::SPEED, &speed)?;
            }
            Ok(())
        })
    }

    /// Whether the centre told to erase everything once it is delivered.
    pub fn is_to_be_wiped(&self) -> Result<bool, StoreError> {
        self.read(|sql| Ok(get(sql, key::WIPE)?.unwrap_or_default()))
    }

    /// Begins the feed anew with the next round; what is held stays readable until then.
    pub fn forget_cursor(&self) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::CURSOR])?;
            Ok(())
        })
    }
}
