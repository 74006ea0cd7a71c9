//! `GET /api/v1/openapi.json`: the document beside this file, written by hand because `shared` carries no derives for
//! it. `tests/openapi.rs` holds real requests and answers against it.

use axum::response::IntoResponse;
use http::header;

/// OpenAPI 3.1.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The document.
pub async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
