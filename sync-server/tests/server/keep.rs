//! What the server keeps: backups made while people write, verified, restored; and what handhelds are told of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use assets::messages::{Lang, Messages};
use shared::author::Role;
use shared::outside::Outside;
use shared::record::Part;
use shared::value::Value;
use sync_server::backup::{self, BackupError, Finding, Plan};
use sync_server::store::{self, PartFilter};
use sync_server::{App, AppState};
use tempfile::TempDir;

fn make(centre: &Centre, to: &Path) -> backup::Made {
    loop {
        match backup::make(&centre.app, to, usize::MAX) {
            // Another test of this process is starting a program, which has our lock too until it runs.
            Err(BackupError::Busy) => std::thread::sleep(std::time::Duration::from_millis(2)),
            made => return made.unwrap(),
        }
    }
}

fn keys(found: &[Finding]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.key).collect()
}

fn verify(centre: &Centre, folder: &Path) -> Vec<Finding> {
    let found = backup::verify_backup(folder, &centre.app.calendar).unwrap().1;
    for lang in [Lang::Zh, Lang::En] {
        for finding in &found {
            let text = finding.text(&Messages::of(lang));
            assert!(!text.contains("keep-found") && !text.contains('{'), "{text}");
        }
    }
    found
}

fn backups(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains("backup-") || name.contains("making") || name.contains("going"));
    names.sort();
    names
}

fn restored(centre: &Centre, folder: &Path) -> (TempDir, App, backup::Restored) {
    let other = tempfile::tempdir().unwrap();
    let data = other.path().join("data");
    // Empty is as good as not there.
    std::fs::create_dir(&data).unwrap();
    let done = backup::restore(folder, &data, None, centre.clock.clone()).unwrap();
    let app = AppState::open(&data, centre.clock.clone()).unwrap();
    (other, app, done)
}

