//! 期限与类别 at the console: the town's limits, its calendar, its categories of events; how handhelds learn of them.

use std::sync::Arc;

use crate::common::audit::{OTHER_TOWN, entries};
use crate::common::desk::*;
use crate::common::editions::newest;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::AppState;

const SETTINGS: &str = "/console/settings";

/// The fields of the calendar's form as they stand.
fn typed(page: &str) -> Vec<(String, String)> {
    let input = |name: &str| {
        let tag = page.split(&format!("name=\"{name}\"")).nth(1).unwrap();
        (name.to_owned(), tag.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
    };
    let area = |name: &str| {
        let tag = page.split(&format!("name=\"{name}\"")).nth(1).unwrap();
        (name.to_owned(), tag.split_once('>').unwrap().1.split('<').next().unwrap().to_owned())
    };
    vec![input("urgent"), input("ordinary"), input("difficult"), input("closes"), area("holidays"), area("worked")]
}

/// The form with one thing otherwise.
async fn save(desk: &Desk<'_>, name: &str, value: &str) -> (StatusCode, String) {
    let page = desk.page(SETTINGS).await;
    let mut fields = typed(&page);
    fields.iter_mut().find(|(of, _)| of == name).unwrap().1 = value.to_owned();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let response = desk.try_submit(&page, SETTINGS, &fields).await;
    (response.status(), response.text().await.unwrap())
}

/// The categories as they stand.
fn categories(page: &str) -> Vec<(String, String)> {
    let form = page.split("action=\"/console/settings/categories\"").nth(1).unwrap().split("</form>").next().unwrap();
    let tags = form.split("<input").skip(1).filter(|tag| tag.contains("name=\"zh-") || tag.contains("name=\"en-"));
    let text =
        |tag: &str, name: &str| tag.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    tags.map(|tag| (text(tag, "name"), text(tag, "value").replace("&#39;", "'"))).collect()
}

async fn submit_categories(desk: &Desk<'_>, page: &str, more: &[(&str, &str)]) -> reqwest::Response {
    let mut fields = categories(page);
    fields.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend(more);
    desk.try_submit(page, "/console/settings/categories", &fields).await
}

#[tokio::test]
async fn a_category_of_the_towns_own_reaches_handhelds_and_is_retired_without_losing_its_name() {
    let centre = Centre::open().await;
    person(&centre, "boss", Role::Admin, TOWN, false, false);
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let (boss, staff) = (Desk::logged_in(&centre, "boss").await, Desk::logged_in(&centre, "staff").await);
    let mut alice = centre.enrol(&centre.person("alice", Role::GridMember, GRID, false)).await;
    let mut old = centre.enrol(&centre.person("old", Role::GridMember, GRID, false)).await;
    let foreign = centre.enrol(&centre.person("foreign", Role::GridMember, FOREIGN_GRID, false)).await;
    assert!(alice.edition(&alice.enrolled.setup).await.is_none());

    let page = boss.page(SETTINGS).await;
    let response = submit_categories(&boss, &page, &[("zh", "矛盾纠纷")]).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.text().await.unwrap().contains("有两个类别叫同一个名称"));
    let response = submit_categories(&boss, &page, &[("zh", "电动车管理"), ("en", "E-bikes")]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    // Who looked before it does not undo it.
    let response = submit_categories(&boss, &page, &[("zh", "别的类别")]).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.text().await.unwrap().contains("刚才有人先改了"));

    let setup = alice.sync(vec![]).await.setup.expect("told by the next sync");
    let edition = alice.edition(&setup).await.expect("something was published");
    let form = newest(&edition, RecordKind::Event);
    assert_eq!((form.version, form.field("category").unwrap().choice_label("own_1", "zh-CN")), (1001, "电动车管理"));
    let mut report = alice.event("楼道里充电", GRID);
    report.form = form.version;
    report.writes.insert("category".parse().unwrap(), Value::text("own_1"));
    let event = report.record;
    applied(&alice.sync(vec![report]).await, 0);
    let page = staff.page(&format!("/console/records/{event}")).await;
    assert!(page.contains("电动车管理"), "{page}");

    // A handheld of before keeps, carries and shows what it does not know, and its own reports come in as ever.
    old.catch_up().await;
    assert_eq!(old.shown(event, "category"), "own_1");
    let edit = old.edit(event, RecordKind::Event, Part::Open, &[("account", Value::text("已劝离"))]);
    let report = old.event("井盖破损", GRID);
    let told = old.sync(vec![edit, report]).await;
    applied(&told, 0);
    applied(&told, 1);
    assert_eq!(old.shown(event, "category"), "own_1");
    // Another town has its own.
    assert!(foreign.edition(&foreign.enrolled.setup).await.is_none());

    let page = boss.page(SETTINGS).await;
    let response = submit_categories(&boss, &page, &[("retired-own_1", "true")]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let setup = alice.sync(vec![]).await.setup.expect("told again");
    let form = newest(&alice.edition(&setup).await.unwrap(), RecordKind::Event);
    assert_eq!(form.version, 1002);
    assert!(form.field("category").unwrap().choices.iter().any(|choice| choice.code == "own_1" && choice.retired));
    assert!(staff.page(&format!("/console/records/{event}")).await.contains("电动车管理"), "its name stays");
    // A server started anew has it all.
    let again = AppState::open(centre.folder.path(), Arc::clone(&centre.clock) as Arc<dyn Outside>).unwrap();
    assert_eq!(again.in_force(TOWN).unwrap().forms.newest(RecordKind::Event).unwrap().version, 1002);
    let written: Vec<String> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action == "audit-published")
        .map(|entry| format!("{} {}", entry.subject, entry.detail))
        .collect();
    assert_eq!(written, ["form/event 1001", "form/event 1002"]);
    assert!(entries(&centre.app, OTHER_TOWN).iter().all(|entry| entry.action != "audit-published"));
}

