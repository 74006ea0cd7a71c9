//! A clerk's morning: 200 reports triaged by keyboard, answered by two departments, closed and archived; the month's report
//! says what the stored states say.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shared::workflow::{Step, StepEntry};
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::desk;
use tests::story::Story as _;
use tests::township::Township;

const REPORTS: usize = 200;
const ENTER: &str = "\u{e007}";

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reports_by_keyboard_through_two_departments_into_the_archive() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        tell(&browser, dir.path(), &centre, &township).await
    })
    .await
}

/// Presses keys with nothing chosen on the page.
async fn keys(page: &Page, text: &str) -> Result<()> {
    page.see("body").await?.send_keys(text).await.with_context(|| format!("pressing {text:?}"))
}

/// Does something that leads to another page, and waits until that is there.
async fn onward(page: &Page, what: &str, done: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    page.client.execute("window.before = true", vec![]).await?;
    done().await?;
    page.until(what, "!window.before && document.readyState === 'complete'").await
}

async fn number(page: &Page, script: &str) -> Result<usize> {
    let value = page.client.execute(script, vec![]).await?;
    Ok(usize::try_from(value.as_u64().with_context(|| format!("{script} gave {value}"))?)?)
}

const LISTED: &str = "return document.querySelectorAll('#mails .mail').length";

async fn tell(browser: &Arc<Browser>, dir: &Path, centre: &Centre, township: &Township) -> Result<()> {
    let hand = centre.handheld(&dir.join("reporter"), "staff2").await?;
    hand.sync_now().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    for n in 0..REPORTS {
        let grid = township.grids.get(n % township.grids.len()).copied().context("a grid")?;
        let category = ["dispute", "hazard", "sanitation"].get(n % 3).copied().unwrap_or_default();
        hand.report(grid, &format!("第{n}号报事"), category, &StepEntry::new(Step::Report, "要人来处理"))?;
    }
    hand.sync_now().await.map_err(|error| anyhow::anyhow!("{error}"))?;

    let staff = desk::log_in(browser, centre, "staff").await?;
    let inbox = format!("{}/console/inbox", centre.url());
    staff.goto(&inbox).await?;
    staff.see("#mails").await?;
    let waiting = number(&staff, "return +document.querySelector('.views b').innerText").await?;
    ensure!(waiting >= REPORTS, "{waiting} wait");
    let names: Vec<String> = serde_json::from_value(
        staff
            .client
            .execute(
                "return ['1', '2'].map(digit => document.querySelector(`option[data-digit='${digit}']`).text.slice(2).trim())",
                vec![],
            )
            .await?,
    )?;
    for n in 0..waiting {
        keys(&staff, if n % 2 == 0 { "1" } else { "2" }).await?;
        onward(&staff, "the next report", async || keys(&staff, ENTER).await).await?;
    }
    ensure!(!staff.has("#mails").await, "something is left: {}", staff.all_text().await);

    for name in &names {
        let account = township.accounts.iter().find(|account| account.name == *name);
        let login = account.map(|account| account.login.clone()).with_context(|| format!("nobody is {name}"))?;
        let page = desk::log_in(browser, centre, &login).await?;
        page.goto(&inbox).await?;
        // Whatever is theirs is handled and told of; what only waits for the centre stays listed.
        while page.has("#due textarea").await && page.has("#due [data-key=Enter]").await {
            keys(&page, "d").await?;
            let written = page.client.active_element().await?;
            written.send_keys("去了现场，办妥").await?;
            onward(&page, "the next to do", async || Ok(written.send_keys("\u{e009}\u{e007}\u{e000}").await?)).await?;
        }
        page.client.close_window().await.ok();
    }

    let staff = desk::log_in(browser, centre, "staff").await?;
    staff.goto(&format!("{inbox}?view=answered")).await?;
    while number(&staff, LISTED).await? > 0 {
        keys(&staff, "a").await?;
        onward(&staff, "closed", async || keys(&staff, "c").await).await?;
        staff.goto(&format!("{inbox}?view=answered")).await?;
    }
    let closed = format!("{}/console/events?stage=closed", centre.url());
    staff.goto(&closed).await?;
    while staff.has("button[value=step-archive]").await {
        onward(&staff, "archived", async || staff.press("button[value=step-archive]").await).await?;
    }
    staff.goto(&format!("{}/console/report", centre.url())).await?;
    let figure = "return +[...document.querySelectorAll('tr')].find(row => row.cells[0].innerText === '结案事件（件）').cells[1].innerText";
    let shown = number(&staff, figure).await?;
    let recounted = recount(&centre.data, &month())?;
    ensure!(shown == recounted && shown >= REPORTS, "the report says {shown}, the states {recounted}");
    let numbers = numbers(&centre.data)?;
    ensure!(numbers.1 == numbers.0 && numbers.0 >= REPORTS, "{} archived, {} different numbers", numbers.0, numbers.1);
    Ok(())
}

/// This month in Beijing.
fn month() -> String {
    #[allow(clippy::disallowed_methods, reason = "the server's clock is the real one")]
    let now = chrono::Utc::now() + chrono::TimeDelta::hours(8);
    now.format("%Y-%m").to_string()
}

fn opened(data: &Path) -> Result<rusqlite::Connection> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    rusqlite::Connection::open_with_flags(data.join("town.db"), flags).context("opening the store")
}

/// Events closed in a month by the states alone: the last closing of each that is closed now.
fn recount(data: &Path, month: &str) -> Result<usize> {
    let sql = "WITH said AS (SELECT p.record, w.value ->> '$[1]' said,
                   p.state ->> ('$.heads[' || (w.value ->> '$[0]') || '][1].at') at
                   FROM part p, json_each(p.state, '$.live') j, json_each(j.value) w
                   WHERE p.kind = 'event' AND p.part = 'open' AND p.deleted = 0 AND j.key LIKE 'steps/%')
               SELECT count(DISTINCT record) FROM said WHERE said ->> '$.step' = 'close'
               AND strftime('%Y-%m', at / 1000 + 28800, 'unixepoch') = ?1";
    Ok(usize::try_from(opened(data)?.query_row(sql, [month], |row| row.get::<_, i64>(0))?)?)
}

/// Archived events with a number of this year's form, and how many different numbers those are.
fn numbers(data: &Path) -> Result<(usize, usize)> {
    let sql = "SELECT count(*), count(DISTINCT ledger) FROM event WHERE ledger LIKE '%〔%〕%'";
    let (all, different): (i64, i64) = opened(data)?.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((usize::try_from(all)?, usize::try_from(different)?))
}
