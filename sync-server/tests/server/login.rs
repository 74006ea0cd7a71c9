//! Getting in at the console: the second factor, guessing that is slowed down, cookies, and log-ins that end.

use std::collections::BTreeSet;

use crate::common::audit::{entries, run};
use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode};
use shared::author::Role;
use shared::value::Value;
use sync_server::auth::totp;
use sync_server::store::{self, StoreError, User};

fn actions(centre: &Centre) -> Vec<String> {
    entries(&centre.app, TOWN).into_iter().map(|entry| entry.action).collect()
}

/// What is listed between the tags of the recovery codes.
fn recovery_codes(page: &str) -> Vec<String> {
    let items = page.split("<li class=\"num\">").skip(1);
    items.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_may_see_or_take_out_more_sets_up_codes_before_any_page_opens() {
    let centre = Centre::open().await;
    let must = [
        person(&centre, "staff", Role::CenterStaff, TOWN, false, false),
        person(&centre, "admin", Role::Admin, TOWN, false, false),
        person(&centre, "leader", Role::GridLeader, TOWN, false, true),
        person(&centre, "member", Role::GridMember, TOWN, true, false),
    ];
    for user in must {
        let mut desk = Desk::new(&centre);
        desk.give_password(&user.login, PASSWORD).await;
        for page in ["", "/", "/inbox", "/records", "/batches", "/terminals", "/audit", "/me"] {
            let response = desk.get(&format!("/console{page}")).await;
            assert_eq!(response.headers()[LOCATION], "/console/login/second", "{} {page}", user.login);
        }
        let page = desk.page("/console/login/second").await;
        let secret = shown_secret(&page).unwrap();
        assert_eq!(secret.len(), 20);
        assert!(page.contains("<svg class=\"qr\"") && page.contains("验证器"), "{page}");
        assert_eq!(
            shown_secret(&desk.page("/console/login/second").await).unwrap(),
            secret,
            "the same until it is used"
        );
        // Neither a wrong code nor a form of somebody else opens anything.
        let wrong = desk.try_submit(&page, "/console/login/second", &[("code", "000000")]).await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
        assert!(wrong.text().await.unwrap().contains("这个码不对"));
        let code = totp::code(&secret, totp::step(shared::outside::Outside::now(&*centre.clock)));
        let forged = desk.send("/console/login/second", &[("code", &code), ("csrf", "x")]).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN);
        assert_eq!(desk.get("/console").await.status(), StatusCode::SEE_OTHER);

        let halfway = desk.cookie.clone();
        let codes = recovery_codes(&desk.give_code(&user.login).await);
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 10, "{codes:?}");
        assert_ne!(desk.cookie, halfway, "a new one, or whoever planted the old one would be in too");
        desk.page("/console").await;
        assert_eq!(desk.page("/console/me").await.matches("恢复码还剩 10 个").count(), 1);
        let old = centre.http.get(format!("{}/console/me", centre.url)).header(COOKIE, &halfway).send().await.unwrap();
        assert!(old.url().path().ends_with("/console/login"));

        // A copy of the database makes no codes.
        let file = |name: &str| std::fs::read(centre.folder.path().join(name)).unwrap_or_default();
        let copy = [file("town.db"), file("town.db-wal"), postgres::dump(centre.folder.path()).unwrap()].concat();
        let holds = |bytes: &[u8]| copy.windows(bytes.len()).any(|held| held == bytes);
        assert!(holds(user.name.as_bytes()));
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let code = codes[0].replace('-', "");
        for text in [secret.as_slice(), hex.as_bytes(), totp::base32(&secret).as_bytes(), code.as_bytes()] {
            assert!(!holds(text));
        }
    }
    for action in ["audit-second-set-up", "log_in", "audit-log-in-code"] {
        assert_eq!(actions(&centre).iter().filter(|it| *it == action).count(), 4, "{action}");
    }
    // Others come in by their password alone.
    person(&centre, "police", Role::Department, TOWN, false, false);
    let mut police = Desk::new(&centre);
    police.give_password("police", PASSWORD).await;
    police.page("/console").await;
    assert!(!police.page("/console/me").await.contains("/console/me/second"));
}

