//! Somebody moves to the next grid: two presses here, one press there, and the new address is what is asked for.

use anyhow::{Context, Result, ensure};
use shared::record::RecordKind;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::screen::Hand;
use tests::story::{Kept, values};

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_moves_to_the_next_grid_which_says_that_they_came() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let here = Hand::take(&browser, &dir.path().join("here")).await?;
        here.enrol(&centre, "member1a").await?;
        let there = Hand::take(&browser, &dir.path().join("there")).await?;
        there.enrol(&centre, "member2a").await?;
        let second = township.grids[1];

        here.at("/search").await?;
        here.choose("kind", "person").await?;
        let who = here.page.see("#results [data-record]").await?.attr("data-record").await?.context("somebody")?;
        here.page.press(&format!("#results [data-record='{who}']")).await?;
        here.page.press("#quick [data-do=move-out]").await?;
        here.on("move").await?;
        // Without a place nothing happens but a word.
        here.page.press("[data-do=move-send]").await?;
        here.page.see("#trouble[data-problem=app-move-where]").await?;
        here.page.press(&format!("#move-to option[value='{second}']")).await?;
        here.page.press("[data-do=move-send]").await?;
        // Said on the spot: with a network the record is gone a moment later.
        here.page.reads("#moved", "等那边确认").await?;
        here.sync().await?;
        here.at(&format!("/record/{who}")).await?;
        here.on("record").await?;
        here.page.gone("#record").await?;

        there.sync().await?;
        there.tab("today").await?;
        there.page.press(&format!("#arrivals [data-record='{who}']")).await?;
        there.page.reads("#arrived", township.area_name(township.grids[0])).await?;
        there.page.press("[data-do=receive]").await?;
        there.page.see("[data-do=save]").await?;
        there.save(&[("address", "柳湾 18 号")]).await?;
        ensure!(!there.page.has("#arrived").await, "still to be confirmed");
        there.sync().await?;
        let kept = Kept::open(&centre.data, township.town)?;
        let record = kept.record(who.parse()?, RecordKind::Person)?;
        assert_eq!(values(&record, "area"), [second.to_string()]);
        assert_eq!(values(&record, "address"), ["柳湾 18 号"]);
        Ok(())
    })
    .await
}
