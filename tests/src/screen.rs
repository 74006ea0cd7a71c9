//! A handheld in a browser window, pressed and typed on as its user would. The hooks stand in `app::ui`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shared::ids::RecordId;

use crate::browser::{Browser, Page, Screen};
use crate::centre::{Centre, preview, preview_at, preview_later, preview_watched};
use crate::near::PIN;
use crate::process::Served;

/// A real `preview` process and a browser window on it.
pub struct Hand {
    /// The window.
    pub page: Page,
    /// Where its files lie.
    pub folder: PathBuf,
    preview: Option<Served>,
    url: String,
}

impl Hand {
    /// Starts a preview on a folder and opens it.
    pub async fn take(browser: &Arc<Browser>, folder: &Path) -> Result<Self> {
        let preview = preview(folder, "127.0.0.1:0").await?;
        let url = preview.url.clone();
        let page = browser.open(&url, Screen::Handheld).await?;
        Ok(Self { page, folder: folder.to_owned(), preview: Some(preview), url })
    }

    /// The same in a place: latitude, longitude and accuracy in metres, with commas between.
    pub async fn take_at(browser: &Arc<Browser>, folder: &Path, place: &str) -> Result<Self> {
        let preview = preview_at(folder, "127.0.0.1:0", place).await?;
        let url = preview.url.clone();
        let page = browser.open(&url, Screen::Handheld).await?;
        Ok(Self { page, folder: folder.to_owned(), preview: Some(preview), url })
    }

    /// The same, watched: see [`Hand::stretches`].
    pub async fn watched(browser: &Arc<Browser>, folder: &Path) -> Result<Self> {
        let preview = preview_watched(folder).await?;
        let url = preview.url.clone();
        let page = browser.open(&url, Screen::Handheld).await?;
        Ok(Self { page, folder: folder.to_owned(), preview: Some(preview), url })
    }

    /// For how long the thread of the screen was busy without a pause, since this was asked last: JSON of the preview.
    pub async fn stretches(&self) -> Result<String> {
        let ask = "const ask = new XMLHttpRequest(); ask.open('GET', '/preview/stretches', false); ask.send(); \
                   return ask.responseText;";
        let told = self.page.client.execute(ask, vec![]).await?;
        Ok(told.as_str().context("the preview does not tell")?.to_owned())
    }

    /// The preview's process.
    pub fn pid(&self) -> Option<u32> {
        self.preview.as_ref().and_then(Served::pid)
    }

    /// The same on a disk that is full as long as there is a file called `switch`.
    #[cfg(feature = "faults")]
    pub async fn starved(browser: &Arc<Browser>, folder: &Path, switch: &Path) -> Result<Self> {
        let preview = crate::centre::starved(folder, switch, "127.0.0.1:0").await?;
        let url = preview.url.clone();
        let page = browser.open(&url, Screen::Handheld).await?;
        Ok(Self { page, folder: folder.to_owned(), preview: Some(preview), url })
    }

    /// Enrols it for somebody by typing server and code, and waits until it is filled.
    pub async fn enrol(&self, centre: &Centre, login: &str) -> Result<()> {
        self.page.type_into("#enrol-server", &centre.url()).await?;
        self.page.type_into("#enrol-code", &centre.code(login).await?).await?;
        self.page.type_into("#enrol-pin", PIN).await?;
        self.page.type_into("#enrol-again", PIN).await?;
        self.page.press("[data-do=enrol]").await?;
        self.on("today").await?;
        self.sync().await
    }

    /// Waits until a page of this name is shown.
    pub async fn on(&self, name: &str) -> Result<()> {
        self.page.until(&format!("the page {name}"), &format!("document.querySelector('[data-page=\"{name}\"]')")).await
    }

    /// Goes to a tab: today, collect, search, event, me.
    pub async fn tab(&self, tab: &str) -> Result<()> {
        self.page.press(&format!(".tabs [data-do={tab}]")).await
    }

    /// Opens an address of the preview.
    pub async fn at(&self, path: &str) -> Result<()> {
        self.page.goto(&format!("{}{path}", self.url)).await
    }

    /// Switches "no network" on or off, as the preview's own bar does, and waits until the handheld has it.
    pub async fn network(&self, on: bool) -> Result<()> {
        self.page.until("the network's switch", "document.querySelector('#no-network')").await?;
        if self.has_network(!on).await.is_ok() {
            self.page.press("#no-network").await?;
        }
        self.page.until("the network's state", &network_is(on)).await
    }

