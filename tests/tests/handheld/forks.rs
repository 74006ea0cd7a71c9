//! Handhelds that were restored, cloned and installed again, with a real server process: nothing is lost, nothing is
//! applied twice, nobody is asked, and the stated exceptions of `sync.md` are the only ones.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use app::handheld::Handheld;
use shared::ids::{EditId, RecordId, Slot};
use shared::record::RecordKind;
use tempfile::TempDir;
use tests::centre::Centre;

use tests::story::{Kept, Story, back_up_handheld, copy, same_as_server};
use tests::township::Township;

struct Scene {
    dir: TempDir,
    centre: Centre,
    township: Township,
    /// Everything ever saved.
    saved: BTreeMap<RecordId, Vec<EditId>>,
}

impl Scene {
    async fn set() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        Ok(Self { dir, centre, township, saved: BTreeMap::new() })
    }

    async fn handheld(&self, folder: &str) -> Result<Handheld> {
        self.centre.handheld(&self.dir.path().join(folder), "member1a").await
    }

    fn kept(&self) -> Result<Kept> {
        Kept::open(&self.centre.data, self.township.town)
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

    /// Every edit ever saved stands at the server exactly once, and the handheld shows just that.
    fn settled(&self, handheld: &Handheld) -> Result<()> {
        ensure!(handheld.outbox_counts()? == Default::default(), "{:?}", handheld.outbox_counts()?);
        self.kept()?.holds_exactly(&self.saved)?;
        same_as_server(handheld, &self.kept()?, &self.township.grids[..1])?;
        Ok(())
    }

    /// The slots of the edits of a record.
    fn slots(&self, record: RecordId) -> Result<BTreeSet<Slot>> {
        Ok(self.kept()?.edits(record)?.iter().map(|kept| kept.edit.dot.slot).collect())
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_put_back_from_a_backup_goes_on_as_another_writer() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (live, backup) = (scene.dir.path().join("alice"), scene.dir.path().join("backup"));
    let alice = scene.handheld("alice").await?;
    sync(&alice).await?;
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    // The backup is taken with work in it that is not sent yet.
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    scene.change(&alice, who, &[("phone", "13800000002")])?;
    drop(alice);
    back_up_handheld(&live, &backup)?;
    // The day goes on, all of it arrives; then the handheld breaks.
    let alice = scene.handheld("alice").await?;
    scene.change(&alice, who, &[("address", "三组 5 号")])?;
    sync(&alice).await?;
    drop(alice);
    back_up_handheld(&backup, &live)?;

    let alice = scene.handheld("alice").await?;
    // A form is open, a save made, before anybody has asked the server.
    let mut opened = alice.open_form(who)?;
    scene.change(&alice, who, &[("phone", "13800000003")])?;
    ensure!(alice.values(who, "phone")? == ["13800000003"]);
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(alice.values(who, "phone")? == ["13800000003"], "its first two edits arrived under their old numbers");
    ensure!(alice.values(who, "address")? == ["三组 5 号"], "what it had forgotten is there");
    ensure!(scene.slots(who)?.len() == 2);

    // What was open when it became another writer has not seen the third phone and is not taken to have.
    opened.writes = BTreeMap::from([(shared::path::Path::field("phone"), shared::value::Value::text("13800000004"))]);
    let saved = alice.save(opened, None)?;
    scene.saved.entry(who).or_default().extend(saved.edits);
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(alice.values(who, "phone")? == ["13800000003", "13800000004"]);
    drop(alice);

    // Started again it is the same installation.
    let alice = scene.handheld("alice").await?;
    scene.change(&alice, who, &[("note", "回访过")])?;
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(scene.slots(who)?.len() == 2, "it did not become a third writer");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clones_both_go_on_and_neither_loses_or_doubles_anything() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (first, second) = (scene.dir.path().join("first"), scene.dir.path().join("second"));
    let alice = scene.handheld("first").await?;
    sync(&alice).await?;
    let who = scene.newcomer(&alice, "周文博")?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    drop(alice);
    // Whole, with the mark of the installation: nothing tells them apart but what they do.
    copy(&first, &second)?;
    let (one, two) = (scene.handheld("first").await?, scene.handheld("second").await?);
    for (n, hand) in [&one, &two].into_iter().enumerate() {
        scene.change(hand, who, &[("phone", &format!("1380000001{n}"))])?;
        scene.newcomer(hand, &format!("克隆{n}"))?;
    }
    sync(&one).await?;
    sync(&two).await?;
    for round in 0..3 {
        for (n, hand) in [&one, &two].into_iter().enumerate() {
            scene.newcomer(hand, &format!("克隆{n}第{round}轮"))?;
            scene.change(hand, who, &[("note", &format!("第{round}轮{n}"))])?;
            sync(hand).await?;
        }
    }
    for hand in [&one, &two] {
        sync(hand).await?;
        scene.settled(hand)?;
        ensure!(hand.values(who, "phone")? == ["13800000010", "13800000011"], "neither had seen the other's");
    }
    ensure!(scene.slots(who)?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_restored_from_one_backup_share_what_either_delivered() -> Result<()> {
    let mut scene = Scene::set().await?;
    let alice = scene.handheld("alice").await?;
    sync(&alice).await?;
    let who = scene.newcomer(&alice, "周文博")?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    scene.change(&alice, who, &[("phone", "13800000002")])?;
    drop(alice);
    for (n, name) in ["first", "second"].into_iter().enumerate() {
        back_up_handheld(&scene.dir.path().join("alice"), &scene.dir.path().join(name))?;
        let hand = scene.handheld(name).await?;
        scene.change(&hand, who, &[("phone", &format!("1380000002{n}"))])?;
        sync(&hand).await?;
        scene.settled(&hand)?;
    }
    let edits = scene.kept()?.edits(who)?;
    let open = scene.kept()?.record(who, RecordKind::Person)?;
    ensure!(
        tests::story::values(&open, "phone") == ["13800000020", "13800000021"],
        "each had seen the two before it, whoever delivered them: {edits:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_again_it_starts_from_the_server_and_loses_only_what_was_never_sent() -> Result<()> {
    let mut scene = Scene::set().await?;
    let alice = scene.handheld("alice").await?;
    sync(&alice).await?;
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    // The stated exception: unsent work on a handheld destroyed.
    alice.change(who, &[("phone", "13800000009")])?;
    drop(alice);
    disk::remove_dir_all(&scene.dir.path().join("alice"))?;
    let alice = scene.handheld("alice").await?;
    sync(&alice).await?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(scene.slots(who)?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolled_anew_with_an_answer_lost_nothing_conflicts_with_itself() -> Result<()> {
    let mut scene = Scene::set().await?;
    let link = tests::link::Link::new();
    let folder = scene.dir.path().join("alice");
    let alice = scene.centre.handheld_over(std::sync::Arc::new(link.clone()), &folder, "member1a").await?;
    sync(&alice).await?;
    let who = scene.newcomer(&alice, "周文博")?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    link.next(&[tests::link::Fate::AnswerLost]);
    ensure!(sync(&alice).await.is_err());
    scene.change(&alice, who, &[("phone", "13800000002")])?;
    let code = scene.centre.code("member1a").await?;
    alice.enrol(&scene.centre.url(), &code, tests::near::PIN).await.context("enrolling again")?;
    scene.change(&alice, who, &[("phone", "13800000003")])?;
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(alice.values(who, "phone")? == ["13800000003"]);
    Ok(())
}
