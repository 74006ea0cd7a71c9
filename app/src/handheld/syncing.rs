//! When the sync runs, and what the pages about it show.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::ids::{DeviceId, RecordId};
use shared::limits::PROTOCOL;
use shared::wire::{Before, DeviceState, Edition, EnrolAnswer, EnrolRequest, HistoryEntry, Setup};

use super::SyncError;
use super::enrolment::Told;
use super::session::{Inner, Session};
use super::types::{Estimate, Message, OutboxItem, OutboxWhat};
use crate::lock::{LockError, Pin};
use crate::store::StoreError;
use crate::sync::{self, Client, Ended, Hold, Pace, Phase, Refused, Trust};

/// Between syncs when there is nothing to do.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// So long the centre takes what it was told of a handheld for news. An idle round in between says nothing of it, and the
/// server writes nothing.
const NEWS: TimeDelta = TimeDelta::minutes(10);
/// Answers that are not a page of the feed.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes a second assumed before the first upload was measured: a bad 3G line.
const SLOW: u64 = 30_000;
/// Edits shrink to about this share on the way.
const PACKED: u64 = 4;

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: u32,
    /// What the centre was told of this handheld since the start.
    told: Option<ToldOf>,
    /// How carefully edits are sent.
    care: sync::Care,
    /// How large the pieces of photos are.
    pace: Pace,
    /// What is kept for 30 days was looked through since the start.
    tidied: bool,
}

/// What the centre was told of this handheld.
#[derive(Debug)]
struct ToldOf {
    enrolment: Option<DeviceId>,
    web_view: Option<String>,
    undelivered: u32,
    at: DateTime<Utc>,
}

impl Inner {
    pub(super) fn client(&self, session: &Session) -> Result<Client, Refused> {
        if self.is_offline() {
            return Err(Refused::of("sync-offline", "switched to no network", true));
        }
        let meta = session.store.meta()?;
        let trust = Trust::of(meta.setup.as_ref().map_or(&[], |setup| setup.pins.as_slice()));
        Ok(Client::new(self.line(&meta.server, &trust)?, &meta.token))
    }

    pub(super) fn said(&self, refused: Refused, retry: Option<DateTime<Utc>>) -> SyncError {
        let asked_to_wait = refused.retry_after.is_some() && retry.is_some();
        SyncError { message: refused.message, detail: refused.detail, retry, asked_to_wait }
    }

    pub(super) async fn enrol(&self, server: &str, code: &str, pin: &str) -> Result<Arc<Setup>, SyncError> {
        let said = |refused| self.said(refused, None);
        let pin = Pin::chosen(pin).map_err(|problem| StoreError::from(LockError::from(problem)))?;
        if self.is_offline() {
            return Err(said(Refused::of("sync-offline", "switched to no network", true)));
        }
        let mut syncing = self.syncing.lock().await;
        let Told { server, code, trust } = Told::of(server, code).map_err(said)?;
        let transport = self.line(&server, &trust).map_err(|error| said(error.into()))?;
        let before = self.session().ok().and_then(|session| {
            let slot = session.store.meta().ok()?.slot?;
            Some(Before { user: session.setup().user.id, slot })
        });
        let request = EnrolRequest {
            before,
            protocol: PROTOCOL,
            code,
            name: self.services().device.name(),
            app: env!("CARGO_PKG_VERSION").to_owned(),
            keys: self.keys_for_centre(),
        };
        let client = Client::new(transport, "");
        let answered = client.post("/api/v1/enrol", &request, TIMEOUT).await.map_err(|mut refused| {
            if matches!(refused.status, 401 | 403 | 404 | 410) {
                refused.message = Message::of("sync-code-not-taken");
            }
            if matches!(trust, Trust::Code { .. }) && refused.message.key == "sync-wrong-key" {
                refused.message = Message::of("enrol-wrong-key");
            }
            said(refused)
        })?;
        let mut answer: EnrolAnswer = answered
            .bytes()
            .and_then(|body| {
                shared::json::from_slice(&body).map_err(|error| Refused::of("sync-bad-answer", error, true))
            })
            .map_err(said)?;
        // What the centre told its people outlives a server that says nothing of it.
        if let (true, Trust::Keys(pins)) = (answer.setup.pins.is_empty(), &trust) {
            answer.setup.pins.clone_from(pins);
        }
        let user = answer.setup.user.id;
        let key = self.key_of(user, answer.key.as_deref(), &pin)?;
        // Before the database: without its key it would say nothing to anybody.
        self.wrap(&answer.setup, &key, &pin)?;
        let store = self.open_store(user, &key)?;
        self.installed(&store)?;
        store.enrolled(&server, &answer, self.outside())?;
        self.set_settings(|settings| {
            settings.server = server;
            settings.user = Some(user);
        })?;
        self.come_in(Session::of(store)?);
        syncing.failed = 0;
        syncing.care = sync::Care::default();
        self.wake();
        Ok(Arc::new(answer.setup))
    }

