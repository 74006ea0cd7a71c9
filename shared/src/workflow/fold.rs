//! The fold: what the log of steps says, the same for every order of arrival and for any clocks.
//!
//! The rule is the one of merging, once more: a move is *open* unless another move's context covers it. One open move
//! says where the event stands. Several did not see each other: the table of `pairs` says which of them is moot and
//! which are at odds. No step of this looks at the order of concurrent entries or at a clock (times are only carried).

use chrono::{DateTime, Utc};

use super::pairs::{Move, Verdict, verdict};
use super::{Asked, EventState, Level, Limit, STEPS, Stage, Step, StepEntry, usual_limit};
use crate::author::Role;
use crate::calendar::Calendar;
use crate::ids::{Dot, EditId, UserId};
use crate::merge::PartState;
use crate::order::causal;
use crate::vector::VectorTimestamp;

/// One entry of the log with what is known of its edit.
struct Entry<'a> {
    id: EditId,
    dot: Dot,
    at: DateTime<Utc>,
    user: Option<UserId>,
    role: Role,
    context: &'a VectorTimestamp,
    said: StepEntry,
    makes: Option<Move>,
}

/// The state of an event by its open part.
pub fn fold(open: &PartState, calendar: &Calendar) -> EventState {
    fold_those(open, calendar, |_| true)
}

/// The state of an event as somebody saw it who had seen `context`.
pub fn fold_at(open: &PartState, context: &VectorTimestamp, calendar: &Calendar) -> EventState {
    fold_those(open, calendar, |dot| context.covers(dot))
}

fn fold_those(open: &PartState, calendar: &Calendar, seen: impl Fn(Dot) -> bool) -> EventState {
    let entries = entries(open, seen);
    let all: Vec<usize> = (0..entries.len()).collect();
    let mut after: Vec<EventState> = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let effective = entry.makes.is_some() || entry.said.step == Step::GrantExtension;
        after.push(if effective {
            let before: Vec<usize> = all
                .iter()
                .take(place)
                .copied()
                .filter(|earlier| entries.get(*earlier).is_some_and(|earlier| entry.context.covers(earlier.dot)))
                .collect();
            step(state_of(&before, &entries, &after), entry, calendar)
        } else {
            EventState::default()
        });
    }
    state_of(&all, &entries, &after)
}

