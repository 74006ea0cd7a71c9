//! What a handheld is made of: files, settings, and the session of who is enrolled.

use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use shared::area::{AreaTree, Scope};
use shared::calendar::Calendar;
use shared::form::Forms;
use shared::ids::UserId;
use shared::outside::Outside;
use shared::wire::Setup;
use tokio::sync::{Notify, watch};

use super::SaveError;
use super::types::{Message, Settings};
use crate::platform::{Paths, Services};
use crate::store::{RawKey, Rules, Source, Store, StoreError};
use crate::sync::{Phase, SyncProgress, Transport, TransportError, Trust};

/// The inside of a handheld.
pub(crate) struct Inner {
    paths: Paths,
    services: Services,
    outside: Arc<dyn Outside>,
    rules: Rules,
    settings: Mutex<Settings>,
    session: RwLock<Option<Arc<Session>>>,
    /// Who has given their PIN and is not in.
    pub(super) steps: super::door::Steps,
    /// Since when nobody can see the screen, by the device's clock.
    pub(super) away: Mutex<Option<DateTime<Utc>>>,
    notices: Mutex<Vec<Message>>,
    progress: watch::Sender<SyncProgress>,
    offline: AtomicBool,
    /// The version of the web view that shows the pages, once they are shown.
    pub(super) web_view: Mutex<Option<String>>,
    pub(super) notify: Arc<Notify>,
    /// The line to the server, its address and by what it is known, kept: a new one costs reading every root certificate and a handshake.
    line: Mutex<Option<Line>>,
    /// One sync at a time.
    pub(super) syncing: tokio::sync::Mutex<super::syncing::Attempts>,
}

/// A line to a server.
struct Line {
    address: String,
    trust: Trust,
    transport: Arc<dyn Transport>,
}

/// Somebody enrolled, with their store.
pub(crate) struct Session {
    pub(super) store: Arc<Store>,
    known: RwLock<Known>,
    /// What the other users were told last of what is not delivered.
    told: Mutex<Option<(u64, bool)>>,
    /// Photos half fetched.
    pub(super) halves: Mutex<super::photos::Halves>,
    /// Whether a page was shown since its user was let in.
    shown: AtomicBool,
}

#[derive(Clone)]
struct Known {
    setup: Arc<Setup>,
    areas: Arc<AreaTree>,
    scope: Arc<Scope>,
    clock_offset: i64,
}

impl Known {
    fn of(setup: Arc<Setup>, clock_offset: i64) -> Self {
        let areas: AreaTree = setup.areas.iter().cloned().collect();
        let scope = areas.scope(&setup.scope);
        Self { setup, areas: Arc::new(areas), scope: Arc::new(scope), clock_offset }
    }
}

impl Session {
    /// The session of a store; `None` if nobody enrolled with it.
    pub(super) fn of(store: Arc<Store>) -> Result<Option<Self>, StoreError> {
        let meta = store.meta()?;
        let Some(setup) = meta.setup.filter(|_| !meta.token.is_empty()) else { return Ok(None) };
        Ok(Some(Self {
            store,
            known: RwLock::new(Known::of(setup, meta.clock_offset)),
            told: Mutex::new(None),
            halves: Mutex::default(),
            shown: AtomicBool::new(false),
        }))
    }

    /// Whether no page was shown yet since its user was let in. True once.
    pub(super) fn begins(&self) -> bool {
        !self.shown.swap(true, Ordering::Relaxed)
    }

