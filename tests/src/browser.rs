//! Chromium, driven as a person would: one driver a story, one fresh profile a session.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a page may take to show what is waited for. A bound, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// The driver and the sessions it opened.
pub struct Browser {
    driver: Child,
    url: String,
    binary: PathBuf,
    profiles: TempDir,
    sessions: Mutex<Vec<Client>>,
}

/// How large a page is shown.
#[derive(Debug, Clone, Copy)]
pub enum Screen {
    /// A cheap 5.5-inch handheld, or a leader's telephone: 412 × 915.
    Handheld,
    /// A small telephone: 360 × 740.
    Telephone,
    /// A sheet of A4, at 96 dots an inch.
    Paper,
    /// The centre's desk: 1366 × 768.
    Desk,
    /// A larger desk: 1920 × 1080.
    Wide,
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|p| p.is_file())
}

impl Browser {
    /// Starts chromedriver on a free port.
    pub async fn start() -> Result<Self> {
        let driver = on_path(&["chromedriver"])
            .context("chromedriver is not on the PATH; `make setup-browser` installs it (Debian: chromium-driver)")?;
        let binary = on_path(&["chromium", "chromium-browser", "google-chrome"])
            .context("Chromium is not on the PATH; `make setup-browser` installs it (Debian: chromium)")?;
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting chromedriver")?;
        let out = driver.stdout.take().context("chromedriver has no output")?;
        let mut lines = BufReader::new(out).lines();
        let port = loop {
            let line = lines.next_line().await?.context("chromedriver ended before it said its port")?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            driver,
            url: format!("http://127.0.0.1:{port}"),
            binary,
            profiles: tempfile::tempdir()?,
            sessions: Mutex::default(),
        })
    }

    /// Opens `url` in a session of its own.
    pub async fn open(&self, url: &str, screen: Screen) -> Result<Page> {
        let profile = tempfile::tempdir_in(self.profiles.path())?.keep();
        let (width, height) = screen.size();
        let mut args: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            "--force-device-scale-factor=1",
            "--lang=zh-CN",
        ]
        .map(str::to_owned)
        .to_vec();
        args.push(format!("--window-size={width},{height}"));
        args.push(format!("--user-data-dir={}", profile.display()));
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": self.binary,
                "args": args,
                "prefs": { "download.default_directory": profile.join("downloads"), "intl.accept_languages": "zh-CN,zh" },
            }
        });
        let Value::Object(capabilities) = capabilities else { bail!("capabilities are an object") };
        let client = ClientBuilder::new(hyper_connector())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .context("opening a browser session")?;
        if let Ok(mut sessions) = self.sessions.lock() {
            sessions.push(client.clone());
        }
        let page = Page { client, downloads: profile.join("downloads") };
        page.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        )
        .await?;
        page.goto(url).await?;
        Ok(page)
    }

    /// The driver's process; the browsers are its children.
    pub fn pid(&self) -> Option<u32> {
        self.driver.id()
    }

    /// Closes every session and the driver. A driver that is merely killed leaves its browsers behind.
    pub async fn close(mut self) {
        let sessions = self.sessions.lock().map(|mut sessions| std::mem::take(&mut *sessions)).unwrap_or_default();
        for session in sessions {
            session.close().await.ok();
        }
        self.driver.kill().await.ok();
    }

    /// Runs a story and closes everything however it ends.
    pub async fn with<F, Fut>(story: F) -> Result<()>
    where
        F: FnOnce(std::sync::Arc<Self>) -> Fut,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        // One at a time where the runner runs tests of one program beside each other: two starve each other on two cores.
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _alone = ALONE.lock().await;
        let browser = std::sync::Arc::new(Self::start().await?);
        // A task of its own, so that a panic in the story is caught here and the browsers do not outlive it.
        let told = tokio::spawn(story(browser.clone())).await;
        match std::sync::Arc::try_unwrap(browser) {
            Ok(browser) => browser.close().await,
            Err(shared) => {
                let sessions = shared.sessions.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
                for session in sessions {
                    session.close().await.ok();
                }
            }
        }
        told.context("the story panicked")?
    }
}

