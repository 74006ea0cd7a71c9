//! What the centre knows of a handheld: when it was there, and what it has not delivered.

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use shared::record::RecordKind;
use sync_server::App;
use sync_server::store::{self, DeviceSeen, StoreError};
use tests::near::{self, GRID, Replay, TOWN};
use tests::story::Story;

use crate::lease::hand;

fn seen(centre: &App) -> Result<DeviceSeen> {
    let devices = store::read::<_, StoreError>(&*centre.store, TOWN, |read| read.devices())?;
    devices.into_iter().next().and_then(|device| device.seen).context("it was there")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_centre_knows_when_a_handheld_was_there_and_what_it_still_has() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(1))?;
    let (alice, clocks) = hand(&centre, &dir.path().join("hand"), "a").await?;
    let first = seen(&centre)?;
    ensure!(first.undelivered == 0);

    // What goes with the request is not owed, a photo that has to wait is, until it has gone.
    alice.set_settings(|settings| settings.text_only = true)?;
    alice.create(RecordKind::Person, GRID, &[("name", "张桂英")])?;
    let taken = alice.take_in(&tests::picture::jpeg(400, 300, None, 7)?, None, None)?;
    alice.report_photo(GRID, &taken)?;
    alice.sync_now().await?;
    ensure!(seen(&centre)?.undelivered == 1, "{:?}", seen(&centre)?);
    alice.set_settings(|settings| settings.text_only = false)?;
    alice.sync_now().await?;
    alice.sync_now().await?;
    ensure!(seen(&centre)?.undelivered == 0, "{:?}", seen(&centre)?);

    // An app that runs for days is no silent one; in between an idle round says nothing of itself.
    let before = seen(&centre)?.clock_off;
    clocks.pass(TimeDelta::minutes(5));
    alice.sync_now().await?;
    ensure!(seen(&centre)?.clock_off == before, "nothing was written");
    clocks.pass(TimeDelta::minutes(6));
    alice.sync_now().await?;
    ensure!(seen(&centre)?.clock_off > before + 600_000, "{before} {:?}", seen(&centre)?);
    Ok(())
}