    /// Whether the other users know that something is not delivered.
    pub(super) fn is_told_open(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|(undelivered, _)| undelivered > 0)
    }

    /// Whether the other users were not told just this.
    pub(super) fn is_news(&self, told: (u64, bool)) -> bool {
        let mut last = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *last != Some(told);
        if news {
            *last = Some(told);
        }
        news
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        self.known().setup
    }

    pub(super) fn areas(&self) -> Arc<AreaTree> {
        self.known().areas
    }

    pub(super) fn scope(&self) -> Arc<Scope> {
        self.known().scope
    }

    /// Reads again what a sync may have changed.
    pub(super) fn reload(&self) -> Result<(), StoreError> {
        let meta = self.store.meta()?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.clock_offset = meta.clock_offset;
        if let Some(setup) = meta.setup.filter(|setup| !Arc::ptr_eq(setup, &known.setup) && **setup != *known.setup) {
            *known = Known::of(setup, meta.clock_offset);
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn open(
        dir: &FilePath,
        services: Services,
        outside: Arc<dyn Outside>,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let paths = match &services.no_backup {
            Some(folder) => Paths::new(dir).with_no_backup(folder),
            None => Paths::new(dir),
        };
        let settings = read_settings(&paths)?;
        let (progress, _) = watch::channel(SyncProgress::default());
        let inner = Self {
            paths,
            services,
            outside,
            rules,
            settings: Mutex::new(settings.clone()),
            session: RwLock::new(None),
            steps: Mutex::default(),
            away: Mutex::default(),
            notices: Mutex::new(Vec::new()),
            progress,
            offline: AtomicBool::new(false),
            web_view: Mutex::default(),
            notify: Arc::new(Notify::new()),
            line: Mutex::new(None),
            syncing: tokio::sync::Mutex::default(),
        };
        // Files of a version without PINs open as they did there; who uses them is asked for one.
        if let Some(user) = settings.user
            && !inner.lock_of(user).is_set()?
            && let Some(key) = inner.earlier_key(user)?
            && let Err(error) = inner.enter(user, &key)
            && !matches!(error, StoreError::FromTheFuture { .. } | StoreError::ReadOnly(_))
        {
            return Err(error);
        }
        Ok(inner)
    }

    /// The line to `server`, which is known by `trust`: the one there was, or a new one.
    pub(super) fn line(&self, server: &str, trust: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        match line.as_ref() {
            Some(kept) if kept.address == server && kept.trust == *trust => Ok(Arc::clone(&kept.transport)),
            _ => {
                let new = self.services.connect.connect(server, trust)?;
                *line = Some(Line { address: server.to_owned(), trust: trust.clone(), transport: Arc::clone(&new) });
                Ok(new)
            }
        }
    }

    /// The store of a user. One that cannot be read is set aside and a new one begun.
    pub(super) fn open_store(&self, user: UserId, key: &RawKey) -> Result<Arc<Store>, StoreError> {
        let path = self.paths.user(user).join("handheld.db");
        if Store::is_half_set_aside(&path)? {
            self.set_aside(&path)?;
        }
        let open = || Store::open(&path, key, self.rules.clone());
        let unreadable = |error: &StoreError| matches!(error, StoreError::WrongKey(_) | StoreError::Damaged(_));
        let opened = match open() {
            // Asked twice: a disk that failed to read once must not cost a day's work.
            Err(error) if unreadable(&error) => open(),
            other => other,
        };
        let store = match opened {
            Err(error) if unreadable(&error) => {
                self.set_aside(&path)?;
                return open().map(Arc::new);
            }
            other => other?,
        };
        if store.is_blank()?
            && let Some(aside) = Store::readable_set_aside(&path, key)?
        {
            drop(store);
            Store::put_back(&path, &aside, self.outside.now())?;
            self.tell(Message::of("store-put-back"));
            return open().map(Arc::new);
        }
        Ok(Arc::new(store))
    }

    fn set_aside(&self, path: &FilePath) -> Result<(), StoreError> {
        let aside = Store::set_aside(path, self.outside.now())?;
        let file = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tracing::error!(file, "the database could not be read and was set aside");
        self.tell(Message::of("store-set-aside").with("file", file));
        Ok(())
    }

    /// Moves a database without a key out of the way: it says nothing to anybody, but perhaps its key comes back from
    /// somewhere.
    pub(super) fn set_aside_keyless(&self, user: UserId) -> Result<(), StoreError> {
        let path = self.paths.user(user).join("handheld.db");
        if path.exists() {
            Store::set_aside(&path, self.outside.now())?;
            self.tell(Message::of("store-key-lost"));
        }
        Ok(())
    }

    /// Tells a store to which installation it belongs. The mark of the installation lies outside of what is backed up: a
    /// store that knows another one was restored or copied.
    pub(super) fn installed(&self, store: &Store) -> Result<(), StoreError> {
        let path = self.paths.installation();
        let file = |what| {
            let path = path.clone();
            move |source| StoreError::File { what, path, source }
        };
        let known = match disk::read(&path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(file("reading the installation's mark")(source)),
        };
        let nonce = match known.filter(|known| !known.is_empty()) {
            Some(known) => known,
            None => {
                let nonce = self.outside.uuid().simple().to_string();
                if let Some(folder) = path.parent() {
                    disk::create_dir_all(folder).map_err(file("making the folder of the installation's mark"))?;
                }
                disk::replace(&path, nonce.as_bytes()).map_err(file("writing the installation's mark"))?;
                nonce
            }
        };
        store.installed(&nonce, self.outside())
    }

    pub(super) fn begin(&self, session: Option<Session>) {
        let last_sync = session
            .as_ref()
            .and_then(|session| session.store.meta().ok())
            .filter(|meta| meta.last_sync > 0)
            .and_then(|meta| DateTime::from_timestamp_millis(meta.last_sync));
        let before = {
            let mut inside = self.session.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *inside, session.map(Arc::new))
        };
        self.progress.send_modify(|progress| {
            progress.last_sync = last_sync;
            progress.changed += 1;
        });
        // To close a database takes a while: nobody waits for it who asks who is in.
        drop(before);
    }

    pub(super) fn tell(&self, message: Message) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    pub(super) fn notices(&self) -> Vec<Message> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::NotEnrolled)
    }

    pub(super) fn web_view(&self) -> Option<String> {
        self.web_view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What counts for who is in, or what comes with the app.
    pub(super) fn rules(&self) -> Rules {
        self.session().map_or_else(|_| self.rules.clone(), |session| session.store.rules())
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn outside(&self) -> &dyn Outside {
        self.outside.as_ref()
    }

    pub(super) fn outside_shared(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.outside)
    }

    /// The session of whoever is in, to read what may be restricted: the lease is looked at first.
    pub(super) fn reading(&self) -> Result<Arc<Session>, StoreError> {
        let session = self.session()?;
        session.store.look_at_lease(self.outside())?;
        Ok(session)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        let offset = self.session().map(|session| session.known().clock_offset).unwrap_or_default();
        self.outside.now() + TimeDelta::try_milliseconds(offset).unwrap_or_default()
    }

    pub(super) fn progress(&self) -> watch::Receiver<SyncProgress> {
        self.progress.subscribe()
    }

    pub(super) fn moved(&self, change: impl FnOnce(&mut SyncProgress)) {
        self.progress.send_modify(change);
    }

    pub(super) fn wake(&self) {
        self.notify.notify_one();
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    pub(super) fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
        self.moved(|progress| {
            progress.phase = if offline { Phase::Offline } else { Phase::Idle };
            progress.problem = None;
            progress.next_attempt = None;
        });
        if !offline {
            self.wake();
        }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), StoreError> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = settings.clone();
        change(&mut changed);
        write_settings(&self.paths, &changed)?;
        *settings = changed;
        Ok(())
    }

    /// After a save: lists read again, and the sync is asked to run.
    pub(super) fn saved<T>(&self, saved: Result<T, SaveError>) -> Result<T, SaveError> {
        if saved.is_ok() {
            if let Ok(session) = self.session()
                && !session.is_told_open()
            {
                self.note_delivery(&session);
            }
            self.moved(|progress| progress.changed += 1);
            self.wake();
        }
        saved
    }
}

