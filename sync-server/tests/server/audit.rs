//! The chain of the audit: nobody alters an entry, takes one out or puts one in unseen. What the commands say is read as
//! whoever runs them reads it.

use std::path::{Path, PathBuf};

use crate::common::audit::*;
use crate::common::desk::*;
use crate::common::*;
use rusqlite::{Connection, params};
use shared::area::AreaId;
use sync_server::AppState;
use sync_server::audit::{Fault, check};
use sync_server::store::AuditEntry;
use tempfile::TempDir;

/// Makes a backup as a process: one made in this one shares its lock with every program another test is starting.
fn back_up(centre: &Centre, to: &Path) -> PathBuf {
    let (data, to) = (centre.folder.path().to_str().unwrap(), to.to_str().unwrap());
    let (well, text) = run(&["backup", "--data", data, "--to", to]);
    assert!(well, "{text}");
    let mut made = std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path());
    made.find(|path| path.join("manifest.json").exists()).unwrap()
}

/// The database of a centre in a folder of its own, to be tampered with.
fn copy(centre: &Centre) -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("town.db");
    let from = Connection::open(centre.folder.path().join("town.db")).unwrap();
    from.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    (folder, Connection::open(to).unwrap())
}

/// The time of an entry as the commands write it.
fn written(entry: &AuditEntry) -> String {
    sync_server::export::show::beijing(entry.at()).format("%Y-%m-%d %H:%M:%S").to_string()
}

#[tokio::test]
async fn what_nobody_touched_fits_and_its_head_can_be_written_down() {
    let centre = busy().await;
    let data = centre.folder.path();
    let (well, text) = verify(data);
    let of_town = entries(&centre.app, TOWN);
    assert!(well, "{text}");
    for said in [
        format!("一条山镇: {} entries", of_town.len()),
        written(&of_town[0]),
        written(of_town.last().unwrap()),
        "寺滩乡: 5 entries".to_owned(),
    ] {
        assert!(text.contains(&said), "{said}: {text}");
    }
    assert_eq!(text.matches("Nothing is wrong").count(), 2, "{text}");
    let heads: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Head: "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(heads.len(), 2, "{text}");

    // Days later more has been done; what was written down is still there.
    Desk::logged_in(&centre, "staff").await;
    let data = data.to_str().unwrap();
    let (well, text) = run(&["audit", "verify", "--data", data, "--head", &heads[0], "--head", &heads[1]]);
    assert!(well, "{text}");
    let id = heads[0].split(':').next().unwrap();
    let wrong = format!("{id}:{}", "0".repeat(64));
    let (well, text) = run(&["audit", "verify", "--data", data, "--head", &wrong]);
    assert!(!well && text.contains(&wrong), "{text}");
    assert!(!run(&["audit", "verify", "--data", data, "--head", "12"]).0, "no head at all");

    let chinese = ["audit", "verify", "--data", data, "--lang", "zh-CN"];
    assert!(run(&chinese).1.contains("完好"), "{}", run(&chinese).1);
}

#[tokio::test]
async fn an_entry_that_was_altered_is_named() {
    let centre = busy().await;
    let of_town = entries(&centre.app, TOWN);
    let third = &of_town[2];
    for (column, value) in
        [("detail", "'x'"), ("subject", "'x'"), ("action", "'x'"), ("at", "at + 1"), ("user", "NULL")]
    {
        let (folder, sql) = copy(&centre);
        without_triggers(&sql);
        sql.execute(&format!("UPDATE audit SET {column} = {value} WHERE id = ?1"), [third.id]).unwrap();
        drop(sql);
        let (well, text) = verify(folder.path());
        assert!(!well && text.contains(&format!("entry {} of the audit", third.id)), "{column}: {text}");
        assert_eq!(text.matches("Nothing is wrong").count(), 1, "the other town is well: {text}");
    }

    // Who knows how entries are hashed makes the altered one fit, and has the next one tell.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    let forged = AuditEntry { detail: "x".to_owned(), ..third.clone() };
    let hash = forged.hash_after(&of_town[1].hash);
    sql.execute("UPDATE audit SET detail = 'x', hash = ?2 WHERE id = ?1", params![third.id, hash]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    let next = format!("entry {} of the audit ({})", of_town[3].id, written(&of_town[3]));
    assert!(!well && text.contains(&next), "{next}: {text}");

    // And at the end the head tells.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    let [.., before, last] = of_town.as_slice() else { panic!("two entries") };
    let hash = AuditEntry { action: "x".to_owned(), ..last.clone() }.hash_after(&before.hash);
    sql.execute("UPDATE audit SET action = 'x', hash = ?2 WHERE id = ?1", params![last.id, hash]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains(&format!("entry {} of the audit", last.id)), "{text}");
}

#[tokio::test]
async fn entries_that_were_deleted_are_missed() {
    let centre = busy().await;
    let of_town = entries(&centre.app, TOWN);
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    sql.execute("DELETE FROM audit WHERE id IN (?1, ?2)", [of_town[2].id, of_town[3].id]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    let said = format!("2 missing in the audit before entry {} ({})", of_town[4].id, written(&of_town[4]));
    assert!(!well && text.contains(&said), "{said}: {text}");

    // The newest one; and it is missed still after the server has gone on.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    let last = of_town.last().unwrap();
    sql.execute("DELETE FROM audit WHERE id = ?1", [last.id]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    let said = format!("1 missing at the end of the audit, which should go to entry {}", last.id);
    assert!(!well && text.contains(&said), "{said}: {text}");
    let data = folder.path().to_str().unwrap();
    assert!(run(&["enrol-code", "--data", data, "--login", "wei"]).0);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains("1 missing in the audit before entry"), "{text}");

    // All of a town.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    sql.execute("DELETE FROM audit WHERE town = ?1", [TOWN.0]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains(&format!("{} missing at the end", of_town.len())), "{text}");

    // The head with it.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    sql.execute("DELETE FROM audit_head WHERE town = ?1", [TOWN.0]).unwrap();
    drop(sql);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains("nothing says which is the last"), "{text}");
}

fn insert(sql: &Connection, entry: &AuditEntry) {
    sql.execute(
        "INSERT INTO audit (id, town, number, at, user, action, subject, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            entry.id,
            entry.town.0,
            entry.number,
            entry.at,
            entry.user,
            entry.action,
            entry.subject,
            entry.detail,
            entry.hash
        ],
    )
    .unwrap();
}

