//! Rounds of sync over real HTTP: what goes up, what comes down, who sees what.

use crate::common::*;
use shared::author::Role;
use shared::record::Part;
use shared::value::Value;
use shared::view;
use shared::wire::{Outcome, RejectReason, SlotRequest, SyncRequest};
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::auth::Who;
use sync_server::store;
use sync_server::sync::quarantine::{self, Decided};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_round_tells_the_other_handheld_and_not_the_sender() {
    let centre = Centre::open().await;
    let (wei, juan) =
        (centre.person("wei", Role::GridMember, GRID, false), centre.person("juan", Role::GridLeader, GRID, false));
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&juan).await);
    let first = alice.sync(vec![]).await;
    assert!(first.refill && first.total == Some(0) && !first.more);
    bob.catch_up().await;

    let edit = alice.resident("张伟", GRID);
    let record = edit.record;
    let answer = alice.sync(vec![edit]).await;
    assert_eq!(answer.high_water, 1);
    assert_eq!(applied(&answer, 0).get(alice.slot), 1);
    assert!(answer.items.is_empty(), "the sender knows it already");

    let told = bob.sync(vec![]).await;
    assert_eq!(told.items.len(), 1);
    assert_eq!(bob.shown(record, "name"), "张伟");
    assert_eq!(alice.confirmed, bob.confirmed);

    let idle = alice.sync(vec![]).await;
    assert!(idle.items.is_empty() && idle.setup.is_none() && !idle.refill);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_round_is_one_small_request() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    alice.catch_up().await;
    let request = serde_json::to_vec(&alice.request(vec![])).unwrap();
    let response = alice.raw(request.clone(), &[]).await;
    let body = response.bytes().await.unwrap();
    assert!(request.len() <= 100, "{} bytes up: {}", request.len(), String::from_utf8_lossy(&request));
    assert!(body.len() <= 140, "{} bytes down: {}", body.len(), String::from_utf8_lossy(&body));
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_again_gets_the_first_outcome_and_changes_nothing() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    alice.catch_up().await;
    let create = alice.resident("张伟", GRID);
    let mut foreign = alice.resident("李强", FAR_GRID);
    foreign.id = shared::ids::EditId::fresh(&*centre.clock);
    let edits = vec![create.clone(), foreign];
    let first = answer(alice.try_sync(edits.clone()).await).await;
    let second = answer(alice.try_sync(edits.clone()).await).await;
    assert_eq!(first.receipts, second.receipts);
    assert_eq!(second.high_water, 2);
    assert_eq!(rejected(&second, 1).reason, RejectReason::NotAllowed);

    // The same edits from a newly enrolled app, under dots of its own.
    let mut again = centre.enrol(&user).await;
    let mut offered = edits.clone();
    for edit in &mut offered {
        again.n += 1;
        edit.dot = (again.slot, again.n).into();
    }
    assert_eq!(refusal(again.try_sync(offered.clone()).await, 409).await.code, "out_of_step");
    let told = again.ask(&SlotRequest { moving: true, last: 0, ..again.question(false, &edits) }).await;
    assert!(told.fork.is_none() && told.receipts == first.receipts);
    // An app of the protocol before cannot ask.
    let old = SyncRequest { protocol: 1, edits: offered.clone(), ..again.request(vec![]) };
    let third = answer(again.raw(serde_json::to_vec(&old).unwrap(), &[]).await).await;
    again.take(&third, &offered);
    assert_eq!(third.receipts, first.receipts);
    let next = again.change(create.record, &[("phone", Value::text("13912345678"))]);
    let fourth = again.sync(vec![next]).await;
    applied(&fourth, 0);
    let edits =
        store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.edits_of(create.record)).unwrap();
    assert_eq!(edits.len(), 2, "nothing was applied twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_out_of_step_are_refused_whole_and_stay_where_they_are() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let (first, second, third) = (alice.resident("一", GRID), alice.resident("二", GRID), alice.resident("三", GRID));
    // A gap: nothing is applied, not even what stands before it, and nothing gets an outcome.
    assert_eq!(refusal(alice.try_sync(vec![first.clone(), third.clone()]).await, 409).await.code, "out_of_step");
    assert_eq!(alice.sync(vec![]).await.high_water, 0);
    let answer = alice.sync(vec![first.clone(), second.clone()]).await;
    applied(&answer, 1);
    // Another edit under a dot that was used: a clone, or files from a backup. What follows it does so in its own
    // history, so its context may cover what its author never saw: it is not taken either.
    let mut twice = alice.resident("四", GRID);
    twice.dot = second.dot;
    let mut after = alice.change(first.record, &[("phone", Value::text("13912345678"))]);
    after.dot.n = 3;
    assert_eq!(refusal(alice.try_sync(vec![twice, after]).await, 409).await.code, "out_of_step");
    // The right ones still follow, repetitions among them.
    let answer = alice.sync(vec![second, third]).await;
    assert_eq!((answer.receipts.len(), answer.high_water), (2, 3));
    applied(&answer, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_another_person_or_slot_is_quarantined() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let mut other = alice.resident("五", GRID);
    other.author = std::sync::Arc::new(shared::author::Author {
        user: Some(shared::ids::UserId::fresh(&*centre.clock)),
        ..alice.author.clone()
    });
    let mut slot = alice.resident("六", GRID);
    slot.dot = (shared::ids::Slot(7), 1).into();
    let answer = alice.sync(vec![other, slot]).await;
    for place in 0..2 {
        assert_eq!(rejected(&answer, place).reason, RejectReason::Protocol, "edit {place}");
    }
    assert_eq!(answer.high_water, 1);
    let kept = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.quarantine(true, 10)).unwrap();
    assert_eq!(kept.len(), 2, "no edit is ever dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_cannot_be_read_does_not_keep_the_others_away() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let edits: Vec<_> = (0..5).map(|n| alice.resident(&format!("居民{n}"), GRID)).collect();
    let mut request = serde_json::to_value(alice.request(edits.clone())).unwrap();
    request["edits"][1]["kind"] = "ghost".into();
    request["edits"][2]["mood"] = "good".into();
    request["edits"][3]["writes"][""] = 7.into();
    let orphan = alice.change(edits[1].record, &[("phone", Value::text("13912345678"))]);
    request["edits"].as_array_mut().unwrap().push(serde_json::to_value(&orphan).unwrap());
    let send = || async { answer(alice.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await };
    let first = send().await;
    for place in 1..4 {
        assert_eq!(rejected(&first, place).reason, RejectReason::Unknown, "edit {place}");
    }
    applied(&first, 0);
    applied(&first, 4);
    assert_eq!(rejected(&first, 5).reason, RejectReason::Orphan, "it goes with its creation");
    assert_eq!(first.high_water, 6);
    // Once more: the same outcomes, and each is kept once, as it came.
    assert_eq!(send().await.receipts, first.receipts);
    let kept = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.unreadable()).unwrap();
    assert_eq!(kept.iter().map(|it| it.id).collect::<Vec<_>>(), [edits[1].id, edits[2].id, edits[3].id]);
    assert!(kept[1].raw.contains("\"mood\":\"good\""), "{}", kept[1].raw);
    // Without id and dot nothing could be answered: refused whole.
    request["edits"][2]["dot"] = "first".into();
    let refused = refusal(alice.raw(serde_json::to_vec(&request).unwrap(), &[]).await, 400).await;
    assert_eq!(refused.code, "bad_shape");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_edit_leaves_the_good_value_standing() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    alice.sync(vec![create]).await;
    let before = alice.confirmed.clone();
    let bad = alice.change(record, &[("birth_date", Value::text("1990-02-31"))]);
    let good = alice.change(record, &[("phone", Value::text("13912345678"))]);
    let answer = alice.sync(vec![bad.clone(), good]).await;
    let why = rejected(&answer, 0);
    assert_eq!((why.reason, why.path.as_ref().unwrap().as_str()), (RejectReason::Form, "birth_date"));
    assert!(assets::messages::Messages::of(assets::messages::Lang::Zh).has(&why.detail), "{}", why.detail);
    applied(&answer, 1);
    assert_eq!(alice.shown(record, "name"), "张伟");
    assert_eq!(alice.shown(record, "birth_date"), "");
    assert_ne!(alice.confirmed, before);
    let kept = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.quarantine(true, 10)).unwrap();
    assert_eq!(kept[0].edit, bad);
    // Corrected under a new id and dot.
    let corrected = alice.change(record, &[("birth_date", Value::text("1990-02-28"))]);
    applied(&alice.sync(vec![corrected]).await, 0);
    assert_eq!(alice.shown(record, "birth_date"), "1990-02-28");
    let mut bob = centre.enrol(&user).await;
    bob.catch_up().await;
    assert_eq!(bob.confirmed, alice.confirmed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_rejected_creation_goes_with_it() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let create = alice.resident("外人", FAR_GRID);
    let after = alice.change(create.record, &[("phone", Value::text("13912345678"))]);
    let nowhere = alice.change(shared::ids::RecordId::fresh(&*centre.clock), &[("phone", Value::text("13912345678"))]);
    let answer = alice.sync(vec![create.clone()]).await;
    assert_eq!(rejected(&answer, 0).reason, RejectReason::NotAllowed);
    let answer = alice.sync(vec![after, nowhere]).await;
    assert_eq!(rejected(&answer, 0).reason, RejectReason::Orphan);
    assert_eq!(rejected(&answer, 1).reason, RejectReason::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handhelds_change_one_resident_and_both_values_wait_for_a_decision() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&user).await, centre.enrol(&user).await);
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    alice.sync(vec![create]).await;
    bob.catch_up().await;
    let one = alice.change(record, &[("phone", Value::text("13900000001"))]);
    let two = bob.change(record, &[("phone", Value::text("13900000002")), ("address", Value::text("条山路1号"))]);
    alice.sync(vec![one]).await;
    let answer = bob.sync(vec![two]).await;
    assert_eq!(answer.items.len(), 1, "bob had not seen alice's phone, so the record comes back");
    alice.catch_up().await;
    assert_eq!(alice.confirmed, bob.confirmed);
    let state = &alice.confirmed[&(record, Part::Open)];
    assert!(view::one(state, "phone").is_open());
    assert_eq!(alice.shown(record, "address"), "条山路1号");
    let listed = parts(&centre, store::PartFilter { open_only: true, ..Default::default() });
    assert_eq!((listed.len(), listed[0].open_fields, listed[0].title.as_str()), (1, 1, "张伟"));
    assert!(listed[0].words.contains("13900000001") && listed[0].words.contains("13900000002"));

    let settled = alice.change(record, &[("phone", Value::text("13900000002"))]);
    assert!(alice.sync(vec![settled]).await.items.is_empty());
    bob.catch_up().await;
    assert_eq!(alice.confirmed, bob.confirmed);
    assert!(!view::one(&bob.confirmed[&(record, Part::Open)], "phone").is_open());
    assert!(parts(&centre, store::PartFilter { open_only: true, ..Default::default() }).is_empty());
}

