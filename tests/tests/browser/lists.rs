//! Long lists: a window of them at a time, the same place when one comes back, narrowed by what the work needs.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::screen::Hand;

/// Chooses in a box that narrows a list, as a press would.
async fn narrow(page: &Page, name: &str, code: &str) -> Result<()> {
    page.see(&format!("select[name={name}]")).await?;
    let script = "const box = document.querySelector(`select[name=${arguments[0]}]`); box.value = arguments[1];
                  box.dispatchEvent(new Event('change', {bubbles: true}));";
    page.client.execute(script, vec![name.into(), code.into()]).await?;
    Ok(())
}

async fn ids(page: &Page, list: &str) -> Result<Vec<String>> {
    let script =
        format!("return [...document.querySelectorAll('{list} [data-record]')].map(row => row.dataset.record)");
    let found = page.client.execute(&script, vec![]).await?;
    let found = found.as_array().context("a list")?;
    Ok(found.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

async fn top(page: &Page, id: &str) -> Result<i64> {
    let script =
        format!("return Math.round(document.querySelector('[data-record=\"{id}\"]').getBoundingClientRect().top)");
    page.client.execute(&script, vec![]).await?.as_i64().context("where a row is")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_drawn_a_window_at_a_time_and_keeps_its_place() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "leader1").await?;
        hand.at("/search").await?;
        hand.choose("kind", "person").await?;
        let page = &hand.page;
        // Of one kind only the rows need no icon of their kind.
        page.until("people", "document.querySelector('#results .row') && !document.querySelector('#results .row > .i')").await?;
        let mut seen: Vec<String> = ids(page, "#results").await?;
        for rows in [100, 150, 150, 150] {
            let last = seen.last().cloned().context("rows")?;
            page.press("[data-do=more]").await?;
            page.until("more rows", &format!("[...document.querySelectorAll('#results [data-record]')].pop().dataset.record !== '{last}'")).await?;
            let now = ids(page, "#results").await?;
            ensure!(now.len() == rows, "{} rows are drawn", now.len());
            ensure!(now.contains(&last), "rows were passed over");
            seen.extend(now.into_iter().filter(|id| !seen.contains(id)).collect::<Vec<_>>());
        }
        assert_eq!(seen.len(), 250, "each comes once");
        // Into a record and back: the same rows at the same height.
        let before = ids(page, "#results").await?;
        let row = before.get(70).cloned().context("a row")?;
        page.client
            .execute(&format!("document.querySelector('[data-record=\"{row}\"]').scrollIntoView({{block: 'center'}})"), vec![])
            .await?;
        let height = top(page, &row).await?;
        page.press(&format!("[data-record='{row}']")).await?;
        page.see(&format!("#record[data-id='{row}']")).await?;
        page.press(".nav [data-do=back]").await?;
        hand.on("search").await?;
        page.see("#results [data-record]").await?;
        assert_eq!(ids(page, "#results").await?, before);
        page.until("the same height", &format!("Math.abs(document.querySelector('[data-record=\"{row}\"]').getBoundingClientRect().top - {height}) < 4")).await?;
        page.press("[data-do=before]").await?;
        page.until("the rows before", &format!("[...document.querySelectorAll('#results [data-record]')][50].dataset.record === '{}'", before[0])).await?;

        // By grid, then by type.
        let grid = township.first_grid()[0];
        narrow(page, "area", &grid.to_string()).await?;
        page.until("from the top", "!document.querySelector('[data-do=before]')").await?;
        hand.choose("kind", "organization").await?;
        page.see("select[name=category]").await?;
        page.see("#results [data-record]").await?;
        let all = ids(page, "#results").await?.len();
        narrow(page, "category", "school").await?;
        page.until("fewer", &format!("document.querySelectorAll('#results [data-record]').length < {all} || document.querySelector('#nothing')")).await?;
        page.fits().await?;

        // Events by light.
        hand.at("/events").await?;
        page.press("[data-do=events-area]").await?;
        narrow(page, "light", "red").await?;
        page.until("only the red", "document.querySelector('#events .row') && [...document.querySelectorAll('#events .row')].every(row => row.querySelector('[data-light=l-red]'))").await?;
        page.fits().await
    })
    .await
}
