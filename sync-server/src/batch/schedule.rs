//! Batches that the running server seals by itself and puts into a folder, for another system to fetch.
//!
//! What is new since the login's last batch is sealed when it is due; nothing new makes no batch. A folder appears whole, under
//! the batch's number, or not at all; what was sealed before a stop and not put there is put there with the next one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use assets::messages::Lang;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::seal::BATCHES;
use super::{BatchError, Format, Pull, Pulled, Sealed, Since, again, copy_out, pull};
use crate::store::{self, Batch, Store, StoreError, User};
use crate::{App, AppState};

/// What is said of it stands above the towns, as of backups.
const ABOVE: AreaId = AreaId(0);
const STATE: &str = "batch_schedule";
/// Where a batch is put together, beside its place.
const ASIDE: &str = ".aside";

/// Where to, how often, in whose name, how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The folder in which folders of numbers are made.
    pub to: PathBuf,
    /// From one to the next.
    pub every: Duration,
    /// Whose: their scope bounds what is taken, always masked and without restricted columns.
    pub login: String,
    /// At least one, or a profile.
    pub formats: Vec<Format>,
    /// As an upper platform takes it.
    pub profile: Option<String>,
}

/// How it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it last went well.
    pub last: Option<DateTime<Utc>>,
    /// The last batch put into the folder.
    pub number: Option<String>,
    /// When the last attempt failed, and a message key that says why.
    pub failed: Option<(DateTime<Utc>, String)>,
    /// Seconds between two; none: the running server makes none by itself.
    pub every: Option<u64>,
    /// Whose.
    #[serde(default)]
    pub login: String,
    /// Up to which of the login's batches the folder holds them.
    #[serde(default)]
    upto: Option<Uuid>,
}

impl State {
    /// As noted in the database.
    pub fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let text = store::read(store, ABOVE, |read| read.meta(STATE))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn put(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store::write(store, ABOVE, |tx| tx.set_meta(STATE, &text))
    }
}

/// Why nothing was put into the folder.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Nobody active has the login.
    #[error("nobody who works here has the login {0}")]
    NoUser(String),
    /// The batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The folder.
    #[error("cannot put a batch into {0}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ScheduleError {
    /// The message key of the sentence for people.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoUser(_) => "batch-schedule-no-user",
            Self::Batch(error) => error.key(),
            Self::Folder(..) => "batch-schedule-folder",
            Self::Store(_) => "batch-error-failed",
        }
    }
}

/// Seals what is new and puts it into the folder, with what an earlier attempt left undone: the numbers put there. How it went
/// is noted for the console.
pub fn once(app: &AppState, plan: &Plan) -> Result<Vec<String>, ScheduleError> {
    let done = attempt(app, plan);
    let mut state = State::read(&*app.store)?;
    let now = app.outside.now();
    match &done {
        Ok(_) => (state.last, state.failed) = (Some(now), None),
        Err(error) => state.failed = Some((now, error.key().to_owned())),
    }
    state.put(&*app.store)?;
    done
}

