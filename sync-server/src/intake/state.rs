//! How fetching from the intake stands, for staff: when it last went well, why not since then, how full the intake is.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;

use super::pull::Done;
use crate::AppState;
use crate::store::{self, Store, StoreError};

/// It stands above the towns, as that of backups.
const ABOVE: AreaId = AreaId(0);
const STATE: &str = "intake_state";
/// After so long without a round that went well staff are told.
const LONG: TimeDelta = TimeDelta::minutes(30);
/// From so many percent on the intake counts as nearly full.
const NEARLY: u8 = 80;

/// How it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Since when there is an intake here.
    pub since: Option<DateTime<Utc>>,
    /// When a round last went well.
    pub last: Option<DateTime<Utc>>,
    /// Why the last one did not: the end of a message key.
    pub failed: Option<String>,
    /// How full its file was, in percent.
    pub full: u8,
}

impl State {
    /// As noted in the database.
    pub fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let text = store::read(store, ABOVE, |read| read.meta(STATE))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn put(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store::write(store, ABOVE, |tx| tx.set_meta(STATE, &text))
    }

    /// Since when it has been out of reach, if that is long; a certificate that is not believed, or a key that does not fit,
    /// mends itself by no waiting and is told of at once.
    pub fn unreached(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let since = self.last.or(self.since)?;
        let at_once = matches!(self.failed.as_deref(), Some("certificate" | "answer"));
        (at_once || now - since > LONG).then_some(since)
    }

    /// How full it is, where that is much.
    pub fn nearly_full(&self) -> Option<u8> {
        Some(self.full).filter(|full| *full >= NEARLY)
    }
}

/// Writes down how a round went.
pub fn note(app: &AppState, went: Result<Done, &str>) -> Result<(), StoreError> {
    let (before, now) = (State::read(&*app.store)?, app.outside.now());
    let since = before.since.or(Some(now));
    let state = match went {
        Ok(done) => State { since, last: Some(now), failed: None, full: done.full },
        Err(why) => State { since, failed: Some(why.to_owned()), ..before },
    };
    state.put(&*app.store)
}

/// There is no intake here, or not any more: nothing is told of it.
pub fn none(app: &AppState) -> Result<(), StoreError> {
    if State::read(&*app.store)? == State::default() { Ok(()) } else { State::default().put(&*app.store) }
}
