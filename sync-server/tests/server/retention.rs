//! Records go when they have outlived their time, and no other.

use crate::common::audit::{entries, run};
use crate::common::*;
use chrono::TimeDelta;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::retention::{self, Rules};

/// An event of a category that was archived, and one like it that is only closed.
async fn events(hand: &mut Handheld<'_>, category: &str) -> (RecordId, RecordId) {
    let mut made = Vec::new();
    for archived in [true, false] {
        let mut edit = hand.event("井盖破损", GRID);
        edit.writes.insert("category".parse().unwrap(), Value::text(category));
        let event = edit.record;
        applied(&hand.sync(vec![edit]).await, 0);
        let own = hand.author.user;
        let mut steps = vec![
            StepEntry { host: own, limit: Some(Limit::Days(3)), ..step(Step::Dispatch) },
            StepEntry { done: Some(true), ..step(Step::Handle) },
            StepEntry { satisfied: Some(true), ..step(Step::Feedback) },
            StepEntry { outcome: Some("settled".to_owned()), ..step(Step::Close) },
        ];
        if archived {
            steps.push(StepEntry { ledger: Some("2026-7".to_owned()), ..step(Step::Archive) });
        }
        for entry in steps {
            let edit = hand.step(event, &entry);
            applied(&hand.sync(vec![edit]).await, 0);
        }
        made.push(event);
    }
    (made[0], made[1])
}

fn years(n: i64) -> TimeDelta {
    // With the leap days, and a day more.
    TimeDelta::days(n * 365 + n / 4 + 2)
}

#[tokio::test]
async fn archived_events_and_deleted_records_go_after_their_years_and_nothing_else_does() {
    let centre = Centre::open().await;
    let mut staff = centre.enrol(&centre.person("staff", Role::CenterStaff, TOWN, false)).await;
    let (hazard, closed) = events(&mut staff, "hazard").await;
    let (petition, _) = events(&mut staff, "petition").await;
    let (kept, gone) = (staff.resident("张伟", GRID), staff.resident("王芳", GRID));
    let (kept_id, gone_id) = (kept.record, gone.record);
    staff.sync(vec![kept, gone]).await;
    let delete = staff.change(gone_id, &[("deleted", Value::of(&true))]);
    applied(&staff.sync(vec![delete]).await, 0);

    assert_eq!(retention::run(&centre.app).unwrap().records, []);
    centre.clock.advance(years(3));
    let done = retention::run(&centre.app).unwrap();
    assert_eq!((done.records, done.swept), (vec![gone_id], true));
    centre.clock.advance(years(6));
    assert_eq!(retention::run(&centre.app).unwrap().records, [], "nine years");
    centre.clock.advance(years(1));
    assert_eq!(retention::run(&centre.app).unwrap().records, [hazard]);
    centre.clock.advance(years(21));
    assert_eq!(retention::run(&centre.app).unwrap().records, [petition], "thirty years, by its category");

    let erased: Vec<_> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action == "audit-erase")
        .map(|entry| (entry.user(), entry.subject, entry.detail))
        .collect();
    let expected = [gone_id, hazard, petition].map(|id| (None, id.to_string(), "expired".to_owned()));
    assert_eq!(erased, expected);
    let mut fresh = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    fresh.catch_up().await;
    for (record, holds) in [(gone_id, false), (hazard, false), (petition, false), (closed, true), (kept_id, true)] {
        assert_eq!(fresh.holds(record, Part::Open), holds);
    }
}

#[tokio::test]
async fn visits_and_patrols_are_forgotten_after_their_years_though_nobody_archives_them() {
    let centre = Centre::open().await;
    let mut staff = centre.enrol(&centre.person("staff", Role::CenterStaff, TOWN, false)).await;
    let resident = staff.resident("张伟", GRID);
    let person = resident.record;
    applied(&staff.sync(vec![resident]).await, 0);
    let mut done = Vec::new();
    for category in ["visit", "patrol"] {
        let mut edit = staff.event(category, GRID);
        edit.form = 2;
        edit.writes.retain(|path, _| path.field_name() != shared::workflow::STEPS);
        edit.writes.insert("category".parse().unwrap(), Value::text(category));
        edit.writes.insert("subject".parse().unwrap(), Value::of(&person));
        done.push(edit.record);
        applied(&staff.sync(vec![edit]).await, 0);
    }
    centre.clock.advance(years(1));
    assert_eq!(retention::run(&centre.app).unwrap().records, [done[1]], "a round through the streets");
    centre.clock.advance(years(1));
    assert_eq!(retention::run(&centre.app).unwrap().records, []);
    centre.clock.advance(years(1));
    assert_eq!(retention::run(&centre.app).unwrap().records, [done[0]]);
}

#[tokio::test]
async fn the_command_only_says_so_when_asked_and_goes_by_the_towns_own_file() {
    let centre = Centre::open().await;
    let mut staff = centre.enrol(&centre.person("staff", Role::CenterStaff, TOWN, false)).await;
    let (hazard, _) = events(&mut staff, "hazard").await;
    let data = centre.folder.path();
    let dry = ["retention", "--data", data.to_str().unwrap(), "--dry-run"];
    assert!(run(&dry).1.contains("erased for good: 0"), "{}", run(&dry).1);
    // As if it had come in two years ago.
    let sql = rusqlite::Connection::open(data.join("town.db")).unwrap();
    sql.execute("UPDATE edit SET received = received - 63158400000", []).unwrap();
    drop(sql);
    assert!(run(&dry).1.contains("erased for good: 0"));
    std::fs::write(data.join("retention.toml"), "[[rule]]\nafter = \"archived\"\nyears = 1\n").unwrap();
    for _ in 0..2 {
        let (well, text) = run(&dry);
        assert!(well && text.contains("erased for good: 1") && text.contains(&hazard.to_string()), "{text}");
    }
    let (well, text) = run(&dry[..3]);
    assert!(well && text.contains("outlived their time: 1"), "{text}");
    assert!(run(&dry).1.contains("erased for good: 0"));

    let until = "part = \"restricted\"\nfield = \"care_until\"\n";
    for nonsense in [
        "[[rule]]\nafter = \"archived\"\nyears = 0\n",
        "[[rule]]\nafter = \"never\"\nyears = 1\n",
        "rule = 1",
        &format!("[[rule]]\nafter = \"expired\"\n{until}days = 0\n"),
        &format!("[[rule]]\nafter = \"deleted\"\nyears = 3\n{until}"),
        "[[rule]]\nafter = \"expired\"\npart = \"open\"\nfield = \"care_until\"\ndays = 30\n",
        "[[rule]]\nafter = \"expired\"\nyears = 3\n",
    ] {
        std::fs::write(data.join("retention.toml"), nonsense).unwrap();
        assert!(!run(&dry).0 && Rules::parse(nonsense).is_err(), "{nonsense}");
    }
    assert!(Rules::parse(assets::RETENTION).is_ok());
}
