//! 待核对 after the decision: it can be taken back after a restart, and who filled in the other value is told once.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shared::ids::RecordId;
use shared::record::RecordKind;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::screen::Hand;
use tests::story::Story;

const ALICE_SAYS: &str = "13800009001";
const BOB_SAYS: &str = "13900009002";

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_taken_back_after_a_restart_and_the_other_author_is_told_once() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let near = centre.handheld(&dir.path().join("near"), "member1a").await?;
        let made = near.create(
            RecordKind::Person,
            township.first_grid()[0],
            &[("name", "祁连山月"), ("phone", "13700000001"), ("address", "祥和小区 1 号楼")],
        )?;
        near.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))?;
        tell(&browser, dir.path(), &centre, made.record).await
    })
    .await
}

async fn tell(browser: &Arc<Browser>, dir: &Path, centre: &Centre, who: RecordId) -> Result<()> {
    let mut alice = Hand::take(browser, &dir.join("alice")).await?;
    let mut bob = Hand::take(browser, &dir.join("bob")).await?;
    alice.enrol(centre, "member1a").await?;
    bob.enrol(centre, "member1b").await?;
    for hand in [&alice, &bob] {
        hand.network(false).await?;
        hand.open("祁连山月", who).await?;
        hand.edit().await?;
    }
    alice.save(&[("phone", ALICE_SAYS), ("address", "祥和小区 2 号楼")]).await?;
    bob.save(&[("phone", BOB_SAYS), ("address", "祥和小区 3 号楼")]).await?;
    for hand in [&alice, &bob] {
        hand.network(true).await?;
        hand.sync().await?;
    }
    alice.sync().await?;

    // One card is put off: the other one comes up, and nothing is lost.
    let (phone, address) = (format!("[data-review='{who}/phone']"), format!("[data-review='{who}/address']"));
    alice.at("/review").await?;
    alice.page.press(&format!("{address} [data-do=later]")).await?;
    alice.page.see(&format!("#later {address}")).await?;
    alice.page.press(&format!("{phone} [data-do=choose][data-value='{BOB_SAYS}']")).await?;
    alice.page.gone(&phone).await?;
    alice.page.see("[data-settled] [data-do=undo]").await?;
    alice.page.fits().await?;

    alice.kill().await?;
    alice.restart().await?;
    alice.on("today").await?;
    alice.at("/review").await?;
    alice.page.press("[data-settled] [data-do=undo]").await.context("taking it back after a restart")?;
    alice.page.see(&phone).await?;
    alice.page.gone("[data-settled]").await?;
    alice.page.press(&format!("{phone} [data-do=choose][data-value='{ALICE_SAYS}']")).await?;
    alice.page.gone(&phone).await?;
    alice.sync().await?;

    // Bob is told, and it lasts until he has seen it.
    bob.sync().await?;
    bob.kill().await?;
    bob.restart().await?;
    bob.on("today").await?;
    bob.page.press("[data-do=told]").await?;
    bob.on("review").await?;
    for said in ["马春兰", "祁连山月", "138****9001", "139****9002"] {
        bob.page.reads("#told", said).await?;
    }
    bob.page.fits().await?;
    bob.page.press(&format!("#told [data-record='{who}']")).await?;
    bob.page.see(&format!("#record[data-id='{who}']")).await?;
    bob.tab("today").await?;
    bob.on("today").await?;
    bob.page.gone("[data-do=told]").await?;
    bob.kill().await?;
    bob.restart().await?;
    bob.on("today").await?;
    ensure!(!bob.page.has("[data-do=told]").await, "told twice");
    // What Alice decided is not Bob's to take back.
    bob.at("/review").await?;
    bob.page.see(&address).await?;
    ensure!(!bob.page.has("[data-settled]").await, "somebody else's decision is offered");
    Ok(())
}
