//! 人员 at the console: an administrator adds, changes and lets go; what lets somebody see more takes two people.

use crate::common::audit::entries;
use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::record::Part;
use shared::value::Value;
use sync_server::store::User;

async fn boss(centre: &Centre) -> Desk<'_> {
    person(centre, "boss", Role::Admin, TOWN, false, false);
    Desk::logged_in(centre, "boss").await
}

fn user(centre: &Centre, login: &str) -> User {
    centre.app.store.user_by_login(login).unwrap().unwrap()
}

/// Sends a form of 人员 with the token of its page.
async fn send(desk: &Desk<'_>, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let page = desk.page("/console/me").await;
    let csrf = hidden(&page, "/console/me/password").remove("csrf").unwrap();
    let fields: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
    let response = desk.send(path, &fields).await;
    (response.status(), response.text().await.unwrap())
}

/// The form of somebody as it stands, with some of it changed.
async fn change(desk: &Desk<'_>, of: &User, area: &str, ticked: &[&str]) -> (StatusCode, String) {
    let mut fields = vec![("name", of.name.as_str()), ("role", of.role.code()), ("area", area)];
    fields.extend(ticked.iter().map(|name| (*name, "true")));
    send(desk, &format!("/console/people/{}", of.id), &fields).await
}

fn shown_password(page: &str) -> Option<String> {
    Some(page.split("id=\"password\">").nth(1)?.split('<').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_new_colleague_logs_in_with_what_was_shown_once_moves_to_another_grid_and_leaves() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let mut other = centre.enrol(&centre.person("other", Role::GridMember, NEXT_GRID, false)).await;
    let there = resident(&mut other, "李梅", NEXT_GRID, &[]).await;
    let new = [("login", "wangfang"), ("name", "王芳"), ("role", "grid_leader"), ("area", "11"), ("console", "true")];
    let (status, page) = send(&boss, "/console/people/new", &new).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let password = shown_password(&page).unwrap_or_else(|| panic!("no password in {page}"));
    let fang = user(&centre, "wangfang");
    let again = boss.page(&format!("/console/people/{}", fang.id)).await;
    assert!(!again.contains(&password), "shown once");
    let mut desk = Desk::new(&centre);
    desk.give_password("wangfang", &password).await;
    assert_eq!(desk.get("/console/records").await.status(), StatusCode::OK);

    // Nobody takes her log-in, and what was typed is not lost.
    let taken = [("login", "wangfang"), ("name", "王芬"), ("role", "informant"), ("area", "12")];
    let (status, page) = send(&boss, "/console/people/new", &taken).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("已经有人用了") && page.contains("value=\"王芬\""), "{page}");

    let mut hand = centre.enrol(&fang).await;
    hand.catch_up().await;
    assert!(!hand.holds(there, Part::Open));
    let (status, page) = change(&boss, &fang, "12", &["active"]).await;
    assert!(status == StatusCode::OK && page.contains("已保存"), "{page}");
    hand.catch_up().await;
    assert!(hand.holds(there, Part::Open), "the grid she has now");
    assert_eq!(desk.get("/console/records").await.status(), StatusCode::SEE_OTHER, "she logs in anew");

    let list = boss.page("/console/people").await;
    assert!(list.contains("王芳") && list.contains("条山社区第二网格"), "{list}");
    let (status, _) = change(&boss, &fang, "12", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(hand.try_sync(vec![]).await.status(), StatusCode::UNAUTHORIZED);
    assert!(!boss.page("/console/people").await.contains("王芳"));
    assert!(boss.page("/console/people?view=left").await.contains("王芳"));
    let written: Vec<(String, String)> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action.starts_with("audit-user"))
        .map(|entry| (entry.action, entry.detail))
        .collect();
    let said = |action: &str, detail: &str| (action.to_owned(), detail.to_owned());
    let expected = [
        said("audit-user-added", "grid_leader"),
        said("audit-user-changed", "scope"),
        said("audit-user-changed", "active"),
    ];
    assert_eq!(written, expected);
    let boss_id = user(&centre, "boss").id;
    let by: Vec<_> = entries(&centre.app, TOWN).into_iter().filter(|it| it.action == "audit-user-added").collect();
    assert_eq!(by[0].user(), Some(boss_id));
}

