//! The routes of the public process: these pages and the one door of the centre, nothing else.

use std::sync::Arc;
use std::time::Duration;

use assets::messages::{Lang, Messages};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Multipart, Path as UrlPath, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use maud::Markup;
use shared::area::AreaId;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::send::{self, Draft, FORM, Problem};
use super::wire::{Ask, PULL, PULL_BYTES, Page};
use super::{Intake, pages, sign};
use crate::auth::token;
use crate::http::connections::{self, Times};
use crate::http::way;
use crate::tls::listener::{Peer, TlsListener};

/// A report with three photos on a bad line.
const REQUEST_TIME: Duration = Duration::from_secs(300);

/// Every route.
pub fn router(intake: Arc<Intake>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/style.css", get(style))
        .route("/position.js", get(script))
        .route("/g/{grid}", get(grid))
        .route("/g/{grid}/sign", get(door_sign))
        .route("/g/{grid}/badge", get(badge))
        .route("/r/{grid}", get(form).post(receive).layer(DefaultBodyLimit::max(FORM)))
        .route("/s/{token}", get(status))
        .route(PULL, post(pull).layer(DefaultBodyLimit::max(PULL_BYTES)))
        .fallback(async |Words(words): Words| none(&words, "public-no-page"))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .layer(CatchPanicLayer::new())
        .layer(middleware::map_response(guarded))
        .with_state(intake)
}

/// Serves, with TLS if there is a certificate, until `stop` is done.
pub async fn serve(
    intake: Arc<Intake>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (router, times) = (router(Arc::clone(&intake)), Times::usual());
    if intake.tls.is_spoken() {
        connections::answer(TlsListener::new(intake, listener)?, router, true, times, stop).await;
    } else {
        connections::answer(listener, router, false, times, stop).await;
    }
    Ok(())
}

/// What every answer says to the browser: no script but ours, no frame, keep nothing, tell nobody where one was.
async fn guarded(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The words in the language of the browser.
struct Words(Messages);

impl<S: Send + Sync> FromRequestParts<S> for Words {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let tag = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|tag| tag.to_str().ok());
        Ok(Self(Messages::of(Lang::from_tag(tag.unwrap_or_default()))))
    }
}

fn none(words: &Messages, key: &str) -> Response {
    (StatusCode::NOT_FOUND, pages::sentence(words, key)).into_response()
}

fn page_of(intake: &Intake, grid: &str) -> Option<Page> {
    intake.keep.page(AreaId(grid.parse().ok()?))
}

fn with_page(intake: &Intake, grid: &str, words: &Messages, show: impl FnOnce(&Page) -> Markup) -> Response {
    page_of(intake, grid).map_or_else(|| none(words, "public-no-grid"), |page| show(&page).into_response())
}

async fn style() -> Response {
    use assets::styles::{BASE, HANDHELD, PUBLIC, TOKENS};
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, [TOKENS, BASE, HANDHELD, PUBLIC].concat()).into_response()
}

async fn script() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, assets::POSITION).into_response()
}

async fn grid(State(intake): State<Arc<Intake>>, UrlPath(grid): UrlPath<String>, Words(words): Words) -> Response {
    with_page(&intake, &grid, &words, |page| pages::grid(&words, page))
}

fn address_of(intake: &Intake, page: &Page, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if intake.tls.is_spoken() { "https" } else { "http" };
    let base = if intake.public_url.is_empty() { format!("{scheme}://{host}") } else { intake.public_url.clone() };
    format!("{}/r/{}", base.trim_end_matches('/'), page.area)
}

async fn door_sign(
    State(intake): State<Arc<Intake>>,
    UrlPath(grid): UrlPath<String>,
    Words(words): Words,
    headers: HeaderMap,
) -> Response {
    with_page(&intake, &grid, &words, |page| sign::sign(&words, page, &address_of(&intake, page, &headers)))
}

