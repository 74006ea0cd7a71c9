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
use crate::sync::round::{round, writes};

/// One round.
pub async fn sync(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Response, Problem> {
    let bytes = caller::body_of(&app, &headers, request, REQUEST_BYTES).await?;
    let (state, asked) = (App::clone(&app), headers.clone());
    let (caller, request, unpacked) = blocking(move || {
        // Who it is comes first: nobody unknown gets anything unpacked.
        let caller = caller::bringing(&state, &asked)?;
        let (request, unpacked) = body::read_sized::<Incoming>(&asked, &bytes)?;
        Ok((caller, request, unpacked))
    })
    .await?;
    let writing = writes(&request);
    let _place = if writing { Some(app.pressure.place(unpacked)?) } else { None };
    let _sums = if request.digest.is_some() { app.pressure.turn_to_sum().await } else { None };
    let _turn = app.pressure.turn(writing).await?;
    blocking(move || {
        let answer = round(&app, &caller, request)?;
        app.metrics.round(&answer.receipts, answer.items.len());
        body::write_under(&app.pressure, body::packing(&headers), &answer)
    })
    .await
}
