//! What becomes of edits that were not applied: whoever is responsible for the area now can accept them after all.

use shared::ids::EditId;
use shared::path::Path;
use shared::record::Part;
use shared::wire::Rejection;

use super::accept::{Rules, Writer, apply_one, console_slot, next_dot};
use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::store::{Audit, Decision, Origin, Quarantined, Read, StoreError, Tx, Undecided};

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// Done; the handheld that sent it is told in its next round.
    Done,
    /// It still cannot be applied; nothing changed.
    StillRejected(Rejection),
    /// Whoever asks may not decide on this one.
    NotAllowed,
    /// There is no such edit, or somebody has decided on it.
    NoSuchEdit,
}

/// Applies a quarantined edit with a new dot of the console's. It keeps its id, author, time and context [its old dot is
/// covered by vectors that never saw it].
pub fn release(app: &AppState, tx: &mut dyn Tx, rules: &Rules, who: &Who, id: EditId) -> Result<Decided, StoreError> {
    let Some(held) = undecided(tx, id)? else { return Ok(Decided::NoSuchEdit) };
    if !may_decide(tx, rules, who, &held)? {
        return Ok(Decided::NotAllowed);
    }
    let slot = console_slot(app, tx)?;
    let mut edit = held.edit;
    edit.dot = next_dot(tx, slot)?;
    let n = edit.dot.n;
    // As of an import the author is taken as given: who decides vouches with their own rights.
    let writer = Writer { who: who.clone(), slot, origin: Origin::Import };
    match apply_one(tx, rules, &writer, edit)? {
        Err(rejection) => Ok(Decided::StillRejected(rejection)),
        Ok(vector) => {
            tx.set_high_water(slot, n)?;
            tx.decide_quarantined(id, &Decision::Released(vector))?;
            note(tx, rules, who, "audit-release", id)?;
            Ok(Decided::Done)
        }
    }
}

/// Leaves a quarantined edit out for good and says why to its author. It stays in quarantine, marked.
pub fn dismiss(tx: &mut dyn Tx, rules: &Rules, who: &Who, id: EditId, why: &str) -> Result<Decided, StoreError> {
    let Some(held) = undecided(tx, id)? else { return Ok(Decided::NoSuchEdit) };
    if !may_decide(tx, rules, who, &held)? {
        return Ok(Decided::NotAllowed);
    }
    tx.decide_quarantined(id, &Decision::Dismissed(why.to_owned()))?;
    note(tx, rules, who, "audit-dismiss", id)?;
    Ok(Decided::Done)
}

fn undecided(tx: &dyn Tx, id: EditId) -> Result<Option<Quarantined>, StoreError> {
    Ok(tx.quarantined(id)?.filter(|held| held.decision.is_none()))
}

/// Whether `who` sees a quarantined edit and decides on it: by where the record lies; of one that does not exist, by
/// where the edit would put it; and what is restricted only if they are cleared.
pub fn may_decide(read: &dyn Read, rules: &Rules, who: &Who, held: &Quarantined) -> Result<bool, StoreError> {
    let edit = &held.edit;
    let stored = read.load_many(&[(edit.record, Part::Open)])?;
    let undecided = Undecided {
        edit: edit.id,
        part: edit.part,
        kind: edit.kind,
        area: edit.writes.get(&Path::field("area")).and_then(|value| value.get()),
        reach: stored.first().map(Reach::of),
    };
    Ok(is_for(rules, who, &undecided))
}

/// The same of one whose writes were not read.
pub fn is_for(rules: &Rules, who: &Who, undecided: &Undecided) -> bool {
    let Undecided { part, kind, area, .. } = *undecided;
    let reach = undecided.reach.clone().unwrap_or_else(|| {
        // What says no area of this town lies nowhere: it is for whoever is responsible for all of the town.
        let area = area.filter(|area| rules.areas.town_of(*area) == Some(who.user.town)).unwrap_or(who.user.town);
        Reach { kind, areas: vec![area], readers: Vec::new(), visit: false }
    });
    let may = |action| authorize(who, action, Some(&reach), &reach, &rules.areas).is_ok();
    may(Action::Decide) && may(Action::Read(part))
}

fn note(tx: &mut dyn Tx, rules: &Rules, who: &Who, action: &str, id: EditId) -> Result<(), StoreError> {
    tx.put_audit(&Audit {
        at: rules.now,
        user: Some(who.user.id),
        action: action.to_owned(),
        subject: id.to_string(),
        detail: String::new(),
    })
}
