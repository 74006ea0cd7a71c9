//! Accepting edits: the one place where records change.
//!
//! All edits of a request go in one transaction, grouped by record: each record is read once and written once, however
//! many edits it gets. A rejected edit changes nothing but the high-water mark of its slot and stands in quarantine.

mod erased;
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
use shared::wire::{HeldEdit, Outcome, Receipt, RejectReason, Rejection};

use self::erased::Gone;
use self::held::Holding;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Origin, Quarantined, SlotRow, StoreError, StoredEdit, Tx};
use crate::sync::incoming::{Offered, Unreadable};
use crate::sync::photos;

/// The detail of a rejection: the credential was used by two, a message key.
const DOUBLED: &str = "credential-doubled";

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
    Ok(accept_all(tx, rules, writer, edits.into_iter().map(Offered::Edit).collect())?.receipts)
}

/// The same, with all that a sync answers of it.
pub fn accept_all(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    edits: Vec<Offered>,
) -> Result<Accepted, StoreError> {
    take_all(tx, rules, writer, edits, None)
}

/// The same of a writer nobody can be sure of: what is new goes into quarantine, whatever it is, until somebody at the
/// centre has asked who wrote it.
pub fn hold_all(tx: &mut dyn Tx, rules: &Rules, writer: &Writer, edits: Vec<Offered>) -> Result<Accepted, StoreError> {
    let why = Rejection { detail: DOUBLED.to_owned(), ..Rejection::of(RejectReason::NotAllowed) };
    take_all(tx, rules, writer, edits, Some(&why))
}

fn take_all(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    edits: Vec<Offered>,
    unsure: Option<&Rejection>,
) -> Result<Accepted, StoreError> {
    let row = tx.slot(writer.slot)?.ok_or(StoreError::Missing("the slot"))?;
    let mut high_water = row.high_water;
    let ids: Vec<EditId> = edits.iter().map(Offered::id).collect();
    let seen: BTreeMap<EditId, Outcome> = tx.outcomes(&ids)?.into_iter().map(|it| (it.edit, it.outcome)).collect();
    let known: BTreeSet<EditId> = seen.keys().copied().collect();
    let mut done = Done { outcomes: seen, ..Done::default() };
    // Planted mistake, see shared::mutants: what the server has is applied again when it comes under a new dot.
    let again = Mutant::ForkReapplies.on();
    let fresh = edits.iter().filter_map(Offered::edit).filter(|edit| again || !done.outcomes.contains_key(&edit.id));
    let mut holding = Holding::load(tx, fresh)?;
    let mut gone = Gone::of_offered(&*tx, &edits)?;
    let ended = tx.ended_of(&ids)?;

    for offered in edits {
        done.order.push(offered.id());
        let follows = offered.dot() == Dot { slot: writer.slot, n: high_water + 1 };
        // Whatever becomes of it, an edit in its place consumes its n: the next one follows on. So does a repetition
        // under a new dot (offered again after a re-enrolment).
        if follows {
            high_water += 1;
        }
        if done.outcomes.contains_key(&offered.id()) && !(again && follows) {
            if follows && let Some(edit) = offered.edit().filter(|edit| !gone.takes_edit(edit)) {
                // Under its new dot too it is only whole with its photos: those of who brings it, whomever it names.
                let mut edit = edit.clone();
                if let Some(author) = judge::author_of(writer) {
                    edit.author = author.into();
                }
                done.link(tx, rules, writer, &edit)?;
            }
            continue;
        }
        if gone.takes(&offered) {
            let begins = erased::begins(&holding, &offered);
            if let Some(record) = begins {
                done.forget(tx, record)?;
            }
            gone.keep_out(tx, rules.now, offered.id(), offered.dot(), begins)?;
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
                tx.put_unreadable(writer.slot, rules.now, &unreadable, &why)?;
                done.outcomes.insert(unreadable.id, Outcome::Rejected(why));
                continue;
            }
        };
        let verdict = match unsure {
            _ if !follows => Err((edit, judge::protocol())),
            Some(why) => Err((edit, why.clone())),
            None => judge::judge(tx, rules, writer, &mut holding, edit, emptied)?,
        };
        match verdict {
            Ok(applied) => done.applied(tx, rules, writer, applied)?,
            Err((edit, rejection)) => done.rejected(tx, rules, writer, edit, rejection)?,
        }
    }

    let mut settled = holding.save(tx, rules)?;
    if again {
        done.save.retain(|stored| !known.contains(&stored.edit.id));
        done.quarantine.retain(|held| !known.contains(&held.edit.id));
    }
    tx.save_edits(&done.save)?;
    tx.put_quarantined(&done.quarantine)?;
    if tx.any_once()? {
        let saved: Vec<EditId> = done.save.iter().map(|stored| stored.edit.id).collect();
        let elsewhere: BTreeSet<EditId> = tx.stood_elsewhere(&saved)?.into_iter().collect();
        let moved = done.save.iter().filter(|stored| elsewhere.contains(&stored.edit.id));
        for changed in mend::fold_anew(tx, rules, &moved.map(|stored| stored.edit.record).collect())? {
            settled.remove(&changed);
        }
    }
    let arrived = done.save.iter().map(|stored| stored.edit.id).chain(done.quarantine.iter().map(|held| held.edit.id));
    tx.drop_remains(&arrived.collect::<Vec<_>>())?;
    if high_water != row.high_water {
        tx.set_high_water(writer.slot, high_water)?;
    }
    Ok(Accepted { receipts: done.receipts(), high_water, settled })
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

