//! Whatever way it comes, that one record is a duplicate of another is said by whoever may merge both, and written down.

use crate::common::audit::entries;
use crate::common::desk::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::view::MERGED_INTO;
use shared::wire::RejectReason;
use sync_server::auth::Who;
use sync_server::erase::{Reason, erase};
use sync_server::store::{self, StoreError};

fn into(mut edit: Edit, winner: RecordId) -> Edit {
    edit.writes.insert(Path::field(MERGED_INTO), Value::of(&winner));
    edit
}

/// Who merged what into what, or parted it.
fn written(centre: &Centre) -> Vec<(String, Option<shared::ids::UserId>, String, String)> {
    let merges = entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action.contains("merge"));
    merges.map(|entry| (entry.action.clone(), entry.user(), entry.subject, entry.detail)).collect()
}

#[tokio::test]
async fn nobody_begins_a_record_as_the_duplicate_of_somebody() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let who = resident(&mut wei, "张伟", GRID, &[]).await;
    let mut lin = centre.enrol(&centre.person("lin", Role::Informant, FAR_GRID, false)).await;
    let event = into(lin.event("路灯坏了", FAR_GRID), who);
    assert_eq!(rejected(&lin.sync(vec![event]).await, 0).reason, RejectReason::NotAllowed);
    let other = into(wei.resident("张卫", GRID), who);
    assert_eq!(rejected(&wei.sync(vec![other]).await, 0).reason, RejectReason::NotAllowed);

    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(&format!("/console/records/{who}")).await;
    assert!(!page.contains("已并入的重复档案") && !page.contains("路灯坏了"), "{page}");
    assert_eq!(written(&centre), []);

    // One of another kind that got there once is no part of the person, and does not keep them from being erased.
    let strange = lin.event("路灯坏了", FAR_GRID);
    let id = strange.record;
    applied(&lin.sync(vec![strange]).await, 0);
    let sql = rusqlite::Connection::open(centre.folder.path().join("town.db")).unwrap();
    let forged = "UPDATE part SET merged_into = ?2 WHERE record = ?1";
    assert_eq!(sql.execute(forged, rusqlite::params![id.0.as_bytes(), who.to_string()]).unwrap(), 1);
    let staff = Who::of(staff, &centre.app.areas().unwrap());
    assert_eq!(erase(&centre.app, Some(&staff), who, Reason::Request).unwrap().records, [who]);
}

#[tokio::test]
async fn a_handheld_of_the_centre_merges_what_it_may_merge_and_that_is_written_down() {
    let centre = Centre::open().await;
    let narrow = centre.person("narrow", Role::CenterStaff, AreaId(10), false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张 伟", GRID, &[]).await;
    let elsewhere = resident(&mut far, "张伟", FAR_GRID, &[]).await;
    let event = wei.event("井盖破损", GRID);
    let hazard = event.record;
    applied(&wei.sync(vec![event]).await, 0);

    let mut hand = centre.enrol(&narrow).await;
    hand.catch_up().await;
    let nobody = RecordId::fresh(&*centre.clock);
    for winner in [elsewhere, hazard, other, nobody] {
        let edit = hand.change(other, &[(MERGED_INTO, Value::of(&winner))]);
        assert_eq!(rejected(&hand.sync(vec![edit]).await, 0).reason, RejectReason::NotAllowed, "{winner}");
    }
    assert_eq!(written(&centre), []);
    let edit = hand.change(other, &[(MERGED_INTO, Value::of(&kept))]);
    applied(&hand.sync(vec![edit]).await, 0);
    hand.catch_up().await;
    let again = hand.change(other, &[(MERGED_INTO, Value::of(&kept))]);
    applied(&hand.sync(vec![again]).await, 0);
    hand.catch_up().await;
    let parted = hand.change(other, &[(MERGED_INTO, Value::null())]);
    applied(&hand.sync(vec![parted]).await, 0);
    let by = |action: &str| (action.to_owned(), Some(narrow.id), other.to_string(), kept.to_string());
    assert_eq!(written(&centre), [by("audit-merge"), by("audit-unmerge")]);
}

#[tokio::test]
async fn a_leader_cannot_take_a_merge_from_quarantine_and_no_form_writes_one_by_the_way() {
    let centre = Centre::open().await;
    for (login, role) in [("leader", Role::GridLeader), ("staff", Role::CenterStaff)] {
        person(&centre, login, role, TOWN, false, false);
    }
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张 伟", GRID, &[]).await;
    wei.catch_up().await;
    let edit = wei.change(other, &[(MERGED_INTO, Value::of(&kept))]);
    let id = edit.id;
    assert_eq!(rejected(&wei.sync(vec![edit]).await, 0).reason, RejectReason::NotAllowed);
    let accept = format!("/console/quarantine/{id}/accept");
    let leader = Desk::logged_in(&centre, "leader").await;
    let page = leader.page("/console/quarantine").await;
    assert_eq!(leader.try_submit(&page, &accept, &[]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let staff = Desk::logged_in(&centre, "staff").await;
    let csrf = hidden(&staff.page("/console").await, "/console/logout")["csrf"].clone();
    let mut seen = "{}".to_owned();
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        let part = &read.load_many(&[(other, Part::Open)])?[0];
        seen = serde_json::to_string(sync_server::batch::state(part)?.vector()).unwrap();
        Ok(())
    })
    .unwrap();
    let (kept_text, settle) = (kept.to_string(), format!("/console/records/{other}/settle"));
    let fields = [("csrf", csrf.as_str()), ("seen", &seen), ("field", MERGED_INTO), ("third", &kept_text)];
    assert_eq!(staff.send(&settle, &fields).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(written(&centre), []);

    // Staff take it, with the rights they have.
    let page = staff.page("/console/quarantine").await;
    staff.submit(&page, &accept, &[]).await;
    assert_eq!(written(&centre).len(), 1);
    let state = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.alias_of(other)).unwrap();
    assert_eq!(state, kept);
}
