//! The credential of a handheld that changes from day to day: what a lost answer costs, what a copied one opens, and how
//! its owner comes back (decision 15).

use crate::common::desk::*;
use crate::common::outbox::{exported, upload};
use crate::common::*;
use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use shared::author::Role;
use shared::limits::PROTOCOL;
use shared::record::Part;
use shared::wire::{Before, EnrolAnswer, EnrolRequest, RejectReason, SlotRequest};
use sync_server::auth::enrol::{TOKEN, make_code};
use sync_server::auth::token;

/// The next credential that an answer brings a day later.
async fn next_day(centre: &Centre, hand: &mut Handheld<'_>) -> String {
    centre.clock.advance(TimeDelta::hours(25));
    hand.sync(vec![]).await.token.expect("a day later there is a new one")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_later_an_answer_brings_the_next_credential_and_a_lost_answer_brings_it_again() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    assert_eq!(hand.sync(vec![]).await.token, None, "not on the first day");
    let given = next_day(&centre, &mut hand).await;
    assert_ne!(given, hand.token);
    // The answer was lost: the one before is still good, and brings the same.
    assert_eq!(hand.sync(vec![]).await.token.as_ref(), Some(&given));
    let edit = hand.resident("还在传", GRID);
    let answer = hand.sync(vec![edit]).await;
    applied(&answer, 0);
    assert_eq!(answer.token.as_ref(), Some(&given));

    let before = std::mem::replace(&mut hand.token, given);
    assert_eq!(hand.sync(vec![]).await.token, None, "it is new");
    // A request of before that was slow.
    let late = centre.send(Method::GET, &history(&centre), Some(&before), vec![], &[]).await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND, "let in, and there is no such record");
    // So it goes on for longer than an enrolment lasts that nobody uses.
    for _ in 0..4 {
        centre.clock.advance(TOKEN - TimeDelta::days(1));
        let token = hand.sync(vec![]).await.token.expect("a new one");
        hand.token = token;
        hand.sync(vec![]).await;
    }
    centre.clock.advance(TOKEN);
    assert_eq!(refusal(hand.try_sync(vec![]).await, 401).await.code, "token_expired");
}

