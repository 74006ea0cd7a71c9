//! 网格 at the console: names and outlines, splitting a grid, giving what lies in one to another, giving one up.

use crate::common::audit::entries;
use crate::common::desk::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};

async fn boss(centre: &Centre) -> Desk<'_> {
    person(centre, "boss", Role::Admin, TOWN, false, false);
    Desk::logged_in(centre, "boss").await
}

async fn new(hand: &mut Handheld<'_>, kind: RecordKind, writes: &[(&str, Value)]) -> RecordId {
    let record = RecordId::fresh(&*hand.centre.clock);
    let edit = hand.edit(record, kind, Part::Open, writes);
    applied(&hand.sync(vec![edit]).await, 0);
    record
}

/// A place in the grid, in another one or by itself.
async fn place(hand: &mut Handheld<'_>, name: &str, code: &str, within: Option<RecordId>) -> RecordId {
    let mut writes = vec![("name", Value::text(name)), ("type", Value::text(code)), ("area", Value::of(&GRID))];
    writes.extend(within.map(|id| ("parent", Value::of(&id))));
    new(hand, RecordKind::Place, &writes).await
}

/// 和谐小区 with two buildings, people, a shop and an event in the second; somebody of no address.
struct Compound {
    whole: RecordId,
    first: RecordId,
    second: RecordId,
    stays: RecordId,
    goes: RecordId,
    shop: RecordId,
    event: RecordId,
    nowhere: RecordId,
}

async fn compound(hand: &mut Handheld<'_>) -> Compound {
    let whole = place(hand, "和谐小区", "compound", None).await;
    let first = place(hand, "1号楼", "building", Some(whole)).await;
    let second = place(hand, "2号楼", "building", Some(whole)).await;
    let flat = place(hand, "2号楼301", "dwelling", Some(second)).await;
    let lives = |place: RecordId| [("lives_at", Value::of(&place))];
    let stays = resident(hand, "张伟", GRID, &lives(first)).await;
    let goes = resident(hand, "李梅", GRID, &lives(flat)).await;
    let nowhere = resident(hand, "王强", GRID, &[]).await;
    let shop = [
        ("name", Value::text("便民超市")),
        ("type", Value::text("sole_trader")),
        ("located_at", Value::of(&second)),
        ("area", Value::of(&GRID)),
    ];
    let shop = new(hand, RecordKind::Organization, &shop).await;
    let mut edit = hand.event("楼道灯不亮", GRID);
    edit.writes.insert("place".parse().unwrap(), Value::of(&serde_json::json!({ "id": second })));
    let event = edit.record;
    applied(&hand.sync(vec![edit]).await, 0);
    Compound { whole, first, second, stays, goes, shop, event, nowhere }
}

const SPLIT: &str = "/console/areas/11/split";

