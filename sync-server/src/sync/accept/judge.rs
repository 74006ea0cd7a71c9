//! One edit: may it be applied, and if so, applied.

use std::sync::Arc;

use shared::area::AreaLevel;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::limits::{EDIT_BYTES, WRITES_AN_EDIT};
use shared::merge::DELETED;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::validate::{self, Severity};
use shared::vector::VectorTimestamp;
use shared::view;
use shared::wire::{RejectReason, Rejection};
use shared::workflow::{self, Actor};

use super::held::{Held, Holding, nowhere};
use super::merging::Merging;
use super::room::has_room;
use super::{AREA, Rules, Writer};
use crate::auth::authorize::{Action, authorize};
use crate::store::{Origin, StoreError, Tx};
use crate::sync::projection;

/// An edit that was applied with the vector right after, or one that was not with the reason.
pub type Verdict = Result<(Edit, VectorTimestamp), (Edit, Rejection)>;

/// Its dot, author or epoch is not what the protocol allows.
pub fn protocol() -> Rejection {
    because(RejectReason::Protocol)
}

/// This version cannot read it.
pub fn unreadable() -> Rejection {
    because(RejectReason::Unknown)
}

fn because(reason: RejectReason) -> Rejection {
    Rejection { reason, path: None, detail: String::new(), note: String::new() }
}

/// Judges `edit`, which is in its place in its slot, and applies it to the record in hand if all agree. Of one that was
/// `emptied` nothing is left but its place, and its sender has to be told.
pub fn judge(
    tx: &mut dyn Tx,
    rules: &Rules,
    writer: &Writer,
    holding: &mut Holding,
    mut edit: Edit,
    emptied: bool,
) -> Result<Verdict, StoreError> {
    let merging = Merging::of(&*tx, holding, &edit)?;
    let Some(held) = holding.get_mut(edit.record) else { return Ok(Err((edit, protocol()))) };
    let named = match by_itself(rules, writer, &edit, emptied) {
        Ok(()) => author(writer, &mut edit),
        Err(rejection) => return Ok(Err((edit, rejection))),
    };
    let own_words = match named {
        Ok(own_words) => own_words,
        Err(rejection) => return Ok(Err((edit, rejection))),
    };
    if held.reach.is_none() && !(edit.part == Part::Open && edit.writes.contains_key(&Path::field(AREA))) {
        // Nothing is known of the record: what made it was rejected, or never came.
        let reason = if tx.has_quarantined(edit.record)? { RejectReason::Orphan } else { RejectReason::Unknown };
        return Ok(Err((edit, because(reason))));
    }
    if held.reach.as_ref().is_some_and(|reach| reach.kind != edit.kind) {
        return Ok(Err((edit, because(RejectReason::Unknown))));
    }
    if !merging.may(&writer.who, &rules.areas, &edit) {
        return Ok(Err((edit, because(RejectReason::NotAllowed))));
    }
    let merged = view::merged_into(held.open());
    let shown = edit.context.clone();
    clip(rules, held, &mut edit);
    // What is kept is as it was said; where edits stood once may be told better later.
    let todays = held.formerly.todays(&edit);
    match apply(rules, writer, held, &todays) {
        Err(rejection) => Ok(Err((edit, rejection))),
        Ok(()) => {
            merging.note(tx, rules, writer, edit.record, merged, held.open())?;
            let part = held.part_mut(edit.part);
            let mut computed = shown;
            computed.observe(edit.dot);
            let vector = part.state.vector().clone();
            part.touch(own_words && !emptied && computed == vector);
            Ok(Ok((edit, vector)))
        }
    }
}

/// Whether an edit is of a size that is kept.
pub fn fits(edit: &Edit) -> bool {
    let bytes: usize = edit.writes.iter().map(|(path, value)| path.as_str().len() + value.json().len()).sum();
    edit.writes.len() <= WRITES_AN_EDIT && bytes <= EDIT_BYTES
}

/// What is wrong with an edit whatever it is for.
fn by_itself(rules: &Rules, writer: &Writer, edit: &Edit, emptied: bool) -> Result<(), Rejection> {
    if !fits(edit) {
        return Err(because(RejectReason::Size));
    }
    if edit.epoch > rules.epoch || (edit.writes.is_empty() && !emptied) {
        return Err(protocol());
    }
    if rules.forms.get(edit.kind, edit.form).is_none() {
        return Err(because(RejectReason::Unknown));
    }
    let area = Path::field(AREA);
    if let Some(value) = edit.writes.get(&area) {
        let known = value.get().is_some_and(|id| rules.areas.get(id).is_some_and(|it| it.level > AreaLevel::County));
        if !known {
            return Err(Rejection { path: Some(area), ..because(RejectReason::Unknown) });
        }
    }
    if writer.slot != edit.dot.slot {
        return Err(protocol());
    }
    Ok(())
}

