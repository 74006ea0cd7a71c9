//! Accepting edits: the one place where records change.
//!
//! All edits of a request go in one transaction, grouped by record: each record is read once and written once, however
//! many edits it gets. A rejected edit changes nothing but the high-water mark of its slot and stands in quarantine.

mod again;
mod erased;
mod ground;
mod held;
mod judge;
pub mod mend;
mod merging;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::area::{AreaId, AreaTree};
use shared::calendar::Calendar;
use shared::edit::Edit;
use shared::form::Forms;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::mutants::Mutant;
use shared::record::Part;
use shared::vector::VectorTimestamp;
use shared::wire::{Outcome, Receipt, RejectReason, Rejection};

pub use self::again::hold_again;
use self::erased::Gone;
use self::ground::Ground;
pub use self::ground::{Places, RulesOf};
use self::held::Holding;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Ahead, Origin, Quarantined, SlotRow, StoreError, StoredEdit, Tx};
use crate::sync::incoming::{Offered, Unreadable};
use crate::sync::photos;

/// The detail of a rejection: the credential was used by two, a message key.
const DOUBLED: &str = "credential-doubled";

/// The field that decides access.
const AREA: &str = "area";

/// What edits are checked against; see [`AppState::rules`].
#[derive(Clone)]
pub struct Rules {
    /// Every version of every form.
    pub forms: Arc<Forms>,
    /// The tree of areas.
    pub areas: Arc<AreaTree>,
    /// Working days.
    pub calendar: Arc<Calendar>,
    /// The present epoch.
    pub epoch: u32,
    /// The server's clock.
    pub now: DateTime<Utc>,
}

/// Who sends edits, and by which slot. The slot comes from the credential, never from an edit.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Who.
    pub who: Who,
    /// The slot all the edits must name.
    pub slot: Slot,
    /// What the slot is. Of an import the authors are taken as given.
    pub origin: Origin,
}

/// What came of a request's edits.
#[derive(Debug, Default)]
pub struct Accepted {
    /// One an edit, in order.
    pub receipts: Vec<Receipt>,
    /// The highest n of the slot with an outcome.
    pub high_water: u64,
    /// Parts that the sender knows to the last write without being told: what it showed when it saved, and its own
    /// edits, are all there is.
    pub settled: BTreeSet<(RecordId, Part)>,
}

/// What [`in_step`] and [`accept_all`] will ask of the sender's town.
pub fn ahead(slot: Slot, edits: &[Offered]) -> Ahead {
    let read = || edits.iter().filter_map(Offered::edit);
    let records = edits.iter().filter_map(Offered::record).chain(read().filter_map(erased::about));
    // The open part decides who may write either.
    let parts = read().flat_map(|edit| [(edit.record, Part::Open), (edit.record, edit.part)]);
    Ahead { slot, edits: edits.iter().map(Offered::id).collect(), records: records.collect(), parts: parts.collect() }
}

/// Applies what may be applied and quarantines the rest, all in one transaction. One receipt an edit, in order.
pub fn accept(app: &AppState, town: AreaId, writer: &Writer, edits: Vec<Edit>) -> Result<Vec<Receipt>, StoreError> {
    let rules = app.rules_of(town)?;
    store::write(&*app.store, town, |tx| accept_in(tx, &rules, writer, edits.clone()))
}

/// The same inside a transaction that does more: an import calls it with chunks of some thousand edits.
pub fn accept_in(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    edits: Vec<Edit>,
) -> Result<Vec<Receipt>, StoreError> {
    Ok(take_all(tx, rules, None, writer, edits.into_iter().map(Offered::Edit).collect(), None)?.receipts)
}

/// The same, with all that a sync answers of it: each edit goes to the town its record lies in, which is judged by `others`.
pub fn accept_all(
    tx: &mut dyn Tx,
    rules: &Rules,
    others: RulesOf<'_>,
    writer: &Writer,
    edits: Vec<Offered>,
) -> Result<Accepted, StoreError> {
    take_all(tx, rules, Some(others), writer, edits, None)
}

/// The same of a writer nobody can be sure of: what is new goes into quarantine, whatever it is, until somebody at the
/// centre has asked who wrote it.
pub fn hold_all(
    tx: &mut dyn Tx,
    rules: &Rules,
    others: RulesOf<'_>,
    writer: &Writer,
    edits: Vec<Offered>,
) -> Result<Accepted, StoreError> {
    let why = Rejection { detail: DOUBLED.to_owned(), ..Rejection::of(RejectReason::NotAllowed) };
    take_all(tx, rules, Some(others), writer, edits, Some(&why))
}