#[tokio::test]
async fn a_grid_is_split_by_building_and_who_walked_it_loses_nothing() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let wei = person(&centre, "wei", Role::GridMember, GRID, false, true);
    let mut alice = centre.enrol(&wei).await;
    let compound = compound(&mut alice).await;
    let care = [
        ("care_services/meals", Value::of(&true)),
        ("care_reason", Value::text("独居")),
        ("care_until", Value::text("2027-01-01")),
    ];
    let edit = alice.care(compound.goes, &care);
    applied(&alice.sync(vec![edit]).await, 0);

    let page = boss.page("/console/areas/11").await;
    assert!(page.contains("拆分或划转"), "{page}");
    let page = boss.page(&format!("{SPLIT}?name=条山社区第三网格")).await;
    assert!(page.contains("2号楼") && !page.contains("2号楼301"), "buildings, not flats: {page}");
    let second = format!("p-{}", compound.second);
    let response = boss.try_submit(&page, SPLIT, &[(&second, "new-0"), ("do", "preview")]).await;
    let preview = response.text().await.unwrap();
    // The building, its flat, who lives there, the shop, the event.
    assert!(preview.contains("人 1，地 2，事 1，组织 1"), "{preview}");
    assert!(preview.contains("人 2，地 2"), "what stays: {preview}");
    assert!(preview.contains("wei的姓名"), "whose scope grows: {preview}");
    assert!(centre.app.areas().unwrap().get(AreaId(92)).is_none(), "nothing is made yet");

    // Meanwhile somebody else moves in; and an edit is made on a handheld without a network.
    let late = resident(&mut alice, "赵六", GRID, &[("lives_at", Value::of(&compound.second))]).await;
    let offline = alice.change(compound.goes, &[("phone", Value::text("13912345678"))]);
    let fill = [("do", "confirm")];
    let response = boss.try_submit(&preview, SPLIT, &fill).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let preview = response.text().await.unwrap();
    assert!(preview.contains("刚才终端又传来了变化") && preview.contains("人 2，地 2，事 1，组织 1"), "{preview}");
    let list = boss.submit(&preview, SPLIT, &fill).await;
    assert!(list.contains("条山社区第三网格"), "{list}");
    let areas = centre.app.areas().unwrap();
    let third = areas.iter().find(|area| area.name == "条山社区第三网格").unwrap().clone();
    assert_eq!(third.parent, Some(AreaId(10)));

    // Who walked the grid has both, edits what moved, and is told by the next sync.
    let receipt = alice.sync(vec![offline]).await;
    applied(&receipt, 0);
    assert!(receipt.setup.is_some_and(|setup| setup.scope.contains(&third.id)));
    alice.catch_up().await;
    for record in [
        compound.whole,
        compound.first,
        compound.second,
        compound.stays,
        compound.goes,
        compound.shop,
        compound.nowhere,
        late,
    ] {
        assert!(alice.holds(record, Part::Open));
    }
    assert_eq!(alice.shown(compound.goes, "area"), third.id.to_string());
    assert_eq!(alice.shown(compound.stays, "area"), GRID.to_string());
    assert_eq!(alice.shown(compound.goes, "phone"), "13912345678");
    // A member of the new grid alone has what lies there, care services too.
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, third.id, true)).await;
    bob.catch_up().await;
    for record in [compound.second, compound.goes, compound.shop, compound.event, late] {
        assert!(bob.holds(record, Part::Open));
    }
    assert!(bob.holds(compound.goes, Part::Restricted));
    for record in [compound.whole, compound.first, compound.stays, compound.nowhere] {
        assert!(!bob.holds(record, Part::Open));
    }
    let written = entries(&centre.app, TOWN).into_iter().rfind(|it| it.action == "audit-area-redrawn").unwrap();
    assert_eq!((written.subject.as_str(), written.detail), ("11", format!("{} 6", third.id)));
}

#[tokio::test]
async fn what_is_given_to_the_neighbour_leaves_here_and_what_cannot_move_stays_and_is_told() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let mut alice = centre.enrol(&centre.person("alice", Role::GridMember, GRID, false)).await;
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    let mut next = centre.enrol(&centre.person("next", Role::GridMember, NEXT_GRID, false)).await;
    let mut staff = centre.enrol(&person(&centre, "staff", Role::CenterStaff, TOWN, false, false)).await;
    let compound = compound(&mut alice).await;
    let visit = alice.visit(Some(compound.goes), GRID, "一切都好");
    let visited = visit.record;
    applied(&alice.sync(vec![visit]).await, 0);
    // An event that is archived, and somebody whom two have sent to two grids.
    staff.catch_up().await;
    let own = staff.author.user;
    for entry in [
        StepEntry { host: own, limit: Some(Limit::Days(3)), ..step(Step::Dispatch) },
        StepEntry { done: Some(true), ..step(Step::Handle) },
        StepEntry { satisfied: Some(true), ..step(Step::Feedback) },
        StepEntry { outcome: Some("settled".to_owned()), ..step(Step::Close) },
        StepEntry { ledger: Some("2026-7".to_owned()), ..step(Step::Archive) },
    ] {
        let edit = staff.step(compound.event, &entry);
        applied(&staff.sync(vec![edit]).await, 0);
    }
    bob.catch_up().await;
    alice.catch_up().await;
    let here = alice.change(compound.nowhere, &[("area", Value::of(&NEXT_GRID))]);
    let there = bob.change(compound.nowhere, &[("area", Value::of(&GRID))]);
    applied(&bob.sync(vec![there]).await, 0);
    applied(&alice.sync(vec![here]).await, 0);

    let page = boss.page(&format!("{SPLIT}?to=12")).await;
    let whole = format!("p-{}", compound.whole);
    let first = format!("p-{}", compound.first);
    let fill = [(whole.as_str(), "area-12"), (&first, "stay"), ("rest", "area-12"), ("do", "preview")];
    let preview = boss.try_submit(&page, SPLIT, &fill).await.text().await.unwrap();
    assert!(preview.contains("人 1，地 3，事 1，组织 1"), "{preview}");
    assert!(preview.contains("有 1 件事已建档") && preview.contains("有 1 条记录的网格待核对"), "{preview}");
    boss.submit(&preview, SPLIT, &[("do", "confirm")]).await;
    alice.catch_up().await;
    next.catch_up().await;
    for record in [compound.whole, compound.second, compound.goes, compound.shop, visited] {
        assert!(!alice.holds(record, Part::Open) && next.holds(record, Part::Open));
    }
    for record in [compound.first, compound.stays, compound.event] {
        assert!(alice.holds(record, Part::Open) && !next.holds(record, Part::Open));
    }
    // Not beyond what this administrator looks after, nor into another town.
    person(&centre, "local", Role::Admin, AreaId(10), false, false);
    let local = Desk::logged_in(&centre, "local").await;
    assert_eq!(local.get("/console/areas/21/split").await.status(), StatusCode::NOT_FOUND);
    let page = local.page(&format!("{SPLIT}?to=91&to=21&to=12")).await;
    assert!(page.contains("area-12") && !page.contains("area-91") && !page.contains("area-21"), "{page}");
}

