//! The server: it alone applies edits. HTTP handlers call [`sync`] and `batch`; those see the [`store::Store`] trait
//! and no HTTP.

pub mod archive;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod batch;
pub mod blobs;
pub mod commands;
pub mod config;
pub mod console;
pub mod erase;
pub mod error;
pub mod export;
pub mod http;
pub mod import;
pub mod in_force;
pub mod intake;
pub mod metrics;
pub mod outbox;
pub mod package;
pub mod person;
pub mod redraw;
pub mod report;
pub mod retention;
pub mod search;
pub mod store;
pub mod sync;
pub mod system;
pub mod tls;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::area::{AreaId, AreaTree};
use shared::calendar::{BadCalendar, Calendar};
use shared::form::Forms;
use shared::outside::Outside;

use crate::store::{Standing, Store, StoreError};

/// Everything a request, a command or a test of the server works with. Cheap to clone: `App` is an `Arc` of it.
pub struct AppState {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Photos.
    pub blobs: Arc<dyn blobs::Blobs>,
    /// Every version of every form that comes with the program; see [`Self::in_force`] for what counts.
    pub forms: Arc<Forms>,
    /// The working days that come with the program; see [`Self::in_force`] for what counts.
    pub calendar: Arc<Calendar>,
    /// Clock and randomness.
    pub outside: Arc<dyn Outside>,
    /// The secret that signs cursors.
    pub key: [u8; 32],
    /// The key for which handhelds encrypt what leaves them as a file.
    pub outbox_key: outbox::Key,
    /// The folder it all lies in; batches are under `batches/`.
    pub data: PathBuf,
    /// Log-ins that were tried.
    pub throttle: auth::throttle::Throttle,
    /// Whether every request comes through a proxy of ours, whose `X-Forwarded-For` is believed.
    pub behind_proxy: bool,
    /// The certificate, and by which pins handhelds know this server.
    pub tls: tls::Tls,
    /// The address handhelds reach this server by, where it was told.
    pub public_url: Option<String>,
    /// The most items of one page of the feed. A test makes it small, so that fills take several pages.
    pub page_items: usize,
    /// How long restricted parts can be read on a handheld that does not reach the server, hours; 0: for ever.
    pub lease_hours: u32,
    /// Whether handhelds write date, time and grid into the photos they take.
    pub stamp_photos: bool,
    /// How long a handheld uses one credential before it is given the next, hours.
    pub token_hours: u32,
    /// The app's packages that handhelds are offered.
    pub packages: package::Packages,
    /// How long the head of a request may take to arrive.
    pub head_time: Duration,
    /// How long a request may take, and what is under way when the server stops.
    pub request_time: Duration,
    /// How long nobody may take anything of an answer.
    pub write_time: Duration,
    /// How long a file may take that staff bring.
    pub upload_time: Duration,
    /// Tables that are being brought in.
    pub imports: import::job::Jobs,
    /// How much is under way.
    pub pressure: http::pressure::Pressure,
    /// What this process counts, for whoever watches it.
    pub metrics: metrics::Metrics,
    /// What the console searches.
    pub search: search::Search,
    /// Whether this server was told to end: nothing new should come to it.
    pub leaving: AtomicBool,
    areas: Mutex<(u64, Arc<AreaTree>)>,
    in_force: Mutex<in_force::Held>,
}

/// A shared [`AppState`]: the state of every axum handler.
pub type App = Arc<AppState>;

