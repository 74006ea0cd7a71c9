//! 未收下 at the console: what was not applied is read in words, taken after all or left out with a reason, and the
//! handheld that sent it is told.

use crate::common::desk::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use shared::record::Part;
use shared::value::Value;
use shared::wire::{Outcome, RejectReason};

const PAGE: &str = "/console/quarantine";

#[tokio::test]
async fn whoever_is_responsible_takes_it_after_all_and_the_handheld_is_told() {
    let centre = Centre::open().await;
    person(&centre, "leader", Role::GridLeader, NEXT_GRID, false, false);
    person(&centre, "elsewhere", Role::GridLeader, FAR_GRID, false, false);
    person(&centre, "member", Role::GridMember, NEXT_GRID, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let mut foreign = alice.resident("邻格居民", NEXT_GRID);
    foreign.writes.insert("phone".parse().unwrap(), Value::text("13912345678"));
    let id = foreign.id;
    assert_eq!(rejected(&alice.sync(vec![foreign]).await, 0).reason, RejectReason::NotAllowed);

    let desk = Desk::logged_in(&centre, "leader").await;
    let page = desk.page(PAGE).await;
    for said in ["邻格居民", "139****5678", "wei的姓名", "测试机", "这里不由这个人写"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("13912345678"));
    let accept = format!("{PAGE}/{id}/accept");

    // Not without the form's token, not by somebody else, not by somebody whose it is not to decide.
    assert_eq!(desk.send(&accept, &[]).await.status(), StatusCode::FORBIDDEN);
    let other = Desk::logged_in(&centre, "elsewhere").await;
    let theirs = other.page(PAGE).await;
    assert!(!theirs.contains("邻格居民") && theirs.contains("都收下了"));
    let csrf = hidden(&theirs, "/console/logout")["csrf"].clone();
    assert_eq!(other.send(&accept, &[("csrf", &csrf)]).await.status(), StatusCode::NOT_FOUND);
    let member = Desk::logged_in(&centre, "member").await;
    assert_eq!(member.get(PAGE).await.status(), StatusCode::FORBIDDEN);
    let csrf = hidden(&member.page("/console").await, "/console/logout")["csrf"].clone();
    assert_eq!(member.send(&accept, &[("csrf", &csrf)]).await.status(), StatusCode::FORBIDDEN);
    assert!(alice.sync(vec![]).await.released.is_empty(), "nothing was decided");

    let page = desk.submit(&page, &accept, &[]).await;
    assert!(page.contains("都收下了"), "{page}");
    let answer = alice.sync(vec![]).await;
    assert_eq!(answer.released.len(), 1);
    assert!(answer.released[0].edit == id && matches!(answer.released[0].outcome, Outcome::Applied { .. }));
    assert!(desk.page("/console/records").await.contains("邻格居民"));

    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let audit = Desk::logged_in(&centre, "staff").await.audit().await;
    assert!(audit.contains("收下了退回的修改") && audit.contains("leader的姓名") && audit.contains(&id.to_string()));
}

#[tokio::test]
async fn left_out_with_a_reason_that_its_author_reads() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let lost = alice.resident("不知在哪", shared::area::AreaId(4_000));
    let id = lost.id;
    alice.sync(vec![lost]).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(PAGE).await;
    assert!(page.contains("不知在哪"), "what lies nowhere is for the centre: {page}");
    let dismiss = format!("{PAGE}/{id}/dismiss");
    assert_eq!(desk.try_submit(&page, &dismiss, &[("why", " ")]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    // What still cannot be applied is not, and says so.
    let accept = format!("{PAGE}/{id}/accept");
    assert_eq!(desk.try_submit(&page, &accept, &[]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = desk.submit(&page, &dismiss, &[("why", "请选对网格再报<b>")]).await;
    assert!(page.contains("都收下了"));
    let answer = alice.sync(vec![]).await;
    let Outcome::Rejected(told) = &answer.released[0].outcome else { panic!("{:?}", answer.released) };
    assert_eq!((answer.released[0].edit, told.note.as_str()), (id, "请选对网格再报<b>"));
    let audit = desk.audit().await;
    assert!(audit.contains("不收退回的修改") && !audit.contains("请选对网格"), "the audit names ids, not words");
}

#[tokio::test]
async fn what_is_restricted_and_who_reported_it_stay_hidden_here_too() {
    let centre = Centre::open().await;
    for (login, cleared) in [("plain", false), ("cleared", true)] {
        person(&centre, login, Role::GridLeader, GRID, false, cleared);
    }
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let born = alice.resident("张伟", GRID);
    let record = born.record;
    applied(&alice.sync(vec![born]).await, 0);
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
    let care = alice.care(record, &care.map(|(path, value)| (path, Value::text(value))));
    let id = care.id;
    assert_eq!(rejected(&alice.sync(vec![care]).await, 0).reason, RejectReason::NotAllowed);
    let informant = centre.person("lin", Role::Informant, GRID, false);
    let mut lin = centre.enrol(&informant).await;
    let mut report = lin.event("路灯坏了", GRID);
    report.form = 99;
    lin.sync(vec![report]).await;

    let plain = Desk::logged_in(&centre, "plain").await;
    let page = plain.page(PAGE).await;
    assert!(page.contains("路灯坏了") && page.contains("信息员（姓名仅中心可见）"), "{page}");
    assert!(!page.contains("lin的姓名") && !page.contains("测试机"), "neither the name nor the phone's");
    assert!(!page.contains("每周送餐"));
    let csrf = hidden(&page, "/console/logout")["csrf"].clone();
    for what in ["accept", "dismiss"] {
        let path = format!("{PAGE}/{id}/{what}");
        let response = plain.send(&path, &[("csrf", &csrf), ("why", "看不到的")]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{what}");
    }
    let cleared = Desk::logged_in(&centre, "cleared").await;
    let page = cleared.page(PAGE).await;
    assert!(page.contains("每周送餐"));
    cleared.submit(&page, &format!("{PAGE}/{id}/accept"), &[]).await;
    let mut above = centre.enrol(&centre.person("above", Role::GridLeader, GRID, true)).await;
    above.catch_up().await;
    assert!(above.holds(record, Part::Restricted));
}
