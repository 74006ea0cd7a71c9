//! Who may come in: the users of a handheld, each behind a PIN of their own (`crate::lock`).

use std::path::Path as FilePath;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use shared::ids::UserId;
use shared::wire::Setup;

use super::session::{Inner, Session, source_with};
use super::types::Message;
use crate::lock::{Lock, LockError, Pin};
use crate::platform::{FileKeyStore, KeyStore, KeyStoreError, Paths};
use crate::store::{ExportError, Exported, RawKey, StoreError};

/// How long a handheld may be out of sight before it is locked.
pub const AWAY: TimeDelta = TimeDelta::minutes(5);

/// The most keys an enrolment carries for the centre: more people do not share a handheld.
const KEYS: usize = 16;

/// What the screen shows first.
#[derive(Debug, Clone, PartialEq)]
pub enum Door {
    /// Nobody is enrolled: the first start.
    Enrol,
    /// Whose PIN is asked for: who uses this handheld, by name, whoever was last in first.
    Locked(Vec<Resident>),
    /// Somebody is in who has no PIN yet: they came from a version without.
    ChoosePin,
    /// The PIN was right, and the database may not be opened: why.
    Refused(Message),
    /// Somebody is in.
    Open,
}

/// Somebody who has a database on this handheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Who.
    pub user: UserId,
    /// Their name as it was when the PIN was set.
    pub name: String,
}

/// A database whose key is known and that is not open.
pub(super) struct Doorstep {
    pub(super) user: UserId,
    key: RawKey,
    /// `None`: it was begun anew, and nobody is enrolled with it.
    why: Option<Message>,
}

