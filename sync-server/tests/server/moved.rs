//! A town that moves to PostgreSQL and back: nobody notices.

use std::process::Command;

use reqwest::StatusCode;
use shared::author::Role;
use shared::record::Part;
use shared::value::Value;

use crate::common::postgres::Cluster;
use crate::common::program::Program;
use crate::common::*;

fn migrate(folder: &std::path::Path, to: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    let done = command.arg("migrate-store").arg("--data").arg(folder).arg("--to").arg(to).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn to_postgresql_and_back_handhelds_keep_slots_tokens_and_cursors() {
    let folder = tempfile::tempdir().unwrap();
    // A file, whatever the other stories are told to.
    drop(sync_server::store::place::open_file(folder.path()).unwrap());
    let centre = Centre::over(folder, std::sync::Arc::default(), |_| {}).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    let resident = alice.resident("周文\\博", GRID);
    let event = alice.event("路灯不亮", GRID);
    let care = [
        ("care_services/meals", Value::of(&true)),
        ("care_reason", Value::text("独居")),
        ("care_until", Value::text("2027-01-01")),
    ];
    let care = alice.care(resident.record, &care);
    let foreign = alice.resident("外\t面\\的\n人\u{0}", FOREIGN_GRID);
    let first = alice.sync(vec![resident.clone(), event.clone(), care, foreign]).await;
    (0..3).for_each(|place| assert!(!applied(&first, place).is_empty()));
    rejected(&first, 3);
    bob.catch_up().await;
    let folder = centre.folder.path();
    let cluster = Cluster::start().unwrap();
    let address = cluster.database("town").unwrap();

    // Two that are not what they should be: nothing happens.
    let (done, said) = migrate(folder, "postgres://wei:geheim@nirgends:x/y");
    assert!(!done && !said.contains("geheim"), "{said}");
    cluster.sql_in("town", "CREATE TABLE area (id INTEGER)").unwrap();
    let (done, said) = migrate(folder, &address);
    assert!(!done, "{said}");
    cluster.sql_in("town", "DROP TABLE area").unwrap();
    alice.catch_up().await;

    for (to, back) in [(address.as_str(), false), ("sqlite", true)] {
        let (done, said) = migrate(folder, to);
        assert!(done && said.contains("the same"), "{said}");
        assert_eq!((folder.join("database").exists(), folder.join("town.db").exists()), (!back, back));
        if !back {
            let looked = cluster.sql_in("town", "SELECT count(*) > 0 FROM pg_stats WHERE tablename LIKE 'part%'");
            assert_eq!(looked.unwrap(), "t", "PostgreSQL knows what is in its tables before anybody comes");
        }
        // The server of before still runs on what was left: it refuses, and loses nothing.
        let late = alice.change(resident.record, &[("phone", Value::text("13912345678"))]);
        let refused = alice.try_sync(vec![late.clone()]).await;
        assert!(refused.status().is_server_error(), "{}", refused.status());
        let server = Program::start(&["serve", "--data", folder.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        for hand in [&mut alice, &mut bob] {
            let url = format!("{}/api/v1/sync", server.url);
            let edits = if hand.slot == late.dot.slot { vec![late.clone()] } else { vec![] };
            let asked = centre.http.post(url).bearer_auth(&hand.token).json(&hand.request(edits.clone()));
            let response = asked.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let answer = answer(response).await;
            assert!(!answer.refill, "its cursor holds");
            assert!(answer.items.len() <= 1, "nothing comes twice: {}", answer.items.len());
            hand.take(&answer, &edits);
        }
        assert_eq!(bob.shown(resident.record, "phone"), "13912345678");
        assert!(alice.holds(resident.record, Part::Restricted));
    }
    // There is somebody there already.
    let (done, said) = migrate(folder, &address);
    assert!(!done && said.contains("exists already"), "{said}");
    assert!(folder.join("town.db").exists() && !folder.join("database").exists());
}