#[tokio::test]
async fn a_code_counts_once_and_wrong_ones_make_wait_whatever_the_password() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    Desk::logged_in(&centre, "staff").await;
    centre.clock.advance(TimeDelta::minutes(5));
    let mut desk = Desk::new(&centre);
    desk.give_password("staff", PASSWORD).await;
    let page = desk.page("/console/login/second").await;
    assert!(shown_secret(&page).is_none() && !page.contains("<svg class=\"qr\""), "not shown again: {page}");
    let code = Authenticator::of(&centre, "staff").code(&centre, None);
    let send =
        async |page: &str, code: &str| desk.try_submit(page, "/console/login/second", &[("code", code)]).await.status();
    assert_eq!(send(&page, &format!("{} {}", &code[..3], &code[3..])).await, StatusCode::SEE_OTHER, "as it is shown");
    let mut again = Desk::new(&centre);
    again.give_password("staff", PASSWORD).await;
    let page = again.page("/console/login/second").await;
    let used = again.try_submit(&page, "/console/login/second", &[("code", &code)]).await;
    assert_eq!(used.status(), StatusCode::UNAUTHORIZED, "seen over the shoulder");

    let mut said = Vec::new();
    for _ in 0..6 {
        // The right password in between gives no further attempts.
        let right = again.send("/console/login", &[("login", "staff"), ("password", PASSWORD)]).await;
        if right.status() == StatusCode::SEE_OTHER {
            again.keep_cookie(&right);
            let page = again.page("/console/login/second").await;
            let wrong = again.try_submit(&page, "/console/login/second", &[("code", "123")]).await;
            said.push(wrong.status());
        } else {
            said.push(right.status());
        }
    }
    let waits = said.iter().position(|status| *status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(waits, Some(4), "{said:?}");
    centre.clock.advance(TimeDelta::minutes(10));
    Desk::logged_in(&centre, "staff").await;
}

#[tokio::test]
async fn a_recovery_code_does_once_for_a_telephone_that_is_gone() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut desk = Desk::new(&centre);
    desk.give_password("staff", PASSWORD).await;
    let codes = recovery_codes(&desk.give_code("staff").await);
    let enter = async |code: &str| -> Response {
        let mut desk = Desk::new(&centre);
        desk.give_password("staff", PASSWORD).await;
        let page = desk.page("/console/login/second").await;
        desk.try_submit(&page, "/console/login/second", &[("code", code)]).await
    };
    let in_again = enter(&codes[3].to_lowercase()).await;
    assert_eq!(in_again.status(), StatusCode::SEE_OTHER);
    assert_eq!(enter(&codes[3]).await.status(), StatusCode::UNAUTHORIZED, "once");
    assert!(desk.page("/console/me").await.contains("恢复码还剩 9 个"));
    assert!(desk.audit().await.contains("用恢复码登录"));

    // With another of them they set it up anew; every log-in ends, and the old ones do not count any more.
    let page = desk.page("/console/me").await;
    let wrong = desk.try_submit(&page, "/console/me/second", &[("code", &codes[3])]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let renewed = desk.try_submit(&page, "/console/me/second", &[("code", &codes[4])]).await;
    assert_eq!(renewed.headers()[LOCATION], "/console/login");
    assert_eq!(desk.get("/console").await.headers()[LOCATION], "/console/login");
    desk.give_password("staff", PASSWORD).await;
    let page = desk.page("/console/login/second").await;
    let old = desk.try_submit(&page, "/console/login/second", &[("code", &codes[5])]).await;
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(recovery_codes(&desk.give_code("staff").await).len(), 10);
}

#[tokio::test]
async fn whose_rights_grow_is_asked_for_a_code_from_then_on() {
    let centre = Centre::open().await;
    let user = person(&centre, "leader", Role::GridLeader, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "leader").await;
    desk.page("/console/records").await;
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.put_user(&User { cleared: true, ..user.clone() }))
        .unwrap();
    assert_eq!(desk.get("/console/records").await.headers()[LOCATION], "/console/login/second");
}