fn parts(centre: &Centre, filter: store::PartFilter) -> Vec<store::StoredPart> {
    store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| {
        let mut parts = Vec::new();
        read.each_part(&filter, &mut |part| {
            parts.push(part);
            Ok(true)
        })?;
        Ok(parts)
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_moves_is_gone_here_and_new_there_with_its_restricted_part() {
    let centre = Centre::open().await;
    let from = centre.person("from", Role::GridMember, GRID, true);
    let to = centre.person("to", Role::GridMember, NEXT_GRID, true);
    let far = centre.person("far", Role::GridMember, FAR_GRID, true);
    let leader = centre.person("leader", Role::GridLeader, shared::area::AreaId(10), false);
    let mut here = centre.enrol(&from).await;
    let mut there = centre.enrol(&to).await;
    let mut away = centre.enrol(&far).await;
    let mut above = centre.enrol(&leader).await;
    let create = here.resident("张伟", GRID);
    let record = create.record;
    here.sync(vec![create]).await;
    let care = here.care(record, &CARE.map(|(path, value)| (path, Value::text(value))));
    applied(&here.sync(vec![care]).await, 0);
    for handheld in [&mut here, &mut there, &mut away, &mut above] {
        handheld.catch_up().await;
    }
    assert!(here.holds(record, Part::Restricted) && !above.holds(record, Part::Restricted));

    let moved = here.change(record, &[("area", Value::of(&NEXT_GRID))]);
    let answer = here.sync(vec![moved]).await;
    applied(&answer, 0);
    assert!(!here.holds(record, Part::Open) && !here.holds(record, Part::Restricted));
    there.catch_up().await;
    assert!(there.holds(record, Part::Open) && there.holds(record, Part::Restricted));
    let told = above.sync(vec![]).await;
    assert!(told.items.len() == 1 && above.holds(record, Part::Open), "both grids are the leader's");
    assert!(away.sync(vec![]).await.items.is_empty(), "nobody else hears of it");

    // And back again: the next round of whoever was told "gone" has it anew.
    let back = there.change(record, &[("area", Value::of(&GRID))]);
    applied(&there.sync(vec![back]).await, 0);
    here.catch_up().await;
    assert!(here.holds(record, Part::Open) && here.holds(record, Part::Restricted));
    assert!(!there.holds(record, Part::Open));
    assert_eq!(here.confirmed[&(record, Part::Open)], {
        above.catch_up().await;
        above.confirmed[&(record, Part::Open)].clone()
    });
}

const CARE: [(&str, &str); 3] = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周上门")];

#[tokio::test(flavor = "multi_thread")]
async fn restricted_parts_are_for_those_cleared_and_clearance_fills_anew() {
    let centre = Centre::open().await;
    let cleared = centre.person("cleared", Role::GridMember, GRID, true);
    let mut plain = centre.person("plain", Role::GridMember, GRID, false);
    let (mut one, mut two) = (centre.enrol(&cleared).await, centre.enrol(&plain).await);
    let create = one.resident("张伟", GRID);
    let record = create.record;
    let care = one.care(record, &CARE.map(|(path, value)| (path, Value::text(value))));
    let answer = one.sync(vec![create, care]).await;
    applied(&answer, 1);
    two.catch_up().await;
    assert!(two.holds(record, Part::Open) && !two.holds(record, Part::Restricted));
    let body = two.try_sync(vec![]).await.text().await.unwrap();
    assert!(!body.contains("care"));
    let sneaked = two.care(record, &[("care_note", Value::text("…"))]);
    assert_eq!(rejected(&two.sync(vec![sneaked]).await, 0).reason, RejectReason::NotAllowed);

    plain.cleared = true;
    store::write(&*centre.app.store, TOWN, |tx| tx.put_user(&plain)).unwrap();
    let answer = two.sync(vec![]).await;
    assert!(answer.refill && answer.total == Some(2), "{:?}", answer.total);
    assert!(answer.setup.is_some_and(|setup| setup.user.cleared));
    assert_eq!(two.confirmed, one.confirmed);

    plain.scope = vec![NEXT_GRID];
    store::write(&*centre.app.store, TOWN, |tx| tx.put_user(&plain)).unwrap();
    let answer = two.sync(vec![]).await;
    assert!(answer.refill && answer.items.is_empty() && two.confirmed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_informant_is_a_role_to_all_but_the_centre_and_sees_what_became_of_it() {
    let centre = Centre::open().await;
    let teller = centre.person("teller", Role::Informant, GRID, false);
    let member = centre.person("member", Role::GridMember, FAR_GRID, false);
    let staff = centre.person("staff", Role::CenterStaff, TOWN, false);
    let office = centre.person("office", Role::Department, TOWN, false);
    let mut informant = centre.enrol(&teller).await;
    let mut grid = centre.enrol(&member).await;
    let mut desk = centre.enrol(&staff).await;
    let mut department = centre.enrol(&office).await;
    // Reported from a grid that is not the informant's.
    let report = informant.event("井盖缺失", FAR_GRID);
    let event = report.record;
    applied(&informant.sync(vec![report]).await, 0);
    for handheld in [&mut grid, &mut desk, &mut department] {
        handheld.catch_up().await;
    }
    let author = |handheld: &Handheld<'_>| {
        let state = &handheld.confirmed[&(event, Part::Open)];
        let write = state.live(&"title".parse().unwrap()).next().unwrap();
        (*write.head.author).clone()
    };
    assert_eq!((author(&grid).user, author(&grid).name.as_str()), (None, ""));
    assert_eq!(author(&desk).user, Some(teller.id));
    assert_eq!(author(&informant).user, Some(teller.id));
    assert!(!department.holds(event, Part::Open));
    let history = centre
        .send(reqwest::Method::GET, &format!("/api/v1/records/{event}/history"), Some(&grid.token), vec![], &[])
        .await;
    let text = history.text().await.unwrap();
    assert!(text.contains("informant") && !text.contains("teller") && !text.contains(&teller.id.to_string()), "{text}");

    let dispatch = StepEntry { host: Some(office.id), limit: Some(Limit::Days(3)), ..step(Step::Dispatch) };
    let dispatch = desk.step(event, &dispatch);
    applied(&desk.sync(vec![dispatch]).await, 0);
    department.catch_up().await;
    assert!(department.holds(event, Part::Open), "made responsible");
    let sneaked = department.edit_title(event);
    assert_eq!(rejected(&department.sync(vec![sneaked]).await, 0).reason, RejectReason::NotAllowed);
    let done = StepEntry { done: Some(true), ..step(Step::Handle) };
    let done = department.step(event, &done);
    applied(&department.sync(vec![done]).await, 0);
    informant.catch_up().await;
    assert_eq!(informant.confirmed[&(event, Part::Open)].live_under("steps").count(), 3);
    assert!(!informant.confirmed.keys().any(|(id, _)| *id != event), "an informant holds their own reports only");
    // A step that is not possible now.
    let again = department.step(event, &StepEntry { done: Some(true), ..step(Step::Handle) });
    let answer = department.sync(vec![again]).await;
    assert_eq!(rejected(&answer, 0).reason, RejectReason::Workflow);
    assert!(matches!(&answer.receipts[0].outcome, Outcome::Rejected(it) if it.detail.starts_with("workflow-")));
}

impl Handheld<'_> {
    fn edit_title(&mut self, event: shared::ids::RecordId) -> shared::edit::Edit {
        let mut edit = self.change(event, &[("title", Value::text("无事"))]);
        edit.kind = shared::record::RecordKind::Event;
        edit
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_fill_comes_in_pages_and_goes_on_where_it_broke() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    for _ in 0..5 {
        let edits: Vec<_> = (0..1_000).map(|n| alice.resident(&format!("居民{n}"), GRID)).collect();
        let answer = answer(alice.try_sync(edits).await).await;
        assert_eq!(answer.receipts.len(), 1_000);
    }
    let mut bob = centre.enrol(&user).await;
    let first = bob.sync(vec![]).await;
    assert!(first.refill && first.more && first.total == Some(5_000));
    // The answer of the next round is lost on its way: the same cursor gives the same page.
    let lost = answer(bob.try_sync(vec![]).await).await;
    let again = bob.sync(vec![]).await;
    assert!(!again.refill && again.total.is_none());
    assert_eq!(lost.items.len(), again.items.len());
    bob.catch_up().await;
    assert_eq!(bob.confirmed.len(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_context_does_not_bury_the_future() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&user).await, centre.enrol(&user).await);
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    alice.sync(vec![create]).await;
    bob.catch_up().await;
    let mut forged = alice.change(record, &[("phone", Value::text("13900000001"))]);
    forged.context.observe((bob.slot, 1_000_000).into());
    applied(&alice.sync(vec![forged]).await, 0);
    let later = bob.change(record, &[("phone", Value::text("13900000002"))]);
    bob.sync(vec![later]).await;
    let state = &bob.confirmed[&(record, Part::Open)];
    assert!(view::one(state, "phone").is_open(), "both stand");
    let history = centre
        .send(reqwest::Method::GET, &format!("/api/v1/records/{record}/history"), Some(&bob.token), vec![], &[])
        .await;
    let entries: Vec<shared::wire::HistoryEntry> = history.json().await.unwrap();
    assert_eq!(entries.len(), 3);
    assert!(entries[1].replaced.is_empty());
    assert_eq!(entries[1].edit.context.get(bob.slot), 0);
    assert_eq!(entries[0].origin, "测试机");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_edit_can_be_accepted_after_all_by_whoever_is_responsible() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let other = centre.person("other", Role::GridLeader, FAR_GRID, false);
    let leader = centre.person("leader", Role::GridLeader, shared::area::AreaId(10), false);
    let mut alice = centre.enrol(&wei).await;
    let foreign = alice.resident("邻格居民", NEXT_GRID);
    let (id, record) = (foreign.id, foreign.record);
    assert_eq!(rejected(&alice.sync(vec![foreign]).await, 0).reason, RejectReason::NotAllowed);
    let lost = alice.resident("不存在的地方", shared::area::AreaId(4_000));
    let lost_id = lost.id;
    alice.sync(vec![lost]).await;

    let rules = centre.app.rules().unwrap();
    let decide = |user: &store::User, id| {
        let who = Who::of(user.clone(), &rules.areas);
        store::write(&*centre.app.store, TOWN, |tx| quarantine::release(&centre.app, tx, &rules, &who, id)).unwrap()
    };
    assert_eq!(decide(&other, id), Decided::NotAllowed);
    assert_eq!(decide(&leader, id), Decided::Done);
    assert_eq!(decide(&leader, id), Decided::NoSuchEdit, "once");
    assert_eq!(decide(&leader, lost_id), Decided::NotAllowed, "it lies nowhere");

    let answer = alice.sync(vec![]).await;
    assert_eq!(answer.released.len(), 1);
    assert!(answer.released[0].edit == id && matches!(answer.released[0].outcome, Outcome::Applied { .. }));
    assert!(alice.sync(vec![]).await.released.is_empty(), "told once the cursor says so");
    let mut above = centre.enrol(&leader).await;
    above.catch_up().await;
    assert_eq!(above.shown(record, "name"), "邻格居民");
    let author = &above.confirmed[&(record, Part::Open)].all_live().next().unwrap().1.head.author;
    assert_eq!(author.user, Some(wei.id), "it stays the work of who made it");
    let next = alice.resident("下一位", GRID);
    applied(&alice.sync(vec![next]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_anew_names_even_what_the_sender_knows() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let create = alice.resident("张伟", GRID);
    let record = create.record;
    alice.sync(vec![create]).await;
    alice.cursor = None;
    let phone = alice.change(record, &[("phone", Value::text("13912345678"))]);
    let answer = alice.sync(vec![phone]).await;
    assert!(answer.refill && answer.items.len() == 1);
    assert_eq!(alice.shown(record, "phone"), "13912345678");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_scope_before_a_lost_answer_came_again_is_gone() {
    let centre = Centre::open().await;
    let mut wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let mut reassign = |grid| {
        wei.scope = vec![grid];
        store::write(&*centre.app.store, TOWN, |tx| tx.put_user(&wei)).unwrap();
    };
    // Sent from another grid; the answer is lost, and so is the grid.
    reassign(NEXT_GRID);
    let edit = hand.resident("赵玉兰", NEXT_GRID);
    assert_eq!(hand.try_sync(vec![edit.clone()]).await.status(), 200);
    reassign(GRID);
    let answer = hand.sync(vec![edit.clone()]).await;
    applied(&answer, 0);
    assert!(!answer.refill, "the cursor is one of this grid");
    assert!(answer.items.iter().any(|item| item.id == edit.record && item.is_gone()), "{:?}", answer.items);
    assert!(!hand.holds(edit.record, Part::Open));
}

#[tokio::test(flavor = "multi_thread")]
async fn care_whose_answer_was_lost_is_gone_once_the_clearance_is() {
    let centre = Centre::open().await;
    let mut wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    let person = hand.resident("赵玉兰", GRID);
    hand.sync(vec![person.clone()]).await;
    let mut clear = |cleared| {
        wei.cleared = cleared;
        store::write(&*centre.app.store, TOWN, |tx| tx.put_user(&wei)).unwrap();
    };
    clear(true);
    let writes = [("care_reason", Value::text("独居")), ("care_until", Value::text("2027-12-31"))];
    let edit = hand.care(person.record, &writes);
    assert_eq!(hand.try_sync(vec![edit.clone()]).await.status(), 200);
    clear(false);
    let answer = hand.sync(vec![edit.clone()]).await;
    applied(&answer, 0);
    let gone = |part| answer.items.iter().any(|item| item.id == person.record && item.part == part && item.is_gone());
    assert!(gone(Part::Restricted) && !gone(Part::Open), "{:?}", answer.items);
    assert!(!hand.holds(person.record, Part::Restricted) && hand.holds(person.record, Part::Open));
}
