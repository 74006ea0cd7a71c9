//! Photos by tus 1.0 (core, creation with upload, termination, checksum, expiration), read by hash.
//!
//! An upload announces its SHA-256. When the last byte is there the server verifies it and says it back in `Photo-Hash`:
//! only then is the photo delivered.

mod headers;
mod look;
mod taking;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, patch, post};
use http::{HeaderMap, StatusCode};
use shared::area::AreaId;
use shared::limits::PHOTO_BYTES;
use uuid::Uuid;

pub use look::ONLY_A_PICTURE;

use self::headers::{Checksum, announced, answer, brings_piece, number, options, speaks_tus, standing};
use super::pressure::Flight;
use super::{blocking, body, caller, pressure};
use crate::blobs::{FinishError, expiry, jpeg::NoJpeg, quota, take_away};
use crate::error::Problem;
use crate::store::{self, Photo, Read, StoreError, Upload};
use crate::sync::photos::{deliver, may_see};
use crate::sync::round::Caller;
use crate::{App, AppState};

/// Photos to be read.
pub fn routes() -> Router<App> {
    Router::new().route("/api/v1/photos/{hash}", get(look::read))
}

/// Photos on their way. How long those may take, and how much they may bring, they look to themselves.
pub fn uploads() -> Router<App> {
    Router::new()
        .route("/api/v1/photos", post(create).options(options))
        .route("/api/v1/photos/uploads/{id}", patch(append).head(offset).delete(terminate).options(options))
}

/// Begins an upload, with its first bytes if they are there.
async fn create(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let (state, brings) = (App::clone(&app), brings_piece(&headers));
    let comes = if brings { body.size_hint().lower() } else { 0 };
    let begun = blocking(move || {
        let caller = caller::bringing(&state, &headers)?;
        speaks_tus(&headers)?;
        let checksum = Checksum::of(&headers)?;
        let upload = begin(&state, &caller, &headers, comes)?;
        Ok((caller.landed(), upload, checksum))
    })
    .await;
    let (caller, upload, checksum) = match begun {
        Ok(begun) => begun,
        Err(problem) => return Err(refused(&app, body, problem)),
    };
    let location = ("location", format!("/api/v1/photos/uploads/{}", upload.id));
    let mut stands = 0;
    if brings && !upload.done {
        stands = taking::piece(&app, &upload, 0, checksum, body).await?;
    } else {
        let_pass(&app, body);
    }
    let upload = if stands < upload.length { upload } else { finish(app, caller, upload).await? };
    let mut named = standing(&upload, stands);
    named.push(location);
    Ok(answer(StatusCode::CREATED, &named))
}

/// A new upload. One that is done already, of a photo that is here: where the caller delivered it before or may see it.
/// Whoever may not sends all of it, which proves that they have it. `comes` is how much of it is said to come along.
fn begin(app: &AppState, caller: &Caller, headers: &HeaderMap, comes: u64) -> Result<Upload, Problem> {
    let length: u64 = number(headers, "upload-length").ok_or_else(|| Problem::bad("upload_length"))?;
    if length > PHOTO_BYTES {
        return Err(Problem::too_large("photo_too_large").with("most", PHOTO_BYTES));
    }
    if comes > length {
        return Err(taking::too_long(length));
    }
    let hash = announced(headers).ok_or_else(|| Problem::bad("upload_hash"))?;
    let now = app.outside.now();
    let upload = Upload {
        id: app.outside.uuid(),
        user: caller.who.user.id,
        device: Some(caller.device.id),
        hash,
        length,
        begun: now,
        done: false,
    };
    let areas = app.areas()?;
    let _settling = app.blobs.settling();
    // The photo, where it is known here and may be told of. Nothing is said to a credential that two have used.
    let told = |read: &dyn Read| -> Result<Option<Photo>, StoreError> {
        let same = read.photo(&upload.hash)?.filter(|photo| photo.bytes == length);
        let told = same.filter(|_| caller.device.credential.doubled.is_none());
        Ok(if told.is_some() && may_see(read, &caller.who, &areas, &upload.hash)? { told } else { None })
    };
    let town = caller.device.town;
    let told_of = store::read::<_, Problem>(&*app.store, town, |read| match told(read)? {
        _ if read.is_erased_photo(&upload.hash)? => Err(erased()),
        // Said before anything is begun; it is asked again when it counts.
        None if quota::look(read, &upload, now)? == quota::Said::Over => Err(over()),
        told => Ok(told.is_some()),
    })?;
    let here = told_of && app.blobs.has(&upload.hash)?;
    if !here {
        // Before the row that names it; what has none goes with the daily look.
        app.blobs.begin(upload.id)?;
    }
    let begun = store::write::<_, Problem>(&*app.store, town, |tx| {
        if tx.is_erased_photo(&upload.hash)? {
            return Err(erased());
        }
        if here && let Some(photo) = told(&*tx)? {
            let upload = Upload { done: true, ..upload.clone() };
            deliver(tx, &Photo { received: now, ..photo }, upload.user)?;
            tx.put_upload(&upload)?;
            return Ok((upload, Vec::new()));
        }
        match quota::begin(tx, &upload, now)? {
            quota::Said::Begun(before) => Ok((upload.clone(), before)),
            quota::Said::Over => Err(over()),
        }
    });
    let (upload, before) = match begun {
        Ok(begun) => begun,
        Err(problem) => {
            if let Err(error) = app.blobs.drop_upload(upload.id) {
                tracing::warn!(error = &error as &dyn std::error::Error, "an upload that was not begun is still there");
            }
            return Err(problem);
        }
    };
    for id in before {
        app.blobs.drop_upload(id)?;
    }
    Ok(upload)
}