#[tokio::test]
async fn log_ins_end_unused_by_the_day_and_with_password_or_second_factor() {
    let centre = Centre::open().await;
    let user = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let out = async |desk: &Desk<'_>| desk.get("/console").await.status() == StatusCode::SEE_OTHER;
    let desk = Desk::logged_in(&centre, "staff").await;
    for minutes in [29, 29, 29] {
        centre.clock.advance(TimeDelta::minutes(minutes));
        assert!(!out(&desk).await, "it is used");
    }
    centre.clock.advance(TimeDelta::minutes(31));
    assert!(out(&desk).await, "nobody was there");
    let desk = Desk::logged_in(&centre, "staff").await;
    for _ in 0..28 {
        centre.clock.advance(TimeDelta::minutes(25));
        assert!(!out(&desk).await);
    }
    centre.clock.advance(TimeDelta::minutes(25));
    assert!(out(&desk).await, "twelve hours");

    let (here, there) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "staff").await);
    let change = |old: &'static str, new: &'static str, again: &'static str| {
        let here = &here;
        async move {
            let page = here.page("/console/me").await;
            here.try_submit(&page, "/console/me/password", &[("old", old), ("new", new), ("again", again)]).await
        }
    };
    assert_eq!(change("猜", "景泰黄河石林7300", "景泰黄河石林7300").await.status(), StatusCode::UNAUTHORIZED);
    let short = change(PASSWORD, "短", "短").await;
    assert_eq!(short.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(short.text().await.unwrap().contains("至少 10 个字"));
    assert_eq!(change(PASSWORD, "景泰黄河石林7300", "别的").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!out(&there).await);
    let done = change(PASSWORD, "景泰黄河石林7300", "景泰黄河石林7300").await;
    assert!(done.headers()[SET_COOKIE].to_str().unwrap().starts_with("centre=;"));
    assert!(out(&here).await && out(&there).await);

    // On the server, for whoever forgot: password, then second factor.
    let data = centre.folder.path().to_str().unwrap();
    let file = centre.folder.path().join("password.txt");
    std::fs::write(&file, PASSWORD).unwrap();
    let file = file.to_str().unwrap();
    let set = ["user", "set-password", "--data", data, "--login", "staff", "--password-file", file];
    std::fs::write(file, "短").unwrap();
    assert!(!run(&set).0);
    std::fs::write(file, "又一个新密码，够长").unwrap();
    assert!(!run(&set).0, "nine characters");
    std::fs::write(file, "又一个新密码，很够长").unwrap();
    assert!(run(&set).0, "{}", run(&set).1);
    let mut desk = Desk::new(&centre);
    desk.give_password("staff", "又一个新密码，很够长").await;
    desk.give_code("staff").await;
    assert!(!out(&desk).await);
    assert!(run(&["user", "reset-second-factor", "--data", data, "--login", "staff"]).0);
    assert!(out(&desk).await);
    desk.give_password("staff", "又一个新密码，很够长").await;
    assert!(shown_secret(&desk.page("/console/login/second").await).is_some(), "set up anew");
    let by = |action: &str| -> Vec<_> {
        let all = entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action == action);
        all.map(|entry| (entry.user(), entry.subject)).collect()
    };
    let id = user.id.to_string();
    assert_eq!(by("audit-password"), [(Some(user.id), id.clone()), (None, id.clone())]);
    assert_eq!(by("audit-second-reset"), [(None, id)]);
}