/// Puts into quarantine again what was refused before a restore and is not known any more: not judged, because contexts of
/// others may cover its dot and have not seen it.
pub fn hold_again(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    held: Vec<HeldEdit<Edit>>,
) -> Result<(), StoreError> {
    if held.is_empty() {
        return Ok(());
    }
    let ids: Vec<EditId> = held.iter().map(|held| held.edit.id).collect();
    let mut known: BTreeSet<EditId> = tx.outcomes(&ids)?.into_iter().map(|it| it.edit).collect();
    let records = held.iter().map(|held| held.edit.record);
    let mut gone = Gone::of(&*tx, records, held.iter().map(|held| &held.edit))?;
    let holding = Holding::load(&*tx, held.iter().map(|held| &held.edit))?;
    let mut done = Done::default();
    let ended = tx.ended_of(&ids)?;
    for HeldEdit { mut edit, why } in held {
        // The words of a decision are of whoever decided, and that decision is lost.
        let why = Rejection { note: String::new(), ..why };
        if !judge::fits(&edit) || !known.insert(edit.id) {
            continue;
        }
        if ended.contains(&edit.id) {
            edit.writes.clear();
        }
        if gone.takes_edit(&edit) {
            let begins = holding.get(edit.record).is_none_or(|held| held.reach.is_none());
            gone.keep_out(tx, rules.now, edit.id, edit.dot, begins.then_some(edit.record))?;
        } else {
            done.rejected(tx, rules, writer, edit, why)?;
        }
    }
    tx.put_quarantined(&done.quarantine)?;
    // What another edit claims to have been known by may have been one of these.
    let dots: Vec<Dot> = done.quarantine.iter().map(|held| held.edit.dot).collect();
    let claimed: BTreeSet<RecordId> = tx.once_at(&dots)?.into_iter().collect();
    mend::fold_anew(tx, rules, &claimed)?;
    Ok(())
}

/// Outcomes on their way into the store.
#[derive(Default)]
struct Done {
    order: Vec<EditId>,
    outcomes: BTreeMap<EditId, Outcome>,
    save: Vec<StoredEdit>,
    quarantine: Vec<Quarantined>,
}

impl Done {
    fn applied(
        &mut self,
        tx: &mut dyn Tx,
        rules: &Rules,
        writer: &Writer,
        (edit, vector): (Edit, VectorTimestamp),
    ) -> Result<(), StoreError> {
        self.link(tx, rules, writer, &edit)?;
        self.outcomes.insert(edit.id, Outcome::Applied { vector: vector.clone() });
        self.save.push(StoredEdit { edit, received: rules.now, vector, origin: String::new() });
        Ok(())
    }

    fn rejected(
        &mut self,
        tx: &mut dyn Tx,
        rules: &Rules,
        writer: &Writer,
        mut edit: Edit,
        rejection: Rejection,
    ) -> Result<(), StoreError> {
        // Whoever the edit claims to be of: a false name would open its photos here and be taken on when released.
        if let Some(author) = judge::author_of(writer) {
            edit.author = author.into();
        }
        // Its photos are wanted and kept too: the edit may be released one day.
        self.link(tx, rules, writer, &edit)?;
        self.outcomes.insert(edit.id, Outcome::Rejected(rejection.clone()));
        self.quarantine.push(Quarantined {
            edit,
            slot: writer.slot,
            received: rules.now,
            rejection,
            origin: String::new(),
            decision: None,
        });
        Ok(())
    }

    /// What was refused of a record in this request, which is erased now.
    fn forget(&mut self, tx: &mut dyn Tx, record: RecordId) -> Result<(), StoreError> {
        for held in self.quarantine.extract_if(.., |held| held.edit.record == record) {
            tx.put_erased_edit(held.edit.id, held.edit.dot)?;
            self.outcomes.insert(held.edit.id, Outcome::Rejected(Rejection::of(RejectReason::Erased)));
        }
        Ok(())
    }

    fn link(&self, tx: &mut dyn Tx, rules: &Rules, writer: &Writer, edit: &Edit) -> Result<(), StoreError> {
        let links = photos::links(&*tx, &writer.who, &rules.areas, edit)?;
        if links.is_empty() { Ok(()) } else { tx.link_photos(writer.slot, &links) }
    }

    fn receipts(&self) -> Vec<Receipt> {
        let outcome = |edit: &EditId| Some(Receipt { edit: *edit, outcome: self.outcomes.get(edit)?.clone() });
        self.order.iter().filter_map(outcome).collect()
    }
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
