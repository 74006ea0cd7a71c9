//! What is restricted, on a handheld that does not come back: three days, whatever somebody does to its clock. And what a
//! stolen one says to who has its files.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result, ensure};
use app::handheld::{Handheld, RESTRICTED, SaveError, key_behind};
use app::platform::{FileKeyStore, Paths, Services};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::view;
use sync_server::App;
use sync_server::store;
use tests::near::{self, GRID, Line, PIN, Replay, TOWN, quick};
use tests::story::Story;

/// The clocks of a handheld: what is shown, and what nobody sets.
#[derive(Default)]
pub struct Clocks {
    wall: AtomicI64,
    boot: AtomicI64,
}

impl Clocks {
    /// So much time goes by.
    pub fn pass(&self, time: TimeDelta) {
        self.set(time);
        self.boot.fetch_add(time.num_milliseconds(), Ordering::Relaxed);
    }

    /// Somebody sets the clock by so much.
    fn set(&self, by: TimeDelta) {
        self.wall.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }

    /// It is switched off and on.
    fn start(&self) {
        self.boot.store(0, Ordering::Relaxed);
    }
}

impl Outside for Clocks {
    fn now(&self) -> DateTime<Utc> {
        app::system::System.now() + TimeDelta::milliseconds(self.wall.load(Ordering::Relaxed))
    }
    fn since_boot(&self) -> i64 {
        self.boot.load(Ordering::Relaxed)
    }
    fn fill(&self, bytes: &mut [u8]) {
        app::system::System.fill(bytes);
    }
}

fn switched_on(folder: &FilePath, centre: &App, clocks: &Arc<Clocks>) -> Result<Handheld> {
    let services = Services { connect: Arc::new(Line(Arc::clone(centre))), ..quick(folder) };
    let hand = Handheld::open(folder, services, Arc::clone(clocks) as Arc<dyn Outside>)?;
    near::let_in(&hand)?;
    Ok(hand)
}

/// A handheld of somebody's, enrolled, and its clocks.
pub async fn hand(centre: &App, folder: &FilePath, login: &str) -> Result<(Handheld, Arc<Clocks>)> {
    let clocks = Arc::new(Clocks::default());
    let hand = switched_on(folder, centre, &clocks)?;
    let code = sync_server::auth::enrol::make_code(centre, &near::person(centre, login)?)?;
    hand.enrol("http://127.0.0.1", &code, PIN).await?;
    hand.sync_now().await?;
    Ok((hand, clocks))
}

