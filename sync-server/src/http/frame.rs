//! Around every request: an id, one line in the log without personal data, and the words of an error.

use std::sync::Arc;
use std::time::Instant;

use assets::messages::{FluentValue, Lang, Messages};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use shared::outside::Outside;
use shared::wire::ErrorAnswer;
use tracing::Instrument;

use crate::App;
use crate::error::Problem;

/// The middleware.
pub async fn frame(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = app.outside.uuid().simple().to_string();
    let lang = lang(request.headers());
    let method = request.method().clone();
    // The route, never the path: that names records.
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = %id, %method, %route);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    app.metrics.answered(&method, &route, status, begun.elapsed());
    span.in_scope(|| {
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        match response.extensions_mut().remove::<Arc<Problem>>() {
            Some(problem) => {
                let cause = problem.cause.as_ref().map(|cause| format!("{cause:#}")).unwrap_or_default();
                if status.is_server_error() {
                    tracing::error!(status = status.as_u16(), micros, code = problem.code, cause, "failed");
                } else {
                    tracing::info!(status = status.as_u16(), micros, code = problem.code, cause, "refused");
                }
                response = words(&problem, lang, &id, problem.retry_after.map(|seconds| later(&*app.outside, seconds)));
            }
            None if status == http::StatusCode::REQUEST_TIMEOUT => {
                response = words(&Problem::new(status, "timeout"), lang, &id, None);
            }
            None => tracing::info!(status = status.as_u16(), micros, "answered"),
        }
    });
    // Almost every answer is about people: nobody on the way keeps it, no browser guesses what it is.
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

/// The language asked for.
pub fn lang(headers: &HeaderMap) -> Lang {
    let tag = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Lang::from_tag(tag.unwrap_or_default())
}

/// Once to twice as many seconds, by chance: what was sent away together does not come back together.
fn later(outside: &dyn Outside, seconds: u32) -> u32 {
    let mut random = [0; 4];
    outside.fill(&mut random);
    seconds.saturating_add(u32::from_le_bytes(random) % seconds.saturating_add(1))
}

fn words(problem: &Problem, lang: Lang, id: &str, retry_after: Option<u32>) -> Response {
    let key = format!("error-{}", problem.code.replace('_', "-"));
    let args: Vec<(&str, FluentValue<'_>)> =
        problem.args.iter().map(|(name, value)| (*name, FluentValue::from(value.as_str()))).collect();
    let answer = ErrorAnswer {
        code: problem.code.to_owned(),
        message: Messages::of(lang).with(&key, &args),
        request: id.to_owned(),
    };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    for (name, value) in &problem.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}