fn history(centre: &Centre) -> String {
    format!("/api/v1/records/{}/history", shared::ids::RecordId(shared::outside::Outside::uuid(&*centre.clock)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_credential_is_found_out_and_opens_nothing() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let copied = hand.token.clone();
    hand.token = next_day(&centre, &mut hand).await;
    let known = hand.resident("已经在的", GRID);
    hand.sync(vec![known.clone()]).await;
    centre.clock.advance(token::GRACE + TimeDelta::minutes(1));

    // Who has the copy gets nothing by any door.
    let own = std::mem::replace(&mut hand.token, copied.clone());
    let body = serde_json::to_vec(&hand.request(vec![])).unwrap();
    assert_eq!(refusal(centre.post("/api/v1/sync", Some(&copied), body, &[]).await, 401).await.code, "token_doubled");
    let question = SlotRequest {
        protocol: PROTOCOL,
        key: shared::outside::Outside::uuid(&*centre.clock),
        restored: true,
        moving: false,
        epoch: hand.enrolled.epoch,
        last: 0,
        kept: vec![],
        over: vec![],
        lease: true,
    };
    let question = serde_json::to_vec(&question).unwrap();
    let asked = centre.post("/api/v1/slot", Some(&copied), question.clone(), &[]).await;
    assert_eq!(refusal(asked, 401).await.code, "token_doubled", "no slot of its own either");
    hand.token = own;

    // Nobody knows which of the two is the thief: the other gets nothing either, and what it brings is kept aside.
    for path in [history(&centre), format!("/api/v1/photos/{}", "0".repeat(64))] {
        let read = centre.send(Method::GET, &path, Some(&hand.token), vec![], &[]).await;
        assert_eq!(refusal(read, 401).await.code, "token_doubled", "{path}");
    }
    let asked = centre.post("/api/v1/slot", Some(&hand.token), question, &[]).await;
    assert_eq!(refusal(asked, 401).await.code, "token_doubled");
    let (fresh, change) = (
        hand.resident("锁了以后写的", GRID),
        hand.change(known.record, &[("phone", shared::value::Value::text("13800000001"))]),
    );
    let answer = hand.sync(vec![fresh.clone(), change.clone()]).await;
    assert!(answer.locked && answer.items.is_empty() && answer.setup.is_none() && answer.token.is_none());
    for place in 0..2 {
        let why = rejected(&answer, place);
        assert_eq!((why.reason, why.detail.as_str()), (RejectReason::NotAllowed, "credential-doubled"));
    }
    assert_eq!(answer.high_water, hand.n, "it is delivered");

    // Staff see it, and take what its author says is theirs.
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    assert!(desk.page("/console/terminals").await.contains("凭证被两处使用，已锁"));
    assert!(desk.audit().await.contains("凭证被两处使用，终端已锁"));
    let waiting = desk.page("/console/quarantine").await;
    assert!(waiting.contains("锁了以后写的") && waiting.contains("请先问本人是不是他写的"), "{waiting}");
    let accept = format!("/console/quarantine/{}/accept", fresh.id);
    let csrf = hidden(&waiting, &accept)["csrf"].clone();
    assert_eq!(desk.send(&accept, &[("csrf", &csrf)]).await.status(), 303);

    // A new code, given to who came with the handheld, ends the lock; what was brought meanwhile is there.
    let mut again = reenrol(&centre, &hand, &wei).await;
    let answer = again.sync(vec![]).await;
    assert!(!answer.locked && again.holds(known.record, Part::Open) && again.holds(fresh.record, Part::Open));
    let edit = again.resident("接着写的", GRID);
    applied(&again.sync(vec![edit]).await, 0);
    assert_eq!(refusal(hand.try_sync(vec![]).await, 401).await.code, "token_revoked");
    assert_eq!(
        refusal(centre.post("/api/v1/sync", Some(&copied), b"{}".to_vec(), &[]).await, 401).await.code,
        "token_revoked"
    );
}

/// The same handheld, with a new code.
async fn reenrol<'a>(centre: &'a Centre, hand: &Handheld<'a>, user: &sync_server::store::User) -> Handheld<'a> {
    let request = EnrolRequest {
        keys: vec![],
        protocol: PROTOCOL,
        code: make_code(&centre.app, user).unwrap(),
        name: "测试机".to_owned(),
        app: "0.1.0".to_owned(),
        before: Some(Before { user: user.id, slot: hand.slot }),
    };
    let response = centre.post("/api/v1/enrol", None, serde_json::to_vec(&request).unwrap(), &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let enrolled: EnrolAnswer = response.json().await.unwrap();
    Handheld {
        centre,
        author: hand.author.clone(),
        token: enrolled.token.clone(),
        slot: enrolled.slot,
        n: 0,
        cursor: None,
        setup: None,
        confirmed: std::collections::BTreeMap::new(),
        enrolled,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_takes_the_credential_it_gave_after_the_backup_and_no_forged_one() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    for _ in 0..3 {
        hand.token = next_day(&centre, &mut hand).await;
        hand.sync(vec![]).await;
    }
    // What a backup of the first day remembers of it.
    let sql = rusqlite::Connection::open(centre.folder.path().join("town.db")).unwrap();
    sql.execute("UPDATE device SET turn = 0, turned = NULL", []).unwrap();
    assert_eq!(hand.sync(vec![]).await.token, None, "known, and new as far as this server can tell");
    let turn: u32 = sql.query_row("SELECT turn FROM device", [], |row| row.get(0)).unwrap();
    assert_eq!(turn, 3);

    let good = std::mem::take(&mut hand.token);
    for at in [0, 8, 13, good.len() - 2] {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        hand.token = String::from_utf8(bytes).unwrap();
        assert_eq!(refusal(hand.try_sync(vec![]).await, 401).await.code, "token_invalid", "{at}");
    }
    hand.token = good;
    assert_eq!(hand.try_sync(vec![]).await.status(), StatusCode::OK, "and nobody is locked out by guesses");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_sealed_with_a_spent_credential_is_still_taken() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    hand.token = next_day(&centre, &mut hand).await;
    hand.sync(vec![]).await;
    let edit = hand.resident("写在文件里", GRID);
    let file = exported(&hand, std::slice::from_ref(&edit), &[]);
    hand.token = next_day(&centre, &mut hand).await;
    hand.sync(vec![]).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let (status, said) = upload(&desk, &file).await;
    assert!(status == StatusCode::OK && said.contains("并入 1 条改动"), "{said}");
}