fn hyper_connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

impl Screen {
    /// Width and height in CSS pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Handheld => (412, 915),
            Self::Telephone => (360, 740),
            Self::Paper => (794, 1123),
            Self::Desk => (1366, 768),
            Self::Wide => (1920, 1080),
        }
    }
}

/// One browser window.
#[derive(Clone)]
pub struct Page {
    /// For what is not said here.
    pub client: Client,
    downloads: PathBuf,
}

/// A command of the Chrome DevTools Protocol, sent through the driver.
#[derive(Debug)]
struct Devtools(Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

/// The first word that is wider than its place.
const CUT: &str = "
    const wide = (e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1
        && !['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX);
    const cut = [...document.querySelectorAll('.tab, .btn, .chip, h1, h2, .field__label')].find(wide);
    const screen = document.getElementById('screen');
    if (cut) return cut.className + ' ' + cut.textContent.trim();
    return screen && screen.scrollWidth > screen.clientWidth + 1 ? 'the screen' : '';
";

impl Page {
    /// Opens an address.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.client.goto(url).await.with_context(|| format!("opening {url}"))
    }

    /// Shows it on a screen of another size.
    pub async fn resize(&self, screen: Screen) -> Result<()> {
        let (width, height) = screen.size();
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Shows text so many times as large as usual, as the setting of a telephone does; what is opened next has it.
    pub async fn text_size(&self, times: f64) -> Result<()> {
        self.devtools("Page.enable", json!({})).await?;
        let sizes = json!({ "fontSizes": { "standard": 16.0 * times, "fixed": 13.0 * times } });
        self.devtools("Page.setFontSizes", sizes).await.map(drop)
    }

    /// Where it is.
    pub async fn address(&self) -> Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        let body = Devtools(json!({ "cmd": command, "params": params }));
        self.client.issue_cmd(body).await.with_context(|| format!("devtools {command}"))
    }

    /// The element of a CSS selector, as soon as it is there and visible.
    pub async fn see(&self, css: &str) -> Result<Element> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(element) = self.client.find(Locator::Css(css)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                return Ok(element);
            }
            if Instant::now() > end {
                bail!("{css} did not appear; the page shows:\n{}", self.all_text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the selector finds something now.
    pub async fn has(&self, css: &str) -> bool {
        self.client.find(Locator::Css(css)).await.is_ok()
    }

    /// How many elements the selector finds now.
    pub async fn count(&self, css: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(css)).await?.len())
    }

    /// The text of the element.
    pub async fn text(&self, css: &str) -> Result<String> {
        Ok(self.see(css).await?.text().await?)
    }

    /// Everything there is to read, for a failure's message.
    pub async fn all_text(&self) -> String {
        match self.client.execute("return location.href + '\\n' + document.body.innerText", vec![]).await {
            Ok(text) => text.as_str().unwrap_or_default().to_owned(),
            Err(error) => format!("(cannot be read: {error})"),
        }
    }

    /// Presses the element. What lies under a sticky dock is scrolled to the middle first; a page that is just being
    /// drawn anew gets another try.
    pub async fn press(&self, css: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.see(css).await?;
            self.centre(css).await;
            match element.click().await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error).with_context(|| format!("pressing {css}")),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn centre(&self, css: &str) {
        let script = "const e = document.querySelector(arguments[0]); if (e) e.scrollIntoView({block: 'center'});";
        // A page without the element any more is found out by the click.
        self.client.execute(script, vec![css.into()]).await.ok();
    }

    /// Types into a field key by key, after emptying it.
    pub async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        self.press(css).await?;
        let element = self.see(css).await?;
        // `clear` alone fires no input event in every browser; selecting all and typing over does.
        element.send_keys("\u{e009}a\u{e000}\u{e017}").await.context("emptying the field")?;
        element.send_keys(text).await.with_context(|| format!("typing into {css}"))?;
        Ok(())
    }

    /// Gives a file to a file field, visible or not.
    pub async fn attach(&self, css: &str, file: &Path) -> Result<()> {
        self.attach_all(css, &[file]).await
    }

    /// Several files at once.
    pub async fn attach_all(&self, css: &str, files: &[&Path]) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let element = loop {
            match self.client.find(Locator::Css(css)).await {
                Ok(element) => break element,
                Err(error) if Instant::now() > end => return Err(error).with_context(|| format!("finding {css}")),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        element.send_keys(&files.join("\n")).await.with_context(|| format!("attaching to {css}"))
    }

    /// Waits until `script` (a JavaScript expression) is true.
    pub async fn until(&self, what: &str, script: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let script = format!("return !!({script})");
        loop {
            if let Ok(Value::Bool(true)) = self.client.execute(&script, vec![]).await {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("waited in vain: {what}; the page shows:\n{}", self.all_text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the element's text holds `text`.
    pub async fn reads(&self, css: &str, text: &str) -> Result<()> {
        let script = format!(
            "[...document.querySelectorAll({})].some(e => e.innerText.includes({}))",
            Value::from(css),
            Value::from(text)
        );
        self.until(&format!("{css} reads {text:?}"), &script).await
    }

    /// Waits until nothing matches the selector.
    pub async fn gone(&self, css: &str) -> Result<()> {
        self.until(&format!("{css} is gone"), &format!("!document.querySelector({})", Value::from(css))).await
    }

    /// Asserts that nothing scrolls sideways and no word of a tab, button or title is wider than its place.
    pub async fn fits(&self) -> Result<()> {
        let cut = self.client.execute(CUT, vec![]).await?;
        let cut = cut.as_str().unwrap_or_default();
        ensure!(cut.is_empty(), "{cut} is cut off: {}", self.address().await?);
        let wide = self
            .client
            .execute("return document.documentElement.scrollWidth - document.documentElement.clientWidth", vec![])
            .await?;
        ensure!(wide.as_i64() == Some(0), "the page scrolls sideways by {wide} px: {}", self.address().await?);
        Ok(())
    }

    /// Asserts that axe-core finds nothing that keeps people out (WCAG 2.1 A and AA, serious or critical), and with
    /// `daylight` a contrast of 7:1 (1.4.6).
    pub async fn keeps_nobody_out(&self, daylight: bool) -> Result<()> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&file)
            .with_context(|| format!("{} is missing; `make setup-browser` installs it", file.display()))?;
        if self.client.execute("return typeof axe", vec![]).await? == "undefined" {
            self.client.execute(&format!("{axe}; window.axe = axe;"), vec![]).await.context("putting axe-core in")?;
        }
        // The preview's own bar is no part of the handheld.
        let found = self
            .client
            .execute_async(
                "const [daylight, done] = arguments;
                 axe.run({ exclude: [['#frame']] }, {
                     runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'].concat(daylight ? ['wcag2aaa'] : []),
                     rules: { 'color-contrast-enhanced': { enabled: daylight } },
                 }).then((result) => done(result.violations
                     .filter((one) => ['serious', 'critical'].includes(one.impact))
                     .map((one) => one.id + ': ' + one.nodes.slice(0, 4)
                         .map((node) => node.target.join(' ') + ' ' + node.html.slice(0, 160)
                             + ' ' + (node.any[0] ? node.any[0].message : '')).join(' | '))
                     .join('\\n')), (error) => done('axe: ' + error));",
                vec![Value::from(daylight)],
            )
            .await
            .context("asking axe-core")?;
        let found = found.as_str().unwrap_or("no answer");
        ensure!(found.is_empty(), "{}:\n{found}", self.address().await?);
        Ok(())
    }

    /// A PNG of what the window shows, or of the whole page.
    pub async fn picture(&self, whole: bool) -> Result<Vec<u8>> {
        let answer =
            self.devtools("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": whole })).await?;
        let text = answer.get("data").and_then(Value::as_str).context("a screenshot has data")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// The folder downloads go to.
    pub fn downloads(&self) -> &Path {
        &self.downloads
    }
}
