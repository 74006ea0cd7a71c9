//! The data folder: who may read it, and what goes on although a file in it is damaged.

use std::path::Path;

use crate::common::audit::run;
use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use sync_server::{AppState, backup};

fn backup(data: &str, to: &Path) -> (bool, String) {
    run(&["backup", "--data", data, "--to", to.to_str().unwrap()])
}

#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_reads_the_data_nor_what_is_restored() {
    use std::os::unix::fs::PermissionsExt as _;
    let rights = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let at = data.to_str().unwrap();
    assert!(run(&["init", "--data", at]).0);
    let app = AppState::open(&data, std::sync::Arc::new(sync_server::system::System)).unwrap();
    for name in ["town.db", "town.db-wal", "town.db-shm", "server.key", "outbox.key"] {
        assert_eq!(rights(&data.join(name)), 0o600, "{name}");
    }
    drop(app);
    assert_eq!(rights(&data), 0o700);
    let (well, said) = backup(at, &backups);
    assert!(well, "{said}");
    let one =
        std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let to = folder.path().join("restored");
    let (well, said) = run(&["restore", "--from", one.to_str().unwrap(), "--data", to.to_str().unwrap()]);
    assert!(well, "{said}");
    assert_eq!((rights(&to), rights(&to.join("town.db"))), (0o700, 0o600));
}

/// Every file and folder below one that somebody else on the machine may do anything with.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> Vec<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
        if std::fs::metadata(&path).unwrap().permissions().mode() & 0o077 != 0 {
            found.push(path);
        }
    }
    found
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn photos_and_batches_are_for_nobody_else_either_nor_is_a_folder_of_before() {
    use std::os::unix::fs::PermissionsExt as _;
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let photo = jpeg(8, 8, "门口");
    let mut edit = alice.resident("张伟", GRID);
    link(&mut edit, &hash(&photo));
    applied(&alice.sync(vec![edit]).await, 0);
    assert_eq!(alice.deliver(&photo).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(alice.begin(hash(b"on its way").as_str(), 100).await.status(), StatusCode::CREATED);
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/batches").await;
    desk.submit(&page, "/console/batches", &[("format", "csv"), ("since", "all")]).await;
    let data = centre.folder.path();
    assert!(data.join("batches").exists() && photo_file(&centre.app, &hash(&photo)).exists());
    assert_eq!(open_to_others(data), [""; 0].map(std::path::PathBuf::from));

    // The town's own times come back with all the rest.
    let times = "[[rule]]\nafter = \"archived\"\nyears = 9\n";
    std::fs::write(data.join("retention.toml"), times).unwrap();
    let to = tempfile::tempdir().unwrap();
    let made = backup::make(&centre.app, to.path(), 1).unwrap();
    let restored = to.path().join("restored");
    backup::restore(&made.folder, &restored, None, centre.clock.clone()).unwrap();
    assert!(restored.join("batches").exists() && restored.join("blobs/photos").exists());
    assert_eq!(open_to_others(&restored), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(std::fs::read_to_string(restored.join("retention.toml")).unwrap(), times);

    // An older program let everybody read.
    let rights = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open =
        [("town.db", 0o644), ("blobs", 0o755), ("batches", 0o755)].map(|(name, mode)| (restored.join(name), mode));
    for (path, mode) in &open {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
    let app = AppState::open(&restored, centre.clock.clone()).unwrap();
    assert_eq!(open.map(|(path, _)| rights(&path)), [0o600, 0o700, 0o700]);
    for name in ["town.db-wal", "town.db-shm"] {
        assert_eq!(rights(&restored.join(name)), 0o600, "{name}");
    }
    drop(app);
}

#[test]
fn a_damaged_certificate_or_next_key_stops_serving_in_words_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let at = data.to_str().unwrap();
    assert!(run(&["init", "--data", at]).0);
    assert!(run(&["cert", "init", "--data", at, "--name", "localhost"]).0);
    assert!(run(&["cert", "next", "--data", at]).0);
    // An address that no machine has: who gets as far as listening fails there.
    let serve = ["serve", "--data", at, "--listen", "192.0.2.1:7300"];
    assert!(run(&serve).1.contains("cannot listen"), "the certificate is well");
    for (name, what) in [("tls.pem", "certificate"), ("tls-next.key", "private key")] {
        let path = data.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, "-----BEGIN 半个文件").unwrap();
        let (well, said) = run(&serve);
        assert!(!well && said.contains(name) && said.contains(&format!("holds no {what} in PEM")), "{said}");
        assert!(said.contains("from a backup"), "what to do about it: {said}");
        for others in [&["audit", "verify", "--data", at][..], &["retention", "--data", at, "--dry-run"]] {
            let (well, said) = run(others);
            assert!(well, "{name}, {others:?}: {said}");
        }
        let (well, said) = backup(at, &backups);
        assert!(well, "{name}: {said}");
        let (well, said) = run(&["cert", "init", "--data", at, "--name", "localhost"]);
        assert!(!well && said.contains("there already"), "not overwritten: {said}");
        // Moved away, as the words say, a new one is made.
        std::fs::remove_file(&path).unwrap();
        let anew: &[&str] = if name == "tls.pem" {
            &["cert", "init", "--data", at, "--name", "localhost"]
        } else {
            &["cert", "next", "--data", at]
        };
        assert!(run(anew).0);
        assert!(run(&serve).1.contains("cannot listen"));
        std::fs::write(&path, whole).unwrap();
    }
}
