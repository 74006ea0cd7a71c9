//! Epochs. A server whose database was put back to an earlier state begins a new one: cursors of the old one are filled
//! anew, its own writers get new slots, and contexts read before keep what they cover beyond the vectors.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::mutants::Mutant;

use super::cursor::Position;
use crate::auth::Who;
use crate::store::{self, Audit, Read, Standing, Store, StoreError, Tx};
use crate::{AppState, OpenError};

/// The epoch of a server that was never restored.
pub const FIRST: u32 = 1;

/// Why an epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A backup was restored with this program.
    Restored,
    /// A handheld had seen more than the database holds: it was put back behind the server's back.
    PutBack,
    /// The database goes on along another line of history.
    Lineage,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Restored => "restore",
            Self::PutBack => "cursor",
            Self::Lineage => "lineage",
        }
    }
}

/// Begins a new epoch in all towns and writes it to the audit. `seen` is the latest one that anybody is known to have
/// heard of. Seconds since 1970 at least: two restores of one backup do not get the same number.
pub fn begin(tx: &mut dyn Tx, now: DateTime<Utc>, seen: u32, why: Why) -> Result<u32, StoreError> {
    let seconds = u32::try_from(now.timestamp().max(0)).unwrap_or(u32::MAX);
    let epoch = tx.present_epoch()?.max(seen).saturating_add(1).max(seconds);
    tx.begin_epoch(epoch)?;
    tx.put_audit(&Audit {
        at: now,
        user: None,
        action: "audit-epoch".to_owned(),
        subject: epoch.to_string(),
        detail: why.word().to_owned(),
    })?;
    tracing::warn!(epoch, why = why.word(), "a new epoch begins");
    Ok(epoch)
}

/// Whether a cursor that this server signed in `epoch` tells of more than there is: nobody can have seen that, unless the
/// database was put back.
pub fn is_ahead(read: &dyn Read, epoch: u32, position: &Position) -> Result<bool, StoreError> {
    let home = read.standing()?;
    let mut ahead = is_ahead_of(&home, epoch, position);
    if epoch == home.epoch && !Mutant::CursorAhead.on() {
        for (town, (open, restricted)) in &position.elsewhere {
            let there = read.beside(*town).standing()?;
            ahead = ahead || *open > there.open || *restricted > there.restricted;
        }
    }
    Ok(ahead)
}

/// The same of what a cursor tells of its home.
fn is_ahead_of(home: &Standing, epoch: u32, position: &Position) -> bool {
    // The planted mistake would otherwise be healed by this very rule.
    if epoch != home.epoch || Mutant::CursorAhead.on() {
        return epoch > home.epoch;
    }
    position.decided > home.decided || position.open > home.open || position.restricted > home.restricted
}

/// Begins a new epoch if a cursor proves that the database was put back, whose `home` is as it is. Says whether it did.
pub fn notice(app: &AppState, who: &Who, home: &Standing, epoch: u32, position: &Position) -> Result<bool, StoreError> {
    let town = who.user.town;
    let ahead = if position.elsewhere.is_empty() {
        is_ahead_of(home, epoch, position)
    } else {
        store::read(&*app.store, town, |read| is_ahead(read, epoch, position))?
    };
    if !ahead {
        return Ok(false);
    }
    let now = app.outside.now();
    store::write(&*app.store, town, |tx| {
        // Looked at again under the lock: of two that notice it one begins.
        let ahead = is_ahead(&*tx, epoch, position)?;
        if ahead {
            begin(tx, now, epoch, Why::PutBack)?;
        }
        Ok::<_, StoreError>(())
    })?;
    // Whoever it was: the epoch of the cursor is over.
    Ok(true)
}

/// What the database notes of the line of history it was on, above the towns.
const LINEAGE: &str = "lineage";

/// Begins a new epoch where a store, that nobody else works with yet, is on another line of history than it notes; and has
/// it follow the one it is on.
pub fn settle(store: &dyn Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(lineage) = store.lineage()? else { return Ok(()) };
    store::write(store, AreaId(0), |tx| {
        let noted = tx.meta(LINEAGE)?;
        if noted.as_deref() == Some(&*lineage) {
            return Ok(());
        }
        tx.set_meta(LINEAGE, &lineage)?;
        // What is new has nothing behind it.
        if noted.is_some() {
            begin(tx, now, 0, Why::Lineage)?;
        }
        Ok::<_, StoreError>(())
    })?;
    store.follow(&lineage);
    Ok(())
}

/// Goes on along the line the store is on now, where that is another one than before: opened anew beside, so that nothing is
/// answered there before the new epoch has begun and what was erased is erased again.
pub fn settle_again(app: &AppState) -> Result<(), OpenError> {
    if app.store.strays() {
        let fresh = AppState::open(&app.data, Arc::clone(&app.outside))?;
        if let Some(lineage) = fresh.store.lineage().map_err(OpenError::Store)? {
            app.store.follow(&lineage);
        }
    }
    Ok(())
}
