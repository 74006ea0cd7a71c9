//! Files that were altered behind the server's back: those of sealed batches and photos. Each is named by the command that
//! looks for it, and nothing else is.

use std::path::{Path, PathBuf};

use crate::common::audit::run;
use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use assets::messages::Lang;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use shared::author::Role;
use sync_server::batch::{self, Format, Manifest, Pull, Pulled, Sealed, Since};
use sync_server::store::User;

/// One byte in the middle becomes another.
fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn pull(centre: &Centre, user: &User) -> Sealed {
    let formats = vec![Format::Csv, Format::Ndjson];
    let (unmasked, restricted, photos, released) = (false, false, false, None);
    let (areas, since, lang) = (vec![TOWN], Since::All, Lang::Zh);
    let wanted = Pull { user, areas, since, formats, unmasked, restricted, profile: None, photos, released, lang };
    let app = &centre.app;
    match batch::pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.forms, &wanted).unwrap() {
        Pulled::Sealed(sealed) => *sealed,
        Pulled::NothingNew => panic!("nothing new"),
    }
}

/// A centre with two batches of two files each.
async fn sealed() -> (Centre, Sealed, Sealed) {
    let centre = Centre::open().await;
    let staff = centre.person("staff", Role::CenterStaff, TOWN, false);
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    resident(&mut hand, "张伟", GRID, &[]).await;
    let first = pull(&centre, &staff);
    resident(&mut hand, "李强", GRID, &[]).await;
    let second = pull(&centre, &staff);
    (centre, first, second)
}

#[tokio::test]
async fn a_file_of_a_batch_that_was_altered_taken_away_or_added_is_named() {
    let (centre, first, second) = sealed().await;
    assert_eq!((first.manifest.number.as_str(), second.manifest.number.as_str()), ("2026-001", "2026-002"));
    let data = centre.folder.path().to_str().unwrap();
    let (well, text) = run(&["batch", "verify", "--data", data]);
    assert!(well && text.contains("2026-001: 2 files") && text.contains("2026-002: 2 files"), "{text}");
    assert!(!text.contains("older version"), "{text}");
    assert!(!run(&["batch", "verify", "2026-009", "--data", data]).0, "there is no such batch");

    let csv = first.folder.join("person.csv");
    let kept = std::fs::read(&csv).unwrap();
    flip(&csv);
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(!well && text.contains("2026-001: the file person.csv was altered"), "{text}");
    assert!(!text.contains("ndjson") && !text.contains("2026-002"), "{text}");
    let (well, text) = run(&["batch", "verify", "--data", data]);
    assert!(!well && text.contains("2026-001: the file person.csv") && text.contains("2026-002: 2 files"), "{text}");
    assert!(run(&["batch", "verify", "2026-002", "--data", data]).0, "the other one is well");

    std::fs::remove_file(&csv).unwrap();
    std::fs::write(first.folder.join("event.csv"), "x").unwrap();
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(!well && text.contains("the file person.csv is missing"), "{text}");
    assert!(text.contains("the file event.csv was added") && !text.contains("altered"), "{text}");

    std::fs::remove_file(first.folder.join("event.csv")).unwrap();
    std::fs::write(&csv, kept).unwrap();
    assert!(run(&["batch", "verify", "--data", data]).0, "as it was");
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data, "--lang", "zh-CN"]);
    assert!(well && text.contains("与封存时相同"), "{text}");
    std::fs::remove_dir_all(&second.folder).unwrap();
    let (well, text) = run(&["batch", "verify", "--data", data]);
    assert!(!well && text.matches("is missing").count() == 2, "{text}");
}

