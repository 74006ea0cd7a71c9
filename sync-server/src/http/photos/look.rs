//! The bytes of a photo, or a part of them, for whoever may see it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::ids::PhotoHash;

use crate::App;
use crate::blobs::expiry;
use crate::error::Problem;
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
        let found = store::read::<_, StoreError>(&*app.store, caller.device.town, |read| match read.photo(&hash)? {
            Some(photo) if may_see(read, &caller.who, &areas, &hash)? => Ok(Some(Found::Here(photo.bytes))),
            _ => Ok(on_its_way(read, &caller.who, &areas, &hash)?.map(Found::OnItsWay)),
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

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// Both included.
    Part {
        from: u64,
        to: u64,
    },
    Beyond,
}

/// One range from a first byte on (RFC 9110, 14.1.2). Whatever else is asked for is answered with all of it, as a server may;
/// so is what is asked for of another photo (13.1.5).
fn range(headers: &HeaderMap, tag: &str, length: u64) -> Range {
    if headers.get(header::IF_RANGE).is_some_and(|given| given != tag) {
        return Range::Whole;
    }
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
        let to = if to.is_empty() { u64::MAX } else { to.parse().ok()? };
        Some((from.parse::<u64>().ok()?, to))
    });
    match asked {
        Some((from, to)) if from <= to && from < length => Range::Part { from, to: to.min(length - 1) },
        Some((from, to)) if from <= to => Range::Beyond,
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_anything_else_is_answered_with_all_of_it() {
        let of = |range: &str, more: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(tag) = more {
                headers.insert(header::IF_RANGE, tag.parse().unwrap());
            }
            super::range(&headers, "\"tag\"", 100)
        };
        assert_eq!(of("bytes=0-", None), Range::Part { from: 0, to: 99 });
        assert_eq!(of("bytes=40-49", None), Range::Part { from: 40, to: 49 });
        assert_eq!(of("bytes=99-18446744073709551615", None), Range::Part { from: 99, to: 99 });
        assert_eq!(of("bytes=40-", Some("\"tag\"")), Range::Part { from: 40, to: 99 });
        assert_eq!(of("bytes=40-", Some("\"other\"")), Range::Whole);
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=18446744073709551615-"] {
            assert_eq!(of(beyond, None), Range::Beyond, "{beyond}");
        }
        for other in ["bytes=-5", "bytes=5-2", "bytes=0-1,3-4", "bytes=a-", "lines=0-1", "bytes=", "bytes=0", "-"] {
            assert_eq!(of(other, None), Range::Whole, "{other}");
        }
        assert_eq!(super::range(&HeaderMap::new(), "\"tag\"", 100), Range::Whole);
    }
}
