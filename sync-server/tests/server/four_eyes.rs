//! What takes two people: batches with numbers in full, or with restricted columns.

use crate::common::audit::{entries, run};
use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::outside::Outside;
use shared::value::Value;

const FULL: [(&str, &str); 3] = [("format", "csv"), ("since", "all"), ("unmasked", "true")];

/// A centre with a resident, and staff: two with every right, one with none, one of a community only.
async fn centre() -> Centre {
    let centre = Centre::open().await;
    person(&centre, "asks", Role::CenterStaff, TOWN, true, true);
    person(&centre, "releases", Role::CenterStaff, TOWN, true, true);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    person(&centre, "unmasks", Role::CenterStaff, TOWN, true, false);
    person(&centre, "narrow", Role::CenterStaff, AreaId(10), true, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = resident(&mut wei, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let care = [
        ("care_services/meals", Value::of(&true)),
        ("care_reason", Value::text("独居")),
        ("care_until", Value::text("2026-12-31")),
    ];
    let edit = wei.care(record, &care);
    applied(&wei.sync(vec![edit]).await, 0);
    centre
}

/// Asks, and says where the form to release it leads.
async fn ask(desk: &Desk<'_>, fill: &[(&str, &str)]) -> String {
    let page = desk.page("/console/batches").await;
    let page = desk.submit(&page, "/console/batches", fill).await;
    assert!(page.contains("已申请") && page.contains("等另一人同意"), "{page}");
    assert!(page.contains("还没有批次"), "nothing is sealed: {page}");
    let asked = entries(&desk.centre.app, TOWN).into_iter().rfind(|entry| entry.action == "audit-batch-asked").unwrap();
    format!("/console/batches/asked/{}/release", asked.subject)
}

#[tokio::test]
async fn numbers_in_full_take_two_people_and_the_audit_has_both_names() {
    let centre = centre().await;
    let asks = Desk::logged_in(&centre, "asks").await;
    let release = ask(&asks, &FULL).await;
    let seal = release.replace("/release", "/seal");
    assert!(!centre.app.data.join("batches").exists(), "nothing lies on the disk");

    // Not who asks, not without the rights, not of less, and not before it is released.
    let send = async |desk: &Desk<'_>, action: &str| -> StatusCode {
        let page = desk.page("/console/batches").await;
        let csrf = hidden(&page, "/console/batches").remove("csrf").unwrap();
        desk.send(action, &[("csrf", &csrf)]).await.status()
    };
    assert_eq!(send(&asks, &seal).await, StatusCode::CONFLICT);
    assert_eq!(send(&asks, &release).await, StatusCode::CONFLICT, "their own");
    for login in ["plain", "narrow"] {
        let other = Desk::logged_in(&centre, login).await;
        assert!(!other.page("/console/batches").await.contains("/release"), "{login} is not even offered it");
        assert_eq!(send(&other, &release).await, StatusCode::CONFLICT, "{login}");
    }
    assert_eq!(send(&asks, &seal).await, StatusCode::CONFLICT);

    let releases = Desk::logged_in(&centre, "releases").await;
    let page = releases.page("/console/batches").await;
    assert!(page.contains("号码不打码") && page.contains("asks的姓名") && page.contains(&release), "{page}");
    assert_eq!(send(&releases, &release).await, StatusCode::SEE_OTHER);
    assert_eq!(send(&releases, &release).await, StatusCode::CONFLICT, "once");
    assert_eq!(send(&releases, &seal).await, StatusCode::CONFLICT, "for who asked, nobody else");
    assert_eq!(send(&asks, &seal).await, StatusCode::SEE_OTHER);
    let file = asks.page("/console/batches/2026-001/person.csv").await;
    assert!(file.contains("13912345678") && !file.contains("独居"), "{file}");
    assert_eq!(send(&asks, &seal).await, StatusCode::CONFLICT, "used");
    assert!(!asks.page("/console/batches").await.contains("/console/batches/asked/"), "nothing waits any more");

    let id = |login: &str| centre.app.store.user_by_login(login).unwrap().unwrap().id;
    let of = |action: &str| -> Vec<_> {
        let all = entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action == action);
        all.map(|entry| (entry.user(), entry.detail)).collect()
    };
    assert_eq!(of("audit-batch-asked")[0].0, Some(id("asks")));
    assert_eq!(of("audit-batch-released"), [(Some(id("releases")), format!("asked_by {}", id("asks")))]);
    let sealed = &of("audit-batch-sealed")[0];
    assert!(sealed.0 == Some(id("asks")) && sealed.1.contains(&id("releases").to_string()), "{sealed:?}");
    assert!(entries(&centre.app, TOWN).iter().all(|entry| !format!("{entry:?}").contains("的姓名")));
}

