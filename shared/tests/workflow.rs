//! An event's life as stories, and what must hold for any log: no order of arrival and no clock decides the state.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

mod history;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use history::{Delivery, at, author, histories_of, path};
use proptest::prelude::*;
use shared::area::AreaLevel;
use shared::author::Role;
use shared::calendar::Calendar;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot, UserId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::workflow::{
    Actor, EventState, Level, Light, Limit, Move, Rule, STEPS, Same, Stage, Step, StepEntry, allowed, fold, held_by,
    judge, light, rule,
};
use uuid::Uuid;

const HOUR: i64 = 3_600_000;
const OK: Result<(), &str> = Ok(());

/// Somebody with a handheld (or at the console): what is on the screen, and what they saved and did not send.
struct Person {
    slot: Slot,
    actor: Actor,
    saved: u64,
    screen: PartState,
    outbox: Vec<Edit>,
}

/// The server and its clock.
struct Centre {
    open: PartState,
    now: i64,
    calendar: Calendar,
}

impl Person {
    fn new(slot: u64, role: Role, scope: AreaLevel) -> Self {
        let actor = Actor::new(UserId(Uuid::from_u64_pair(7, slot)), role, scope);
        Self { slot: Slot(slot), actor, saved: 0, screen: PartState::default(), outbox: Vec::new() }
    }

    fn user(&self) -> UserId {
        self.actor.user
    }

    /// Saves a step offline; the handheld does not ask whether it may.
    fn say(&mut self, centre: &Centre, entry: StepEntry) {
        self.saved += 1;
        let dot = Dot { slot: self.slot, n: self.saved };
        let id = EditId(Uuid::from_u64_pair(dot.slot.0, dot.n));
        let edit = Edit {
            id,
            record: RecordId(Uuid::from_u128(1)),
            kind: RecordKind::Event,
            part: Part::Open,
            dot,
            context: self.screen.vector().clone(),
            epoch: 1,
            at: at(centre.now),
            zone: 480,
            author: author(self.slot.0, self.actor.role),
            form: 1,
            writes: [(Path::entry(STEPS, id), Value::of(&entry))].into(),
        };
        self.screen.apply(&edit);
        self.outbox.push(edit);
    }

    /// Sends everything and fetches; the answers of the centre in order.
    fn sync(&mut self, centre: &mut Centre) -> Vec<Result<(), &'static str>> {
        let answers = self.outbox.drain(..).map(|edit| {
            let answer = judge(&centre.open, &edit, &self.actor, &centre.calendar);
            if answer.is_ok() {
                centre.open.apply(&edit);
            }
            answer
        });
        let answers = answers.collect();
        self.screen = centre.open.clone();
        answers
    }

    /// One step online.
    fn step(&mut self, centre: &mut Centre, entry: StepEntry) -> Result<(), &'static str> {
        self.sync(centre);
        self.say(centre, entry);
        self.sync(centre)[0]
    }

    fn may(&self, centre: &Centre) -> Vec<Step> {
        allowed(&centre.state(), &self.actor)
    }
}

impl Centre {
    /// Monday, 23 November 2026, 09:00 in Beijing.
    fn new() -> Self {
        let monday = DateTime::parse_from_rfc3339("2026-11-23T09:00:00+08:00").unwrap();
        let now = monday.timestamp_millis() - at(0).timestamp_millis();
        Self { open: PartState::default(), now, calendar: Calendar::parse(assets::CALENDAR).unwrap() }
    }

    fn state(&self) -> EventState {
        fold(&self.open, &self.calendar)
    }

    fn later(&self, hours: i64) -> DateTime<Utc> {
        at(self.now + hours * HOUR)
    }
}

fn entry(step: Step) -> StepEntry {
    StepEntry::new(step, "说明")
}

fn dispatch(host: &Person, helpers: &[&Person], limit: Limit) -> StepEntry {
    let helpers = helpers.iter().map(|helper| helper.user()).collect();
    StepEntry { host: Some(host.user()), helpers, limit: Some(limit), ..entry(Step::Dispatch) }
}

fn done() -> StepEntry {
    StepEntry { done: Some(true), ..entry(Step::Handle) }
}

