//! What nobody goes on with, looked for daily. Uploads end a week after they began (tus 1.0, expiration), and their bytes
//! go; folders of batches that a crash left before they had a number go at once; photos that nothing refers to a month after
//! they came ([`super::orphans`]).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::area::AreaId;

use super::orphans;
use crate::store::{self, StoreError, Upload};
use crate::{App, AppState};

/// How long an upload can be gone on with. A photo takes minutes on a bad line; a handheld that comes later begins anew.
const LIFE: TimeDelta = TimeDelta::days(7);
/// From one look to the next of a running server.
const DAILY: Duration = Duration::from_secs(86_400);

fn after(begun: DateTime<Utc>) -> DateTime<Utc> {
    begun.checked_add_signed(LIFE).unwrap_or(begun)
}

/// When an upload ends; `None` once it is a photo.
pub fn ends(upload: &Upload) -> Option<DateTime<Utc>> {
    (!upload.done).then(|| after(upload.begun))
}

/// Takes the bytes of uploads that have ended away, those included that a crash left before they were noted. Gives how many.
pub fn clear(app: &AppState) -> Result<usize, StoreError> {
    let now = app.outside.now();
    let files = |source| StoreError::Other { action: "looked for uploads that have ended", source: Box::new(source) };
    let towns = app.store.towns()?;
    let mut cleared = 0;
    for id in app.blobs.uploads().map_err(files)? {
        let mut known: Option<(AreaId, Upload)> = None;
        for town in &towns {
            let upload = store::read::<_, StoreError>(&*app.store, *town, |read| read.upload(id))?;
            known = upload.map(|upload| (*town, upload)).or(known);
        }
        let begun = known.as_ref().map(|(_, upload)| upload.begun).or_else(|| store::made_at(id));
        if begun.is_none_or(|begun| after(begun) > now) {
            continue;
        }
        if let Some((town, _)) = known {
            store::write::<_, StoreError>(&*app.store, town, |tx| tx.drop_upload(id))?;
        }
        app.blobs.drop_upload(id).map_err(files)?;
        cleared += 1;
    }
    Ok(cleared)
}

/// Looks for all of it at once and then daily.
pub async fn daily(app: App) {
    let mut days = tokio::time::interval(DAILY);
    loop {
        days.tick().await;
        let app = App::clone(&app);
        let all = move || {
            let Some(_turn) = app.store.turn("expiry")? else { return Ok(None) };
            let batches = crate::batch::clear_unnamed(&*app.store, &app.data, app.outside.now());
            Ok::<_, StoreError>(Some((clear(&app), batches, orphans::clear(&app))))
        };
        match tokio::task::spawn_blocking(all).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some((uploads, batches, photos)))) => {
                match uploads {
                    Ok(cleared) => tracing::info!(uploads = cleared, "looked for uploads that nobody went on with"),
                    Err(error) => said(&error, "uploads that have ended are still there"),
                }
                if let Err(error) = batches {
                    said(&error, "folders of batches without a number are still there");
                }
                match photos {
                    Ok(cleared) => {
                        let orphans::Cleared { orphans, strangers } = cleared;
                        tracing::info!(orphans, strangers, "looked for photos that nothing refers to");
                    }
                    Err(error) => said(&error, "photos that nothing refers to are still there"),
                }
            }
            Ok(Err(error)) => said(&error, "what nobody goes on with is still there"),
            Err(error) => said(&error, "what nobody goes on with is still there"),
        }
    }
}

fn said(error: &(dyn std::error::Error + 'static), what: &str) {
    tracing::error!(error, "{what}");
}
