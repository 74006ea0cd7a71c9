//! A file that a handheld exported, brought to the centre and imported by staff in the console, over real HTTP: taken
//! once, by who may, of their own town, whole or not at all.

use crate::common::desk::*;
use crate::common::outbox::*;
use crate::common::*;
use chrono::TimeDelta;
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::RecordId;
use shared::outside::Outside;
use sync_server::auth::token;
use sync_server::store::{self, Audit, StoreError};

/// Who imported what into a town, by its audit.
fn imports(centre: &Centre, town: AreaId) -> Vec<Audit> {
    let entries = store::read::<_, StoreError>(&*centre.app.store, town, |read| read.audits(50)).unwrap();
    entries.into_iter().filter(|entry| entry.action == "audit-outbox").collect()
}

fn edits_of(centre: &Centre, town: AreaId, record: RecordId) -> usize {
    store::read::<_, StoreError>(&*centre.app.store, town, |read| read.edits_of(record)).unwrap().len()
}

/// How many files that came in are still on the disk; none where none was ever kept.
fn kept(centre: &Centre) -> Option<usize> {
    std::fs::read_dir(centre.app.data.join("outbox")).ok().map(|entries| entries.count())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_bring_is_merged_once_and_the_audit_names_them() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let (one, two) = (hand.resident("张伟", GRID), hand.resident("李强", GRID));
    // Larger than any other request may be; as a photo it is none.
    let mut noise = vec![0_u8; 5 * 1024 * 1024];
    centre.clock.fill(&mut noise);
    let file = exported(&hand, &[one.clone(), two.clone()], &[jpeg(64, 48, "门牌"), noise]);
    assert!(file.len() > shared::limits::REQUEST_BYTES);

    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/terminals").await;
    let form = page.split("<form").find(|form| form.contains(&format!("action=\"{ACTION}\""))).unwrap();
    assert!(form.contains("enctype=\"multipart/form-data\"") && form.contains("重复导入不会重复计入"), "{form}");
    assert!(form.find("name=\"csrf\"").unwrap() < form.find("name=\"file\"").unwrap(), "the token comes first");
    assert_eq!(hidden(&page, ACTION)["csrf"], csrf(&desk).await);

    let (status, said) = upload(&desk, &file).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    for words in ["wei的姓名", "并入 2 条改动", "0 条早已收到", "收到 1 张照片，1 张无法读取"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("class=\"crumb\" href=\"/console/terminals\""), "{said}");
    assert_eq!(kept(&centre), Some(0), "the file is gone from the disk");
    assert!(desk.page(&format!("/console/records/{}", one.record)).await.contains("张伟"));
    let entries = imports(&centre, TOWN);
    let written: Vec<_> = entries.iter().map(|entry| (entry.user, entry.detail.as_str())).collect();
    assert_eq!(written, [(Some(staff.id), "0 + 0 + 1"), (Some(staff.id), "2 + 0 + 0")], "photos come after the edits");
    let audit = desk.audit().await;
    assert!(audit.contains("导入终端的导出文件") && audit.contains("staff的姓名"), "{audit}");

    let (status, said) = upload(&desk, &file).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    for words in ["并入 0 条改动", "2 条早已收到", "收到 0 张照片"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(edits_of(&centre, TOWN, one.record), 1);
    // The handheld comes back alive and sends the same: it gets its receipts.
    let answer = hand.sync(vec![one.clone(), two]).await;
    applied(&answer, 0);
    applied(&answer, 1);
    assert_eq!(edits_of(&centre, TOWN, one.record), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_changed_file_is_refused_in_words_and_nothing_of_it_is_taken() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let edit = hand.resident("张伟", GRID);
    let file = exported(&hand, std::slice::from_ref(&edit), &[]);
    let mut changed = file.clone();
    let last = changed.len() - 40;
    changed[last] ^= 1;
    // A server that died while it had a file left it there.
    let left = centre.app.data.join("outbox").join(centre.clock.uuid().to_string());
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, &file).unwrap();
    centre.clock.advance(TimeDelta::days(2));

    let desk = Desk::logged_in(&centre, "staff").await;
    let refused: [(&[u8], &str); 4] = [
        (&file[..file.len() - 10], "文件不完整或被改动过"),
        (&changed, "文件不完整或被改动过"),
        (b"something else", "这不是给本中心的导出文件"),
        (b"", "没有选文件"),
    ];
    for (bytes, words) in refused {
        let (status, said) = upload(&desk, bytes).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains("href=\"/console/terminals\""), "back to where another file is chosen: {said}");
        assert_eq!(kept(&centre), Some(0), "{words}");
    }
    assert!(!left.exists());
    // A form without its file, and one with two of them.
    let token = csrf(&desk).await;
    let (ours, chosen) = (("csrf", token.as_bytes()), ("file", file.as_slice()));
    for parts in [vec![ours], vec![ours, chosen, chosen]] {
        let response = send(&desk, &parts, &[]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!((edits_of(&centre, TOWN, edit.record), imports(&centre, TOWN).len()), (0, 0));
    assert_eq!(desk.get(&format!("/console/records/{}", edit.record)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(kept(&centre), Some(0));
    // The file itself was good.
    let (status, said) = upload(&desk, &file).await;
    assert!(status == StatusCode::OK && said.contains("并入 1 条改动"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_or_whose_form_is_not_ours_leaves_nothing_on_the_disk() {
    let centre = Centre::open().await;
    for (login, role, area) in [
        ("staff", Role::CenterStaff, TOWN),
        ("admin", Role::Admin, TOWN),
        ("leader", Role::GridLeader, AreaId(10)),
        ("member", Role::GridMember, GRID),
    ] {
        person(&centre, login, role, area, false, false);
    }
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let edit = hand.resident("张伟", GRID);
    let file = exported(&hand, std::slice::from_ref(&edit), &[]);
    let desk = Desk::logged_in(&centre, "staff").await;
    let token = csrf(&desk).await;
    let (ours, chosen) = (("csrf", token.as_bytes()), ("file", file.as_slice()));

    let response = send(&Desk::new(&centre), &[ours, chosen], &[]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[LOCATION], "/console/login");
    for login in ["leader", "member"] {
        let (status, said) = upload(&Desk::logged_in(&centre, login).await, &file).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{login}");
        assert!(said.contains("这件事不由您来办"), "{said}");
    }
    let other = csrf(&Desk::logged_in(&centre, "admin").await).await;
    let long = token.repeat(20);
    let forms = [
        vec![("csrf", other.as_bytes()), chosen],
        vec![("csrf", b"x".as_slice()), chosen],
        vec![("csrf", long.as_bytes()), chosen],
        vec![chosen],
        // The file would be stored before it is known whose it is.
        vec![chosen, ours],
    ];
    for parts in forms {
        let response = send(&desk, &parts, &[]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(response.text().await.unwrap().contains("不是从这里打开的"));
    }
    let foreign = send(&desk, &[ours, chosen], &[("origin", "http://elsewhere.example")]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    // Not such a form at all.
    assert_eq!(desk.send(ACTION, &[("csrf", &token)]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(kept(&centre), None, "no file was ever kept");
    assert_eq!((edits_of(&centre, TOWN, edit.record), imports(&centre, TOWN).len()), (0, 0));

    let (status, said) = upload(&Desk::logged_in(&centre, "admin").await, &file).await;
    assert!(status == StatusCode::OK && said.contains("并入 1 条改动"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_town_goes_to_that_town() {
    const OTHER: AreaId = AreaId(9);
    let centre = Centre::open().await;
    person(&centre, "here", Role::CenterStaff, TOWN, false, false);
    let there = person(&centre, "there", Role::CenterStaff, OTHER, false, false);
    let far = centre.person("far", Role::GridMember, FOREIGN_GRID, false);
    let mut hand = centre.enrol(&far).await;
    hand.catch_up().await;
    let edit = hand.resident("远处的人", FOREIGN_GRID);
    let file = exported(&hand, std::slice::from_ref(&edit), &[jpeg(64, 48, "远处")]);

    let (status, said) = upload(&Desk::logged_in(&centre, "here").await, &file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(said.contains("别的乡镇的终端") && !said.contains("far的姓名"), "{said}");
    for town in [TOWN, OTHER] {
        assert_eq!((edits_of(&centre, town, edit.record), imports(&centre, town).len()), (0, 0));
    }
    let (status, said) = upload(&Desk::logged_in(&centre, "there").await, &file).await;
    assert!(status == StatusCode::OK && said.contains("并入 1 条改动") && said.contains("收到 1 张照片"), "{said}");
    assert_eq!(imports(&centre, OTHER)[0].user, Some(there.id));
    assert_eq!((edits_of(&centre, OTHER, edit.record), imports(&centre, TOWN).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_before_the_disk_failed_is_written_down_with_who_brought_it() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    hand.catch_up().await;
    let edit = hand.resident("张伟", GRID);
    let file = exported(&hand, std::slice::from_ref(&edit), &[jpeg(64, 48, "门牌")]);
    let desk = Desk::logged_in(&centre, "staff").await;
    // No photo can be kept.
    let uploads = centre.app.data.join("blobs/uploads");
    std::fs::remove_dir(&uploads).unwrap();
    std::fs::write(&uploads, "").unwrap();
    let (status, said) = upload(&desk, &file).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{said}");
    assert_eq!(edits_of(&centre, TOWN, edit.record), 1);
    let written = || -> Vec<_> {
        imports(&centre, TOWN).into_iter().map(|entry| (entry.user == Some(staff.id), entry.detail)).collect()
    };
    assert_eq!(written(), [(true, "1 + 0 + 0".to_owned())]);

    std::fs::remove_file(&uploads).unwrap();
    std::fs::create_dir(&uploads).unwrap();
    let (status, said) = upload(&desk, &file).await;
    assert!(status == StatusCode::OK && said.contains("1 条早已收到") && said.contains("收到 1 张照片"), "{said}");
    assert_eq!(written()[0], (true, "0 + 0 + 1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_locked_or_stolen_terminal_is_said_to_have_exported_waits_until_its_author_was_asked() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut locked = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    locked.catch_up().await;
    // Two have used its credential.
    let copy = locked.copy();
    centre.clock.advance(TimeDelta::hours(25));
    locked.token = locked.sync(vec![]).await.token.expect("a day later there is a new one");
    locked.sync(vec![]).await;
    centre.clock.advance(token::GRACE + TimeDelta::minutes(1));
    assert_eq!(refusal(copy.try_sync(vec![]).await, 401).await.code, "token_doubled");
    // Another one is reported stolen; a third one was, and has been wiped since.
    let desk = Desk::logged_in(&centre, "staff").await;
    let csrf = csrf(&desk).await;
    let mut hands = vec![("锁了的终端", copy), ("锁了的终端里也有的", locked)];
    for (login, name) in [("juan", "被盗的终端"), ("li", "被盗又清除的终端")] {
        let mut hand = centre.enrol(&centre.person(login, Role::GridMember, GRID, false)).await;
        hand.catch_up().await;
        let end = format!("/console/terminals/{}/end", hand.enrolled.device);
        let said = desk.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await;
        assert_eq!(said.status(), StatusCode::SEE_OTHER);
        hands.push((name, hand));
    }
    let wiped = centre.post("/api/v1/wiped", Some(&hands[3].1.token), vec![], &[]).await;
    assert_eq!(wiped.status(), StatusCode::NO_CONTENT);

    for (name, hand) in &mut hands {
        let edit = hand.resident(name, GRID);
        let file = exported(hand, std::slice::from_ref(&edit), &[jpeg(64, 48, name)]);
        if *name == "锁了的终端里也有的" {
            // Its number was used by the copy's file; the one whose credential is good asks and goes on.
            let (status, said) = upload(&desk, &file).await;
            assert!(status == StatusCode::UNPROCESSABLE_ENTITY && said.contains("另一份安装"), "{said}");
            continue;
        }
        let (status, said) = upload(&desk, &file).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        for words in ["并入 0 条改动", "1 条进入待处理", "收到 1 张照片"] {
            assert!(said.contains(words), "{name}, {words}: {said}");
        }
        assert_eq!(edits_of(&centre, TOWN, edit.record), 0, "{name}");
        let page = desk.page("/console/quarantine").await;
        assert!(page.contains(*name) && page.contains("请先问本人是不是他写的"), "{page}");
        let accept = format!("/console/quarantine/{}/accept", edit.id);
        desk.submit(&page, &accept, &[]).await;
        assert_eq!(edits_of(&centre, TOWN, edit.record), 1, "{name}");
        let (_, said) = upload(&desk, &file).await;
        assert!(said.contains("1 条早已收到"), "{said}");
    }
}