fn take_all(
    tx: &mut dyn Tx,
    rules: &Rules,
    others: Option<RulesOf<'_>>,
    writer: &Writer,
    edits: Vec<Offered>,
    unsure: Option<&Rejection>,
) -> Result<Accepted, StoreError> {
    let home = tx.town();
    let row = tx.slot(writer.slot)?.ok_or(StoreError::Missing("the slot"))?;
    let mut high_water = row.high_water;
    let ids: Vec<EditId> = edits.iter().map(Offered::id).collect();
    let seen: BTreeMap<EditId, Outcome> = tx.outcomes(&ids)?.into_iter().map(|it| (it.edit, it.outcome)).collect();
    let known: BTreeSet<EditId> = seen.keys().copied().collect();
    let mut done = Done { outcomes: seen, ..Done::default() };
    // Planted mistake, see shared::mutants: what the server has is applied again when it comes under a new dot.
    let again = Mutant::ForkReapplies.on();
    let places = match others {
        Some(_) => {
            let records = edits.iter().filter_map(Offered::record).collect();
            Places::find(tx, &writer.who, &records, edits.iter().filter_map(Offered::edit), &rules.areas)?
        }
        None => Places::default(),
    };
    let mut grounds = BTreeMap::new();
    for town in std::iter::once(home).chain(places.towns()) {
        let there = tx.at(town)?;
        let rules = match others.filter(|_| town != home) {
            Some(others) => others(&*there)?,
            None => rules.clone(),
        };
        let its = || edits.iter().filter(|it| places.of(it.record(), home) == town);
        let fresh = its().filter_map(Offered::edit).filter(|edit| again || !known.contains(&edit.id));
        let (records, all) = (its().filter_map(Offered::record), its().filter_map(Offered::edit));
        grounds.insert(town, Ground::load(&*there, rules, fresh, records, all)?);
    }
    let ended = tx.ended_of(&ids)?;

    for offered in edits {
        done.order.push(offered.id());
        let follows = offered.dot() == Dot { slot: writer.slot, n: high_water + 1 };
        // Whatever becomes of it, an edit in its place consumes its n: the next one follows on. So does a repetition
        // under a new dot (offered again after a re-enrolment).
        if follows {
            high_water += 1;
        }
        let town = places.of(offered.record(), home);
        let Some(ground) = grounds.get_mut(&town) else { return Err(StoreError::Missing("the town of an edit")) };
        let mut there = tx.at(town)?;
        if done.outcomes.contains_key(&offered.id()) && !(again && follows) {
            if follows && let Some(edit) = offered.edit().filter(|edit| !ground.gone.takes_edit(edit)) {
                // Under its new dot too it is only whole with its photos: those of who brings it, whomever it names.
                let mut edit = edit.clone();
                if let Some(author) = judge::author_of(writer) {
                    edit.author = author.into();
                }
                link(&mut *there, &ground.rules, writer, &edit)?;
            }
            continue;
        }
        if ground.gone.takes(&offered) {
            let begins = erased::begins(&ground.holding, &offered);
            if let Some(record) = begins {
                done.forget(&mut *there, ground, record)?;
            }
            ground.gone.keep_out(&mut *there, rules.now, offered.id(), offered.dot(), begins)?;
            done.outcomes.insert(offered.id(), Outcome::Rejected(Rejection::of(RejectReason::Erased)));
            continue;
        }
        // One whose part has ended comes again after a restore: it keeps its place, and nothing of what it wrote is kept.
        let emptied = ended.contains(&offered.id());
        let edit = match offered {
            Offered::Edit(edit) if emptied => Edit { writes: BTreeMap::new(), ..edit },
            Offered::Edit(edit) => edit,
            Offered::Unreadable(unreadable) => {
                let unreadable = if emptied { Unreadable { raw: String::new(), ..unreadable } } else { unreadable };
                let why = if follows { judge::unreadable() } else { judge::protocol() };
                there.put_unreadable(writer.slot, rules.now, &unreadable, &why)?;
                done.outcomes.insert(unreadable.id, Outcome::Rejected(why));
                continue;
            }
        };
        let verdict = match unsure {
            _ if !follows => Err((edit, judge::protocol())),
            Some(why) => Err((edit, why.clone())),
            None if !(town == home || writer.who.works_in(town)) => Err((edit, ground::handed_over())),
            None => judge::judge(&mut *there, &ground.rules, writer, &mut ground.holding, edit, emptied)?,
        };
        match verdict {
            Ok(applied) => done.applied(&mut *there, ground, writer, applied)?,
            Err((edit, rejection)) => done.rejected(&mut *there, ground, writer, edit, rejection)?,
        }
    }

    let mut settled = BTreeSet::new();
    for (town, mut ground) in grounds {
        if again {
            ground.save.retain(|stored| !known.contains(&stored.edit.id));
            ground.quarantine.retain(|held| !known.contains(&held.edit.id));
        }
        settled.extend(keep(&mut *tx.at(town)?, ground)?);
    }
    if high_water != row.high_water {
        tx.set_high_water(writer.slot, high_water)?;
    }
    Ok(Accepted { receipts: done.receipts(), high_water, settled })
}

