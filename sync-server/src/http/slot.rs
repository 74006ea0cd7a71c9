//! `POST /api/v1/slot`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use shared::limits::REQUEST_BYTES;
use shared::wire::SlotRequest;

use super::{blocking, body, caller};
use crate::App;
use crate::error::Problem;
use crate::sync::slot;

/// One question about the caller's slot.
pub async fn slot(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Response, Problem> {
    let bytes = body::bytes(request, REQUEST_BYTES).await?;
    let _place = app.pressure.place()?;
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let request: SlotRequest = body::read(&headers, &bytes)?;
        body::write(body::packing(&headers), &slot::answer(&app, &caller, &request)?)
    })
    .await
}