    async fn has_network(&self, on: bool) -> Result<()> {
        let is = self.page.client.execute(&format!("return {}", network_is(on)), vec![]).await?;
        ensure!(is.as_bool() == Some(true), "the network is otherwise");
        Ok(())
    }

    /// Syncs by the button of the sync page and waits for 已全部上传.
    pub async fn sync(&self) -> Result<()> {
        self.at("/sync").await?;
        self.page
            .until("a sync that is not running", "document.querySelector('[data-do=sync]:not([disabled])')")
            .await?;
        self.page.press("[data-do=sync]").await?;
        self.page
            .until(
                "everything delivered",
                "document.querySelector('[data-do=sync]:not([disabled])') && \
                 document.querySelector('[data-lamp=delivered][data-on=true]') && \
                 document.querySelector('#sync-status[data-phase=idle]')",
            )
            .await
    }

    /// Finds a record by typing, and opens it.
    pub async fn open(&self, typed: &str, record: RecordId) -> Result<()> {
        self.at("/search").await?;
        self.page.type_into("#search", typed).await?;
        self.page.press(&format!("[data-record='{record}']")).await?;
        self.page.see(&format!("#record[data-id='{record}']")).await?;
        Ok(())
    }

    /// Opens the form of the record shown.
    pub async fn edit(&self) -> Result<()> {
        self.page.press("[data-do=edit]").await?;
        self.page.see("[data-do=save]").await?;
        Ok(())
    }

    /// Types into fields of the open form and saves.
    pub async fn save(&self, fields: &[(&str, &str)]) -> Result<()> {
        for (field, text) in fields {
            self.page.type_into(&format!("#f-{field}"), text).await?;
        }
        self.page.press("[data-do=save]").await?;
        self.page.see("#record").await?;
        Ok(())
    }

    /// Presses a chip of a choice.
    pub async fn choose(&self, name: &str, code: &str) -> Result<()> {
        self.page.press(&format!("label:has([name='{name}'][value='{code}'])")).await
    }

    /// What a field of the record shown reads, unmasked.
    pub async fn value(&self, field: &str) -> Result<String> {
        let shown = format!("[data-value='{field}']");
        let text = self.page.text(&shown).await?;
        let show = format!("[data-show='{field}']");
        if text.contains('*') && self.page.has(&show).await {
            self.page.press(&show).await?;
            let masked = format!("document.querySelector(\"{shown}\")?.innerText.includes('*') === false");
            self.page.until("the value in full", &masked).await?;
        }
        self.page.text(&shown).await
    }

    /// `kill -9` of the preview.
    pub async fn kill(&mut self) -> Result<()> {
        let preview = self.preview.take().context("the preview runs")?;
        preview.kill().await
    }

    /// Starts the preview again where it was.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.preview.is_none(), "the preview still runs");
        let address = self.url.trim_start_matches("http://").to_owned();
        self.preview = Some(preview(&self.folder, &address).await?);
        self.page.goto(&self.url).await?;
        self.unlock().await
    }

    /// The same as if so many hours had passed since.
    pub async fn restart_later(&mut self, hours: u32) -> Result<()> {
        ensure!(self.preview.is_none(), "the preview still runs");
        let address = self.url.trim_start_matches("http://").to_owned();
        self.preview = Some(preview_later(&self.folder, &address, hours).await?);
        self.page.goto(&self.url).await?;
        self.unlock().await
    }

    /// Types the PIN where it is asked for.
    pub async fn unlock(&self) -> Result<()> {
        self.on("unlock").await?;
        self.page.type_into("#pin", PIN).await?;
        self.page.press("[data-do=unlock]").await
    }

    /// What the preview said, for a failure's message.
    pub fn said(&mut self) -> Vec<String> {
        self.preview.as_mut().map(Served::said).unwrap_or_default()
    }
}

/// Asks the preview itself: its box may be ticked before the handheld knows.
fn network_is(on: bool) -> String {
    format!(
        "(() => {{ const ask = new XMLHttpRequest(); ask.open('GET', '/preview/network', false); ask.send(); \
         return JSON.parse(ask.responseText).on === {on}; }})()"
    )
}