#[tokio::test]
async fn limits_and_working_days_count_at_once_and_what_cannot_be_is_told() {
    let centre = Centre::open().await;
    person(&centre, "boss", Role::Admin, TOWN, false, false);
    person(&centre, "local", Role::Admin, AreaId(10), false, false);
    let staff_user = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let (boss, staff) = (Desk::logged_in(&centre, "boss").await, Desk::logged_in(&centre, "staff").await);
    let mut hand = centre.enrol(&staff_user).await;
    let report = hand.event("井盖破损", GRID);
    let event = report.record;
    applied(&hand.sync(vec![report]).await, 0);
    let inbox = staff.page(&format!("/console/records/{event}")).await;
    assert!(inbox.contains("value=\"days-3\" checked") && !inbox.contains("days-5"), "{inbox}");

    for (name, value, said) in [
        ("ordinary", "16", "1 到 15 个工作日"),
        ("ordinary", "三", "1 到 15 个工作日"),
        ("urgent", "0", "1 到 360 小时"),
        ("closes", "下午六点", "下班时间看不懂"),
        ("holidays", "2027-02-30", "有一个日子看不懂"),
        ("holidays", "2027-10-07..2027-10-01", "有一个日子看不懂"),
        ("worked", "2026-10-01", "既写了放假又写了上班"),
    ] {
        let (status, page) = save(&boss, name, value).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {value}");
        assert!(page.contains(said) && page.contains(value), "{name} {value}: what was typed is kept: {page}");
    }
    assert!(hand.sync(vec![]).await.setup.is_none(), "nothing was published");
    assert_eq!(save(&boss, "ordinary", "5").await.0, StatusCode::SEE_OTHER);
    let page = staff.page(&format!("/console/records/{event}")).await;
    assert!(page.contains("value=\"days-5\" checked"), "{page}");

    // An event under way: a holiday in its time moves its last day.
    let own = hand.author.user;
    let edit = hand.step(event, &StepEntry { host: own, limit: Some(Limit::Days(1)), ..step(Step::Dispatch) });
    applied(&hand.sync(vec![edit]).await, 0);
    let due = || {
        let rules = centre.app.rules_of(TOWN).unwrap();
        let dispatched = hand.confirmed.get(&(event, Part::Open)).unwrap();
        shared::workflow::fold(dispatched, &rules.calendar).due.unwrap()
    };
    let before = due();
    let day = before.date_naive().to_string();
    let page = boss.page(SETTINGS).await;
    let holidays = typed(&page).into_iter().find(|(name, _)| name == "holidays").unwrap().1;
    assert_eq!(save(&boss, "holidays", &format!("{holidays}\n{day}")).await.0, StatusCode::SEE_OTHER);
    assert!(due() >= before + TimeDelta::days(1), "{} after {before}", due());
    let setup = hand.sync(vec![]).await.setup.expect("handhelds are told");
    let calendar = hand.edition(&setup).await.unwrap().calendar.unwrap();
    assert!(calendar.contains(&day) && calendar.contains("ordinary_days = 5"), "{calendar}");
    // Saving what is there already publishes nothing.
    assert_eq!(save(&boss, "ordinary", "5").await.0, StatusCode::SEE_OTHER);
    let published = entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action == "audit-published").count();
    assert_eq!(published, 2);

    let local = Desk::logged_in(&centre, "local").await;
    let page = local.page(SETTINGS).await;
    assert!(page.contains("由管全镇的管理员"), "{page}");
    let response = local.try_submit(&page, SETTINGS, &[("ordinary", "1")]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
