//! `POST /api/v1/slot`, without HTTP: whether a handheld and the server still mean the same by a slot's numbers, and a slot
//! of its own for a handheld that shares one with another installation (decision 7).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::ids::{DeviceId, Dot, EditId, Slot};
use shared::limits::IDS_A_QUESTION;
use shared::mutants::Mutant;
use shared::wire::{Fork, Outcome, Receipt, SlotAnswer, SlotRequest};
use uuid::Uuid;

use super::accept::new_slot;
use super::round::{Caller, RoundError, speaks};
use crate::AppState;
use crate::auth::token;
use crate::store::{self, Audit, Device, Origin, StoreError, Tx};

/// The most new slots handhelds of one person are given in a day. Whoever comes near it is cloning in a loop.
pub const PARTINGS_A_DAY: u64 = 50;
/// Bytes of a token, see [`token`].
const TOKEN: usize = 16;
/// No slot ever counts so far: 2^53, the largest number every JSON reader keeps exactly.
const LAST_N: u64 = 1 << 53;

/// Answers a question about the caller's slot. Blocks.
pub fn answer(app: &AppState, caller: &Caller, request: &SlotRequest) -> Result<SlotAnswer, RoundError> {
    if !speaks(request.protocol) {
        return Err(RoundError::Protocol(request.protocol));
    }
    let asked = request.waiting.len();
    if asked > IDS_A_QUESTION {
        return Err(RoundError::TooMany { what: "waiting", count: asked, most: IDS_A_QUESTION });
    }
    if !request.waiting.is_sorted_by(|a, b| a.1 < b.1) {
        return Err(RoundError::NotInOrder);
    }
    store::write(&*app.store, caller.device.town, |tx| in_tx(app, tx, caller, request))
}

fn in_tx(app: &AppState, tx: &mut dyn Tx, caller: &Caller, request: &SlotRequest) -> Result<SlotAnswer, RoundError> {
    let Caller { device, .. } = caller;
    let mut high_water = tx.slot(device.slot)?.ok_or(StoreError::Missing("the slot"))?.high_water;
    let ids: Vec<EditId> = request.waiting.iter().map(|(id, _)| *id).collect();
    let first: BTreeMap<EditId, Dot> = tx.first_dots(&ids)?.into_iter().collect();
    let parted_at = disagreement(tx, device.slot, high_water, &request.waiting, &first)?;

    let key = token::hash(&request.key.to_string());
    let before = tx.parting(device.id, &key)?;
    let fork = if request.restored || parted_at.is_some() || before.is_some() {
        let common = parted_at.map_or(high_water, |n| high_water.min(n.saturating_sub(1)));
        Some(part(app, tx, caller, request.key, before, common)?)
    } else {
        high_water = go_on_behind(app, tx, caller, request, high_water)?;
        None
    };

    // Planted mistake, see shared::mutants: nobody says what the server has of what waits.
    let ids = if fork.is_some() && Mutant::ForkReapplies.on() { Vec::new() } else { ids };
    let receipts: Vec<Receipt> =
        tx.outcomes(&ids)?.into_iter().map(|seen| Receipt { edit: seen.edit, outcome: seen.outcome }).collect();
    let applied = receipts.iter().filter(|receipt| matches!(receipt.outcome, Outcome::Applied { .. }));
    let applied: Vec<EditId> = applied.map(|receipt| receipt.edit).collect();
    let asked: BTreeMap<EditId, u64> = request.waiting.iter().copied().collect();
    let mut dots = tx.applied_dots(&applied)?;
    dots.retain(|(id, dot)| asked.get(id).is_none_or(|n| *dot != Dot { slot: device.slot, n: *n }));
    Ok(SlotAnswer { high_water, epoch: tx.present_epoch()?, receipts, dots, fork })
}

