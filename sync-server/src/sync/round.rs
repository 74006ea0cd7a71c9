//! One round: everything a handheld sends and gets in one request and one answer.

use std::collections::BTreeSet;

use shared::limits::{EDITS_A_ROUND, PROTOCOL};
use shared::wire::{Receipt, SyncAnswer, SyncRequest};

use super::accept::{Accepted, Writer, accept_all};
use super::changes;
use super::cursor::{self, Binding, Position};
use super::setup;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Device, DeviceSeen, Origin, StoreError};

/// The most photo hashes asked for in one answer.
const WANTED: usize = 200;
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
    /// A protocol this server does not speak.
    #[error("protocol {0}, this server speaks {PROTOCOL}")]
    Protocol(u32),
}

/// Whether this server takes pushes of a protocol version.
pub fn speaks(protocol: u32) -> bool {
    (PROTOCOL.saturating_sub(VERSIONS_BACK).max(1)..=PROTOCOL).contains(&protocol)
}

/// One round of `caller`. Blocks: call inside `spawn_blocking`.
pub fn round(app: &AppState, caller: &Caller, request: SyncRequest) -> Result<SyncAnswer, RoundError> {
    if !speaks(request.protocol) {
        return Err(RoundError::Protocol(request.protocol));
    }
    if request.edits.len() > EDITS_A_ROUND {
        return Err(RoundError::TooManyEdits(request.edits.len()));
    }
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

    let Accepted { receipts, mut settled, .. } = push(app, caller, &rules, &request)?;
    if refill {
        // What begins anew must be named again, known or not.
        settled.clear();
    }

    // Read after the edits were applied, at one moment: the page and what stands beside it belong together.
    let directory = app.store.directory_version()?;
    let answer = store::read(&*app.store, device.town, |read| {
        let total = if refill { Some(changes::total(read, who, &rules.areas)?) } else { None };
        let page = changes::page(read, who, &rules.areas, &mut position, &settled)?;
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
            // There is no backup yet that could hold anything.
            backed_up: 0,
            time: rules.now,
            setup,
        })
    })?;
    Ok(answer)
}

fn push(
    app: &AppState,
    caller: &Caller,
    rules: &super::accept::Rules,
    request: &SyncRequest,
) -> Result<Accepted, StoreError> {
    let Caller { device, who } = caller;
    if request.edits.is_empty() && request.device.is_none() {
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
        accept_all(tx, rules, &writer, request.edits.clone())
    })
}
