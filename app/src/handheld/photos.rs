//! Photos on this handheld: taken in, delivered, fetched.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use shared::form::{PhotoParticulars, Position};
use shared::ids::PhotoHash;
use shared::mask::in_beijing;

use super::PhotoError;
use super::session::{Inner, Session};
use super::types::TakenIn;
use crate::photo;
use crate::platform::Line;
use crate::store::{PhotoState, StoreError};
use crate::sync::{self, Client, Ended, Fetched, Hold, Pace, Refused, Way};

/// Thumbnails asked for after one sync.
const THUMBNAILS: usize = 40;
/// For so many syncs a thumbnail is not asked for that the server did not have: an hour where nothing else happens.
const AGAIN: u32 = 12;
/// Photos that are kept in memory half fetched.
const HALVES: usize = 8;
/// How far the camera's clock may be ahead of what is taken for now.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Older than this no picture was taken for a record; a camera without a clock begins at some year of its own.
const OLDEST: TimeDelta = TimeDelta::days(3_650);

/// What came of photos that were opened and broke off; it goes with the session, for it lies here in clear.
#[derive(Default)]
pub(super) struct Halves {
    pace: Pace,
    so_far: BTreeMap<PhotoHash, Vec<u8>>,
    /// Thumbnails the server did not have, and for how many syncs they are not asked for.
    absent: BTreeMap<PhotoHash, u32>,
}

impl Inner {
    /// Takes a picture in. `position` and `at` stand for what the camera does not say itself.
    pub(super) fn take_in(
        &self,
        bytes: &[u8],
        position: Option<Position>,
        at: Option<DateTime<Utc>>,
    ) -> Result<TakenIn, PhotoError> {
        let said = |error: StoreError| PhotoError(error.message());
        let session = self.session().map_err(said)?;
        let outside = self.outside();
        let at = at.unwrap_or_else(|| outside.now());
        let shot = photo::shot(bytes);
        // The camera's clock is the device's: as wrong as that is, so wrong is what it says.
        let camera = shot.at.and_then(|said| said.checked_add_signed(at - outside.now()));
        let taken_at = camera.filter(|camera| *camera <= at + AHEAD && at - *camera <= OLDEST).unwrap_or(at);
        let position = shot.position.map(|said| Position { at: taken_at.timestamp_millis(), ..said }).or(position);
        let stamp = session.writing(taken_at);
        let taken = photo::take_in(bytes, &stamp).map_err(|error| PhotoError(error.message()))?;
        session.store.keep_taken(&taken, bytes, &stamp, outside).map_err(said)?;
        // Only now: until it is kept the camera's file is the only one there is.
        self.services().device.forget_pictures();
        let particulars = PhotoParticulars {
            thumbnail: taken.thumbnail_hash,
            bytes: taken.jpeg.len() as u64,
            width: taken.width,
            height: taken.height,
            at: taken_at.timestamp_millis(),
            position,
        };
        Ok(TakenIn { hash: taken.hash, particulars })
    }

    /// A photo or thumbnail held here.
    pub(super) fn picture(&self, hash: &PhotoHash) -> Result<Option<Vec<u8>>, PhotoError> {
        let said = |error: StoreError| PhotoError(error.message());
        let store = &self.session().map_err(said)?.store;
        let bytes = store.photo(hash).map_err(said)?;
        if bytes.is_some()
            && let Err(error) = store.picture_used(hash, self.outside().now())
        {
            tracing::debug!(%error, "when a picture was looked at is not noted");
        }
        Ok(bytes)
    }

    /// The same, asking the server if it is not held. What came before a break is gone on with at the next call.
    pub(super) async fn fetch_picture(&self, hash: &PhotoHash) -> Result<Fetched, PhotoError> {
        if let Some(bytes) = self.picture(hash)? {
            return Ok(Fetched::Here(bytes));
        }
        let said = |refused: Refused| PhotoError(refused.message);
        let session = self.session().map_err(|error| PhotoError(error.message()))?;
        let client = self.client(&session).map_err(said)?;
        let (mut so_far, mut pace) = {
            let mut halves = lock(&session.halves);
            (halves.so_far.remove(hash).unwrap_or_default(), halves.pace.clone())
        };
        let fetched = sync::fetch_photo(&client, hash, &mut so_far, &mut pace, self.outside()).await;
        {
            let mut halves = lock(&session.halves);
            halves.pace = pace;
            if !so_far.is_empty() {
                // One that nobody came back to makes room.
                while halves.so_far.len() >= HALVES {
                    halves.so_far.pop_first();
                }
                halves.so_far.insert(hash.clone(), so_far);
            }
        }
        let fetched = fetched.map_err(said)?;
        if let Fetched::Here(bytes) = &fetched {
            let store = &session.store;
            store
                .put_photo(hash, bytes, None, PhotoState::Fetched, self.outside())
                .and_then(|()| store.shrink_pictures())
                .map_err(|error| PhotoError(error.message()))?;
        }
        Ok(fetched)
    }

