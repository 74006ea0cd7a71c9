//! HTTP: the routes, and what is around all of them. Handlers read the request, call [`crate::sync`] off the async
//! threads, and write the answer.

mod app;
mod body;
mod caller;
pub mod connections;
mod edition;
mod enrol;
mod farewell;
mod frame;
mod openapi;
pub(crate) mod photos;
pub mod pressure;
pub(crate) mod range;
mod ready;
mod records;
mod slot;
mod sync;
pub mod way;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::App;
use crate::error::Problem;
use crate::store::{self, StoreError};
use crate::sync::accept::mend;
use crate::tls::listener::TlsListener;

/// A request that takes longer is given up; of an upload, each step of it.
pub const REQUEST_TIME: Duration = Duration::from_secs(120);
/// A file that staff bring may take so long: half a gigabyte at a megabit a second.
pub const UPLOAD_TIME: Duration = Duration::from_secs(3_600);

/// Every route of the server.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/ready", get(ready::ready))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/enrol", post(enrol::enrol))
        .route("/api/v1/sync", post(sync::sync))
        .route("/api/v1/slot", post(slot::slot))
        .route("/api/v1/edition", get(edition::edition))
        .route("/api/v1/app/{sha256}", get(app::package))
        .route("/api/v1/wiped", post(farewell::wiped))
        .route("/api/v1/handed-over", post(farewell::handed_over))
        .route("/api/v1/records/{id}/history", get(records::history))
        .merge(photos::routes())
        .merge(crate::console::router())
        .layer(DefaultBodyLimit::max(shared::limits::REQUEST_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, app.request_time))
        // How long those may take they look to themselves: what has come is taken in to its end.
        .merge(photos::uploads())
        .merge(crate::console::uploads())
        // Who types only where the server is means the console.
        .route("/", get(async || Redirect::to("/console")))
        .fallback(nothing_there)
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::internal(anyhow::anyhow!("a handler panicked")).into_response()
        }))
        .layer(axum::middleware::from_fn_with_state(app.clone(), frame::frame))
        .with_state(app)
}

/// A page for who looks with a browser.
async fn nothing_there(headers: HeaderMap) -> Response {
    let browser = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    if browser { crate::console::nothing_there(&headers).await } else { Problem::not_found().into_response() }
}

/// Serves, with TLS if there is a certificate, until `stop` is done and what is under way is answered or has taken as long as
/// a request may.
pub async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (router, times) = (router(app.clone()), connections::Times::of(&app));
    if app.tls.is_spoken() {
        connections::answer(TlsListener::new(app, listener)?, router, true, times, stop).await;
    } else {
        connections::answer(listener, router, false, times, stop).await;
    }
    Ok(())
}

/// Whether the store answers, and how many parts were found altered.
async fn healthz(axum::extract::State(app): axum::extract::State<App>) -> Result<impl IntoResponse, Problem> {
    let (epoch, mended, resent) = blocking(move || {
        let (mut mended, mut resent) = (0, 0);
        for town in app.store.towns()? {
            let count = |name| {
                let text = store::read::<_, StoreError>(&*app.store, town, |read| read.meta(name))?;
                Ok::<u64, StoreError>(text.and_then(|text| text.parse().ok()).unwrap_or(0))
            };
            mended += count(mend::MENDED)?;
            resent += count(mend::RESENT)?;
        }
        Ok((app.store.epoch()?, mended, resent))
    })
    .await?;
    Ok(axum::Json(serde_json::json!({
        "status": "ok", "epoch": epoch, "protocol": shared::limits::PROTOCOL, "mended": mended, "resent": resent,
    })))
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|error| Problem::internal(error.into()))?
}
