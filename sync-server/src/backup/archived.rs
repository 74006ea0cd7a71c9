//! Backups that the database's own means make: PostgreSQL archives its log (WAL), and what is archived is in the backup.
//!
//! A [`Mark`] says how far every slot is complete at a moment, and which file of the log was being written to after that.
//! Once the archive has that file, handhelds are told that the backup reaches so far.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::Slot;

use super::state::{self, Last};
use crate::store::{self, StoreError};
use crate::{App, AppState};

/// From one look at the archive to the next.
pub const EVERY: Duration = Duration::from_secs(60);

/// How far everything reached at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: DateTime<Utc>,
    /// The file of the log that has it, or a later one.
    pub file: String,
    upto: Vec<(AreaId, Vec<(Slot, u64)>)>,
}

/// Marks this moment; none where nobody archives the store's log.
pub fn mark(app: &AppState) -> Result<Option<Mark>, StoreError> {
    let at = app.outside.now();
    let mut upto = Vec::new();
    for town in app.store.towns()? {
        upto.push((town, store::read::<_, StoreError>(&*app.store, town, |read| read.complete_upto())?));
    }
    // Asked after what it has to hold.
    Ok(app.store.archive()?.map(|archive| Mark { at, file: archive.writing, upto }))
}

/// Tells that everything up to a mark is in a backup.
pub fn count(app: &AppState, mark: &Mark) -> Result<(), StoreError> {
    for (town, upto) in &mark.upto {
        store::write::<_, StoreError>(&*app.store, *town, |tx| tx.note_backed_up(upto))?;
    }
    state::note_made(&*app.store, &Last { at: mark.at, name: mark.file.clone(), bytes: 0 })
}

/// One look: counts the mark if the archive has reached it, and makes the next one then. Gives the mark that is waited for.
pub fn look(app: &AppState, waiting: Option<Mark>) -> Result<Option<Mark>, StoreError> {
    let Some(archive) = app.store.archive()? else {
        state::note_planned(&*app.store, None)?;
        return Ok(None);
    };
    match waiting {
        Some(mark) if archive.archived < mark.file => Ok(Some(mark)),
        Some(mark) => {
            count(app, &mark)?;
            self::mark(app)
        }
        None => {
            state::note_planned(&*app.store, Some(EVERY.as_secs()))?;
            self::mark(app)
        }
    }
}

/// Looks for ever. Of several processes each does so: they tell the same.
pub async fn forever(app: App) {
    let mut waiting = None;
    let mut often = tokio::time::interval(EVERY);
    loop {
        often.tick().await;
        let (app, mark) = (app.clone(), waiting.take());
        match tokio::task::spawn_blocking(move || look(&app, mark)).await {
            Ok(Ok(mark)) => waiting = mark,
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot tell how far the archive reaches");
            }
            Err(error) => tracing::error!(%error, "cannot tell how far the archive reaches"),
        }
    }
}