    /// One whole sync: edits and feed, then photos.
    pub(super) async fn sync(&self) -> Result<(), SyncError> {
        let mut attempts = self.syncing.lock().await;
        let session = self.session()?;
        if self.is_offline() {
            self.moved(|progress| progress.phase = Phase::Offline);
            return Err(self.said(Refused::of("sync-offline", "switched to no network", true), None));
        }
        self.moved(|progress| {
            progress.problem = None;
            progress.next_attempt = None;
            (progress.done, progress.total, progress.sent, progress.received) = (0, 0, 0, 0);
        });
        let moved = attempts.pace.moved();
        let result = self.walk(&session, &mut attempts).await;
        if self.session().is_ok() {
            self.note_delivery(&session);
        }
        let now = self.outside().now();
        match result {
            Ok(speed) => {
                attempts.failed = 0;
                session.store.note_sync(now.timestamp_millis(), speed)?;
                session.store.checkpoint();
                if !std::mem::replace(&mut attempts.tidied, true) {
                    let old = session.store.forget_old(now)?;
                    session.store.remove_photo_files(&old);
                    let offer = session.setup().app.clone().unwrap_or_default();
                    self.tidy_updates(offer.newer_than(env!("CARGO_PKG_VERSION")));
                }
                self.moved(|progress| {
                    progress.phase = Phase::Idle;
                    progress.last_sync = Some(now);
                });
                Ok(())
            }
            Err(refused) => {
                // On a line that breaks again and again but carries a little each time, the wait does not grow.
                attempts.failed = if attempts.pace.moved() > moved { 1 } else { attempts.failed.saturating_add(1) };
                let offline = self.is_offline();
                let retry = (refused.again && !offline).then(|| {
                    let wait = sync::delay(attempts.failed, refused.retry_after, self.outside());
                    now + TimeDelta::from_std(wait).unwrap_or_default()
                });
                tracing::info!(detail = %refused.detail, "the sync did not come through");
                self.moved(|progress| {
                    progress.phase = if offline { Phase::Offline } else { Phase::Waiting };
                    progress.problem = Some(refused.message.clone());
                    progress.next_attempt = retry;
                });
                Err(self.said(refused, retry))
            }
        }
    }

