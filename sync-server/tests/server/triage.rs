//! The inbox: what waits is moved on one by one or together, what reaches the centre by telephone or in a chat is typed in,
//! and nobody decides on what has changed meanwhile.

use crate::common::desk::{Desk, person};
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::ids::RecordId;
use shared::value::Value;
use shared::workflow::Step;

/// A field of the page's form, as it stands there.
fn seen(page: &str, record: RecordId) -> (String, String) {
    let name = format!("seen-{record}");
    let value = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap();
    (name, value.to_owned())
}

#[tokio::test]
async fn three_are_given_to_a_department_at_once_and_one_that_has_changed_is_left_and_told() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let police = person(&centre, "police", Role::Department, TOWN, false, false);
    let leader = centre.person("leader", Role::GridLeader, TOWN, false);
    let mut hand = centre.enrol(&leader).await;
    let reports: Vec<_> =
        ["路灯不亮", "井盖破损", "围墙裂了", "水管漏水"].into_iter().map(|title| hand.event(title, GRID)).collect();
    let ids: Vec<RecordId> = reports.iter().map(|report| report.record).collect();
    applied(&hand.sync(reports).await, 3);
    centre.clock.advance(TimeDelta::hours(50));

    let staff = Desk::logged_in(&centre, "staff").await;
    let page = staff.page("/console/inbox").await;
    assert!(page.contains("4 件等处理"), "{page}");
    // Meanwhile the leader urges the last one.
    hand.catch_up().await;
    let urge = hand.step(ids[3], &step(Step::Urge));
    applied(&hand.sync(vec![urge]).await, 0);

    let host = police.id.to_string();
    let mut fields: Vec<(String, String)> = ids[1..].iter().map(|id| ("e".to_owned(), id.to_string())).collect();
    fields.extend(ids.iter().map(|id| seen(&page, *id)));
    fields.extend(
        [("do", "step-dispatch"), ("host", host.as_str()), ("limit", "days-3")]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let after = staff.submit(&page, "/console/inbox/act", &fields).await;
    assert!(after.contains("办好 2 件") && after.contains("1 件刚刚有人动过"), "{after}");
    assert!(after.contains("2 件等处理") && after.contains("路灯不亮") && after.contains("水管漏水"), "{after}");
    let given = Desk::logged_in(&centre, "police").await.page("/console/inbox").await;
    assert!(given.contains("井盖破损") && given.contains("围墙裂了") && !given.contains("水管漏水"), "{given}");
}

#[tokio::test]
async fn a_call_is_typed_in_while_talking_and_waits_in_the_inbox_like_any_report() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "police", Role::Department, TOWN, false, false);
    let staff = Desk::logged_in(&centre, "staff").await;
    let page = staff.page("/console/inbox/new").await;
    let grid = GRID.to_string();
    let typed = [
        ("source", "call"),
        ("title", "菜市场口下水堵了"),
        ("category", "sanitation"),
        ("urgency", "urgent"),
        ("area", grid.as_str()),
        ("place", "菜市场东门"),
        ("account", "早上开始往外冒水"),
        ("then", "new"),
    ];
    let again = staff.submit(&page, "/console/inbox/new", &typed).await;
    assert!(again.contains("已登记。"), "{again}");
    let inbox = staff.page("/console/inbox?view=calls").await;
    assert!(inbox.contains("菜市场口下水堵了") && inbox.contains("早上开始往外冒水"), "{inbox}");
    assert!(staff.page("/console/events?source=call").await.contains("菜市场口下水堵了"));
    assert!(!staff.page("/console/events?source=visitor").await.contains("菜市场口下水堵了"));

    // Without a grid, of a category that is no event, or from elsewhere: refused, and nothing is kept.
    for wrong in
        [("area", ""), ("area", "777"), ("category", "visit"), ("category", ""), ("source", "terminal"), ("title", " ")]
    {
        let fields: Vec<(&str, &str)> =
            typed.iter().map(|(name, value)| if *name == wrong.0 { wrong } else { (*name, *value) }).collect();
        let status = staff.try_submit(&page, "/console/inbox/new", &fields).await.status();
        assert!(matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN), "{wrong:?}: {status}");
    }
    assert!(staff.page("/console/events").await.contains("1 条"));
    let police = Desk::logged_in(&centre, "police").await;
    assert_eq!(police.get("/console/inbox/new").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_chat_is_pasted_looked_over_and_saved_without_who_wrote_it() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let staff = Desk::logged_in(&centre, "staff").await;
    let page = staff.page("/console/inbox/new").await;
    let chat =
        "住户甲 2026/11/25 10:32\n第一网格井盖破了。就在学校门口\n住户乙 10:40\n[图片]\n住户丙 10:41\n北渠路灯三天不亮";
    let apart = staff.try_submit(&page, "/console/inbox/paste", &[("pasted", chat)]).await.text().await.unwrap();
    assert!(apart.contains("拆出 2 条") && !apart.contains("住户"), "{apart}");
    let grid = GRID.to_string();
    let fields = [
        ("take", "0"),
        ("title-0", "井盖破了"),
        ("category-0", "hazard"),
        ("area-0", grid.as_str()),
        ("account-0", "第一网格井盖破了。就在学校门口"),
        // Ticked off: not saved.
        ("title-1", "路灯不亮"),
    ];
    let inbox = staff.submit(&apart, "/console/inbox/new", &fields).await;
    assert!(inbox.contains("办好 1 件") && inbox.contains("井盖破了") && !inbox.contains("路灯"), "{inbox}");
}

#[tokio::test]
async fn two_reports_of_one_thing_lie_side_by_side() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let leader = centre.person("leader", Role::GridLeader, TOWN, false);
    let mut hand = centre.enrol(&leader).await;
    let mut first = hand.event("祥和小区3号楼地下室渗水", GRID);
    first.writes.insert("account".parse().unwrap(), Value::text("积水约三厘米"));
    let mut second = hand.event("祥和小区地下室渗水", GRID);
    second.writes.insert("account".parse().unwrap(), Value::text("灯也不亮了"));
    let other = hand.event("长渠街门面排烟", GRID);
    let (one, two) = (first.record, second.record);
    applied(&hand.sync(vec![first, second, other]).await, 2);
    centre.clock.advance(TimeDelta::hours(50));
    let staff = Desk::logged_in(&centre, "staff").await;
    let page = staff.page(&format!("/console/inbox?e={one}")).await;
    assert!(page.contains("可能是同一件") && page.contains("灯也不亮了"), "{page}");
    let merge = format!("/console/records/{one}/merge?with={two}");
    assert!(page.contains(&merge), "{page}");
    staff.page(&merge).await;
    let smoke = page.split("class=\"mail\"").find(|mail| mail.contains("排烟")).unwrap();
    let smoke = smoke.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(!staff.page(&smoke).await.contains("可能是同一件"));
}
