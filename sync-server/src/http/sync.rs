//! `POST /api/v1/sync`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use shared::limits::REQUEST_BYTES;

use super::{blocking, body, caller};
use crate::App;
use crate::error::Problem;
use crate::sync::incoming::Incoming;
use crate::sync::round::round;

/// One round.
pub async fn sync(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Response, Problem> {
    let bytes = body::bytes(request, REQUEST_BYTES).await?;
    blocking(move || {
        // Who it is comes first: nobody unknown gets anything unpacked.
        let caller = caller::caller(&app, &headers)?;
        let request: Incoming = body::read(&headers, &bytes)?;
        let answer = round(&app, &caller, request)?;
        body::write(body::packing(&headers), &answer)
    })
    .await
}