    /// Text, then photos; text again whenever some was saved between two pieces of a photo. Gives the bytes a second of the
    /// photos sent, where that could be measured.
    async fn walk(&self, session: &Arc<Session>, attempts: &mut Attempts) -> Result<Option<u64>, Refused> {
        let (mut millis, moved) = (0, attempts.pace.moved());
        loop {
            let known = session.store.newest_edit()?;
            let Some(doubled) = self.walk_text(session, attempts).await? else { return Ok(None) };
            // The credential may be another one than before.
            let client = self.client(session)?;
            let began = self.outside().now();
            let ended = self.send_photos(session, &client, &mut attempts.pace, known).await?;
            millis += (self.outside().now() - began).num_milliseconds().max(1).cast_unsigned();
            if ended == Ended::Held(Hold::Text) && doubled.is_none() {
                continue;
            }
            let sent = attempts.pace.moved() - moved;
            if sent > 0 {
                self.moved(|progress| progress.changed += 1);
            }
            self.obey(session, &client, None).await?;
            if let Some(refused) = doubled {
                return Err(refused);
            }
            if self.session().is_ok() {
                self.fetch_thumbnails(session, &client).await;
            }
            return Ok((sent > 50_000).then(|| sent * 1000 / millis));
        }
    }

    /// Edits and feed. `None`: an order was obeyed that ends the sync. Else the refusal after which what is brought is taken all
    /// the same, if there was one.
    async fn walk_text(
        &self,
        session: &Arc<Session>,
        attempts: &mut Attempts,
    ) -> Result<Option<Option<Refused>>, Refused> {
        let client = self.client(session)?;
        let (enrolment, web_view, now) = (session.store.meta()?.device, self.web_view(), self.outside().now());
        // Edits go now; photos may wait for days.
        let waits = u32::try_from(session.store.counts()?.photos).unwrap_or(u32::MAX);
        let knows = attempts.told.as_ref().is_some_and(|told| {
            let age = now - told.at;
            told.enrolment == enrolment
                && told.web_view == web_view
                && told.undelivered == waits
                && (TimeDelta::zero()..NEWS).contains(&age)
        });
        let device = (!knows).then(|| DeviceState {
            web_view: web_view.clone(),
            app: env!("CARGO_PKG_VERSION").to_owned(),
            battery: self.services().device.battery(),
            clock: now,
            undelivered: 0,
        });
        let outside = self.outside_shared();
        // First what it is read by: after it nothing of the page has to be derived twice.
        self.take_edition(session, &client).await?;
        let exchanged = sync::exchange(&session.store, &client, &outside, device, &mut attempts.care, |change| {
            self.moved(|progress| change(progress));
        })
        .await;
        // Also after a failure: pages before it were taken in.
        session.reload()?;
        if exchanged.is_ok() {
            self.take_edition(session, &self.client(session)?).await?;
        }
        if let Err(refused) = &exchanged
            && self.obey(session, &self.client(session)?, Some(refused)).await?
        {
            return Ok(None);
        }
        if let Ok(done) = &exchanged
            && let Some(undelivered) = done.told
        {
            attempts.told = Some(ToldOf { enrolment, web_view, undelivered, at: now });
        }
        // What is brought is taken even then, the photos too.
        let doubled = match exchanged {
            Err(refused) if refused.is_doubled() => Some(refused),
            other => other.map(|_| None)?,
        };
        Ok(Some(doubled))
    }