/// Writes what became of a town's edits. Says what their sender need not be told.
fn keep(tx: &mut dyn Tx, ground: Ground) -> Result<BTreeSet<(RecordId, Part)>, StoreError> {
    let Ground { rules, holding, save, quarantine, .. } = ground;
    let mut settled = holding.save(tx, &rules)?;
    tx.save_edits(&save)?;
    tx.put_quarantined(&quarantine)?;
    if tx.any_once()? {
        let saved: Vec<EditId> = save.iter().map(|stored| stored.edit.id).collect();
        let elsewhere: BTreeSet<EditId> = tx.stood_elsewhere(&saved)?.into_iter().collect();
        let moved = save.iter().filter(|stored| elsewhere.contains(&stored.edit.id));
        for changed in mend::fold_anew(tx, &rules, &moved.map(|stored| stored.edit.record).collect())? {
            settled.remove(&changed);
        }
    }
    let arrived = save.iter().map(|stored| stored.edit.id).chain(quarantine.iter().map(|held| held.edit.id));
    tx.drop_remains(&arrived.collect::<Vec<_>>())?;
    Ok(settled)
}

/// Whether edits stand where they may: each that is new has the n after the last one of the slot, each that came before
/// the dot it came with. If not, this server lacks edits (it was restored), or another handheld wrote under the same dots
/// (a clone, or files put back from a backup); to apply even one of them would cover edits that its author never saw, or
/// leave out some that they did. Edits of other slots are left to [`accept_all`], which rejects them one by one.
///
/// Protocol 1 cannot ask who it is: what came before may come there under a new dot, after another enrolment.
pub fn in_step(tx: &dyn Tx, slot: Slot, edits: &[Offered], protocol: u32) -> Result<bool, StoreError> {
    let row = tx.slot(slot)?.ok_or(StoreError::Missing("the slot"))?;
    let own: Vec<&Offered> = edits.iter().filter(|edit| edit.dot().slot == slot).collect();
    let ids: Vec<EditId> = own.iter().map(|edit| edit.id()).collect();
    let mut seen: BTreeMap<EditId, Dot> = tx.first_dots(&ids)?.into_iter().collect();
    let mut next = row.high_water + 1;
    for edit in own {
        let (id, dot) = (edit.id(), edit.dot());
        let follows = dot.n == next;
        match seen.get(&id) {
            None if !follows => return Ok(false),
            Some(first) if *first != dot && protocol > 1 => return Ok(false),
            _ => {}
        }
        seen.insert(id, dot);
        next += u64::from(follows);
    }
    Ok(true)
}

/// Applies one edit that was seen before and rejected: its id stands in quarantine. The caller sees to the high-water
/// mark and to the quarantine. On a rejection nothing is changed.
pub(super) fn apply_one(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    edit: Edit,
) -> Result<Result<VectorTimestamp, Rejection>, StoreError> {
    if Gone::of(&*tx, std::iter::once(edit.record), std::iter::once(&edit))?.takes_edit(&edit) {
        return Ok(Err(Rejection::of(RejectReason::Erased)));
    }
    let mut holding = Holding::load(tx, std::iter::once(&edit))?;
    let (edit, vector) = match judge::judge(tx, rules, writer, &mut holding, edit, false)? {
        Ok(applied) => applied,
        Err((_, rejection)) => return Ok(Err(rejection)),
    };
    holding.save(tx, rules)?;
    tx.save_edits(&[StoredEdit { edit, received: rules.now, vector: vector.clone(), origin: String::new() }])?;
    Ok(Ok(vector))
}

/// Outcomes on their way into the store.
#[derive(Default)]
struct Done {
    order: Vec<EditId>,
    outcomes: BTreeMap<EditId, Outcome>,
}

