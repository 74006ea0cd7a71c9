//! What is allowed: an entry is judged by the state at its own context, so that a handheld and the server agree.

use super::{Actor, EventState, Level, MAX_DAYS, STEPS, Stage, Step, StepEntry, fold_at};
use crate::author::Role;
use crate::calendar::Calendar;
use crate::edit::Edit;
use crate::ids::EditId;
use crate::merge::PartState;
use crate::record::{Part, RecordKind};
use crate::workflow::Limit;

/// What `actor` may do now, in the order of the buttons.
pub fn allowed(state: &EventState, actor: &Actor) -> Vec<Step> {
    Step::ALL.iter().copied().filter(|step| may(state, actor, *step).is_ok()).collect()
}

/// Whether `edit` of an event is possible in the state it was made in (its context). `Err` is a message key.
///
/// An archived event takes no write of any kind; a write that did not see the archiving is not refused for it.
pub fn judge(open: &PartState, edit: &Edit, actor: &Actor, calendar: &Calendar) -> Result<(), &'static str> {
    let mut steps = edit.writes.iter().filter(|(path, _)| path.field_name() == STEPS);
    let first = steps.next();
    if edit.kind != RecordKind::Event || edit.part != Part::Open {
        return if first.is_some() { Err("workflow-not-an-event") } else { Ok(()) };
    }
    if steps.next().is_some() {
        return Err("workflow-one-step");
    }
    let state = fold_at(open, &edit.context, calendar);
    if state.stage == Stage::Archived && !state.is_contested() {
        return Err("workflow-archived");
    }
    let Some((path, value)) = first else { return Ok(()) };
    if value.is_null() {
        return Err("workflow-entry-once");
    }
    if path.element_name().and_then(|name| name.parse::<EditId>().ok()) != Some(edit.id) {
        return Err("workflow-entry-once");
    }
    let entry: StepEntry = value.get().ok_or("workflow-bad-entry")?;
    may(&state, actor, entry.step)?;
    content(&state, actor, &entry, calendar)
}

/// Whether `actor` may do `step` in `state`.
fn may(state: &EventState, actor: &Actor, step: Step) -> Result<(), &'static str> {
    let starts = matches!(step, Step::Report | Step::SettleOnSite);
    if state.reported_at.is_none() {
        return match step {
            Step::SettleOnSite => yours(actor.role != Role::Informant),
            _ if starts => Ok(()),
            _ => Err("workflow-not-reported"),
        };
    }
    if state.is_contested() {
        return may_when_contested(state, actor, step);
    }
    let leads = leads(state, actor);
    let dispatches = dispatches(state, actor);
    let hosts = state.host == Some(actor.user);
    let reported = state.reporter == Some(actor.user);
    match (step, state.stage) {
        (_, Stage::Archived) => Err("workflow-archived"),
        (Step::Report, _) => Err("workflow-already-reported"),
        (Step::SettleOnSite, Stage::Reported) => yours(
            leads
                || matches!(actor.role, Role::GridMember | Role::PatrolMember)
                || (reported && actor.role != Role::Informant),
        ),
        (Step::Take | Step::Dispatch, Stage::Reported) => yours(leads || dispatches),
        (Step::Dispatch, Stage::Handling) => yours(dispatches),
        (Step::Raise, Stage::Reported) if state.level == Level::Centre => Err("workflow-top"),
        (Step::Raise, Stage::Reported) => yours(leads),
        (Step::Handle, Stage::Handling) => yours(state.is_handled_by(actor.user)),
        (Step::Extend, Stage::Handling) if state.asked.is_some() => Err("workflow-already-asked"),
        (Step::Extend | Step::SendBack, Stage::Handling) => yours(hosts),
        (Step::GrantExtension, Stage::Handling) if state.asked.is_none() => Err("workflow-nothing-asked"),
        (Step::GrantExtension, Stage::Handling) => yours(dispatches),
        (Step::Feedback, Stage::Handled) => yours(hosts || reported || dispatches),
        (Step::Close, Stage::Handled) if state.settled_on_site => yours(leads),
        (Step::Close, Stage::Answered) => yours(dispatches || (state.settled_on_site && leads)),
        (Step::Archive, Stage::Closed) => yours(actor.role == Role::CenterStaff),
        (Step::Urge, Stage::Reported | Stage::Handling | Stage::Handled) => yours(leads || dispatches || reported),
        (Step::Supervise, Stage::Reported | Stage::Handling | Stage::Handled | Stage::Answered) => {
            yours(supervises(actor))
        }
        _ => Err("workflow-not-now"),
    }
}