fn feedback(satisfied: bool) -> StepEntry {
    StepEntry { satisfied: Some(satisfied), ..entry(Step::Feedback) }
}

fn close(outcome: &str) -> StepEntry {
    StepEntry { outcome: Some(outcome.to_owned()), ..entry(Step::Close) }
}

fn archive(number: &str) -> StepEntry {
    StepEntry { ledger: Some(number.to_owned()), ..entry(Step::Archive) }
}

/// Slots in order: informant, member, grid leader, community leader, staff, the works department, another one.
fn people() -> [Person; 7] {
    [
        Person::new(1, Role::Informant, AreaLevel::Grid),
        Person::new(2, Role::GridMember, AreaLevel::Grid),
        Person::new(3, Role::GridLeader, AreaLevel::Grid),
        Person::new(4, Role::GridLeader, AreaLevel::Community),
        Person::new(5, Role::CenterStaff, AreaLevel::Town),
        Person::new(6, Role::Department, AreaLevel::Town),
        Person::new(7, Role::Department, AreaLevel::Town),
    ]
}

#[test]
fn six_steps_from_report_to_archive() {
    let mut centre = Centre::new();
    let [mut informant, mut member, mut leader, mut community, mut staff, mut works, mut police] = people();

    assert_eq!(leader.step(&mut centre, entry(Step::Take)), Err("workflow-not-reported"));
    assert_eq!(informant.step(&mut centre, entry(Step::Report)), OK);
    assert_eq!(centre.state().level, Level::Grid);
    assert_eq!(member.step(&mut centre, entry(Step::Report)), Err("workflow-already-reported"));
    assert_eq!(member.step(&mut centre, entry(Step::Take)), Err("workflow-not-yours"));
    assert_eq!(leader.may(&centre)[..3], [Step::SettleOnSite, Step::Take, Step::Raise]);

    assert_eq!(leader.step(&mut centre, entry(Step::Raise)), OK);
    assert_eq!(leader.step(&mut centre, entry(Step::Take)), Err("workflow-not-yours"));
    assert_eq!(community.step(&mut centre, entry(Step::Raise)), OK);
    assert_eq!(centre.state().level, Level::Centre);
    assert_eq!(staff.step(&mut centre, entry(Step::Raise)), Err("workflow-top"));

    let nobody = StepEntry { host: None, ..dispatch(&works, &[], Limit::Days(3)) };
    assert_eq!(staff.step(&mut centre, nobody), Err("workflow-host-missing"));
    let twice = dispatch(&works, &[&police, &works], Limit::Days(3));
    assert_eq!(staff.step(&mut centre, twice), Err("workflow-host-is-helper"));
    assert_eq!(staff.step(&mut centre, dispatch(&works, &[], Limit::Days(16))), Err("workflow-limit-too-long"));
    assert_eq!(staff.step(&mut centre, dispatch(&works, &[&police], Limit::Days(3))), OK);
    let state = centre.state();
    assert_eq!((state.stage, state.host, state.dispatcher), (Stage::Handling, Some(works.user()), Some(staff.user())));
    assert_eq!(state.due.unwrap().to_rfc3339(), "2026-11-26T10:00:00+00:00");

    // A helper notes what was done; only the host completes.
    assert_eq!(police.step(&mut centre, entry(Step::Handle)), OK);
    assert_eq!(police.step(&mut centre, done()), Err("workflow-not-yours"));
    assert_eq!(centre.state().stage, Stage::Handling);
    let silent = StepEntry { text: " ".to_owned(), ..done() };
    assert_eq!(works.step(&mut centre, silent), Err("workflow-text-missing"));
    assert_eq!(works.step(&mut centre, done()), OK);
    assert_eq!(works.may(&centre), [Step::Feedback]);

    assert_eq!(informant.step(&mut centre, feedback(true)), OK);
    assert_eq!(informant.step(&mut centre, close("settled")), Err("workflow-not-yours"));
    assert_eq!(staff.step(&mut centre, close("")), Err("workflow-outcome-missing"));
    assert_eq!(staff.step(&mut centre, close("settled")), OK);
    assert_eq!(staff.step(&mut centre, archive("")), Err("workflow-ledger-missing"));
    assert_eq!(staff.step(&mut centre, archive("2026-安全隐患-001")), OK);
    let state = centre.state();
    assert_eq!((state.stage, state.ledger.as_deref()), (Stage::Archived, Some("2026-安全隐患-001")));
    assert_eq!(light(&state, centre.later(1_000)), None);

    // From here on nothing but reading, not even a field.
    assert_eq!(staff.step(&mut centre, entry(Step::Supervise)), Err("workflow-archived"));
    for person in [&informant, &member, &leader, &community, &staff, &works, &police] {
        assert_eq!(person.may(&centre), []);
    }
    member.sync(&mut centre);
    member.say(&centre, entry(Step::Urge));
    let mut retouch = member.outbox.pop().unwrap();
    retouch.writes = [(path("title"), Value::text("别的"))].into();
    assert_eq!(judge(&centre.open, &retouch, &member.actor, &centre.calendar), Err("workflow-archived"));
    // Who had not seen the archiving is not refused for it.
    retouch.context = VectorTimestamp::new();
    assert_eq!(judge(&centre.open, &retouch, &member.actor, &centre.calendar), OK);
}

