//! One round: everything a handheld sends and gets in one request and one answer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::limits::{EDITS_A_ROUND, PROTOCOL};
use shared::wire::{Look, Receipt, SyncAnswer};

use super::accept::{Accepted, Writer, accept_all, in_step};
use super::changes;
use super::cursor::{self, Binding, Position};
use super::incoming::{self, Incoming, Offered};
use super::setup;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Audit, Device, DeviceSeen, Origin, StoreError, Tx};

/// The most photo hashes asked for in one answer.
const WANTED: usize = 200;
/// The most bytes of a field's name.
const FIELD: usize = 60;
/// Pushes are taken from so many protocol versions back.
const VERSIONS_BACK: u32 = 2;

/// Who calls, as the credential says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The enrolment.
    pub device: Device,
    /// Its user.
    pub who: Who,
}

/// Why a round is refused as a whole. Nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor is not one of ours, or was changed.
    #[error("the cursor is not one this server signed")]
    CursorInvalid,
    /// More than [`EDITS_A_ROUND`].
    #[error("{0} edits in one round, at most {EDITS_A_ROUND} are taken")]
    TooManyEdits(usize),
    /// An edit (which, from 0) of which not even id and dot can be read.
    #[error("edit {0} has no id and dot")]
    NoEdit(usize),
    /// The dots of the edits do not follow on what this server has of the slot.
    #[error("the edits do not follow on the last one of their slot")]
    OutOfStep,
    /// A protocol this server does not speak.
    #[error("protocol {0}, this server speaks {PROTOCOL}")]
    Protocol(u32),
}

/// Whether this server takes pushes of a protocol version.
pub fn speaks(protocol: u32) -> bool {
    (PROTOCOL.saturating_sub(VERSIONS_BACK).max(1)..=PROTOCOL).contains(&protocol)
}

/// One round of `caller`. Blocks: call inside `spawn_blocking`.
pub fn round(app: &AppState, caller: &Caller, request: Incoming) -> Result<SyncAnswer, RoundError> {
    if !speaks(request.protocol) {
        return Err(RoundError::Protocol(request.protocol));
    }
    if request.edits.len() > EDITS_A_ROUND {
        return Err(RoundError::TooManyEdits(request.edits.len()));
    }
    let edits = incoming::read(&request)?;
    let rules = app.rules()?;
    let Caller { device, who } = caller;
    let binding = Binding::of(device.id, who, rules.epoch);
    let (mut position, refill) = match request.cursor.as_deref() {
        None => (Position::default(), true),
        Some(text) => match cursor::read(&app.key, &binding, text) {
            cursor::Read::Good(position) => (position, false),
            cursor::Read::Outdated => (Position::default(), true),
            cursor::Read::Forged => return Err(RoundError::CursorInvalid),
        },
    };

    let Accepted { receipts, mut settled, .. } = push(app, caller, &rules, &request, &edits)?;
    if refill {
        // What begins anew must be named again, known or not.
        settled.clear();
    }

    // Read after the edits were applied, at one moment: the page and what stands beside it belong together.
    let directory = app.store.directory_version()?;
    let answer = store::read(&*app.store, device.town, |read| {
        let total = if refill { Some(changes::total(read, who, &rules.areas)?) } else { None };
        let page = changes::page(read, who, &rules.areas, &mut position, &settled, app.page_items)?;
        let decided = read.decided_since(device.slot, position.decided)?;
        position.decided = decided.last().map_or(position.decided, |(number, _)| *number);
        let released =
            decided.into_iter().map(|(_, seen)| Receipt { edit: seen.edit, outcome: seen.outcome }).collect();
        let setup = if request.setup.as_deref() == Some(setup::version(directory).as_str()) {
            None
        } else {
            Some(setup::setup(who, &rules.areas, directory, &read.users()?))
        };
        Ok::<_, StoreError>(SyncAnswer {
            receipts: receipts.clone(),
            released,
            high_water: read.slot(device.slot)?.map_or(0, |slot| slot.high_water),
            epoch: rules.epoch,
            items: page.items,
            more: page.more,
            refill,
            total,
            cursor: cursor::write(&app.key, &binding, &position),
            wanted: read.wanted(device.slot, WANTED)?,
            backed_up: read.backed_up(device.slot)?,
            time: rules.now,
            setup,
            digest: None,
        })
    })?;
    Ok(answer)
}

fn push(
    app: &AppState,
    caller: &Caller,
    rules: &super::accept::Rules,
    request: &Incoming,
    edits: &[Offered],
) -> Result<Accepted, RoundError> {
    let Caller { device, who } = caller;
    if request.edits.is_empty() && request.device.is_none() && request.looks.is_empty() {
        return Ok(Accepted { receipts: Vec::new(), high_water: 0, settled: BTreeSet::new() });
    }
    let writer = Writer { who: who.clone(), slot: device.slot, origin: Origin::Device };
    store::write(&*app.store, device.town, |tx| {
        if let Some(state) = &request.device {
            tx.seen_device(
                device.id,
                &DeviceSeen {
                    at: rules.now,
                    app: state.app.chars().take(40).collect(),
                    battery: state.battery,
                    clock_off: (state.clock - rules.now).num_milliseconds(),
                    undelivered: state.undelivered,
                },
            )?;
        }
        note_looks(tx, who, rules.now, &request.looks)?;
        if !in_step(tx, device.slot, edits)? {
            return Err(RoundError::OutOfStep);
        }
        Ok(accept_all(tx, rules, &writer, edits.to_vec())?)
    })
}

/// Writes what the user of a handheld asked to see in full to the audit, each look once. What stands there is made of
/// ids and names of fields: whatever else a handheld sends as a field is not kept.
fn note_looks(tx: &mut dyn Tx, who: &Who, now: DateTime<Utc>, looks: &[Look]) -> Result<(), StoreError> {
    for look in looks {
        if !tx.note_look(look.id)? {
            continue;
        }
        let named = look.field.len() <= FIELD && look.field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let field = if named { look.field.as_str() } else { "?" };
        let when = shared::mask::time(look.at.timestamp_millis()).unwrap_or_default();
        tx.put_audit(&Audit {
            at: now,
            user: Some(who.user.id),
            action: "audit-look".to_owned(),
            subject: look.record.to_string(),
            detail: format!("{field} {when}"),
        })?;
    }
    Ok(())
}