fn titles(app: &App) -> Vec<String> {
    store::read::<_, store::StoreError>(&*app.store, TOWN, |read| {
        let mut titles = Vec::new();
        read.each_part(&PartFilter::default(), &mut |part| {
            titles.push(part.title);
            Ok(true)
        })?;
        Ok(titles)
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_people_write_is_whole_and_comes_back_under_a_new_epoch() {
    let centre = Arc::new(Centre::open().await);
    let to = tempfile::tempdir().unwrap();
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let photo = jpeg(8, 8, "门口");
    let mut before = alice.resident("早就登记的", GRID);
    link(&mut before, &hash(&photo));
    alice.sync(vec![before]).await;
    assert_eq!(alice.deliver(&photo).await.status(), 204);

    // Ten backups, one after the other, and residents recorded as long as that takes.
    let (app, folder) = (centre.app.clone(), to.path().to_owned());
    let slot = alice.slot;
    let making = tokio::task::spawn_blocking(move || {
        let one = |_| {
            let made = backup::make(&app, &folder, usize::MAX).unwrap().folder;
            // What the handheld is told is what this very backup holds, whatever came since.
            let upto = |store: &dyn store::Store| {
                store::read::<_, store::StoreError>(store, TOWN, |read| {
                    Ok((read.slot(slot)?.unwrap().high_water, read.backed_up(slot)?))
                })
            };
            let copy = store::sqlite::SqliteStore::open_read_only(&made.join("town.db")).unwrap();
            let (held, _) = upto(&copy).unwrap();
            let (now, told) = upto(&*app.store).unwrap();
            assert_eq!(told, held);
            (made, now > held)
        };
        (0..10).map(one).collect::<Vec<(PathBuf, bool)>>()
    });
    let mut saved = 1;
    while !making.is_finished() {
        let edit = alice.resident(&format!("居民{saved}"), GRID);
        applied(&alice.sync(vec![edit]).await, 0);
        saved += 1;
    }
    let (made, overtaken): (Vec<PathBuf>, Vec<bool>) = making.await.unwrap().into_iter().unzip();
    assert!(overtaken.contains(&true), "somebody wrote while a backup was made");
    let after = make(&centre, to.path());
    for folder in made.iter().chain([&after.folder]) {
        assert_eq!(verify(&centre, folder), [], "{}", folder.display());
    }
    assert_eq!(backups(to.path()).len(), 11);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&after.folder.metadata().unwrap().permissions()) & 0o777, 0o700);

    let (_kept, app, done) = restored(&centre, &after.folder);
    assert_eq!(titles(&app).len(), saved);
    assert_eq!(app.key, centre.app.key);
    #[cfg(unix)]
    for key in [after.folder.join("server.key"), app.data.join("server.key")] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
    assert_eq!(app.blobs.read(&hash(&photo)).unwrap(), photo);
    assert_eq!((done.epoch, app.store.epoch().unwrap()), (done.epoch, done.epoch));
    assert!(i64::from(done.epoch) >= 1_795_400_000, "{}", done.epoch);
    assert_eq!(backup::verify_data(&app).unwrap(), []);
    // The console writes as somebody new in the new epoch.
    let slot =
        |app: &App| store::write(&*app.store, TOWN, |tx| sync_server::sync::accept::console_slot(app, tx)).unwrap();
    assert_ne!(slot(&app), slot(&centre.app));

    // The same backup once more, a little later: an epoch of its own again.
    centre.clock.advance(chrono::TimeDelta::seconds(1));
    assert!(restored(&centre, &after.folder).2.epoch > done.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_light_waits_for_a_backup_with_every_edit_and_photo() {
    let centre = Centre::open().await;
    let to = tempfile::tempdir().unwrap();
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let first = alice.resident("张伟", GRID);
    let foreign = alice.resident("邻格居民", FAR_GRID);
    let answer = alice.sync(vec![first, foreign]).await;
    applied(&answer, 0);
    rejected(&answer, 1);
    assert_eq!((answer.high_water, answer.backed_up), (2, 0), "nothing is backed up yet");
    make(&centre, to.path());
    assert_eq!(alice.sync(vec![]).await.backed_up, 2, "quarantine included");

    let photo = jpeg(8, 8, "房屋");
    let mut third = alice.resident("李强", GRID);
    link(&mut third, &hash(&photo));
    let mut fourth = alice.resident("王芳", FAR_GRID);
    let other = jpeg(8, 8, "邻格");
    link(&mut fourth, &hash(&other));
    let fifth = alice.resident("赵敏", GRID);
    let answer = alice.sync(vec![third, fourth, fifth]).await;
    assert_eq!((answer.high_water, answer.backed_up, answer.wanted.len()), (5, 2, 2));
    make(&centre, to.path());
    assert_eq!(alice.sync(vec![]).await.backed_up, 2, "the photo of the third is not here yet");
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    assert_eq!(alice.sync(vec![]).await.backed_up, 2, "here, but in no backup");
    make(&centre, to.path());
    assert_eq!(alice.sync(vec![]).await.backed_up, 3, "the photo of the rejected fourth is still missing");
    assert_eq!(alice.deliver(&other).await.status(), 204);
    make(&centre, to.path());
    assert_eq!(alice.sync(vec![]).await.backed_up, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_lost_on_the_servers_disk_is_asked_for_again() {
    let centre = Centre::open().await;
    let to = tempfile::tempdir().unwrap();
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let photos = [jpeg(8, 8, "一"), jpeg(8, 8, "二")];
    let mut edit = alice.resident("张伟", GRID);
    for photo in &photos {
        link(&mut edit, &hash(photo));
    }
    alice.sync(vec![edit]).await;
    for photo in &photos {
        assert_eq!(alice.deliver(photo).await.status(), 204);
    }
    assert!(alice.sync(vec![]).await.wanted.is_empty());
    std::fs::remove_file(photo_file(&centre.app, &hash(&photos[0]))).unwrap();
    std::fs::write(photo_file(&centre.app, &hash(&photos[1])), b"rotten").unwrap();
    assert_eq!(keys(&backup::verify_data(&centre.app).unwrap()).len(), 2);
    let made = make(&centre, to.path());
    assert_eq!(made.wanted_again, 2);
    assert_eq!(verify(&centre, &made.folder), []);
    let answer = alice.sync(vec![]).await;
    assert_eq!((answer.wanted.len(), answer.backed_up), (2, 0), "not whole without its photos");
    for photo in &photos {
        assert_eq!(alice.deliver(photo).await.status(), 204);
    }
    assert_eq!(make(&centre, to.path()).wanted_again, 0);
    assert_eq!(alice.sync(vec![]).await.backed_up, 1);
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_finds_one_flipped_byte_and_one_altered_value() {
    let centre = Centre::open().await;
    let to = tempfile::tempdir().unwrap();
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let who = resident(&mut alice, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let photo = jpeg(8, 8, "门");
    let mut edit = alice.change(who, &[]);
    link(&mut edit, &hash(&photo));
    alice.sync(vec![edit]).await;
    alice.deliver(&photo).await;

    let flip = |path: PathBuf| {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        // A file of its own: the backup shares its bytes with the data folder.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    };
    let made = make(&centre, to.path());
    let entry = made.manifest.files.iter().find(|entry| entry.path.starts_with("blobs/")).unwrap();
    for path in [entry.path.clone(), "town.db".to_owned(), "server.key".to_owned()] {
        let made = make(&centre, to.path());
        flip(made.folder.join(&path));
        let found = verify(&centre, &made.folder);
        assert_eq!((keys(&found), found[0].args[0].1.clone()), (vec!["keep-found-bytes"], path));
        let refused = backup::restore(&made.folder, &to.path().join("put-back"), None, centre.clock.clone());
        assert!(matches!(refused, Err(BackupError::NotWhole(_))), "{refused:?}");
        assert!(!to.path().join("put-back").exists());
    }

    // One value changed behind the back of the server, its vector left as it was; and where a record lies.
    let db = rusqlite::Connection::open(centre.app.data.join("town.db")).unwrap();
    let alter = |sql: &str| assert_eq!(db.execute(sql, []).unwrap(), 1);
    alter("UPDATE part SET state = replace(state, '13912345678', '13912345679')");
    let made = make(&centre, to.path());
    assert_eq!(keys(&verify(&centre, &made.folder)), ["keep-found-altered"]);
    assert_eq!(keys(&backup::verify_data(&centre.app).unwrap()), ["keep-found-altered"]);
    alter("UPDATE part SET state = replace(state, '13912345679', '13912345678')");
    alter("UPDATE part SET areas = ',12,'");
    assert_eq!(keys(&backup::verify_data(&centre.app).unwrap()), ["keep-found-beside"]);
    alter("UPDATE part SET areas = ',11,'");
    alter(&format!("UPDATE slot SET high_water = 1 WHERE slot = {}", alice.slot));
    assert_eq!(keys(&backup::verify_data(&centre.app).unwrap()), ["keep-found-high-water"]);
    alter(&format!("UPDATE slot SET high_water = 2 WHERE slot = {}", alice.slot));
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
    alter("DELETE FROM part");
    assert_eq!(keys(&backup::verify_data(&centre.app).unwrap()), ["keep-found-no-part"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn restoring_refuses_what_it_could_harm() {
    let centre = Centre::open().await;
    let to = tempfile::tempdir().unwrap();
    centre.clock.advance(chrono::TimeDelta::days(1));
    let made = make(&centre, to.path());
    let restore = |from: &Path, data: &Path, outside: Arc<dyn Outside>| backup::restore(from, data, None, outside);
    let running = restore(&made.folder, centre.folder.path(), centre.clock.clone());
    assert!(matches!(running, Err(BackupError::NotEmpty)), "{running:?}");
    let none = restore(to.path(), &to.path().join("put-back"), centre.clock.clone());
    assert!(matches!(none, Err(BackupError::NoBackup)), "{none:?}");
    let behind = restore(&made.folder, &to.path().join("put-back"), Arc::new(Clock::default()));
    assert!(matches!(behind, Err(BackupError::ClockBehind)), "{behind:?}");
    let manifest = made.folder.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let newer = restore(&made.folder, &to.path().join("put-back"), centre.clock.clone());
    assert!(matches!(newer, Err(BackupError::FromTheFuture)), "{newer:?}");
    std::fs::write(&manifest, text.replace("server.key", "../server.key")).unwrap();
    let outside = restore(&made.folder, &to.path().join("put-back"), centre.clock.clone());
    assert!(matches!(outside, Err(BackupError::NotWhole(_))), "{outside:?}");
    assert!(!to.path().join("put-back").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_schedule_old_ones_go_failures_are_told_and_two_do_not_meet() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    assert!(desk.page("/console").await.contains("还没有做过备份"));
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join("backups");
    let plan = Plan { to: to.clone(), every: std::time::Duration::from_secs(3_600), keep: 2 };
    // Whoever says that it is due; at the end nobody does any more.
    let run = async |times: usize| {
        let (say, due) = tokio::sync::mpsc::channel(10);
        for _ in 0..times {
            say.send(()).await.unwrap();
        }
        drop(say);
        backup::on_schedule(centre.app.clone(), plan.clone(), due).await;
    };
    // What a backup that died left is cleared away; what is no backup is left alone.
    std::fs::create_dir_all(to.join(".making-dead")).unwrap();
    std::fs::create_dir_all(to.join("backup-of-my-photos")).unwrap();
    run(1).await;
    let first = backups(&to);
    centre.clock.advance(chrono::TimeDelta::hours(1));
    run(1).await;
    centre.clock.advance(chrono::TimeDelta::hours(1));
    run(1).await;
    let kept = backups(&to);
    assert_eq!(kept.len(), 3, "two backups and the folder that is none: {kept:?}");
    assert!(!kept.contains(&first[0]) && kept.contains(&"backup-of-my-photos".to_owned()), "{first:?} {kept:?}");

    // What an erasure could not take off the disk goes with the next one.
    store::write::<_, store::StoreError>(&*centre.app.store, TOWN, |tx| tx.set_meta("to_sweep", "1")).unwrap();
    run(1).await;
    let due = store::read::<_, store::StoreError>(&*centre.app.store, TOWN, |read| read.meta("to_sweep")).unwrap();
    assert_eq!(due.as_deref(), Some(""));
    let kept = backups(&to);

    // While another process makes one.
    let other = std::fs::File::open(to.join(".lock")).unwrap();
    other.lock().unwrap();
    assert!(matches!(backup::make(&centre.app, &to, 2), Err(BackupError::Busy)));
    drop(other);
    assert_eq!(backup::State::read(&*centre.app.store).unwrap().failed, None, "leaving one out is no failure");
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/terminals").await;
    assert!(page.contains("最近一次") && !page.contains("的备份失败"), "{page}");

    // The disk of the backups is gone: a file stands in its place.
    std::fs::rename(&to, root.path().join("aside")).unwrap();
    std::fs::write(&to, "").unwrap();
    centre.clock.advance(chrono::TimeDelta::hours(1));
    run(1).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console").await;
    assert!(page.contains("的备份失败") && page.contains("数据库或文件读写出错"), "{page}");
    assert!(page.contains("最近一次"), "the last good one is still told: {page}");
    std::fs::remove_file(&to).unwrap();
    std::fs::rename(root.path().join("aside"), &to).unwrap();
    assert_eq!(backups(&to), kept, "none of the good ones went");
    run(1).await;
    assert!(!desk.page("/console").await.contains("的备份失败"));
    // A backup of the future stays out of nobody's way: the one just made is never the one that goes.
    centre.clock.advance(chrono::TimeDelta::days(-300));
    let made = backup::make(&centre.app, &to, 1).unwrap();
    assert!(made.folder.is_dir());
    assert_eq!(backups(&to).len(), 2);
}

#[test]
fn the_commands_say_in_words_what_they_did_and_whether_it_is_well() {
    let root = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sync-server"));
        let done = command.current_dir(root.path()).env("LANG", "en_GB.UTF-8").args(args).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (done.status.success(), text)
    };
    assert!(run(&["init", "--data", "data"]).0);
    let (well, text) = run(&["backup", "--data", "data", "--to", "backups"]);
    assert!(well && text.contains("made and verified"), "{text}");
    let name = backups(&root.path().join("backups")).pop().unwrap();
    let folder = format!("backups/{name}");
    let (well, text) = run(&["verify", "--backup", &folder]);
    assert!(well && text.contains("nothing is wrong"), "{text}");
    assert!(run(&["verify", "--data", "data"]).0);
    let (well, text) = run(&["restore", "--from", &folder, "--data", "data"]);
    assert!(!well && text.contains("not empty"), "{text}");
    let (well, text) = run(&["restore", "--from", &folder, "--data", "again"]);
    assert!(well && text.contains("new epoch") && !text.contains("erased.list"), "{text}");
    std::fs::remove_file(root.path().join("backups/erased.list")).unwrap();
    let (well, text) = run(&["restore", "--from", &folder, "--data", "once-more"]);
    assert!(well && text.contains("erased.list"), "nobody knows who was erased: {text}");
    std::fs::write(root.path().join(&folder).join("server.key"), [7; 32]).unwrap();
    let (well, text) = run(&["verify", "--backup", &folder]);
    assert!(!well && text.contains("server.key does not have the checksum"), "{text}");
    assert!(!run(&["verify"]).0, "of what?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_finds_what_it_sent_in_the_restored_server() {
    let centre = Centre::open().await;
    let to = tempfile::tempdir().unwrap();
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let who = resident(&mut alice, "张伟", GRID, &[]).await;
    let made = make(&centre, to.path());
    resident(&mut alice, "备份之后", GRID, &[]).await;
    let (_kept, app, done) = restored(&centre, &made.folder);
    assert_eq!(titles(&app), ["张伟"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(sync_server::http::serve(app.clone(), listener, std::future::pending()));
    let request = alice.request(vec![]);
    let response = centre.http.post(format!("{url}/api/v1/sync")).bearer_auth(&alice.token).json(&request).send();
    let told = answer(response.await.unwrap()).await;
    assert!(told.refill && told.epoch == done.epoch, "{told:?}");
    assert_eq!((told.high_water, told.backed_up), (1, 1), "the backup it comes from holds it");
    assert!(told.items.iter().any(|item| item.id == who && item.part == Part::Open));
    assert_eq!(told.items.iter().filter(|item| !item.is_gone()).count(), 1);
}