fn attempt(app: &AppState, plan: &Plan) -> Result<Vec<String>, ScheduleError> {
    let user = app.store.user_by_login(&plan.login)?.filter(|user| user.active);
    let user = user.ok_or_else(|| ScheduleError::NoUser(plan.login.clone()))?;
    let mut state = State::read(&*app.store)?;
    if state.login != plan.login {
        // What they took before by hand they have.
        let newest = theirs(app, &user)?.into_iter().next_back().map(|batch| batch.id);
        (state.login, state.upto) = (plan.login.clone(), newest);
        state.put(&*app.store)?;
    }
    // A folder that cannot be written to is told before a batch is sealed for it.
    let aside = plan.to.join(ASIDE);
    let folder = |error| ScheduleError::Folder(plan.to.clone(), error);
    disk::create_private_dir_all(&aside).map_err(folder)?;
    let wanted = Pull {
        user: &user,
        areas: user.scope.clone(),
        since: Since::Last,
        formats: if plan.profile.is_some() { Vec::new() } else { plan.formats.clone() },
        unmasked: false,
        restricted: false,
        profile: plan.profile.clone(),
        photos: false,
        released: None,
        lang: Lang::Zh,
    };
    let fresh =
        match pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.in_force(user.town)?.forms, &wanted)? {
            Pulled::Sealed(sealed) => Some(*sealed),
            Pulled::NothingNew => None,
        };
    let mut put_there = Vec::new();
    let all = theirs(app, &user)?;
    let after = all.iter().position(|batch| Some(batch.id) == state.upto).map_or(0, |place| place + 1);
    for batch in all.iter().skip(after) {
        let number = super::seal::read_manifest(batch)?.number;
        let sealed = match fresh.as_ref().filter(|fresh| fresh.manifest.number == number) {
            Some(fresh) => Ok(fresh.clone()),
            None => again(&*app.store, &*app.outside, &app.data, &user, &number),
        };
        match sealed {
            Ok(sealed) => {
                put(&sealed, plan, &aside)?;
                put_there.push(number.clone());
                state.number = Some(number);
            }
            // Its files went since, or it holds more than goes there by itself: there is nothing to put.
            Err(
                BatchError::Erased(_) | BatchError::FilesGone(_) | BatchError::MayNotUnmask | BatchError::NotCleared,
            ) => {}
            Err(error) => return Err(error.into()),
        }
        state.upto = Some(batch.id);
        state.put(&*app.store)?;
    }
    Ok(put_there)
}

/// The batches of somebody, oldest first.
fn theirs(app: &AppState, user: &User) -> Result<Vec<Batch>, StoreError> {
    let mut all = store::read::<_, StoreError>(&*app.store, user.town, |read| read.batches(BATCHES))?;
    all.retain(|batch| batch.user == Some(user.id));
    all.reverse();
    Ok(all)
}

/// Puts a batch together aside, and then under its number at once.
fn put(sealed: &Sealed, plan: &Plan, aside: &Path) -> Result<(), ScheduleError> {
    let folder = |error| ScheduleError::Folder(plan.to.clone(), error);
    let place = plan.to.join(&sealed.manifest.number);
    if disk::exists(&place).map_err(folder)? {
        return Ok(());
    }
    let made = copy_out(sealed, aside)?;
    disk::sync_dir(&made).map_err(folder)?;
    disk::rename(&made, &place).map_err(folder)
}

/// Puts batches there whenever `due` says so, until nobody can say so any more.
pub async fn on_schedule(app: App, plan: Plan, mut due: mpsc::Receiver<()>) {
    while due.recv().await.is_some() {
        let (app, work) = (App::clone(&app), plan.clone());
        let in_turn = move || match app.store.turn("batches")? {
            Some(_turn) => once(&app, &work),
            None => Ok(Vec::new()),
        };
        match tokio::task::spawn_blocking(in_turn).await {
            Ok(Ok(numbers)) if numbers.is_empty() => tracing::info!("nothing new for a batch"),
            Ok(Ok(numbers)) => {
                tracing::info!(numbers = numbers.join(","), to = %plan.to.display(), "batches put there");
            }
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, to = %plan.to.display(), "no batch");
            }
            Err(error) => tracing::error!(%error, to = %plan.to.display(), "no batch"),
        }
    }
}

/// Notes that the running server makes none by itself.
pub fn none(app: &AppState) -> Result<(), StoreError> {
    let state = State::read(&*app.store)?;
    if state.every.is_none() { Ok(()) } else { State { every: None, failed: None, ..state }.put(&*app.store) }
}

/// What tells [`on_schedule`] by the clock: when the last one is [`Plan::every`] old, and from then on at that distance.
pub fn ticks(app: &AppState, plan: &Plan) -> Result<mpsc::Receiver<()>, StoreError> {
    let state = State { every: Some(plan.every.as_secs()), ..State::read(&*app.store)? };
    state.put(&*app.store)?;
    let age = state.last.map(|last| (app.outside.now() - last).to_std().unwrap_or_default());
    let first = age.map_or(Duration::ZERO, |age| plan.every.saturating_sub(age));
    let (say, due) = mpsc::channel(1);
    let every = plan.every;
    tokio::spawn(async move {
        tokio::time::sleep(first).await;
        while say.send(()).await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    Ok(due)
}
