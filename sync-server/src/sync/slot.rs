//! `POST /api/v1/slot`, without HTTP: whether a handheld and the server still mean the same by a slot's numbers, and a slot
//! of its own for a handheld that shares one with another installation, or that kept more than a restored server has
//! (decisions 7 and 11).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::ids::{DeviceId, Dot, EditId, RecordId, Slot};
use shared::limits::IDS_A_QUESTION;
use shared::mutants::Mutant;
use shared::wire::{Fork, KeptEdit, Outcome, Receipt, SlotAnswer, SlotRequest};
use uuid::Uuid;

use super::accept::mend::fold_anew;
use super::accept::{Rules, new_slot};
use super::lease;
use super::round::{Caller, RoundError, speaks};
use crate::AppState;
use crate::auth::token;
use crate::store::{self, Audit, Credential, Device, Once, Origin, StoreError, Tx};

/// The most new slots handhelds of one person are given in a day. Whoever comes near it is cloning in a loop.
pub const PARTINGS_A_DAY: u64 = 50;
/// Bytes of a token, see [`token`].
const TOKEN: usize = 16;
/// The most dots told of in one question: an edit gets another one at most once a restore.
const DOTS_A_QUESTION: usize = 4 * IDS_A_QUESTION;

/// Answers a question about the caller's slot. Blocks.
pub fn answer(app: &AppState, caller: &Caller, request: &SlotRequest) -> Result<SlotAnswer, RoundError> {
    if !speaks(request.protocol) {
        return Err(RoundError::Protocol(request.protocol));
    }
    let too_many = |what, count, most| Err(RoundError::TooMany { what, count, most });
    if request.kept.len() > IDS_A_QUESTION {
        return too_many("kept", request.kept.len(), IDS_A_QUESTION);
    }
    let dots = request.kept.iter().map(|kept| 1 + kept.once.len()).sum();
    if dots > DOTS_A_QUESTION {
        return too_many("once", dots, DOTS_A_QUESTION);
    }
    if request.over.len() > IDS_A_QUESTION {
        return too_many("over", request.over.len(), IDS_A_QUESTION);
    }
    let own = request.kept.iter().filter(|kept| kept.dot.slot == caller.device.slot);
    if !own.map(|kept| kept.dot.n).is_sorted_by(|a, b| a < b) {
        return Err(RoundError::NotInOrder);
    }
    let rules = app.rules_of(caller.device.town)?;
    store::write(&*app.store, caller.device.town, |tx| in_tx(app, tx, &rules, caller, request))
}

fn in_tx(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    caller: &Caller,
    request: &SlotRequest,
) -> Result<SlotAnswer, RoundError> {
    let Caller { device, .. } = caller;
    let epoch = tx.present_epoch()?;
    let ids: Vec<EditId> = request.kept.iter().map(|kept| kept.id).collect();
    let first: BTreeMap<EditId, Dot> = tx.first_dots(&ids)?.into_iter().collect();
    note_once(tx, rules, caller, request, &first, epoch)?;

    let key = token::hash(&request.key.to_string());
    let before = tx.parting(device.id, &key)?;
    let same = epoch == request.epoch && agree(tx, device.slot, request, &first)?;
    let fresh = request.moving && tx.slot(device.slot)?.is_some_and(|slot| slot.high_water == 0);
    let fork = if request.restored || before.is_some() || !(same || fresh) {
        Some(part(app, tx, caller, request.key, before)?)
    } else {
        None
    };

    // Planted mistake, see shared::mutants: nobody says what the server has of what waits.
    let ids = if fork.is_some() && Mutant::ForkReapplies.on() { Vec::new() } else { ids };
    let receipts: Vec<Receipt> =
        tx.outcomes(&ids)?.into_iter().map(|seen| Receipt { edit: seen.edit, outcome: seen.outcome }).collect();
    let applied = receipts.iter().filter(|receipt| matches!(receipt.outcome, Outcome::Applied { .. }));
    let applied: Vec<EditId> = applied.map(|receipt| receipt.edit).collect();
    let here: BTreeMap<EditId, Dot> = request.kept.iter().map(|kept| (kept.id, kept.dot)).collect();
    let mut dots = tx.applied_dots(&applied)?;
    dots.retain(|(id, dot)| here.get(id) != Some(dot));
    let leased = app.lease_hours > 0 && request.lease;
    let lease = if leased { lease::key(app, caller.who.user.id) } else { None };
    Ok(SlotAnswer { epoch, time: rules.now, receipts, dots, fork, lease })
}

