//! The console as a browser uses it: over HTTP, with cookies, links and forms, nothing else.

use crate::common::desk::*;
use crate::common::tus::{hash, link, named};
use crate::common::*;
use reqwest::StatusCode;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::RecordId;
use shared::outside::Outside;
use shared::record::Part;
use shared::value::Value;
use shared::wire::{DeviceState, SyncRequest};
use sync_server::store;

#[tokio::test]
async fn only_who_knows_the_password_gets_in_and_nobody_without_a_session_sees_anything() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let stranger = Desk::new(&centre);
    for (login, password) in [("staff", "黄河-7301"), ("nobody", PASSWORD), ("staff", "")] {
        let response = stranger.send("/console/login", &[("login", login), ("password", password)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().get(SET_COOKIE).is_none());
        assert!(response.text().await.unwrap().contains("登录名和密码对不上"));
    }
    let pages = ["", "/inbox", "/records", "/to-decide", "/batches", "/terminals", "/quarantine", "/audit"];
    for page in pages {
        let response = stranger.get(&format!("/console{page}")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{page}");
        assert_eq!(response.headers()[LOCATION], "/console/login");
    }
    let desk = Desk::logged_in(&centre, "staff").await;
    for page in pages {
        let response = desk.get(&format!("/console{page}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = without_keys(response.text().await.unwrap());
        assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains(" onclick="), "{page}");
        // Every word has its message: no key shows.
        for key in ["console-", "step-", "batch-", "why-"] {
            let shown = text.split('>').filter_map(|rest| rest.split('<').next()).find(|text| text.contains(key));
            assert_eq!(shown, None, "{page}");
        }
    }
    let page = desk.page("/console").await;
    desk.submit_out(&page).await;
    assert_eq!(desk.get("/console").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn who_types_an_address_that_is_none_is_told_so_and_led_to_the_console() {
    let centre = Centre::open().await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let asked = |path: &str, accept: &str| http.get(format!("{}{path}", centre.url)).header("accept", accept).send();
    let first = asked("/", "text/html,*/*;q=0.8").await.unwrap();
    assert_eq!((first.status(), &first.headers()[LOCATION]), (StatusCode::SEE_OTHER, &"/console".parse().unwrap()));
    for path in ["/nope", "/console/nope"] {
        let page = asked(path, "text/html,*/*;q=0.8").await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND);
        assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        let page = page.text().await.unwrap();
        assert!(page.contains("没有这一页") && page.contains("href=\"/console\""), "{page}");
        // A program hears it in its own way.
        let answer = asked(path, "application/json").await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(answer.text().await.unwrap().contains("\"not_found\""));
    }
}

#[tokio::test]
async fn a_form_without_its_token_or_from_another_page_changes_nothing() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/terminals").await;
    let user = staff.id.to_string();
    let path = "/console/terminals/code";
    for fields in [vec![("user", user.as_str())], vec![("user", user.as_str()), ("csrf", "x")]] {
        assert_eq!(desk.send(path, &fields).await.status(), StatusCode::FORBIDDEN);
    }
    let csrf = hidden(&page, path)["csrf"].clone();
    let foreign = desk
        .http
        .post(format!("{}{path}", centre.url))
        .header(COOKIE, &desk.cookie)
        .header("origin", "http://elsewhere.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("csrf={csrf}&user={user}"));
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    // With it, a code by which a handheld is really enrolled.
    let response = desk.try_submit(&page, path, &[("user", &user)]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let code = text.split("class=\"num\">").nth(1).unwrap().split('<').next().unwrap();
    let request = serde_json::json!({ "protocol": 1, "code": code, "name": "新机", "app": "0.1.0" });
    let enrolled = centre.post("/api/v1/enrol", None, request.to_string().into_bytes(), &[]).await;
    assert_eq!(enrolled.status(), StatusCode::OK, "{code}");
    assert!(desk.page("/console/terminals").await.contains("新机"));
}

#[tokio::test]
async fn everybody_sees_their_scope_and_nothing_else() {
    let centre = Centre::open().await;
    person(&centre, "leader", Role::GridLeader, AreaId(10), false, false);
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "police", Role::Department, TOWN, false, false);
    let (here, there) = (
        centre.person("here", Role::GridMember, GRID, false),
        centre.person("there", Role::GridMember, FAR_GRID, false),
    );
    let (mut here, mut there) = (centre.enrol(&here).await, centre.enrol(&there).await);
    let near = resident(&mut here, "近处的人", GRID, &[]).await;
    let far = resident(&mut there, "远处的人", FAR_GRID, &[]).await;

    let staff = Desk::logged_in(&centre, "staff").await;
    let all = staff.page("/console/records").await;
    assert!(all.contains("近处的人") && all.contains("远处的人"));
    let leader = Desk::logged_in(&centre, "leader").await;
    for path in ["/console/records", "/console/records?q=的人", "/console/records?area=20"] {
        let page = leader.page(path).await;
        assert!(page.contains("近处的人") && !page.contains("远处的人"), "{path}");
    }
    assert_eq!(leader.get(&format!("/console/records/{near}")).await.status(), StatusCode::OK);
    // Not there, and no word about whether it is anywhere.
    let hidden = leader.get(&format!("/console/records/{far}")).await;
    let nowhere = leader.get(&format!("/console/records/{}", uuid::Uuid::nil())).await;
    assert_eq!((hidden.status(), nowhere.status()), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(hidden.text().await.unwrap(), nowhere.text().await.unwrap());
    for path in ["/console/batches", "/console/terminals", "/console/audit"] {
        assert_eq!(leader.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let police = Desk::logged_in(&centre, "police").await;
    assert_eq!(police.get("/console/records").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(police.get(&format!("/console/records/{near}")).await.status(), StatusCode::NOT_FOUND);
    police.page("/console/inbox").await;
}

#[tokio::test]
async fn numbers_are_masked_until_somebody_who_may_asks_and_that_is_written_down() {
    let centre = Centre::open().await;
    let full = person(&centre, "full", Role::CenterStaff, TOWN, true, false);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    let number = [("id_number", Value::text("629999198001010019")), ("phone", Value::text("13912345678"))];
    let who = resident(&mut hand, "张伟", GRID, &number).await;

    let (path, show) = (format!("/console/records/{who}"), format!("/console/records/{who}/unmask"));
    let plain = Desk::logged_in(&centre, "plain").await;
    let page = plain.page(&path).await;
    assert!(page.contains("6***************19") && page.contains("139****5678"), "{page}");
    assert!(!page.contains("13912345678") && !page.contains("19800101") && !page.contains("/unmask"));
    // Found by the full number without its being shown.
    let found = plain.page("/console/records?q=629999198001010019").await;
    assert!(found.contains("张伟") && !found.contains(">629999198001010019"), "{found}");
    // Not by a piece of it: what is masked must not be guessed digit by digit.
    for piece in ["62999919800101001", "6299991980", "0019"] {
        assert!(!plain.page(&format!("/console/records?q={piece}")).await.contains("张伟"), "found by {piece}");
    }
    let csrf = hidden(&page, "/console/logout")["csrf"].clone();
    let refused = plain.send(&show, &[("csrf", &csrf), ("field", "phone")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);

    let desk = Desk::logged_in(&centre, "full").await;
    let page = desk.page(&path).await;
    assert!(!page.contains("13912345678"));
    let shown = desk.try_submit(&page, &show, &[("field", "phone")]).await.text().await.unwrap();
    assert!(shown.contains("13912345678") && shown.contains("6***************19"), "{shown}");
    let audits = store::read(&*centre.app.store, TOWN, |read| read.audits(20)).unwrap();
    let looked: Vec<_> = audits.iter().filter(|entry| entry.action == "audit-unmask").collect();
    assert_eq!(looked.len(), 1);
    assert_eq!(
        (looked[0].user, looked[0].subject.as_str(), looked[0].detail.as_str()),
        (Some(full.id), &*who.to_string(), "phone")
    );
    assert!(desk.audit().await.contains("看了完整号码"));
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_hidden_like_a_number() {
    let centre = Centre::open().await;
    let full = person(&centre, "full", Role::CenterStaff, TOWN, true, false);
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    let later = [("bank_account", "6222"), ("ties/张三的欠债", "三万")].map(|(path, text)| (path, Value::text(text)));
    let who = resident(&mut hand, "张伟", GRID, &later).await;
    let (path, show) = (format!("/console/records/{who}"), format!("/console/records/{who}/unmask"));
    let desk = Desk::logged_in(&centre, "full").await;
    let page = desk.page(&path).await;
    assert!(page.contains("bank_account") && !page.contains("6222") && !page.contains("三万"), "{page}");
    for (field, value, other) in [("bank_account", "6222", "三万"), ("ties/张三的欠债", "三万", "6222")] {
        let shown = desk.try_submit(&page, &show, &[("field", field)]).await.text().await.unwrap();
        assert!(shown.contains(value) && !shown.contains(other), "{shown}");
    }
    let audits = store::read(&*centre.app.store, TOWN, |read| read.audits(20)).unwrap();
    let looked = audits.iter().filter(|entry| entry.action == "audit-unmask" && entry.user == Some(full.id));
    let looked: Vec<_> = looked.map(|entry| (entry.subject.clone(), entry.detail.as_str())).collect();
    assert_eq!(looked, [(who.to_string(), "ties"), (who.to_string(), "bank_account")]);
}

#[tokio::test]
async fn what_is_restricted_is_for_the_cleared_and_each_look_is_written_down() {
    let centre = Centre::open().await;
    person(&centre, "cleared", Role::CenterStaff, TOWN, false, true);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    person(&centre, "admin", Role::Admin, TOWN, false, true);
    let member = centre.person("member", Role::GridMember, GRID, true);
    let mut hand = centre.enrol(&member).await;
    let who = resident(&mut hand, "张伟", GRID, &[]).await;
    let writes = [("care_reason", Value::text("家中无人做饭")), ("care_until", Value::text("2026-12-31"))];
    let care = hand.care(who, &writes);
    applied(&hand.sync(vec![care]).await, 0);
    let path = format!("/console/records/{who}");
    for (login, sees) in [("cleared", true), ("plain", false), ("admin", false)] {
        let page = Desk::logged_in(&centre, login).await.page(&path).await;
        assert_eq!(page.contains("家中无人做饭"), sees, "{login}");
        // The history says nothing of it either.
        assert_eq!(page.contains("需要原因"), sees, "{login}");
    }
    let audits = store::read(&*centre.app.store, TOWN, |read| read.audits(20)).unwrap();
    assert_eq!(audits.iter().filter(|entry| entry.action == "audit-restricted").count(), 1);
}

/// Two handhelds that each gave a phone number.
async fn asked(centre: &Centre) -> (Handheld<'_>, Handheld<'_>, RecordId) {
    let (one, two) =
        (centre.person("one", Role::GridMember, GRID, false), centre.person("two", Role::GridMember, GRID, false));
    let (mut one, mut two) = (centre.enrol(&one).await, centre.enrol(&two).await);
    let who = resident(&mut one, "张伟", GRID, &[]).await;
    two.catch_up().await;
    let first = one.change(who, &[("phone", Value::text("13900000001"))]);
    let second = two.change(who, &[("phone", Value::text("13900000002"))]);
    one.sync(vec![first]).await;
    two.sync(vec![second]).await;
    (one, two, who)
}

#[tokio::test]
async fn settled_at_the_console_it_is_gone_on_the_handhelds() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let (mut one, mut two, who) = asked(&centre).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    // Both values in full, because this reader may write them; who and, by their order, when.
    let page = desk.page("/console/to-decide").await;
    for said in ["13900000001", "13900000002", "one的姓名", "two的姓名", "张伟"] {
        assert!(page.contains(said), "{said} is missing: {page}");
    }
    let settle = format!("/console/records/{who}/settle");
    let after = desk.submit(&page, &settle, &[]).await;
    assert!(!after.contains("用这个") && after.contains("139****0001"), "{after}");
    assert!(desk.page("/console/to-decide").await.contains("没有要核对的"));
    for hand in [&mut one, &mut two] {
        hand.catch_up().await;
        let state = &hand.confirmed[&(who, Part::Open)];
        assert!(!shared::view::one(state, "phone").is_open());
        assert_eq!(hand.shown(who, "phone"), "13900000001");
    }
    // The history names the member of staff, and the old page's form comes too late to undo them.
    assert!(desk.page(&format!("/console/records/{who}")).await.contains("staff的姓名"));
    let audits = store::read(&*centre.app.store, TOWN, |read| read.audits(20)).unwrap();
    assert!(audits.iter().any(|entry| entry.action == "audit-to-decide" && entry.detail == "phone"));
}

#[tokio::test]
async fn a_third_value_is_checked_and_one_that_came_in_meanwhile_stays_to_be_decided() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let (mut one, _, who) = asked(&centre).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let path = format!("/console/records/{who}");
    let settle = format!("{path}/settle");
    let page = desk.page(&path).await;
    let mut fields = hidden(&page, &settle);
    fields.remove("dot");
    let send = async |third: &str| {
        let mut fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("third", third));
        desk.send(&settle, &fields).await
    };
    let refused = send("1390000000").await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    // Somebody who has not seen the question writes as well, after the page was opened.
    let late = one.change(who, &[("phone", Value::text("13900000009"))]);
    one.sync(vec![late]).await;
    assert_eq!(send("13900000003").await.status(), StatusCode::SEE_OTHER);
    one.catch_up().await;
    let state = &one.confirmed[&(who, Part::Open)];
    let live: Vec<String> = state.live(&shared::path::Path::field("phone")).map(|write| write.value.plain()).collect();
    assert!(live.contains(&"13900000003".to_owned()) && live.contains(&"13900000009".to_owned()), "{live:?}");
    assert_eq!(live.len(), 2);
}

#[tokio::test]
async fn an_event_is_given_to_a_department_which_answers_it() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let police = person(&centre, "police", Role::Department, TOWN, false, false);
    person(&centre, "other", Role::Department, TOWN, false, false);
    let leader = centre.person("leader", Role::GridLeader, TOWN, false);
    let mut hand = centre.enrol(&leader).await;
    let report = hand.event("长渠街两家门面排烟争执", GRID);
    let event = report.record;
    applied(&hand.sync(vec![report]).await, 0);
    centre.clock.advance(chrono::TimeDelta::hours(80));

    let staff = Desk::logged_in(&centre, "staff").await;
    let inbox = staff.page("/console/inbox").await;
    assert!(inbox.contains("长渠街两家门面排烟争执") && inbox.contains("1 件等处理"), "{inbox}");
    let host = police.id.to_string();
    let given = [("do", "step-dispatch"), ("host", host.as_str()), ("limit", "days-3")];
    let next = staff.submit(&inbox, "/console/inbox/act", &given).await;
    assert!(next.contains("没有等您处理的事") && next.contains("办好 1 件"), "{next}");

    let other = Desk::logged_in(&centre, "other").await;
    assert_eq!(other.get(&format!("/console/records/{event}")).await.status(), StatusCode::NOT_FOUND);
    let police = Desk::logged_in(&centre, "police").await;
    assert!(police.page("/console/inbox").await.contains("长渠街两家门面排烟争执"));
    let path = format!("/console/records/{event}");
    let page = police.page(&path).await;
    let step = format!("{path}/step");
    let after = police.submit(&page, &step, &[("step", "step-handle"), ("text", "装了新烟道"), ("done", "true")]).await;
    assert!(after.contains("装了新烟道") && after.contains("待反馈"), "{after}");
    // What the workflow does not allow now is refused with its reason, and changes nothing.
    let refused = police.try_submit(&page, &step, &[("step", "step-archive"), ("ledger", "1")]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_people_type_is_text_and_never_markup() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let who = resident(&mut hand, evil, GRID, &[("address", Value::text(evil))]).await;
    let mut report = hand.event(evil, GRID);
    report.writes.insert("account".parse().unwrap(), Value::text(evil));
    let event = report.record;
    hand.sync(vec![report]).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let query: String = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut shown = 0;
    for path in [
        "/console".to_owned(),
        "/console/inbox".to_owned(),
        format!("/console/records?q={query}"),
        format!("/console/records/{who}"),
        format!("/console/records/{event}"),
    ] {
        let page = without_keys(desk.page(&path).await);
        assert!(!page.contains("<script") && !page.contains("<img src=x"), "{path}: {page}");
        shown += usize::from(page.contains("&lt;script&gt;"));
    }
    assert!(shown >= 4, "the text is shown as text on {shown} pages only");
}

#[tokio::test]
async fn a_batch_is_taken_and_downloaded_by_whoever_may() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    resident(&mut hand, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/batches").await;
    let page = desk.submit(&page, "/console/batches", &[("format", "csv"), ("since", "last")]).await;
    assert!(page.contains("2026-001"), "{page}");
    let file = desk.get("/console/batches/2026-001/person.csv").await;
    assert_eq!(file.headers()["content-disposition"], "attachment; filename=\"2026-001-person.csv\"");
    let text = file.text().await.unwrap();
    assert!(text.contains("张伟") && text.contains("139****5678") && !text.contains("13912345678"), "{text}");
    let manifest: serde_json::Value = desk.get("/console/batches/2026-001/manifest.json").await.json().await.unwrap();
    assert_eq!(manifest["counts"]["person"]["new"], 1);
    for path in ["/console/batches/2026-001/..%2F..%2Ftown.db", "/console/batches/2026-009/person.csv"] {
        assert!(desk.get(path).await.status().is_client_error(), "{path}");
    }
    // Numbers in full need the right, whatever the form says.
    let fields = [("format", "csv"), ("since", "all"), ("unmasked", "true")];
    let refused = desk.try_submit(&page, "/console/batches", &fields).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let page = desk.submit(&page, "/console/batches", &[("format", "csv"), ("since", "last")]).await;
    assert!(page.contains("没有新的内容"), "{page}");
}

#[tokio::test]
async fn a_picture_is_shown_as_nothing_else_and_one_that_is_missing_says_when_its_terminal_was_seen() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = jpeg(64, 48, "<script>alert(1)</script>");
    let mut report = wei.event("井盖缺失", GRID);
    link(&mut report, &hash(&photo));
    let desk = Desk::logged_in(&centre, "staff").await;
    let record = format!("/console/records/{}", report.record);
    let picture = format!("/console/photos/{}/{}", report.record, hash(&photo));
    applied(&wei.sync(vec![report]).await, 0);
    let page = desk.page(&record).await;
    assert!(page.contains("照片还没送到。") && !page.contains("最近一次联网"), "it has told nothing of itself: {page}");
    assert!(!page.contains("<img"), "no picture that is not there");
    assert_eq!(desk.get(&picture).await.status(), StatusCode::NOT_FOUND);

    let state = DeviceState {
        app: "0.1.0".to_owned(),
        battery: None,
        clock: centre.clock.now(),
        undelivered: 1,
        web_view: None,
    };
    let round = SyncRequest { device: Some(state), ..wei.request(vec![]) };
    answer(wei.raw(serde_json::to_vec(&round).unwrap(), &[]).await).await;
    let page = desk.page(&record).await;
    assert!(page.contains("拍照的终端最近一次联网："), "{page}");

    assert_eq!(wei.deliver(&photo).await.status(), 204);
    let page = desk.page(&record).await;
    assert!(page.contains(&format!("<img src=\"{picture}\"")) && !page.contains("照片还没送到"), "{page}");
    let shown = desk.get(&picture).await;
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(named(&shown, name), value, "{name}");
    }
    assert_eq!(shown.bytes().await.unwrap().as_ref(), photo);
}
