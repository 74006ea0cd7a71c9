//! Photos of a record, for whoever may read it.

use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use shared::ids::{PhotoHash, RecordId};

use super::PageError;
use super::ctx::{Asked, with};
use crate::App;
use crate::http::photos::ONLY_A_PICTURE;
use crate::sync::photos::may_see;

/// `GET /console/photos/{record}/{hash}`: of a photo or its thumbnail.
pub async fn show(
    State(app): State<App>,
    UrlPath((record, hash)): UrlPath<(RecordId, String)>,
    asked: Asked,
) -> Response {
    with(app, asked, move |ctx| {
        let hash: PhotoHash = hash.parse().map_err(|_| PageError::NotFound)?;
        let seen = ctx.read(|read| {
            ctx.open_part(read, record)?;
            let linked = read.photo_links(&hash)?.iter().any(|link| link.record == record);
            Ok::<_, PageError>(linked && read.photo(&hash)?.is_some() && may_see(read, &ctx.who, &ctx.areas, &hash)?)
        })?;
        if !seen {
            return Err(PageError::NotFound);
        }
        let bytes = ctx.app.blobs.read(&hash).map_err(PageError::Photos)?;
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
        headers.insert(header::CONTENT_SECURITY_POLICY, ONLY_A_PICTURE);
        // No word on keeping it: the console's answers are not kept, the next person at this machine may not see it.
        Ok(response)
    })
    .await
}