impl Done {
    fn applied(
        &mut self,
        tx: &mut dyn Tx,
        ground: &mut Ground,
        writer: &Writer,
        (edit, vector): (Edit, VectorTimestamp),
    ) -> Result<(), StoreError> {
        link(tx, &ground.rules, writer, &edit)?;
        self.outcomes.insert(edit.id, Outcome::Applied { vector: vector.clone() });
        ground.save.push(StoredEdit { edit, received: ground.rules.now, vector, origin: String::new() });
        Ok(())
    }

    fn rejected(
        &mut self,
        tx: &mut dyn Tx,
        ground: &mut Ground,
        writer: &Writer,
        edit: Edit,
        rejection: Rejection,
    ) -> Result<(), StoreError> {
        self.outcomes.insert(edit.id, Outcome::Rejected(rejection.clone()));
        let held = held(tx, &ground.rules, writer, edit, rejection)?;
        ground.quarantine.push(held);
        Ok(())
    }

    /// What was refused of a record in this request, which is erased now.
    fn forget(&mut self, tx: &mut dyn Tx, ground: &mut Ground, record: RecordId) -> Result<(), StoreError> {
        for held in ground.quarantine.extract_if(.., |held| held.edit.record == record) {
            tx.put_erased_edit(held.edit.id, held.edit.dot)?;
            self.outcomes.insert(held.edit.id, Outcome::Rejected(Rejection::of(RejectReason::Erased)));
        }
        Ok(())
    }

    fn receipts(&self) -> Vec<Receipt> {
        let outcome = |edit: &EditId| Some(Receipt { edit: *edit, outcome: self.outcomes.get(edit)?.clone() });
        self.order.iter().filter_map(outcome).collect()
    }
}

/// An edit on its way into quarantine.
fn held(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    mut edit: Edit,
    rejection: Rejection,
) -> Result<Quarantined, StoreError> {
    // Whoever the edit claims to be of: a false name would open its photos here and be taken on when released.
    if let Some(author) = judge::author_of(writer) {
        edit.author = author.into();
    }
    // Its photos are wanted and kept too: the edit may be released one day.
    link(tx, rules, writer, &edit)?;
    let (slot, received) = (writer.slot, rules.now);
    Ok(Quarantined { edit, slot, received, rejection, origin: String::new(), decision: None })
}

fn link(tx: &mut dyn Tx, rules: &Rules, writer: &Writer, edit: &Edit) -> Result<(), StoreError> {
    let links = photos::links(&*tx, &writer.who, &rules.areas, edit)?;
    if links.is_empty() { Ok(()) } else { tx.link_photos(writer.slot, &links) }
}

/// The dot of the next edit of a slot.
pub fn next_dot(tx: &dyn Tx, slot: Slot) -> Result<Dot, StoreError> {
    let row = tx.slot(slot)?.ok_or(StoreError::Missing("the slot"))?;
    Ok(Dot { slot, n: row.high_water + 1 })
}

/// A new writer in this town: checked unused.
pub fn new_slot(app: &AppState, tx: &mut dyn Tx, origin: Origin, label: &str) -> Result<Slot, StoreError> {
    loop {
        let slot = Slot::fresh(&*app.outside);
        if tx.slot(slot)?.is_none() {
            tx.put_slot(&SlotRow { slot, town: tx.town(), origin, label: label.to_owned(), high_water: 0 })?;
            return Ok(slot);
        }
    }
}

/// The console's writer in the present epoch; made when first asked for.
pub fn console_slot(app: &AppState, tx: &mut dyn Tx) -> Result<Slot, StoreError> {
    slot_of_epoch(app, tx, Origin::Console)
}

/// The writer of reports from any phone in the present epoch; made when first asked for.
pub fn intake_slot(app: &AppState, tx: &mut dyn Tx) -> Result<Slot, StoreError> {
    slot_of_epoch(app, tx, Origin::Intake)
}

fn slot_of_epoch(app: &AppState, tx: &mut dyn Tx, origin: Origin) -> Result<Slot, StoreError> {
    let key = format!("{}_slot_{}", origin.code(), tx.present_epoch()?);
    if let Some(slot) = tx.meta(&key)?.and_then(|text| text.parse().ok()) {
        return Ok(Slot(slot));
    }
    let slot = new_slot(app, tx, origin, origin.code())?;
    tx.set_meta(&key, &slot.to_string())?;
    Ok(slot)
}