/// A database to be read for an export alone.
pub(super) fn source_with(paths: &Paths, user: UserId, key: &RawKey) -> Result<Source, StoreError> {
    Store::open_for_export(&paths.user(user).join("handheld.db"), key)
}

/// A name for an export, in a folder of its own.
pub(super) fn export_path(root: &FilePath, outside: &dyn Outside) -> PathBuf {
    root.join("exports").join(format!("outbox-{}.age", outside.now().format("%Y%m%dT%H%M%S")))
}

/// Forms and calendar as they come with the app.
pub(super) fn rules() -> Result<Rules, StoreError> {
    let bad = |what: &'static str, why: String| StoreError::Row { what, why };
    let forms = Forms::parse(assets::FORMS.iter().copied()).map_err(|error| bad("form", error.to_string()))?;
    let calendar = Calendar::parse(assets::CALENDAR).map_err(|error| bad("calendar", error.to_string()))?;
    Ok(Rules::new(forms, calendar))
}

fn read_settings(paths: &Paths) -> Result<Settings, StoreError> {
    let path = paths.settings();
    match disk::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            // Language and text size are quickly set again; who is enrolled is asked for again.
            tracing::warn!(%error, "the settings are unreadable");
            Settings::default()
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(source) => Err(StoreError::File { what: "reading the settings", path, source }),
    }
}

fn write_settings(paths: &Paths, settings: &Settings) -> Result<(), StoreError> {
    let path = paths.settings();
    let json = serde_json::to_vec_pretty(settings).unwrap_or_default();
    disk::create_dir_all(paths.root()).and_then(|()| disk::replace(&path, &json)).map_err(|source| StoreError::File {
        what: "writing the settings",
        path: path.clone(),
        source,
    })
}
