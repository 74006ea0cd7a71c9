//! The monthly report, counted once more by SQL over the states as they are stored.

use crate::common::desk::{Desk, person, resident};
use crate::common::*;
use calamine::{Data, Reader, Xlsx};
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::outside::Outside as _;
use shared::value::Value;
use shared::workflow::{Step, StepEntry};

/// Takes an event from dispatch to its end, as centre staff on a handheld.
async fn close(hand: &mut Handheld<'_>, me: shared::ids::UserId, record: RecordId, outcome: &str) {
    let steps = [
        StepEntry { host: Some(me), ..step(Step::Dispatch) },
        StepEntry { done: Some(true), text: "办了".to_owned(), ..step(Step::Handle) },
        StepEntry { satisfied: Some(true), text: "告诉了".to_owned(), ..step(Step::Feedback) },
        StepEntry { outcome: Some(outcome.to_owned()), ..step(Step::Close) },
    ];
    for said in steps {
        hand.catch_up().await;
        let edit = hand.step(record, &said);
        applied(&hand.sync(vec![edit]).await, 0);
    }
}

fn of_category(mut event: Edit, category: &str, more: &[(&str, &str)]) -> Edit {
    event.writes.insert("category".parse().unwrap(), Value::text(category));
    event.writes.extend(more.iter().map(|(field, text)| (field.parse().unwrap(), Value::text(text))));
    event
}

/// What the page says of a figure: this period, the one before.
fn figure(page: &str, label: &str) -> (String, String) {
    let row = page.split(&format!("<td>{label}</td>")).nth(1).unwrap_or_else(|| panic!("no {label} in {page}"));
    let row = row.split("</tr>").next().unwrap();
    let text = |cell: &str| {
        let cell = cell.split_once('>').unwrap().1.split("</td>").next().unwrap().to_owned();
        let bare: Vec<&str> = cell.split('<').map(|piece| piece.rsplit('>').next().unwrap()).collect();
        bare.concat()
    };
    let cells: Vec<String> = row.split("<td").skip(1).map(text).collect();
    (cells[0].clone(), cells[1].clone())
}