fn over() -> Problem {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "photo_quota");
    Problem { retry_after: Some(quota::AGAIN), ..problem }
}

/// How far an upload came.
async fn offset(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    blocking(move || {
        let caller = caller::bringing(&app, &headers)?;
        speaks_tus(&headers)?;
        let mut upload = mine(&app, &caller, &id)?;
        let mut stands = upload.length;
        if !upload.done {
            stands = app.blobs.offset(upload.id).map_err(gone_or)?;
            if stands == upload.length {
                // The server died, or had too much to do, between the last byte and this: who hears that all is here sends
                // no more.
                upload = settle(&app, caller.device.town, upload)?;
            }
        }
        let mut named = standing(&upload, stands);
        named.push(("upload-length", upload.length.to_string()));
        named.push(("cache-control", "no-store".to_owned()));
        Ok(answer(StatusCode::OK, &named))
    })
    .await
}

/// Appends a piece, and verifies the photo when it was the last.
async fn append(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (state, comes) = (App::clone(&app), body.size_hint().lower());
    let ready = blocking(move || {
        let caller = caller::bringing(&state, &headers)?;
        speaks_tus(&headers)?;
        if !brings_piece(&headers) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type"));
        }
        let from = number(&headers, "upload-offset").ok_or_else(|| Problem::bad("upload_offset"))?;
        let checksum = Checksum::of(&headers)?;
        let upload = mine(&state, &caller, &id)?;
        if !upload.done {
            // Before the line is burdened with what cannot be kept.
            let stands = state.blobs.offset(upload.id).map_err(gone_or)?;
            if from != stands {
                return Err(taking::elsewhere(stands));
            }
            if from.saturating_add(comes) > upload.length {
                return Err(taking::too_long(upload.length));
            }
        }
        Ok((caller.landed(), upload, from, checksum))
    })
    .await;
    let (caller, upload, from, checksum) = match ready {
        Ok(ready) => ready,
        Err(problem) => return Err(refused(&app, body, problem)),
    };
    let (upload, stands) = if upload.done {
        // The answer to the last piece was lost: say it again.
        let_pass(&app, body);
        (upload, from)
    } else {
        let stands = taking::piece(&app, &upload, from, checksum, body).await?;
        (if stands < upload.length { upload } else { finish(app, caller, upload).await? }, stands)
    };
    Ok(answer(StatusCode::NO_CONTENT, &standing(&upload, stands)))
}

/// Takes an upload back. The photo stays if it is one already.
async fn terminate(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    blocking(move || {
        let caller = caller::bringing(&app, &headers)?;
        speaks_tus(&headers)?;
        let upload = mine(&app, &caller, &id)?;
        let _settling = app.blobs.settling();
        drop_upload(&app, caller.device.town, upload.id)?;
        Ok(answer(StatusCode::NO_CONTENT, &[]))
    })
    .await
}

/// Says no to what is not read; the rest of it may come, so that the answer is heard.
fn refused(app: &App, body: Body, problem: Problem) -> Problem {
    let_pass(app, body);
    problem
}