#[tokio::test]
async fn an_area_is_named_drawn_and_given_up_with_words_for_what_cannot_be() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let mut alice = centre.enrol(&centre.person("alice", Role::GridMember, AreaId(10), false)).await;
    let here = "/console/areas/11";
    let page = boss.page(here).await;
    let wrong = [("name", "条山一网格"), ("code", "620423100001001"), ("outline", "POINT (104.05 37.18)")];
    let response = boss.try_submit(&page, here, &wrong).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let said = response.text().await.unwrap();
    assert!(
        said.contains("不是点或线") && said.contains("value=\"条山一网格\"") && said.contains("POINT (104"),
        "{said}"
    );
    assert_eq!(centre.app.areas().unwrap().get(GRID).unwrap().name, "条山社区第一网格");
    let right = [wrong[0], wrong[1], ("outline", "POLYGON ((104.05 37.18, 104.07 37.18, 104.06 37.2, 104.05 37.18))")];
    let page = boss.submit(&page, here, &right).await;
    assert!(page.contains("已画，3 个点"), "{page}");
    let told = alice.sync(vec![]).await.setup.expect("the handheld is told");
    let named = told.areas.iter().find(|area| area.id == GRID).unwrap();
    assert!(named.name == "条山一网格" && named.code == "620423100001001" && named.outline.points() == 3);

    let record = resident(&mut alice, "张伟", GRID, &[]).await;
    let response = boss.try_submit(&page, "/console/areas/11/close", &[]).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.text().await.unwrap().contains("这里还有记录"));
    let edit = alice.change(record, &[("area", Value::of(&NEXT_GRID))]);
    applied(&alice.sync(vec![edit]).await, 0);
    let page = boss.submit(&page, "/console/areas/11/close", &[]).await;
    assert!(page.contains("恢复使用"), "{page}");
    assert!(boss.page("/console/areas").await.contains("已撤销"));
    let split = boss.page("/console/areas/12/split").await;
    assert!(!split.contains("条山一网格"), "nothing goes to one that was given up: {split}");
    let told = alice.sync(vec![]).await.setup.expect("the handheld is told");
    assert!(told.areas.iter().any(|area| area.id == GRID && area.closed));
    // What was saved there before anybody knew is not lost.
    let edit = alice.resident("晚到的人", GRID);
    applied(&alice.sync(vec![edit]).await, 0);

    let page = boss.page("/console/areas/10").await;
    let response = boss.try_submit(&page, "/console/areas/10/add", &[("new", "条山社区第二网格")]).await;
    assert!(response.text().await.unwrap().contains("已有这个名称"));
    let page = boss.submit(&page, "/console/areas/10/add", &[("new", "条山社区第四网格"), ("new-code", "")]).await;
    assert!(page.contains("条山社区第四网格"), "{page}");
}