/// Who the credential names; none of an import, whose authors are taken as given. Of a report from any phone it is nobody:
/// whoever sent it stays a role.
pub fn author_of(writer: &Writer) -> Option<Author> {
    let user = &writer.who.user;
    match writer.origin {
        Origin::Import => None,
        Origin::Intake => Some(Author { user: None, name: String::new(), role: Role::Informant }),
        Origin::Device | Origin::Console => {
            // What the server writes by itself is nobody's, see `Who::nobody`.
            let id = Some(user.id).filter(|id| !id.0.is_nil());
            Some(Author { user: id, name: user.name.clone(), role: user.role })
        }
    }
}

/// The author is who the credential names. The name and role are the server's: a person may have got new ones since, or
/// may claim others. Says whether the edit had them right.
fn author(writer: &Writer, edit: &mut Edit) -> Result<bool, Rejection> {
    let Some(right) = author_of(writer) else { return Ok(true) };
    if edit.author.user != right.user {
        return Err(protocol());
    }
    if *edit.author == right {
        return Ok(true);
    }
    edit.author = Arc::new(right);
    Ok(false)
}

/// A context read in the present epoch covers no dot that was not applied: else a forged one would bury the future.
fn clip(rules: &Rules, held: &mut Held, edit: &mut Edit) {
    if edit.epoch != rules.epoch {
        return;
    }
    let mut applied = held.part_mut(edit.part).state.vector().clone();
    // The slot's own earlier edits have their outcomes, rejected ones included.
    if edit.dot.n > 1 {
        applied.observe((edit.dot.slot, edit.dot.n - 1).into());
    }
    if !applied.covers_all(&edit.context) {
        edit.context = edit.context.clipped_to(&applied);
    }
}

/// Rights and workflow; then the edit is applied.
fn apply(rules: &Rules, writer: &Writer, held: &mut Held, edit: &Edit) -> Result<(), Rejection> {
    let open = edit.part == Part::Open;
    let moves = open && edit.writes.contains_key(&Path::field(AREA));
    let next = if moves {
        let mut next = held.open().clone();
        next.apply(edit);
        Some(next)
    } else {
        None
    };
    let after = match (&held.reach, &next) {
        (Some(reach), None) => reach.clone(),
        (reach, next) => {
            let mut after = reach.clone().unwrap_or_else(|| nowhere(edit.kind));
            after.areas = next.as_ref().map(view::areas).unwrap_or_default();
            after
        }
    };
    let fields: Vec<&str> = edit.writes.keys().map(Path::field_name).collect();
    let action = Action::Write { part: edit.part, fields: &fields };
    authorize(&writer.who, action, held.reach.as_ref(), &after, &rules.areas)
        .map_err(|_| because(RejectReason::NotAllowed))?;
    form(rules, edit)?;
    // Before anything of it is folded.
    if !has_room(&held.part_mut(edit.part).state, edit, writer.who.user.role) {
        return Err(because(RejectReason::Size));
    }
    if open && edit.kind == RecordKind::Event {
        workflow::judge(held.open(), edit, &actor(rules, writer), &rules.calendar)
            .map_err(|detail| Rejection { detail: detail.to_owned(), ..because(RejectReason::Workflow) })?;
    }
    match next {
        Some(next) => held.part_mut(edit.part).state = next,
        None => {
            held.part_mut(edit.part).state.apply(edit);
        }
    }
    // What says who else may read it, and who may not.
    let says_who = |field: &&str| [workflow::STEPS, projection::CATEGORY, DELETED].contains(field);
    held.reach = Some(if open && edit.kind == RecordKind::Event && (moves || fields.iter().any(says_who)) {
        projection::reach(edit.kind, held.open(), &rules.calendar)
    } else {
        after
    });
    held.created();
    Ok(())
}

/// By the form version it names. Asked after the rights: whoever may not write here learns nothing of what is wrong, and
/// with the context clipped: a forged one does not pass a creation off as a change.
fn form(rules: &Rules, edit: &Edit) -> Result<(), Rejection> {
    let Some(form) = rules.forms.get(edit.kind, edit.form) else { return Err(because(RejectReason::Unknown)) };
    let refused = validate::edit(form, edit).into_iter().find(|problem| problem.severity == Severity::Refused);
    match refused {
        None => Ok(()),
        Some(problem) => {
            Err(Rejection { path: Some(problem.path), detail: problem.code.to_owned(), ..because(RejectReason::Form) })
        }
    }
}

/// Who acts, at the highest level of their scope.
fn actor(rules: &Rules, writer: &Writer) -> Actor {
    let user = &writer.who.user;
    let levels = user.scope.iter().filter_map(|root| rules.areas.get(*root)).map(|area| area.level);
    Actor::new(user.id, user.role, levels.min().unwrap_or(AreaLevel::Grid))
}
