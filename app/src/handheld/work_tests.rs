//! 走访, 例会, 专项排查: what is due stands on 今日, what was done is done for everybody, and nothing of it has steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;

use super::Handheld;
use super::types::{Draft, EventFilter, Filter};
use crate::testing::{GRID, Replay, Server, change, enrolled, open, resident, runtime, writes};

const DAY: i64 = 86_400;

/// The first day of these stories by the clock of the tests, a Wednesday.
fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 18).unwrap()
}

/// Work that was done now.
fn work(handheld: &Handheld, what: &str, subject: Option<RecordId>, fields: &[(&str, &str)]) -> RecordId {
    let record = handheld.new_record_id();
    let mut writes = writes(fields);
    let mut put = |field: &str, value: Value| writes.insert(Path::field(field), value);
    put("category", Value::text(what));
    put("title", Value::text(what));
    put("happened_at", Value::of(&handheld.now().timestamp_millis()));
    put("area", Value::of(&GRID));
    if let Some(subject) = subject {
        put("subject", Value::of(&subject));
    }
    let (edit, form) = (handheld.new_edit_id(), handheld.form(RecordKind::Event).unwrap().version);
    let draft = Draft { edit, record, kind: RecordKind::Event, form, context: BTreeMap::new(), seen: None, writes };
    handheld.save(draft, None).unwrap();
    record
}

fn due(handheld: &Handheld) -> Vec<(RecordId, NaiveDate)> {
    handheld.today().unwrap().visits.into_iter().map(|visit| (visit.hit.id, visit.date)).collect()
}

struct Story {
    folder: tempfile::TempDir,
    server: Arc<Server>,
    outside: Arc<Replay>,
    alice: Handheld,
}

impl Story {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(5));
        let alice = enrolled(folder.path(), &server, &outside);
        Self { folder, server, outside, alice }
    }

    fn days_later(&self, days: i64) {
        self.outside.pass(days * DAY);
    }
}

#[test]
fn a_visit_says_when_to_come_again_and_that_day_stands_on_the_first_page() {
    let story = Story::begin();
    let alice = &story.alice;
    let old = resident(alice, &[("name", "\"李秀兰\""), ("address", "\"南环路12号\"")]);
    let other = resident(alice, &[("name", "\"张伟\"")]);
    let visit = work(alice, "visit", Some(old), &[("next_visit", "\"2026-11-28\""), ("found", "\"煤够用\"")]);
    assert!(due(alice).is_empty(), "ten days are a long time");
    assert!(alice.event(visit).unwrap().unwrap().stage.is_none(), "nothing was reported");
    for filter in [EventFilter::Mine, EventFilter::ReportedByMe, EventFilter::MyArea] {
        assert!(alice.events(filter, 10, 0).unwrap().0.is_empty(), "a visit is no event that waits for somebody");
    }

    story.days_later(8);
    let day = NaiveDate::from_ymd_opt(2026, 11, 28).unwrap();
    assert_eq!(due(alice), [(old, day)]);
    story.days_later(5);
    assert_eq!(due(alice), [(old, day)], "what is late stays");
    let filter = Filter { kind: Some(RecordKind::Person), unvisited_days: Some(5), ..Filter::default() };
    let unvisited = |handheld: &Handheld| -> Vec<RecordId> {
        handheld.search("", &filter, 10, 0).unwrap().hits.into_iter().map(|hit| hit.id).collect()
    };
    assert_eq!(unvisited(alice).len(), 2);

    let again = work(alice, "visit", Some(old), &[]);
    assert!(due(alice).is_empty(), "done, and no next day was said");
    assert_eq!(unvisited(alice), [other]);
    assert!(alice.last_visit(old).unwrap().is_some_and(|at| shared::mask::today(at) > first()));

    // The record of the second visit was a mistake: the first one says again when to come.
    let mut gone = change(alice, again, &[]);
    gone.form = 2;
    gone.writes.insert(Path::field(shared::merge::DELETED), Value::of(&true));
    alice.save(gone, None).unwrap();
    assert_eq!(due(alice), [(old, day)]);

    // A colleague's handheld knows it too, and after a restart.
    runtime().block_on(alice.sync_now()).unwrap();
    let dir = story.folder.path().join("bob");
    let bob = enrolled(&dir, &story.server, &story.outside);
    runtime().block_on(bob.sync_now()).unwrap();
    // The clock of this server stands still; theirs goes by it.
    story.days_later(9);
    assert_eq!(due(&bob), [(old, day)]);
    drop(bob);
    assert_eq!(due(&open(&dir, &story.server, &story.outside)), [(old, day)]);
}

