//! 移交: records that go to another town, and somebody who works in two.

use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use crate::erase::holding;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::wire::{Outcome, RejectReason, SyncAnswer};
use shared::workflow::Step;
use sync_server::auth::people::{NewUser, add_user};
use sync_server::backup;
use sync_server::erase::{Reason, erase};
use sync_server::store::User;

/// 寺滩乡
const OTHER_TOWN: AreaId = AreaId(9);
const CARE: [(&str, &str); 2] = [("care_reason", "独居老人"), ("care_until", "2027-12-31")];

/// Somebody of 一条山镇 who works in both towns.
fn of_both(centre: &Centre, login: &str, role: Role) -> User {
    let new = NewUser {
        login: login.to_owned(),
        name: format!("{login}的姓名"),
        role,
        scope: vec![TOWN, OTHER_TOWN],
        cleared: true,
        may_unmask: false,
        password: None,
    };
    add_user(&centre.app, new).unwrap()
}

/// Hands it over at the console, page by page.
async fn hand_over(desk: &Desk<'_>, record: RecordId, to: (AreaId, AreaId)) -> String {
    let url = format!("/console/records/{record}/hand-over");
    assert!(desk.page(&format!("/console/records/{record}")).await.contains("/hand-over"));
    let page = desk.page(&format!("{url}?town={}", to.0)).await;
    let done = desk.try_submit(&page, &url, &[("area", &to.1.to_string())]).await;
    assert_eq!(done.status(), StatusCode::OK);
    done.text().await.unwrap()
}

