//! A report that was fetched becomes an event, through the same door as every edit; what is suspicious waits in the tray.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::{EditId, RecordId};
use shared::mask::LinkOrText;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::workflow::{STEPS, Step, StepEntry};
use uuid::Uuid;

use super::pictures;
use super::report::{Report, Suspicion};
use crate::AppState;
use crate::auth::Who;
use crate::blobs::{FinishError, hash};
use crate::store::{self, Origin, Photo, Reporter, StoreError, Told, Tray, Tx};
use crate::sync::accept::{self, Writer};

/// After so long what waits in the tray goes by itself.
pub const TRAY_KEPT: TimeDelta = TimeDelta::days(30);
/// The most characters of a title made of a report.
const TITLE: usize = 60;

/// Why a report is not here. It stays where it is and is fetched again.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A photo could not be kept.
    #[error("cannot keep a photo")]
    Photo(#[source] io::Error),
    /// There is no town that could take it.
    #[error("there is no town to take a report")]
    NoTown,
}

/// Takes a fetched report: durable when this returns. Taking it again changes nothing.
pub fn take(app: &AppState, id: Uuid, sealed: &[u8]) -> Result<(), TakeError> {
    let opened = app.outbox_key.open_sealed(sealed);
    let read = opened.as_deref().and_then(|json| serde_json::from_slice::<Report>(json).ok());
    let Some(report) = read else {
        tracing::error!(report = %id, "a report cannot be opened; it waits in the tray");
        let (town, area) = somewhere(app)?;
        let now = app.outside.now();
        let reason = Suspicion::Unreadable.code().to_owned();
        let tray = Tray { id, area, at: now, reason, body: STANDARD.encode(sealed) };
        return to_tray(app, town, [0; 32], &tray);
    };
    let areas = app.areas()?;
    let (town, area) = match areas.town_of(report.area) {
        Some(town) => (town, report.area),
        None => somewhere(app)?,
    };
    match report.suspicion {
        None => land(app, town, &Report { area, ..report }),
        Some(why) => {
            let body = serde_json::to_string(&report).map_err(|_| StoreError::Missing("the report's text"))?;
            let tray = Tray { id: report.id, area, at: app.outside.now(), reason: why.code().to_owned(), body };
            to_tray(app, town, report.token, &tray)
        }
    }
}

/// Where a report goes whose grid is not there any more.
fn somewhere(app: &AppState) -> Result<(AreaId, AreaId), TakeError> {
    let town = app.store.towns()?.into_iter().next().ok_or(TakeError::NoTown)?;
    Ok((town, town))
}

fn to_tray(app: &AppState, town: AreaId, token: [u8; 32], tray: &Tray) -> Result<(), TakeError> {
    store::write(&*app.store, town, |tx| {
        if tx.knows_report(tray.id)? {
            return Ok(());
        }
        tx.put_tray(tray)?;
        tx.put_report(&Told { id: tray.id, token, record: None, told: 0 })
    })?;
    Ok(())
}

/// A photo on its way into an event.
struct Taken {
    photo: Photo,
    thumbnail: Photo,
    particulars: PhotoParticulars,
}