/// The first n that handheld and server mean different things by, if there is one.
fn disagreement(
    tx: &dyn Tx,
    slot: Slot,
    high_water: u64,
    waiting: &[(EditId, u64)],
    first: &BTreeMap<EditId, Dot>,
) -> Result<Option<u64>, StoreError> {
    let mut parted: Option<u64> = None;
    for (id, n) in waiting {
        let at = match first.get(id) {
            // The server has an outcome for this n, of an edit that this handheld does not know.
            None if *n <= high_water => Some(*n),
            None => None,
            // The same save under two numbers: contexts that name one of them mean something else by it here.
            Some(dot) if dot.slot == slot && dot.n != *n => Some(dot.n.min(*n)),
            Some(dot) if dot.slot == slot => None,
            // Known from another slot: its number here must not be somebody else's.
            Some(_) => tx.applied_at(Dot { slot, n: *n })?.filter(|other| other != id).map(|_| *n),
        };
        parted = match (parted, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(parted)
}

/// A restored server lacks edits that the handheld does not keep any more: what follows on them is taken all the same. A
/// gap in a slot hurts nobody, because nothing will ever fill it.
fn go_on_behind(
    app: &AppState,
    tx: &mut dyn Tx,
    caller: &Caller,
    request: &SlotRequest,
    high_water: u64,
) -> Result<u64, StoreError> {
    let before_waiting = request.waiting.first().map_or(LAST_N, |(_, n)| n.saturating_sub(1));
    let forgotten = request.forgotten.min(before_waiting).min(LAST_N);
    if forgotten <= high_water {
        return Ok(high_water);
    }
    let slot = caller.device.slot;
    tx.set_high_water(slot, forgotten)?;
    tx.put_audit(&Audit {
        at: app.outside.now(),
        user: Some(caller.who.user.id),
        action: "audit-slot-behind".to_owned(),
        subject: caller.device.id.to_string(),
        detail: format!("{high_water} → {forgotten}"),
    })?;
    Ok(forgotten)
}

/// Gives the asker an enrolment of its own: the one it was given before under this key, as long as nobody has used that.
fn part(
    app: &AppState,
    tx: &mut dyn Tx,
    caller: &Caller,
    key: Uuid,
    before: Option<Device>,
    common: u64,
) -> Result<Fork, RoundError> {
    let Caller { device, who } = caller;
    let now = app.outside.now();
    let before = match before {
        // Two installations may ask under one key, if the files were copied while the question was open. Whoever comes
        // second, after the first has begun to write, needs another slot.
        Some(made) if made.seen.is_none() && tx.slot(made.slot)?.is_some_and(|slot| slot.high_water == 0) => Some(made),
        _ => None,
    };
    let made = match before {
        Some(made) => made,
        None => {
            if tx.partings_since(who.user.id, now - TimeDelta::days(1))? >= PARTINGS_A_DAY {
                return Err(RoundError::TooManyPartings);
            }
            let slot = new_slot(app, tx, Origin::Device, &device.name)?;
            let made = Device {
                id: DeviceId::fresh(&*app.outside),
                slot,
                enrolled: now,
                // What was stolen does not last longer by being copied: the end stays.
                parted_from: Some(device.id),
                seen: None,
                ..device.clone()
            };
            tx.put_device(&made, &token::hash(&token_of(&app.key, made.id, key)))?;
            tx.put_parting(device, &token::hash(&key.to_string()), made.id, now)?;
            tx.put_audit(&Audit {
                at: now,
                user: Some(who.user.id),
                action: "audit-parting".to_owned(),
                subject: made.id.to_string(),
                detail: format!("{} n ≤ {common}", device.id),
            })?;
            tracing::warn!(device = %device.id, made = %made.id, common, "a slot was shared; the asker gets its own");
            made
        }
    };
    Ok(Fork {
        common,
        device: made.id,
        slot: made.slot,
        token: token_of(&app.key, made.id, key),
        expires: made.expires,
    })
}

/// The token of a parted enrolment. It is made of the question's key, which the server does not keep, so that the same
/// question gets the same token again and the store holds nothing but its hash.
fn token_of(server: &[u8; 32], made: DeviceId, key: Uuid) -> String {
    // HMAC takes a key of any length, so this does not fail; an empty token would open nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(server) else { return String::new() };
    mac.update(b"parting");
    mac.update(made.0.as_bytes());
    mac.update(key.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes().get(..TOKEN).unwrap_or_default())
}