#[test]
fn sent_back_extended_and_urged() {
    let mut centre = Centre::new();
    let [_, mut member, mut leader, _, mut staff, mut works, mut police] = people();
    member.step(&mut centre, entry(Step::Report)).unwrap();
    leader.step(&mut centre, dispatch(&works, &[], Limit::Days(3))).unwrap();

    let silent = StepEntry { text: String::new(), ..entry(Step::SendBack) };
    assert_eq!(works.step(&mut centre, silent), Err("workflow-reason-missing"));
    assert_eq!(police.step(&mut centre, entry(Step::SendBack)), Err("workflow-not-yours"));
    assert_eq!(works.step(&mut centre, entry(Step::SendBack)), OK);
    let state = centre.state();
    assert_eq!((state.stage, state.host, state.due), (Stage::Reported, None, None));

    assert_eq!(leader.step(&mut centre, dispatch(&police, &[], Limit::Days(7))), OK);
    let due = centre.state().due.unwrap();
    let ask = |days| StepEntry { limit: Some(Limit::Days(days)), ..entry(Step::Extend) };
    let no_days = StepEntry { limit: None, ..ask(1) };
    assert_eq!(police.step(&mut centre, no_days), Err("workflow-limit-missing"));
    assert_eq!(police.step(&mut centre, ask(9)), Err("workflow-limit-too-long"));
    assert_eq!(police.step(&mut centre, ask(4)), OK);
    assert_eq!(police.step(&mut centre, ask(4)), Err("workflow-already-asked"));
    assert_eq!(centre.state().asked.unwrap().limit, Limit::Days(4));
    assert_eq!(police.step(&mut centre, entry(Step::GrantExtension)), Err("workflow-not-yours"));
    assert_eq!(leader.step(&mut centre, entry(Step::GrantExtension)), OK);
    assert_eq!(leader.step(&mut centre, entry(Step::GrantExtension)), Err("workflow-nothing-asked"));
    let state = centre.state();
    assert_eq!((state.asked, state.due.unwrap() - due), (None, chrono::TimeDelta::days(4 + 2)));
    // With the four days granted, the rest up to fifteen can be asked for and no more.
    assert_eq!(police.step(&mut centre, ask(5)), Err("workflow-limit-too-long"));
    assert_eq!(police.step(&mut centre, ask(4)), OK);

    assert_eq!(member.step(&mut centre, entry(Step::Urge)), OK);
    assert_eq!(staff.step(&mut centre, entry(Step::Supervise)), OK);
    let state = centre.state();
    assert_eq!((state.urged, state.supervised), (1, true));
    assert_eq!(police.step(&mut centre, done()), OK);
    assert_eq!(centre.state().urged, 0);
}

