//! Epochs. A server whose database was put back to an earlier state begins a new one: cursors of the old one are filled
//! anew, its own writers get new slots, and contexts read before keep what they cover beyond the vectors.

use chrono::{DateTime, Utc};
use shared::mutants::Mutant;
use shared::record::Part;

use super::cursor::Position;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Audit, Read, StoreError, Tx};

/// The epoch of a server that was never restored.
pub const FIRST: u32 = 1;

/// Why an epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A backup was restored with this program.
    Restored,
    /// A handheld had seen more than the database holds: it was put back behind the server's back.
    PutBack,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Restored => "restore",
            Self::PutBack => "cursor",
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
    let present = read.present_epoch()?;
    // The planted mistake would otherwise be healed by this very rule.
    if epoch != present || Mutant::CursorAhead.on() {
        return Ok(epoch > present);
    }
    Ok(position.open > read.last_seq(Part::Open)?
        || position.restricted > read.last_seq(Part::Restricted)?
        || position.decided > read.last_decision()?)
}

/// Begins a new epoch if a cursor proves that the database was put back. Says whether it did.
pub fn notice(app: &AppState, who: &Who, epoch: u32, position: &Position) -> Result<bool, StoreError> {
    let town = who.user.town;
    if !store::read(&*app.store, town, |read| is_ahead(read, epoch, position))? {
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
