//! 待核对 afterwards: what was decided is told and can be taken back, both after the app was restarted.

use anyhow::{Context, Result};
use app::handheld::Handheld;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use tempfile::TempDir;
use tests::centre::Centre;
use tests::story::Story;
use tests::township::Township;

const ALICE: &str = "member1a";
const BOB: &str = "member1b";

struct World {
    dir: TempDir,
    centre: Centre,
    township: Township,
}

impl World {
    /// Two who filled in another phone for the same resident, neither having seen the other's.
    async fn at_odds() -> Result<(Self, Handheld, Handheld, RecordId)> {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let world = Self { dir, centre, township };
        let (alice, bob) = (world.open(ALICE).await?, world.open(BOB).await?);
        let record = world.resident(&alice, "祁连山月")?;
        sync(&alice).await?;
        sync(&bob).await?;
        alice.change(record, &[("phone", "13911111111")])?;
        bob.change(record, &[("phone", "13922222222")])?;
        sync(&alice).await?;
        sync(&bob).await?;
        Ok((world, alice, bob, record))
    }

    /// The handheld of somebody, again if it was closed.
    async fn open(&self, login: &str) -> Result<Handheld> {
        self.centre.handheld(&self.dir.path().join(login), login).await
    }

    fn resident(&self, handheld: &Handheld, name: &str) -> Result<RecordId> {
        let grid = self.township.first_grid()[0];
        Ok(handheld.create(RecordKind::Person, grid, &[("name", name), ("phone", "13900000000")])?.record)
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

/// How many fields of a record are 待核对.
fn open(handheld: &Handheld, record: RecordId) -> Result<usize> {
    Ok(handheld.record(record)?.context("the record")?.open_fields.len())
}

fn told(handheld: &Handheld) -> Result<Vec<(String, String)>> {
    Ok(handheld.told()?.iter().map(|one| (one.filled.plain(), one.value.plain())).collect())
}

fn pair(filled: &str, value: &str) -> (String, String) {
    (filled.to_owned(), value.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_filled_in_a_value_is_told_once_what_was_decided_though_they_never_saw_the_question() -> Result<()> {
    let (world, alice, bob, record) = World::at_odds().await?;
    // Alice has not synced since: to her nothing was ever at odds.
    assert_eq!(open(&alice, record)?, 0);
    bob.settle(record, Part::Open, "phone", Value::text("13922222222"))?;
    assert!(bob.told()?.is_empty(), "who decided knows");
    sync(&bob).await?;
    sync(&alice).await?;
    assert_eq!(told(&alice)?, [pair("13911111111", "13922222222")]);
    drop(alice);
    let alice = world.open(ALICE).await?;
    let seen = alice.told()?;
    assert_eq!((seen.len(), seen[0].place.field.as_str(), seen[0].place.title.as_str()), (1, "phone", "祁连山月"));
    alice.note_told(&[(seen[0].own, seen[0].by)])?;
    assert!(alice.told()?.is_empty());
    sync(&alice).await?;
    drop(alice);
    assert!(world.open(ALICE).await?.told()?.is_empty(), "told twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_used_is_told_too_and_a_change_that_came_later_is_not() -> Result<()> {
    let (world, alice, bob, record) = World::at_odds().await?;
    bob.settle(record, Part::Open, "phone", Value::text("13911111111"))?;
    sync(&bob).await?;
    sync(&alice).await?;
    assert_eq!(told(&alice)?, [pair("13911111111", "13911111111")]);

    // Nothing is at odds here: a colleague knows better a week later.
    let other = world.resident(&alice, "祁连山雪")?;
    sync(&alice).await?;
    sync(&bob).await?;
    bob.change(other, &[("phone", "13933333333")])?;
    sync(&bob).await?;
    sync(&alice).await?;
    assert_eq!(alice.values(other, "phone")?, ["13933333333"]);
    assert_eq!(alice.told()?.len(), 1, "a change is no decision");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_can_be_taken_back_after_a_restart_until_somebody_writes_there() -> Result<()> {
    let (world, alice, bob, record) = World::at_odds().await?;
    bob.settle(record, Part::Open, "phone", Value::text("13922222222"))?;
    drop(bob);
    let bob = world.open(BOB).await?;
    let made = bob.decisions(10)?;
    assert_eq!(
        made.iter().map(|one| (one.value.plain(), one.others)).collect::<Vec<_>>(),
        [("13922222222".to_owned(), true)]
    );
    bob.undo_settle(made[0].edit)?;
    assert_eq!(open(&bob, record)?, 1, "both values stand again");
    assert!(bob.decisions(10)?.is_empty(), "what was taken back is offered again");

    bob.settle(record, Part::Open, "phone", Value::text("13911111111"))?;
    sync(&bob).await?;
    sync(&alice).await?;
    assert_eq!(bob.decisions(10)?.len(), 1, "delivered, and still to be taken back");
    assert!(alice.decisions(10)?.is_empty(), "it was not hers");
    alice.change(record, &[("phone", "13944444444")])?;
    sync(&alice).await?;
    sync(&bob).await?;
    assert!(bob.decisions(10)?.is_empty(), "taking it back would undo what Alice wrote");
    Ok(())
}
