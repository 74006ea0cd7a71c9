//! The main server fetches: it calls the intake, never the reverse. Reports are let go of there only when they are durable
//! here; a round that breaks is repeated, and what comes twice lands once.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::record::Part;
use shared::workflow;
use uuid::Uuid;

use super::keep;
use super::report::status;
use super::take::{self, TakeError};
use super::wire::{Ask, PULL, Page, Told, Waiting};
use super::{published, published::BadFile};
use crate::App;
use crate::batch::state;
use crate::store::{self, StoreError};

/// The most requests of a round: what is left waits for the next.
const REQUESTS: usize = 1_000;
/// While the tray holds more than this, suspicious reports stay where they are.
const TRAY: u64 = 5_000;
/// The same in bytes.
const TRAY_BYTES: u64 = 512 * 1024 * 1024;
/// How many statuses are told at once.
const STATUSES: usize = 2_000;
/// Up to where in the feed statuses were told.
const SEQ: &str = "intake_seq";
/// What a report counts as told that was erased: the intake forgot it.
const FORGOTTEN: u8 = 254;
/// Which folder of an intake was told.
const FOLDER: &str = "intake_folder";

/// Why a round ended early. Nothing is lost: the next begins where this one stopped.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The line, or the intake.
    #[error("cannot reach the intake")]
    Line(#[source] reqwest::Error),
    /// It answers otherwise.
    #[error("the intake answers {0}; do address and key fit?")]
    Answer(reqwest::StatusCode),
    /// It shows a certificate that is not believed.
    #[error("the intake shows a certificate that is not the one believed; nothing was sent to it")]
    Certificate(#[source] reqwest::Error),
    /// A report could not be taken.
    #[error("cannot take a report")]
    Take(#[from] TakeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program.
    #[error("the work was given up")]
    Gone(#[from] tokio::task::JoinError),
}

impl From<reqwest::Error> for PullError {
    fn from(error: reqwest::Error) -> Self {
        if distrusts(&error) { Self::Certificate(error) } else { Self::Line(error) }
    }
}

/// Whether it is the certificate: that stands somewhere below.
fn distrusts(error: &(dyn std::error::Error + 'static)) -> bool {
    if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
        return true;
    }
    // An I/O error leaves out of its chain what it was made of.
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => distrusts(inner),
        None => error.source().is_some_and(distrusts),
    }
}

impl PullError {
    /// The end of the message key that says it to staff.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::Certificate(_) => "certificate",
            Self::Answer(_) => "answer",
            Self::Take(_) | Self::Store(_) | Self::Gone(_) => "take",
        }
    }
}

