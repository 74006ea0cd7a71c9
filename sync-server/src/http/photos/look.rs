//! The bytes of a photo, or a part of them, for whoever may see it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::ids::PhotoHash;

use crate::App;
use crate::blobs::expiry;
use crate::error::Problem;
use crate::http::range::{Range, range};
use crate::http::{blocking, caller};
use crate::store::{self, StoreError};
use crate::sync::photos::{OnItsWay, may_see, on_its_way};

/// What a browser may do with a picture: show it, and nothing that somebody may have hidden in it.
pub const ONLY_A_PICTURE: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

enum Found {
    Here(u64),
    OnItsWay(OnItsWay),
}

/// `GET /api/v1/photos/{hash}`, with `Range` a part of it: who fetches over a bad line goes on where it broke.
pub async fn read(State(app): State<App>, Path(hash): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let hash: PhotoHash = hash.parse().map_err(|_| Problem::not_found())?;
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let areas = app.areas()?;
        let found = store::read::<_, StoreError>(&*app.store, caller.device.town, |read| {
            let mut coming = None;
            for town in caller.who.towns() {
                let there = read.beside(town);
                match there.photo(&hash)? {
                    Some(photo) if may_see(&*there, &caller.who, &areas, &hash)? => {
                        return Ok(Some(Found::Here(photo.bytes)));
                    }
                    _ => coming = coming.or(on_its_way(&*there, &caller.who, &areas, &hash)?),
                }
            }
            Ok(coming.map(Found::OnItsWay))
        })?;
        match found {
            Some(Found::Here(length)) => picture(&app, &hash, length, &headers),
            Some(Found::OnItsWay(coming)) => Err(not_yet(&app, &coming)),
            None => Err(Problem::not_found()),
        }
    })
    .await
}

/// Says when the handheld that has it was last seen (`Photo-Seen`, milliseconds since 1970; absent if never), and how far it
/// came (`Photo-Received` of `Photo-Length` bytes; absent if nothing did).
fn not_yet(app: &App, coming: &OnItsWay) -> Problem {
    let now = app.outside.now();
    let under_way = coming.uploads.iter().filter(|upload| expiry::ends(upload).is_some_and(|at| at > now));
    // One whose file is gone just now has been delivered, or has ended.
    let came = under_way.filter_map(|upload| Some((app.blobs.offset(upload.id).ok()?, upload.length))).max();
    let mut problem = Problem::new(StatusCode::NOT_FOUND, "photo_on_its_way");
    if let Some(at) = coming.seen {
        problem = problem.header("photo-seen", at.timestamp_millis());
    }
    if let Some((received, length)) = came {
        problem = problem.header("photo-received", received).header("photo-length", length);
    }
    problem
}

fn picture(app: &App, hash: &PhotoHash, length: u64, headers: &HeaderMap) -> Result<Response, Problem> {
    // Its name is the hash of its bytes: there is no stronger one.
    let tag = format!("\"{hash}\"");
    let mut response = match range(headers, &tag, length) {
        Range::Whole => Response::new(Body::from(app.blobs.read(hash)?)),
        Range::Part { from, to } => {
            let mut response = Response::new(Body::from(app.blobs.read_part(hash, from, to - from + 1)?));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {from}-{to}/{length}"));
            response
        }
        Range::Beyond => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "photo_range").with("most", length);
            return Err(problem.header("content-range", format!("bytes */{length}")));
        }
    };
    set(&mut response, header::ETAG, &tag);
    let named = response.headers_mut();
    named.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    named.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    named.insert(header::CONTENT_SECURITY_POLICY, ONLY_A_PICTURE);
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
