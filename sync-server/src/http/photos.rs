//! Photos by tus 1.0 (core, creation, checksum, expiration; termination left out), read by hash.
//!
//! An upload announces its SHA-256. When the last byte is there the server verifies it and says it back in `Photo-Hash`:
//! only then is the photo delivered.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, patch, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;
use shared::limits::PHOTO_BYTES;
use uuid::Uuid;

use super::{blocking, caller};
use crate::blobs::{AppendError, FinishError, expiry, jpeg::NoJpeg};
use crate::error::Problem;
use crate::store::{self, Photo, StoreError, Upload};
use crate::sync::photos::may_see;
use crate::sync::round::Caller;
use crate::{App, AppState};

/// Of the protocol.
const TUS: &str = "1.0.0";
/// "Checksum mismatch" in the tus checksum extension.
const CHECKSUM_MISMATCH: u16 = 460;

/// The routes.
pub fn routes() -> Router<App> {
    let most = usize::try_from(PHOTO_BYTES).unwrap_or(usize::MAX);
    Router::new()
        .route("/api/v1/photos", post(create).options(options))
        .route("/api/v1/photos/uploads/{id}", patch(append).head(offset).options(options))
        .route("/api/v1/photos/{hash}", get(read))
        .layer(DefaultBodyLimit::max(most))
}

async fn options() -> Response {
    answer(
        StatusCode::NO_CONTENT,
        &[
            ("tus-version", TUS.to_owned()),
            ("tus-extension", "creation,checksum,expiration".to_owned()),
            ("tus-checksum-algorithm", "sha256".to_owned()),
            ("tus-max-size", PHOTO_BYTES.to_string()),
        ],
    )
}

/// Begins an upload.
async fn create(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    blocking(move || {
        let caller = caller::bringing(&app, &headers)?;
        speaks_tus(&headers)?;
        let length: u64 = number(&headers, "upload-length").ok_or_else(|| Problem::bad("upload_length"))?;
        if length > PHOTO_BYTES {
            return Err(Problem::too_large("photo_too_large").with("most", PHOTO_BYTES));
        }
        let hash = announced(&headers).ok_or_else(|| Problem::bad("upload_hash"))?;
        let upload = Upload {
            id: app.outside.uuid(),
            user: caller.who.user.id,
            hash,
            length,
            begun: app.outside.now(),
            done: false,
        };
        let town = caller.device.town;
        if store::read::<_, StoreError>(&*app.store, town, |read| read.is_erased_photo(&upload.hash))? {
            return Err(erased());
        }
        app.blobs.begin(upload.id)?;
        store::write(&*app.store, caller.device.town, |tx| tx.put_upload(&upload))?;
        let location = format!("/api/v1/photos/uploads/{}", upload.id);
        let mut named = vec![("location", location), ("upload-offset", "0".to_owned())];
        named.extend(expires(&upload));
        Ok(answer(StatusCode::CREATED, &named))
    })
    .await
}

/// How far an upload came.
async fn offset(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    blocking(move || {
        let caller = caller::bringing(&app, &headers)?;
        speaks_tus(&headers)?;
        let upload = mine(&app, &caller, &id)?;
        let mut named = vec![("upload-length", upload.length.to_string()), ("cache-control", "no-store".to_owned())];
        if upload.done {
            named.push(("upload-offset", upload.length.to_string()));
            named.push(("photo-hash", upload.hash.to_string()));
        } else {
            named.push(("upload-offset", at(&app, &upload)?.to_string()));
            named.extend(expires(&upload));
        }
        Ok(answer(StatusCode::OK, &named))
    })
    .await
}

/// Appends a piece, and verifies the photo when it was the last.
async fn append(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let most = usize::try_from(PHOTO_BYTES).unwrap_or(usize::MAX);
    let piece = caller::body_of(&app, &headers, request, most).await?;
    blocking(move || {
        let caller = caller::bringing(&app, &headers)?;
        speaks_tus(&headers)?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind != Some("application/offset+octet-stream") {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type"));
        }
        let from = number(&headers, "upload-offset").ok_or_else(|| Problem::bad("upload_offset"))?;
        let upload = mine(&app, &caller, &id)?;
        if upload.done {
            // The answer to the last piece was lost: say it again.
            return finished(&upload);
        }
        checksum(&headers, &piece)?;
        let to = from.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if to > upload.length {
            return Err(Problem::too_large("upload_too_long").with("most", upload.length));
        }
        app.blobs.append(upload.id, from, &piece).map_err(|error| match error {
            AppendError::Offset(at) => Problem::new(StatusCode::CONFLICT, "upload_offset").header("upload-offset", at),
            AppendError::Locked => {
                Problem { retry_after: Some(2), ..Problem::new(StatusCode::LOCKED, "upload_locked") }
            }
            AppendError::Io(error) => gone_or(error),
        })?;
        if to < upload.length {
            let mut named = vec![("upload-offset", to.to_string())];
            named.extend(expires(&upload));
            return Ok(answer(StatusCode::NO_CONTENT, &named));
        }
        finish(&app, &caller, upload)
    })
    .await
}

