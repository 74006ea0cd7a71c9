//! What nobody may learn by a side door: names of informants, values behind masks, what people ask for.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use shared::area::AreaId;
use shared::author::Role;
use shared::outside::Outside;
use shared::path::Path;
use shared::value::Value;
use shared::wire::Look;
use sync_server::store;

#[tokio::test]
async fn an_informant_is_a_role_in_batches_and_remarks_too() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    person(&centre, "leader", Role::GridLeader, AreaId(10), false, false);
    let lin = centre.person("lin", Role::Informant, GRID, false);
    let mut lin = centre.enrol(&lin).await;
    let mut report = lin.event("路灯坏了", GRID);
    report.writes.insert(Path::entry("remarks", report.id), Value::text("晚上看不见路"));
    let record = report.record;
    applied(&lin.sync(vec![report]).await, 0);

    person(&centre, "second", Role::CenterStaff, TOWN, true, true);
    let (desk, second) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "second").await);
    desk.seal_with(&second, &[("format", "ndjson"), ("unmasked", "true"), ("since", "all")]).await;
    let page = desk.page("/console/batches").await;
    desk.submit(&page, "/console/batches", &[("format", "csv"), ("since", "all")]).await;
    for file in ["2026-001/event.ndjson", "2026-002/event.csv"] {
        let text = desk.page(&format!("/console/batches/{file}")).await;
        assert!(text.contains("路灯坏了") && text.contains("信息员（姓名仅中心可见）"), "{text}");
        assert!(!text.contains("lin的姓名"), "{text}");
    }

    // 实名仅中心可见: at the centre the steps and the history name them, to the leader nothing does.
    assert!(desk.page(&format!("/console/records/{record}")).await.contains("lin的姓名"));
    let leader = Desk::logged_in(&centre, "leader").await;
    let page = leader.page(&format!("/console/records/{record}")).await;
    assert!(page.contains("晚上看不见路") && !page.contains("lin的姓名") && !page.contains("测试机"), "{page}");
    assert!(!leader.page("/console/inbox").await.contains("lin的姓名"));
    assert!(!leader.page("/console").await.contains("lin的姓名"));
}

#[tokio::test]
async fn guessing_passwords_has_to_wait_and_learns_nothing_from_it() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::new(&centre);
    let mut said = Vec::new();
    for login in ["staff", "nobody"] {
        let mut pages = Vec::new();
        for _ in 0..6 {
            let response = desk.send("/console/login", &[("login", login), ("password", "猜")]).await;
            let wait = response.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
            pages.push((response.status(), wait, response.text().await.unwrap().replace(login, "…")));
        }
        assert_eq!(pages[4].0, StatusCode::UNAUTHORIZED);
        assert_eq!(pages[5].0, StatusCode::TOO_MANY_REQUESTS);
        assert!(pages[5].1.is_some());
        said.push(pages);
    }
    assert_eq!(said[0], said[1], "a log-in that exists is answered as one that does not");
    // The right password waits as well, or the wait would tell which it is.
    let right = [("login", "staff"), ("password", PASSWORD)];
    assert_eq!(desk.send("/console/login", &right).await.status(), StatusCode::TOO_MANY_REQUESTS);
    centre.clock.advance(TimeDelta::seconds(5));
    assert_eq!(desk.send("/console/login", &right).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_a_handheld_showed_in_full_stands_in_the_audit_once() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let record = resident(&mut alice, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let look = |field: &str| Look {
        id: centre.clock.uuid(),
        record,
        field: field.to_owned(),
        at: centre.clock.now() - TimeDelta::hours(2),
    };
    let mut request = alice.request(vec![]);
    request.looks = vec![look("phone"), look("13912345678 张伟")];
    for _ in 0..2 {
        // The answer was lost: the same looks come again.
        let body = serde_json::to_vec(&request).unwrap();
        assert_eq!(alice.raw(body, &[]).await.status(), StatusCode::OK);
    }
    let audits = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.audits(100)).unwrap();
    let looks: Vec<_> = audits.iter().filter(|entry| entry.action == "audit-look").collect();
    assert_eq!(looks.len(), 2, "{looks:?}");
    assert!(looks.iter().all(|entry| entry.user == Some(wei.id) && entry.subject == record.to_string()));
    assert!(looks[1].detail.starts_with("phone 2026-"), "{:?}", looks[1]);
    assert!(looks[0].detail.starts_with("? 2026-"), "what is no name of a field is not kept");
    let page = Desk::logged_in(&centre, "staff").await.audit().await;
    assert!(page.contains("在终端上看了完整内容") && page.contains("wei的姓名") && !page.contains("13912345678"));
}

/// Everything the program logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_routes_and_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let logging = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(logging);
    // With one subscriber alone, whether a line of code logs is asked of the thread that comes by first: another test's.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let number = [("phone", Value::text("13912345678"))];
    let record = resident(&mut alice, "张伟", GRID, &number).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let query: String = "张伟 13912345678".bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert!(desk.page(&format!("/console/records?q={query}")).await.contains("139****5678"));
    desk.page(&format!("/console/records/{record}")).await;
    let wrong = [("login", "13912345678"), ("password", "黄河")];
    assert_eq!(desk.send("/console/login", &wrong).await.status(), StatusCode::UNAUTHORIZED);
    alice.raw(br#"{"protocol":"13912345678"}"#.to_vec(), &[]).await;
    let history = format!("/api/v1/records/{record}/history");
    let response = centre.send(Method::GET, &history, Some(&alice.token), vec![], &[]).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("/console/records/{id}") && text.contains("answered"), "{text}");
    let hex = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for personal in ["13912345678", "张伟", &hex("张伟"), &record.to_string(), &alice.token, "黄河", "wei的姓名"]
    {
        assert!(!text.contains(personal), "{personal} stands in the log: {text}");
    }
}