    /// Fetches what the town published, where the set-up names something else than is held. What does not come through does not
    /// hold the sync up: it is tried with the next one.
    async fn take_edition(&self, session: &Arc<Session>, client: &Client) -> Result<(), Refused> {
        let named = session.setup().edition.clone();
        if named == session.store.edition() {
            return Ok(());
        }
        let edition = match &named {
            None => None,
            Some(_) => match self.fetch_edition(client).await {
                Ok(edition) => Some(edition),
                Err(refused) => {
                    tracing::info!(detail = %refused.detail, "what the town published did not come through");
                    return Ok(());
                }
            },
        };
        let store = Arc::clone(&session.store);
        match sync::blocking(move || store.take_edition(edition.as_ref())).await? {
            Ok(()) => self.moved(|progress| progress.changed += 1),
            // On a full disk too, what was typed at a door goes out.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what the town published cannot be kept");
            }
        }
        Ok(())
    }

    async fn fetch_edition(&self, client: &Client) -> Result<Edition, Refused> {
        let answered = client.get("/api/v1/edition", TIMEOUT).await?;
        let body = answered.bytes()?;
        shared::json::from_slice(&body).map_err(|error| Refused::of("sync-bad-answer", error, true))
    }

    pub(super) async fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>, SyncError> {
        let said = |refused| self.said(refused, None);
        let session = self.session()?;
        let client = self.client(&session).map_err(said)?;
        let answered = client.get(&format!("/api/v1/records/{id}/history"), TIMEOUT).await.map_err(said)?;
        let body = answered.bytes().map_err(said)?;
        shared::json::from_slice(&body).map_err(|error| said(Refused::of("sync-bad-answer", error, true)))
    }

    pub(super) fn outbox(&self) -> Result<Vec<OutboxItem>, StoreError> {
        let session = self.session()?;
        let progress = self.progress().borrow().clone();
        let why = match (&progress.problem, progress.phase) {
            (Some(problem), _) => problem.clone(),
            (None, Phase::Offline) => Message::of("sync-offline"),
            (None, Phase::Records | Phase::Photos) => Message::of("sync-under-way"),
            (None, _) => Message::of("sync-not-yet"),
        };
        let mut items = Vec::new();
        for waiting in session.store.waiting()? {
            let edit = waiting.edit;
            let mut fields: Vec<String> = edit.writes.keys().map(|path| path.field_name().to_owned()).collect();
            fields.dedup();
            let title = match session.store.title(edit.record)? {
                Some(title) if !title.is_empty() => title,
                _ => session.title_in(&edit),
            };
            items.push(OutboxItem {
                what: OutboxWhat::Edit { edit: edit.id, fields },
                record: Some(edit.record),
                title,
                bytes: waiting.bytes,
                saved: edit.at,
                why: why.clone(),
                next_attempt: progress.next_attempt,
            });
        }
        let held = self.photos_wait();
        for photo in session.store.photos_waiting()?.into_iter().filter(|photo| !photo.is_thumbnail) {
            let title = photo.record.map(|record| session.store.title(record)).transpose()?.flatten();
            items.push(OutboxItem {
                what: OutboxWhat::Photo { hash: photo.hash, sent: photo.sent },
                record: photo.record,
                title: title.unwrap_or_default(),
                bytes: photo.bytes.saturating_sub(photo.sent),
                saved: photo.taken,
                why: held.map_or_else(|| why.clone(), Message::of),
                next_attempt: progress.next_attempt.filter(|_| held.is_none()),
            });
        }
        Ok(items)
    }

    pub(super) fn estimate(&self) -> Result<Estimate, StoreError> {
        let session = self.session()?;
        let counts = session.store.counts()?;
        let speed = match session.store.meta()?.speed {
            0 => SLOW,
            speed => speed.max(1_000),
        };
        let photo_bytes = if self.photos_wait().is_some() { 0 } else { counts.photo_bytes };
        let bytes = counts.edit_bytes / PACKED + photo_bytes;
        Ok(Estimate {
            records: counts.edits,
            photos: counts.photos,
            kilobytes: bytes.div_ceil(1024),
            seconds: (bytes / speed) + u64::from(bytes > 0),
        })
    }
}

/// Runs syncs until the handheld is dropped.
pub(super) fn start(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    let notify = Arc::clone(&inner.notify);
    tokio::spawn(async move {
        loop {
            let Some(inner) = weak.upgrade() else { return };
            let (mut wait, mut firm) = (IDLE, false);
            if !inner.is_offline()
                && inner.session().is_ok()
                && let Err(error) = inner.sync().await
            {
                let until = error.retry.map(|at| (at - inner.outside().now()).to_std().unwrap_or_default());
                wait = until.unwrap_or(IDLE);
                firm = error.asked_to_wait;
            }
            drop(inner);
            if firm {
                tokio::time::sleep(wait).await;
                continue;
            }
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    });
}