#[test]
fn a_grant_belongs_to_its_dispatch_and_two_are_not_added_up() {
    let mut centre = Centre::new();
    let [_, mut member, mut leader, _, mut staff, mut works, police] = people();
    member.step(&mut centre, entry(Step::Report)).unwrap();
    leader.step(&mut centre, dispatch(&works, &[], Limit::Days(3))).unwrap();
    let ask = StepEntry { limit: Some(Limit::Days(2)), ..entry(Step::Extend) };
    works.step(&mut centre, ask).unwrap();
    // Both grant it without knowing of the other: due on the 26th, two working days more are the 30th.
    leader.sync(&mut centre);
    staff.sync(&mut centre);
    leader.say(&centre, entry(Step::GrantExtension));
    staff.say(&centre, entry(Step::GrantExtension));
    assert_eq!((leader.sync(&mut centre), staff.sync(&mut centre)), (vec![OK], vec![OK]));
    let state = centre.state();
    assert_eq!(state.due.unwrap().to_rfc3339(), "2026-11-30T10:00:00+00:00");
    assert!(!state.is_contested());
    // Given to somebody else, the time is theirs.
    leader.step(&mut centre, dispatch(&police, &[], Limit::Days(1))).unwrap();
    assert_eq!(centre.state().due.unwrap().to_rfc3339(), "2026-11-24T10:00:00+00:00");
}

#[test]
fn dissatisfied_goes_back_to_handling_with_the_time_it_had() {
    let mut centre = Centre::new();
    let [mut informant, _, mut leader, _, _, mut works, _] = people();
    informant.step(&mut centre, entry(Step::Report)).unwrap();
    leader.step(&mut centre, dispatch(&works, &[], Limit::Hours(24))).unwrap();
    let due = centre.state().due;
    works.step(&mut centre, done()).unwrap();
    assert_eq!(informant.step(&mut centre, feedback(false)), OK);
    let state = centre.state();
    assert_eq!((state.stage, state.satisfied, state.due), (Stage::Handling, Some(false), due));
    assert_eq!(leader.step(&mut centre, close("settled")), Err("workflow-not-now"));
    works.step(&mut centre, done()).unwrap();
    works.step(&mut centre, feedback(true)).unwrap();
    assert_eq!(leader.step(&mut centre, close("settled")), OK);
}

#[test]
fn settled_on_site_is_closed_by_the_leader() {
    let mut centre = Centre::new();
    let [mut informant, mut member, mut leader, ..] = people();
    assert_eq!(informant.step(&mut centre, entry(Step::SettleOnSite)), Err("workflow-not-yours"));
    assert_eq!(member.step(&mut centre, entry(Step::SettleOnSite)), OK);
    let state = centre.state();
    assert_eq!((state.stage, state.settled_on_site), (Stage::Handled, true));
    assert_eq!(member.step(&mut centre, close("settled")), Err("workflow-not-yours"));
    assert_eq!(leader.step(&mut centre, close("settled")), OK);
    assert_eq!(centre.state().stage, Stage::Closed);
}

#[test]
fn untouched_it_rises_by_itself_and_the_light_turns() {
    let mut centre = Centre::new();
    let [mut informant, _, mut leader, _, mut staff, works, _] = people();
    informant.step(&mut centre, entry(Step::Report)).unwrap();
    let state = centre.state();
    let held: Vec<Level> = [0, 23, 24, 47, 48, 900].map(|hours| held_by(&state, centre.later(hours))).into();
    assert_eq!(held, [Level::Grid, Level::Grid, Level::Community, Level::Community, Level::Centre, Level::Centre]);
    assert_eq!(light(&state, centre.later(900)), None);
    // It rose by itself, yet the leader of the grid may still take it: clocks decide no rights.
    centre.now += 100 * HOUR;
    assert!(leader.may(&centre).contains(&Step::Take));
    assert_eq!(leader.step(&mut centre, entry(Step::Raise)), OK);

    staff.step(&mut centre, dispatch(&works, &[], Limit::Hours(24))).unwrap();
    let state = centre.state();
    assert_eq!(held_by(&state, centre.later(500)), Level::Community);
    let lights: Vec<_> = [0, 19, 20, 23, 24, 500].map(|hours| light(&state, centre.later(hours)).unwrap()).into();
    assert_eq!(lights, [Light::Green, Light::Green, Light::Yellow, Light::Yellow, Light::Red, Light::Red]);
}