#[tokio::test]
async fn an_entry_that_was_put_in_is_named() {
    let centre = busy().await;
    let of_town = entries(&centre.app, TOWN);
    let last = of_town.last().unwrap();
    let mut forged = AuditEntry { id: last.id + 100, number: last.number + 1, ..last.clone() };
    forged.hash = forged.hash_after(&last.hash).to_vec();
    // At the end it would fit, but for the head.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    insert(&sql, &forged);
    drop(sql);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains(&format!("entry {} of the audit", forged.id)), "{text}");

    // In between, where all later ones have to make room.
    let (folder, sql) = copy(&centre);
    without_triggers(&sql);
    let later = &of_town[3..];
    for entry in later.iter().rev() {
        sql.execute("UPDATE audit SET number = number + 1 WHERE id = ?1", [entry.id]).unwrap();
    }
    let mut between = AuditEntry { number: later[0].number, ..forged };
    between.hash = between.hash_after(&of_town[2].hash).to_vec();
    insert(&sql, &between);
    drop(sql);
    let (well, text) = verify(folder.path());
    assert!(!well && text.contains(&format!("entry {} of the audit", later[0].id)), "the one after it: {text}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_alter_it() {
    let centre = busy().await;
    let (_folder, sql) = copy(&centre);
    let last: i64 = sql.query_row("SELECT max(id) FROM audit", [], |row| row.get(0)).unwrap();
    for statement in [
        "UPDATE audit SET detail = 'x' WHERE id = ?1",
        "DELETE FROM audit WHERE id = ?1",
        "REPLACE INTO audit SELECT id, town, number, at, user, 'x', subject, detail, hash FROM audit WHERE id = ?1",
        "REPLACE INTO audit SELECT id + 1, town, number, at, user, 'x', subject, detail, hash FROM audit WHERE id = ?1",
        "UPDATE audit_head SET hash = zeroblob(32) WHERE id = ?1",
        "DELETE FROM audit_head WHERE id = ?1",
        "REPLACE INTO audit_head SELECT town, number, id, zeroblob(32) FROM audit_head WHERE id = ?1",
    ] {
        let error = sql.execute(statement, [last]).unwrap_err().to_string();
        assert!(error.contains("of the audit only goes on") || error.contains("only added to"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn what_was_rewritten_to_the_head_is_found_by_what_lies_elsewhere() {
    let centre = busy().await;
    let to = tempfile::tempdir().unwrap();
    let made = back_up(&centre, to.path());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(made.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["audit"][0]["town"], &manifest["audit"][1]["town"]), (&2.into(), &9.into()));
    let head = manifest["audit"][0]["head"].as_str().unwrap().to_owned();

    let of_town = entries(&centre.app, TOWN);
    let [.., before, last] = of_town.as_slice() else { panic!("two entries") };
    let (folder, sql) = copy(&centre);
    let data = folder.path().to_str().unwrap();
    let against = ["audit", "verify", "--data", data, "--backup", made.to_str().unwrap()];
    assert!(run(&against).0, "{}", run(&against).1);
    without_triggers(&sql);
    sql.execute("DELETE FROM audit WHERE id = ?1", [last.id]).unwrap();
    let all = "UPDATE audit_head SET id = ?2, number = ?3, hash = ?4 WHERE town = ?1";
    sql.execute(all, params![TOWN.0, before.id, before.number, before.hash]).unwrap();
    drop(sql);
    assert!(verify(folder.path()).0, "the chain alone cannot show it");
    for elsewhere in [against, ["audit", "verify", "--data", data, "--head", &head]] {
        let (well, text) = run(&elsewhere);
        assert!(!well && text.contains(&head), "{text}");
    }
}

#[tokio::test]
async fn erasing_restoring_and_a_new_epoch_leave_the_chain_whole() {
    let centre = busy().await;
    let wei = centre.app.store.user_by_login("wei").unwrap().unwrap();
    let mut hand = centre.enrol(&wei).await;
    let record = resident(&mut hand, "欧阳甲", GRID, &[]).await;
    let to = tempfile::tempdir().unwrap();
    let made = back_up(&centre, to.path());
    let (data, record) = (centre.folder.path().to_str().unwrap(), record.to_string());
    assert!(run(&["erase", "--data", data, "--record", &record, "--reason", "request"]).0);
    let (well, text) = verify(centre.folder.path());
    assert!(well, "{text}");
    let erased = entries(&centre.app, TOWN).into_iter().any(|entry| entry.action == "audit-erase");
    assert!(erased && entries(&centre.app, TOWN).iter().all(|entry| !format!("{entry:?}").contains("欧阳")));

    let again = to.path().join("again");
    let (well, text) =
        run(&["restore", "--from", made.to_str().unwrap(), "--data", again.to_str().unwrap(), "--erased", data]);
    assert!(well, "{text}");
    let (well, text) = verify(&again);
    assert!(well, "{text}");
    let app = AppState::open(&again, centre.clock.clone()).unwrap();
    let actions: Vec<String> = entries(&app, TOWN).into_iter().map(|entry| entry.action).collect();
    assert!(actions.contains(&"audit-epoch".to_owned()) && actions.contains(&"audit-erase".to_owned()), "{actions:?}");
    // A backup is looked at as well, by the commands that look at all of it.
    assert!(run(&["verify", "--data", again.to_str().unwrap()]).0);
    drop(app);
    let sql = Connection::open(again.join("town.db")).unwrap();
    without_triggers(&sql);
    sql.execute("UPDATE audit SET detail = 'x' WHERE number = 1 AND town = ?1", [TOWN.0]).unwrap();
    drop(sql);
    let (well, text) = run(&["verify", "--data", again.to_str().unwrap()]);
    assert!(!well && text.contains("does not follow the one before it"), "{text}");
}

#[test]
fn an_audit_of_an_older_version_is_chained_as_it_stood() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/released");
    let mut tried = 0;
    for released in std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for old in std::fs::read_dir(released).unwrap().map(|entry| entry.unwrap().path()) {
            let name = old.file_name().unwrap().to_str().unwrap();
            let Some(version) = name.strip_prefix("town-").and_then(|name| name.strip_suffix(".db")) else { continue };
            if version.parse::<u32>().unwrap() > 6 {
                continue;
            }
            tried += 1;
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("town.db");
            std::fs::copy(&old, &file).unwrap();
            let sql = Connection::open(&file).unwrap();
            // Of two towns by turns, with gaps, and one above the towns; who and nobody.
            for n in 1..=9_i64 {
                let (town, user) = (n % 3, (n % 2 == 0).then(|| vec![7_u8; 16]));
                sql.execute(
                    "INSERT INTO audit (id, town, at, user, action, subject, detail) VALUES (?1, ?2, ?3, ?4, 'log_in', 'a', 'b')",
                    params![n * 10, town, 1_795_400_000_000 + n, user],
                )
                .unwrap();
            }
            drop(sql);
            let (well, text) = verify(folder.path());
            assert!(well && text.matches(": 3 entries").count() == 3, "from version {version}: {text}");
            let app = AppState::open(folder.path(), std::sync::Arc::new(Clock::default())).unwrap();
            let first = entries(&app, AreaId(1));
            let kept: Vec<_> = first.iter().map(|entry| (entry.id, entry.number, entry.at % 100)).collect();
            assert_eq!(kept, [(10, 1, 1), (40, 2, 4), (70, 3, 7)]);
            assert_eq!(first[1].user().map(|id| id.0.as_bytes().to_vec()), Some(vec![7; 16]));
            let report = check(&*app.store, &[]).unwrap();
            assert_eq!(report.towns.len(), 3);
            drop(app);

            let sql = Connection::open(&file).unwrap();
            without_triggers(&sql);
            sql.execute("DELETE FROM audit WHERE id = 40", []).unwrap();
            drop(sql);
            let app = AppState::open(folder.path(), std::sync::Arc::new(Clock::default())).unwrap();
            let faults: Vec<_> = check(&*app.store, &[]).unwrap().towns.into_iter().map(|town| town.fault).collect();
            assert!(
                matches!(faults.as_slice(), [None, Some(Fault::Missing(1, at)), None] if at.id == 70),
                "{faults:?}"
            );
        }
    }
    assert!(tried >= 5, "{tried}");
}
