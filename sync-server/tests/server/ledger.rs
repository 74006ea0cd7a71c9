//! The ledger of events: found by category, area, period and state, numbered by category and year, kept as one's own views;
//! and what stands there is what the logs say.

use crate::common::desk::{Desk, person};
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::ids::RecordId;
use shared::outside::Outside as _;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::archive;
use sync_server::store::{self, EventFilter, EventRow, StoreError};

fn rows(centre: &Centre) -> Vec<EventRow> {
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        let mut rows = Vec::new();
        read.each_event(&EventFilter::default(), &mut |row| {
            rows.push(row);
            Ok(true)
        })?;
        Ok(rows)
    })
    .unwrap()
}

/// Takes an event through all its steps by the console, as the centre's own.
async fn closed(desk: &Desk<'_>, record: RecordId, me: &str, outcome: &str) {
    let path = format!("/console/records/{record}");
    let step = format!("{path}/step");
    let steps: [&[(&str, &str)]; 4] = [
        &[("step", "step-dispatch"), ("host", me), ("limit", "days-3")],
        &[("step", "step-handle"), ("text", "办了"), ("done", "true")],
        &[("step", "step-feedback"), ("text", "告诉了"), ("satisfied", "true")],
        &[("step", "step-close"), ("outcome", outcome)],
    ];
    for fields in steps {
        let page = desk.page(&path).await;
        desk.submit(&page, &step, fields).await;
    }
}

#[tokio::test]
async fn events_are_found_by_category_area_period_and_light_and_the_choice_is_kept() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, GRID, false, false);
    let member = centre.person("member", Role::GridMember, TOWN, false);
    let mut hand = centre.enrol(&member).await;
    let mut dispute = hand.event("两家争地界", GRID);
    dispute.writes.insert("category".parse().unwrap(), Value::text("dispute"));
    let lamp = hand.event("路灯不亮", FAR_GRID);
    let quarrel = dispute.record;
    applied(&hand.sync(vec![dispute, lamp]).await, 1);
    let day = |days| (centre.clock.now() + TimeDelta::hours(8) + TimeDelta::days(days)).date_naive().to_string();
    let (today, yesterday) = (day(0), day(-1));
    let desk = Desk::logged_in(&centre, "staff").await;
    let titles = |page: &str| (page.contains("两家争地界"), page.contains("路灯不亮"));
    for (query, expected) in [
        (String::new(), (true, true)),
        ("?category=dispute".to_owned(), (true, false)),
        ("?category=dispute,sanitation".to_owned(), (true, false)),
        (format!("?area={GRID}"), (true, false)),
        (format!("?from={today}&to={today}"), (true, true)),
        (format!("?to={yesterday}"), (false, false)),
        ("?stage=open".to_owned(), (true, true)),
        ("?stage=closed".to_owned(), (false, false)),
        ("?light=red".to_owned(), (false, false)),
        (format!("?from={today}&by=closed"), (false, false)),
    ] {
        assert_eq!(titles(&desk.page(&format!("/console/events{query}")).await), expected, "{query}");
    }
    // Past its time it shows under red; closed it shows by the day of closing.
    let host = staff.id.to_string();
    let path = format!("/console/records/{quarrel}");
    let page = desk.page(&path).await;
    let give = [("step", "step-dispatch"), ("host", host.as_str()), ("limit", "hours-24")];
    desk.submit(&page, &format!("{path}/step"), &give).await;
    centre.clock.advance(TimeDelta::hours(30));
    let desk = Desk::logged_in(&centre, "staff").await;
    assert_eq!(titles(&desk.page("/console/events?light=red").await), (true, false));
    closed(&desk, quarrel, &host, "reconciled").await;
    let today = (centre.clock.now() + TimeDelta::hours(8)).date_naive();
    let page = desk.page(&format!("/console/events?by=closed&from={today}&outcome=reconciled")).await;
    assert_eq!(titles(&page), (true, false), "{page}");

    let kept = desk.submit(&page, "/console/views", &[("name", "本月化解")]).await;
    assert!(kept.contains("本月化解"), "{kept}");
    let other = desk.page("/console/events").await;
    assert!(other.contains("本月化解"));
    let gone = desk.submit(&kept, "/console/views", &[("drop", "1")]).await;
    assert!(!gone.contains("本月化解"), "{gone}");
    // A leader sees the events of their grid, and no view of somebody else's.
    let leader = Desk::logged_in(&centre, "leader").await;
    desk.submit(&other, "/console/views", &[("name", "我的")]).await;
    let page = leader.page("/console/events").await;
    assert_eq!(titles(&page), (true, false));
    assert!(!page.contains("我的</a>"), "{page}");
}

#[tokio::test]
async fn what_is_archived_is_numbered_by_category_and_year_without_a_gap() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let member = centre.person("member", Role::GridMember, TOWN, false);
    let mut hand = centre.enrol(&member).await;
    let mut reports = Vec::new();
    for (title, category) in [("一", "dispute"), ("二", "hazard"), ("三", "dispute")] {
        let mut report = hand.event(title, GRID);
        report.writes.insert("category".parse().unwrap(), Value::text(category));
        reports.push(report);
    }
    let ids: Vec<RecordId> = reports.iter().map(|report| report.record).collect();
    applied(&hand.sync(reports).await, 2);
    let desk = Desk::logged_in(&centre, "staff").await;
    let me = staff.id.to_string();
    for (id, outcome) in ids.iter().zip(["reconciled", "settled", "not_reconciled"]) {
        closed(&desk, *id, &me, outcome).await;
        let path = format!("/console/records/{id}");
        let page = desk.page(&path).await;
        desk.submit(&page, &format!("{path}/step"), &[("step", "step-archive")]).await;
    }
    let page = desk.page("/console/events?archived=1").await;
    for number in ["矛盾纠纷〔2026〕0001", "矛盾纠纷〔2026〕0002", "安全隐患〔2026〕0001"] {
        assert_eq!(page.matches(number).count(), 1, "{number}: {page}");
    }
}

