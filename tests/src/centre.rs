//! The centre: a real `sync-server` process on a data folder, and what staff do at its command line.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::Handheld;
use app::platform::Services;
use app::sync::Connect;
use chrono::NaiveDate;
use tokio::process::Command;

use crate::near;
use crate::process::{Served, program};
use crate::township::{Size, Township, fill};

/// A server process and its folder.
pub struct Centre {
    /// The data folder.
    pub data: PathBuf,
    server: Option<Served>,
    address: String,
}

impl Centre {
    /// Starts the server on a folder, on a free port.
    pub async fn open(data: &Path) -> Result<Self> {
        Self::open_at(data, "127.0.0.1:0").await
    }

    /// Starts the server on a folder at an address.
    pub async fn open_at(data: &Path, listen: &str) -> Result<Self> {
        Self::open_with(data, listen, &[]).await
    }

    /// The same with more options; a restart goes without them.
    pub async fn open_with(data: &Path, listen: &str, options: &[&str]) -> Result<Self> {
        let folder = data.to_string_lossy();
        let options = [&["serve", "--data", &folder, "--listen", listen], options].concat();
        let server = Served::start(&program("sync-server")?, &options, &[]).await?;
        let address = server.url.trim_start_matches("http://").to_owned();
        Ok(Self { data: data.to_owned(), server: Some(server), address })
    }

    /// Makes the small centre of [`near::centre`] in a new folder and starts the server on it.
    pub async fn small(data: &Path) -> Result<Self> {
        let folder = data.to_owned();
        let made = move || near::centre(&folder, Arc::new(sync_server::system::System)).map(drop);
        tokio::task::spawn_blocking(made).await??;
        Self::open(data).await
    }

    /// Fills a new folder with the small township and starts the server on it.
    pub async fn with_township(data: &Path) -> Result<(Self, Township)> {
        Self::with_township_of(data, Size::small()).await
    }

    /// The same with a township of another size.
    pub async fn with_township_of(data: &Path, size: Size) -> Result<(Self, Township)> {
        let data = data.to_owned();
        let folder = data.clone();
        let township = tokio::task::spawn_blocking(move || {
            let township = Township::new(7, day(), size)?;
            fill::fill(&township, &folder, Arc::new(sync_server::system::System))?;
            anyhow::Ok(township)
        })
        .await??;
        Ok((Self::open(&data).await?, township))
    }

    /// `http://127.0.0.1:PORT`; the same after a restart.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server's process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().and_then(Served::pid)
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again where it was.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        self.server = Some(serve(&self.data, &self.address).await?);
        Ok(())
    }

    /// What the server said since the last call, for a failure's message.
    pub fn said(&mut self) -> Vec<String> {
        self.server.as_mut().map(Served::said).unwrap_or_default()
    }

    /// Runs a command of the server on its folder; gives what it printed.
    pub async fn command(&self, words: &[&str], options: &[&str]) -> Result<String> {
        let output = self.try_command(words, options).await?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "sync-server {}: {out}{err}", words.join(" "));
        Ok(out.into_owned())
    }

    /// The same, however it ends.
    pub async fn try_command(&self, words: &[&str], options: &[&str]) -> Result<std::process::Output> {
        Command::new(program("sync-server")?)
            .args(words)
            .arg("--data")
            .arg(&self.data)
            .args(options)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("running sync-server {}", words.join(" ")))
    }

    /// A one-time code for somebody's handheld.
    pub async fn code(&self, login: &str) -> Result<String> {
        let said = self.command(&["enrol-code"], &["--login", login]).await?;
        let code: String = said.chars().filter(char::is_ascii_digit).collect();
        ensure!(!code.is_empty(), "enrol-code printed no digits: {said}");
        Ok(code)
    }

    /// A handheld in `folder`, enrolled for somebody, over a link of the caller's choice.
    pub async fn handheld_over(&self, link: Arc<dyn Connect>, folder: &Path, login: &str) -> Result<Handheld> {
        let services = Services { connect: link, ..near::quick(folder) };
        let handheld = Handheld::open(folder, services, Arc::new(app::system::System)).context("opening a handheld")?;
        near::let_in(&handheld)?;
        if handheld.setup().is_none() {
            let code = self.code(login).await?;
            handheld.enrol(&self.url(), &code, near::PIN).await.with_context(|| format!("enrolling {login}"))?;
        }
        Ok(handheld)
    }

    /// A handheld in `folder`, enrolled for somebody, over plain HTTP.
    pub async fn handheld(&self, folder: &Path, login: &str) -> Result<Handheld> {
        self.handheld_over(Arc::new(app::sync::HttpConnect), folder, login).await
    }
}

/// The day on which the township of the tests stands: recent, so that limits and batches look as they do in use.
#[allow(clippy::disallowed_methods, reason = "tests and the demo live in the real world")]
pub fn day() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

async fn serve(data: &Path, listen: &str) -> Result<Served> {
    let folder = data.to_string_lossy();
    Served::start(&program("sync-server")?, &["serve", "--data", &folder, "--listen", listen], &[]).await
}

/// The same on a disk that is full as long as there is a file called `switch`.
#[cfg(feature = "faults")]
pub async fn starved(folder: &Path, switch: &Path, listen: &str) -> Result<Served> {
    let (folder, switch) = (folder.to_string_lossy(), switch.to_string_lossy());
    Served::start(&program("starved")?, &["--dir", &folder, "--listen", listen], &[("FULL_WHILE", &switch)]).await
}

/// A handheld in a browser: the real `preview` process.
pub async fn preview(folder: &Path, listen: &str) -> Result<Served> {
    let folder = folder.to_string_lossy();
    Served::start(&program("preview")?, &["--dir", &folder, "--listen", listen], &[]).await
}

/// The same in a place: latitude, longitude and accuracy in metres, with commas between.
pub async fn preview_at(folder: &Path, listen: &str, place: &str) -> Result<Served> {
    let folder = folder.to_string_lossy();
    Served::start(&program("preview")?, &["--dir", &folder, "--listen", listen, "--location", place], &[]).await
}

/// The same, which notes for how long the thread of the screen is busy.
pub async fn preview_watched(folder: &Path) -> Result<Served> {
    let folder = folder.to_string_lossy();
    let options = ["--dir", &folder, "--listen", "127.0.0.1:0", "--stretches"];
    Served::start(&program("preview")?, &options, &[]).await
}

/// The same as if so many hours had passed.
pub async fn preview_later(folder: &Path, listen: &str, hours: u32) -> Result<Served> {
    let (folder, hours) = (folder.to_string_lossy(), hours.to_string());
    Served::start(&program("preview")?, &["--dir", &folder, "--listen", listen, "--hours-later", &hours], &[]).await
}

/// The same with its PIN given: it syncs by itself, though nobody looks at its screen.
pub async fn preview_unlocked(folder: &Path) -> Result<Served> {
    let folder = folder.to_string_lossy();
    let options = ["--dir", &folder, "--listen", "127.0.0.1:0", "--pin", near::PIN];
    Served::start(&program("preview")?, &options, &[]).await
}
