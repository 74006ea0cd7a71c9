//! What stands in the audit, and its page in the console: whether it fits, what is older, by action and by person.

use std::path::Path;

use crate::common::audit::*;
use crate::common::desk::*;
use crate::common::*;
use reqwest::StatusCode;
use rusqlite::Connection;
use shared::author::Role;
use shared::value::Value;
use sync_server::audit::ACTIONS;
use sync_server::store::{self, Audit, StoreError};

#[tokio::test]
async fn log_ins_codes_handhelds_and_users_stand_in_it_and_passwords_never() {
    let centre = Centre::open().await;
    let data = centre.folder.path().to_str().unwrap();
    let secret = centre.folder.path().join("password.txt");
    std::fs::write(&secret, PASSWORD).unwrap();
    let (well, text) = run(&[
        "user",
        "add",
        "--data",
        data,
        "--login",
        "staff",
        "--name",
        "李主任",
        "--role",
        "center_staff",
        "--area",
        "2",
        "--cleared",
        "--password-file",
        secret.to_str().unwrap(),
    ]);
    assert!(well, "{text}");
    std::fs::remove_file(&secret).unwrap();
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    assert!(run(&["enrol-code", "--data", data, "--login", "wei"]).0);

    let stranger = Desk::new(&centre);
    for (login, password) in [("staff", "hunter2-x"), ("staff", "hunter3-x"), ("hunter4-x", "y"), ("hunter5-x", "y")] {
        let answer = stranger.send("/console/login", &[("login", login), ("password", password)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/terminals").await;
    let made = desk.try_submit(&page, "/console/terminals/code", &[("user", &wei.id.to_string())]).await;
    assert_eq!(made.status(), StatusCode::OK);
    centre.enrol(&wei).await;

    // Failures are written beside the answers: they may come a moment later.
    let staff = centre.app.store.user_by_login("staff").unwrap().unwrap();
    let of = |action: &str| -> Vec<Audit> {
        let all = entries(&centre.app, TOWN).into_iter().map(|entry| entry.audit());
        all.filter(|entry| entry.action == action).collect()
    };
    for _ in 0..200 {
        if of("audit-log-in-failed").len() == 2 && !entries(&centre.app, OTHER_TOWN).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let by = |action: &str| -> Vec<_> { of(action).into_iter().map(|entry| entry.user).collect() };
    assert_eq!(by("log_in"), [Some(staff.id)]);
    assert_eq!(by("audit-log-in-failed"), [Some(staff.id); 2]);
    assert_eq!(by("audit-log-in-unknown"), [None], "once in a while");
    assert_eq!(entries(&centre.app, OTHER_TOWN).len(), 1, "the other town hears of it too");
    assert_eq!(by("audit-enrol-code"), [None, Some(staff.id)]);
    assert_eq!(by("audit-enrolled"), [Some(wei.id)]);
    let added = of("audit-user-added");
    assert_eq!((added[0].subject.as_str(), added[0].detail.as_str()), (&*staff.id.to_string(), "center_staff,cleared"));
    for written in entries(&centre.app, TOWN).into_iter().chain(entries(&centre.app, OTHER_TOWN)) {
        assert!(!format!("{written:?}").contains("hunter"), "{written:?}");
    }
    let listed = desk.audit().await;
    for said in ["登录失败：密码不对", "添加了用户", "终端登记完成", "生成了登记码", "李主任"]
    {
        assert!(listed.contains(said), "{said}: {listed}");
    }
    assert!(verify(centre.folder.path()).0);
}

#[tokio::test]
async fn merging_parting_and_looking_at_what_is_restricted_stand_in_it() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张 伟", GRID, &[]).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let action = format!("/console/records/{kept}/merge");
    let pair = desk.page(&format!("{action}?with={other}")).await;
    desk.submit(&pair, &action, &[]).await;
    let page = desk.page(&format!("/console/records/{other}")).await;
    desk.submit(&page, &format!("/console/records/{other}/unmerge"), &[]).await;
    let done: Vec<_> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action.contains("merge"))
        .map(|entry| (entry.action, entry.subject, entry.detail))
        .collect();
    let (kept, other) = (kept.to_string(), other.to_string());
    let of = |action: &str| (action.to_owned(), other.clone(), kept.clone());
    assert_eq!(done, [of("audit-merge"), of("audit-unmerge")]);
    let listed = desk.audit().await;
    assert!(listed.contains("合并了重复档案") && listed.contains("拆开了合并的档案"), "{listed}");
    assert!(listed.contains(&format!("/console/records/{other}")), "{listed}");

    // A restricted edit that was not applied is shown with its values.
    let other_town = centre.person("far", Role::GridMember, FAR_GRID, true);
    let mut far = centre.enrol(&other_town).await;
    let edit = far.care(kept.parse().unwrap(), &[("care_reason", Value::text("独居"))]);
    rejected(&far.sync(vec![edit]).await, 0);
    assert!(desk.page("/console/quarantine").await.contains("独居"));
    let looked = entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action == "audit-restricted");
    assert_eq!(looked.map(|entry| entry.subject).collect::<Vec<_>>(), [kept]);
}

#[tokio::test]
async fn the_page_says_whether_it_fits_and_goes_back_through_what_is_older() {
    let centre = busy().await;
    let staff = centre.app.store.user_by_login("staff").unwrap().unwrap();
    let desk = Desk::logged_in(&centre, "staff").await;
    let note = |action: &str, n: usize, user| Audit {
        at: chrono::DateTime::from_timestamp_millis(1_795_400_000_000).unwrap(),
        user,
        action: action.to_owned(),
        subject: format!("nr-{n}-"),
        detail: String::new(),
    };
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        (0..450).try_for_each(|n| tx.put_audit(&note("audit-import", n, (n % 2 == 0).then_some(staff.id))))
    })
    .unwrap();
    let page = desk.page("/console/audit").await;
    assert!(page.contains("列出的条目前后相接") && !page.contains("<script"), "{page}");
    assert!(page.contains("nr-449-") && !page.contains("nr-249-"), "200 of them");
    let older = |page: &str| {
        let link = page.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|to| to.contains("before="));
        link.map(|to| to.replace("&amp;", "&"))
    };
    let second = desk.page(&older(&page).unwrap()).await;
    assert!(second.contains("nr-249-") && second.contains("nr-50-") && !second.contains("nr-450-"), "{second}");
    assert!(second.contains("回到最新"));
    let third = desk.page(&older(&second).unwrap()).await;
    assert!(third.contains("nr-0-") && older(&third).is_none(), "the end: {third}");

    // By action and by person; the choice stays while one pages.
    let listed = |page: &str| page.split_once("<tbody>").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let log_ins = listed(&desk.page("/console/audit?action=log_in&user=").await);
    assert!(!log_ins.contains("导入了表格") && log_ins.matches(">登录<").count() >= 5, "{log_ins}");
    let mine = desk.page(&format!("/console/audit?action=audit-import&user={}", staff.id)).await;
    assert!(mine.contains("nr-448-") && !mine.contains("nr-449-"), "{mine}");
    let more = older(&mine).unwrap();
    assert!(more.contains("action=audit-import") && more.contains(&format!("user={}", staff.id)), "{more}");
    let rest = desk.page(&more).await;
    assert!(rest.contains("nr-0-") && !rest.contains("nr-1-") && older(&rest).is_none(), "{rest}");
    assert!(listed(&desk.page("/console/audit?user=command").await).contains("nr-449-"));
    assert!(desk.page("/console/audit?action=audit-erase").await.contains("没有"), "nothing is found");

    // Somebody alters one that is listed: it is marked there, and on no other page.
    let sql = Connection::open(centre.folder.path().join("town.db")).unwrap();
    without_triggers(&sql);
    let id: i64 = sql.query_row("SELECT id FROM audit WHERE subject = 'nr-300-'", [], |row| row.get(0)).unwrap();
    sql.execute("UPDATE audit SET detail = 'x' WHERE id = ?1", [id]).unwrap();
    let page = desk.page("/console/audit").await;
    assert!(page.contains(&format!("条目 {id} 和前一条接不上")) && !page.contains("列出的条目前后相接"), "{page}");
    assert!(desk.page(&older(&page).unwrap()).await.contains("列出的条目前后相接"));
    let filtered = desk.page(&format!("/console/audit?action=audit-import&user={}", staff.id)).await;
    assert!(filtered.contains(&format!("条目 {id} 和前一条接不上")), "{filtered}");
    // The newest one goes.
    sql.execute("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit WHERE town = ?1)", [TOWN.0]).unwrap();
    assert!(desk.page("/console/audit?action=log_in").await.contains("最新的条目缺失"));
}

/// Every `"audit-…"` in the files below a folder.
fn named(folder: &Path, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            named(&path, found);
        } else {
            let text = std::fs::read_to_string(path).unwrap();
            let rests = text.split("\"audit-").skip(1).map(|rest| rest.split('"').next().unwrap());
            found.extend(rests.map(|rest| format!("audit-{rest}")));
        }
    }
}

#[test]
fn every_action_can_be_chosen_and_has_words_in_both_languages() {
    let mut used = Vec::new();
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.len() > 20, "{used:?}");
    for action in used {
        assert!(ACTIONS.contains(&action.as_str()), "{action} cannot be chosen");
    }
    for lang in [assets::messages::Lang::Zh, assets::messages::Lang::En] {
        let words = assets::messages::Messages::of(lang);
        assert!(ACTIONS.iter().all(|action| words.has(action)), "{lang:?}");
    }
}
