//! Whether requests should come to this server rather than to another one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::blocking;
use crate::App;
use crate::error::Problem;

/// Who asks has others to ask. A store that does not say a word for so long is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /ready`: 503 once the server was told to end, or while its store does not answer. Photos that cannot be reached are told
/// and change nothing: every server of them would be taken away at once, and with them the text, which can go on.
pub async fn ready(State(app): State<App>) -> Response {
    if app.leaving.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "leaving" }))).into_response();
    }
    let looked = blocking(move || {
        app.store.epoch()?;
        Ok(app.blobs.reach())
    });
    let looked = tokio::time::timeout(PATIENCE, looked).await;
    match looked.unwrap_or_else(|_| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy"))) {
        Ok(Ok(())) => Json(json!({ "status": "ready", "photos": "here" })).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "photos cannot be reached");
            Json(json!({ "status": "ready", "photos": "away" })).into_response()
        }
        Err(problem) => {
            tracing::error!(?problem, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "away" }))).into_response()
        }
    }
}