#[tokio::test]
async fn nobody_gives_the_sight_of_restricted_data_alone() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let wei = person(&centre, "wei", Role::GridMember, GRID, false, false);
    person(&centre, "clears", Role::CenterStaff, TOWN, false, true);
    let mut hand = centre.enrol(&wei).await;
    let record = resident(&mut hand, "张伟", GRID, &[]).await;
    let care = |hand: &mut Handheld<'_>| {
        hand.care(
            record,
            &[
                ("care_services/meals", Value::of(&true)),
                ("care_reason", Value::text("独居")),
                ("care_until", Value::text("2027-01-01")),
            ],
        )
    };
    let edit = care(&mut hand);
    rejected(&hand.sync(vec![edit]).await, 0);

    let (status, page) = change(&boss, &wei, "11", &["active", "cleared"]).await;
    assert!(status == StatusCode::OK && page.contains("已申请"), "{page}");
    assert!(!user(&centre, "wei").cleared, "nothing has changed yet");
    let page = boss.page("/console/people").await;
    assert!(page.contains("等另一人同意"), "{page}");
    let asked = entries(&centre.app, TOWN).into_iter().rfind(|it| it.action == "audit-rights-asked").unwrap();
    assert_eq!(asked.subject, wei.id.to_string());
    let clears = Desk::logged_in(&centre, "clears").await;
    let page = clears.page("/console/people").await;
    assert!(!page.contains("/console/people/new"), "staff see what waits and no list of people: {page}");
    let release = action(&page, "/release\"").unwrap_or_else(|| panic!("nothing to release: {page}"));

    // Who asked; somebody the administrator has just made up; somebody without the right.
    let staff =
        [("login", "made-up"), ("name", "另一个"), ("role", "center_staff"), ("area", "2"), ("console", "true")];
    let (_, made) = send(&boss, "/console/people/new", &staff).await;
    let mut made_up = Desk::new(&centre);
    made_up.give_password("made-up", &shown_password(&made).unwrap()).await;
    made_up.give_code("made-up").await;
    for desk in [&boss, &made_up] {
        let (status, _) = send(desk, &release, &[]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert!(!made_up.page("/console/people").await.contains(&release));
    assert!(!user(&centre, "wei").cleared);
    assert_eq!(send(&clears, &release, &[]).await.0, StatusCode::SEE_OTHER);
    assert!(user(&centre, "wei").cleared);
    assert_eq!(send(&clears, &release, &[]).await.0, StatusCode::FORBIDDEN, "once");
    let edit = care(&mut hand);
    applied(&hand.sync(vec![edit]).await, 0);
    let changed = entries(&centre.app, TOWN).into_iter().rfind(|it| it.action == "audit-user-changed").unwrap();
    assert_eq!(changed.detail, format!("cleared asked_by {}", user(&centre, "boss").id), "both names");
    assert_eq!(changed.user(), Some(user(&centre, "clears").id));

    // Further with a right takes two again; less, or none, takes one.
    let (_, page) = change(&boss, &user(&centre, "wei"), "10", &["active", "cleared"]).await;
    assert!(page.contains("已申请") && user(&centre, "wei").scope == vec![GRID], "{page}");
    let (_, page) = change(&boss, &user(&centre, "wei"), "11", &["active"]).await;
    assert!(page.contains("已保存") && !user(&centre, "wei").cleared, "{page}");
    // What was asked for lapses.
    centre.clock.advance(TimeDelta::hours(24));
    let clears = Desk::logged_in(&centre, "clears").await;
    assert!(clears.page("/console/people").await.contains("没有等您同意"));
}

#[tokio::test]
async fn an_administrator_does_not_become_somebody_who_sees_more() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let me = user(&centre, "boss");
    let (status, page) = change(&boss, &me, "2", &["active", "cleared", "may_unmask"]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("由另一位管理员"), "{page}");
    assert!(!user(&centre, "boss").may_unmask);
    // Nor by the password and second factor of somebody who does.
    let li = person(&centre, "li", Role::CenterStaff, TOWN, true, true);
    let (status, page) = send(&boss, &format!("/console/people/{}/password", li.id), &[]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && shown_password(&page).is_none(), "no factor yet: {page}");
    let desk = Desk::logged_in(&centre, "li").await;
    let (status, page) = send(&boss, &format!("/console/people/{}/second", li.id), &[]).await;
    assert!(status == StatusCode::OK && page.contains("已申请"), "{page}");
    assert_eq!(desk.get("/console/records").await.status(), StatusCode::OK, "it waits");
    let (status, page) = send(&boss, &format!("/console/people/{}/password", li.id), &[]).await;
    let password = shown_password(&page).unwrap_or_else(|| panic!("{status} {page}"));
    let mut thief = Desk::new(&centre);
    thief.give_password("li", &password).await;
    assert_eq!(thief.get("/console/records").await.status(), StatusCode::SEE_OTHER, "the password is not enough");
    assert!(shown_secret(&thief.page("/console/login/second").await).is_none(), "and no factor can be set up");
    person(&centre, "zhao", Role::CenterStaff, TOWN, true, true);
    let zhao = Desk::logged_in(&centre, "zhao").await;
    let release = action(&zhao.page("/console/people").await, "/release\"").unwrap();
    assert_eq!(send(&zhao, &release, &[]).await.0, StatusCode::SEE_OTHER);
    assert!(
        shown_secret(&{
            let mut li = Desk::new(&centre);
            li.give_password("li", &password).await;
            li.page("/console/login/second").await
        })
        .is_some()
    );
    // Of who sees no more than others one is enough.
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    Desk::logged_in(&centre, "plain").await;
    let (_, page) = send(&boss, &format!("/console/people/{}/second", user(&centre, "plain").id), &[]).await;
    assert!(page.contains("已重设"), "{page}");
}

#[tokio::test]
async fn an_administrator_of_a_community_leaves_the_rest_of_the_town_alone() {
    let centre = Centre::open().await;
    person(&centre, "local", Role::Admin, shared::area::AreaId(10), false, false);
    let far = person(&centre, "far", Role::GridMember, FAR_GRID, false, false);
    let near = person(&centre, "near", Role::GridMember, GRID, false, false);
    let local = Desk::logged_in(&centre, "local").await;
    let list = local.page("/console/people").await;
    assert!(list.contains("near的姓名") && !list.contains("far的姓名"), "{list}");
    assert_eq!(local.get(&format!("/console/people/{}", far.id)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(change(&local, &far, "11", &["active"]).await.0, StatusCode::NOT_FOUND);
    let (status, page) = change(&local, &near, "21", &["active"]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("超出了您管的范围"), "{page}");
    let new = [("login", "own-boss"), ("name", "自己"), ("role", "admin"), ("area", "2"), ("console", "true")];
    let (status, page) = send(&local, "/console/people/new", &new).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("超出了您管的范围"), "{page}");
    assert!(centre.app.store.user_by_login("own-boss").unwrap().is_none());
}