/// The entries that `seen` lets through, in causal order with ties by dot: never by a clock.
fn entries<'a>(open: &'a PartState, seen: impl Fn(Dot) -> bool) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = open
        .live_under(STEPS)
        .filter(|(_, write)| seen(write.dot))
        // A log entry belongs to the edit it is named for; a step of a later version is carried and not folded.
        .filter(|(path, write)| path.element_name() == Some(write.head.id.to_string().as_str()))
        .filter_map(|(_, write)| {
            let said: StepEntry = write.value.get()?;
            Some(Entry {
                id: write.head.id,
                dot: write.dot,
                at: write.head.at,
                user: write.head.author.user,
                role: write.head.author.role,
                context: &write.head.context,
                makes: Move::of(&said),
                said,
            })
        })
        .collect();
    let items: Vec<_> = entries.iter().map(|entry| (entry.dot, entry.context, entry.dot)).collect();
    let mut order: Vec<(usize, usize)> =
        causal(&items).into_iter().enumerate().map(|(rank, place)| (place, rank)).collect();
    order.sort_unstable();
    let mut ranked: Vec<(usize, Entry<'a>)> = order.into_iter().map(|(_, rank)| rank).zip(entries.drain(..)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

/// An entry with the state right after it.
type Stood<'a, 'b> = (&'b Entry<'a>, Move, &'b EventState);

/// The state that the entries at `places` make together.
fn state_of(places: &[usize], entries: &[Entry<'_>], after: &[EventState]) -> EventState {
    let there = || places.iter().filter_map(|place| Some((entries.get(*place)?, after.get(*place)?)));
    let moves: Vec<Stood<'_, '_>> = there().filter_map(|(entry, after)| Some((entry, entry.makes?, after))).collect();
    let mut seen = VectorTimestamp::new();
    for (entry, ..) in &moves {
        seen.join(entry.context);
    }
    let open: Vec<Stood<'_, '_>> = moves.into_iter().filter(|(entry, ..)| !seen.covers(entry.dot)).collect();
    let mut state = together(&open);
    for (entry, after) in there() {
        beside(&mut state, entry, after, &seen);
    }
    if state.stage == Stage::Handling {
        let granted = |asked: &Entry<'_>| {
            there().any(|(entry, _)| entry.said.step == Step::GrantExtension && entry.context.covers(asked.dot))
        };
        state.asked = there()
            .map(|(entry, _)| entry)
            .filter(|entry| entry.said.step == Step::Extend && !seen.covers(entry.dot) && !granted(entry))
            .min_by_key(|entry| entry.dot)
            .and_then(|entry| {
                Some(Asked { entry: entry.id, limit: entry.said.limit?, reason: entry.said.text.clone() })
            });
    }
    state
}

/// All of an entry that a verdict goes by.
type Said<'b> = (Move, Option<UserId>, &'b [UserId], Option<Limit>, Option<&'b str>, Option<&'b str>);

fn said<'b>((_, makes, after): &Stood<'_, 'b>) -> Said<'b> {
    (*makes, after.host, &after.helpers, after.limit, after.outcome.as_deref(), after.ledger.as_deref())
}

/// What moves say together that did not see each other.
fn together(open: &[Stood<'_, '_>]) -> EventState {
    let against = |a: &Stood<'_, '_>, b: &Stood<'_, '_>| verdict((a.1, a.2), (b.1, b.2));
    // One stands for all that say the same, so that hundreds of reports do not cost their square.
    let mut kinds: Vec<&Stood<'_, '_>> = Vec::new();
    for it in open {
        if !kinds.iter().any(|kind| said(kind) == said(it)) {
            kinds.push(it);
        }
    }
    let stands = |it: &Stood<'_, '_>| !kinds.iter().any(|other| against(it, other) == Verdict::SecondStands);
    let mut standing: Vec<&Stood<'_, '_>> = open.iter().filter(|it| stands(it)).collect();
    // The least advanced stage leads: what is not finished for somebody is not finished. Then the smallest dot.
    standing.sort_by_key(|(entry, _, after)| (after.stage, entry.dot));
    let Some((_, _, leading)) = standing.first() else { return EventState::default() };
    let mut state = (*leading).clone();
    state.level = open.iter().map(|(.., after)| after.level).max().unwrap_or_default();
    state.contested = Vec::new();
    let at_odds = |a: &Stood<'_, '_>| kinds.iter().any(|b| against(a, b) == Verdict::Contested);
    let mut by_dot = standing.clone();
    by_dot.sort_by_key(|(entry, ..)| entry.dot);
    by_dot.retain(|it| at_odds(it));
    for (place, a) in by_dot.iter().enumerate() {
        for b in by_dot.iter().skip(place + 1).filter(|b| against(a, b) == Verdict::Contested) {
            state.contested.push((a.0.id, b.0.id));
        }
    }
    if state.is_contested() {
        // Whoever was made responsible by either side goes on seeing the event.
        let others = standing.iter().flat_map(|(.., after)| after.helpers.iter().copied().chain(after.host));
        state.helpers.extend(others.collect::<Vec<_>>());
        state.helpers.retain(|helper| Some(*helper) != state.host);
    }
    state.helpers.sort_unstable();
    state.helpers.dedup();
    state
}

/// What an entry that is no move adds. `seen`: what the moves have seen.
fn beside(state: &mut EventState, entry: &Entry<'_>, after: &EventState, seen: &VectorTimestamp) {
    match entry.said.step {
        // Of two grants that did not see each other the longer one counts: no order, no sum.
        Step::GrantExtension if state.assigned.is_some_and(|assigned| entry.context.covers(assigned)) => {
            state.due = state.due.max(after.due);
        }
        Step::Urge if !seen.covers(entry.dot) => state.urged += 1,
        Step::Supervise => state.supervised = true,
        _ => {}
    }
}

/// The state right after `entry`, which was made in state `state`.
fn step(mut state: EventState, entry: &Entry<'_>, calendar: &Calendar) -> EventState {
    let said = &entry.said;
    if entry.makes.is_some() {
        state.moved_at = Some(entry.at);
        state.contested = Vec::new();
        state.asked = None;
        state.urged = 0;
        if said.step != Step::Archive {
            state.closed_at = None;
        }
    }
    let assign = |state: &mut EventState, host: Option<UserId>| {
        let limit = said.limit.unwrap_or_else(|| usual_limit(None));
        state.stage = Stage::Handling;
        state.host = host;
        state.helpers = said.helpers.clone();
        state.helpers.sort_unstable();
        state.helpers.dedup();
        state.dispatcher = entry.user;
        state.since = Some(entry.at);
        state.limit = Some(limit);
        state.due = Some(calendar.due(entry.at, limit));
        state.assigned = Some(entry.dot);
        state.settled_on_site = false;
        state.satisfied = None;
    };
    match said.step {
        Step::Report | Step::SettleOnSite => {
            if state.reported_at.is_none() {
                state.reported_at = Some(entry.at);
                state.reporter = entry.user;
                state.level = begins_at(entry.role);
            }
            if said.step == Step::SettleOnSite {
                state.stage = Stage::Handled;
                state.settled_on_site = true;
                state.host = entry.user;
            }
        }
        Step::Take => assign(&mut state, said.host.or(entry.user)),
        Step::Dispatch => assign(&mut state, said.host),
        Step::Raise => {
            state.stage = Stage::Reported;
            state.level = state.level.above();
        }
        Step::Handle => state.stage = Stage::Handled,
        Step::GrantExtension => {
            let more = said.limit.or(state.asked.as_ref().map(|asked| asked.limit));
            state.due = state.due.zip(more).map(|(due, more)| calendar.due(due, more)).or(state.due);
        }
        Step::SendBack => {
            state.stage = Stage::Reported;
            state.host = None;
            state.helpers = Vec::new();
            (state.since, state.limit, state.due, state.assigned) = (None, None, None, None);
        }
        Step::Feedback => {
            state.satisfied = said.satisfied;
            state.stage = Stage::Answered;
            if said.satisfied == Some(false) {
                state.stage = Stage::Handling;
                state.settled_on_site = false;
                // Settled on site had no limit; now its time begins to run. Any other keeps the time it had.
                if state.due.is_none() {
                    let limit = usual_limit(None);
                    state.since = Some(entry.at);
                    state.limit = Some(limit);
                    state.due = Some(calendar.due(entry.at, limit));
                    state.assigned = Some(entry.dot);
                }
            }
        }
        Step::Close => {
            state.stage = Stage::Closed;
            state.outcome = said.outcome.clone();
            state.closed_at = Some(entry.at);
        }
        Step::Archive => {
            state.stage = Stage::Archived;
            state.ledger = said.ledger.clone();
        }
        Step::Extend | Step::Urge | Step::Supervise => {}
    }
    state
}

/// Who has to look first: the lowest 网格长; of what the centre or a department took in, the centre.
fn begins_at(role: Role) -> Level {
    match role {
        Role::CenterStaff | Role::Department | Role::Admin => Level::Centre,
        Role::GridMember | Role::GridLeader | Role::Informant | Role::PatrolMember => Level::Grid,
    }
}
