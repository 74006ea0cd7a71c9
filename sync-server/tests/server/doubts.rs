//! When a handheld and the centre are in doubt about each other, over real HTTP: files put back on a handheld, a clone, a
//! database put back at the centre. Nothing is lost, nothing is applied twice, nobody is asked.

use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{Dot, RecordId};
use shared::record::Part;
use shared::value::Value;
use shared::wire::{Elsewhere, HeldEdit, KeptEdit, Outcome, RejectReason, Remain, SyncRequest};
use sync_server::store::{self, StoreError};
use sync_server::sync::slot::PARTINGS_A_DAY;

fn phone(number: &str) -> [(&'static str, Value); 1] {
    [("phone", Value::text(number))]
}

/// Every number that lives in a resident's phone.
fn phones(hand: &Handheld<'_>, record: RecordId) -> Vec<String> {
    let state = &hand.confirmed[&(record, Part::Open)];
    let mut all: Vec<String> =
        state.live(&"phone".parse().unwrap()).map(|write| write.value.as_text().unwrap()).collect();
    all.sort();
    all
}

fn edits_of(centre: &Centre, record: RecordId) -> usize {
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.edits_of(record)).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_put_back_gets_a_slot_of_its_own_and_loses_nothing() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create]).await, 0);
    // The files are copied; then a day's work follows, of which the answer to the first save gets lost.
    let mut restored = alice.copy();
    let first = alice.change(record, &phone("13900000001"));
    let mut waiting = vec![first.clone()];
    restored.n = alice.n;
    applied(&alice.sync(vec![first]).await, 0);
    let second = alice.change(record, &[("address", Value::text("条山路1号"))]);
    applied(&alice.sync(vec![second]).await, 0);

    // The files come back. What is saved on them goes on at n = 3, which the centre knows otherwise.
    let again = restored.change(record, &phone("13900000003"));
    waiting.push(again.clone());
    assert_eq!(refusal(restored.try_sync(vec![again]).await, 409).await.code, "out_of_step");
    let question = restored.question(true, &waiting);
    let told = restored.ask(&question).await;
    let fork = told.fork.clone().unwrap();
    assert_eq!(told.receipts.iter().map(|it| it.edit).collect::<Vec<_>>(), [waiting[0].id]);
    assert!(told.dots.is_empty() && fork.slot != restored.slot);

    // The answer is lost as well: the same question gets the same again.
    let once_more = restored.ask(&question).await;
    assert_eq!((&once_more.fork, &once_more.receipts), (&told.fork, &told.receipts));
    let left = restored.adopt(&told, waiting);
    assert_eq!(left.len(), 1);
    let answer = restored.sync(left).await;
    assert!(answer.refill && answer.high_water == 1);
    applied(&answer, 0);
    alice.catch_up().await;
    assert_eq!(alice.confirmed, restored.confirmed);
    assert_eq!(phones(&alice, record), ["13900000001", "13900000003"], "the second saw only what its files knew");
    assert_eq!((alice.shown(record, "address").as_str(), edits_of(&centre, record)), ("条山路1号", 4));

    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let staff = Desk::logged_in(&centre, "staff").await;
    assert!(staff.page("/console/terminals").await.contains("换过编号"));
    assert!(staff.audit().await.contains("终端另给了编号"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clones_both_go_on() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create]).await, 0);
    // One save waits when the files are copied: both have it.
    let waits = alice.change(record, &[("address", Value::text("条山路1号"))]);
    let mut clone = alice.copy();
    let hers = alice.change(record, &phone("13900000001"));
    let his = clone.change(record, &phone("13900000002"));
    let followed = clone.resident("李强", GRID);
    assert_eq!(hers.dot, his.dot);
    applied(&alice.sync(vec![waits.clone(), hers]).await, 1);
    let waiting = vec![waits, his, followed.clone()];
    assert_eq!(refusal(clone.try_sync(waiting.clone()).await, 409).await.code, "out_of_step");
    // It does not know that it is one: the numbers tell.
    let told = clone.ask(&clone.question(false, &waiting)).await;
    assert_eq!((told.fork.is_some(), told.receipts.len()), (true, 1));
    let left = clone.adopt(&told, waiting);
    assert_eq!(left.iter().map(|edit| edit.dot.n).collect::<Vec<_>>(), [1, 2]);
    let answer = clone.sync(left).await;
    applied(&answer, 0);
    applied(&answer, 1);
    // What went up under the old slot is in no backup yet; the first backup holds it all.
    let upto = [Dot { slot: alice.slot, n: 2 }].into_iter().collect();
    let elsewhere = SyncRequest { elsewhere: Some(Elsewhere { upto, held: vec![] }), ..clone.request(vec![]) };
    let elsewhere = serde_json::to_vec(&elsewhere).unwrap();
    assert!(!crate::common::answer(clone.raw(elsewhere.clone(), &[]).await).await.elsewhere_safe);
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        let upto = tx.complete_upto()?;
        tx.note_backed_up(&upto)
    })
    .unwrap();
    let told = crate::common::answer(clone.raw(elsewhere, &[]).await).await;
    assert_eq!((told.backed_up, told.elsewhere_safe), (2, true));
    // Both go on, each by its own token and slot.
    for hand in [&mut alice, &mut clone] {
        let more = hand.resident("后来的人", GRID);
        applied(&hand.sync(vec![more]).await, 0);
    }
    alice.catch_up().await;
    clone.catch_up().await;
    assert_eq!(alice.confirmed, clone.confirmed);
    assert_eq!(phones(&alice, record), ["13900000001", "13900000002"]);
    assert!(alice.holds(followed.record, Part::Open) && alice.confirmed.len() == 4);
    // Nobody asks again for nothing.
    let none = alice.ask(&alice.question(false, &[])).await;
    assert!(none.fork.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_ask_under_one_key_do_not_get_one_slot_once_it_is_used() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    // The files are copied while the question is open.
    let question = alice.question(true, &[]);
    let mut clone = alice.copy();
    let told = alice.ask(&question).await;
    alice.adopt(&told, vec![]);
    let hers = alice.resident("张伟", GRID);
    applied(&alice.sync(vec![hers]).await, 0);
    let other = clone.ask(&question).await;
    assert_ne!(other.fork.as_ref().unwrap().slot, alice.slot);
    clone.adopt(&other, vec![]);
    let his = clone.resident("李强", GRID);
    applied(&clone.sync(vec![his]).await, 0);
    alice.catch_up().await;
    assert_eq!(alice.confirmed.len(), 2);
    assert_eq!(alice.confirmed, clone.confirmed);

    // Whoever clones in a loop is stopped, for a day.
    for _ in 2..PARTINGS_A_DAY {
        alice.ask(&alice.question(true, &[])).await;
    }
    let response = alice.try_ask(&alice.question(true, &[])).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response, 429).await.code, "too_many_partings");
    centre.clock.advance(TimeDelta::days(1));
    alice.ask(&alice.question(true, &[])).await.fork.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_is_noticed_and_superseded_edits_stay_superseded() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&wei).await);
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create]).await, 0);
    bob.catch_up().await;
    let yesterday = centre.copy();
    // Today Alice writes a number, Bob sees it and corrects it.
    let hers = alice.change(record, &phone("13900000001"));
    applied(&alice.sync(vec![hers.clone()]).await, 0);
    bob.catch_up().await;
    let his = bob.change(record, &phone("13900000002"));
    applied(&bob.sync(vec![his.clone()]).await, 0);
    let before = bob.confirmed.clone();
    alice.catch_up().await;
    let put_back = centre.put_back(yesterday).await;

    // Bob comes first and offers what he keeps; nobody told the server that it was put back.
    let (mut alice, mut bob) = (alice.at(&put_back), bob.at(&put_back));
    let answer = bob.sync(vec![his]).await;
    applied(&answer, 0);
    assert!(answer.refill && answer.epoch > 1_700_000_000, "a new epoch: {}", answer.epoch);
    // Alice's, which Bob had seen, comes late: it is not brought back to life.
    let answer = alice.sync(vec![hers]).await;
    applied(&answer, 0);
    assert!(answer.refill);
    bob.catch_up().await;
    assert_eq!(phones(&bob, record), ["13900000002"]);
    assert_eq!(alice.confirmed, bob.confirmed);
    let (key, now) = ((record, Part::Open), &bob.confirmed);
    assert_eq!(now[&key].vector(), before[&key].vector(), "all that was ever saved is there");
    // The epoch stays, and the console's next save is by a slot of it.
    assert_eq!(alice.sync(vec![]).await.epoch, bob.sync(vec![]).await.epoch);
    assert!(!bob.sync(vec![]).await.refill);
    person(&put_back, "staff", Role::CenterStaff, TOWN, false, false);
    let audit = Desk::logged_in(&put_back, "staff").await.audit().await;
    assert_eq!(audit.matches("数据库退回过").count(), 1, "noticed once");
}