fn finish(app: &AppState, caller: &Caller, upload: Upload) -> Result<Response, Problem> {
    let town = caller.device.town;
    if let Err(error) = app.blobs.finish(upload.id, &upload.hash) {
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
        store::write(&*app.store, town, |tx| tx.drop_upload(upload.id))?;
        return Err(problem);
    }
    let upload = Upload { done: true, ..upload };
    let photo = Photo { hash: upload.hash.clone(), bytes: upload.length, received: app.outside.now() };
    let kept = store::write::<_, StoreError>(&*app.store, town, |tx| {
        if tx.is_erased_photo(&photo.hash)? {
            return Ok(false);
        }
        tx.put_photo(&photo, upload.user)?;
        tx.put_upload(&upload)?;
        Ok(true)
    })?;
    if kept {
        return finished(&upload);
    }
    // Erased while it was on its way.
    disk::remove(&app.blobs.path(&photo.hash))?;
    Err(erased())
}

/// The photo went with an erased record.
fn erased() -> Problem {
    Problem::new(StatusCode::GONE, "photo_erased")
}

fn finished(upload: &Upload) -> Result<Response, Problem> {
    Ok(answer(
        StatusCode::NO_CONTENT,
        &[("upload-offset", upload.length.to_string()), ("photo-hash", upload.hash.to_string())],
    ))
}

/// The bytes of a photo that the caller may see.
async fn read(State(app): State<App>, Path(hash): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let hash: PhotoHash = hash.parse().map_err(|_| Problem::not_found())?;
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let areas = app.areas()?;
        let seen = store::read::<_, StoreError>(&*app.store, caller.device.town, |read| {
            Ok(read.photo(&hash)?.is_some() && may_see(read, &caller.who, &areas, &hash)?)
        })?;
        if !seen {
            return Err(Problem::not_found());
        }
        let mut response = Response::new(app.blobs.read(&hash)?.into());
        let named = response.headers_mut();
        named.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
        Ok(response)
    })
    .await
}

fn answer(status: StatusCode, named: &[(&'static str, String)]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("tus-resumable", HeaderValue::from_static(TUS));
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}

fn speaks_tus(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get("tus-resumable").is_some_and(|value| value == TUS) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "tus_version").header("tus-version", TUS))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// `Upload-Metadata: hash <base64 of the hex hash>`, among other keys.
fn announced(headers: &HeaderMap) -> Option<PhotoHash> {
    let metadata = headers.get("upload-metadata")?.to_str().ok()?;
    let value = metadata.split(',').find_map(|pair| pair.trim().strip_prefix("hash "))?;
    let hex = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    hex.parse().ok()
}

/// `Upload-Checksum: sha256 <base64>`; absent is allowed.
fn checksum(headers: &HeaderMap, piece: &[u8]) -> Result<(), Problem> {
    let Some(value) = headers.get("upload-checksum") else { return Ok(()) };
    let given = value.to_str().ok().and_then(|text| text.strip_prefix("sha256 "));
    let given =
        given.and_then(|text| STANDARD.decode(text.trim()).ok()).ok_or_else(|| Problem::bad("upload_checksum"))?;
    if given == Sha256::digest(piece).as_slice() {
        return Ok(());
    }
    let mismatch = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
    Err(Problem::new(mismatch, "upload_checksum"))
}

/// `Upload-Expires`, a date as RFC 9110 5.6.7 has it.
fn expires(upload: &Upload) -> Option<(&'static str, String)> {
    let at = expiry::ends(upload)?;
    Some(("upload-expires", at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()))
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

/// How far the bytes on the disk go. A photo stored just before the server died has no file left here; it begins anew.
fn at(app: &AppState, upload: &Upload) -> Result<u64, Problem> {
    app.blobs.offset(upload.id).map_err(gone_or)
}

fn gone_or(error: std::io::Error) -> Problem {
    if error.kind() == std::io::ErrorKind::NotFound { gone() } else { error.into() }
}

fn gone() -> Problem {
    Problem::new(StatusCode::GONE, "upload_gone")
}