/// Why there is no puller.
#[derive(Debug, thiserror::Error)]
pub enum BadPuller {
    /// A file.
    #[error("cannot read {0}")]
    File(std::path::PathBuf, #[source] std::io::Error),
    /// The address or the certificate.
    #[error("cannot use the address or certificate of the intake")]
    Client(#[from] reqwest::Error),
}

/// Where the intake is and what opens it.
pub struct Puller {
    client: reqwest::Client,
    url: String,
    secret: String,
    /// The pages that the intake shows, as it said last.
    shown: Mutex<Option<String>>,
}

impl Puller {
    /// The intake at `url`; the secret's file is what `intake-key` wrote. `certificate` is one to trust and no other.
    pub fn open(url: &str, key: &Path, certificate: Option<&Path>) -> Result<Self, BadPuller> {
        let read = |path: &Path| disk::read(path).map_err(|error| BadPuller::File(path.to_owned(), error));
        // There may be one already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(20))
            .timeout(Duration::from_secs(300))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = certificate {
            client = client.tls_certs_only([reqwest::Certificate::from_pem(&read(path)?)?]);
        }
        let secret = String::from_utf8_lossy(&read(key)?).trim().to_owned();
        Ok(Self {
            client: client.build()?,
            url: format!("{}{PULL}", url.trim_end_matches('/')),
            secret,
            shown: Mutex::default(),
        })
    }

    async fn ask(&self, ask: &Ask) -> Result<Told, PullError> {
        let answer = self.client.post(&self.url).bearer_auth(&self.secret).json(ask).send().await?;
        if !answer.status().is_success() {
            return Err(PullError::Answer(answer.status()));
        }
        let told: Told = answer.json().await?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(told.pages.clone());
        Ok(told)
    }

    fn shown(&self) -> Option<String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A status to be told.
struct Due {
    id: Uuid,
    town: shared::area::AreaId,
    token: [u8; 32],
    code: u8,
}

/// What is to be told, and up to where in the feed that goes.
#[derive(Default)]
struct Tell {
    due: Vec<Due>,
    erased: Vec<Due>,
    upto: Vec<(shared::area::AreaId, u64)>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// How many reports came.
    pub reports: usize,
    /// How full the intake's file is, in percent.
    pub full: u8,
}

/// One round: fetches what waits until nothing more does.
pub async fn round(app: &App, puller: &Puller) -> Result<Done, PullError> {
    let (mut received, mut done) = (Vec::new(), Done::default());
    let epoch = app.store.epoch()?;
    for _ in 0..REQUESTS {
        let shown = puller.shown();
        // Which pages are shown is not known before the first answer.
        let asks_again = shown.is_none();
        let (tell, pages, suspicious) = blocking(app, shown, prepare).await?;
        let statuses = tell.due.iter().map(|due| (due.token, due.code)).collect();
        let forgotten = tell.erased.iter().map(|due| (due.id, due.token)).collect();
        let received_now = std::mem::take(&mut received);
        let ask = Ask { received: received_now, epoch, forgotten, statuses, pages, suspicious };
        let Told { reports, folder, full, .. } = puller.ask(&ask).await?;
        done.full = full;
        let anew = blocking(app, (tell, folder), |app, (tell, folder)| note(app, &tell, folder)).await?;
        done.reports += reports.len();
        let (ids, failed) = blocking(app, reports, |app, reports| Ok(take_all(app, reports))).await?;
        received = ids;
        if let Some(error) = failed {
            // What is durable is let go of even where the next could not be kept.
            puller.ask(&Ask { received, epoch, ..Ask::default() }).await?;
            return Err(error.into());
        }
        if received.is_empty() && !asks_again && !anew {
            break;
        }
    }
    Ok(done)
}

/// Takes one after the other; says which are durable, and what kept the next from it.
fn take_all(app: &App, reports: Vec<Waiting>) -> (Vec<Uuid>, Option<TakeError>) {
    let mut durable = Vec::new();
    for report in reports {
        let sealed = STANDARD.decode(&report.sealed).unwrap_or_default();
        match take::take(app, report.id, &sealed) {
            Ok(()) => durable.push(report.id),
            Err(error) => return (durable, Some(error)),
        }
    }
    (durable, None)
}

async fn blocking<A: Send + 'static, T: Send + 'static>(
    app: &App,
    with: A,
    work: impl FnOnce(&App, A) -> Result<T, PullError> + Send + 'static,
) -> Result<T, PullError> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || work(&app, with)).await?
}

fn prepare(app: &App, shown: Option<String>) -> Result<(Tell, Option<Vec<Page>>, bool), PullError> {
    let mut tell = Tell::default();
    let (mut count, mut bytes) = (0, 0);
    for town in app.store.towns()? {
        let size = store::read::<_, StoreError>(&*app.store, town, |read| read.tray_size())?;
        (count, bytes) = (count + size.0, bytes + size.1);
        due(app, town, &mut tell)?;
        let erased = store::read::<_, StoreError>(&*app.store, town, |read| read.reports_erased(FORGOTTEN, STATUSES))?;
        tell.erased.extend(erased.into_iter().map(|told| Due {
            id: told.id,
            town,
            token: told.token,
            code: FORGOTTEN,
        }));
    }
    // Where it is not known yet what is shown, the answer says so first.
    let pages = match shown {
        None => None,
        Some(shown) => match published::pages(app) {
            Ok(pages) => {
                let json = serde_json::to_vec(&pages).unwrap_or_default();
                (keep::hash(&json) != shown).then_some(pages)
            }
            Err(BadFile::Store(error)) => return Err(error.into()),
            // What is shown stays; reports are fetched all the same.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the pages of the grids stay as they are");
                None
            }
        },
    };
    Ok((tell, pages, count < TRAY && bytes < TRAY_BYTES))
}

