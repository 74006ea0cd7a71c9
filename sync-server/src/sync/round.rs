//! One round: everything a handheld sends and gets in one request and one answer.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use shared::area::AreaId;
use shared::digest::BRANCHES;
use shared::edit::Edit;
use shared::ids::{EditId, RecordId};
use shared::limits::{AGAIN_A_ROUND, EDITS_A_ROUND, PROTOCOL, REMAINS_A_ROUND};
use shared::mutants::Mutant;
use shared::record::Part;
use shared::wire::{HeldEdit, Item, Look, Outcome, Receipt, Remain, SyncAnswer};

use super::accept::{Accepted, Rules, RulesOf, Writer, accept_all, ahead, hold_again, hold_all, in_step, mend};
use super::cursor::{self, Binding, Position};
use super::incoming::{self, Incoming, Offered};
use super::{changes, digest, epoch, lease, remains, setup, versions};
use crate::AppState;
use crate::auth::{Who, token};
use crate::store::{self, Answering, Audit, Device, DeviceSeen, End, Fate, Origin, StoreError, Tx};

/// The most photo hashes asked for in one answer.
const WANTED: usize = 200;
/// The most edits told of that nobody decided on, when a handheld begins anew.
const UNDECIDED: usize = 5_000;
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
    /// More of something than one request may hold.
    #[error("{count} of {what} in one request, at most {most} are taken")]
    TooMany {
        /// A member of the request.
        what: &'static str,
        /// How many came.
        count: usize,
        /// How many are taken.
        most: usize,
    },
    /// What a handheld keeps is not named in order of n.
    #[error("what is kept is not in order of n")]
    NotInOrder,
    /// The handhelds of one person were given too many new slots in a day.
    #[error("too many new slots in a day")]
    TooManyPartings,
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
    within_limits(&request)?;
    let edits = incoming::read(&request)?;
    let held = incoming::read_held(&request)?;
    let Caller { device, who } = caller;
    let standing = app.store.standing(device.town)?;
    let mut rules = app.rules_at(device.town, &standing)?;
    if device.credential.doubled.is_some() {
        return held_round(app, caller, &rules, &request, &edits, &held);
    }
    let mut binding = Binding::of(device.id, who, rules.epoch);
    let (mut position, refill) = match request.cursor.as_deref() {
        None => (Position::default(), true),
        Some(text) => {
            let (signed_in, seen, good) = match cursor::read(&app.key, &binding, text) {
                cursor::Read::Good(position) => (rules.epoch, position, true),
                cursor::Read::Outdated { epoch, position } => (epoch, position, false),
                cursor::Read::Forged => return Err(RoundError::CursorInvalid),
            };
            // Before anything is applied: edits of a handheld that saw more keep what their contexts cover beyond.
            let put_back = epoch::notice(app, who, &standing, signed_in, &seen)?;
            if put_back {
                rules = app.rules_of(device.town)?;
                binding = Binding::of(device.id, who, rules.epoch);
            }
            if good && !put_back { (seen, false) } else { (Position::default(), true) }
        }
    };

    let Accepted { receipts, mut settled, .. } = push(app, caller, &rules, &request, &edits, &held)?;
    if refill {
        // What begins anew must be named again, known or not.
        settled.clear();
    }
    let taken = receipts.iter().filter(|receipt| matches!(receipt.outcome, Outcome::Applied { .. }));
    let taken: BTreeSet<EditId> = taken.map(|receipt| receipt.edit).collect();
    let sent = edits.iter().filter_map(Offered::edit).filter(|edit| taken.contains(&edit.id));
    let applied: BTreeSet<(RecordId, Part)> = sent.map(|edit| (edit.record, edit.part)).collect();

    // Read after the edits were applied, at one moment: the page and what stands beside it belong together.
    let (mut answer, broken) = store::read(&*app.store, device.town, |read| {
        let asked = Answering { slot: device.slot, user: who.user.id, decided: position.decided, wanted: WANTED };
        read.look_ahead_for(&asked)?;
        let standing = read.standing()?;
        let in_force = match app.in_force_of(device.town, standing.editions) {
            Some(in_force) => in_force,
            None => app.in_force_in(read)?,
        };
        let fixed = setup::Fixed::of(app, &in_force, standing.directory);
        let total = if refill { Some(changes::total(read, who, &rules.areas)?) } else { None };
        let mut page = changes::page(read, who, &rules.areas, &mut position, &settled, app.page_items)?;
        let named: BTreeSet<(RecordId, Part)> = page.items.iter().map(|item| (item.id, item.part)).collect();
        let again: Vec<_> = request.again.iter().copied().filter(|part| !named.contains(part)).collect();
        page.items.extend(changes::again(read, who, &rules.areas, &again)?);
        // What came before, with an answer that was lost, may have left the scope since: then no change tells of it.
        let left = applied.iter().filter(|part| !named.contains(part) && !settled.contains(part));
        let left = changes::again(read, who, &rules.areas, &left.copied().collect::<Vec<_>>())?;
        page.items.extend(left.into_iter().filter(Item::is_gone));
        let digest = match &request.digest {
            Some(ask) if !page.more => digest::sums(read, who, &rules.areas, ask)?,
            _ => None,
        };
        // What nobody decided on is told when a handheld begins anew: after a restore some of it was decided before.
        let undecided =
            if refill && request.cursor.is_some() { read.undecided_of(who.user.id, UNDECIDED)? } else { Vec::new() };
        let decided = read.decided_since(who.user.id, position.decided)?;
        position.decided = decided.last().map_or(position.decided, |(number, _)| *number);
        let released = undecided.into_iter().chain(decided.into_iter().map(|(_, seen)| seen));
        let released = released.map(|seen| Receipt { edit: seen.edit, outcome: seen.outcome }).collect();
        let setup = if request.setup.as_deref() == Some(fixed.version().as_str()) {
            None
        } else {
            let mut users = read.users()?;
            for town in &who.elsewhere {
                users.extend(read.beside(*town).users()?);
            }
            Some(setup::setup(who, &rules.areas, &users, &fixed))
        };
        let leased = app.lease_hours > 0 && (request.lease || setup.is_some() && lease::unasked(who));
        let answer = SyncAnswer {
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
            elsewhere_safe: match &request.elsewhere {
                Some(elsewhere) => read.are_backed_up(elsewhere)?,
                None => false,
            },
            time: rules.now,
            setup,
            digest,
            wipe: matches!(device.fate, Some((Fate::Wipe, _))),
            token: next_token(app, device, rules.now),
            locked: false,
            lease: if leased { lease::key(app, who.user.id) } else { None },
        };
        Ok::<_, StoreError>((answer, page.broken))
    })?;
    if !broken.is_empty() {
        let mended = store::write(&*app.store, device.town, |tx| look_over(app, tx, &rules, who, &broken))?;
        // Put right they stand at the end of the feed.
        if mended > 0 {
            (answer.more, answer.digest) = (true, None);
        }
    }
    versions::for_version(request.protocol, &mut answer)?;
    Ok(answer)
}

