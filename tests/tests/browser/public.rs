//! The public pages on a cheap telephone: 360 px wide, with text twice as large, in both languages, without JavaScript.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shared::area::AreaId;
use tests::browser::{Browser, Page, Screen};
use tests::centre::Centre;
use tests::public::Public;

/// What can be pressed and is smaller than a fingertip; words in a line of text are not pressed.
const SMALL: &str = "
    const parts = [...document.querySelectorAll('a.btn, button, input:not([type=hidden]):not([tabindex=\"-1\"]), textarea, label.choice, label.tick')];
    const shown = parts.filter((e) => e.offsetParent && !(e.type === 'radio' || e.type === 'checkbox'));
    const small = shown.find((e) => { const r = e.getBoundingClientRect(); return r.height < 44 || r.width < 44; });
    return small ? small.outerHTML.slice(0, 120) + ' ' + JSON.stringify(small.getBoundingClientRect()) : '';
";

/// Text that does not fit into what holds it, or lies outside of the window.
const CUT: &str = "
    const texts = [...document.querySelectorAll('h1, h2, p, span, b, label, legend, td, th, a, li, button')].filter((e) => e.offsetParent && !e.closest('.trap'));
    const cut = texts.find((e) => { const r = e.getBoundingClientRect(); return r.right > innerWidth + 1 || r.left < -1 || (!e.children.length && e.clientWidth && e.scrollWidth > e.clientWidth + 1); });
    return cut ? cut.outerHTML.slice(0, 160) : '';
";

async fn looks_well(page: &Page) -> Result<()> {
    page.fits().await?;
    for script in [SMALL, CUT] {
        let found = page.client.execute(script, vec![]).await?;
        let found = found.as_str().unwrap_or("no answer");
        ensure!(found.is_empty(), "{}: {found}", page.address().await?);
    }
    let text = page.all_text().await;
    let key = text.lines().skip(1).find(|line| line.contains("public-"));
    ensure!(key.is_none(), "a word is missing: {key:?}");
    // axe-core is a script itself; what the page would have done by one was left undone when it was opened.
    page.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await?;
    page.keeps_nobody_out(true).await?;
    page.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_pages_fit_a_small_telephone_with_large_text_in_both_languages_without_javascript() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let centre = Centre::small(&dir.path().join("server")).await?;
        let public = Public::open(&centre, &dir.path().join("intake"), AreaId(11)).await?;
        let page = browser.open(&public.at("/g/11"), Screen::Telephone).await?;
        let mut refused = 0;
        for (lang, words) in [("zh-CN,zh", ["反映一件事", "已收到"]), ("en", ["Report something", "Received"])]
        {
            page.devtools("Network.enable", json!({})).await?;
            page.devtools("Network.setExtraHTTPHeaders", json!({ "headers": { "Accept-Language": lang } })).await?;
            for large in [false, true] {
                page.text_size(if large { 2.0 } else { 1.0 }).await?;
                // What the driver runs itself goes on working.
                page.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await?;
                for path in ["/g/11", "/g/12", "/r/11", "/g/11/sign", "/g/11/badge", "/g/99", "/s/nothing"] {
                    page.goto(&public.at(path)).await?;
                    looks_well(&page).await?;
                }
                page.goto(&public.at("/g/11")).await?;
                page.reads("h2", words[0]).await?;
                page.press("a.btn--main").await?;
                page.see("form #text").await?;
                ensure!(
                    !page.client.find(fantoccini::Locator::Css("#here")).await?.is_displayed().await?,
                    "a button for a script"
                );
                page.press(".choice").await?;
                page.type_into("#text", "三号楼楼道堆满杂物").await?;
                page.type_into("#place", "柳湾巷十二号").await?;
                // Refused: a file that is no photo. What was typed is there, and it can be sent again.
                let file = dir.path().join("nothing.jpg");
                std::fs::write(&file, "这不是照片")?;
                page.attach("input[type=file][multiple]", &file).await?;
                page.press("button.btn--main").await?;
                page.see("[role=alert]").await?;
                refused += 1;
                looks_well(&page).await?;
                let typed = page.client.find(fantoccini::Locator::Css("#text")).await?.prop("value").await?;
                ensure!(typed.as_deref() == Some("三号楼楼道堆满杂物"), "{typed:?}");
                page.press("button.btn--main").await?;
                page.reads(".status", words[1]).await?;
                looks_well(&page).await?;
                let link = page.address().await?;
                for code in [2, 4] {
                    public.tell(&link, code).await?;
                    page.goto(&link).await?;
                    looks_well(&page).await?;
                }
            }
        }
        ensure!(refused == 4);
        // Whoever looks is awake: a button of 20 px is found.
        page.goto(&public.at("/r/11")).await?;
        page.client
            .execute(
                "const small = document.createElement('button');
                 small.style.cssText = 'width: 20px; height: 20px; min-height: 0; padding: 0';
                 document.querySelector('.sheet').append(small)",
                vec![],
            )
            .await?;
        ensure!(looks_well(&page).await.is_err(), "nobody looks");
        Ok(())
    })
    .await
    .context("the public pages")
}