#[test]
fn two_dispatches_that_did_not_see_each_other_are_contested_until_staff_decide() {
    let mut centre = Centre::new();
    let [mut informant, _, mut leader, _, mut staff, mut works, mut police] = people();
    informant.step(&mut centre, entry(Step::Report)).unwrap();
    leader.sync(&mut centre);
    staff.sync(&mut centre);
    leader.say(&centre, dispatch(&works, &[], Limit::Days(3)));
    staff.say(&centre, dispatch(&police, &[], Limit::Days(3)));
    // Both were possible where they were made: both stand.
    assert_eq!(staff.sync(&mut centre), [OK]);
    assert_eq!(leader.sync(&mut centre), [OK]);
    let state = centre.state();
    assert_eq!((state.stage, state.contested.len()), (Stage::Handling, 1));
    // Both who were made responsible go on seeing it.
    assert!(state.is_handled_by(works.user()) && state.is_handled_by(police.user()));

    // Having seen both, a host may note but not complete.
    works.sync(&mut centre);
    assert_eq!(works.step(&mut centre, entry(Step::Handle)), OK);
    assert_eq!(works.step(&mut centre, done()), Err("workflow-contested"));
    assert_eq!(works.step(&mut centre, entry(Step::SendBack)), Err("workflow-contested"));
    assert_eq!(staff.step(&mut centre, dispatch(&police, &[&works], Limit::Days(3))), OK);
    let state = centre.state();
    assert_eq!((state.contested.len(), state.host), (0, Some(police.user())));
    assert_eq!(police.step(&mut centre, done()), OK);
}

#[test]
fn the_same_dispatch_twice_is_not_at_odds() {
    let mut centre = Centre::new();
    let [mut informant, _, mut leader, _, mut staff, works, _] = people();
    informant.step(&mut centre, entry(Step::Report)).unwrap();
    leader.sync(&mut centre);
    staff.sync(&mut centre);
    leader.say(&centre, dispatch(&works, &[], Limit::Days(3)));
    staff.say(&centre, dispatch(&works, &[], Limit::Days(3)));
    leader.sync(&mut centre);
    staff.sync(&mut centre);
    assert_eq!(centre.state().contested, []);
}

#[test]
fn done_while_the_dispatcher_gave_it_to_somebody_else() {
    let mut centre = Centre::new();
    let [_, mut member, mut leader, _, _, mut works, police] = people();
    member.step(&mut centre, entry(Step::Report)).unwrap();
    leader.step(&mut centre, dispatch(&works, &[], Limit::Days(3))).unwrap();
    works.sync(&mut centre);
    works.say(&centre, done());
    leader.step(&mut centre, dispatch(&police, &[], Limit::Days(3))).unwrap();
    assert_eq!(works.sync(&mut centre), [OK]);
    let state = centre.state();
    // The least advanced leads: what is not finished for somebody is not finished.
    assert_eq!((state.stage, state.host, state.contested.len()), (Stage::Handling, Some(police.user()), 1));
    assert_eq!(leader.step(&mut centre, close("settled")), OK);
    assert_eq!((centre.state().stage, centre.state().contested.len()), (Stage::Closed, 0));
}

#[test]
fn a_dissatisfied_word_from_a_dead_spot_reopens_what_was_archived() {
    let mut centre = Centre::new();
    let [mut informant, _, _, _, mut staff, mut works, _] = people();
    informant.step(&mut centre, entry(Step::Report)).unwrap();
    staff.step(&mut centre, dispatch(&works, &[], Limit::Days(3))).unwrap();
    works.step(&mut centre, done()).unwrap();
    informant.sync(&mut centre);
    informant.say(&centre, feedback(false));
    works.step(&mut centre, feedback(true)).unwrap();
    staff.step(&mut centre, close("settled")).unwrap();
    staff.step(&mut centre, archive("1")).unwrap();
    assert_eq!(informant.sync(&mut centre), [OK]);
    let state = centre.state();
    assert_eq!((state.stage, state.contested.len()), (Stage::Handling, 1));
    assert!(staff.may(&centre).contains(&Step::Close));
    assert_eq!(staff.step(&mut centre, dispatch(&works, &[], Limit::Days(3))), OK);
    assert_eq!(centre.state().contested, []);
}