/// Whether handheld and server mean the same by every number of the slot: what the server has stands at the dot it has
/// here, and what it has not are the edits that follow, up to the last n given.
fn agree(tx: &dyn Tx, slot: Slot, request: &SlotRequest, first: &BTreeMap<EditId, Dot>) -> Result<bool, StoreError> {
    let high_water = tx.slot(slot)?.ok_or(StoreError::Missing("the slot"))?.high_water;
    let mut next = high_water;
    for KeptEdit { id, dot, .. } in &request.kept {
        match first.get(id) {
            Some(first) if dot.slot == slot && first != dot => return Ok(false),
            Some(_) => {}
            None if dot.slot == slot && dot.n == next + 1 => next += 1,
            // Another edit has its n, one before it is missing, or it was saved as somebody else and never arrived.
            None => return Ok(false),
        }
    }
    Ok(next == request.last)
}

/// Remembers where edits that the server has not, or has elsewhere, stood before it was restored, and looks again at what
/// those who saw them there have written.
fn note_once(
    tx: &mut dyn Tx,
    rules: &Rules,
    caller: &Caller,
    request: &SlotRequest,
    first: &BTreeMap<EditId, Dot>,
    epoch: u32,
) -> Result<(), StoreError> {
    let user = Some(caller.who.user.id);
    let mut once: Vec<Once> = Vec::new();
    for KeptEdit { id: edit, dot, sure, unseen, once: before } in &request.kept {
        // Within an epoch the server knows what it applied.
        let now = (request.epoch != epoch && !unseen).then_some((*dot, *sure));
        let dots = now.into_iter().chain(before.iter().copied()).filter(|(dot, _)| first.get(edit) != Some(dot));
        once.extend(dots.map(|(dot, sure)| Once { edit: *edit, dot, sure, user }));
    }
    // What others saw under a dot. It says for no edit where it stood, only of others that they did not stand there; and for
    // who tells it, what their own edits had seen.
    let ids: Vec<EditId> = request.over.iter().map(|(edit, _)| *edit).collect();
    let here: BTreeSet<(EditId, Dot)> = tx.first_dots(&ids)?.into_iter().collect();
    let seen: Vec<(EditId, Dot)> = request.over.iter().filter(|seen| !here.contains(seen)).copied().collect();
    tx.put_seen(caller.who.user.id, &seen)?;
    once.extend(seen.iter().map(|(edit, dot)| Once { edit: *edit, dot: *dot, sure: true, user: None }));
    if once.is_empty() {
        return Ok(());
    }
    tx.put_once(&once)?;
    let dots: Vec<Dot> = once.iter().map(|once| once.dot).collect();
    // Also what others claimed of these dots: it may not hold any more.
    let records: BTreeSet<RecordId> = tx.once_at(&dots)?.into_iter().collect();
    fold_anew(tx, rules, &records)?;
    Ok(())
}

/// Gives the asker an enrolment of its own: the one it was given before under this key, as long as nobody has used that.
fn part(
    app: &AppState,
    tx: &mut dyn Tx,
    caller: &Caller,
    key: Uuid,
    before: Option<Device>,
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
                credential: Credential::first(now),
                ..device.clone()
            };
            tx.put_device(&made, &token::hash(&token_of(&app.key, made.id, key)))?;
            tx.put_parting(device, &token::hash(&key.to_string()), made.id, now)?;
            tx.put_audit(&Audit {
                at: now,
                user: Some(who.user.id),
                action: "audit-parting".to_owned(),
                subject: made.id.to_string(),
                detail: device.id.to_string(),
            })?;
            tracing::warn!(device = %device.id, made = %made.id, "a slot was in doubt; the asker gets its own");
            made
        }
    };
    Ok(Fork { device: made.id, slot: made.slot, token: token_of(&app.key, made.id, key), expires: made.expires })
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
