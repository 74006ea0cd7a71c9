//! Figures for Prometheus (OpenMetrics text): what this process did since it began, and how each town stands. Counts and
//! times only: no name, no id of a person, record or handheld. Served on an address of its own (`serve --metrics`), which
//! only the machine that collects them is to reach.

use std::fmt;
use std::slice::from_ref;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use shared::record::Part;
use shared::wire::{Outcome, Receipt};
use tokio::net::TcpListener;

use crate::App;
use crate::backup;
use crate::store::{self, Fate, PartFilter, StoreError};
use crate::sync::accept::mend;

/// What comes before every name.
const PREFIX: &str = "grid";
/// Of OpenMetrics 1.0.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper ends of the classes of times, in seconds: an idle round is a millisecond, a first fill seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// A handheld is silent when it was not heard of for so long.
const SILENT: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// Labels of a figure, by name.
type Labels = Vec<(&'static str, String)>;

#[derive(Clone)]
struct Times;

impl MetricConstructor<Histogram> for Times {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// What this process counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Histogram, Times>,
    edits: Family<Labels, Counter>,
    items: Counter,
    photo_bytes: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Family::new_with_constructor(Times);
        registry.register("request_seconds", "Time to the answer, by route and class of status", requests.clone());
        let edits = Family::default();
        registry.register("edits", "Edits that handhelds brought, by what became of them", edits.clone());
        let items = Counter::default();
        registry.register("items", "Items of the feed given to handhelds", items.clone());
        let photo_bytes = Counter::default();
        registry.register("photo_bytes", "Bytes of photos taken in", photo_bytes.clone());
        Self { registry, requests, edits, items, photo_bytes }
    }
}

impl Metrics {
    /// A request was answered. `route` is the pattern, never the path: that names records.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let class = format!("{}xx", status.as_u16() / 100);
        let labels = vec![("method", method.to_string()), ("route", route.to_owned()), ("status", class)];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A round was made: what became of its edits, and how many items it gave.
    pub fn round(&self, receipts: &[Receipt], items: usize) {
        for receipt in receipts {
            let outcome = match &receipt.outcome {
                Outcome::Applied { .. } => "applied".to_owned(),
                Outcome::Rejected(why) => shared::value::Value::of(&why.reason).as_text().unwrap_or_default(),
            };
            self.edits.get_or_create(&vec![("outcome", outcome)]).inc();
        }
        self.items.inc_by(u64::try_from(items).unwrap_or(u64::MAX));
    }

    /// So much of a photo came.
    pub fn photo(&self, bytes: u64) {
        self.photo_bytes.inc_by(bytes);
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// One figure for each label.
type Figures = Family<Labels, Gauge<f64, AtomicU64>>;

/// How the towns stand now.
struct Standing {
    registry: Registry,
}

impl Standing {
    fn figures(&mut self, name: &str, help: &str) -> Figures {
        let figures = Figures::default();
        self.registry.register(name, help, figures.clone());
        figures
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes, far below 2^53")]
fn set(figures: &Figures, labels: &[(&'static str, String)], value: u64) {
    figures.get_or_create(&labels.to_vec()).set(value as f64);
}

/// What the stores say now, as text. Reads only figures that have an index of their own.
fn standing(app: &App) -> Result<String, StoreError> {
    let mut standing = Standing { registry: Registry::with_prefix(PREFIX) };
    let to_decide = standing.figures("to_decide", "Records with fields that are 待核对");
    let quarantine =
        standing.figures("quarantine", "Edits that were not applied and nobody decided on (at most 1,000 are counted)");
    let seq = standing.figures("seq", "The last sequence number of the feed, by part");
    let terminals = standing.figures("terminals", "Handhelds that are enrolled, by how they stand");
    let undelivered = standing.figures("undelivered", "Edits that handhelds said they hold and have not delivered");
    let mended = standing.figures("mended", "Parts that were found otherwise than sent, and put right, by where");
    let epoch = standing.figures("epoch", "The epoch: it grows with every restore");
    let database = standing.figures("database_bytes", "The files of the database");
    let backup = standing.figures("backup_age_seconds", "Age of the last good backup");
    let now = app.outside.now();
    for town in app.store.towns()? {
        let of = ("town", town.to_string());
        store::read::<_, StoreError>(&*app.store, town, |read| {
            let open = PartFilter { open_only: true, ..PartFilter::default() };
            set(&to_decide, from_ref(&of), read.count_parts(&open)?);
            set(&quarantine, from_ref(&of), read.quarantine(true, 1_000)?.len() as u64);
            for part in Part::ALL {
                set(&seq, &[of.clone(), ("part", part.code().to_owned())], read.last_seq(part)?);
            }
            let (mut well, mut silent, mut ended, mut waits) = (0, 0, 0, 0);
            for device in read.devices()? {
                let gone = matches!(device.fate, Some((Fate::Revoked | Fate::Wiped | Fate::HandedOver, _)));
                let heard = device.seen.as_ref().is_some_and(|seen| now - seen.at < SILENT);
                match (gone || device.expires <= now, heard) {
                    (true, _) => ended += 1,
                    (false, true) => well += 1,
                    (false, false) => silent += 1,
                }
                waits += device.seen.filter(|_| !gone).map_or(0, |seen| u64::from(seen.undelivered));
            }
            for (stands, count) in [("heard", well), ("silent", silent), ("ended", ended)] {
                set(&terminals, &[of.clone(), ("stands", stands.to_owned())], count);
            }
            set(&undelivered, from_ref(&of), waits);
            for (at, name) in [("server", mend::MENDED), ("handheld", mend::RESENT)] {
                let text = read.meta(name)?;
                let count = text.and_then(|text| text.parse().ok()).unwrap_or(0);
                set(&mended, &[of.clone(), ("at", at.to_owned())], count);
            }
            Ok(())
        })?;
    }
    set(&epoch, &[], app.store.epoch()?.into());
    for (name, bytes) in files(app) {
        set(&database, &[("file", name)], bytes);
    }
    if let Some(last) = backup::State::read(&*app.store)?.last {
        set(&backup, &[], u64::try_from((now - last.at).num_seconds()).unwrap_or(0));
    }
    let mut text = String::new();
    encode(&mut text, &standing.registry).map_err(|_| StoreError::Missing("a figure"))?;
    Ok(text)
}

/// The files of the embedded database with their sizes.
fn files(app: &App) -> Vec<(String, u64)> {
    let names = ["town.db", "town.db-wal"].into_iter();
    let sizes = names.filter_map(|name| Some((name.to_owned(), std::fs::metadata(app.data.join(name)).ok()?.len())));
    sizes.collect()
}

/// All of it. What the process counted is told also while the store does not answer.
async fn show(State(app): State<App>) -> Response {
    let asked = App::clone(&app);
    let standing = tokio::task::spawn_blocking(move || standing(&asked)).await;
    let standing = match standing {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "figures of the store are left out");
            String::new()
        }
        Err(error) => {
            tracing::warn!(%error, "figures of the store are left out");
            String::new()
        }
    };
    match app.metrics.text() {
        // Each ends with `# EOF`, which may stand once.
        Ok(counted) => {
            let counted = counted.trim_end_matches("# EOF\n");
            let whole = format!("{counted}{}", if standing.is_empty() { "# EOF\n" } else { &standing });
            ([(header::CONTENT_TYPE, TYPE)], whole).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Serves them until the server stops.
pub async fn serve(app: App, listener: TcpListener) {
    let router = axum::Router::new().route("/metrics", get(show)).with_state(app);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "figures are not served any more");
    }
}
