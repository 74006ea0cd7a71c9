//! 表单 at the console: a new version is looked at, published, and reaches handhelds; old ones go on working.

use crate::common::desk::*;
use crate::common::editions::newest;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use shared::record::{Part, RecordKind};
use shared::value::Value;

const FORM: &str = "/console/forms/person";

async fn send(desk: &Desk<'_>, text: &str) -> (StatusCode, String) {
    let page = desk.page(FORM).await;
    let response = desk.try_submit(&page, FORM, &[("text", text), ("do", "check")]).await;
    (response.status(), response.text().await.unwrap())
}

async fn boss(centre: &Centre) -> Desk<'_> {
    person(centre, "boss", Role::Admin, TOWN, false, false);
    Desk::logged_in(centre, "boss").await
}

/// A field of the town's own below the first section.
const OWN: &str = r#"
[[section]]
label = { zh = "本镇", en = "Town" }

[[section.field]]
name = "own_heating"
label = { zh = "取暖方式", en = "Heating" }
type = "choice"
choices = [
  { code = "stove", zh = "煤炉", en = "Stove" },
  { code = "central", zh = "集中供暖", en = "Central" },
]
"#;

#[tokio::test]
async fn a_field_is_added_after_a_look_and_old_handhelds_carry_what_they_do_not_know() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let staff = Desk::logged_in(&centre, "staff").await;
    let mut alice = centre.enrol(&centre.person("alice", Role::GridMember, GRID, false)).await;
    let mut old = centre.enrol(&centre.person("old", Role::GridMember, GRID, false)).await;
    let record = resident(&mut alice, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;

    let file = boss.page("/console/forms/person/file").await;
    let (status, page) = send(&boss, &file).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("没有不同"), "{page}");
    let (status, page) = send(&boss, &format!("{file}{OWN}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("新项目“取暖方式”") && page.contains("发布后马上生效"), "{page}");
    assert!(alice.sync(vec![]).await.setup.is_none(), "looking publishes nothing");
    // Where somebody published meanwhile there is another difference to look at.
    let (_, other) = send(&boss, &file.replace("zh = \"姓名\"", "zh = \"居民姓名\"")).await;
    assert!(other.contains("“姓名”改为“居民姓名”"), "{other}");
    let publish = async |page: &str| {
        // The second form of the page publishes; its hidden fields come first.
        boss.try_submit(page, FORM, &[("do", "publish")]).await
    };
    assert_eq!(publish(&page).await.status(), StatusCode::SEE_OTHER);
    let late = publish(&other).await;
    assert_eq!(late.status(), StatusCode::UNPROCESSABLE_ENTITY, "it would take the new field away");
    let late = late.text().await.unwrap();
    assert!(late.contains("取暖方式") && late.contains("不能发布"), "{late}");
    assert!(boss.page("/console/forms").await.contains("本镇第 1 版"));

    let setup = alice.sync(vec![]).await.setup.expect("told by the next sync");
    let form = newest(&alice.edition(&setup).await.unwrap(), RecordKind::Person);
    let mut edit = alice.change(record, &[("own_heating", Value::text("stove"))]);
    edit.form = form.version;
    applied(&alice.sync(vec![edit]).await, 0);
    let mut wrong = alice.change(record, &[("own_heating", Value::text("wood"))]);
    wrong.form = form.version;
    assert_eq!(rejected(&alice.sync(vec![wrong]).await, 0).detail, "problem-choice", "checked by the published form");
    let page = staff.page(&format!("/console/records/{record}")).await;
    assert!(page.contains("取暖方式") && page.contains("煤炉"), "{page}");

    old.catch_up().await;
    let edit = old.change(record, &[("note", Value::text("搬到二楼"))]);
    let new = old.resident("李梅", GRID);
    let told = old.sync(vec![edit, new]).await;
    applied(&told, 0);
    applied(&told, 1);
    assert_eq!(old.shown(record, "own_heating"), "stove");
    alice.catch_up().await;
    assert_eq!((alice.shown(record, "own_heating"), alice.shown(record, "note")), ("stove".into(), "搬到二楼".into()));
    assert!(alice.holds(record, Part::Open));
}

#[tokio::test]
async fn what_would_lose_or_lay_open_something_is_refused_in_words() {
    let centre = Centre::open().await;
    let boss = boss(&centre).await;
    let file = boss.page("/console/forms/person/file").await;
    let without = |name: &str| {
        let begin = file.find(&format!("name = \"{name}\"")).unwrap();
        let start = file[..begin].rfind("[[section.field]]").unwrap();
        let end = file[begin..].find("[[section").map_or(file.len(), |at| begin + at);
        format!("{}{}", &file[..start], &file[end..])
    };
    let choices = file.find("name = \"residence_status\"").unwrap();
    let code = file[choices..].split("code = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (text, said) in [
        ("不是表单".to_owned(), "文件看不懂"),
        (without("note"), "以前填的就看不到了"),
        (file.replace("mask = \"phone\"", ""), "号码会露出来"),
        (file.replacen("type = \"phone\"", "type = \"number\"", 1), "新的意思要用新的项目"),
        (file.replace(&format!("code = \"{code}\""), "code = \"own_other\""), "以前选的只剩代码"),
        (format!("{file}{}", OWN.replace("own_heating", "heating")), "要以 own_ 开头"),
        (format!("{file}{}", OWN.replace("own_heating", "name")), "写了两次"),
        (format!("{file}{}", OWN.replace("central", "stove")), "选项不能重复"),
        (file.replace("kind = \"person\"", "kind = \"place\""), "另一种记录的表单"),
    ] {
        let (status, page) = send(&boss, &text).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}: {page}");
        assert!(page.contains(said), "{said}: {page}");
        assert!(!page.contains("value=\"publish\""), "nothing to press: {said}");
    }
    // Nor past the page.
    let page = boss.page(FORM).await;
    let forced = [("text", without("note")), ("do", "publish".to_owned()), ("seen", "1".to_owned())];
    let forced: Vec<(&str, &str)> = forced.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(boss.try_submit(&page, FORM, &forced).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(boss.page("/console/forms").await.contains("程序自带第 1 版"));
    // What is only to be thought about is told, and can be published.
    let asked = file.replacen("type = \"phone\"", "type = \"phone\"\nrequired = true", 1);
    let (status, page) = send(&boss, &asked).await;
    assert!(status == StatusCode::OK && page.contains("改为必填") && page.contains("请想好"), "{page}");
    assert_eq!(boss.try_submit(&page, FORM, &[("do", "publish")]).await.status(), StatusCode::SEE_OTHER);
    assert!(boss.page("/console/forms").await.contains("本镇第 1 版"));
}
