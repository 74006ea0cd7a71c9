//! The data folder: who may read it, and what goes on although a file in it is damaged.

use std::path::Path;

use crate::common::audit::run;

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
    let app = sync_server::commands::open(&data).unwrap();
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
