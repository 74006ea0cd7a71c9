//! Servers replaced one by one while handhelds go on: an older program works beside a newer one on what that has made of the
//! database, the next newer one it leaves alone, and one that goes takes leave first.

use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;
use shared::author::Role;
use shared::edit::Edit;
use shared::value::Value;
use shared::wire::SyncAnswer;
use sync_server::store::postgres::PostgresStore;

use crate::common::postgres::{Cluster, run, stand_in_at};
use crate::common::program::Program;
use crate::common::*;

/// A round at one of the servers, whatever it answers.
async fn try_round(hand: &Handheld<'_>, at: &Program, edits: &[Edit]) -> reqwest::Result<reqwest::Response> {
    let request = hand.request(edits.to_vec());
    let url = format!("{}/api/v1/sync", at.url);
    hand.centre.http.post(url).bearer_auth(&hand.token).json(&request).send().await
}

async fn round(hand: &mut Handheld<'_>, at: &Program, edits: &[Edit]) -> SyncAnswer {
    let told = answer(try_round(hand, at, edits).await.unwrap()).await;
    hand.take(&told, edits);
    told
}

async fn ready(at: &Program) -> StatusCode {
    reqwest::get(format!("{}/ready", at.url)).await.unwrap().status()
}

fn serve(folder: &Path, more: &[&str]) -> Program {
    let words = ["serve", "--data", folder.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    Program::start(&[&words, more].concat())
}

/// What a later program's step makes of the database, as it would: something more, and nothing less.
fn step(folder: &Path, version: u32) {
    let sql = format!(
        "BEGIN; LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE;
         ALTER TABLE part ADD COLUMN later_{version} TEXT NOT NULL DEFAULT '';
         ALTER TABLE device ADD COLUMN later_{version} BIGINT;
         CREATE TABLE later_{version} (town BIGINT NOT NULL);
         INSERT INTO schema_version (version, least) VALUES ({version}, {}); COMMIT",
        version - 1
    );
    run(folder, &sql).unwrap();
}

/// A centre with its records in a PostgreSQL of its own.
async fn on_a_cluster() -> (Cluster, Centre) {
    let cluster = Cluster::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    stand_in_at(cluster.socket(), folder.path()).unwrap();
    let centre = Centre::over(folder, std::sync::Arc::default(), |_| {}).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    (cluster, centre)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_works_beside_the_next_one_and_leaves_the_one_after_that_alone() {
    let (_cluster, centre) = on_a_cluster().await;
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&wei).await);
    let folder = centre.folder.path();
    let running = serve(folder, &[]);
    let born = alice.resident("张伟", GRID);
    applied(&round(&mut alice, &running, std::slice::from_ref(&born)).await, 0);

    let next = PostgresStore::schema() + 1;
    step(folder, next);
    let started = serve(folder, &[]);
    assert_eq!((ready(&running).await, ready(&started).await), (StatusCode::OK, StatusCode::OK));
    for (n, at) in [&running, &started, &running].into_iter().enumerate() {
        let edits = [
            alice.change(born.record, &[("phone", Value::text(&format!("1380000000{n}")))]),
            alice.event(&format!("路灯不亮{n}"), GRID),
        ];
        let told = round(&mut alice, at, &edits).await;
        (0..2).for_each(|place| drop(applied(&told, place).clone()));
        // Whoever is enrolled, or reads, at the other one sees it.
        let other = if n == 1 { &running } else { &started };
        round(&mut bob, other, &[]).await;
        assert_eq!(bob.shown(born.record, "phone"), format!("1380000000{n}"));
    }
    drop(centre.enrol(&wei).await);
    assert_eq!(
        run(folder, "SELECT max(version) FROM schema_version").unwrap(),
        next.to_string(),
        "it stays what it is"
    );

    // Two steps on it is another database, for all it knows.
    step(folder, next + 1);
    let late = alice.change(born.record, &[("phone", Value::text("13900000000"))]);
    for at in [&running, &started] {
        let refused = try_round(&alice, at, std::slice::from_ref(&late)).await.unwrap();
        assert!(refused.headers().contains_key("retry-after"));
        refusal(refused, 503).await;
        assert_eq!(ready(at).await, StatusCode::SERVICE_UNAVAILABLE, "nobody is sent here any more");
        let idle = try_round(&alice, at, &[]).await.unwrap();
        assert_eq!(idle.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut again = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    let again = again.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && said.contains("start a newer program"), "{said}");
    assert!(said.contains(&format!("version {}", next + 1)), "{said}");
    assert_eq!(run(folder, "SELECT count(*) FROM edit WHERE body LIKE '%13900000000%'").unwrap(), "0");

    // That program is there, which here is this one: the handheld, which still has its edit, sends it.
    run(folder, &format!("DELETE FROM schema_version WHERE version > {next}")).unwrap();
    let newer = serve(folder, &[]);
    applied(&round(&mut alice, &newer, &[late]).await, 0);
    round(&mut bob, &newer, &[]).await;
    assert_eq!(bob.shown(born.record, "phone"), "13900000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_leave_and_handhelds_go_on_at_the_other() {
    let (_cluster, centre) = on_a_cluster().await;
    let wei = centre.person("wei", Role::GridMember, GRID, true);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&wei).await);
    let folder = centre.folder.path();
    let mut servers = [serve(folder, &["--drain", "3"]), serve(folder, &["--drain", "3"])];
    let born = alice.resident("张伟", GRID);
    applied(&round(&mut alice, &servers[0], std::slice::from_ref(&born)).await, 0);
    let mut sent = 0;
    for place in [0, 1] {
        let other = 1 - place;
        servers[place].tell_to_end();
        // As who spreads requests does: while it says it is ready they go there, then to the other; none is lost or doubled.
        let mut there = true;
        while there {
            // It does not go without a word.
            there = ready(&servers[place]).await == StatusCode::OK;
            let edit = alice.change(born.record, &[("phone", Value::text(&format!("138{sent:08}")))]);
            // Who had already set out is answered, too.
            let first = try_round(&alice, &servers[place], std::slice::from_ref(&edit)).await;
            let first = first.ok().filter(|it| it.status() == StatusCode::OK);
            match first {
                Some(first) => {
                    let told = answer(first).await;
                    alice.take(&told, std::slice::from_ref(&edit));
                }
                None => {
                    assert!(!there, "it said that it was ready");
                    applied(&round(&mut alice, &servers[other], std::slice::from_ref(&edit)).await, 0);
                }
            }
            sent += 1;
            round(&mut bob, &servers[other], &[]).await;
            assert_eq!(bob.shown(born.record, "phone"), format!("138{:08}", sent - 1));
        }
        assert!(servers[place].ended(), "what was under way was answered");
        servers[place] = serve(folder, &["--drain", "3"]);
    }
    let edits = run(folder, &format!("SELECT count(*) FROM edit WHERE body LIKE '%{}%'", born.record)).unwrap();
    assert_eq!(edits.parse::<u64>().unwrap(), alice.n, "each once");
}
