//! The desktop window (WebKitGTK, the renderer family that ships) on a screen of its own: looked at through WebKit's remote
//! inspector, typed and clicked on by xdotool, as real keys and a real pointer.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// How long is waited for something to appear. Generous: a debug build, software rendering, two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the inspector hands messages on to the one page there is.
const PAGE: &str = "/socket/1/1/WebPage";
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(60);
/// From one key to the next, in milliseconds: faster than anybody types, as a scanner or dictation does.
pub const KEY: &str = "15";

/// A screen that nobody sees.
pub struct Screen {
    server: Child,
    /// `:7`
    name: String,
}

impl Screen {
    /// Starts an X server on the next free display.
    pub async fn start() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1000x1000x24", "-nolisten", "tcp"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting Xvfb; `make test-window` installs it")?;
        let out = server.stdout.take().context("what Xvfb says")?;
        let number = BufReader::new(out).lines().next_line().await?.context("Xvfb names no display")?;
        Ok(Self { server, name: format!(":{}", number.trim()) })
    }

    async fn xdotool(&self, args: &[&str]) -> Result<String> {
        let done = Command::new("xdotool").args(args).env("DISPLAY", &self.name).output().await.context("xdotool")?;
        if !done.status.success() {
            bail!("xdotool {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }

    /// Ends it.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.server.kill().await?)
    }
}

/// The product's window.
pub struct Window<'a> {
    screen: &'a Screen,
    program: Child,
    inspector: Inspector,
}

impl<'a> Window<'a> {
    /// Opens the handheld in `folder` with the program `desktop`.
    pub async fn open(screen: &'a Screen, desktop: &Path, folder: &Path) -> Result<Self> {
        // Another client of this process may have chosen it before.
        rustls::crypto::ring::default_provider().install_default().ok();
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = format!("127.0.0.1:{port}");
        let program = Command::new(desktop)
            .arg(folder)
            .env("DISPLAY", &screen.name)
            .env("WEBKIT_INSPECTOR_HTTP_SERVER", &at)
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1")
            .env("NO_AT_BRIDGE", "1")
            .env("XDG_DATA_HOME", folder)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", desktop.display()))?;
        let inspector = Inspector::connect(&at).await?;
        Ok(Self { screen, program, inspector })
    }

    /// What a JavaScript expression gives.
    pub async fn ask(&mut self, script: &str) -> Result<Value> {
        self.inspector.evaluate(script).await
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, what: &str, script: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.ask(&format!("!!({script})")).await? == Value::Bool(true) {
                return Ok(());
            }
            if Instant::now() > end {
                let shown = self.ask("document.body.innerText").await?;
                bail!("waited in vain: {what}; the window shows:\n{}", shown.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a page of this name is shown.
    pub async fn on(&mut self, page: &str) -> Result<()> {
        self.until(&format!("the page {page}"), &format!("document.querySelector('[data-page=\"{page}\"]')")).await
    }

    /// Moves the pointer to an element and clicks.
    pub async fn press(&mut self, css: &str) -> Result<()> {
        let css = Value::from(css);
        self.until(&format!("{css}"), &format!("document.querySelector({css})")).await?;
        let script = format!(
            "(() => {{ const at = document.querySelector({css}); at.scrollIntoView({{block: 'center'}}); \
             const box = at.getBoundingClientRect(); \
             return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)]; }})()"
        );
        // What moves is not pressed: twice at the same place.
        let mut last = Value::Null;
        loop {
            let place = self.ask(&script).await?;
            if place == last {
                break;
            }
            last = place;
            tokio::time::sleep(LOOK).await;
        }
        let point = |at: usize| last.get(at).and_then(Value::as_i64).unwrap_or_default();
        let (left, top) = self.corner().await?;
        let (x, y) = ((left + point(0)).to_string(), (top + point(1)).to_string());
        self.screen.xdotool(&["mousemove", "--sync", &x, &y, "click", "1"]).await?;
        Ok(())
    }

    /// Where the page begins on the screen: there is no window manager, and so no frame, but there may be a menu.
    async fn corner(&mut self) -> Result<(i64, i64)> {
        let script = "[screenX, screenY, outerHeight - innerHeight]";
        let found = self.ask(script).await?;
        let at = |place: usize| found.get(place).and_then(Value::as_i64).unwrap_or_default();
        Ok((at(0), at(1) + at(2)))
    }

    /// Types into a field, a key every [`KEY`] milliseconds.
    pub async fn type_into(&mut self, css: &str, text: &str) -> Result<()> {
        self.press(css).await?;
        self.until("the cursor", &format!("document.activeElement === document.querySelector({})", Value::from(css)))
            .await?;
        self.screen.xdotool(&["type", "--delay", KEY, "--", text]).await?;
        Ok(())
    }

    /// Presses a key by the name X has for it.
    pub async fn key(&self, name: &str) -> Result<()> {
        self.screen.xdotool(&["key", name]).await.map(drop)
    }

    /// Kills it as a full memory or an empty battery would.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.program.kill().await?)
    }
}

/// WebKit's remote inspector, which hands messages on to the page.
struct Inspector {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    target: String,
    next: i64,
}

impl Inspector {
    async fn connect(at: &str) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            // The inspector listens before there is a page to look at, and whoever connects too early brings it down.
            let listed = match reqwest::get(format!("http://{at}/")).await {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if listed.contains(PAGE) {
                return Self::to_page(at);
            }
            if Instant::now() > end {
                bail!("the window did not come up");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn to_page(at: &str) -> Result<Self> {
        let address = format!("ws://{at}{PAGE}");
        let (socket, _) = tokio::task::block_in_place(|| tungstenite::connect(address))?;
        let mut inspector = Self { socket, target: String::new(), next: 0 };
        inspector.find_page()?;
        Ok(inspector)
    }

    fn read(&mut self) -> Result<Value> {
        loop {
            match tokio::task::block_in_place(|| self.socket.read())? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(_) => bail!("the window is gone"),
                _ => {}
            }
        }
    }

    fn find_page(&mut self) -> Result<()> {
        loop {
            let said = self.read()?;
            let info = said.pointer("/params/targetInfo");
            let is_page = info.and_then(|info| info.get("type")).and_then(Value::as_str) == Some("page");
            if said.get("method").and_then(Value::as_str) == Some("Target.targetCreated") && is_page {
                let target = info.and_then(|info| info.get("targetId")).and_then(Value::as_str);
                self.target = target.context("a target without an id")?.to_owned();
                return Ok(());
            }
        }
    }

    async fn evaluate(&mut self, script: &str) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let inner = json!({
            "id": id, "method": "Runtime.evaluate", "params": { "expression": script, "returnByValue": true },
        });
        let outer = json!({
            "id": id, "method": "Target.sendMessageToTarget",
            "params": { "targetId": self.target, "message": inner.to_string() },
        });
        tokio::task::block_in_place(|| self.socket.send(Message::text(outer.to_string())))?;
        loop {
            let said = self.read()?;
            let Some(message) = said.pointer("/params/message").and_then(Value::as_str) else { continue };
            let answer: Value = serde_json::from_str(message)?;
            if answer.get("id").and_then(Value::as_i64) == Some(id) {
                if answer.pointer("/result/wasThrown") == Some(&Value::Bool(true)) || answer.get("error").is_some() {
                    bail!("{script}: {answer}");
                }
                return Ok(answer.pointer("/result/result/value").cloned().unwrap_or_default());
            }
        }
    }
}
