//! Handhelds that are to hold nothing any more: revoked, wiped from afar, stolen, handed in.

use std::path::Path as FilePath;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use app::handheld::{Door, Handheld};
use app::platform::{Boxed, Paths, Services};
use app::sync::{Connect, Request, Response, Transport, TransportError, Trust};
use shared::ids::PhotoHash;
use shared::record::RecordKind;
use sync_server::App;
use sync_server::auth::enrol::make_code;
use sync_server::store::{self, Fate, StoreError};
use tests::near::{self, GRID, Line, PIN, Replay, TOWN, deliver, quick};
use tests::story::Story;

fn switched_on(folder: &FilePath, centre: &App) -> Result<Handheld> {
    let services = Services { connect: Arc::new(Line(Arc::clone(centre))), ..quick(folder) };
    let hand = Handheld::open(folder, services, Arc::new(app::system::System))?;
    near::let_in(&hand)?;
    Ok(hand)
}

async fn enrol(hand: &Handheld, centre: &App, login: &str) -> Result<()> {
    hand.enrol("http://127.0.0.1", &make_code(centre, &near::person(centre, login)?)?, PIN).await?;
    Ok(hand.sync_now().await?)
}

/// Staff say what is to become of somebody's terminal.
fn doom(centre: &App, login: &str, fate: Fate) -> Result<()> {
    let user = near::person(centre, login)?.id;
    Ok(store::write::<_, StoreError>(&*centre.store, TOWN, |tx| {
        let device = tx.devices()?.into_iter().find(|device| device.user == user).map(|device| device.id);
        tx.doom_device(device.ok_or(StoreError::Missing("the device"))?, fate, centre.outside.now())
    })?)
}

fn fate(centre: &App, login: &str) -> Result<Option<Fate>> {
    let user = near::person(centre, login)?.id;
    let devices = store::read::<_, StoreError>(&*centre.store, TOWN, |read| read.devices())?;
    let device = devices.into_iter().find(|device| device.user == user).context("a device")?;
    Ok(device.fate.map(|(fate, _)| fate))
}

fn edits(centre: &App, record: shared::ids::RecordId) -> Result<usize> {
    Ok(store::read::<_, StoreError>(&*centre.store, TOWN, |read| read.edits_of(record))?.len())
}

/// Nobody's folder and nobody's key.
fn is_blank(folder: &FilePath) -> Result<bool> {
    let paths = Paths::new(folder);
    let empty = |path: &FilePath| Ok::<_, anyhow::Error>(!path.exists() || std::fs::read_dir(path)?.next().is_none());
    Ok(empty(&paths.users())? && empty(&paths.keys())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_terminal_gets_nothing_more_and_loses_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(1))?;
    let folder = dir.path().join("hand");
    let alice = switched_on(&folder, &centre)?;
    enrol(&alice, &centre, "a").await?;
    alice.set_offline(true);
    let record = alice.create(RecordKind::Person, GRID, &[("name", "没传的")])?.record;
    doom(&centre, "a", Fate::Revoked)?;
    alice.set_offline(false);
    for _ in 0..2 {
        let error = alice.sync_now().await.err().context("the next request is refused")?;
        assert_eq!(error.message.key, "sync-revoked");
    }
    ensure!(alice.record(record)?.is_some() && edits(&centre, record)? == 0);
    // A new code, and what was not sent goes.
    enrol(&alice, &centre, "a").await?;
    assert_eq!((edits(&centre, record)?, alice.outbox_counts()?.edits), (1, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_to_be_wiped_delivers_first_and_then_nothing_is_left() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(2))?;
    let folder = dir.path().join("hand");
    let alice = switched_on(&folder, &centre)?;
    enrol(&alice, &centre, "a").await?;
    alice.set_offline(true);
    let record = alice.create(RecordKind::Person, GRID, &[("name", "要先传的")])?.record;
    doom(&centre, "a", Fate::Wipe)?;
    alice.set_offline(false);
    alice.sync_now().await?;
    assert_eq!(edits(&centre, record)?, 1, "first what was not sent");
    ensure!(alice.door() == Door::Enrol && is_blank(&folder)?);
    assert_eq!(fate(&centre, "a")?, Some(Fate::Wiped));
    ensure!(alice.notices().iter().any(|notice| notice.key == "sync-wiped"), "it is said why");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_terminal_erases_everybody_at_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(3))?;
    let folder = dir.path().join("hand");
    let hand = switched_on(&folder, &centre)?;
    enrol(&hand, &centre, "b").await?;
    hand.set_offline(true);
    hand.create(RecordKind::Person, GRID, &[("name", "乙的")])?;
    hand.lock();
    hand.set_offline(false);
    enrol(&hand, &centre, "a").await?;
    hand.set_offline(true);
    let record = hand.create(RecordKind::Person, GRID, &[("name", "不再要的")])?.record;
    doom(&centre, "a", Fate::Stolen)?;
    hand.set_offline(false);
    hand.sync_now().await?;
    ensure!(hand.door() == Door::Enrol && is_blank(&folder)?, "also who was not in");
    assert_eq!((edits(&centre, record)?, fate(&centre, "a")?), (0, Some(Fate::Wiped)));
    // Switched on again it is as new.
    drop(hand);
    ensure!(switched_on(&folder, &centre)?.door() == Door::Enrol);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_handed_in_only_when_a_backup_holds_its_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(4))?;
    let folder = dir.path().join("hand");
    let alice = switched_on(&folder, &centre)?;
    enrol(&alice, &centre, "a").await?;
    let record = alice.create(RecordKind::Person, GRID, &[("name", "今天的")])?.record;
    let refused = |error: Option<app::handheld::SyncError>| error.map(|error| error.message.key);
    assert_eq!(refused(alice.hand_over().await.err()).as_deref(), Some("hand-over-not-safe"), "not even sent");
    alice.sync_now().await?;
    assert_eq!(refused(alice.hand_over().await.err()).as_deref(), Some("hand-over-not-safe"), "in no backup");
    store::write::<_, StoreError>(&*centre.store, TOWN, |tx| {
        let upto = tx.complete_upto()?;
        tx.note_backed_up(&upto)
    })?;
    alice.sync_now().await?;
    ensure!(alice.lights()?.safe_to_hand_in);
    alice.hand_over().await?;
    ensure!(alice.door() == Door::Enrol && is_blank(&folder)?);
    assert_eq!((edits(&centre, record)?, fate(&centre, "a")?), (1, Some(Fate::HandedOver)));
    Ok(())
}

