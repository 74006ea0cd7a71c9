//! Who comes in: a handheld shared by two people, a PIN forgotten, a handheld left lying about.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::{Door, Handheld};
use app::store::StoreError;
use shared::record::RecordKind;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::near::{PIN, let_in, quick};
use tests::screen::Hand;
use tests::story::{Kept, Story};

const OTHER_PIN: &str = "918273";
const WRONG: &str = "550199";

/// The handheld of a folder as it is when it is switched on.
fn switched_on(folder: &std::path::Path) -> Result<Handheld> {
    Ok(Handheld::open(folder, quick(folder), Arc::new(app::system::System))?)
}

/// Whoever is asked for a PIN first.
fn first(handheld: &Handheld) -> Result<shared::ids::UserId> {
    let Door::Locked(residents) = handheld.door() else { anyhow::bail!("it is {:?}", handheld.door()) };
    Ok(residents.first().context("nobody")?.user)
}

/// Every byte below a folder.
fn bytes_below(folder: &std::path::Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        all.extend(if path.is_dir() { bytes_below(&path)? } else { std::fs::read(&path)? });
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_share_a_handheld_and_neither_sees_the_others_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let folder = dir.path().join("hand");
    let [grid] = township.first_grid();
    let alice = centre.handheld(&folder, "member1a").await?;
    alice.set_offline(true);
    let of_alice = alice.create(RecordKind::Person, grid, &[("name", "只有她知道")])?;
    alice.lock();
    ensure!(matches!(alice.record(of_alice.record), Err(StoreError::NotEnrolled)), "locked, and still read");

    // The second one enrols beside her.
    alice.set_offline(false);
    alice.enrol(&centre.url(), &centre.code("member1b").await?, OTHER_PIN).await?;
    ensure!(alice.record(of_alice.record)?.is_none() && alice.outbox_counts()?.edits == 0);
    drop(alice);

    // Switched on again both are asked, each opens their own and not the other's.
    let hand = switched_on(&folder)?;
    let Door::Locked(residents) = hand.door() else { anyhow::bail!("open") };
    assert_eq!(residents.len(), 2);
    assert_eq!(residents[0].name, "李小满", "who was last in stands first");
    let (bob, alice) = (residents[0].user, residents[1].user);
    ensure!(hand.unlock(alice, OTHER_PIN).is_err() && hand.unlock(bob, PIN).is_err());
    hand.unlock(alice, PIN)?;
    assert_eq!(hand.outbox_counts()?.edits, 1);
    ensure!(hand.record(of_alice.record)?.is_some());
    hand.lock();
    hand.unlock(bob, OTHER_PIN)?;
    ensure!(hand.record(of_alice.record)?.is_none());

    // Nothing of what she typed stands anywhere in the clear, nor her PIN.
    let below = bytes_below(&folder)?;
    for secret in ["只有她知道", PIN, OTHER_PIN] {
        ensure!(!below.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} lies there");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_wrong_pins_a_code_from_the_centre_opens_and_the_days_work_is_still_there() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let folder = dir.path().join("hand");
    let alice = centre.handheld(&folder, "member1a").await?;
    alice.set_offline(true);
    let saved = alice.create(RecordKind::Person, township.first_grid()[0], &[("name", "没传的")])?;
    drop(alice);

    // Waits are not slept through: the file in which they stand is what a patient thief would leave.
    let hand = switched_on(&folder)?;
    let user = first(&hand)?;
    let tries = folder.join("users").join(user.to_string()).join("tries.json");
    for n in 1..=10 {
        let error = hand.unlock(user, WRONG).err().context("it opened")?;
        let key = error.message().key;
        ensure!(
            key == if n == 10 {
                "lock-centre"
            } else if n < 3 {
                "lock-wrong"
            } else {
                "lock-wrong-wait"
            },
            "{n}: {key}"
        );
        if n < 10 {
            std::fs::write(&tries, format!("{{\"wrong\":{n},\"next\":0}}"))?;
        }
    }
    ensure!(
        hand.unlock(user, PIN).is_err_and(|error| error.message().key == "lock-centre"),
        "the right one comes too late"
    );

    // Somebody else's code does not open it.
    hand.enrol(&centre.url(), &centre.code("member1b").await?, OTHER_PIN).await?;
    ensure!(hand.record(saved.record)?.is_none());
    hand.lock();
    ensure!(hand.unlock(user, OTHER_PIN).is_err());

    // Her own does, with a new PIN; what she saved goes up.
    hand.enrol(&centre.url(), &centre.code("member1a").await?, "730164").await?;
    assert_eq!(hand.outbox_counts()?.edits, 1);
    hand.sync_now().await?;
    assert_eq!(hand.outbox_counts()?.edits, 0);
    let kept = Kept::open(&centre.data, township.town)?;
    assert_eq!(kept.edits(saved.record)?.len(), saved.edits.len());
    assert_eq!(kept.audited("audit-key-opened")?, 1, "hers alone was opened, and that is written down");
    drop(hand);
    let hand = switched_on(&folder)?;
    ensure!(hand.unlock(user, PIN).is_err());
    hand.unlock(user, "730164")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_folder_without_its_key_store_opens_with_no_pin() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
    let (folder, copied) = (dir.path().join("hand"), dir.path().join("copied"));
    drop(centre.handheld(&folder, "member1a").await?);
    tests::story::copy(&folder, &copied)?;
    let_in(&switched_on(&copied)?)?;
    std::fs::remove_dir_all(copied.join("keys"))?;
    let hand = switched_on(&copied)?;
    let error = hand.unlock(first(&hand)?, PIN).err().context("it opened")?;
    assert_eq!(error.message().key, "lock-keys");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_screen_a_wrong_pin_says_so_and_a_killed_app_comes_back_locked() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let mut hand = Hand::take(&browser, &dir.path().join("hand")).await?;

        // The first start refuses what is guessed at once, and two that differ, before the code is spent.
        let code = centre.code("member1a").await?;
        hand.page.type_into("#enrol-server", &centre.url()).await?;
        hand.page.type_into("#enrol-code", &code).await?;
        hand.page.type_into("#enrol-pin", "123456").await?;
        hand.page.type_into("#enrol-again", "123457").await?;
        hand.page.press("[data-do=enrol]").await?;
        hand.page.see("[data-problem=pin-unlike]").await?;
        hand.page.type_into("#enrol-again", "123456").await?;
        hand.page.press("[data-do=enrol]").await?;
        hand.page.see("[data-problem=pin-guessed]").await?;
        for field in ["#enrol-pin", "#enrol-again"] {
            hand.page.type_into(field, PIN).await?;
        }
        hand.page.press("[data-do=enrol]").await?;
        hand.on("today").await?;

        // Killed, it comes back locked, at the page where it was.
        hand.tab("event").await?;
        hand.on("events").await?;
        hand.kill().await?;
        hand.restart().await?;
        hand.on("today").await?;
        hand.at("/me").await?;
        hand.page.press("[data-do=lock]").await?;
        hand.on("unlock").await?;
        hand.page.type_into("#pin", WRONG).await?;
        hand.page.press("[data-do=unlock]").await?;
        hand.page.see("[data-problem=lock-wrong]").await?;
        hand.page.reads("#unlock", "还可以试 9 次").await?;
        hand.unlock().await?;
        hand.on("me").await?;

        // Another PIN: the old one is asked for.
        hand.at("/pin").await?;
        for (field, text) in [("#pin-old", WRONG), ("#pin-new", OTHER_PIN), ("#pin-again", OTHER_PIN)] {
            hand.page.type_into(field, text).await?;
        }
        hand.page.press("[data-do=set-pin]").await?;
        hand.page.see("[data-problem=lock-wrong]").await?;
        hand.page.type_into("#pin-old", PIN).await?;
        hand.page.press("[data-do=set-pin]").await?;
        hand.on("me").await?;
        hand.page.press("[data-do=lock]").await?;
        hand.on("unlock").await?;
        hand.page.type_into("#pin", OTHER_PIN).await?;
        hand.page.press("[data-do=unlock]").await?;
        hand.on("me").await?;

        // Somebody else begins at the beginning, not where she was.
        hand.page.press("[data-do=lock]").await?;
        hand.on("unlock").await?;
        hand.page.press("[data-do=other]").await?;
        hand.enrol(&centre, "member1b").await
    })
    .await
}