    /// Why photos wait although there is a network, as the key of a message.
    pub(super) fn photos_wait(&self) -> Option<&'static str> {
        let settings = self.settings();
        let metered = || settings.wifi_only && self.services().network.line() == Line::Metered;
        match settings.text_only {
            true => Some("sync-text-only"),
            false => metered().then_some("sync-wifi-only"),
        }
    }

    /// Sends photos until none is left or something is saved that goes first. `known` is the newest edit that had its turn.
    pub(super) async fn send_photos(
        &self,
        session: &Session,
        client: &Client,
        pace: &mut Pace,
        known: i64,
    ) -> Result<Ended, Refused> {
        // What is to be erased delivers its photos too, or it would wait for ever.
        let all = session.store.is_to_be_wiped()?;
        let hold = || match session.store.newest_edit() {
            _ if self.is_offline() || (!all && self.photos_wait().is_some()) => Hold::Wait,
            Ok(newest) if newest > known => Hold::Text,
            _ => Hold::Go,
        };
        let mut way = Way { pace, hold: &hold, outside: self.outside_shared() };
        sync::deliver_photos(&session.store, client, &mut way, |change| self.moved(|progress| change(progress))).await
    }

    /// Fetches thumbnails of records that came, the newest first. A sync that came this far has done its work: what fails here
    /// is tried after the next one.
    pub(super) async fn fetch_thumbnails(&self, session: &Session, client: &Client) {
        if let Err(error) = self.try_thumbnails(session, client).await {
            tracing::warn!(%error, "thumbnails were not fetched");
        }
    }

    async fn try_thumbnails(&self, session: &Session, client: &Client) -> Result<(), StoreError> {
        let outside = self.outside();
        let (mut pace, absent) = {
            let mut halves = lock(&session.halves);
            halves.absent.values_mut().for_each(|syncs| *syncs -= 1);
            halves.absent.retain(|_, syncs| *syncs > 0);
            (halves.pace.clone(), halves.absent.clone())
        };
        let mut asked = session.store.thumbnails_missing(THUMBNAILS + absent.len())?;
        asked.retain(|hash| !absent.contains_key(hash));
        asked.truncate(THUMBNAILS);
        let mut came = false;
        for hash in asked {
            if self.is_offline() || self.photos_wait().is_some() {
                break;
            }
            match sync::fetch_photo(client, &hash, &mut Vec::new(), &mut pace, outside).await {
                Ok(Fetched::Here(bytes)) => {
                    session.store.put_photo(&hash, &bytes, None, PhotoState::Fetched, outside)?;
                    came = true;
                }
                Ok(Fetched::OnItsWay(_) | Fetched::NotThere) => {
                    lock(&session.halves).absent.insert(hash, AGAIN);
                }
                Err(refused) => {
                    tracing::debug!(%refused, "a thumbnail did not come");
                    break;
                }
            }
        }
        if came {
            session.store.shrink_pictures()?;
            self.moved(|progress| progress.changed += 1);
        }
        Ok(())
    }
}

impl Session {
    /// What the town has written into its photos: date, time and grid; empty if nothing.
    fn writing(&self, at: DateTime<Utc>) -> String {
        let setup = self.setup();
        if !setup.stamp {
            return String::new();
        }
        let grid = setup.scope.first().and_then(|id| setup.areas.iter().find(|area| area.id == *id));
        let when = in_beijing(at).map(|at| at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
        format!("{when} {}", grid.map(|grid| grid.name.as_str()).unwrap_or_default()).trim().to_owned()
    }
}

fn lock(halves: &Mutex<Halves>) -> std::sync::MutexGuard<'_, Halves> {
    halves.lock().unwrap_or_else(PoisonError::into_inner)
}
