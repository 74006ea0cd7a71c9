//! What a released version left is taken over by this one: same schema as a fresh start, outbox, tray and drafts whole
//! and deliverable. What a newer version left is refused in words and stays as it is.

mod make;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::{Door, Handheld};
use app::platform::Services;
use app::store::StoreError;
use assets::messages::{Lang, Messages};
use rusqlite::Connection;
use shared::ids::EditId;
use shared::path::Path as FieldPath;
use shared::value::Value;
use sync_server::store::place::PlaceError;
use sync_server::store::{self, StoreError as KeptError};
use sync_server::{App, AppState, OpenError};
use tests::near::{Line, Replay, TOWN};
use tests::process::program;
use tests::released::{self, Released};
use tests::story::Story;

/// The statements of a schema, by name.
fn schema(sql: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = sql.prepare("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn version(sql: &Connection) -> Result<u32> {
    Ok(sql.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn ids(sql: &Connection, states: &str) -> Result<Vec<EditId>> {
    let mut statement =
        sql.prepare(&format!("SELECT json ->> '$.id' FROM edit WHERE state IN ({states}) ORDER BY seq"))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|id| Ok(id?.parse()?)).collect()
}

fn texts(sql: &Connection, query: &str) -> Result<Vec<String>> {
    let mut statement = sql.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn open_handheld(folder: &Path, app: Option<&App>) -> Result<Handheld, StoreError> {
    let mut services = Services::files(folder);
    if let Some(app) = app {
        services.connect = Arc::new(Line(app.clone()));
    }
    Handheld::open(folder, services, Replay::new(9))
}

/// Copies of a released handheld and centre in these versions.
fn copies(released: &Released, handheld: u32, server: u32) -> Result<(tempfile::TempDir, PathBuf, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let (hand, town) = (dir.path().join("handheld"), dir.path().join("server"));
    released.handheld(handheld, &hand)?;
    released.server(server, &town)?;
    Ok((dir, hand, town))
}

#[test]
fn an_upgraded_database_has_the_schema_of_a_fresh_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let fresh = dir.path().join("fresh");
    drop(AppState::open(&fresh, Replay::new(1))?);
    let fresh_server = Connection::open(fresh.join("town.db"))?;
    let key = [7; 32];
    let fresh_handheld = dir.path().join("handheld.db");
    drop(app::store::Store::open(&fresh_handheld, &key, make::rules()?)?);
    let fresh_handheld = released::open_with(&fresh_handheld, &key)?;
    for released in Released::all()? {
        for old in &released.servers {
            let (_dir, _, town) = copies(&released, released.handhelds[0], *old)?;
            ensure!(version(&Connection::open(town.join("town.db"))?)? == *old, "the fixture is of another version");
            drop(AppState::open(&town, Replay::new(2))?);
            let upgraded = Connection::open(town.join("town.db"))?;
            ensure!(version(&upgraded)? == version(&fresh_server)?);
            assert_eq!(schema(&upgraded)?, schema(&fresh_server)?, "server, from version {old}");
        }
        for old in &released.handhelds {
            let (_dir, hand, _) = copies(&released, *old, released.servers[0])?;
            ensure!(version(&released::open(&hand)?)? == *old, "the fixture is of another version");
            drop(open_handheld(&hand, None)?);
            let upgraded = released::open(&hand)?;
            ensure!(version(&upgraded)? == version(&fresh_handheld)?);
            assert_eq!(schema(&upgraded)?, schema(&fresh_handheld)?, "handheld, from version {old}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_is_taken_over_and_delivered_whichever_version_it_and_the_server_come_from() -> Result<()> {
    for released in Released::all()? {
        for old in &released.handhelds {
            for server in &released.servers {
                let (_dir, hand, town) = copies(&released, *old, *server)?;
                take_over(&hand, &town)
                    .await
                    .with_context(|| format!("handheld from version {old}, server from version {server}"))?;
            }
        }
    }
    Ok(())
}

async fn take_over(hand: &Path, town: &Path) -> Result<()> {
    let (waiting, rejected, photos, drafts) = {
        let sql = released::open(hand)?;
        (
            ids(&sql, "'waiting'")?,
            ids(&sql, "'rejected'")?,
            texts(&sql, "SELECT hash FROM photo WHERE state = 'waiting' ORDER BY seq")?,
            texts(&sql, "SELECT json FROM draft ORDER BY key")?,
        )
    };
    ensure!(waiting.len() > 5 && rejected.len() == 1 && photos.len() == 2 && drafts.len() == 1, "a loaded outbox");
    let app = AppState::open(town, Replay::new(3))?;
    let handheld = open_handheld(hand, Some(&app))?;
    ensure!(handheld.notices().is_empty(), "{:?}", handheld.notices());
    let held: Vec<EditId> = handheld.store()?.waiting()?.iter().map(|waiting| waiting.edit.id).collect();
    assert_eq!(held, waiting, "the outbox in its order");
    assert_eq!(handheld.tray()?.iter().map(|item| item.edit.id).collect::<Vec<_>>(), rejected);
    let kept: Vec<_> = handheld.drafts()?.iter().map(|(key, _)| handheld.load_draft(key)).collect::<Result<_, _>>()?;
    assert_eq!(kept.into_iter().flatten().collect::<Vec<_>>(), drafts);
    assert_eq!(handheld.values(handheld.find("未上传的人")?, "phone")?, ["13700000001"], "what was saved is shown");

    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{}: {}", error.message.key, error.detail))?;
    assert_eq!(handheld.outbox_counts()?.edits, 0);
    assert_eq!(handheld.outbox_counts()?.photos, 0);
    // Every edit that waited is kept as it was saved or answered with a reason; none went missing on the way.
    let store = handheld.store()?;
    for id in &waiting {
        let (edit, _) = store.own_edit(*id)?.context("a delivered edit is kept 30 days")?;
        let on_server = store::read::<_, KeptError>(&*app.store, TOWN, |read| read.edits_of(edit.record))?;
        ensure!(on_server.iter().any(|stored| stored.edit.id == *id), "the server lacks the edit {id}");
    }
    for hash in &photos {
        app.blobs.read(&hash.parse()?).with_context(|| format!("photo {hash} on the server"))?;
    }
    // The edit in the tray can still be corrected and sent.
    let again = handheld.correct(rejected[0], [(FieldPath::field("title"), Value::text("井盖已固定"))].into())?;
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{}: {}", error.message.key, error.detail))?;
    ensure!(handheld.tray()?.is_empty(), "the tray is empty");
    let on_server = store::read::<_, KeptError>(&*app.store, TOWN, |read| read.edits_of(again.record))?;
    ensure!(on_server.iter().any(|stored| again.edits.contains(&stored.edit.id)), "the correction arrived");
    Ok(())
}

/// The bytes of a folder's files below it.
fn bytes(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(bytes(&path)?);
        } else if !path.to_string_lossy().ends_with("-shm") {
            all.push((path.clone(), fs::read(&path)?));
        }
    }
    all.sort();
    Ok(all)
}

#[test]
fn a_handheld_whose_database_a_newer_app_wrote_says_so_and_leaves_it_as_it_is() -> Result<()> {
    let released = Released::first()?;
    let (_dir, hand, _) = copies(&released, 2, 3)?;
    {
        let sql = released::open(&hand)?;
        sql.pragma_update(None, "user_version", 999)?;
        sql.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    let before = bytes(&hand.join("users"))?;
    let Door::Refused(why) = open_handheld(&hand, None)?.door() else { anyhow::bail!("it was opened") };
    ensure!(why.key == "store-from-the-future", "{why:?}");
    for lang in [Lang::Zh, Lang::En] {
        let text = why.text(&Messages::of(lang));
        ensure!(text != why.key && text.chars().count() > 10, "{text}");
    }
    assert_eq!(bytes(&hand.join("users"))?, before, "to the byte");
    Ok(())
}

#[test]
fn a_server_on_a_newer_database_refuses_to_start_in_words_and_leaves_it_as_it_is() -> Result<()> {
    let released = Released::first()?;
    let (_dir, _, town) = copies(&released, 2, 3)?;
    {
        let sql = Connection::open(town.join("town.db"))?;
        sql.pragma_update(None, "user_version", 999)?;
        sql.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    let before = bytes(&town)?;
    let Err(OpenError::Place(PlaceError::Store { source, .. })) = AppState::open(&town, Replay::new(1)) else {
        anyhow::bail!("it was opened")
    };
    ensure!(matches!(source, KeptError::FromTheFuture { found: 999, .. }), "{source}");
    // As whoever starts it sees it.
    let said = std::process::Command::new(program("sync-server")?)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&town)
        .output()?;
    ensure!(!said.status.success(), "it started");
    let said = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    ensure!(said.contains("999") && said.contains("newer"), "it says: {said}");
    assert_eq!(bytes(&town)?, before, "to the byte");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the fixtures of the schema as it is now; run once when a version is released"]
async fn make_fixtures() -> Result<()> {
    make::make(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/released")).await
}
