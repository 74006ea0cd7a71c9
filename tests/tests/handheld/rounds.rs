//! Two handhelds and a real server process, over a line that may break: what syncs, what waits for a person, what
//! comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::{Draft, Handheld};
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::workflow::{STEPS, Step, StepEntry};
use tempfile::TempDir;
use tests::centre::Centre;
use tests::link::{Fate, Link};
use tests::story::{Kept, Story, same_as_server, values};
use tests::township::{Size, Township};

struct Scene {
    dir: TempDir,
    centre: Centre,
    township: Township,
}

impl Scene {
    async fn set() -> Result<Self> {
        Self::set_of(Size::small()).await
    }

    async fn set_of(size: Size) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township_of(&dir.path().join("server"), size).await?;
        Ok(Self { dir, centre, township })
    }

    async fn handheld(&self, login: &str) -> Result<Handheld> {
        let handheld = self.centre.handheld(&self.dir.path().join(login), login).await?;
        sync(&handheld).await?;
        Ok(handheld)
    }

    async fn handheld_over(&self, link: &Link, login: &str) -> Result<Handheld> {
        let folder = self.dir.path().join(login);
        let handheld = self.centre.handheld_over(Arc::new(link.clone()), &folder, login).await?;
        sync(&handheld).await?;
        Ok(handheld)
    }

    fn kept(&self) -> Result<Kept> {
        Kept::open(&self.centre.data, self.township.town)
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

/// Somebody in the grid whose phone is agreed.
fn somebody(handheld: &Handheld) -> Result<RecordId> {
    let filter = app::handheld::Filter { kind: Some(RecordKind::Person), ..Default::default() };
    let found = handheld.search("", &filter, 200, 0)?;
    for hit in found.hits.iter().filter(|hit| hit.conflicts == 0) {
        if handheld.values(hit.id, "phone")?.len() == 1 {
            return Ok(hit.id);
        }
    }
    anyhow::bail!("nobody in the grid has a phone")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_changed_apart_merges_and_what_only_a_person_can_decide_waits_for_one() -> Result<()> {
    let scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = somebody(&alice)?;
    alice.set_offline(true);
    bob.set_offline(true);
    alice.change(who, &[("phone", "13800000001")])?;
    bob.change(who, &[("phone", "13800000002"), ("address", "祥和小区 9 号楼 1 单元 101")])?;

    alice.set_offline(false);
    bob.set_offline(false);
    sync(&alice).await?;
    sync(&bob).await?;
    sync(&alice).await?;
    let both = vec!["13800000001".to_owned(), "13800000002".to_owned()];
    for handheld in [&alice, &bob] {
        assert_eq!(handheld.values(who, "phone")?, both);
        assert_eq!(handheld.values(who, "address")?, ["祥和小区 9 号楼 1 单元 101"]);
        let page = handheld.record(who)?.context("the record")?;
        assert_eq!(page.open_fields.len(), 1, "{:?}", page.open_fields);
    }
    assert_eq!(values(&scene.kept()?.record(who, RecordKind::Person)?, "phone"), both);

    bob.settle(who, Part::Open, "phone", Value::text("13800000001"))?;
    sync(&bob).await?;
    sync(&alice).await?;
    for handheld in [&alice, &bob] {
        assert_eq!(handheld.values(who, "phone")?, ["13800000001"]);
        assert!(handheld.record(who)?.context("the record")?.open_fields.is_empty());
        same_as_server(handheld, &scene.kept()?, &scene.township.grids[..1])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_loses_nothing_and_doubles_nothing() -> Result<()> {
    let scene = Scene::set().await?;
    let link = Link::new();
    let alice = scene.handheld_over(&link, "member1a").await?;
    let grid = scene.township.grids[0];
    let mut saved: BTreeMap<RecordId, Vec<EditId>> = BTreeMap::new();
    for (n, fate) in [Fate::Lost, Fate::AnswerLost, Fate::Twice, Fate::AnswerLost].into_iter().enumerate() {
        let new = alice.create(RecordKind::Person, grid, &[("name", &format!("新来{n}"))])?;
        saved.entry(new.record).or_default().extend(new.edits);
        let changed = alice.change(new.record, &[("phone", &format!("1380000100{n}"))])?;
        saved.entry(new.record).or_default().extend(changed.edits);
        link.next(&[fate]);
        // It may come back as an error: that is what the line does.
        let broken = alice.sync_now().await.is_err();
        assert_eq!(broken, fate != Fate::Twice, "{fate:?}");
    }
    sync(&alice).await?;
    assert_eq!(alice.outbox_counts()?.edits, 0);
    scene.kept()?.holds_exactly(&saved)?;
    same_as_server(&alice, &scene.kept()?, &[grid])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_round_is_one_request_and_one_edit_is_one_request() -> Result<()> {
    let scene = Scene::set().await?;
    let link = Link::new();
    let alice = scene.handheld_over(&link, "member1a").await?;
    sync(&alice).await?;
    link.requests();
    sync(&alice).await?;
    assert_eq!(link.requests(), 1, "idle");
    let who = somebody(&alice)?;
    alice.change(who, &[("phone", "13800000003")])?;
    sync(&alice).await?;
    assert_eq!(link.requests(), 1, "one edit");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_dies_in_the_middle_of_rounds_and_every_edit_is_there_once() -> Result<()> {
    let mut scene = Scene::set().await?;
    let alice = scene.handheld("member1a").await?;
    let grid = scene.township.grids[0];
    let mut saved: BTreeMap<RecordId, Vec<EditId>> = BTreeMap::new();
    for round in 0..4 {
        for n in 0..60 {
            let new = alice.create(RecordKind::Person, grid, &[("name", &format!("第{round}轮{n}"))])?;
            saved.entry(new.record).or_default().extend(new.edits);
            let changed = alice.change(new.record, &[("phone", &format!("1380002{round}0{n:02}"))])?;
            saved.entry(new.record).or_default().extend(changed.edits);
        }
        // Killed as soon as something was sent: at a different place of the server's work each time.
        let mut progress = alice.progress();
        let before = progress.borrow_and_update().sent;
        let round_trip = tokio::spawn({
            let alice = alice.clone();
            async move { alice.sync_now().await.is_ok() }
        });
        if round > 0 {
            tokio::select! {
                _ = progress.wait_for(|now| now.sent != before) => {}
                () = tokio::time::sleep(std::time::Duration::from_millis(round * 15)) => {}
            }
        }
        scene.centre.kill().await?;
        // Whether the answer had come by then is left to chance.
        let _came_through = round_trip.await?;
        scene.centre.restart().await?;
    }
    sync(&alice).await?;
    assert_eq!(alice.outbox_counts()?.edits, 0);
    scene.kept()?.holds_exactly(&saved)?;
    same_as_server(&alice, &scene.kept()?, &[grid])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_dies_in_the_middle_of_rounds_and_every_edit_is_there_once() -> Result<()> {
    let scene = Scene::set().await?;
    let folder = scene.dir.path().join("member1a");
    let grid = scene.township.grids[0];
    let mut saved: BTreeMap<RecordId, Vec<EditId>> = BTreeMap::new();
    for round in 0..3 {
        let alice = scene.handheld("member1a").await?;
        alice.set_offline(true);
        for n in 0..60 {
            let new = alice.create(RecordKind::Person, grid, &[("name", &format!("第{round}轮{n}"))])?;
            saved.entry(new.record).or_default().extend(new.edits);
        }
        drop(alice);
        // The preview syncs by itself as soon as it is up; it is killed as soon as the server has any of it, or before.
        let preview = tests::centre::preview_unlocked(&folder).await?;
        let kept = scene.kept()?;
        let arrived = |saved: &BTreeMap<RecordId, Vec<EditId>>| -> Result<bool> {
            for record in saved.keys().rev().take(60) {
                if !kept.edits(*record)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while round > 0 && !arrived(&saved)? {
            ensure!(std::time::Instant::now() < end, "the preview does not sync by itself");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        preview.kill().await?;
    }
    let alice = scene.handheld("member1a").await?;
    sync(&alice).await?;
    assert_eq!(alice.outbox_counts()?.edits, 0);
    scene.kept()?.holds_exactly(&saved)?;
    same_as_server(&alice, &scene.kept()?, &[grid])?;
    Ok(())
}

fn with_step(mut draft: Draft, entry: &StepEntry) -> Draft {
    draft.writes.insert(Path::entry(STEPS, draft.edit), Value::of(entry));
    draft
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_edit_leaves_the_good_value_comes_back_and_is_sent_corrected() -> Result<()> {
    let scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let grid = scene.township.grids[0];
    // Reported on site, then closed by somebody who may not close: the step is judged on the server.
    let mut report = Draft {
        edit: alice.new_edit_id(),
        record: alice.new_record_id(),
        kind: RecordKind::Event,
        form: 1,
        context: BTreeMap::new(),
        seen: None,
        writes: BTreeMap::from([
            (Path::field("area"), Value::of(&grid)),
            (Path::field("category"), Value::text("hazard")),
            (Path::field("title"), Value::text("路口井盖松动")),
        ]),
    };
    report = with_step(report, &StepEntry::new(Step::Report, "已围住。"));
    let event = report.record;
    alice.save(report, None)?;
    sync(&alice).await?;

    let mut close = with_step(
        alice.open_form(event)?,
        &StepEntry { outcome: Some("settled".to_owned()), ..StepEntry::new(Step::Close, "") },
    );
    close.writes.insert(Path::field("title"), Value::text("没有这回事"));
    let rejected = close.edit;
    alice.save(close, None)?;
    sync(&alice).await?;

    let tray = alice.tray()?;
    assert_eq!(tray.iter().map(|item| item.edit.id).collect::<Vec<_>>(), [rejected]);
    assert_eq!(scene.kept()?.quarantine()?, [rejected]);
    assert_eq!(alice.values(event, "title")?, ["路口井盖松动"]);
    sync(&bob).await?;
    assert_eq!(bob.values(event, "title")?, ["路口井盖松动"]);

    let corrected = BTreeMap::from([(Path::field("title"), Value::text("路口井盖松动，已围住"))]);
    alice.correct(rejected, corrected)?;
    sync(&alice).await?;
    sync(&bob).await?;
    assert!(alice.tray()?.is_empty());
    for handheld in [&alice, &bob] {
        assert_eq!(handheld.values(event, "title")?, ["路口井盖松动，已围住"]);
        same_as_server(handheld, &scene.kept()?, &[grid])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_fill_resumes_where_it_broke() -> Result<()> {
    // Staff see the whole town: more than the 4,000 items of one page.
    let scene = Scene::set_of(Size { residents: 4_500, ..Size::small() }).await?;
    let link = Link::new();
    let folder = scene.dir.path().join("staff");
    let staff = scene.centre.handheld_over(Arc::new(link.clone()), &folder, "staff").await?;
    link.next(&[Fate::Fine, Fate::AnswerLost]);
    ensure!(staff.sync_now().await.is_err(), "the town came in one page");
    link.next(&[Fate::Lost]);
    ensure!(staff.sync_now().await.is_err(), "the line was to break");
    link.bytes();
    sync(&staff).await?;
    let (_, resumed) = link.bytes();
    let all: Vec<_> = scene.township.areas.iter().map(|area| area.id).collect();
    let held = same_as_server(&staff, &scene.kept()?, &all)?;
    ensure!(held > scene.township.size.residents, "only {held} records");

    // A handheld that was not broken off transfers all of it: the other one took up where it was.
    let whole = Link::new();
    scene.handheld_over(&whole, "staff2").await?;
    let (_, all_of_it) = whole.bytes();
    ensure!(resumed < all_of_it * 2 / 3, "{resumed} of {all_of_it} bytes came again");
    Ok(())
}