/// Reports something with a photo.
fn report(hand: &Handheld) -> Result<PhotoHash> {
    let taken = hand.take_in(&tests::picture::jpeg(640, 480, None, 7)?, None, None)?;
    hand.report_photo(GRID, &taken)?;
    Ok(taken.hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_to_be_wiped_sends_its_photos_even_where_only_text_is_sent() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(5))?;
    let folder = dir.path().join("hand");
    let alice = switched_on(&folder, &centre)?;
    enrol(&alice, &centre, "a").await?;
    alice.set_settings(|settings| settings.text_only = true)?;
    let photo = report(&alice)?;
    let is_there = || store::read::<_, StoreError>(&*centre.store, TOWN, |read| Ok(read.photo(&photo)?.is_some()));
    alice.sync_now().await?;
    ensure!(!is_there()? && alice.outbox_counts()?.photos > 0, "only text is sent");
    doom(&centre, "a", Fate::Wipe)?;
    alice.sync_now().await?;
    ensure!(is_there()?, "first what was not sent");
    ensure!(alice.door() == Door::Enrol && is_blank(&folder)?);
    assert_eq!(fate(&centre, "a")?, Some(Fate::Wiped));
    Ok(())
}

/// A line on which somebody saves one more record while the centre is told that the terminal is handed in.
#[derive(Clone)]
struct Meanwhile(App, Arc<OnceLock<Handheld>>);

impl Connect for Meanwhile {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Meanwhile {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let answer = deliver(&self.0, &request).await?;
            if let Some(hand) = self.1.get().filter(|_| request.path == "/api/v1/handed-over") {
                let saved = hand.create(RecordKind::Person, GRID, &[("name", "最后一刻的")]);
                saved.map_err(|error| TransportError::Broken(error.to_string()))?;
            }
            Ok(answer)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_while_a_terminal_is_handed_in_stays_on_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(6))?;
    let folder = dir.path().join("hand");
    let meanwhile = Meanwhile(Arc::clone(&centre), Arc::default());
    let services = Services { connect: Arc::new(meanwhile.clone()), ..quick(&folder) };
    let alice = Handheld::open(&folder, services, Arc::new(app::system::System))?;
    enrol(&alice, &centre, "a").await?;
    alice.create(RecordKind::Person, GRID, &[("name", "今天的")])?;
    alice.sync_now().await?;
    store::write::<_, StoreError>(&*centre.store, TOWN, |tx| {
        let upto = tx.complete_upto()?;
        tx.note_backed_up(&upto)
    })?;
    alice.sync_now().await?;
    ensure!(alice.lights()?.safe_to_hand_in);
    meanwhile.1.set(alice.clone()).ok().context("once")?;
    let error = alice.hand_over().await.err().context("not with this on it")?;
    assert_eq!(error.message.key, "sync-revoked");
    ensure!(alice.door() != Door::Enrol && alice.outbox_counts()?.edits == 1);
    let last = alice.find("最后一刻的")?;
    // A new code, and it goes.
    enrol(&alice, &centre, "a").await?;
    assert_eq!((edits(&centre, last)?, alice.outbox_counts()?.edits), (1, 0));
    Ok(())
}