/// An edit as its handheld keeps it: applied under its dot, as the centre said.
fn sure(edit: &Edit, once: &[(Dot, bool)]) -> KeptEdit {
    KeptEdit { id: edit.id, dot: edit.dot, sure: true, unseen: false, once: once.to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_saw_before_a_restore_is_what_comes_again_as_another_writer() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let juan = centre.person("juan", Role::GridMember, GRID, false);
    let mut bob = centre.enrol(&juan).await;
    bob.catch_up().await;
    let backups = [centre.copy(), centre.copy()];
    // Alice's handheld is enrolled after the backup. Of what it sends some is seen by Bob, who corrects it.
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create.clone()]).await, 0);
    let hers = alice.change(record, &phone("13900000001"));
    applied(&alice.sync(vec![hers.clone()]).await, 0);
    bob.catch_up().await;
    let his = bob.change(record, &phone("13900000002"));
    applied(&bob.sync(vec![his.clone()]).await, 0);
    let refused = alice.resident("邻格居民", NEXT_GRID);
    let why = rejected(&alice.sync(vec![refused.clone()]).await, 0).clone();

    for (alice_comes_first, backup) in [true, false].into_iter().zip(backups) {
        // The restored centre does not know her handheld any more. It is enrolled again, and asks.
        let put_back = centre.put_back(backup).await;
        let mut bob = bob.copy().at(&put_back);
        assert!(bob.sync(vec![]).await.refill, "it notices that the database was put back");
        let mut anew = put_back.enrol(&wei).await;
        let mut question = anew.question(false, &[]);
        (question.moving, question.epoch) = (true, 1);
        question.kept = vec![sure(&create, &[]), sure(&hers, &[])];
        let told = anew.ask(&question).await;
        assert!(told.fork.is_none() && told.receipts.is_empty(), "nobody has used the new slot");
        let offered = |edit: &Edit, n| Edit { dot: Dot { slot: anew.slot, n }, ..edit.clone() };
        let again = vec![offered(&create, 1), offered(&hers, 2)];
        if alice_comes_first {
            applied(&anew.sync(again).await, 1);
            applied(&bob.sync(vec![his.clone()]).await, 0);
        } else {
            // His correction comes before what it corrects.
            applied(&anew.sync(again[..1].to_vec()).await, 0);
            applied(&bob.sync(vec![his.clone()]).await, 0);
            applied(&anew.sync(again[1..].to_vec()).await, 0);
        }
        bob.catch_up().await;
        assert_eq!(phones(&bob, record), ["13900000002"], "he had seen hers, whatever it is called now");
        // What had been refused is held again, not judged anew: the leader may still accept it.
        let held = vec![HeldEdit { edit: refused.clone(), why: why.clone() }];
        for _ in 0..2 {
            let request = SyncRequest { held: held.clone(), ..anew.request(vec![]) };
            answer_of(anew.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
        }
        person(&put_back, "leader", Role::GridLeader, NEXT_GRID, false, false);
        let desk = Desk::logged_in(&put_back, "leader").await;
        let page = desk.page("/console/quarantine").await;
        assert!(page.contains("邻格居民"), "{page}");
        desk.submit(&page, &format!("/console/quarantine/{}/accept", refused.id), &[]).await;
        assert_eq!(edits_of(&put_back, refused.record), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_edits_that_had_one_number_before_a_restore_only_the_one_that_was_seen_counts_as_seen() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let juan = centre.person("juan", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&juan).await);
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create.clone()]).await, 0);
    bob.catch_up().await;
    let backup = centre.copy();
    // Her files are copied; her next save goes up, and Bob corrects it. Then the old files come back, and the number of
    // that save is given once more, to what she types at the door now.
    let mut files = alice.copy();
    let lost = alice.change(record, &phone("13900000001"));
    applied(&alice.sync(vec![lost.clone()]).await, 0);
    bob.catch_up().await;
    let his = bob.change(record, &phone("13900000002"));
    applied(&bob.sync(vec![his.clone()]).await, 0);
    files.n = 1;
    let hers = files.change(record, &phone("13900000003"));
    assert_eq!(hers.dot, lost.dot);

    let put_back = centre.put_back(backup).await;
    let (mut files, mut bob) = (files.at(&put_back), bob.at(&put_back));
    assert!(bob.sync(vec![]).await.refill, "it notices that the database was put back");
    // In the new epoch nothing is taken from a handheld that has not asked what its numbers mean there.
    let unasked = SyncRequest { epoch: Some(1), ..files.request(vec![hers.clone()]) };
    let response = files.raw(serde_json::to_vec(&unasked).unwrap(), &[]).await;
    assert_eq!(refusal(response, 409).await.code, "out_of_step");
    assert_eq!(edits_of(&put_back, record), 1);

    let mut question = files.question(false, std::slice::from_ref(&hers));
    (question.epoch, question.last) = (1, 2);
    let told = files.ask(&question).await;
    let again = files.adopt(&told, vec![hers]);
    applied(&files.sync(again).await, 0);

    // Bob's says what it stands in place of: the first of the two. The other one he never saw.
    let mut question = bob.question(false, &[]);
    (question.epoch, question.last) = (1, 1);
    (question.kept, question.over) = (vec![sure(&his, &[])], vec![(lost.id, lost.dot)]);
    let told = bob.ask(&question).await;
    let again = bob.adopt(&told, vec![his]);
    applied(&bob.sync(again).await, 0);
    for hand in [&mut files, &mut bob] {
        hand.catch_up().await;
        assert_eq!(phones(hand, record), ["13900000002", "13900000003"], "somebody decides, nothing is buried");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tray_is_told_again_after_a_restore_and_what_was_taken_back_is_not() {
    let centre = Centre::open().await;
    person(&centre, "leader", Role::GridLeader, NEXT_GRID, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let juan = centre.person("juan", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&juan).await);
    alice.catch_up().await;
    bob.catch_up().await;
    let foreign: Vec<Edit> = (0..3).map(|n| alice.resident(&format!("邻格居民{n}"), NEXT_GRID)).collect();
    let answer = alice.sync(foreign.clone()).await;
    assert_eq!(rejected(&answer, 2).reason, RejectReason::NotAllowed);

    // Alice takes one back; Bob may not take back hers.
    let withdraw = |edit: &Edit, hand: &Handheld<'_>| SyncRequest { withdrawn: vec![edit.id], ..hand.request(vec![]) };
    let sent = serde_json::to_vec(&withdraw(&foreign[0], &bob)).unwrap();
    answer_of(bob.raw(sent, &[]).await).await;
    let desk = Desk::logged_in(&centre, "leader").await;
    assert!(desk.page("/console/quarantine").await.contains("邻格居民0"));
    let sent = serde_json::to_vec(&withdraw(&foreign[0], &alice)).unwrap();
    answer_of(alice.raw(sent, &[]).await).await;
    let page = desk.page("/console/quarantine").await;
    assert!(!page.contains("邻格居民0") && page.contains("邻格居民1"), "nobody need decide on it any more");
    let csrf = hidden(&page, "/console/logout")["csrf"].clone();
    let accept = format!("/console/quarantine/{}/accept", foreign[0].id);
    assert_eq!(desk.send(&accept, &[("csrf", &csrf)]).await.status(), 404);

    let yesterday = centre.copy();
    let accept = format!("/console/quarantine/{}/accept", foreign[1].id);
    desk.submit(&page, &accept, &[]).await;
    let answer = alice.sync(vec![]).await;
    assert!(answer.released.len() == 1 && matches!(answer.released[0].outcome, Outcome::Applied { .. }));
    let put_back = centre.put_back(yesterday).await;
    let mut alice = alice.at(&put_back);
    let answer = alice.sync(vec![]).await;
    assert!(answer.refill);
    let told: Vec<_> = answer.released.iter().map(|it| it.edit).collect();
    assert_eq!(told, [foreign[1].id, foreign[2].id], "both wait for a decision again, the one taken back does not");
    assert!(answer.released.iter().all(|it| matches!(it.outcome, Outcome::Rejected(_))));
}

async fn answer_of(response: reqwest::Response) {
    answer(response).await;
}

fn remain(edit: &Edit, path: &str) -> Remain {
    Remain {
        edit: edit.id,
        record: edit.record,
        kind: edit.kind,
        part: edit.part,
        path: path.parse().unwrap(),
        value: edit.writes[&path.parse().unwrap()].clone(),
        at: edit.at,
        author: (*edit.author).clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_others_still_show_comes_to_staff_and_goes_when_it_arrives() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "cleared", Role::CenterStaff, TOWN, false, true);
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let far = centre.person("far", Role::GridMember, FAR_GRID, true);
    let (mut alice, mut bob, mut away) = (centre.enrol(&wei).await, centre.enrol(&wei).await, centre.enrol(&far).await);
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    applied(&alice.sync(vec![create]).await, 0);
    away.catch_up().await;
    let yesterday = centre.copy();
    let number = alice.change(record, &phone("13912345678"));
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
    let care = alice.care(record, &care.map(|(path, value)| (path, Value::text(value))));
    let lost = alice.resident("全丢的人", GRID);
    applied(&alice.sync(vec![number.clone(), care.clone(), lost.clone()]).await, 2);
    bob.catch_up().await;
    let put_back = centre.put_back(yesterday).await;

    // Bob's handheld still shows what Alice's, which fell into the river, had sent.
    let (mut bob, away) = (bob.at(&put_back), away.at(&put_back));
    let mut request = bob.request(vec![]);
    request.remains = vec![remain(&number, "phone"), remain(&care, "care_note"), remain(&lost, "name")];
    let sent = serde_json::to_vec(&request).unwrap();
    for _ in 0..2 {
        let told = answer(bob.raw(sent.clone(), &[]).await).await;
        bob.take(&told, &[]);
    }
    // Whoever may not read a record does not get words about it in here.
    let mut forged = remain(&number, "phone");
    (forged.edit, forged.value) = (shared::ids::EditId::fresh(&*put_back.clock), Value::text("13700000000"));
    let sent = serde_json::to_vec(&SyncRequest { remains: vec![forged], ..away.request(vec![]) }).unwrap();
    answer_of(away.raw(sent, &[]).await).await;

    let staff = Desk::logged_in(&put_back, "staff").await;
    let page = staff.page("/console/remains").await;
    for said in ["139****5678", "张伟", "wei的姓名", "整条记录都丢了", "全丢的人"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("13912345678") && !page.contains("13700000000") && !page.contains("每周送餐"), "{page}");
    assert_eq!(page.matches("139****5678").count(), 1, "kept once");
    let cleared = Desk::logged_in(&put_back, "cleared").await;
    let page = cleared.page("/console/remains").await;
    assert!(page.contains("每周送餐"));
    assert!(cleared.audit().await.contains("看了关爱服务"));
    assert!(!bob.shown(record, "phone").contains('9'), "nothing of it is applied");

    let done = format!("/console/remains/{record}/done");
    let csrf = hidden(&page, &done)["csrf"].clone();
    let listed = [("csrf", csrf), ("edit", number.id.to_string()), ("edit", care.id.to_string())];
    let listed: Vec<(&str, &str)> = listed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(listed[1..].iter().all(|(_, id)| page.contains(id)));
    assert_eq!(cleared.send(&done, &listed).await.status(), 303);
    let page = cleared.page("/console/remains").await;
    assert!(!page.contains("139****5678") && page.contains("全丢的人"));
    // The edit itself comes after all: there is nothing left to look at.
    let told = alice.at(&put_back).sync(vec![number, care, lost]).await;
    applied(&told, 2);
    assert!(staff.page("/console/remains").await.contains("没有要看的"));
    bob.catch_up().await;
    assert_eq!(phones(&bob, record), ["13912345678"]);
}