/// The credential to go on with, once the present one has been used long enough. Until it is used itself every answer
/// brings the same one.
fn next_token(app: &AppState, device: &Device, now: DateTime<Utc>) -> Option<String> {
    let due = now - device.credential.since >= TimeDelta::hours(app.token_hours.into());
    if due { token::later(&app.key, device, device.credential.turn + 1) } else { None }
}

/// A round of somebody whose credential two have used: what is brought is kept aside, nothing is given. A new code of the
/// centre's ends it.
fn held_round(
    app: &AppState,
    caller: &Caller,
    rules: &Rules,
    request: &Incoming,
    edits: &[Offered],
    held: &[HeldEdit<Edit>],
) -> Result<SyncAnswer, RoundError> {
    let Accepted { receipts, .. } = push(app, caller, rules, request, edits, held)?;
    let device = &caller.device;
    Ok(store::read::<_, StoreError>(&*app.store, device.town, |read| {
        Ok(SyncAnswer {
            receipts: receipts.clone(),
            high_water: read.slot(device.slot)?.map_or(0, |slot| slot.high_water),
            wanted: read.wanted(device.slot, WANTED)?,
            backed_up: read.backed_up(device.slot)?,
            wipe: matches!(device.fate, Some((Fate::Wipe, _))),
            locked: true,
            ..SyncAnswer::nothing(rules.epoch, request.cursor.clone().unwrap_or_default(), rules.now)
        })
    })?)
}

/// Whether a request says anything that is kept.
pub fn writes(request: &Incoming) -> bool {
    !(request.edits.is_empty()
        && request.device.is_none()
        && request.looks.is_empty()
        && request.withdrawn.is_empty()
        && request.held.is_empty()
        && request.remains.is_empty()
        && request.again.is_empty())
}

fn within_limits(request: &Incoming) -> Result<(), RoundError> {
    if request.edits.len() > EDITS_A_ROUND {
        return Err(RoundError::TooManyEdits(request.edits.len()));
    }
    let elsewhere = request.elsewhere.as_ref().map_or(0, |it| it.held.len() + it.upto.iter().count());
    let branches = request.digest.as_ref().map_or(0, |ask| ask.branches.len());
    for (what, count, most) in [
        ("looks", request.looks.len(), EDITS_A_ROUND),
        ("withdrawn", request.withdrawn.len(), EDITS_A_ROUND),
        ("held", request.held.len(), EDITS_A_ROUND),
        ("remains", request.remains.len(), REMAINS_A_ROUND),
        ("elsewhere", elsewhere, EDITS_A_ROUND),
        ("again", request.again.len(), AGAIN_A_ROUND),
        ("digest", branches, BRANCHES),
    ] {
        if count > most {
            return Err(RoundError::TooMany { what, count, most });
        }
    }
    Ok(())
}