fn told_gone(answer: &SyncAnswer, record: RecordId) -> bool {
    answer.items.iter().any(|item| item.id == record && item.is_gone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_handed_over_leaves_one_town_and_is_new_in_the_other() {
    let centre = Centre::open().await;
    for (login, town) in [("staff", TOWN), ("theirs", OTHER_TOWN)] {
        person(&centre, login, Role::CenterStaff, town, false, true);
    }
    person(&centre, "leader", Role::GridLeader, GRID, false, true);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut beside = centre.enrol(&centre.person("beside", Role::GridMember, GRID, false)).await;
    let mut next = centre.enrol(&centre.person("next", Role::GridMember, NEXT_GRID, false)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FOREIGN_GRID, true)).await;
    let (photo, coming) = (jpeg(8, 8, "本人"), jpeg(8, 8, "还没到"));
    let record = resident(&mut alice, "欧阳甲乙", GRID, &[("phone", Value::text("13912345678"))]).await;
    let care = alice.care(record, &CARE.map(|(path, value)| (path, Value::text(value))));
    let mut photos = alice.change(record, &[]);
    link(&mut photos, &hash(&photo));
    link(&mut photos, &hash(&coming));
    let first = alice.sync(vec![care, photos.clone()]).await;
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    let refused = next.change(record, &[("phone", Value::text("13800000000"))]);
    rejected(&next.sync(vec![refused.clone()]).await, 0);
    for hand in [&mut alice, &mut beside, &mut next, &mut far] {
        hand.catch_up().await;
    }
    let before = alice.confirmed[&(record, Part::Restricted)].clone();
    assert!(beside.holds(record, Part::Open) && !far.holds(record, Part::Open));

    // Whoever only leads a grid does not hand it over, and nobody to where nothing can lie.
    let leader = Desk::logged_in(&centre, "leader").await;
    let url = format!("/console/records/{record}/hand-over");
    assert_eq!(leader.get(&url).await.status(), StatusCode::FORBIDDEN);
    let (staff, theirs) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "theirs").await);
    assert_eq!(theirs.get(&url).await.status(), StatusCode::NOT_FOUND);
    let page = staff.page(&format!("{url}?town={OTHER_TOWN}")).await;
    for nowhere in [TOWN, OTHER_TOWN, NEXT_GRID, AreaId(1), AreaId(4_000)] {
        let answer = staff.try_submit(&page, &url, &[("area", &nowhere.to_string())]).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{nowhere}");
    }
    assert!(alice.sync(vec![]).await.items.is_empty(), "nothing was changed");
    let said = hand_over(&staff, record, (OTHER_TOWN, FOREIGN_GRID)).await;
    assert!(said.contains("“欧阳甲乙”已移交到寺滩乡"), "{said}");

    // Here it is gone for everybody who saw it, there it is what it was.
    for hand in [&mut alice, &mut beside] {
        assert!(told_gone(&hand.sync(vec![]).await, record));
        assert!(!hand.holds(record, Part::Open) && !hand.holds(record, Part::Restricted));
    }
    far.catch_up().await;
    assert_eq!(far.shown(record, "phone"), "13912345678");
    assert_eq!(far.shown(record, "moved_from"), GRID.to_string());
    assert_eq!(far.confirmed[&(record, Part::Restricted)], before, "to the last dot");
    assert_eq!(staff.get(&format!("/console/records/{record}")).await.status(), StatusCode::NOT_FOUND);
    assert!(!staff.page("/console/records?q=欧阳甲乙").await.contains(&record.to_string()));
    let page = theirs.page(&format!("/console/records/{record}")).await;
    assert!(page.contains("欧阳甲乙") && page.contains("wei的姓名"), "{page}");
    assert!(theirs.page("/console/records?q=欧阳甲乙").await.contains(&record.to_string()));
    for (desk, said) in [(&staff, "把档案移交到其他乡镇"), (&theirs, "接收了其他乡镇移交的档案")]
    {
        let audit = desk.audit().await;
        assert!(audit.contains(said) && audit.contains(&record.to_string()) && !audit.contains("欧阳"), "{audit}");
    }
    // What waits is for those who are responsible now.
    assert!(!staff.page("/console/quarantine").await.contains("138****0000"));
    assert!(theirs.page("/console/quarantine").await.contains("138****0000"));
    // Photos too; one that is still on its way arrives.
    assert_eq!(beside.fetch(&hash(&photo)).await.status(), 404);
    assert_eq!(far.fetch(&hash(&photo)).await.status(), 200);
    assert_eq!(alice.sync(vec![]).await.wanted, [hash(&coming)]);
    assert_eq!(alice.deliver(&coming).await.status(), 204);
    assert_eq!(far.fetch(&hash(&coming)).await.status(), 200);
    assert!(alice.sync(vec![]).await.wanted.is_empty());
    // An answer that was lost is the same when it comes again.
    let again = alice.sync(vec![photos]).await;
    assert_eq!(applied(&again, 0), applied(&first, 1));
    assert!(!alice.holds(record, Part::Open) || told_gone(&again, record));
    // There they go on, and whoever begins anew holds the same.
    let more = far.change(record, &[("phone", Value::text("13711112222"))]);
    applied(&far.sync(vec![more]).await, 0);
    let mut fresh = centre.enrol(&centre.person("fresh", Role::GridMember, FOREIGN_GRID, true)).await;
    fresh.catch_up().await;
    far.catch_up().await;
    assert_eq!(fresh.confirmed, far.confirmed);
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);

    // And back: here it is again, there it is gone.
    let said = hand_over(&theirs, record, (TOWN, GRID)).await;
    assert!(said.contains("已移交到一条山镇"), "{said}");
    for hand in [&mut alice, &mut beside, &mut far, &mut fresh] {
        hand.catch_up().await;
    }
    assert!(alice.holds(record, Part::Restricted) && beside.holds(record, Part::Open));
    assert!(!far.holds(record, Part::Open) && !fresh.holds(record, Part::Restricted));
    let more = alice.change(record, &[("phone", Value::text("13900001111"))]);
    applied(&alice.sync(vec![more]).await, 0);
    beside.catch_up().await;
    assert_eq!(beside.shown(record, "phone"), "13900001111");
    let mut fresh = centre.enrol(&centre.person("again", Role::GridMember, GRID, true)).await;
    fresh.catch_up().await;
    assert_eq!(fresh.confirmed, alice.confirmed);
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_before_is_decided_where_the_record_is_now_and_its_author_is_told() {
    let centre = Centre::open().await;
    for (login, town) in [("staff", TOWN), ("theirs", OTHER_TOWN)] {
        person(&centre, login, Role::CenterStaff, town, false, true);
    }
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let mut alice = centre.enrol(&wei).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FOREIGN_GRID, true)).await;
    let record = resident(&mut alice, "欧阳甲乙", GRID, &[]).await;
    alice.catch_up().await;
    let late: Vec<_> = ["13900000001", "13900000002", "13900000003"]
        .map(|phone| alice.change(record, &[("phone", Value::text(phone))]))
        .into();
    let ids: Vec<_> = late.iter().map(|edit| edit.id).collect();
    let own = alice.resident("还在本镇", GRID);
    let (staff, theirs) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "theirs").await);
    hand_over(&staff, record, (OTHER_TOWN, FOREIGN_GRID)).await;

    let sent = [late, vec![own.clone()]].concat();
    let answer = alice.sync(sent.clone()).await;
    for place in 0..3 {
        let why = rejected(&answer, place);
        assert_eq!((why.reason, why.detail.as_str()), (RejectReason::NotAllowed, "handed-over"));
    }
    applied(&answer, 3);
    assert_eq!(answer.high_water, sent[3].dot.n);
    // Once more: the same answer, and nothing twice.
    let again = alice.sync(sent).await;
    assert_eq!(again.receipts, answer.receipts);
    let page = theirs.page("/console/quarantine").await;
    assert!(page.contains("wei的姓名") && page.contains("写的时候档案还没有移交过来"), "{page}");
    assert!(staff.page("/console/quarantine").await.contains("都收下了"));

    let accept = |id| format!("/console/quarantine/{id}/accept");
    theirs.submit(&page, &accept(ids[0]), &[]).await;
    theirs.submit(&page, &format!("/console/quarantine/{}/dismiss", ids[1]), &[("why", "号码不对")]).await;
    let answer = alice.sync(vec![]).await;
    let told: Vec<_> = answer.released.iter().map(|receipt| (receipt.edit, &receipt.outcome)).collect();
    assert!(told[0].0 == ids[0] && matches!(told[0].1, Outcome::Applied { .. }), "{told:?}");
    assert!(told[1].0 == ids[1] && matches!(told[1].1, Outcome::Rejected(why) if why.note == "号码不对"));
    assert!(answer.items.is_empty(), "the record stays where it is");
    far.catch_up().await;
    assert_eq!(far.shown(record, "phone"), "13900000001");
    assert!(alice.sync(vec![]).await.released.is_empty(), "they are told once");

    // What its author takes back waits no longer.
    let request = shared::wire::SyncRequest { withdrawn: vec![ids[2]], ..alice.request(vec![]) };
    crate::common::answer(alice.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
    assert!(theirs.page("/console/quarantine").await.contains("都收下了"));

    // Enrolled again, and it went on to where it began: whatever is offered of it is known.
    let mut anew = centre.enrol(&wei).await;
    anew.catch_up().await;
    hand_over(&theirs, record, (TOWN, NEXT_GRID)).await;
    let writes = [("phone", Value::text("13900000009"))];
    let edit = anew.change(record, &writes);
    let why = rejected(&anew.sync(vec![edit]).await, 0).clone();
    assert_eq!((why.reason, why.detail.as_str()), (RejectReason::NotAllowed, ""), "it is in the town, in another grid");
    assert!(staff.page("/console/quarantine").await.contains("139****0009"));
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_in_two_towns_sees_a_record_once_wherever_it_goes_and_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let centre = Centre::over(folder, std::sync::Arc::default(), |app| app.page_items = 2).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut lead = centre.enrol(&of_both(&centre, "lead", Role::GridLeader)).await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FOREIGN_GRID, true)).await;
    let setup = lead.enrolled.setup.clone();
    for area in [GRID, FOREIGN_GRID] {
        assert!(setup.areas.iter().any(|known| known.id == area), "{area}");
    }
    assert!(setup.handlers.iter().any(|known| known.name == "lead的姓名"));

    // They write in both, in one request, under one slot.
    let sent: Vec<_> =
        (0..6).map(|n| lead.resident(&format!("居民{n}"), if n % 2 == 0 { GRID } else { FOREIGN_GRID })).collect();
    let here: Vec<_> = sent.iter().step_by(2).map(|edit| edit.record).collect();
    let there: Vec<_> = sent.iter().skip(1).step_by(2).map(|edit| edit.record).collect();
    let answer = lead.sync(sent.clone()).await;
    (0..6).for_each(|place| assert!(!applied(&answer, place).is_empty()));
    assert_eq!(lead.sync(sent).await.receipts, answer.receipts);
    let event = lead.event("乡里的路灯", FOREIGN_GRID);
    let street = event.record;
    applied(&lead.sync(vec![event]).await, 0);
    for hand in [&mut lead, &mut alice, &mut far] {
        hand.catch_up().await;
    }
    let held = |hand: &Handheld<'_>| hand.confirmed.keys().filter(|(_, part)| *part == Part::Open).count();
    assert_eq!((held(&lead), held(&alice), held(&far)), (7, 3, 4));
    // A step of an event and a restricted part there, as at home; what they do not write anybody else may not either.
    let take = lead.step(street, &step(Step::Take));
    let care = lead.care(there[0], &CARE.map(|(path, value)| (path, Value::text(value))));
    let across = lead.change(there[1], &[("area", Value::of(&GRID))]);
    let answer = lead.sync(vec![take, care, across]).await;
    applied(&answer, 1);
    assert_eq!(rejected(&answer, 2).reason, RejectReason::NotAllowed, "a town is not changed by writing it");
    far.catch_up().await;
    assert!(far.holds(there[0], Part::Restricted));

    // A record goes over: of three handhelds one keeps it.
    let staff = Desk::logged_in(&centre, "staff").await;
    let record = here[0];
    let change = lead.change(record, &[("phone", Value::text("13912345678"))]);
    hand_over(&staff, record, (OTHER_TOWN, FOREIGN_GRID)).await;
    // What they typed before is taken: they work there too.
    let answer = lead.sync(vec![change]).await;
    applied(&answer, 0);
    assert!(!told_gone(&answer, record));
    loop {
        let answer = lead.sync(vec![]).await;
        assert!(!told_gone(&answer, record));
        if !answer.more {
            break;
        }
    }
    for hand in [&mut alice, &mut far] {
        hand.catch_up().await;
    }
    assert!(!alice.holds(record, Part::Open) && far.shown(record, "phone") == "13912345678");
    assert_eq!(lead.confirmed[&(record, Part::Open)], far.confirmed[&(record, Part::Open)]);
    let mut anew = centre.enrol(&of_both(&centre, "lead2", Role::GridLeader)).await;
    let total = anew.sync(vec![]).await.total.unwrap();
    anew.catch_up().await;
    assert_eq!((anew.confirmed.len() as u64, &anew.confirmed), (total, &lead.confirmed));

    // Once they work in one town again the other's leaves them.
    let leader = sync_server::store::read::<_, sync_server::store::StoreError>(&*centre.app.store, TOWN, |read| {
        Ok(read.users()?.into_iter().find(|user| user.login == "lead").unwrap())
    });
    let change = sync_server::auth::people::UserChange { scope: vec![TOWN], ..Default::default() };
    sync_server::auth::people::change_user(&centre.app, &leader.unwrap(), change).unwrap();
    lead.catch_up().await;
    assert_eq!(lead.confirmed.keys().map(|(id, _)| *id).collect::<Vec<_>>(), {
        let mut left = vec![here[1], here[2]];
        left.sort_unstable();
        left
    });
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_handed_over_and_asks_to_be_erased_is_erased_in_both_towns() {
    const NAME: &str = "欧阳甲乙";
    const FOUND: &str = "煤快烧完丙";
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let mut alice = centre.enrol(&wei).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FOREIGN_GRID, true)).await;
    let photo = jpeg(8, 8, "本人");
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    let mut linked = alice.change(record, &[]);
    link(&mut linked, &hash(&photo));
    applied(&alice.sync(vec![linked]).await, 0);
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    let mut visit = alice.visit(Some(record), GRID, FOUND);
    visit.form = 2;
    let visited = visit.record;
    applied(&alice.sync(vec![visit]).await, 0);
    alice.catch_up().await;
    let late = alice.change(record, &[("phone", Value::text("13987654321"))]);
    let too_late = alice.change(record, &[("phone", Value::text("13987654322"))]);
    let mut visit = alice.visit(Some(record), GRID, FOUND);
    visit.form = 2;
    let staff = Desk::logged_in(&centre, "staff").await;
    hand_over(&staff, record, (OTHER_TOWN, FOREIGN_GRID)).await;
    assert!(staff.page(&format!("/console/records/{visited}")).await.contains(FOUND), "what was done here stays");
    rejected(&alice.sync(vec![late]).await, 0);
    far.catch_up().await;
    let data = centre.folder.path();
    let texts = [NAME, FOUND, "13987654321", "13987654322", "本人"];

    erase(&centre.app, None, record, Reason::Request).unwrap();
    assert_eq!(holding(data, &texts), [""; 0]);
    assert_eq!(far.fetch(&hash(&photo)).await.status(), 404);
    let erased = |answer: &SyncAnswer, record| answer.items.iter().any(|item| item.id == record && item.erased);
    assert!(erased(&far.sync(vec![]).await, record));
    let answer = alice.sync(vec![too_late, visit]).await;
    (0..2).for_each(|place| assert_eq!(rejected(&answer, place).reason, RejectReason::Erased));
    assert!(erased(&answer, record) && erased(&answer, visited), "{:?}", answer.items);
    assert_eq!(alice.begin(hash(&photo).as_str(), photo.len() as u64).await.status(), 410);
    assert_eq!(holding(data, &texts), [""; 0]);
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}
