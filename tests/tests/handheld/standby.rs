//! The centre's records in PostgreSQL, and what can befall that: it is restarted, it is away, a standby takes over that never
//! heard of the last second. With a real server process and handhelds over HTTP.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use app::handheld::Handheld;
use shared::ids::{EditId, RecordId};
use shared::record::RecordKind;
use tempfile::TempDir;
use tests::centre::Centre;
use tests::postgres::Cluster;
use tests::story::{Kept, Story as _, same_as_server};
use tests::township::Township;

/// Of a story in which nothing stands still: so often somebody tries before something is wrong.
const TRIES: usize = 20_000;

struct Scene {
    dir: TempDir,
    centre: Centre,
    township: Township,
    saved: BTreeMap<RecordId, Vec<EditId>>,
}

impl Scene {
    /// A township whose folder names this database.
    async fn set(address: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let data = dir.path().join("server");
        std::fs::create_dir_all(&data)?;
        std::fs::write(data.join("database"), address)?;
        let (centre, township) = Centre::with_township(&data).await?;
        Ok(Self { dir, centre, township, saved: BTreeMap::new() })
    }

    async fn handheld(&self, login: &str) -> Result<Handheld> {
        let handheld = self.centre.handheld(&self.dir.path().join(login), login).await?;
        sync(&handheld).await?;
        Ok(handheld)
    }

    fn newcomer(&mut self, handheld: &Handheld, name: &str) -> Result<RecordId> {
        let new = handheld.create(RecordKind::Person, self.township.grids[0], &[("name", name)])?;
        self.saved.entry(new.record).or_default().extend(new.edits);
        Ok(new.record)
    }

    fn change(&mut self, handheld: &Handheld, record: RecordId, writes: &[(&str, &str)]) -> Result<()> {
        let changed = handheld.change(record, writes)?;
        self.saved.entry(record).or_default().extend(changed.edits);
        Ok(())
    }

    /// Everything that was saved is at the centre, once, and on these handhelds.
    fn settled(&self, hands: &[&Handheld]) -> Result<()> {
        let kept = Kept::open(&self.centre.data, self.township.town)?;
        for hand in hands {
            ensure!(hand.outbox_counts()? == Default::default(), "{:?}", hand.outbox_counts()?);
            same_as_server(hand, &kept, &self.township.grids[..1])?;
        }
        kept.holds_exactly(&self.saved)
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

/// Tries until the centre answers again.
async fn sync_in_the_end(handheld: &Handheld) -> Result<()> {
    for _ in 0..TRIES {
        if sync(handheld).await.is_ok() {
            return Ok(());
        }
    }
    bail!("the centre does not answer any more: {:?}", sync(handheld).await)
}

/// How far a cluster is in the log of the one that is written to.
fn caught_up(standby: &Cluster, primary: &Cluster) -> Result<()> {
    let end = primary.sql_in("postgres", "SELECT pg_current_wal_lsn()")?;
    for _ in 0..TRIES {
        let behind = standby.sql_in("postgres", &format!("SELECT '{end}'::pg_lsn > pg_last_wal_replay_lsn()"))?;
        if behind == "f" {
            return Ok(());
        }
    }
    bail!("the standby does not follow")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_work_goes_on_and_nothing_is_lost_or_doubled() -> Result<()> {
    let mut cluster = Cluster::start()?;
    let mut scene = Scene::set(&cluster.database("town")?).await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    for round in 0..3 {
        cluster.stop()?;
        scene.change(&alice, who, &[("phone", &format!("1380000000{round}"))])?;
        let error = alice.sync_now().await.err().context("there is nobody who could answer")?;
        ensure!(error.detail.contains("503"), "it is told as a moment's trouble: {error}: {}", error.detail);
        scene.newcomer(&bob, &format!("何静{round}"))?;
        ensure!(sync(&bob).await.is_err());
        cluster.go()?;
        // The same server process, which was never started again.
        sync_in_the_end(&bob).await?;
        sync_in_the_end(&alice).await?;
        sync(&bob).await?;
    }
    scene.settled(&[&alice, &bob])?;
    ensure!(bob.values(who, "phone")? == ["13800000002"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_without_the_last_second_and_handhelds_send_it_again() -> Result<()> {
    let mut primary = Cluster::start()?;
    let address = primary.database("town")?;
    let standby = primary.standby()?;
    // As in operations.md: both are named, and whichever can be written to is taken.
    let both = address.replace(
        &format!("host={}", primary.socket().display()),
        &format!("host={},{} target_session_attrs=read-write", primary.socket().display(), standby.socket().display()),
    );
    let mut scene = Scene::set(&both).await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    sync(&bob).await?;
    caught_up(&standby, &primary)?;
    standby.sql_in("postgres", "ALTER SYSTEM SET primary_conninfo = ''")?;
    standby.sql_in("postgres", "SELECT pg_reload_conf()")?;
    for _ in 0..TRIES {
        if standby.sql_in("postgres", "SELECT count(*) FROM pg_stat_wal_receiver")? == "0" {
            break;
        }
    }

    // The second that is lost: confirmed to Alice, shown by Bob, who changes it on.
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    let new = scene.newcomer(&alice, "何静")?;
    sync(&alice).await?;
    sync(&bob).await?;
    scene.change(&bob, who, &[("phone", "13800000002")])?;
    sync(&bob).await?;
    sync(&alice).await?;
    let epoch = primary.sql_in("town", "SELECT value FROM meta WHERE key = 'epoch'")?;
    primary.fall()?;
    scene.change(&alice, new, &[("phone", "13800000003")])?;
    ensure!(sync(&alice).await.is_err(), "nobody is there");
    ensure!(standby.sql_in("town", "SELECT count(*) FROM part WHERE title = '何静'")? == "0", "it never heard of it");
    standby.promote()?;

    sync_in_the_end(&bob).await?;
    sync_in_the_end(&alice).await?;
    sync(&bob).await?;
    scene.settled(&[&alice, &bob])?;
    for hand in [&alice, &bob] {
        ensure!(hand.values(who, "phone")? == ["13800000002"], "what Bob replaced stays replaced");
        ensure!(hand.values(new, "phone")? == ["13800000003"]);
        ensure!(hand.tray()?.is_empty());
    }
    let now = standby.sql_in("town", "SELECT value FROM meta WHERE key = 'epoch'")?;
    ensure!(now.parse::<u32>()? > epoch.parse()?, "a new epoch began: {epoch}, {now}");
    Ok(())
}