#[tokio::test]
async fn what_was_closed_and_left_alone_for_a_week_is_archived_by_itself() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let member = centre.person("member", Role::GridMember, TOWN, false);
    let mut hand = centre.enrol(&member).await;
    let reports: Vec<_> = ["一", "二", "三", "四"].map(|title| hand.event(title, GRID)).into();
    let ids: Vec<RecordId> = reports.iter().map(|report| report.record).collect();
    applied(&hand.sync(reports).await, 3);
    let me = staff.id.to_string();
    let desk = Desk::logged_in(&centre, "staff").await;
    let archived = |run: u64, numbers: &[&str]| {
        assert_eq!(archive::run(&centre.app, 7).unwrap(), run);
        let found: Vec<_> = rows(&centre).into_iter().map(|row| row.facts.ledger).collect();
        let mut found: Vec<_> = found.iter().filter(|number| !number.is_empty()).map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, numbers);
    };
    // Two are closed, one of them is spoken of once more after six days, one is under way, one waits.
    for id in [ids[1], ids[0], ids[3]] {
        closed(&desk, id, &me, "settled").await;
    }
    let path = format!("/console/records/{}", ids[2]);
    let page = desk.page(&path).await;
    desk.submit(&page, &format!("{path}/step"), &[("step", "step-dispatch"), ("host", &me), ("limit", "days-3")]).await;
    centre.clock.advance(TimeDelta::days(6));
    hand.catch_up().await;
    let note = hand.edit(ids[3], RecordKind::Event, Part::Open, &[("title", Value::text("四号楼"))]);
    applied(&hand.sync(vec![note]).await, 0);
    archived(0, &[]);
    centre.clock.advance(TimeDelta::days(1) + TimeDelta::minutes(1));
    archived(2, &["安全隐患〔2026〕0001", "安全隐患〔2026〕0002"]);
    archived(0, &["安全隐患〔2026〕0001", "安全隐患〔2026〕0002"]);
    // The record says so, in nobody's name, and nothing of it stands in quarantine.
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(&format!("/console/records/{}", ids[0])).await;
    assert!(page.contains("结案满 7 天，自动建档") && page.contains("安全隐患〔2026〕000"), "{page}");
    assert!(page.contains("3 个工作日") && page.contains("满意 ") && page.contains("已办成"), "{page}");
    assert_eq!(store::read(&*centre.app.store, TOWN, |read| read.quarantine(false, 9)).unwrap(), []);
    centre.clock.advance(TimeDelta::days(7));
    archived(1, &["安全隐患〔2026〕0001", "安全隐患〔2026〕0002", "安全隐患〔2026〕0003"]);
}

#[tokio::test]
async fn what_lists_show_is_what_the_logs_say_and_goes_with_the_record() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let member = centre.person("member", Role::GridMember, TOWN, false);
    let mut hand = centre.enrol(&member).await;
    let report = hand.event("两家争地界", GRID);
    let record = report.record;
    let visit = hand.visit(None, GRID, "煤快烧完了");
    applied(&hand.sync(vec![report, visit]).await, 1);
    let dispatch = StepEntry { host: Some(staff.id), limit: Some(Limit::Hours(24)), ..step(Step::Dispatch) };
    let leader = centre.person("leader", Role::GridLeader, TOWN, false);
    let mut leader = centre.enrol(&leader).await;
    leader.catch_up().await;
    let dispatch = leader.step(record, &dispatch);
    applied(&leader.sync(vec![dispatch]).await, 0);

    let before = rows(&centre);
    assert_eq!(before.len(), 2);
    let event = before.iter().find(|row| row.record == record).unwrap();
    assert_eq!(event.facts.host, Some(staff.id));
    assert_eq!(event.facts.stage.unwrap().code(), "handling");
    assert_eq!(event.facts.due.unwrap() - event.facts.since.unwrap(), TimeDelta::hours(24));
    assert!(before.iter().any(|row| row.visit && row.facts.stage.is_none()));

    // A file of a program that kept no such rows gets them when it is opened, the same ones.
    let copy = centre.copy();
    let sql = rusqlite::Connection::open(copy.path().join("town.db")).unwrap();
    sql.execute_batch("DELETE FROM event; UPDATE part SET missing = 9; DELETE FROM meta WHERE key LIKE '%/beside'")
        .unwrap();
    drop(sql);
    let put_back = centre.put_back(copy).await;
    assert_eq!(rows(&put_back), before);
    let sql = rusqlite::Connection::open(put_back.app.data.join("town.db")).unwrap();
    let missing: u32 = sql.query_row("SELECT max(missing) FROM part", [], |row| row.get(0)).unwrap();
    assert_eq!(missing, 0);

    // Erased, nothing of it stays in the lists either.
    let desk = Desk::logged_in(&centre, "staff").await;
    let path = format!("/console/records/{record}/erase");
    let page = desk.page(&path).await;
    let typed = [("reason", "request"), ("typed", "两家争地界")];
    assert_eq!(desk.try_submit(&page, &path, &typed).await.status(), StatusCode::OK);
    let left = rows(&centre);
    assert!(left.iter().all(|row| row.record != record), "{left:?}");
}