/// Makes a report an event. Nothing where that was done before.
pub fn land(app: &AppState, town: AreaId, report: &Report) -> Result<(), TakeError> {
    let known = store::read::<_, StoreError>(&*app.store, town, |read| {
        Ok(read.knows_report(report.id)? && read.tray_one(report.id)?.is_none())
    })?;
    if known {
        return Ok(());
    }
    // Until file and row are both there nobody takes the file for one that belongs to nobody.
    let _settling = app.blobs.settling();
    let mut photos = Vec::new();
    for photo in &report.photos {
        photos.extend(keep_photo(app, photo, report)?);
    }
    let rules = app.rules()?;
    let who = Who::nobody(town, &rules.areas);
    let record = RecordId(app.outside.uuid());
    let form = rules.forms.newest(RecordKind::Event).map(|form| form.version);
    let form = form.ok_or(StoreError::Missing("the form of events"))?;
    store::write(&*app.store, town, |tx| {
        let waited = tx.drop_tray(report.id)?;
        if tx.knows_report(report.id)? && !waited {
            return Ok(());
        }
        for photo in &photos {
            for one in [&photo.photo, &photo.thumbnail] {
                tx.put_photo(one, who.user.id)?;
            }
        }
        let slot = accept::intake_slot(app, tx)?;
        let writer = Writer { who: who.clone(), slot, origin: Origin::Intake };
        let id = EditId(report.id);
        let edit = Edit {
            id,
            record,
            kind: RecordKind::Event,
            part: Part::Open,
            dot: accept::next_dot(tx, slot)?,
            context: VectorTimestamp::new(),
            epoch: rules.epoch,
            at: DateTime::from_timestamp_millis(report.at).unwrap_or(rules.now).min(rules.now),
            zone: 480,
            author: Arc::new(Author { user: None, name: String::new(), role: Role::Informant }),
            form,
            writes: writes(report, id, &photos),
        };
        // What does not fit the form stands in quarantine, for staff: nothing is lost.
        accept::accept_in(tx, &rules, &writer, vec![edit])?;
        tx.put_report(&Told { id: report.id, token: report.token, record: Some(record), told: 0 })?;
        if !report.name.is_empty() || !report.phone.is_empty() {
            let reporter = Reporter { name: report.name.clone(), phone: report.phone.clone() };
            tx.put_reporter(record, &reporter)?;
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

fn writes(report: &Report, id: EditId, photos: &[Taken]) -> BTreeMap<Path, Value> {
    let text = |text: &str| Value::text(text);
    let source = if report.informant { "informant" } else { "scan" };
    let mut writes = BTreeMap::from([
        (Path::field("source"), text(source)),
        (Path::field("category"), text(report.what.category())),
        (Path::field("title"), text(&title(report))),
        (Path::field("account"), text(&report.text)),
        (Path::field("area"), Value::of(&report.area)),
        (Path::entry(STEPS, id), Value::of(&StepEntry::new(Step::Report, ""))),
    ]);
    if !report.place.is_empty() {
        let place = LinkOrText { id: None, text: Some(report.place.clone()) };
        writes.insert(Path::field("place"), Value::of(&place));
    }
    if let Some(position) = &report.position {
        writes.insert(Path::field("position"), Value::of(position));
    }
    for photo in photos {
        writes.insert(Path::element("photos", photo.photo.hash.as_str()), Value::of(&photo.particulars));
    }
    writes
}

/// Where, and what it is about: the place and the first line of what was written.
fn title(report: &Report) -> String {
    let line = report.text.lines().next().unwrap_or_default();
    let whole = if report.place.is_empty() { line.to_owned() } else { format!("{} {line}", report.place) };
    let mut short: String = whole.chars().take(TITLE).collect();
    if short.len() < whole.len() {
        short.push('…');
    }
    short
}

/// Brings a photo and its thumbnail to the disk. One that is none is left out: the intake drew it anew, so nobody's
/// telephone made it.
fn keep_photo(app: &AppState, photo: &str, report: &Report) -> Result<Option<Taken>, TakeError> {
    let Some(bytes) = STANDARD.decode(photo).ok() else { return Ok(None) };
    // Whoever has the intake in hand sends what they like: drawn anew here too.
    let Ok(bytes) = pictures::anew(&bytes) else { return Ok(None) };
    let Ok((small, width, height)) = pictures::thumbnail(&bytes) else { return Ok(None) };
    let (thumbnail, photo) = (keep_blob(app, &small)?, keep_blob(app, &bytes)?);
    let particulars = PhotoParticulars {
        thumbnail: thumbnail.hash.clone(),
        bytes: photo.bytes,
        width,
        height,
        at: report.at,
        position: report.position,
    };
    Ok(Some(Taken { photo, thumbnail, particulars }))
}

fn keep_blob(app: &AppState, bytes: &[u8]) -> Result<Photo, TakeError> {
    let hash = hash(bytes);
    app.blobs.put(app.outside.uuid(), &hash, bytes).map_err(|error| {
        TakeError::Photo(match error {
            FinishError::Io(error) => error,
            other => io::Error::other(other),
        })
    })?;
    Ok(Photo { hash, bytes: bytes.len() as u64, received: app.outside.now() })
}

/// Takes out of the tray what nobody decided on for 30 days.
pub fn expire(app: &AppState, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut gone = 0;
    for town in app.store.towns()? {
        gone += store::write::<_, StoreError>(&*app.store, town, |tx: &mut dyn Tx| tx.expire_tray(now - TRAY_KEPT))?;
    }
    Ok(gone)
}

/// The same once a day.
pub async fn expire_daily(app: crate::App) {
    let mut daily = tokio::time::interval(std::time::Duration::from_secs(24 * 3_600));
    loop {
        daily.tick().await;
        let app = app.clone();
        let in_turn = move || match app.store.turn("tray")? {
            Some(_turn) => expire(&app, app.outside.now()),
            None => Ok(0),
        };
        match tokio::task::spawn_blocking(in_turn).await {
            Ok(Ok(0)) => {}
            Ok(Ok(reports)) => tracing::info!(reports, "went out of the tray after 30 days"),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot clear the tray");
            }
            Err(error) => tracing::error!(%error, "cannot clear the tray"),
        }
    }
}
