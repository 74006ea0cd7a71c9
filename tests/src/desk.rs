//! Logging in to the console in a browser, as people of the township do.

use std::time::Duration;

use anyhow::{Result, bail};
use shared::ids::UserId;

use crate::browser::{Browser, Page, Screen};
use crate::centre::Centre;
use crate::township::{PASSWORD, code};

/// Opens the console as somebody: password, then a code where one is asked for.
pub async fn log_in(browser: &Browser, centre: &Centre, login: &str) -> Result<Page> {
    let page = browser.open(&format!("{}/console/login", centre.url()), Screen::Desk).await?;
    give_password(&page, login).await?;
    // Somebody may have used the code of this half minute: then the next one does.
    for _ in 0..3 {
        if !page.address().await?.ends_with("/console/login/second") {
            return Ok(page);
        }
        page.type_into("#code", &code(login, now())).await?;
        page.press("main form button").await?;
        let done = "location.pathname !== '/console/login/second' || document.querySelector('[role=alert]')";
        page.until("an answer to the code", done).await?;
        if page.has("[role=alert]").await {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    }
    bail!("no code of {login} was taken")
}

/// Name and password, and whatever page comes after them.
pub async fn give_password(page: &Page, login: &str) -> Result<()> {
    page.type_into("#login", login).await?;
    page.type_into("#password", PASSWORD).await?;
    page.press("main form button").await?;
    page.until("the console", "location.pathname !== '/console/login'").await
}

/// Makes an enrolment code for somebody on the page of terminals.
pub async fn make_code(page: &Page, centre: &Centre, user: UserId) -> Result<()> {
    page.goto(&format!("{}/console/terminals", centre.url())).await?;
    page.see(&format!("#user option[value='{user}']")).await?.click().await?;
    page.press("form[action='/console/terminals/code'] button").await?;
    page.see(".code-panel").await?;
    Ok(())
}

/// The clock on the wall, as an authenticator reads it.
#[allow(clippy::disallowed_methods, reason = "the servers of these tests go by it too")]
pub fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