/// Alters a file of a batch and has its manifest in the database say that it is right so.
fn forge(centre: &Centre, sealed: &Sealed) -> Manifest {
    let file = sealed.folder.join("person.csv");
    flip(&file);
    let mut forged = sealed.manifest.clone();
    let entry = forged.files.iter_mut().find(|entry| entry.name == "person.csv").unwrap();
    entry.sha256 = batch::hex(&Sha256::digest(std::fs::read(&file).unwrap()));
    let sql = Connection::open(centre.folder.path().join("town.db")).unwrap();
    let like = format!("%\"{}\"%", forged.number);
    let changed =
        sql.execute("UPDATE batch SET manifest = ?1 WHERE manifest LIKE ?2", params![forged.json().unwrap(), like]);
    assert_eq!(changed.unwrap(), 1);
    forged
}

#[tokio::test]
async fn a_manifest_that_was_altered_with_its_file_is_found_by_the_audit() {
    let (centre, first, _) = sealed().await;
    let data = centre.folder.path().to_str().unwrap();
    forge(&centre, &first);
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(!well && text.contains("2026-001: its manifest does not have the checksum"), "{text}");
    assert!(run(&["batch", "verify", "2026-002", "--data", data]).0);

    // Whoever alters the audit as well has that found: the entry does not fit any more.
    let sql = Connection::open(centre.folder.path().join("town.db")).unwrap();
    sql.execute_batch("DROP TRIGGER audit_is_not_altered").unwrap();
    sql.execute("UPDATE audit SET detail = '{}' WHERE subject = '2026-001'", []).unwrap();
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(!well && text.contains("its manifest does not have the checksum"), "{text}");
    assert!(!run(&["audit", "verify", "--data", data]).0);
}

#[tokio::test]
async fn a_batch_sealed_by_an_older_version_says_that_its_manifest_was_not_noted() {
    let (centre, first, _) = sealed().await;
    let data = centre.folder.path().to_str().unwrap();
    // As that version left it: an entry without the manifest's hash, chained since.
    let sql = Connection::open(centre.folder.path().join("town.db")).unwrap();
    sql.execute_batch(
        "DROP TRIGGER audit_is_not_altered; DROP TRIGGER audit_is_not_shortened; DROP TRIGGER audit_head_stays;",
    )
    .unwrap();
    let detail = "{\"areas\":[\"2\"],\"records\":1,\"masked\":true,\"restricted\":false}";
    let all = sync_server::store::read::<_, sync_server::store::StoreError>(&*centre.app.store, TOWN, |read| {
        let mut all = Vec::new();
        read.each_audit(&mut |entry| all.push(entry))?;
        Ok(all)
    })
    .unwrap();
    sql.execute_batch("DELETE FROM audit_head").unwrap();
    let mut before = [0; 32];
    for mut entry in all {
        if entry.subject == first.manifest.number {
            entry.detail = detail.to_owned();
        }
        before = entry.hash_after(&before);
        let change = "UPDATE audit SET detail = ?2, hash = ?3 WHERE id = ?1";
        sql.execute(change, params![entry.id, entry.detail, before]).unwrap();
    }
    let head = "INSERT INTO audit_head (town, number, id, hash)
                SELECT town, number, id, hash FROM audit ORDER BY number DESC LIMIT 1";
    sql.execute(head, []).unwrap();
    let (well, text) = run(&["audit", "verify", "--data", data]);
    assert!(well, "{text}");
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(well && text.contains("older version"), "{text}");
    assert!(!run(&["batch", "verify", "2026-002", "--data", data]).1.contains("older version"));
}

#[tokio::test]
async fn a_copy_that_was_handed_out_can_be_looked_at_years_later() {
    let (centre, first, _) = sealed().await;
    let data = centre.folder.path().to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let folder: PathBuf = batch::copy_out(&first, out.path()).unwrap();
    let look = || run(&["batch", "verify", "2026-001", "--data", data, "--folder", folder.to_str().unwrap()]);
    let (well, text) = look();
    assert!(well && text.contains("2026-001: 2 files"), "{text}");
    flip(&folder.join("person.ndjson"));
    let (well, text) = look();
    assert!(!well && text.contains("the file person.ndjson was altered") && !text.contains("csv"), "{text}");

    // With its manifest: the server's own says otherwise.
    let mut forged = first.manifest.clone();
    let entry = forged.files.iter_mut().find(|entry| entry.name == "person.ndjson").unwrap();
    entry.sha256 = batch::hex(&Sha256::digest(std::fs::read(folder.join("person.ndjson")).unwrap()));
    std::fs::write(folder.join("manifest.json"), forged.json().unwrap()).unwrap();
    let (well, text) = look();
    assert!(
        !well && text.contains("manifest.json was altered") && text.contains("person.ndjson was altered"),
        "{text}"
    );
}