/// The states as stored, and nothing that the program keeps beside them.
fn recount(centre: &Centre, sql: &str) -> u32 {
    let file = rusqlite::Connection::open(centre.app.data.join("town.db")).unwrap();
    file.execute_batch(
        "CREATE TEMP VIEW said AS SELECT p.record, j.key field, w.value ->> '$[1]' value FROM part p,
             json_each(p.state, '$.live') j, json_each(j.value) w WHERE p.kind = 'event' AND p.part = 'open' AND p.deleted = 0;
         CREATE TEMP VIEW happened AS SELECT record, json_extract(value, '$.step') step, json_extract(value, '$.outcome') outcome
             FROM said WHERE field LIKE 'steps/%';
         CREATE TEMP VIEW category AS SELECT record, value category FROM said WHERE field = 'category';",
    )
    .unwrap();
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_months_figures_are_those_of_a_recount_and_each_leads_to_its_events() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, false);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, GRID, false, false);
    person(&centre, "member", Role::GridMember, GRID, false, false);
    let mut hand = centre.enrol(&staff).await;
    // Last month: two disputes, one of them settled by now.
    let old: Vec<Edit> =
        ["甲", "乙"].into_iter().map(|title| of_category(hand.event(title, GRID), "dispute", &[])).collect();
    let old_ids: Vec<RecordId> = old.iter().map(|edit| edit.record).collect();
    applied(&hand.sync(old).await, 1);
    centre.clock.advance(TimeDelta::days(32));
    let mut hand = centre.enrol(&staff).await;
    hand.catch_up().await;
    close(&mut hand, staff.id, old_ids[0], "reconciled").await;

    // This month.
    resident(&mut hand, "近处的人", GRID, &[]).await;
    resident(&mut hand, "远处的人", FAR_GRID, &[]).await;
    let help = [("service_subject", "assistance")];
    let events = vec![
        of_category(hand.event("一", GRID), "dispute", &[]),
        of_category(hand.event("二", FAR_GRID), "dispute", &[]),
        of_category(hand.event("三", GRID), "dispute", &[]),
        of_category(hand.event("四", GRID), "public_service", &help),
        of_category(hand.event("五", GRID), "public_service", &[]),
        of_category(hand.event("六", GRID), "hazard", &[]),
        of_category(hand.event("七", FAR_GRID), "work_safety", &[]),
        of_category(hand.event("八", GRID), "policy", &[]),
        hand.visit(None, GRID, "都好"),
        hand.visit(None, GRID, "煤够了"),
    ];
    let ids: Vec<RecordId> = events.iter().map(|edit| edit.record).collect();
    applied(&hand.sync(events).await, 9);
    for (place, outcome) in
        [(0, "reconciled"), (1, "reconciled"), (2, "not_reconciled"), (3, "settled"), (5, "settled")]
    {
        close(&mut hand, staff.id, ids[place], outcome).await;
    }

    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/report").await;
    let both = |this: &str, last: &str| (this.to_owned(), last.to_owned());
    for (label, expected) in [
        ("登记在册居民（现在）", both("2", "—")),
        ("新登记居民", both("2", "0")),
        ("走访（次）", both("2", "0")),
        ("受理代办（件）", both("2", "0")),
        ("办成代办（件）", both("1", "0")),
        ("帮助申办救助、就业（件）", both("1", "0")),
        ("排查矛盾纠纷（件）", both("3", "2")),
        ("化解矛盾纠纷（件）", both("3", "0")),
        ("本期排查的，期末前化解（件）", both("2", "0")),
        ("化解率（本期排查的）", both("66.6%", "0.0%")),
        ("发现隐患（件）", both("2", "0")),
        ("整改隐患（件）", both("1", "0")),
        ("政策宣传（次）", both("1", "0")),
        ("上报事件（件）", both("8", "2")),
        ("结案事件（件）", both("6", "0")),
    ] {
        assert_eq!(figure(&page, label), expected, "{label}");
    }
    // Once more, out of the states alone.
    let disputes = recount(&centre, "SELECT count(*) FROM category WHERE category = 'dispute'");
    assert_eq!(disputes, 5, "of both months");
    let settled = "SELECT count(*) FROM happened h JOIN category c USING (record)
                   WHERE h.step = 'close' AND h.outcome = 'reconciled' AND c.category = 'dispute'";
    assert_eq!(figure(&page, "化解矛盾纠纷（件）").0, recount(&centre, settled).to_string());
    let mended = "SELECT count(*) FROM happened h JOIN category c USING (record)
                  WHERE h.step = 'close' AND h.outcome = 'settled' AND c.category IN ('hazard', 'work_safety')";
    assert_eq!(figure(&page, "整改隐患（件）").0, recount(&centre, mended).to_string());

    // Each figure leads to as many records.
    let links: Vec<(String, String)> = page
        .split("<a href=\"")
        .skip(1)
        .map(|rest| {
            (
                rest.split('"').next().unwrap().replace("&amp;", "&"),
                rest.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned(),
            )
        })
        .filter(|(href, _)| href.starts_with("/console/events?") || href.starts_with("/console/records?kind=person&"))
        .collect();
    assert!(links.len() > 40, "{links:?}");
    for (href, count) in links {
        let list = desk.page(&href).await;
        assert!(list.contains(&format!(">{count} 条<")), "{href}: {count}: {list}");
    }

    // Of one's own grid, and for those it is for.
    let leader = Desk::logged_in(&centre, "leader").await.page("/console/report").await;
    assert_eq!(figure(&leader, "排查矛盾纠纷（件）"), both("2", "2"));
    assert!(!leader.contains("有关爱服务的居民"));
    assert!(!Desk::logged_in(&centre, "plain").await.page("/console/report").await.contains("有关爱服务的居民"));
    let member = Desk::logged_in(&centre, "member").await;
    assert_eq!(member.get("/console/report").await.status(), StatusCode::FORBIDDEN);
    // Both months as one period; what is no month is this month.
    let now = centre.clock.now();
    let month = |days| (now + TimeDelta::hours(8) - TimeDelta::days(days)).format("%Y-%m").to_string();
    let both_months = desk.page(&format!("/console/report?from={}&to={}", month(32), month(0))).await;
    assert_eq!(figure(&both_months, "排查矛盾纠纷（件）").0, "5");
    assert_eq!(figure(&desk.page("/console/report?from=2026-99&to=x").await, "排查矛盾纠纷（件）").0, "3");

    // The workbook says the same.
    let bytes = desk.get("/console/report.xlsx").await.bytes().await.unwrap();
    let mut book = Xlsx::new(std::io::Cursor::new(bytes.clone())).unwrap();
    let sheet = book.worksheet_range("总表").unwrap();
    let row = sheet.rows().find(|row| row[0] == Data::String("化解矛盾纠纷（件）".to_owned())).unwrap();
    assert_eq!((&row[1], &row[2], &row[3]), (&Data::Float(3.0), &Data::Float(0.0), &Data::Float(3.0)));
    let sheet = book.worksheet_range("按社区（村）和网格").unwrap();
    assert!(sheet.height() > 3, "communities and grids");
    assert_eq!(bytes, desk.get("/console/report.xlsx").await.bytes().await.unwrap(), "the same bytes again");
}
