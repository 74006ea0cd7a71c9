//! The centre's pages, rendered on the server.

/// The routes under `/console`.
pub fn router() -> axum::Router<crate::App> {
    axum::Router::new()
}
