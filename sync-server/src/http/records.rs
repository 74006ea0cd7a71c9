//! `GET /api/v1/records/{id}/history`

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use shared::ids::RecordId;

use super::{blocking, body, caller};
use crate::App;
use crate::error::Problem;
use crate::store;
use crate::sync::history;

/// Every applied edit that the caller may see, oldest first; 404 where there is no such record for them.
pub async fn history(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let id: RecordId = id.parse().map_err(|_| Problem::not_found())?;
    blocking(move || {
        let caller = caller::caller(&app, &headers)?;
        let areas = app.areas()?;
        let entries =
            store::read(&*app.store, caller.device.town, |read| history::history(read, &caller.who, &areas, id))?;
        body::write(body::packing(&headers), &entries.ok_or_else(Problem::not_found)?)
    })
    .await
}