#[tokio::test]
async fn an_address_that_guesses_is_slowed_down_whatever_it_guesses_at() {
    let folder = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(Clock::default());
    let centre = Centre::over(folder, clock, |app| app.behind_proxy = true).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    person(&centre, "police", Role::Department, TOWN, false, false);
    let try_in = async |from: &str, login: &str, password: &str| {
        let forged = format!("203.0.113.{}, {from}", login.len());
        let headers = [("x-forwarded-proto", "https"), ("x-forwarded-for", forged.as_str())];
        let fields = [("login", login), ("password", password)];
        Desk::new(&centre).send_with("/console/login", &fields, &headers).await.status()
    };
    for n in 0..30 {
        assert_eq!(try_in("192.0.2.1", &format!("name{n}"), "猜").await, StatusCode::UNAUTHORIZED, "{n}");
    }
    assert_eq!(try_in("192.0.2.1", "police", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(try_in("192.0.2.2", "police", PASSWORD).await, StatusCode::SEE_OTHER, "from elsewhere");
    centre.clock.advance(TimeDelta::seconds(5));
    assert_eq!(try_in("192.0.2.1", "police", PASSWORD).await, StatusCode::SEE_OTHER);

    // Enrolment codes the same.
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let enrol = async |from: &str, code: &str| {
        let body = serde_json::json!({ "protocol": shared::limits::PROTOCOL, "code": code, "name": "", "app": "" });
        centre.post("/api/v1/enrol", None, body.to_string().into_bytes(), &[("x-forwarded-for", from)]).await
    };
    for n in 0..10 {
        assert_eq!(enrol("192.0.2.3", &format!("{n:010}")).await.status(), StatusCode::FORBIDDEN);
    }
    let code = sync_server::auth::enrol::make_code(&centre.app, &wei).unwrap();
    let refused = enrol("192.0.2.3", &code).await;
    assert!(refused.headers().get("retry-after").is_some());
    assert_eq!(refusal(refused, 429).await.code, "too_many_codes");
    assert_eq!(enrol("192.0.2.4", &code).await.status(), StatusCode::OK, "from elsewhere");
}

#[tokio::test]
async fn a_cookie_goes_over_https_only_but_for_a_browser_on_the_server_itself() {
    let centre = Centre::open().await;
    person(&centre, "police", Role::Department, TOWN, false, false);
    let log_in = async |headers: &[(&str, &str)]| {
        let fields = [("login", "police"), ("password", PASSWORD)];
        Desk::new(&centre).send_with("/console/login", &fields, headers).await
    };
    let cookie = |response: &Response| response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let here = log_in(&[]).await;
    assert!(!cookie(&here).contains("Secure"), "{}", cookie(&here));
    let proxied = log_in(&[("host", "centre.example"), ("x-forwarded-proto", "https")]).await;
    assert!(cookie(&proxied).ends_with("; HttpOnly; SameSite=Strict; Secure"), "{}", cookie(&proxied));
    let bare = log_in(&[("host", "centre.example")]).await;
    assert_eq!(bare.status(), StatusCode::FORBIDDEN);
    assert!(bare.headers().get(SET_COOKIE).is_none());
    assert!(bare.text().await.unwrap().contains("没有加密"));
}

/// What every answer of the console says to the browser.
fn guarded(path: &str, response: &Response) {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let policy = header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
    let parts: Vec<&str> = policy.split("; ").collect();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(parts.contains(&part), "{path}: {policy}");
    }
    // The keys of the inbox, a file of ours, and nothing else.
    let keys = path.starts_with("/console/inbox") && parts.contains(&"script-src 'self'");
    assert!(
        !policy.contains("unsafe") && policy.contains("script") == keys && !policy.contains('*'),
        "{path}: {policy}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(header(name).as_deref(), Some(value), "{path}: {name}");
    }
    let kept = header("cache-control").unwrap_or_default();
    assert_eq!(kept, if path.ends_with(".css") { "max-age=300" } else { "no-store" }, "{path}");
}

#[tokio::test]
async fn no_page_runs_anything_or_can_be_framed_or_is_kept() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    resident(&mut wei, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let event = wei.event("路灯不亮", GRID);
    applied(&wei.sync(vec![event]).await, 0);
    let stranger = Desk::new(&centre);
    for path in ["/console/login", "/console/login/second", "/console", "/console/style.css", "/console/records/x"] {
        guarded(path, &stranger.get(path).await);
    }
    guarded("POST", &stranger.send("/console/login", &[("login", "x")]).await);
    let mut desk = Desk::new(&centre);
    desk.give_password("staff", PASSWORD).await;
    guarded("/console/login/second", &desk.get("/console/login/second").await);
    desk.give_code("staff").await;
    let page = desk.page("/console/batches").await;
    desk.submit(&page, "/console/batches", &[("format", "csv")]).await;

    // Every link there is, from the first page on.
    let (mut todo, mut seen) = (vec!["/console".to_owned()], BTreeSet::new());
    while let Some(path) = todo.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let response = desk.get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        guarded(&path, &response);
        let html = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if !html {
            continue;
        }
        let text = without_keys(response.text().await.unwrap());
        for inline in ["<script", " style=", " onclick=", " onload=", "javascript:", "<iframe", "<object", "<style"] {
            assert!(!text.contains(inline), "{path}: {inline}");
        }
        let links = text.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
        todo.extend(links.filter(|link| link.starts_with("/console")));
    }
    for path in ["/console/me", "/console/batches", "/console/audit", "/console/style.css", "/console/terminals"] {
        assert!(seen.contains(path), "{path}: {seen:?}");
    }
    assert!(seen.len() > 20, "{seen:?}");
    for path in ["/console/records/x", "/console/photos/x/y", "/console/batches/1/x"] {
        guarded(path, &desk.get(path).await);
    }
}