fn let_pass(app: &App, body: Body) {
    body::let_pass(body, usize::try_from(PHOTO_BYTES).unwrap_or(usize::MAX), app.request_time);
}

/// Makes an upload whose last byte is here a photo.
async fn finish(app: App, caller: Caller, upload: Upload) -> Result<Upload, Problem> {
    blocking(move || {
        let _flight: Flight = pressure::admit(&app, caller.device.id)?;
        settle(&app, caller.device.town, upload)
    })
    .await
}

/// The same. Blocks.
fn settle(app: &AppState, town: AreaId, upload: Upload) -> Result<Upload, Problem> {
    let _settling = app.blobs.settling();
    let known = || store::read::<_, StoreError>(&*app.store, town, |read| read.upload(upload.id));
    // Another request may have been faster.
    let now = known()?.ok_or_else(gone)?;
    if now.done {
        return Ok(now);
    }
    if let Err(error) = app.blobs.finish(upload.id, &upload.hash) {
        // Or was it just now, at another server, and has taken pieces away that this one read.
        if let Some(done) = known()?.filter(|upload| upload.done) {
            return Ok(done);
        }
        let problem = match error {
            FinishError::Hash => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "photo_hash"),
            FinishError::Jpeg(NoJpeg::NotJpeg) => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "photo_not_jpeg"),
            FinishError::Jpeg(NoJpeg::Truncated) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "photo_truncated"),
            FinishError::Pixels(pixels) => Problem::too_large("photo_too_many_pixels")
                .with("megapixels", pixels / 1_000_000)
                .with("most", shared::limits::PHOTO_PIXELS / 1_000_000),
            // Nothing is wrong with the photo: the upload stays and can be finished by another attempt.
            FinishError::Io(error) => return Err(gone_or(error)),
        };
        drop_upload(app, town, upload.id)?;
        return Err(problem);
    }
    let upload = Upload { done: true, ..upload };
    let photo = Photo { hash: upload.hash.clone(), bytes: upload.length, received: app.outside.now() };
    let kept = store::write::<_, StoreError>(&*app.store, town, |tx| {
        if tx.is_erased_photo(&photo.hash)? {
            tx.drop_upload(upload.id)?;
            return Ok(false);
        }
        deliver(tx, &photo, upload.user)?;
        tx.put_upload(&upload)?;
        Ok(true)
    })?;
    if kept && !app.blobs.has(&photo.hash)? {
        // Another server took it for one that nobody needs, before the row said otherwise.
        app.blobs.finish(upload.id, &photo.hash).map_err(|error| match error {
            FinishError::Io(error) => gone_or(error),
            other => Problem::internal(other.into()),
        })?;
    }
    app.blobs.drop_upload(upload.id)?;
    if kept {
        return Ok(upload);
    }
    // Erased while it was on its way.
    take_away(app, &photo.hash, &|| store::read(&*app.store, town, |read| read.photo_anywhere(&photo.hash)))?;
    Err(erased())
}

/// The row goes first: a file without one is taken away daily, a row without its file says what is not so.
fn drop_upload(app: &AppState, town: AreaId, id: Uuid) -> Result<(), Problem> {
    store::write::<_, StoreError>(&*app.store, town, |tx| tx.drop_upload(id))?;
    app.blobs.drop_upload(id)?;
    Ok(())
}

/// The photo went with an erased record.
fn erased() -> Problem {
    Problem::new(StatusCode::GONE, "photo_erased")
}

/// The caller's own upload; another's is not there, and one that nobody went on with has ended.
fn mine(app: &AppState, caller: &Caller, id: &str) -> Result<Upload, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_found())?;
    let upload = store::read::<_, StoreError>(&*app.store, caller.device.town, |read| read.upload(id))?;
    let upload = upload.filter(|upload| upload.user == caller.who.user.id).ok_or_else(Problem::not_found)?;
    if expiry::ends(&upload).is_some_and(|at| at <= app.outside.now()) {
        return Err(gone());
    }
    Ok(upload)
}

fn gone_or(error: std::io::Error) -> Problem {
    if error.kind() == std::io::ErrorKind::NotFound { gone() } else { error.into() }
}

fn gone() -> Problem {
    Problem::new(StatusCode::GONE, "upload_gone")
}
