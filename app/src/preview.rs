//! The handheld in a browser, for trying and for tests: loopback only, with a switch "no network" beside its screen.
//!
//! One process is one handheld; every page opened on it shows the same one. Photos go the way they go on a handheld
//! (the page's script hands the bytes over), so there is no door for them here.

mod stretches;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use assets::messages::{Lang, Messages};
use axum::extract::{Query, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use dioxus::prelude::VirtualDom;
use dioxus_liveview::{LiveViewPool, LiveViewSocket, axum_socket, interpreter_glue};
use serde::Deserialize;
use shared::form::Position;
use shared::outside::Outside;

use crate::handheld::{Door, Handheld};
use crate::platform::{FixedLocation, Services};
use crate::system::System;
use crate::ui::App;
use crate::ui::history::StartAt;
use stretches::Stretches;

/// The handheld in a browser.
#[derive(Debug, Parser)]
#[command(name = "preview", version)]
pub struct Args {
    /// The folder of this handheld; made when missing.
    #[arg(long, alias = "dir")]
    pub data: PathBuf,
    /// Where to listen: a loopback address; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server, for the first start.
    #[arg(long)]
    server: Option<String>,
    /// A one-time code, to enrol at the first start.
    #[arg(long)]
    code: Option<String>,
    /// The PIN: sets it with `--code`, opens with it otherwise. Whoever can read the list of processes knows it.
    #[arg(long)]
    pin: Option<String>,
    /// As if so many hours had passed: the clock of the handheld is ahead by them.
    #[arg(long, default_value_t = 0)]
    hours_later: u32,
    /// Stands in for the receiver: latitude, longitude, accuracy in metres.
    #[arg(long, value_parser = position, allow_hyphen_values = true)]
    location: Option<Position>,
    /// Notes for how long each screen's thread was busy; `/preview/stretches` tells and forgets it.
    #[arg(long, hide = true)]
    stretches: bool,
}

fn position(text: &str) -> Result<Position, String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse::<f64>()).collect();
    match numbers.as_deref() {
        Ok([lat, lon, accuracy]) => Ok(Position { lat: *lat, lon: *lon, accuracy: *accuracy, at: 0 }),
        _ => Err("three numbers are wanted: latitude,longitude,metres".to_owned()),
    }
}

/// The machine's clock and randomness, some time later.
struct Later(TimeDelta);

impl Outside for Later {
    fn now(&self) -> DateTime<Utc> {
        System.now() + self.0
    }

    fn since_boot(&self) -> i64 {
        System.since_boot().saturating_add(self.0.num_milliseconds())
    }

    fn fill(&self, bytes: &mut [u8]) {
        System.fill(bytes);
    }
}

/// What the pages share.
#[derive(Clone)]
struct Preview {
    handheld: Handheld,
    views: LiveViewPool,
    stretches: Option<Stretches>,
}

/// Serves the handheld until Ctrl-C.
pub async fn serve(args: Args) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,app=info".into()),
        )
        .init();
    if !args.listen.ip().is_loopback() {
        bail!("{} is no loopback address: whoever reaches the preview reads the handheld", args.listen);
    }
    let mut services = Services::files(&args.data);
    if let Some(mut position) = args.location {
        position.at = System.now().timestamp_millis();
        services.location = Arc::new(FixedLocation(position));
    }
    let handheld = Handheld::open(&args.data, services, Arc::new(Later(TimeDelta::hours(args.hours_later.into()))))
        .with_context(|| format!("open the handheld in {}", args.data.display()))?;
    if let (Door::Locked(residents), Some(pin)) = (handheld.door(), &args.pin) {
        let first = residents.first().context("nobody to unlock for")?;
        handheld.unlock(first.user, pin).with_context(|| format!("unlock for {}", first.name))?;
    }
    if handheld.door() == Door::Enrol {
        if let Some(server) = &args.server {
            handheld.set_settings(|settings| settings.server = server.clone()).context("keep the server's address")?;
        }
        if let (Some(server), Some(code), Some(pin)) = (&args.server, &args.code, &args.pin) {
            handheld
                .enrol(server, code, pin)
                .await
                .map_err(|error| anyhow::anyhow!("enrol at {server}: {} ({})", error.message.key, error.detail))?;
        }
    }
    handheld.start();
    let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| format!("bind {}", args.listen))?;
    say(&format!("listening on http://{}", listener.local_addr().context("read the bound address")?))?;
    let stretches = args.stretches.then(Stretches::default);
    axum::serve(listener, router(handheld, stretches))
        .with_graceful_shutdown(stopped())
        .await
        .context("serve the preview")
}

/// The one line that scripts wait for.
fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write to standard output")
}