#[tokio::test]
async fn restricted_columns_take_two_who_are_cleared_and_what_is_masked_takes_one() {
    let centre = centre().await;
    let asks = Desk::logged_in(&centre, "asks").await;
    let release = ask(&asks, &[("format", "csv"), ("since", "all"), ("restricted", "true")]).await;
    let unmasks = Desk::logged_in(&centre, "unmasks").await;
    assert!(!unmasks.page("/console/batches").await.contains(&release), "not cleared");
    let releases = Desk::logged_in(&centre, "releases").await;
    let page = releases.page("/console/batches").await;
    releases.submit(&page, &release, &[]).await;
    let page = asks.page("/console/batches").await;
    asks.submit(&page, &release.replace("/release", "/seal"), &[]).await;
    let file = asks.page("/console/batches/2026-001/person.csv").await;
    assert!(file.contains("独居") && file.contains("139****5678"), "{file}");
    assert_eq!(unmasks.get("/console/batches/2026-001/person.csv").await.status(), StatusCode::CONFLICT);

    let page = asks.page("/console/batches").await;
    let page = asks.submit(&page, "/console/batches", &[("format", "csv"), ("since", "all")]).await;
    assert!(page.contains("2026-002"), "{page}");
    let file = asks.page("/console/batches/2026-002/person.csv").await;
    assert!(!file.contains("独居") && file.contains("139****5678"), "{file}");
}

#[tokio::test]
async fn what_nobody_released_or_used_in_a_day_lapses() {
    let centre = centre().await;
    let asks = Desk::logged_in(&centre, "asks").await;
    let unreleased = ask(&asks, &FULL).await;
    centre.clock.advance(TimeDelta::hours(1));
    let asks = Desk::logged_in(&centre, "asks").await;
    let unused = ask(&asks, &[("format", "ndjson"), ("since", "all"), ("unmasked", "true")]).await;
    let releases = Desk::logged_in(&centre, "releases").await;
    let page = releases.page("/console/batches").await;
    releases.submit(&page, &unused, &[]).await;

    centre.clock.advance(TimeDelta::hours(24));
    let (asks, releases) = (Desk::logged_in(&centre, "asks").await, Desk::logged_in(&centre, "releases").await);
    for (desk, action) in [(&releases, unreleased), (&asks, unused.replace("/release", "/seal"))] {
        let page = desk.page("/console/batches").await;
        assert!(!page.contains(&action), "{page}");
        let csrf = hidden(&page, "/console/batches").remove("csrf").unwrap();
        assert_eq!(desk.send(&action, &[("csrf", &csrf)]).await.status(), StatusCode::CONFLICT, "{action}");
    }
    assert!(asks.page("/console/batches").await.contains("还没有批次"));
}

#[tokio::test]
async fn the_command_takes_only_what_was_released_at_the_console() {
    let centre = centre().await;
    // The command goes by the clock on the wall.
    centre.clock.advance(sync_server::system::System.now() - centre.clock.now());
    let out = tempfile::tempdir().unwrap();
    let (data, out) = (centre.folder.path().to_str().unwrap(), out.path().to_str().unwrap());
    let pull = ["batch", "pull", "--data", data, "--user", "asks", "--since", "all", "--unmasked", "--out", out];
    let (well, text) = run(&pull);
    assert!(!well && text.contains("who asks does not release"), "{text}");
    let asks = Desk::logged_in(&centre, "asks").await;
    let release = ask(&asks, &FULL).await;
    assert!(!run(&pull).0, "asked for is not released");
    let releases = Desk::logged_in(&centre, "releases").await;
    let page = releases.page("/console/batches").await;
    releases.submit(&page, &release, &[]).await;
    let more = [&pull[..], &["--restricted"]].concat();
    assert!(!run(&more).0, "something else than was released");
    let (well, text) = run(&pull);
    assert!(well && text.contains("2026-001"), "{text}");
    let file = std::fs::read_to_string(format!("{out}/2026-001/person.csv")).unwrap();
    assert!(file.contains("13912345678"), "{file}");
    assert!(!run(&pull).0, "used");
}
