//! Backups that the running server makes by itself.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::make::make;
use super::{BackupError, state};
use crate::App;
use crate::store::StoreError;

/// Where to, how often, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The folder of backups.
    pub to: PathBuf,
    /// From one to the next.
    pub every: Duration,
    /// How many stay; at least one.
    pub keep: usize,
}

/// Makes a backup whenever `due` says so, until nobody can say so any more. One that fails is told in the log and on the
/// console, and the next is tried when it is due.
pub async fn on_schedule(app: App, plan: Plan, mut due: mpsc::Receiver<()>) {
    while due.recv().await.is_some() {
        let (app, to, keep) = (app.clone(), plan.to.clone(), plan.keep);
        let work = move || {
            crate::erase::go_on(&app);
            make(&app, &to, keep)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(made)) => {
                let (folder, bytes) = (made.folder.display().to_string(), made.manifest.bytes());
                tracing::info!(folder, bytes, dropped = made.dropped, "backup made and verified");
            }
            Ok(Err(BackupError::Busy)) => tracing::info!("another backup is being made there; this one is left out"),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, to = %plan.to.display(), "no backup");
            }
            Err(error) => tracing::error!(%error, to = %plan.to.display(), "no backup"),
        }
    }
}

/// Notes in the database that the running server makes no backups by itself.
pub fn no_schedule(app: &App) -> Result<(), StoreError> {
    state::note_planned(&*app.store, None)
}

/// What tells [`on_schedule`] by the clock: when the last good backup is [`Plan::every`] old, and from then on at that
/// distance. Notes in the database that, and how often, there will be backups.
pub fn ticks(app: &App, plan: &Plan) -> Result<mpsc::Receiver<()>, StoreError> {
    state::note_planned(&*app.store, Some(plan.every.as_secs()))?;
    let last = state::State::read(&*app.store)?.last;
    // A backup of the future was made before the clock was put right.
    let age = last.map(|last| (app.outside.now() - last.at).to_std().unwrap_or_default());
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