#[tokio::test]
async fn a_batch_whose_files_went_with_an_erased_record_is_well_unless_they_are_back() {
    let (centre, first, _) = sealed().await;
    let data = centre.folder.path().to_str().unwrap();
    let kept = std::fs::read(first.folder.join("person.csv")).unwrap();
    let line = std::fs::read_to_string(first.folder.join("person.ndjson")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let record = line["id"].as_str().unwrap();
    assert!(run(&["erase", "--data", data, "--record", record, "--reason", "request"]).0);
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(well && text.contains("went with an erased record"), "{text}");
    std::fs::create_dir_all(&first.folder).unwrap();
    std::fs::write(first.folder.join("person.csv"), kept).unwrap();
    let (well, text) = run(&["batch", "verify", "2026-001", "--data", data]);
    assert!(!well && text.contains("the file person.csv was added"), "{text}");
}

#[tokio::test]
async fn a_photo_that_was_altered_or_taken_away_is_named() {
    let centre = Centre::open().await;
    let data = centre.folder.path().to_str().unwrap();
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photos: Vec<_> = ["门口", "院子", "楼道"].map(|salt| jpeg(8, 8, salt)).into();
    let mut edit = hand.resident("张伟", GRID);
    for photo in &photos {
        link(&mut edit, &hash(photo));
    }
    applied(&hand.sync(vec![edit]).await, 0);
    for photo in &photos {
        assert_eq!(hand.deliver(photo).await.status(), 204);
    }
    let look = || run(&["blobs", "verify", "--data", data]);
    let (well, text) = look();
    assert!(well && text.contains("3 photos are whole; 0 more"), "{text}");
    assert!(text.contains("Nothing refers to 0 photos") && text.contains("30 days"), "{text}");

    let names: Vec<String> = photos.iter().map(|photo| hash(photo).to_string()).collect();
    flip(&photo_file(&centre.app, &hash(&photos[0])));
    let (well, text) = look();
    assert!(!well && text.contains(&format!("{} is damaged", names[0])), "{text}");
    assert!(text.contains("2 photos are whole") && !text.contains(&names[1]) && !text.contains(&names[2]), "{text}");
    std::fs::remove_file(photo_file(&centre.app, &hash(&photos[1]))).unwrap();
    let (well, text) = look();
    assert!(!well && text.contains(&format!("{} is missing", names[1])) && text.contains("1 photos"), "{text}");
    std::fs::write(photo_file(&centre.app, &hash(&photos[0])), &photos[0]).unwrap();
    std::fs::write(photo_file(&centre.app, &hash(&photos[1])), &photos[1]).unwrap();
    assert!(look().0, "as they were");

    // What lies there and belongs to nobody: whole it is counted, else it is told.
    let stray = jpeg(8, 8, "没有人的");
    let place = photo_file(&centre.app, &hash(&stray));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, &stray).unwrap();
    let (well, text) = look();
    assert!(well && text.contains("3 photos are whole; 1 more"), "{text}");
    flip(&place);
    std::fs::write(place.with_file_name("note.txt"), "x").unwrap();
    let (well, text) = look();
    assert!(!well && text.contains(&format!("{} is damaged", hash(&stray))) && text.contains("note.txt is no photo"));
    let (_, text) = run(&["blobs", "verify", "--data", data, "--lang", "zh-CN"]);
    assert!(text.contains("内容已损坏") && text.contains("张照片完好"), "{text}");
}
