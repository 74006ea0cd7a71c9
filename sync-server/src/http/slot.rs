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
    let bytes = caller::body_of(&app, &headers, request, REQUEST_BYTES).await?;
    let (state, asked) = (App::clone(&app), headers.clone());
    let (caller, request, unpacked) = blocking(move || {
        let caller = caller::caller(&state, &asked)?;
        let (request, unpacked) = body::read_sized::<SlotRequest>(&asked, &bytes)?;
        Ok((caller, request, unpacked))
    })
    .await?;
    // Nobody takes a place who may not ask.
    let _place = app.pressure.place(unpacked)?;
    let _turn = app.pressure.turn(true).await?;
    blocking(move || body::write(body::packing(&headers), &slot::answer(&app, &caller, &request)?)).await
}