#[test]
fn who_is_in_care_is_visited_in_the_cycle_of_the_care_and_no_longer_than_it() {
    let story = Story::begin();
    let alice = &story.alice;
    let care = [
        ("name", "\"李秀兰\""),
        ("care_services/visit", "true"),
        ("care_reason", "\"独居\""),
        ("care_until", "\"2027-01-31\""),
        ("care_every_days", "30"),
    ];
    let old = resident(alice, &care);
    assert_eq!(due(alice), [(old, first())], "never visited");
    runtime().block_on(alice.sync_now()).unwrap();
    assert_eq!(due(alice), [(old, first())], "confirmed as it was waiting");

    work(alice, "visit", Some(old), &[]);
    assert!(due(alice).is_empty());
    story.days_later(28);
    assert_eq!(due(alice), [(old, NaiveDate::from_ymd_opt(2026, 12, 18).unwrap())]);
    // Said otherwise at the door.
    work(alice, "visit", Some(old), &[("next_visit", "\"2027-02-10\"")]);
    assert!(due(alice).is_empty());
    story.days_later(60);
    assert_eq!(due(alice), [(old, NaiveDate::from_ymd_opt(2027, 2, 10).unwrap())], "what was agreed is kept");
    work(alice, "visit", Some(old), &[]);
    story.days_later(60);
    assert!(due(alice).is_empty(), "the care is over");
}

#[test]
fn the_meeting_of_the_week_is_asked_for_until_somebody_recorded_it() {
    let story = Story::begin();
    let meeting_due = || story.alice.today().unwrap().meeting_due;
    assert!(meeting_due());
    work(&story.alice, "meeting", None, &[("points", "\"清理楼道\"")]);
    assert!(!meeting_due());
    story.days_later(4);
    assert!(!meeting_due(), "Sunday is the same week");
    story.days_later(1);
    assert!(meeting_due(), "Monday");
}

#[test]
fn what_remains_of_a_campaign_is_what_nobody_looked_at_for_it() {
    let story = Story::begin();
    let alice = &story.alice;
    let shops = ["一店", "二店", "三店"].map(|name| resident(alice, &[("name", &format!("\"{name}\""))]));
    let targets: Vec<(String, String)> = shops.iter().map(|id| (format!("targets/{id}"), "true".to_owned())).collect();
    let mut fields: Vec<(&str, &str)> = targets.iter().map(|(path, yes)| (path.as_str(), yes.as_str())).collect();
    fields.push(("until", "\"2026-11-30\""));
    let campaign = work(alice, "campaign", None, &fields);
    let remaining = |handheld: &Handheld| handheld.campaigns().unwrap().pop().map(|left| left.remaining);
    assert_eq!(remaining(alice).map(|left| left.len()), Some(3));

    let for_it = format!("\"{campaign}\"");
    work(alice, "inspection", Some(shops[0]), &[("campaign", &for_it), ("faults/exit", "true")]);
    work(alice, "inspection", Some(shops[1]), &[]);
    assert_eq!(remaining(alice).map(|left| left.contains(&shops[0])), Some(false));
    assert_eq!(remaining(alice).map(|left| left.len()), Some(2), "an inspection for something else counts for nothing");
    work(alice, "inspection", Some(shops[1]), &[("campaign", &for_it)]);
    work(alice, "inspection", Some(shops[2]), &[("campaign", &for_it)]);
    assert_eq!(remaining(alice), None, "done");

    runtime().block_on(alice.sync_now()).unwrap();
    let late = work(alice, "campaign", None, &fields);
    assert_eq!(alice.campaigns().unwrap().len(), 1);
    story.days_later(13);
    assert!(alice.campaigns().unwrap().is_empty(), "its last day is over");
    assert!(alice.record(late).unwrap().is_some());
}

#[test]
fn visits_to_a_duplicate_are_visits_to_the_record_it_became() {
    let story = Story::begin();
    let alice = &story.alice;
    let old = resident(alice, &[("name", "\"李秀兰\"")]);
    let twice = resident(alice, &[("name", "\"李秀阑\"")]);
    let other = resident(alice, &[("name", "\"张伟\"")]);
    work(alice, "visit", Some(twice), &[("next_visit", "\"2026-11-19\"")]);
    let campaign =
        work(alice, "campaign", None, &[(&format!("targets/{twice}"), "true"), (&format!("targets/{other}"), "true")]);
    let day = NaiveDate::from_ymd_opt(2026, 11, 19).unwrap();
    assert_eq!(due(alice), [(twice, day)]);
    alice.save(change(alice, twice, &[("merged_into", &format!("\"{old}\""))]), None).unwrap();

    assert_eq!(due(alice), [(old, day)], "whoever was visited under the other id");
    assert!(alice.last_visit(old).unwrap().is_some());
    story.days_later(1);
    work(alice, "visit", Some(old), &[("campaign", &format!("\"{campaign}\""))]);
    assert_eq!(due(alice), [], "the visit that was made counts, the one before is over");
    let left = alice.campaigns().unwrap().pop().unwrap();
    assert_eq!((left.targets, left.remaining.as_slice()), (2, [other].as_slice()), "looked at under its new id");
    let filter = Filter { kind: Some(RecordKind::Person), unvisited_days: Some(5), ..Filter::default() };
    let unvisited: Vec<RecordId> =
        alice.search("", &filter, 10, 0).unwrap().hits.into_iter().map(|hit| hit.id).collect();
    assert_eq!(unvisited, [other]);
}

#[test]
fn nobody_is_sent_to_visit_the_dead() {
    let story = Story::begin();
    let alice = &story.alice;
    let old = resident(alice, &[("name", "\"李秀兰\"")]);
    work(alice, "visit", Some(old), &[("next_visit", "\"2026-11-19\"")]);
    assert_eq!(due(alice).len(), 1);
    alice.save(change(alice, old, &[("residence_status", "\"deceased\"")]), None).unwrap();
    assert_eq!(due(alice), []);
}