#[test]
fn entries_that_are_none_are_refused() {
    let mut centre = Centre::new();
    let [_, mut member, ..] = people();
    member.say(&centre, entry(Step::Report));
    let report = member.outbox.pop().unwrap();
    let id = report.id;
    let judged = |writes: BTreeMap<Path, Value>| {
        judge(&centre.open, &Edit { writes, ..report.clone() }, &member.actor, &centre.calendar)
    };
    let said = || Value::of(&entry(Step::Report));
    assert_eq!(judged([(Path::entry(STEPS, id), said())].into()), OK);
    assert_eq!(judged([(Path::entry(STEPS, id), Value::text("上报"))].into()), Err("workflow-bad-entry"));
    assert_eq!(judged([(Path::entry(STEPS, id), Value::null())].into()), Err("workflow-entry-once"));
    let other = EditId(Uuid::from_u128(9));
    assert_eq!(judged([(Path::entry(STEPS, other), said())].into()), Err("workflow-entry-once"));
    assert_eq!(judged([(path(STEPS), said())].into()), Err("workflow-entry-once"));
    let two = [(Path::entry(STEPS, id), said()), (Path::entry(STEPS, other), said())];
    assert_eq!(judged(two.into()), Err("workflow-one-step"));
    let of_a_person = Edit { kind: RecordKind::Person, ..report.clone() };
    assert_eq!(judge(&centre.open, &of_a_person, &member.actor, &centre.calendar), Err("workflow-not-an-event"));
    // A step that this version does not know is carried, and folds to nothing.
    centre.open.apply(&Edit {
        writes: [(Path::entry(STEPS, id), Value::of(&serde_json::json!({"step": "mediate", "by": 3})))].into(),
        ..report.clone()
    });
    assert_eq!(centre.state(), EventState::default());
    assert_eq!(centre.open.all_live().count(), 1);
}

#[test]
fn a_log_of_two_thousand_entries_folds() {
    let mut centre = Centre::new();
    let [_, mut member, mut leader, _, _, mut works, _] = people();
    member.step(&mut centre, entry(Step::Report)).unwrap();
    for round in 0..500 {
        for person in [&mut leader, &mut works] {
            person.screen = centre.open.clone();
        }
        leader.say(&centre, dispatch(&works, &[], Limit::Days(3)));
        works.screen.apply(leader.outbox.last().unwrap());
        works.say(&centre, if round % 2 == 0 { entry(Step::SendBack) } else { done() });
        for edit in leader.outbox.drain(..).chain(works.outbox.drain(..)) {
            centre.open.apply(&edit);
        }
        member.screen = centre.open.clone();
        member.say(&centre, entry(Step::Urge));
        member.say(&centre, entry(Step::Handle));
        for edit in member.outbox.drain(..) {
            centre.open.apply(&edit);
        }
    }
    assert_eq!(centre.state().stage, Stage::Handled);
    assert_eq!(shared::view::log(&centre.open, STEPS).len(), 2_001);
}

/// Any step by anybody, from small domains: nobody judges these, so the fold has to take whatever comes.
fn any_step(choice: u8, value: u8, id: EditId) -> (Path, Value) {
    let user = |n: u8| UserId(Uuid::from_u64_pair(7, u64::from(n % 3) + 1));
    let step = Step::ALL[usize::from(choice) % Step::ALL.len()];
    let said = StepEntry {
        text: String::new(),
        host: (value.is_multiple_of(2)).then(|| user(value)),
        helpers: if value.is_multiple_of(3) { vec![user(value / 3), user(value / 5)] } else { Vec::new() },
        limit: (!value.is_multiple_of(5)).then(|| Limit::Days(u32::from(value % 4))),
        done: [Some(true), Some(true), Some(false), None][usize::from(value) % 4],
        satisfied: [Some(true), Some(false), None][usize::from(value) % 3],
        outcome: Some(["settled", "not_settled"][usize::from(value) % 2].to_owned()),
        ledger: Some(["1", "2"][usize::from(value / 2) % 2].to_owned()),
        ..entry(step)
    };
    (Path::entry(STEPS, id), Value::of(&said))
}

fn apply_all<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> PartState {
    let mut part = PartState::default();
    for edit in edits {
        part.apply(edit);
    }
    part
}