impl Inner {
    pub(super) fn lock_of(&self, user: UserId) -> Lock<'_> {
        Lock::of(&self.paths().user(user), user, &*self.services().keys)
    }

    /// The key as versions before the PIN kept it.
    pub(super) fn earlier_key(&self, user: UserId) -> Result<Option<RawKey>, StoreError> {
        Ok(FileKeyStore::new(&self.paths().keys()).earlier(&earlier_name(user))?)
    }

    /// What the screen shows first.
    pub(super) fn door(&self) -> Door {
        if let Ok(session) = self.session() {
            let set = self.lock_of(session.setup().user.id).is_set().unwrap_or(true);
            return if set { Door::Open } else { Door::ChoosePin };
        }
        match self.doorstep().as_ref().map(|step| step.why.clone()) {
            Some(Some(why)) => return Door::Refused(why),
            Some(None) => return Door::Enrol,
            None => {}
        }
        let residents = self.residents();
        if residents.is_empty() { Door::Enrol } else { Door::Locked(residents) }
    }

    /// Who has a lock here.
    pub(super) fn residents(&self) -> Vec<Resident> {
        let last = self.settings().user;
        let mut residents: Vec<Resident> = self
            .users()
            .into_iter()
            .filter_map(|user| match self.lock_of(user).whose() {
                Ok(name) => name.map(|name| Resident { user, name }),
                // It has to be said when they come in, and the centre can open.
                Err(_) => Some(Resident { user, name: String::new() }),
            })
            .collect();
        residents.sort_by_key(|resident| (Some(resident.user) != last, resident.name.clone()));
        residents
    }

    pub(super) fn users(&self) -> Vec<UserId> {
        let entries = disk::list(&self.paths().users()).unwrap_or_default();
        let names = entries.iter().filter(|entry| entry.is_folder).filter_map(|entry| entry.path.file_name()?.to_str());
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// Opens the database of `user` if the PIN is theirs. As long as [`crate::lock::Cost`] says.
    pub(super) fn unlock(&self, user: UserId, pin: &str) -> Result<(), StoreError> {
        let pin = Pin::typed(pin).map_err(LockError::from)?;
        let key = self.lock_of(user).open(&pin, self.outside().now())?;
        self.enter(user, &key)
    }

    /// Opens the database of `user` and lets them in.
    pub(super) fn enter(&self, user: UserId, key: &RawKey) -> Result<(), StoreError> {
        let store = match self.open_store(user, key) {
            Err(error @ (StoreError::FromTheFuture { .. } | StoreError::ReadOnly(_))) => {
                *self.doorstep() = Some(Doorstep { user, key: *key, why: Some(error.message()) });
                self.moved(|progress| progress.changed += 1);
                return Err(error);
            }
            other => other?,
        };
        self.installed(&store)?;
        store.look_at_lease(self.outside())?;
        store.try_aside_again()?;
        if self.settings().user != Some(user) {
            self.set_settings(|settings| settings.user = Some(user))?;
        }
        let session = Session::of(store)?;
        *self.doorstep() = session.is_none().then_some(Doorstep { user, key: *key, why: None });
        self.begin(session);
        Ok(())
    }

    /// Closes the database. What is under way ends first; nothing that was saved is touched. Who has no PIN stays in.
    pub(super) fn lock(&self) {
        if !matches!(self.door(), Door::Open | Door::Refused(_)) {
            return;
        }
        *self.doorstep() = None;
        self.begin(None);
    }

    /// The screen is out of sight. A clock that was set back counts as too long: nobody can tell.
    pub(super) fn left(&self) {
        let now = self.outside().now();
        let mut since = self.away.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = *since.get_or_insert(now);
        if now < since || now - since >= AWAY {
            self.lock();
        }
    }

    /// The screen is in sight.
    pub(super) fn back(&self) {
        let since = self.away.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let now = self.outside().now();
        if since.is_some_and(|since| now < since || now - since >= AWAY) {
            self.lock();
        }
    }

    /// Sets the PIN of who is in; `old` is asked for if there was one.
    pub(super) fn set_pin(&self, old: Option<&str>, new: &str) -> Result<(), StoreError> {
        let session = self.session()?;
        let setup = session.setup();
        let lock = self.lock_of(setup.user.id);
        let new = Pin::chosen(new).map_err(LockError::from)?;
        if lock.is_set()? {
            let old = Pin::typed(old.unwrap_or_default()).map_err(LockError::from)?;
            lock.open(&old, self.outside().now())?;
        }
        self.wrap(&setup, session.store.key(), &new)?;
        self.moved(|progress| progress.changed += 1);
        Ok(())
    }

    /// Wraps the key by a PIN, and for the centre; then the raw one that an earlier version kept may go.
    pub(super) fn wrap(&self, setup: &Setup, key: &RawKey, pin: &Pin) -> Result<(), StoreError> {
        let user = setup.user.id;
        let lock = self.lock_of(user);
        if let Some(recipient) = &setup.recipient {
            lock.seal_for_centre(key, recipient)?;
        }
        lock.set(key, pin, &setup.user.name, self.services().pin_cost, self.outside())?;
        if self.earlier_key(user)?.is_some() {
            disk::remove(&self.paths().keys().join(format!("{}.key", earlier_name(user)))).map_err(|source| {
                StoreError::File { what: "removing the key of an earlier version", path: self.paths().keys(), source }
            })?;
        }
        Ok(())
    }

    /// Keys of the users that are not in, for the centre to open the one of who enrols.
    pub(super) fn keys_for_centre(&self) -> Vec<String> {
        let inside = self.session().ok().map(|session| session.setup().user.id);
        let outside = self.users().into_iter().filter(|user| Some(*user) != inside);
        outside.filter_map(|user| self.lock_of(user).sealed_for_centre().ok().flatten()).take(KEYS).collect()
    }

    /// The key of who enrols: the one their database here has, as whoever is in, the centre, or the PIN opens it; a new one
    /// if there is none.
    pub(super) fn key_of(&self, user: UserId, opened: Option<&str>, pin: &Pin) -> Result<RawKey, StoreError> {
        if let Ok(session) = self.session()
            && session.setup().user.id == user
        {
            return Ok(*session.store.key());
        }
        if let Some(step) = self.doorstep().as_ref().filter(|step| step.user == user) {
            return Ok(step.key);
        }
        if let Some(opened) = opened {
            return Ok(Lock::opened_by_centre(opened)?);
        }
        if let Some(key) = self.earlier_key(user)? {
            return Ok(key);
        }
        let lock = self.lock_of(user);
        if lock.is_set()? {
            match lock.open(pin, self.outside().now()) {
                // No PIN opens it any more.
                Err(LockError::Keys(KeyStoreError::Missing(_)) | LockError::Damaged(_)) => {}
                other => return Ok(other?),
            }
        }
        self.set_aside_keyless(user)?;
        let mut key = [0; 32];
        self.outside().fill(&mut key);
        Ok(key)
    }

    /// Writes what a database that may not be opened has not delivered into a file for the centre.
    pub(super) fn export_refused(&self, to: &FilePath) -> Result<Exported, ExportError> {
        let step = self.doorstep();
        let step = step.as_ref().ok_or(StoreError::NotEnrolled)?;
        source_with(self.paths(), step.user, &step.key)?.export(to, self.outside().now())
    }
}

/// The name under which versions before the PIN kept a key.
fn earlier_name(user: UserId) -> String {
    format!("db-{user}")
}

/// The key of `user`'s database below `paths`, opened by `pin`: for who looks into a handheld from outside of it.
pub fn key_behind(
    paths: &Paths,
    user: UserId,
    keys: &dyn KeyStore,
    pin: &str,
    now: DateTime<Utc>,
) -> Result<RawKey, LockError> {
    Lock::of(&paths.user(user), user, keys).open(&Pin::typed(pin)?, now)
}

/// Holds nothing but what has to be told to it.
pub(super) type Steps = std::sync::Mutex<Option<Doorstep>>;

impl Inner {
    pub(super) fn doorstep(&self) -> std::sync::MutexGuard<'_, Option<Doorstep>> {
        self.steps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets somebody in.
    pub(super) fn come_in(&self, session: Option<Session>) {
        *self.doorstep() = None;
        self.begin(session);
    }

    /// The set-up of who is in.
    pub(super) fn setup(&self) -> Option<Arc<Setup>> {
        self.session().ok().map(|session| session.setup())
    }
}
