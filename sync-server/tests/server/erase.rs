//! Erasing: what was known of somebody is gone, from the disk too, and nothing brings it back.

use std::path::Path;

use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use shared::ids::{EditId, PhotoHash, RecordId};
use shared::record::Part;
use shared::value::Value;
use shared::wire::{RejectReason, SyncAnswer};
use sync_server::erase::{EraseError, Reason, erase};
use sync_server::store::{self, StoreError};
use sync_server::{App, AppState, backup};

/// Values that occur nowhere else: letters that no hash, id or schema has in a row.
const NAME: &str = "欧阳甲乙";
const PHONE: &str = "13987654321";
const WAS: &str = "旧粮站院内";
const NOTE: &str = "每周送餐甲";
const FOUND: &str = "煤快烧完丙";

/// The files below a folder in which one of the texts stands.
pub fn holding(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(holding(&entry, texts));
        } else {
            let mut bytes = std::fs::read(&entry).unwrap();
            if entry.ends_with("database") {
                bytes = postgres::dump(folder).unwrap();
            }
            for text in texts {
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(format!("{} in {}", text, entry.display()));
                }
            }
        }
    }
    found
}

fn gone_as_erased(answer: &SyncAnswer, record: RecordId) -> Vec<Part> {
    answer
        .items
        .iter()
        .filter(|item| item.id == record && item.erased && item.is_gone())
        .map(|item| item.part)
        .collect()
}

/// A visit: what was found there tells of whoever was visited.
async fn visit(hand: &mut Handheld<'_>, of: RecordId, found: &str) -> RecordId {
    let mut edit = hand.event("走访 11月26日", GRID);
    edit.form = 2;
    edit.writes.retain(|path, _| path.field_name() != shared::workflow::STEPS);
    let fields = [("category", Value::text("visit")), ("subject", Value::of(&of)), ("found", Value::text(found))];
    edit.writes.extend(fields.map(|(field, value)| (shared::path::Path::field(field), value)));
    let record = edit.record;
    applied(&hand.sync(vec![edit]).await, 0);
    record
}

struct Known {
    record: RecordId,
    rejected: EditId,
    photo: Vec<u8>,
    lone: PhotoHash,
}

