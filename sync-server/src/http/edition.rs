//! `GET /api/v1/edition`

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::{blocking, body, caller};
use crate::App;
use crate::error::Problem;

/// What the town has published; 404 while it has published nothing.
pub async fn edition(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let in_force = app.in_force(caller.device.town)?;
        let edition = in_force.edition.as_ref().ok_or_else(Problem::not_found)?;
        body::write(body::packing(&headers), edition)
    })
    .await
}
