//! Batches as staff take them out.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::Path;

use crate::common::batches::*;
use crate::common::*;
use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::author::Role;
use shared::value::Value;
use sync_server::batch::{self, BatchError, Pull, Pulled, Since};
use sync_server::store::{self, User};

#[tokio::test]
async fn masked_for_some_in_full_for_others_and_nothing_the_second_time() {
    let centre = Centre::open().await;
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    let number = [("id_number", Value::text("629999198001010019")), ("phone", Value::text("13912345678"))];
    let who = born(&mut hand, "张伟", &number).await;
    let (full, plain) = (staff(&centre, "full", true, false), staff(&centre, "plain", false, false));

    let taken = sealed(take(&centre, &pull_of(&full, true)).unwrap());
    assert_eq!(taken.manifest.number, "2026-001");
    let row = &rows(&taken, "person.csv")[0];
    // A tab after the digits keeps Excel from rounding them.
    assert_eq!((row["证件号码"].as_str(), row["联系电话"].as_str()), ("629999198001010019\t", "13912345678"));
    assert_eq!((row["状态"].as_str(), row["所属网格"].as_str()), ("新增", "条山社区 条山社区第一网格"));
    let line: serde_json::Value = serde_json::from_str(text(&taken, "person.ndjson").trim()).unwrap();
    assert_eq!(line["fields"]["phone"], "13912345678");

    assert!(matches!(take(&centre, &pull_of(&plain, true)), Err(BatchError::MayNotUnmask)));
    let masked = sealed(take(&centre, &pull_of(&plain, false)).unwrap());
    let row = &rows(&masked, "person.csv")[0];
    assert_eq!((row["证件号码"].as_str(), row["联系电话"].as_str()), ("6***************19", "139****5678"));
    for name in ["person.csv", "person.ndjson"] {
        assert!(!text(&masked, name).contains("13912345678") && !text(&masked, name).contains("19800101"), "{name}");
    }

    // Each has a cursor of their own; an empty pull is said, makes no number and leaves no file.
    assert_eq!(take(&centre, &pull_of(&full, true)).unwrap(), Pulled::NothingNew);
    let folders = std::fs::read_dir(centre.app.data.join("batches")).unwrap().count();
    assert_eq!(folders, 2);
    let edit = hand.change(who, &[("phone", Value::text("13900000000"))]);
    hand.sync(vec![edit]).await;
    let next = sealed(take(&centre, &pull_of(&full, true)).unwrap());
    assert_eq!(next.manifest.number, "2026-003");
    assert_eq!(rows(&next, "person.csv")[0]["状态"], "变更");

    let audits = store::read(&*centre.app.store, TOWN, |read| read.audits(10)).unwrap();
    let unmasked = audits.iter().find(|entry| entry.subject == "2026-001").unwrap();
    assert!(unmasked.user == Some(full.id) && unmasked.detail.contains("\"masked\":false"), "{unmasked:?}");
}