async fn badge(
    State(intake): State<Arc<Intake>>,
    UrlPath(grid): UrlPath<String>,
    Words(words): Words,
    headers: HeaderMap,
) -> Response {
    with_page(&intake, &grid, &words, |page| sign::badge(&words, page, &address_of(&intake, page, &headers)))
}

async fn form(State(intake): State<Arc<Intake>>, UrlPath(grid): UrlPath<String>, Words(words): Words) -> Response {
    let stamp = intake.watch.stamp(&*intake.outside);
    with_page(&intake, &grid, &words, |page| pages::form(&words, page, &Draft::default(), &stamp, None))
}

async fn receive(
    State(intake): State<Arc<Intake>>,
    UrlPath(grid): UrlPath<String>,
    Words(words): Words,
    peer: Option<axum::Extension<ConnectInfo<Peer>>>,
    headers: HeaderMap,
    multipart: Multipart,
) -> Response {
    let Some(page) = page_of(&intake, &grid) else { return none(&words, "public-no-grid") };
    let address = way::came(peer.map(|it| it.0.0), &headers, intake.behind_proxy).address;
    // Its turn: what has come of others stands in memory.
    let _turn = intake.arriving.acquire().await;
    let (draft, problem) = send::read(multipart).await;
    let stamp = intake.watch.stamp(&*intake.outside);
    let kept = draft.clone_without_photos();
    let received = match problem {
        Some(problem) => Err(problem),
        None => {
            let (intake, page) = (Arc::clone(&intake), page.clone());
            let work = move || intake.receive(&page, &draft, address);
            tokio::task::spawn_blocking(work).await.unwrap_or(Err(Problem::Failed))
        }
    };
    match received {
        Ok(token) => Redirect::to(&format!("/s/{token}")).into_response(),
        Err(problem) => {
            // The form they began with goes on, so that nobody seems to type faster the second time.
            let stamp = if kept.stamp.is_empty() { stamp } else { kept.stamp.clone() };
            let shown = pages::form(&words, &page, &kept, &stamp, Some(problem));
            let mut response = (problem.status(), shown).into_response();
            let after = match problem {
                Problem::TooMany(seconds) => Some(seconds),
                Problem::Full | Problem::Failed => Some(600),
                _ => None,
            };
            if let Some(seconds) = after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

async fn status(State(intake): State<Arc<Intake>>, UrlPath(token): UrlPath<String>, Words(words): Words) -> Response {
    let hash = token::hash(&token);
    let asked = tokio::task::spawn_blocking(move || intake.keep.status(&hash)).await;
    match asked {
        Ok(Ok(Some(code))) => pages::status(&words, code.min(super::report::STATUSES - 1)).into_response(),
        Ok(Ok(None)) => none(&words, "public-no-status"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, pages::sentence(&words, "public-problem-failed")).into_response(),
    }
}

/// The centre fetches. Whoever does not know the secret is told that there is no such page.
async fn pull(State(intake): State<Arc<Intake>>, Words(words): Words, headers: HeaderMap, body: String) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let given = given.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared: how long it takes tells nothing about the secret.
    if token::hash(given) != intake.secret {
        return none(&words, "public-no-page");
    }
    let Ok(ask) = serde_json::from_str::<Ask>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let now = intake.outside.now();
    match tokio::task::spawn_blocking(move || intake.keep.pull(&ask, now)).await {
        Ok(Ok(told)) => Json(told).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the centre could not fetch");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Draft {
    /// What can be shown again: a browser takes no photos back.
    fn clone_without_photos(&self) -> Self {
        Self {
            what: self.what.clone(),
            text: self.text.clone(),
            place: self.place.clone(),
            position: self.position.clone(),
            name: self.name.clone(),
            phone: self.phone.clone(),
            informant: self.informant,
            stamp: self.stamp.clone(),
            trapped: false,
            photos: Vec::new(),
        }
    }
}