/// A contested event moves by the decision of who leads or dispatched, nobody else; notes are always welcome.
fn may_when_contested(state: &EventState, actor: &Actor, step: Step) -> Result<(), &'static str> {
    match step {
        Step::Take | Step::Dispatch | Step::Close => {
            if leads(state, actor) || dispatches(state, actor) {
                Ok(())
            } else {
                Err("workflow-contested")
            }
        }
        Step::Handle => yours(state.is_handled_by(actor.user)),
        Step::Urge => yours(leads(state, actor) || dispatches(state, actor) || state.reporter == Some(actor.user)),
        Step::Supervise => yours(supervises(actor)),
        _ => Err("workflow-contested"),
    }
}

fn yours(is: bool) -> Result<(), &'static str> {
    if is { Ok(()) } else { Err("workflow-not-yours") }
}

/// Centre staff, and a 网格长 at or above the level that holds the event.
fn leads(state: &EventState, actor: &Actor) -> bool {
    actor.role == Role::CenterStaff || (actor.role == Role::GridLeader && actor.level >= state.level)
}

/// Who dispatched, and centre staff.
fn dispatches(state: &EventState, actor: &Actor) -> bool {
    actor.role == Role::CenterStaff || state.dispatcher == Some(actor.user)
}

fn supervises(actor: &Actor) -> bool {
    actor.role == Role::CenterStaff || (actor.role == Role::GridLeader && actor.level == Level::Centre)
}

/// Whether an entry says what its step needs.
fn content(state: &EventState, actor: &Actor, entry: &StepEntry, calendar: &Calendar) -> Result<(), &'static str> {
    let silent = entry.text.trim().is_empty();
    let unsaid = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    match entry.step {
        Step::Take | Step::Dispatch => {
            let host = match entry.step {
                Step::Take => entry.host.unwrap_or(actor.user),
                _ => entry.host.ok_or("workflow-host-missing")?,
            };
            if entry.helpers.contains(&host) {
                return Err("workflow-host-is-helper");
            }
            if entry.limit.is_some_and(Limit::is_too_long) { Err("workflow-limit-too-long") } else { Ok(()) }
        }
        Step::Handle if silent => Err("workflow-text-missing"),
        Step::Handle if entry.done == Some(true) && state.is_contested() => Err("workflow-contested"),
        Step::Handle if entry.done == Some(true) => yours(state.host == Some(actor.user)),
        Step::Extend | Step::SendBack if silent => Err("workflow-reason-missing"),
        Step::Extend => more_time(state, entry.limit.ok_or("workflow-limit-missing")?, calendar),
        Step::GrantExtension => match entry.limit.or(state.asked.as_ref().map(|asked| asked.limit)) {
            Some(limit) => more_time(state, limit, calendar),
            None => Err("workflow-limit-missing"),
        },
        Step::Close if unsaid(&entry.outcome) => Err("workflow-outcome-missing"),
        Step::Archive if unsaid(&entry.ledger) => Err("workflow-ledger-missing"),
        _ => Ok(()),
    }
}

/// Whether `limit` more keeps the whole within what anybody may set.
fn more_time(state: &EventState, limit: Limit, calendar: &Calendar) -> Result<(), &'static str> {
    let (Some(since), Some(due)) = (state.since, state.due) else { return Err("workflow-not-now") };
    let latest = calendar.due(since, Limit::Days(MAX_DAYS));
    if limit.is_too_long() || calendar.due(due, limit) > latest { Err("workflow-limit-too-long") } else { Ok(()) }
}