#[tokio::test]
async fn a_batch_is_the_same_to_the_byte_whatever_comes_after_and_its_manifest_verifies() {
    let centre = Centre::open().await;
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    let who = born(&mut hand, "张伟", &[]).await;
    let report = hand.event("井盖破损", GRID);
    hand.sync(vec![report]).await;
    let user = staff(&centre, "staff", false, false);
    let first = sealed(take(&centre, &pull_of(&user, false)).unwrap());
    let out = tempfile::tempdir().unwrap();
    let folder = batch::copy_out(&first, out.path()).unwrap();
    let read_all = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
    };
    let before = read_all(&folder);
    let edit = hand.change(who, &[("address", Value::text("柳湾巷 9 号"))]);
    hand.sync(vec![edit]).await;
    let app = &centre.app;
    let again = |user: &User| batch::again(&*app.store, &*app.outside, &app.data, user, "2026-001");
    let other = tempfile::tempdir().unwrap();
    let after = read_all(&batch::copy_out(&again(&user).unwrap(), other.path()).unwrap());
    assert_eq!(before, after);

    let manifest: serde_json::Value = serde_json::from_slice(&before["manifest.json"]).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len() + 1, before.len());
    for file in files {
        let bytes = &before[file["name"].as_str().unwrap()];
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], hash);
        assert_eq!(file["bytes"], bytes.len());
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let header = usize::from(file["format"] == "csv");
        assert_eq!(file["rows"], lines - header);
    }
    assert_eq!(manifest["counts"]["person"]["new"], 1);

    // Everything up to the same point, sealed anew, has the same bytes too.
    let all = Pull { since: Since::Batch("2026-001".to_owned()), ..pull_of(&user, false) };
    assert_eq!(sealed(take(&centre, &all).unwrap()).manifest.counts["person"].changed, 1);

    // What was tampered with is not handed out.
    std::fs::write(first.folder.join("person.csv"), "x").unwrap();
    assert!(matches!(again(&user), Err(BatchError::Damaged { .. })));
    std::fs::remove_dir_all(&first.folder).unwrap();
    assert!(matches!(again(&user), Err(BatchError::FilesGone(_))));
}

#[tokio::test]
async fn rights_bound_a_batch() {
    let centre = Centre::open().await;
    let member = centre.person("member", Role::GridMember, GRID, true);
    let mut hand = centre.enrol(&member).await;
    let who = born(&mut hand, "张伟", &[]).await;
    let care = [
        ("care_services/meals", Value::of(&true)),
        ("care_reason", Value::text("独居")),
        ("care_until", Value::text("2026-12-31")),
    ];
    let edit = hand.care(who, &care);
    applied(&hand.sync(vec![edit]).await, 0);

    // Not cleared: not a column, not a value. Cleared later: the restricted part still comes.
    let mut user = staff(&centre, "staff", false, false);
    let open = sealed(take(&centre, &pull_of(&user, false)).unwrap());
    assert!(!text(&open, "person.csv").contains("独居") && !text(&open, "person.csv").contains("关爱服务"));
    assert!(!text(&open, "person.ndjson").contains("care_"));
    let denied = Pull { restricted: true, ..pull_of(&user, false) };
    assert!(matches!(take(&centre, &denied), Err(BatchError::NotCleared)));
    user.cleared = true;
    assert_eq!(take(&centre, &pull_of(&user, false)).unwrap(), Pulled::NothingNew, "only where it is asked for");
    let cleared = sealed(take(&centre, &Pull { restricted: true, ..pull_of(&user, false) }).unwrap());
    assert_eq!(rows(&cleared, "person.csv")[0]["关爱服务"], "送餐");
    let app = &centre.app;
    user.cleared = false;
    let again = batch::again(&*app.store, &*app.outside, &app.data, &user, &cleared.manifest.number);
    assert!(matches!(again, Err(BatchError::NotCleared)));

    // Somebody else's town, and somebody who takes out no batches.
    let foreign = Pull { areas: vec![AreaId(9)], ..pull_of(&user, false) };
    assert!(matches!(take(&centre, &foreign), Err(BatchError::NotAllowed(AreaId(9)))));
    assert!(matches!(take(&centre, &pull_of(&member, false)), Err(BatchError::NotAllowed(_))));
}