async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the signal the process is ended from outside, which is safe at any time.
        std::future::pending::<()>().await;
    }
}

fn router(handheld: Handheld, stretches: Option<Stretches>) -> Router {
    let preview = Preview { handheld, views: LiveViewPool::new(), stretches };
    Router::new()
        .route("/ws", get(socket))
        .route("/healthz", get(async || "ok"))
        .route("/preview/network", get(network).post(set_network))
        .route("/preview/sync", post(sync))
        .route("/preview/stretches", get(stretches_so_far))
        .fallback(get(page))
        .layer(from_fn(only_here))
        .with_state(preview)
}

/// Refuses what another site's page asks for: a browser tells where the page came from, and a name that was bent to
/// this machine shows in `Host`.
async fn only_here(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    if local && same_site(headers, host) { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

fn same_site(headers: &HeaderMap, host: &str) -> bool {
    match headers.get(header::ORIGIN).map(|origin| origin.to_str()) {
        None => true,
        Some(Ok(origin)) => origin.strip_prefix("http://") == Some(host),
        Some(Err(_)) => false,
    }
}

#[derive(Deserialize)]
struct At {
    #[serde(default)]
    at: String,
    #[serde(default)]
    i: usize,
}

async fn socket(State(preview): State<Preview>, Query(at): Query<At>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let start = StartAt { route: at.at, index: at.i, addresses: true };
        let handheld = preview.handheld.clone();
        let view = move || VirtualDom::new(App).with_root_context(handheld).with_root_context(start);
        let socket = axum_socket(socket);
        let left = match preview.stretches {
            None => preview.views.launch_virtualdom(socket, view).await.map_err(|error| error.to_string()),
            Some(stretches) => watched(stretches, socket, view).await,
        };
        if let Err(error) = left {
            tracing::debug!(%error, "a page was left");
        }
    })
}

/// A screen on a thread of its own, which is watched.
async fn watched(
    stretches: Stretches,
    socket: impl LiveViewSocket,
    view: impl FnOnce() -> VirtualDom + Send + 'static,
) -> Result<(), String> {
    let (runtime, (ended, end)) = (tokio::runtime::Handle::current(), tokio::sync::oneshot::channel());
    let thread = move || {
        let screen = async move { dioxus_liveview::run(view(), socket).await.map_err(|error| error.to_string()) };
        // Nobody waits any more when the preview itself ends.
        ended.send(runtime.block_on(stretches.watch(screen))).ok();
    };
    std::thread::Builder::new().name("screen".to_owned()).spawn(thread).map_err(|error| error.to_string())?;
    end.await.map_err(|error| error.to_string())?
}

async fn stretches_so_far(State(preview): State<Preview>) -> Response {
    match preview.stretches {
        Some(stretches) => Json(stretches.take()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct Switch {
    on: u8,
}

async fn network(State(preview): State<Preview>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "on": !preview.handheld.is_offline() }))
}

async fn set_network(State(preview): State<Preview>, Query(switch): Query<Switch>) -> Json<serde_json::Value> {
    preview.handheld.set_offline(switch.on == 0);
    network(State(preview)).await
}

/// Syncs until nothing is left; for tests that cannot wait for the sync's own time.
async fn sync(State(preview): State<Preview>) -> Response {
    match preview.handheld.sync_now().await {
        Ok(()) => Json(serde_json::json!({ "synced": true })).into_response(),
        Err(error) => {
            let said = serde_json::json!({ "synced": false, "code": error.message.key, "detail": error.detail });
            (StatusCode::BAD_GATEWAY, Json(said)).into_response()
        }
    }
}

/// The page around the screen; every address below `/` is a route of the screen.
async fn page(State(preview): State<Preview>) -> Html<String> {
    let lang = Lang::from_tag(&preview.handheld.settings().language);
    let words = Messages::of(lang);
    let name = preview.handheld.setup().map_or_else(|| words.text("app-enrol"), |setup| setup.user.name.clone());
    // Where the page is in its own history goes along, so that a reload stays where it was.
    let glue = interpreter_glue("/ws").replacen(
        "= __dioxusGetWsUrl(\"/ws\")",
        "= __dioxusGetWsUrl(\"/ws\") + \"?at=\" + encodeURIComponent(location.pathname) + \"&i=\" + ((history.state && history.state.index) || 0)",
        1,
    );
    Html(
        include_str!("preview.html")
            .replace("LANG", lang.tag())
            .replace("TITLE", &words.text("app-preview-title"))
            .replace("OLD_VIEW", &crate::ui::shell::head(lang))
            .replace("NAME", &escaped(&name))
            .replace("NO_NETWORK", &words.text("app-preview-no-network"))
            .replace("GLUE", &glue),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
