//! What a walk through the grid is: a due visit from the first page, a shop looked at, its fault reported, what the centre
//! asked to be looked at. Without a network, and with the app killed in the middle.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::desk;
use tests::screen::Hand;

const FOUND: &str = "煤够用，灯泡坏了一个";
const FAULT: &str = "灭火器过了检验期，店主说明天换";

/// Puts a date into its input, as the picker of a handheld does.
async fn date(page: &Page, css: &str, day: &str) -> Result<()> {
    page.see(css).await?;
    let script = format!(
        "const at = document.querySelector({css:?}); \
         Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(at, {day:?}); \
         at.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    );
    page.client.execute(&script, vec![]).await?;
    Ok(())
}

async fn attribute(page: &Page, css: &str, name: &str) -> Result<String> {
    page.see(css).await?.attr(name).await?.with_context(|| format!("{css} has no {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_visits_and_inspections_with_no_network_and_a_killed_app() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let mut hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.network(false).await?;
        let who = visit(&mut hand).await.context("the visit")?;
        let shop = inspect(&hand).await.context("the inspection")?;
        hand.network(true).await?;
        hand.sync().await?;
        campaign(&browser, dir.path(), &centre, &shop).await.context("the campaign")?;
        // A colleague's handheld knows of the visit.
        let other = Hand::take(&browser, &dir.path().join("other")).await?;
        other.enrol(&centre, "member1b").await?;
        other.at(&format!("/record/{who}")).await?;
        other.page.see("#last-visit").await?;
        Ok(())
    })
    .await
}

/// The first visit that is due: two presses and what was found. The app dies before it is saved.
async fn visit(hand: &mut Hand) -> Result<String> {
    hand.tab("today").await?;
    hand.on("today").await?;
    let row = "#visits [data-do=begin-visit]";
    let who = attribute(&hand.page, row, "data-record").await?;
    hand.page.press(row).await?;
    hand.on("work").await?;
    ensure!(!hand.page.has("[name=category]").await, "what it is was chosen by the press");
    hand.page.type_into("#f-found", FOUND).await?;
    date(&hand.page, "#f-next_visit", "2031-01-15").await?;
    hand.page.reads(".quiet", "草稿已存").await?;

    hand.kill().await?;
    hand.restart().await?;
    // Back at the field, without a press.
    hand.on("work").await?;
    hand.page.until("what was typed", &format!("document.querySelector('#f-found')?.value === {FOUND:?}")).await?;
    hand.page.until("the cursor where it was", "document.activeElement?.id === 'f-next_visit'").await?;
    hand.page.press(".nav [data-do=back]").await?;
    hand.on("today").await?;
    // The same press leads back to what was begun.
    hand.page.press(&format!("#visits [data-record='{who}']")).await?;
    hand.page.until("the date", "document.querySelector('#f-next_visit')?.value === '2031-01-15'").await?;
    hand.page.press("[data-do=save]").await?;
    hand.page.see("#record").await?;
    hand.page.reads("#record", FOUND).await?;
    hand.page.reads("h1", "走访 ").await?;
    ensure!(!hand.page.has("[data-step]").await, "a visit has no steps");
    hand.tab("today").await?;
    hand.on("today").await?;
    hand.page.gone(&format!("#visits [data-record='{who}']")).await?;
    hand.at(&format!("/record/{who}")).await?;
    hand.page.see("#last-visit").await?;
    Ok(who)
}

/// A shop with a fault, which becomes an event.
async fn inspect(hand: &Hand) -> Result<String> {
    hand.at("/search").await?;
    hand.choose("kind", "organization").await?;
    let shop = attribute(&hand.page, "#results [data-record]", "data-record").await?;
    hand.page.press(&format!("#results [data-record='{shop}']")).await?;
    hand.page.press("#quick [data-do=begin-inspection]").await?;
    hand.on("work").await?;
    hand.choose("faults", "extinguisher").await?;
    hand.page.type_into("#f-fault_note", FAULT).await?;
    hand.page.press("[data-do=save]").await?;
    hand.page.reads("#record", FAULT).await?;

    hand.page.press("[data-do=report-faults]").await?;
    hand.page.see("#form").await?;
    hand.page.until("the account", &format!("document.querySelector('#f-account')?.value === {FAULT:?}")).await?;
    hand.page.press("[data-do=save]").await?;
    hand.page.see("#record [data-step=report]").await?;
    hand.page.see(&format!("#related [data-record='{shop}']")).await?;
    Ok(shop)
}

/// The centre asks for all shops to be looked at; the colleague sees what remains and looks at one.
async fn campaign(browser: &Arc<Browser>, dir: &Path, centre: &Centre, shop: &str) -> Result<()> {
    let console = desk::log_in(browser, centre, "staff").await?;
    console.goto(&format!("{}/console/campaigns", centre.url())).await?;
    console.type_into("#title", "冬季消防排查").await?;
    console.see("#targets option[value=organization]").await?.click().await?;
    date(&console, "#until", "2031-01-31").await?;
    console.press("form[action='/console/campaigns'] button").await?;
    console.reads("h2", "冬季消防排查").await?;

    let hand = Hand::take(browser, &dir.join("colleague")).await?;
    hand.enrol(centre, "member1b").await?;
    hand.tab("today").await?;
    hand.page.press("#campaigns [data-do=campaign]").await?;
    hand.on("campaign").await?;
    let row = format!("#remaining [data-record='{shop}']");
    hand.page.press(&row).await?;
    hand.on("work").await?;
    hand.choose("faults", "exit").await?;
    hand.page.press("[data-do=save]").await?;
    hand.page.see("#record").await?;
    hand.tab("today").await?;
    hand.page.press("#campaigns [data-do=campaign]").await?;
    hand.page.see("#remaining").await?;
    ensure!(!hand.page.has(&row).await, "it was looked at");
    hand.sync().await?;
    console.goto(&format!("{}/console/campaigns", centre.url())).await?;
    console.reads("td", "1 / ").await
}