#[tokio::test]
async fn what_is_to_be_decided_removed_or_gone_says_so() {
    let centre = Centre::open().await;
    let (one, two) =
        (centre.person("one", Role::GridMember, GRID, false), centre.person("two", Role::GridMember, GRID, false));
    let (mut one, mut two) = (centre.enrol(&one).await, centre.enrol(&two).await);
    let asked = born(&mut one, "张伟", &[]).await;
    let removed = born(&mut one, "李娜", &[]).await;
    let moved = born(&mut one, "王芳", &[]).await;
    two.catch_up().await;
    let user = staff(&centre, "staff", true, false);
    let grid = Pull { areas: vec![AreaId(10)], ..pull_of(&user, true) };
    assert_eq!(sealed(take(&centre, &grid).unwrap()).manifest.records(), 3);

    let first = one.change(asked, &[("phone", Value::text("13900000001"))]);
    let gone = one.change(moved, &[("area", Value::of(&FAR_GRID))]);
    one.sync(vec![first, gone]).await;
    let second = two.change(asked, &[("phone", Value::text("13900000002"))]);
    let deleted = two.change(removed, &[("deleted", Value::of(&true))]);
    let answer = two.sync(vec![second, deleted]).await;
    applied(&answer, 0);
    applied(&answer, 1);

    let next = sealed(take(&centre, &grid).unwrap());
    let rows = rows(&next, "person.csv");
    let of = |status: &str| rows.iter().find(|row| row["状态"] == status).unwrap_or_else(|| panic!("{rows:?}"));
    assert_eq!(of("变更")["待核对"], "联系电话");
    assert_eq!(of("变更")["联系电话"], "13900000001");
    assert_eq!(of("删除")["姓名"], "李娜");
    // Of what left the area nothing is told but that it left.
    assert_eq!((of("移出")["记录编号"].as_str(), of("移出")["姓名"].as_str()), (moved.to_string().as_str(), ""));
}

#[tokio::test]
async fn a_name_that_is_a_formula_runs_nothing() {
    let centre = Centre::open().await;
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    born(&mut hand, "=cmd|'/c calc'!A1", &[]).await;
    born(&mut hand, "@SUM(1,1)", &[]).await;
    let user = staff(&centre, "staff", false, false);
    let taken = sealed(take(&centre, &pull_of(&user, false)).unwrap());
    let names: Vec<String> = rows(&taken, "person.csv").iter().map(|row| row["姓名"].clone()).collect();
    assert_eq!(names, ["'=cmd|'/c calc'!A1", "'@SUM(1,1)"]);
    // A program gets what was written.
    assert!(text(&taken, "person.ndjson").contains("\"=cmd|"));
}

/// The files in a ZIP.
fn unzipped(bytes: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut entries = Vec::new();
    for place in 0..zip.len() {
        let mut entry = zip.by_index(place).unwrap();
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        entries.push((entry.name().unwrap().into_owned(), bytes));
    }
    entries
}

