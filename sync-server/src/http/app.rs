//! `GET /api/v1/app/{sha256}`: the package of the app that `Setup.app` names.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::range::{Range, range};
use super::{blocking, caller};
use crate::App;
use crate::error::Problem;

/// All of it or, over a bad line, a part; 404 when another one is offered meanwhile.
pub async fn package(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    blocking(move || {
        let _caller = caller::caller(&app, &headers)?;
        let (path, package) = app.packages.find(&sha256).ok_or_else(Problem::not_found)?;
        let (from, length, part) = match range(&headers, &format!("\"{sha256}\""), package.bytes) {
            Range::Whole => (0, package.bytes, None),
            Range::Part { from, to } => (from, to - from + 1, Some(format!("bytes {from}-{to}/{}", package.bytes))),
            Range::Beyond => {
                let all = format!("bytes */{}", package.bytes);
                return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, all)]).into_response());
            }
        };
        let failed = |error: std::io::Error| Problem::internal(error.into());
        let mut open = disk::File::open(&path).map_err(failed)?;
        open.seek_to(from).map_err(failed)?;
        let bytes = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(open.into_std()), length);
        let mut response =
            Response::new(Body::from_stream(tokio_util::io::ReaderStream::with_capacity(bytes, 64 * 1024)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.android.package-archive"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, length.into());
        if let Some(part) = part.and_then(|part| HeaderValue::from_str(&part).ok()) {
            headers.insert(header::CONTENT_RANGE, part);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    })
    .await
}
