//! The product's own programs as child processes: started, waited for by the line they print, killed by their handle.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How long a program may take to say that it listens. Generous: a debug build on two busy cores.
const START: Duration = Duration::from_secs(120);

/// Where cargo put the program `name`: beside this one, or one folder up when this one is a test.
pub fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("where this program is")?;
    let folder = here.parent().context("this program is in no folder")?;
    let places = [folder.join(name), folder.parent().unwrap_or(folder).join(name)];
    match places.iter().find(|place| place.is_file()) {
        Some(place) => Ok(place.clone()),
        None => bail!("the program {name} is not built; `make build` builds it (looked in {})", folder.display()),
    }
}

/// A running program that serves HTTP. Dropping it kills it.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    name: String,
    log: Log,
}

/// What a program said on both streams, for when a test fails.
#[derive(Debug)]
struct Log(mpsc::UnboundedReceiver<String>);

impl Served {
    /// Starts `program` and waits for its line with a `http://` address.
    pub async fn start(program: &Path, args: &[&str], envs: &[(&str, &str)]) -> Result<Self> {
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut child = Command::new(program)
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let (lines, mut log) = mpsc::unbounded_channel();
        let (addresses, mut address) = mpsc::unbounded_channel();
        if let Some(out) = child.stdout.take() {
            follow(out, lines.clone(), Some(addresses));
        }
        if let Some(err) = child.stderr.take() {
            follow(err, lines, None);
        }
        let found = tokio::select! {
            url = address.recv() => url,
            _ = child.wait() => None,
            () = tokio::time::sleep(START) => None,
        };
        match found {
            Some(url) => Ok(Self { child, url, name, log: Log(log) }),
            None => {
                child.kill().await.ok();
                let mut said = Vec::new();
                while let Ok(line) = log.try_recv() {
                    said.push(line);
                }
                bail!("{name} {} did not come up; it said:\n{}", args.join(" "), said.join("\n"))
            }
        }
    }

    /// The process, to be measured from outside.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> Result<std::process::ExitStatus> {
        self.child.wait().await.with_context(|| format!("waiting for {}", self.name))
    }

    /// What it said since the last call.
    pub fn said(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.log.0.try_recv() {
            lines.push(line);
        }
        lines
    }
}

/// Passes on each line, and the first `http://…` among them.
fn follow(
    stream: impl AsyncRead + Unpin + Send + 'static,
    lines: mpsc::UnboundedSender<String>,
    addresses: Option<mpsc::UnboundedSender<String>>,
) {
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            if let Some((addresses, url)) = addresses.as_ref().zip(address_in(&line)) {
                // Nobody listens any more once the program is up.
                addresses.send(url).ok();
            }
            if lines.send(line).is_err() {
                // The story is over; the pipe is still read, or the program would block on it.
            }
        }
    });
}

fn address_in(line: &str) -> Option<String> {
    let from = line.find("http://")?;
    let url = line.get(from..)?.split_whitespace().next()?;
    Some(url.trim_end_matches(['/', '.', ',']).to_owned())
}
