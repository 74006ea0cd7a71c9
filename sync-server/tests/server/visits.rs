//! 走访: what was found at somebody's home is for whoever works with the people who live there, on every way.

use crate::common::desk::*;
use crate::common::tus::{hash, link};
use crate::common::*;
use reqwest::{Method, StatusCode};
use shared::area::AreaId;
use shared::author::Role;
use shared::digest::{Prefix, VERSION};
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{DigestAsk, RejectReason, SyncAnswer, SyncRequest};
use shared::workflow::Step;
use sync_server::backup;
use sync_server::erase::{Reason, erase};

const FOUND: &str = "煤快烧完了";

fn told_of(answer: &SyncAnswer, record: RecordId) -> bool {
    answer.items.iter().any(|item| item.id == record)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_at_somebodys_home_is_not_for_patrols_and_administrators() {
    let centre = Centre::open().await;
    let user = |login: &str, role| person(&centre, login, role, AreaId(10), true, true);
    let (patrol, admin) = (user("patrol", Role::PatrolMember), user("admin", Role::Admin));
    user("leader", Role::GridLeader);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut beside = centre.enrol(&centre.person("beside", Role::GridMember, GRID, false)).await;
    let mut kept_out = [centre.enrol(&patrol).await, centre.enrol(&admin).await];
    for hand in &mut kept_out {
        hand.catch_up().await;
    }
    let who = resident(&mut wei, "张伟", GRID, &[]).await;
    let photo = jpeg(64, 48, "煤棚");
    assert_eq!(wei.deliver(&photo).await.status(), 204);
    let mut visit = wei.visit(Some(who), GRID, FOUND);
    link(&mut visit, &hash(&photo));
    let record = visit.record;
    applied(&wei.sync(vec![visit]).await, 0);
    beside.catch_up().await;
    assert!(beside.holds(record, Part::Open));

    for (user, hand) in [&patrol, &admin].into_iter().zip(&mut kept_out) {
        // In the feed, from the start, asked for again, in sums, as history, as a photo.
        assert!(!told_of(&hand.sync(vec![]).await, record));
        let mut fresh = centre.enrol(user).await;
        fresh.catch_up().await;
        assert!(!fresh.holds(record, Part::Open));
        let digest = Some(DigestAsk { version: VERSION, branches: vec![(Part::Open, Prefix::of(record, 16))] });
        let request = SyncRequest { again: vec![(record, Part::Open)], digest, ..fresh.request(vec![]) };
        let told = answer(fresh.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
        assert!(told.items.iter().all(|item| item.state.is_none()));
        assert_eq!(told.digest.unwrap().branches[0].count, 0);
        let history = format!("/api/v1/records/{record}/history");
        let response = centre.send(Method::GET, &history, Some(&hand.token), vec![], &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(hand.fetch(&hash(&photo)).await.status(), StatusCode::NOT_FOUND);
        // Nor on any page of the console.
        let desk = Desk::logged_in(&centre, &user.login).await;
        for page in ["/console", "/console/inbox", "/console/records"] {
            let text = desk.page(page).await;
            assert!(!text.contains(FOUND) && !text.contains("走访 11月26日"), "{page}: {text}");
        }
        for page in [format!("/console/records/{record}"), format!("/console/photos/{record}/{}", hash(&photo))] {
            assert_eq!(desk.get(&page).await.status(), StatusCode::NOT_FOUND);
        }
    }
    // Nobody makes themselves one whom it names.
    let mut other = centre.enrol(&centre.person("patrol2", Role::PatrolMember, AreaId(10), false)).await;
    let report = other.step(record, &step(Step::Report));
    assert_eq!(rejected(&other.sync(vec![report]).await, 0).reason, RejectReason::NotAllowed);

    // Whoever works there reads it, and a report beside it opens it to nobody else.
    let leader = Desk::logged_in(&centre, "leader").await;
    assert!(leader.page(&format!("/console/records/{record}")).await.contains(FOUND));
    wei.catch_up().await;
    let mut report = wei.step(record, &step(Step::Report));
    report.form = 2;
    applied(&wei.sync(vec![report]).await, 0);
    // It moves, and it is erased: those who held it are told, those who never saw it hear nothing of it.
    wei.catch_up().await;
    let moved = wei.edit(record, RecordKind::Event, Part::Open, &[("area", Value::of(&NEXT_GRID))]);
    applied(&wei.sync(vec![moved]).await, 0);
    assert!(told_of(&beside.sync(vec![]).await, record) && !beside.holds(record, Part::Open));
    for erased in [false, true] {
        if erased {
            erase(&centre.app, None, record, Reason::Request).unwrap();
            assert!(told_of(&beside.sync(vec![]).await, record));
        }
        for hand in &mut kept_out {
            assert!(!told_of(&hand.sync(vec![]).await, record), "{erased}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_turns_out_to_be_a_visit_is_taken_from_whoever_held_it() {
    let centre = Centre::open().await;
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut beside = centre.enrol(&centre.person("beside", Role::GridMember, GRID, false)).await;
    let mut patrol = centre.enrol(&centre.person("patrol", Role::PatrolMember, AreaId(10), false)).await;
    let mut event = wei.visit(None, GRID, FOUND);
    event.writes.insert("category".parse().unwrap(), Value::text("patrol"));
    let record = event.record;
    applied(&wei.sync(vec![event]).await, 0);
    for hand in [&mut wei, &mut beside, &mut patrol] {
        hand.catch_up().await;
        assert!(hand.holds(record, Part::Open));
    }
    // Two say what it is; one of them is enough.
    let category = |hand: &mut Handheld<'_>, code: &str| {
        let mut edit = hand.edit(record, RecordKind::Event, Part::Open, &[("category", Value::text(code))]);
        edit.form = 2;
        edit
    };
    let (one, two) = (category(&mut beside, "meeting"), category(&mut wei, "visit"));
    applied(&beside.sync(vec![one]).await, 0);
    applied(&wei.sync(vec![two]).await, 0);
    for hand in [&mut wei, &mut beside, &mut patrol] {
        hand.catch_up().await;
    }
    assert!(wei.holds(record, Part::Open) && beside.holds(record, Part::Open) && !patrol.holds(record, Part::Open));
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
    // And given back, once it is none.
    let settled = category(&mut wei, "meeting");
    applied(&wei.sync(vec![settled]).await, 0);
    patrol.catch_up().await;
    let mut fresh = centre.enrol(&centre.person("patrol2", Role::PatrolMember, AreaId(10), false)).await;
    fresh.catch_up().await;
    assert!(patrol.holds(record, Part::Open) && fresh.holds(record, Part::Open));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_brought_up_to_date_closes_the_visits_it_has() {
    let centre = Centre::open().await;
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut patrol = centre.enrol(&centre.person("patrol", Role::PatrolMember, AreaId(10), false)).await;
    let event = wei.event("井盖破损", GRID);
    let hazard = event.record;
    let visits: Vec<Edit> = (0..3).map(|_| wei.visit(None, GRID, FOUND)).collect();
    let ids: Vec<RecordId> = visits.iter().map(|visit| visit.record).collect();
    applied(&wei.sync([vec![event], visits].concat()).await, 3);
    wei.catch_up().await;
    patrol.catch_up().await;
    // As the release before left its file, and what the patrol held by it.
    let copy = centre.copy();
    let sql = rusqlite::Connection::open(copy.path().join("town.db")).unwrap();
    sql.execute_batch(
        "DROP INDEX part_near; DROP INDEX part_beside;
         DROP TABLE event; DROP TABLE event_count; DROP INDEX part_counts;
         ALTER TABLE part DROP COLUMN missing;
         DELETE FROM meta WHERE key LIKE '%/beside';
         DROP INDEX part_feed; DROP INDEX quarantine_open; DROP INDEX remain_shown_by;
         ALTER TABLE part DROP COLUMN visit;
         CREATE UNIQUE INDEX part_feed ON part (town, part, seq, kind, areas, readers, anonymous, record);
         DROP INDEX upload_unfinished; DROP INDEX upload_hash; DROP TABLE upload_hour;
         ALTER TABLE area DROP COLUMN closed; DROP TABLE edition; ALTER TABLE device DROP COLUMN web_view;
         ALTER TABLE upload DROP COLUMN device; DROP TABLE import; DROP TABLE import_header;
         DROP TABLE moved; DROP INDEX photo_link_hash; DROP INDEX photo_wanted_anywhere;
         DROP TABLE intake_report; DROP TABLE reporter; DROP TABLE intake_tray;
         PRAGMA user_version = 15",
    )
    .unwrap();
    drop(sql);
    let held = ids.iter().map(|id| ((*id, Part::Open), wei.confirmed[&(*id, Part::Open)].clone()));
    patrol.confirmed.extend(held.collect::<Vec<_>>());

    let put_back = centre.put_back(copy).await;
    let (mut wei, mut patrol) = (wei.at(&put_back), patrol.at(&put_back));
    for hand in [&mut wei, &mut patrol] {
        assert!(!hand.sync(vec![]).await.refill);
    }
    assert!(patrol.holds(hazard, Part::Open) && ids.iter().all(|id| !patrol.holds(*id, Part::Open)));
    assert!(wei.holds(hazard, Part::Open) && ids.iter().all(|id| wei.holds(*id, Part::Open)));
    assert_eq!(backup::verify_data(&put_back.app).unwrap(), []);
}