/// Why the data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Where the records are.
    #[error(transparent)]
    Place(#[from] store::place::PlaceError),
    /// What is in the store.
    #[error("cannot read what is kept")]
    Store(#[source] StoreError),
    /// A file or folder.
    #[error("cannot open {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Where photos are.
    #[error(transparent)]
    Blobs(#[from] blobs::place::Unfit),
    /// The forms that come with this program do not hold together.
    #[error("a form file is broken")]
    Form(#[from] shared::form::BadForm),
    /// The calendar that comes with this program is none.
    #[error("the calendar is broken")]
    Calendar(#[from] BadCalendar),
    /// What was erased could not be erased again.
    #[error("cannot erase again what was erased")]
    Erase(#[source] Box<erase::EraseError>),
    /// `server.key` is not 32 bytes.
    #[error(
        "{0} is not a key of 32 bytes; restore it, or remove it: then all handhelds fill anew, and second factors are set up anew"
    )]
    Key(PathBuf),
}

impl AsRef<tls::Tls> for AppState {
    fn as_ref(&self) -> &tls::Tls {
        &self.tls
    }
}

impl AppState {
    /// Opens the data folder `data`, making it where it is not there, and the store it names.
    pub fn open(data: &Path, outside: Arc<dyn Outside>) -> Result<App, OpenError> {
        prepare(data)?;
        Self::over(data, store::place::open(data)?, outside)
    }

    /// The same of a folder with SQLite, with the store as what it is, for setting its quota.
    pub fn open_with_store(
        data: &Path,
        outside: Arc<dyn Outside>,
    ) -> Result<(App, Arc<store::sqlite::SqliteStore>), OpenError> {
        prepare(data)?;
        let store = Arc::new(store::place::open_file(data)?);
        Ok((Self::over(data, Arc::clone(&store) as Arc<dyn Store>, outside)?, store))
    }

    fn over(data: &Path, store: Arc<dyn Store>, outside: Arc<dyn Outside>) -> Result<App, OpenError> {
        sync::epoch::settle(&*store, outside.now()).map_err(OpenError::Store)?;
        let key = server_key(&data.join("server.key"), &*outside)?;
        let outbox_key = outbox::Key::open(&data.join("outbox.key"), &*outside)?;
        let blobs = blobs::place::Place::noted(&*store)?.open(data)?;
        let app = Arc::new(Self {
            store,
            blobs,
            forms: Arc::new(Forms::parse(assets::FORMS.iter().copied())?),
            calendar: Arc::new(Calendar::parse(assets::CALENDAR)?),
            outside,
            key,
            outbox_key,
            data: data.to_owned(),
            throttle: auth::throttle::Throttle::default(),
            behind_proxy: false,
            tls: tls::Tls::of_folder(data),
            public_url: None,
            page_items: sync::changes::ITEMS,
            lease_hours: sync::lease::HOURS,
            stamp_photos: false,
            token_hours: auth::token::HOURS,
            packages: package::Packages::default(),
            head_time: http::connections::HEAD_TIME,
            request_time: http::REQUEST_TIME,
            write_time: http::connections::WRITE_TIME,
            upload_time: http::UPLOAD_TIME,
            imports: import::job::Jobs::default(),
            pressure: http::pressure::Pressure::default(),
            metrics: metrics::Metrics::default(),
            search: search::Search::default(),
            leaving: AtomicBool::new(false),
            areas: Mutex::new((0, Arc::default())),
            in_force: Mutex::default(),
        });
        erase::resume(&app).map_err(|error| OpenError::Erase(Box::new(error)))?;
        sync::projection::fill_beside(&app).map_err(OpenError::Store)?;
        // Whoever opened it may still change what comes with the program.
        app.in_force.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(app)
    }

    /// The tree of areas, read again when it changed.
    pub fn areas(&self) -> Result<Arc<AreaTree>, StoreError> {
        self.areas_at(self.store.directory_version()?)
    }

    fn areas_at(&self, version: u64) -> Result<Arc<AreaTree>, StoreError> {
        {
            let held = self.areas.lock().unwrap_or_else(PoisonError::into_inner);
            if held.0 == version {
                return Ok(Arc::clone(&held.1));
            }
        }
        let tree: Arc<AreaTree> = Arc::new(self.store.areas()?.into_iter().collect());
        *self.areas.lock().unwrap_or_else(PoisonError::into_inner) = (version, Arc::clone(&tree));
        Ok(tree)
    }

    /// What edits of a town are checked against.
    pub fn rules_of(&self, town: AreaId) -> Result<sync::accept::Rules, StoreError> {
        self.rules_at(town, &self.store.standing(town)?)
    }

    /// The same where it was asked how the town stands.
    pub fn rules_at(&self, town: AreaId, standing: &Standing) -> Result<sync::accept::Rules, StoreError> {
        let in_force = match self.in_force_of(town, standing.editions) {
            Some(in_force) => in_force,
            None => self.in_force(town)?,
        };
        Ok(sync::accept::Rules {
            forms: Arc::clone(&in_force.forms),
            areas: self.areas_at(standing.directory)?,
            calendar: Arc::clone(&in_force.calendar),
            epoch: standing.epoch,
            now: self.outside.now(),
        })
    }

    /// The same of another town than `rules` are of, in a transaction that works in both.
    pub fn rules_beside(
        &self,
        read: &dyn store::Read,
        rules: &sync::accept::Rules,
    ) -> Result<sync::accept::Rules, StoreError> {
        let in_force = self.in_force_in(read)?;
        let (forms, calendar) = (Arc::clone(&in_force.forms), Arc::clone(&in_force.calendar));
        Ok(sync::accept::Rules { forms, calendar, ..rules.clone() })
    }

    /// The same where no town has published anything: by the forms and the calendar that come with the program.
    pub fn rules(&self) -> Result<sync::accept::Rules, StoreError> {
        Ok(sync::accept::Rules {
            forms: Arc::clone(&self.forms),
            areas: self.areas()?,
            calendar: Arc::clone(&self.calendar),
            epoch: self.store.epoch()?,
            now: self.outside.now(),
        })
    }

    /// The town an area lies in.
    pub fn town_of(&self, area: AreaId) -> Result<AreaId, StoreError> {
        self.areas()?.town_of(area).ok_or(StoreError::Missing("the area's town"))
    }
}

/// What an older program, or somebody by hand, may have left for everybody to read; below the folders it is closed with them.
const NOT_FOR_OTHERS: [&str; 7] =
    ["town.db", "town.db-wal", "town.db-shm", store::place::ADDRESS, "blobs", "batches", "imports"];

fn prepare(data: &Path) -> Result<(), OpenError> {
    disk::create_private_dir_all(data).map_err(|source| OpenError::File { path: data.to_owned(), source })?;
    NOT_FOR_OTHERS.iter().try_for_each(|name| tighten(&data.join(name)))
}

/// Whose it is not cannot change that, and works on.
fn tighten(path: &Path) -> Result<(), OpenError> {
    match disk::tighten(path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!(path = %path.display(), "others may read this, and only its owner can change that");
            Ok(())
        }
        other => other.map_err(|source| OpenError::File { path: path.to_owned(), source }),
    }
}

fn server_key(path: &Path, outside: &dyn Outside) -> Result<[u8; 32], OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    match disk::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| OpenError::Key(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            outside.fill(&mut key);
            // Whole or not at all: half a key would keep the server from starting ever again.
            disk::create_new(path, &key).map_err(file)?;
            Ok(key)
        }
        Err(error) => Err(file(error)),
    }
}