const CARE: [(&str, &str); 3] = [("care_reason", "独居"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];

fn care(hand: &Handheld, record: shared::ids::RecordId) -> Result<Option<String>> {
    let page = hand.record(record)?.context("it is not there")?;
    Ok(view::one(page.record.part(Part::Restricted), "care_note").leading().map(|write| write.value.plain()))
}

/// All that stands in the database of who has its key.
fn all_that_stands_there(folder: &FilePath, hand: &Handheld) -> Result<String> {
    let user = hand.setup().context("enrolled")?.user.id;
    let paths = Paths::new(folder);
    let key = key_behind(&paths, user, &FileKeyStore::new(&paths.keys()), PIN, app::system::System.now())?;
    let sql = Connection::open(paths.user(user).join("handheld.db"))?;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    sql.execute_batch(&format!("PRAGMA key = \"x'{hex}'\""))?;
    let mut names = sql.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ensure!(names.iter().any(|name| name == "confirmed"));
    let mut all = String::new();
    for name in names {
        let mut statement = sql.prepare(&format!("SELECT * FROM \"{name}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let ValueRef::Text(text) = row.get_ref(column)? {
                    all.push_str(&String::from_utf8_lossy(text));
                    all.push('\n');
                }
            }
        }
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_days_without_a_sync_what_is_restricted_is_locked_whatever_the_clock_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(1))?;
    let folder = dir.path().join("hand");
    let (alice, clocks) = hand(&centre, &folder, "a").await?;
    let record = alice.create(RecordKind::Person, GRID, &[("name", "张桂英")])?.record;
    alice.change(record, &CARE)?;
    alice.sync_now().await?;
    assert_eq!(care(&alice, record)?.as_deref(), Some("每周送餐"));

    // In the steppe, for nearly three days. The clock stops being right, the handheld is switched off and on.
    alice.set_offline(true);
    clocks.pass(TimeDelta::hours(40));
    assert_eq!(care(&alice, record)?.as_deref(), Some("每周送餐"));
    let form = alice.open_form(record)?;
    clocks.set(TimeDelta::days(-365));
    clocks.pass(TimeDelta::hours(31));
    assert_eq!(care(&alice, record)?.as_deref(), Some("每周送餐"), "71 hours");
    alice.change(record, &[("care_note", "改为每日送餐")])?;
    drop(alice);
    clocks.start();
    let alice = switched_on(&folder, &centre, &clocks)?;
    alice.set_offline(true);
    assert_eq!(care(&alice, record)?.as_deref(), Some("改为每日送餐"));

    // An hour later it is over, though its clock is a year behind.
    clocks.pass(TimeDelta::hours(1));
    let page = alice.record(record)?.context("the person is still there")?;
    ensure!(page.closed && page.title == "张桂英");
    ensure!(alice.find("张桂英")? == record);
    // Not even the key of the database opens it. What waits to be sent does not lie under the lease.
    let stands = all_that_stands_there(&folder, &alice)?;
    ensure!(stands.contains("张桂英") && stands.contains("改为每日送餐"));
    ensure!(!stands.contains("每周送餐") && !stands.contains("独居"), "the confirmed part can be read");
    // Setting the clock back further helps nobody, nor does starting anew.
    clocks.set(TimeDelta::days(-365));
    drop(alice);
    clocks.start();
    let alice = switched_on(&folder, &centre, &clocks)?;
    ensure!(alice.record(record)?.context("there")?.closed);

    // Work goes on: the open part is changed, a form opened before is saved; blindly nobody writes.
    alice.set_offline(true);
    alice.change(record, &[("phone", "13912345678")])?;
    let blind = alice.change(record, &[("care_note", "不知道原来写的什么")]);
    ensure!(matches!(blind.map_err(|error| error.downcast::<SaveError>()), Err(Ok(SaveError::LeaseOver))));
    ensure!(matches!(alice.delete(record, true), Err(SaveError::LeaseOver)), "half of it would stay");
    let mut form = form;
    form.writes = [(shared::path::Path::field("care_every_days"), shared::value::Value::of(&7))].into();
    alice.save(form, None)?;
    assert_eq!(alice.outbox_counts()?.edits, 3);

    // One sync, and all of it is there again.
    alice.set_offline(false);
    alice.sync_now().await?;
    assert_eq!((care(&alice, record)?.as_deref(), alice.outbox_counts()?.edits), (Some("改为每日送餐"), 0));
    let stands = all_that_stands_there(&folder, &alice)?;
    ensure!(stands.contains("13912345678") && !stands.contains("送餐") && !stands.contains("独居"));
    let part = |read: &dyn store::Read| read.load_many(&[(record, Part::Restricted)]);
    let kept = store::read::<_, store::StoreError>(&*centre.store, TOWN, part)?;
    ensure!(kept.iter().any(|part| part.state.contains("care_every_days")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_that_lay_switched_off_and_a_clock_set_forward_end_the_lease() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(2))?;
    for (name, goes_by) in [("off", true), ("forward", false)] {
        let folder = dir.path().join(name);
        let (alice, clocks) = hand(&centre, &folder, "a").await?;
        let record = alice.create(RecordKind::Person, GRID, &[("name", name)])?.record;
        alice.change(record, &CARE)?;
        alice.sync_now().await?;
        alice.set_offline(true);
        clocks.set(TimeDelta::hours(72));
        if goes_by {
            clocks.start();
        } else {
            ensure!(alice.record(record)?.context("there")?.closed);
            clocks.set(TimeDelta::hours(-72));
        }
        drop(alice);
        let alice = switched_on(&folder, &centre, &clocks)?;
        ensure!(alice.record(record)?.context("there")?.closed, "{name}");
        alice.sync_now().await?;
        assert_eq!(care(&alice, record)?.as_deref(), Some("每周送餐"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looked_at_care_on_a_handheld_stands_in_the_audit() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(3))?;
    let (alice, _) = hand(&centre, &dir.path().join("hand"), "a").await?;
    let record = alice.create(RecordKind::Person, GRID, &[("name", "张桂英")])?.record;
    alice.change(record, &CARE)?;
    alice.set_offline(true);
    alice.note_look(record, RESTRICTED)?;
    alice.set_offline(false);
    alice.sync_now().await?;
    let audits = store::read::<_, store::StoreError>(&*centre.store, TOWN, |read| read.audits(100))?;
    let looked: Vec<_> = audits.iter().filter(|entry| entry.action == "audit-restricted").collect();
    assert_eq!(looked.len(), 1);
    assert_eq!((looked[0].subject.clone(), looked[0].user), (record.to_string(), Some(near::person(&centre, "a")?.id)));
    Ok(())
}

/// Every byte below a folder.
fn bytes_below(folder: &FilePath) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        all.extend(path.to_string_lossy().as_bytes());
        all.extend(if path.is_dir() { bytes_below(&path)? } else { std::fs::read(&path)? });
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_stolen_handheld_say_nothing_of_anybody() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(4))?;
    let folder = dir.path().join("hand");
    let (alice, _) = hand(&centre, &folder, "a").await?;
    let names: Vec<String> = (0..50).map(|n| format!("居民甲{n:02}")).collect();
    for (n, name) in names.iter().enumerate() {
        let record =
            alice.create(RecordKind::Person, GRID, &[("name", name), ("phone", &format!("139{n:08}"))])?.record;
        alice.change(record, &CARE)?;
        alice.save_draft(&format!("draft-{n}"), &format!("{{\"name\":\"{name}\"}}"))?;
    }
    // Half of it delivered, half of it waiting, drafts beside it; and the database open, as when it is snatched.
    alice.sync_now().await?;
    alice.set_offline(true);
    for name in &names[..25] {
        let record = alice.find(name)?;
        alice.change(record, &[("address", "条山路1号")])?;
    }
    let below = bytes_below(&folder)?;
    ensure!(below.len() > 100_000, "{} bytes", below.len());
    let secrets =
        names.iter().map(String::as_str).chain(["13900000007", "条山路", "每周送餐", "独居", "SQLite format", PIN]);
    for secret in secrets {
        // As UTF-8, which SQLite and JSON write, and as UTF-16.
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [secret.as_bytes(), &wide] {
            ensure!(!below.windows(bytes.len()).any(|window| window == bytes), "{secret} lies there");
        }
    }
    // sqlite3 does not take it for a database.
    let user = alice.setup().context("enrolled")?.user.id;
    let sql = Connection::open(Paths::new(&folder).user(user).join("handheld.db"))?;
    ensure!(sql.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).is_err());
    Ok(())
}
