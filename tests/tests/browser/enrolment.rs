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
        // What a camera takes: one picture of the wall, one of the screen.
        let (wall, screen) = (dir.path().join("wall.png"), dir.path().join("screen.png"));
        image::RgbImage::from_pixel(900, 700, image::Rgb([180, 180, 170])).save(&wall)?;
        std::fs::write(&screen, page.picture(true).await?)?;

        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.page.attach("#p-scan", &wall).await?;
        hand.page.see("[data-problem=scan-none]").await?;
        hand.page.attach("#p-scan", &screen).await?;
        hand.page.see("[data-scanned]").await?;
        ensure!(hand.page.text("main").await?.contains(meant.server.as_str()), "it says which centre");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_web_view_that_is_too_old_says_so_and_how_to_have_a_newer_one() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.on("enrol").await?;
        let address = hand.page.address().await?;
        for (version, is_old) in [("79.0.3945.136", true), ("80.0.3987.99", false), ("120.0.6099.43", false)] {
            let agent = format!(
                "Mozilla/5.0 (Linux; Android 8.1.0; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/{version} \
                 Mobile Safari/537.36"
            );
            hand.page.devtools("Emulation.setUserAgentOverride", serde_json::json!({ "userAgent": agent })).await?;
            hand.page.goto(&address).await?;
            hand.page.see("#screen").await?;
            ensure!(hand.page.has("#old-view").await == is_old, "Chromium {version}");
            if is_old {
                let said = hand.page.text("#old-view").await?;
                ensure!(said.contains("请升级系统组件") && said.contains("79") && said.contains("“更新”"), "{said}");
            }
        }
        Ok(())
    })
    .await
}