fn without_times(mut state: EventState) -> EventState {
    state.closed_at = state.closed_at.map(|_| at(0));
    (state.reported_at, state.moved_at, state.since, state.due) =
        (state.reported_at.map(|_| at(0)), state.moved_at.map(|_| at(0)), state.since.map(|_| at(0)), None);
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_arrival_and_no_clock_decides_the_state(
        history in histories_of(RecordKind::Event, any_step, 4, 25),
        delivery in any::<Delivery>(),
        skews in prop::collection::vec(-315_360_000_000..315_360_000_000_i64, 25),
    ) {
        let calendar = Calendar::default();
        let state = fold(&apply_all(&history.edits), &calendar);

        prop_assert_eq!(&fold(&apply_all(delivery.of(&history)), &calendar), &state);

        let mut lying = PartState::default();
        for (edit, skew) in history.edits.iter().zip(&skews) {
            lying.apply(&Edit { at: edit.at + chrono::TimeDelta::milliseconds(*skew), ..edit.clone() });
        }
        prop_assert_eq!(without_times(fold(&lying, &calendar)), without_times(state));
    }

    /// A step is judged by what its author had seen: what arrived meanwhile changes nothing.
    #[test]
    fn a_step_is_judged_the_same_whatever_else_has_arrived(
        history in histories_of(RecordKind::Event, any_step, 4, 20),
        role in 0..7_usize,
    ) {
        let calendar = Calendar::default();
        let all = apply_all(&history.edits);
        for edit in &history.edits {
            let seen = apply_all(history.edits.iter().filter(|other| edit.context.covers(other.dot)));
            let actor = Actor::new(edit.author.user.unwrap(), Role::ALL[role], AreaLevel::Grid);
            prop_assert_eq!(judge(&all, edit, &actor, &calendar), judge(&seen, edit, &actor, &calendar));
        }
    }
}

/// The table as `docs/workflow.md` shows it: what stands of the row's entry and the column's.
fn table() -> String {
    let name = |it: Move| match it {
        Move::Report => "上报",
        Move::Raise => "提级",
        Move::Settle => "现场处理",
        Move::Assign => "自办、分流",
        Move::SendBack => "退回",
        Move::Done => "办理完成",
        Move::Told => "反馈",
        Move::Unhappy => "不满意",
        Move::Close => "结案",
        Move::Archive => "建档",
    };
    let note = |same: Same| match same {
        Same::Assignment => "¹",
        Same::Host => "²",
        Same::Outcome => "³",
        Same::Ledger => "⁴",
    };
    let mut text = String::from("| |");
    Move::ALL.iter().for_each(|column| write!(text, " {} |", name(*column)).unwrap());
    text.push_str("\n| --- |");
    Move::ALL.iter().for_each(|_| text.push_str(" --- |"));
    for row in Move::ALL {
        write!(text, "\n| {} |", name(row)).unwrap();
        for column in Move::ALL {
            match rule(row, column) {
                Rule::Agree => text.push_str(" both |"),
                Rule::AgreeIf(same) => write!(text, " both{} |", note(same)).unwrap(),
                Rule::FirstStands => text.push_str(" row |"),
                Rule::FirstStandsIf(same) => write!(text, " row{} |", note(same)).unwrap(),
                Rule::SecondStands => text.push_str(" column |"),
                Rule::SecondStandsIf(same) => write!(text, " column{} |", note(same)).unwrap(),
                Rule::Contested => text.push_str(" contested |"),
            }
        }
    }
    text
}

#[test]
fn the_document_shows_the_table_that_the_code_goes_by() {
    let document = include_str!("../../docs/workflow.md");
    assert!(document.contains(&table()), "docs/workflow.md should hold:\n{}", table());
    let exchanged = |rule: Rule| match rule {
        Rule::FirstStands => Rule::SecondStands,
        Rule::SecondStands => Rule::FirstStands,
        Rule::FirstStandsIf(same) => Rule::SecondStandsIf(same),
        Rule::SecondStandsIf(same) => Rule::FirstStandsIf(same),
        same => same,
    };
    for (a, b) in Move::ALL.into_iter().flat_map(|a| Move::ALL.map(|b| (a, b))) {
        assert_eq!(rule(a, b), exchanged(rule(b, a)), "{a:?} and {b:?}");
    }
}