#[tokio::test]
async fn photos_are_named_in_every_batch_and_in_it_where_they_are_asked_for() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let [one, two, late, outside] = ["井盖", "路灯", "还没送到", "别的社区"].map(|salt| jpeg(64, 48, salt));
    let mut report = hand.event("井盖破损", GRID);
    for photo in [&one, &two, &late] {
        tus::link(&mut report, &tus::hash(photo));
    }
    applied(&hand.sync(vec![report.clone()]).await, 0);
    let mut elsewhere = far.event("别处的事", FAR_GRID);
    tus::link(&mut elsewhere, &tus::hash(&outside));
    applied(&far.sync(vec![elsewhere]).await, 0);
    // The same photo in two records is one file.
    let mut again = hand.event("还是那个井盖", GRID);
    tus::link(&mut again, &tus::hash(&one));
    // Of another community, linked by who never had it: not for whoever reads this record and not that one.
    tus::link(&mut again, &tus::hash(&outside));
    applied(&hand.sync(vec![again]).await, 0);
    for photo in [&one, &two] {
        assert_eq!(hand.deliver(photo).await.status(), 204);
    }
    assert_eq!(far.deliver(&outside).await.status(), 204);

    let community = AreaId(10);
    let mut user = staff(&centre, "staff", false, false);
    user.scope = vec![community];
    store::write::<_, store::StoreError>(&*centre.app.store, TOWN, |tx| tx.put_user(&user)).unwrap();
    let all = Pull { since: Since::All, areas: vec![community], ..pull_of(&user, false) };
    let plain = sealed(take(&centre, &all).unwrap());
    assert_eq!(plain.manifest.photos_missing, None);
    assert!(!plain.folder.join("photos.zip").exists());
    let named = &rows(&plain, "event.csv")[0]["照片"];
    assert!([&one, &two, &late].iter().all(|photo| named.contains(tus::hash(photo).as_str())), "{named}");
    assert!(text(&plain, "event.ndjson").contains(&format!("\"{}\":{{\"", tus::hash(&late))));

    let with = Pull { photos: true, ..all };
    let first = sealed(take(&centre, &with).unwrap());
    let entry = first.manifest.files.last().unwrap();
    assert_eq!((entry.name.as_str(), entry.kind.as_str(), entry.rows), ("photos.zip", "photo", 2));
    assert_eq!(first.manifest.photos_missing, Some(2), "the late one, and what nobody here has");
    let bytes = std::fs::read(first.folder.join("photos.zip")).unwrap();
    assert_eq!((entry.bytes, entry.sha256.clone()), (bytes.len() as u64, batch::hex(&Sha256::digest(&bytes))));
    let mut wanted = [&one, &two].map(|photo| (format!("{}.jpg", tus::hash(photo)), photo.clone()));
    wanted.sort();
    assert_eq!(unzipped(bytes.clone()), wanted);
    // Sealed anew the file is the same; a copy is looked at like any other file.
    let second = sealed(take(&centre, &with).unwrap());
    assert_eq!(std::fs::read(second.folder.join("photos.zip")).unwrap(), bytes);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(std::fs::read(batch::copy_out(&second, out.path()).unwrap().join("photos.zip")).unwrap(), bytes);

    // It goes with the record.
    let data = centre.folder.path().to_str().unwrap();
    let (record, erase) = (report.record.to_string(), ["erase", "--data", data, "--reason", "request", "--record"]);
    let (well, said) = audit::run(&[erase.as_slice(), &[&record]].concat());
    assert!(well && said.contains("3 batches"), "{said}");
    assert!([&plain, &first, &second].iter().all(|sealed| !sealed.folder.exists()));
    let after = sealed(take(&centre, &with).unwrap());
    let bytes = std::fs::read(after.folder.join("photos.zip")).unwrap();
    assert_eq!(unzipped(bytes), [(format!("{}.jpg", tus::hash(&one)), one)]);
}

#[tokio::test]
async fn staff_take_photos_out_at_the_console_and_by_command() {
    let centre = Centre::open().await;
    desk::person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    let (photo, late) = (jpeg(64, 48, "井盖"), jpeg(64, 48, "还没送到"));
    let mut report = hand.event("井盖破损", GRID);
    for photo in [&photo, &late] {
        tus::link(&mut report, &tus::hash(photo));
    }
    applied(&hand.sync(vec![report]).await, 0);
    assert_eq!(hand.deliver(&photo).await.status(), 204);
    let desk = desk::Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/batches").await;
    assert!(page.contains("附照片"), "{page}");
    let page = desk.submit(&page, "/console/batches", &[("format", "csv"), ("photos", "true")]).await;
    assert!(page.contains("photos.zip") && page.contains("有 1 张照片还没送到"), "{page}");
    let download = desk.get("/console/batches/2026-001/photos.zip").await;
    assert!(tus::named(&download, "content-disposition").starts_with("attachment"));
    let told = unzipped(download.bytes().await.unwrap().to_vec());
    assert_eq!(told, [(format!("{}.jpg", tus::hash(&photo)), photo.clone())]);

    let out = tempfile::tempdir().unwrap();
    let (data, to) = (centre.folder.path().to_str().unwrap(), out.path().to_str().unwrap());
    let pull = ["batch", "pull", "--data", data, "--user", "staff", "--since", "all", "--photos", "--out", to];
    let (well, said) = audit::run(&pull);
    assert!(well && said.contains("photos.zip") && said.contains("1 photos have not arrived"), "{said}");
    assert_eq!(unzipped(std::fs::read(out.path().join("2026-002/photos.zip")).unwrap()), told);
}
