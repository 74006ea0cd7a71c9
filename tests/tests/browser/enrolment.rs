//! The code that the console makes: as digits, as a line and as a picture, and a handheld that comes in by it.

use anyhow::{Context, Result, ensure};
use shared::key_pin::EnrolLine;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::desk;
use tests::near::PIN;
use tests::screen::Hand;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pastes_the_line_or_scans_the_picture_of_the_console_is_enrolled() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let page = desk::log_in(&browser, &centre, "staff").await?;
        desk::make_code(&page, &centre, township.account("member1a").context("the account")?.id).await?;
        page.fits().await?;
        let line = page.text(".enrol-line").await?;
        let digits: String = page.text(".code-panel .bigline").await?.chars().filter(char::is_ascii_digit).collect();
        let meant: EnrolLine = line.trim().parse().context("the line can be read")?;
        ensure!(digits.starts_with(&meant.code), "digits and line are one code: {digits}, {line}");
        ensure!(page.text(".code-panel").await?.contains(meant.server.as_str()), "the address is said");
        ensure!(scanned(&page.picture(true).await?)? == line.trim(), "the picture says the same as the line");

        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.page.type_into("#enrol-code", line.trim()).await?;
        hand.page.type_into("#enrol-pin", PIN).await?;
        hand.page.type_into("#enrol-again", PIN).await?;
        hand.page.press("[data-do=enrol]").await?;
        hand.on("today").await?;
        hand.sync().await?;
        // It was good once.
        let other = Hand::take(&browser, &dir.path().join("other")).await?;
        other.page.type_into("#enrol-code", line.trim()).await?;
        other.page.type_into("#enrol-pin", PIN).await?;
        other.page.type_into("#enrol-again", PIN).await?;
        other.page.press("[data-do=enrol]").await?;
        other.page.see("[data-problem]").await?;
        ensure!(other.page.text("main").await?.contains("用过了"), "it says why");
        page.goto(&format!("{}/console/terminals", centre.url())).await?;
        ensure!(!page.has(".code-panel").await, "the code is shown once");
        ensure!(page.text("main").await?.contains("正常"), "the terminal is there");
        Ok(())
    })
    .await
}

/// What a camera reads off the screen.
fn scanned(png: &[u8]) -> Result<String> {
    let picture = image::load_from_memory(png).context("a screenshot")?.to_luma8();
    let mut camera = rqrr::PreparedImage::prepare(picture);
    let found = camera.detect_grids();
    let (_, text) = found.first().context("no code is seen")?.decode().context("reading the code")?;
    Ok(text)
}
