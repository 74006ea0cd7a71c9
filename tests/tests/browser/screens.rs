//! Every screen in real Chromium: it comes up, fits 412 px also at 200 % text, and says nothing of 冲突 or a missing word.

use anyhow::{Context, Result, ensure};
use shared::workflow::{Step, StepEntry};
use tests::browser::{Browser, Screen};
use tests::centre::Centre;
use tests::desk;
use tests::screen::Hand;
use tests::story::Story as _;

const PAGES: [(&str, &str); 13] = [
    ("/", "today"),
    ("/visits", "visits"),
    ("/record-work/visit/0196a7f0-0000-7000-8000-000000000001/none/none", "work"),
    ("/collect", "collect"),
    ("/search", "search"),
    ("/map", "map"),
    ("/events", "events"),
    ("/report", "report"),
    ("/review", "review"),
    ("/sync", "sync"),
    ("/tray", "tray"),
    ("/me", "me"),
    ("/pin", "pin"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_fits_the_handheld_in_both_languages_and_at_double_size() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        for looks in ["lang-zh-CN", "text-200", "lang-en"] {
            hand.at("/me").await?;
            hand.page.press(&format!("[data-do='{looks}']")).await?;
            for (path, name) in PAGES {
                hand.at(path).await?;
                hand.on(name).await?;
                hand.page.fits().await?;
                reads_well(&hand.page.all_text().await)?;
                hand.page.keeps_nobody_out(true).await?;
            }
        }
        // The one who asks is not asleep: a picture without words is found.
        hand.page.client.execute("document.getElementById('screen').append(new Image(20, 20))", vec![]).await?;
        ensure!(hand.page.keeps_nobody_out(true).await.is_err(), "axe-core does not look");
        // Locked, and with a code in place of the PIN.
        hand.at("/me").await?;
        hand.page.press("[data-do=lock]").await?;
        hand.on("unlock").await?;
        hand.page.fits().await?;
        reads_well(&hand.page.all_text().await)?;
        hand.page.press("[data-do=other]").await?;
        hand.on("enrol").await?;
        hand.page.fits().await?;
        reads_well(&hand.page.all_text().await)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_console_comes_up_in_both_languages() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let page = desk::log_in(&browser, &centre, "staff").await?;
        for lang in ["zh", "en"] {
            for path in [
                "",
                "/inbox",
                "/inbox/new",
                "/events",
                "/report",
                "/imports",
                "/spam",
                "/records",
                "/to-decide",
                "/campaigns",
                "/batches",
                "/terminals",
                "/quarantine",
                "/audit",
                "/me",
            ] {
                page.goto(&format!("{}/console{path}", centre.url())).await?;
                page.see("main").await?;
                page.fits().await?;
                reads_well(&page.all_text().await)?;
                page.keeps_nobody_out(false).await?;
            }
            if lang == "zh" {
                managed(&browser, &centre).await?;
            }
            desk::make_code(&page, &centre, township.account("member1a").context("the account")?.id).await?;
            page.fits().await?;
            reads_well(&page.all_text().await)?;
            if lang == "zh" {
                page.press("form[action='/console/language'] button").await?;
                page.until("English", "document.documentElement.lang === 'en'").await?;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_settles_raises_and_looks_up_on_a_telephone() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let member = centre.handheld(&dir.path().join("hand"), "member1a").await?;
        let grid = *township.grids.first().context("a grid")?;
        for title in ["路灯不亮", "井盖松动", "垃圾没清"] {
            member.report(grid, title, "hazard", &StepEntry::new(Step::Report, ""))?;
        }
        member.sync_now().await?;
        let page = desk::log_in(&browser, &centre, "leader1").await?;
        page.resize(Screen::Handheld).await?;
        for path in ["", "/inbox", "/events", "/report", "/records", "/to-decide", "/campaigns", "/me"] {
            page.goto(&format!("{}/console{path}", centre.url())).await?;
            page.see("main").await?;
            page.fits().await?;
            reads_well(&page.all_text().await)?;
            page.keeps_nobody_out(false).await?;
        }
        // The places are folded away and unfold under a finger; the way leads to the inbox.
        page.press("label[for=places]").await?;
        page.fits().await?;
        page.press(".side a[href='/console/inbox']").await?;
        page.until("the inbox", "location.pathname === '/console/inbox'").await?;
        // Two are ticked and raised at once, one is opened, which then stands above the list, and settled.
        for title in ["路灯不亮", "井盖松动"] {
            page.press(&format!("#mails input[aria-label*='{title}']")).await?;
        }
        page.press("button[value='step-raise']").await?;
        page.see("[role=status]").await?;
        page.until("two were raised", "location.search.includes('did=2&changed=0&refused=0')").await?;
        page.until(
            "they say so",
            "[...document.querySelectorAll('#mails .mail')].filter((m) => m.textContent.includes('提级')).length >= 2",
        )
        .await?;
        page.client
            .execute(
                "[...document.querySelectorAll('#mails a')].find((a) => a.textContent.includes('垃圾没清')).click()",
                vec![],
            )
            .await?;
        page.until(
            "the opened one above the list",
            "document.querySelector('#d1').textContent.includes('垃圾没清') \
             && document.querySelector('#d1').getBoundingClientRect().top \
             < document.querySelector('#mails').getBoundingClientRect().top",
        )
        .await?;
        page.fits().await?;
        page.press("button[value='step-settle_on_site']").await?;
        page.see("[role=status]").await?;
        page.until("one was settled", "location.search.includes('did=1&changed=0&refused=0')").await?;
        Ok(())
    })
    .await
}

/// The pages of 管理员.
async fn managed(browser: &Browser, centre: &Centre) -> Result<()> {
    let page = desk::log_in(browser, centre, "admin").await?;
    for path in ["/people", "/people/new", "/areas", "/settings", "/forms"] {
        page.goto(&format!("{}/console{path}", centre.url())).await?;
        page.see("main").await?;
        page.fits().await?;
        reads_well(&page.all_text().await)?;
        page.keeps_nobody_out(false).await?;
    }
    Ok(())
}

/// No quarrelling words, and no message key where a word should be.
fn reads_well(text: &str) -> Result<()> {
    for word in ["冲突", "console-", "app-"] {
        let line = text.lines().skip(1).find(|line| line.contains(word));
        ensure!(line.is_none(), "{word:?} in {line:?}");
    }
    Ok(())
}