/// The statuses that changed since they were told, of what moved in the feed.
fn due(app: &App, town: shared::area::AreaId, tell: &mut Tell) -> Result<(), PullError> {
    store::read::<_, StoreError>(&*app.store, town, |read| {
        let seen: u64 = read.meta(SEQ)?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let (mut records, mut upto) = (Vec::new(), seen);
        read.feed(Part::Open, seen, &mut |entry| {
            records.push(entry.record);
            upto = upto.max(entry.seq);
            Ok(records.len() < STATUSES)
        })?;
        for record in records {
            let Some(told) = read.report_of(record)? else { continue };
            let parts = read.load_many(&[(record, Part::Open)])?;
            let Some(open) = parts.first().and_then(|part| state(part).ok()) else { continue };
            let code = status(&open, &workflow::fold(&open, &app.calendar));
            if code != told.told {
                tell.due.push(Due { id: told.id, town, token: told.token, code });
            }
        }
        if upto != seen {
            tell.upto.push((town, upto));
        }
        Ok(())
    })?;
    Ok(())
}

/// The intake has what was told. Whether it is a new one, which has to be told everything.
fn note(app: &App, tell: &Tell, folder: Uuid) -> Result<bool, PullError> {
    let mut anew = false;
    for town in app.store.towns()? {
        let upto = tell.upto.iter().find(|(of, _)| *of == town).map(|(_, seq)| *seq);
        let folder = folder.to_string();
        let known = store::read::<_, StoreError>(&*app.store, town, |read| read.meta(FOLDER))?;
        let moved = known.as_ref().is_some_and(|known| *known != folder);
        let erased = tell.erased.iter().any(|due| due.town == town);
        if !erased && upto.is_none() && known.as_deref() == Some(folder.as_str()) {
            continue;
        }
        store::write::<_, StoreError>(&*app.store, town, |tx| {
            for due in tell.due.iter().chain(&tell.erased).filter(|due| due.town == town) {
                tx.set_told(due.id, due.code)?;
            }
            tx.set_meta(FOLDER, &folder)?;
            if moved {
                tx.forget_told()?;
                return tx.set_meta(SEQ, "0");
            }
            upto.map_or(Ok(()), |seq| tx.set_meta(SEQ, &seq.to_string()))
        })?;
        anew |= moved;
    }
    Ok(anew)
}

/// A round now and then, until the server stops. How it went is written down for staff.
pub async fn forever(app: App, puller: Puller, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        round_noted(&app, &puller).await;
    }
}

/// A round, with what became of it in the log and on 总览.
pub async fn round_noted(app: &App, puller: &Puller) {
    let _turn = match blocking(app, (), |app, ()| Ok(app.store.turn("intake")?)).await {
        Ok(Some(turn)) => turn,
        // Another process is at it.
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "nothing was fetched from the intake");
            return;
        }
    };
    let went = round(app, puller).await;
    match &went {
        Ok(Done { reports: 0, .. }) => {}
        Ok(Done { reports, .. }) => tracing::info!(reports, "fetched from the intake"),
        Err(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "nothing was fetched from the intake");
        }
    }
    let noted = blocking(app, went.map_err(|error| error.code()), |app, went| Ok(super::state::note(app, went)?)).await;
    if let Err(error) = noted {
        tracing::error!(error = &error as &dyn std::error::Error, "how the intake stands could not be written down");
    }
}