fn push(
    app: &AppState,
    caller: &Caller,
    rules: &Rules,
    request: &Incoming,
    edits: &[Offered],
    held: &[HeldEdit<Edit>],
) -> Result<Accepted, RoundError> {
    let Caller { device, who } = caller;
    if !writes(request) {
        return Ok(Accepted { receipts: Vec::new(), high_water: 0, settled: BTreeSet::new() });
    }
    let writer = Writer { who: who.clone(), slot: device.slot, origin: Origin::Device };
    let others: RulesOf<'_> = &|read| app.rules_beside(read, rules);
    apply(app, device.town, |tx| {
        if let Some(state) = &request.device {
            tx.seen_device(
                device.id,
                &DeviceSeen {
                    at: rules.now,
                    app: state.app.chars().take(40).collect(),
                    battery: state.battery,
                    clock_off: (state.clock - rules.now).num_milliseconds(),
                    undelivered: state.undelivered,
                    web_view: state.web_view.iter().flat_map(|text| text.chars()).take(40).collect(),
                },
            )?;
        }
        note_looks(tx, who, rules.now, &request.looks)?;
        tx.look_ahead(&ahead(device.slot, edits))?;
        let later = request.epoch.is_some_and(|epoch| epoch != rules.epoch) && !edits.is_empty();
        if later || !in_step(tx, device.slot, edits, request.protocol)? {
            return Err(RoundError::OutOfStep);
        }
        if device.credential.doubled.is_some() {
            let accepted = hold_all(tx, rules, others, &writer, edits.to_vec())?;
            hold_again(tx, rules, &writer, held.to_vec())?;
            return Ok(accepted);
        }
        let accepted = accept_all(tx, rules, others, &writer, edits.to_vec())?;
        hold_again(tx, rules, &writer, held.to_vec())?;
        tx.withdraw(who.user.id, &request.withdrawn, rules.now)?;
        keep_remains(tx, who, rules, &request.remains)?;
        look_over(app, tx, rules, who, &request.again)?;
        Ok(accepted)
    })
}

/// [`mend::look_over`] in each town that has any of what is asked for. Says how many parts were put right.
fn look_over(
    app: &AppState,
    tx: &mut dyn Tx,
    rules: &Rules,
    who: &Who,
    asked: &[(RecordId, Part)],
) -> Result<u64, StoreError> {
    let mut mended = mend::look_over(tx, rules, who, asked)?;
    for town in &who.elsewhere {
        let there = tx.beside(*town);
        let mut its = Vec::new();
        for (record, part) in asked {
            if there.holds_anything_of(*record)? {
                its.push((*record, *part));
            }
        }
        drop(there);
        if !its.is_empty() {
            let mut there = tx.at(*town)?;
            let rules = app.rules_beside(&*there, rules)?;
            mended += mend::look_over(&mut *there, &rules, who, &its)?;
        }
    }
    Ok(mended)
}

/// [`remains::keep`] where each record lies.
fn keep_remains(tx: &mut dyn Tx, who: &Who, rules: &Rules, told: &[Remain]) -> Result<(), StoreError> {
    let mut left = told.to_vec();
    for town in &who.elsewhere {
        let there = tx.beside(*town);
        let mut its = Vec::new();
        for remain in std::mem::take(&mut left) {
            let here = there.holds_anything_of(remain.record)?;
            if here { its.push(remain) } else { left.push(remain) }
        }
        drop(there);
        if !its.is_empty() {
            remains::keep(&mut *tx.at(*town)?, who, &rules.areas, rules.now, &its)?;
        }
    }
    remains::keep(tx, who, &rules.areas, rules.now, &left)
}

/// [`store::write`], or the planted mistake: receipts that leave though nothing was kept, now and then.
fn apply<T>(
    app: &AppState,
    town: AreaId,
    mut work: impl FnMut(&mut dyn Tx) -> Result<T, RoundError>,
) -> Result<T, RoundError> {
    if !Mutant::AckBeforeCommit.on() || !app.outside.uuid().as_u128().is_multiple_of(8) {
        return store::write(&*app.store, town, work);
    }
    let mut done = None;
    app.store.with_tx(town, &mut |tx| {
        done = Some(work(tx));
        Ok(End::Rollback)
    })?;
    done.unwrap_or_else(|| Err(StoreError::Missing("the transaction's result").into()))
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
        let action = if field == "restricted" { "audit-restricted" } else { "audit-look" };
        tx.put_audit(&Audit {
            at: now,
            user: Some(who.user.id),
            action: action.to_owned(),
            subject: look.record.to_string(),
            detail: if field == "restricted" { when } else { format!("{field} {when}") },
        })?;
    }
    Ok(())
}
