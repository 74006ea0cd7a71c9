//! The credential of a handheld changes from day to day: through lost answers and power cuts nobody is locked out, and who
//! copied the handheld's files is found out the next day (decision 15).

use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use app::handheld::Handheld;
use app::platform::{Boxed, Services};
use app::sync::{Connect, Request, Response, Transport, TransportError, Trust};
use chrono::{DateTime, TimeDelta, Utc};
use shared::outside::Outside;
use shared::record::RecordKind;
use sync_server::App;
use sync_server::auth::{enrol::make_code, token};
use sync_server::store::{self, StoreError};
use tests::near::{self, GRID, PIN, TOWN, deliver, quick};
use tests::story::Story;

/// The centre's clock.
#[derive(Default)]
struct Days(AtomicI64);

impl Days {
    fn pass(&self, time: TimeDelta) {
        self.0.fetch_add(time.num_milliseconds(), Ordering::Relaxed);
    }
}

impl Outside for Days {
    fn now(&self) -> DateTime<Utc> {
        app::system::System.now() + TimeDelta::milliseconds(self.0.load(Ordering::Relaxed))
    }
    fn fill(&self, bytes: &mut [u8]) {
        app::system::System.fill(bytes);
    }
}

/// A line on which the next answers are lost.
#[derive(Clone)]
struct Lossy(App, Arc<AtomicUsize>);

impl Connect for Lossy {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Lossy {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let answer = deliver(&self.0, &request).await?;
            let lost = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            if lost { Err(TransportError::Broken("the answer was lost".to_owned())) } else { Ok(answer) }
        })
    }
}

struct Town {
    _dir: tempfile::TempDir,
    centre: App,
    days: Arc<Days>,
    lose: Arc<AtomicUsize>,
}

impl Town {
    fn open() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let days = Arc::new(Days::default());
        let centre = near::centre(&dir.path().join("server"), Arc::clone(&days) as Arc<dyn Outside>)?;
        Ok(Self { _dir: dir, centre, days, lose: Arc::default() })
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        self._dir.path().join(name)
    }

    fn switched_on(&self, folder: &FilePath) -> Result<Handheld> {
        let line = Lossy(Arc::clone(&self.centre), Arc::clone(&self.lose));
        let services = Services { connect: Arc::new(line), ..quick(folder) };
        let hand = Handheld::open(folder, services, Arc::new(app::system::System))?;
        near::let_in(&hand)?;
        Ok(hand)
    }

    async fn enrol(&self, hand: &Handheld) -> Result<()> {
        hand.enrol("http://127.0.0.1", &make_code(&self.centre, &near::person(&self.centre, "a")?)?, PIN).await?;
        Ok(hand.sync_now().await?)
    }

    fn turn(&self) -> Result<u32> {
        let devices = store::read::<_, StoreError>(&*self.centre.store, TOWN, |read| read.devices())?;
        Ok(devices.iter().max_by_key(|device| device.enrolled).context("a device")?.credential.turn)
    }
}

fn copy(from: &FilePath, to: &FilePath) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_lost_answers_and_restarts_locks_nobody_out() -> Result<()> {
    let town = Town::open()?;
    let folder = town.folder("hand");
    let mut hand = town.switched_on(&folder)?;
    town.enrol(&hand).await?;
    for day in 0..30_usize {
        town.days.pass(TimeDelta::hours(25));
        hand.create(RecordKind::Person, GRID, &[("name", "每天一位")])?;
        // The answer with the new credential is lost, once, twice, or comes; then the handheld is switched off.
        town.lose.store(day % 3, Ordering::Relaxed);
        for _ in 0..day % 3 {
            ensure!(hand.sync_now().await.is_err(), "day {day}");
        }
        hand.sync_now().await?;
        if day % 2 == 0 {
            drop(hand);
            hand = town.switched_on(&folder)?;
        }
        town.days.pass(TimeDelta::hours(1));
        hand.sync_now().await?;
        ensure!(hand.outbox_counts()?.edits == 0, "day {day}");
    }
    assert_eq!(town.turn()?, 30, "each day its own");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_copied_the_files_is_found_out_and_the_owner_loses_nothing() -> Result<()> {
    let town = Town::open()?;
    let (folder, stolen) = (town.folder("hand"), town.folder("stolen"));
    let hand = town.switched_on(&folder)?;
    town.enrol(&hand).await?;
    drop(hand);
    copy(&folder, &stolen)?;

    // The owner goes on.
    let hand = town.switched_on(&folder)?;
    town.days.pass(TimeDelta::hours(25));
    hand.sync_now().await?;
    hand.sync_now().await?;
    assert_eq!(town.turn()?, 1);
    town.days.pass(token::GRACE + TimeDelta::minutes(1));

    // Whoever has the copy, and even the PIN, brings nothing in and gets nothing out.
    let thief = town.switched_on(&stolen)?;
    thief.create(RecordKind::Person, GRID, &[("name", "不该在的")])?;
    let error = thief.sync_now().await.err().context("refused")?;
    assert_eq!(error.message.key, "sync-doubled");

    // What the owner has typed is brought all the same, and says where it is.
    let record = hand.create(RecordKind::Person, GRID, &[("name", "照样写下的")])?.record;
    let error = hand.sync_now().await.err().context("locked")?;
    assert_eq!(error.message.key, "sync-doubled");
    assert_eq!((hand.outbox_counts()?.edits, hand.tray()?.len()), (0, 1), "kept aside at the centre");
    let held = store::read::<_, StoreError>(&*town.centre.store, TOWN, |read| read.quarantine(true, 10))?;
    assert_eq!(held.iter().map(|held| held.edit.record).collect::<Vec<_>>(), [record]);
    let later = hand.create(RecordKind::Person, GRID, &[("name", "锁着也能写")])?.record;

    // A new code at the centre: on with it.
    town.enrol(&hand).await?;
    ensure!(hand.outbox_counts()?.edits == 0 && hand.record(later)?.is_some());
    let edits = |record| store::read::<_, StoreError>(&*town.centre.store, TOWN, |read| read.edits_of(record));
    assert_eq!((edits(later)?.len(), edits(record)?.len()), (1, 0));
    assert_eq!(thief.sync_now().await.err().map(|error| error.message.key).as_deref(), Some("sync-revoked"));
    Ok(())
}