/// Somebody with a history, a restricted part, a photo, and an edit in quarantine.
async fn known(hand: &mut Handheld<'_>, other: &mut Handheld<'_>) -> Known {
    let record = resident(hand, NAME, GRID, &[("address", Value::text(WAS))]).await;
    for n in 0..20 {
        // Values that were replaced leave remnants in a database that is not swept.
        let change = [("address", Value::text(&format!("{WAS}{n}"))), ("phone", Value::text(PHONE))];
        let edit = hand.change(record, &change);
        applied(&hand.sync(vec![edit]).await, 0);
    }
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", NOTE)];
    let care = hand.care(record, &care.map(|(path, value)| (path, Value::text(value))));
    applied(&hand.sync(vec![care]).await, 0);
    let photo = jpeg(8, 8, "本人");
    let lone = jpeg(8, 8, "还没到");
    let mut edit = hand.change(record, &[]);
    link(&mut edit, &hash(&photo));
    link(&mut edit, &hash(&lone));
    applied(&hand.sync(vec![edit]).await, 0);
    assert_eq!(hand.deliver(&photo).await.status(), 204);
    let foreign = other.change(record, &[("phone", Value::text(PHONE))]);
    let rejected_id = foreign.id;
    rejected(&other.sync(vec![foreign]).await, 0);
    Known { record, rejected: rejected_id, photo, lone: hash(&lone) }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_whoever_asked_to_be_erased() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let mut alice = centre.enrol(&wei).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let mut patrol = centre.enrol(&centre.person("patrol", Role::PatrolMember, TOWN, false)).await;
    let Known { record, rejected: refused, photo, lone } = known(&mut alice, &mut far).await;
    let neighbour = resident(&mut alice, "邻居", GRID, &[]).await;
    let visited = [visit(&mut alice, record, FOUND).await, visit(&mut alice, neighbour, "都好").await];
    for hand in [&mut alice, &mut far, &mut patrol] {
        hand.catch_up().await;
    }
    let desk = Desk::logged_in(&centre, "staff").await;
    person(&centre, "second", Role::CenterStaff, TOWN, true, true);
    let second = Desk::logged_in(&centre, "second").await;
    let fill = [("format", "csv"), ("since", "all"), ("unmasked", "true"), ("restricted", "true")];
    desk.seal_with(&second, &fill).await;
    let data = centre.folder.path();
    assert!(!holding(data, &[NAME, PHONE, WAS, NOTE, FOUND]).is_empty());
    let url = format!("/console/records/{record}/erase");

    // Only staff who may see all of it, and only with the name typed as it stands.
    let plain = Desk::logged_in(&centre, "plain").await;
    assert_eq!(plain.get(&url).await.status(), StatusCode::FORBIDDEN);
    assert!(!plain.page(&format!("/console/records/{record}")).await.contains("/erase"));
    let page = desk.page(&url).await;
    assert!(page.contains("以前的备份里还有"), "{page}");
    let wrong = desk.try_submit(&page, &url, &[("reason", "request"), ("typed", "欧阳甲")]).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!holding(data, &[NAME]).is_empty(), "nothing was erased");
    let done = desk.try_submit(&page, &url, &[("reason", "request"), ("typed", NAME)]).await;
    let (status, done) = (done.status(), done.text().await.unwrap());
    assert!(status == StatusCode::OK && done.contains("2026-001") && !done.contains("残留"), "{done}");

    // Not in the database, not in its log, not in a file, not under another name.
    assert_eq!(holding(data, &[NAME, PHONE, WAS, NOTE, FOUND, "本人"]), [""; 0]);
    assert!(!photo_file(&centre.app, &hash(&photo)).exists());
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
    for path in [format!("/console/records/{record}"), url] {
        assert_eq!(desk.get(&path).await.status(), StatusCode::NOT_FOUND);
    }
    // The batch says so; its manifest stays.
    assert_eq!(desk.get("/console/batches/2026-001/person.csv").await.status(), StatusCode::GONE);
    let manifest: serde_json::Value = desk.get("/console/batches/2026-001/manifest.json").await.json().await.unwrap();
    assert!(manifest["erased_at"].is_string() && manifest["counts"]["person"]["new"] == 2);
    assert!(desk.page("/console/batches").await.contains("文件已收回"));
    // Who erased which id, no values.
    let audit = desk.audit().await;
    assert!(audit.contains("清除了资料") && audit.contains("request") && !audit.contains(NAME), "{audit}");

    // Whoever could see it, or wrote to it, is told; nobody else hears of it.
    let mut told = gone_as_erased(&alice.sync(vec![]).await, record);
    told.sort();
    // By their area and by having written to it.
    told.dedup();
    assert_eq!(told, Part::ALL);
    assert_eq!(gone_as_erased(&far.sync(vec![]).await, record), [Part::Open], "it has an edit of it in its tray");
    assert!(patrol.sync(vec![]).await.items.iter().all(|item| item.id != record));
    assert!(alice.holds(neighbour, Part::Open) && !alice.holds(record, Part::Open));
    assert!(
        !alice.holds(visited[0], Part::Open) && alice.holds(visited[1], Part::Open),
        "the visits of the person too"
    );

    // Nothing revives it, and nothing of what still comes is kept: edits old and new, photos on their way.
    let late = alice.change(record, &[("phone", Value::text(PHONE))]);
    let again = late.clone();
    assert_eq!(rejected(&alice.sync(vec![late]).await, 0).reason, RejectReason::Erased);
    let answer = alice.sync(vec![again]).await;
    assert_eq!((rejected(&answer, 0).reason, answer.wanted.len()), (RejectReason::Erased, 0));
    let known = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.outcomes(&[refused])).unwrap();
    assert_eq!(known.len(), 1, "its answer is still known: nothing parts ways over it");
    for photo in [hash(&photo), lone] {
        let begun = alice.begin(photo.as_str(), 100).await;
        assert_eq!(refusal(begun, 410).await.code, "photo_erased");
    }
    assert_eq!(holding(data, &[NAME, PHONE, WAS, NOTE]), [""; 0]);
    // The next batch says that the id is gone.
    let page = desk.page("/console/batches").await;
    let page = desk.submit(&page, "/console/batches", &[("format", "ndjson"), ("since", "last")]).await;
    assert!(page.contains("2026-002"), "{page}");
    let text = desk.get("/console/batches/2026-002/person.ndjson").await.text().await.unwrap();
    assert!(text.contains(&record.to_string()) && text.contains("gone"), "{text}");
    // A batch that does not tell of them is not touched.
    assert_eq!(desk.get("/console/batches/2026-002/person.ndjson").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_does_not_bring_them_back() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let Known { record, photo, .. } = known(&mut alice, &mut far).await;
    resident(&mut alice, "邻居", GRID, &[]).await;
    let to = tempfile::tempdir().unwrap();
    let before = backup::make(&centre.app, to.path(), 9).unwrap();
    erase(&centre.app, None, record, Reason::Request).unwrap();
    assert!(matches!(erase(&centre.app, None, record, Reason::Request), Err(EraseError::NoSuchRecord)));
    assert!(!holding(&before.folder, &[NAME]).is_empty(), "an earlier backup still holds it");
    assert!(!before.manifest.files.iter().any(|file| file.path.contains("erased")));

    // The list named, by file or folder; and the copy of it that the next backup lays beside them all.
    let list = centre.folder.path().join("erased.list");
    let check = |name: &str, erased: Option<&Path>| -> App {
        let data = to.path().join(name);
        let done = backup::restore(&before.folder, &data, erased, centre.clock.clone()).unwrap();
        assert_eq!((done.erased, done.list_found), (1, true));
        assert_eq!(holding(&data, &[NAME, PHONE, WAS, NOTE, "本人"]), [""; 0], "{name}");
        AppState::open(&data, centre.clock.clone()).unwrap()
    };
    check("by-file", Some(&list));
    let app = check("by-folder", Some(centre.folder.path()));
    assert_eq!(backup::verify_data(&app).unwrap(), []);
    assert!(!photo_file(&app, &hash(&photo)).exists());
    let after = backup::make(&centre.app, to.path(), 9).unwrap();
    check("by-copy", None);
    assert_eq!(holding(&after.folder, &[NAME, PHONE, WAS, NOTE]), [""; 0]);
    // Whoever still shows it is told by the restored server too.
    let keys = store::read::<_, StoreError>(&*app.store, TOWN, |read| read.readers_ever(record)).unwrap();
    assert!(keys.len() >= 3, "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_list_and_the_end_is_caught_up_with_at_the_next_start() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let Known { record, photo, .. } = known(&mut alice, &mut far).await;
    let at = chrono::DateTime::from_timestamp_millis(1_795_400_000_000).unwrap();
    // The list was written; then the power went.
    let line = store::Erased { record, kind: shared::record::RecordKind::Person, at };
    sync_server::erase::list::append(centre.folder.path(), &[(TOWN, line)]).unwrap();
    let app = AppState::open(centre.folder.path(), centre.clock.clone()).unwrap();
    assert_eq!(holding(centre.folder.path(), &[NAME, PHONE, WAS, NOTE, "本人"]), [""; 0]);
    assert!(!photo_file(&app, &hash(&photo)).exists());

    // A batch has no number yet: as long as somebody writes it it stays, and when they died it goes.
    let id = shared::outside::Outside::uuid(&*centre.clock);
    let batch = centre.folder.path().join("batches").join(id.to_string());
    std::fs::create_dir_all(&batch).unwrap();
    std::fs::write(batch.join("person.csv"), NAME).unwrap();
    let writing = std::fs::File::open(&batch).unwrap();
    writing.lock().unwrap();
    AppState::open(centre.folder.path(), centre.clock.clone()).unwrap();
    assert!(batch.exists());
    drop(writing);
    let start = || {
        AppState::open(centre.folder.path(), centre.clock.clone()).unwrap();
        !batch.exists()
    };
    // Another test of this process may be starting a program, which has our lock too until it runs.
    assert!((0..1_000).any(|_| start()), "it stays");

    // The transaction was through, the files were still there.
    std::fs::create_dir_all(photo_file(&app, &hash(&photo)).parent().unwrap()).unwrap();
    std::fs::write(photo_file(&app, &hash(&photo)), &photo).unwrap();
    store::write::<_, StoreError>(&*app.store, TOWN, |tx| tx.set_meta("to_sweep", "1")).unwrap();
    AppState::open(centre.folder.path(), centre.clock.clone()).unwrap();
    assert_eq!(holding(centre.folder.path(), &["本人"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_go_with_the_record_and_photos_of_others_stay() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let kept = resident(&mut alice, NAME, GRID, &[]).await;
    let other = resident(&mut alice, "欧阳甲丙", GRID, &[("phone", Value::text(PHONE))]).await;
    let friend = resident(&mut alice, "邻居", GRID, &[]).await;
    let shared_photo = jpeg(8, 8, "合影");
    for record in [other, friend] {
        let mut edit = alice.change(record, &[]);
        link(&mut edit, &hash(&shared_photo));
        applied(&alice.sync(vec![edit]).await, 0);
    }
    alice.deliver(&shared_photo).await;
    alice.catch_up().await;
    let seen = |hand: &Handheld<'_>, record| sync_server::sync::alias::Seen {
        open: hand.confirmed[&(record, Part::Open)].vector().clone(),
        ..Default::default()
    };
    let who = sync_server::auth::Who::of(staff, &centre.app.areas().unwrap());
    let merging = sync_server::sync::alias::Merging {
        winner: kept,
        winner_seen: seen(&alice, kept),
        loser: other,
        loser_seen: seen(&alice, other),
        chosen: Default::default(),
    };
    sync_server::sync::alias::merge(&centre.app, &who, &merging).unwrap();
    let done = erase(&centre.app, Some(&who), kept, Reason::Mistake).unwrap();
    assert_eq!((done.records, done.photos, done.swept), (vec![kept, other], 0, true));
    assert_eq!(holding(centre.folder.path(), &[NAME, "欧阳甲丙", PHONE]), [""; 0]);
    assert_eq!(centre.app.blobs.read(&hash(&shared_photo)).unwrap(), shared_photo);
    assert_eq!(alice.fetch(&hash(&shared_photo)).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_batch_that_never_got_its_number_go_with_whoever_they_tell_of() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    // The server died twice while a batch was written; a third one is being written now.
    let data = centre.folder.path();
    let number = || shared::outside::Outside::uuid(&*centre.clock);
    let names = [format!(".aside-{}", number()), number().to_string(), format!(".aside-{}", number())];
    let folders = names.map(|name| data.join("batches").join(name));
    for (folder, text) in folders.iter().zip([NAME, NAME, "邻居"]) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("person.csv"), text).unwrap();
    }
    let writing = std::fs::File::open(&folders[2]).unwrap();
    writing.lock().unwrap();

    let desk = Desk::logged_in(&centre, "staff").await;
    let url = format!("/console/records/{record}/erase");
    let done = desk.try_submit(&desk.page(&url).await, &url, &[("reason", "request"), ("typed", NAME)]).await;
    let (status, done) = (done.status(), done.text().await.unwrap());
    assert!(status == StatusCode::OK && !done.contains("残留"), "{done}");
    assert_eq!(holding(data, &[NAME]), [""; 0]);
    assert_eq!(folders.each_ref().map(|folder| folder.exists()), [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_for_long_looks_for_batches_without_a_number_too() {
    let centre = Centre::open().await;
    let id = shared::outside::Outside::uuid(&*centre.clock);
    let left = centre.folder.path().join("batches").join(id.to_string());
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("person.csv"), NAME).unwrap();
    let looking = tokio::spawn(sync_server::blobs::expiry::daily(centre.app.clone()));
    let gone = async {
        while left.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.expect("it stays until the next start");
    looking.abort();
}
