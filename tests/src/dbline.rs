//! The line between a server and its PostgreSQL. It can be cut at each message that crosses it, be away, or fall silent:
//! nothing passes then and nobody is told.
//!
//! A message is one of the server's, or PostgreSQL's word that it is ready again, which comes at the end of every answer: cut
//! before the first, what it says is not done; cut before the second, it may be done and nobody knows.

use std::io::{BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};

/// The name PostgreSQL gives its socket, in whatever folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// What happens at a message.
pub enum Strike {
    /// Every connection there is breaks; new ones are made.
    Cut,
    /// The connection that carries the message breaks, and no other.
    One,
    /// Every connection breaks, and none is made until the line is healed.
    Away,
    /// Nothing passes any more, and nothing breaks, until the line is healed.
    Silent,
    /// Something is done, by whoever carries the message; the message goes on then.
    Done(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct State {
    passed: u64,
    commits: Vec<u64>,
    plan: Option<(u64, Strike)>,
    struck: bool,
    /// Whoever carries a message is doing what was planned.
    striking: bool,
    silent: bool,
    away: bool,
    ended: bool,
    open: Vec<UnixStream>,
}

struct Shared {
    to: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

/// A line to the PostgreSQL whose socket is in a folder; it has its own in another one.
pub struct DbLine {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
}

impl DbLine {
    /// A good line.
    pub fn to(socket: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("line").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET)).context("listening for the server")?;
        let shared = Arc::new(Shared { to: socket.join(SOCKET), state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new().name("line".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if accepting.lock().ended {
                    return;
                }
                if let Ok(stream) = stream {
                    // Who is not let in, or finds nobody there, sees the connection end.
                    accepting.carry(stream).ok();
                }
            }
        })?;
        Ok(Self { folder, shared })
    }

    /// The address of a database at the end of it.
    pub fn address(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.folder.path().display())
    }

    /// From now on messages are counted anew, and the `at`-th of them strikes.
    pub fn plan(&self, plan: Option<(u64, Strike)>) {
        let mut state = self.shared.lock();
        (state.passed, state.plan, state.struck) = (0, plan, false);
        state.commits.clear();
    }

    /// Which of the messages asked for a commit.
    pub fn commits(&self) -> Vec<u64> {
        self.shared.lock().commits.clone()
    }

    /// How many messages there were.
    pub fn passed(&self) -> u64 {
        self.shared.lock().passed
    }

    /// Whether what was planned came to pass. What is being done is waited for: nobody may wait for the answer to the message
    /// at which it is.
    pub fn struck(&self) -> bool {
        self.shared.while_striking().struck
    }

    /// Strikes at once.
    pub fn strike(&self, strike: Strike) {
        self.shared.strike(self.shared.lock(), strike);
    }

    /// A good line again, and nothing is planned. What a silent line holds arrives now, late.
    pub fn heal(&self) {
        let mut state = self.shared.while_striking();
        (state.plan, state.silent, state.away) = (None, false, false);
        self.shared.changed.notify_all();
    }
}

impl Drop for DbLine {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.strike(Strike::Away);
        self.shared.changed.notify_all();
        // Whoever accepts looks up.
        UnixStream::connect(self.folder.path().join(SOCKET)).ok();
    }
}

/// Ends with what is done, however that ends.
struct Striking<'a>(&'a Shared);

impl Drop for Striking<'_> {
    fn drop(&mut self) {
        self.0.lock().striking = false;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn while_striking(&self) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), |state| state.striking).unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, mut state: MutexGuard<'_, State>, strike: Strike) {
        match strike {
            Strike::Silent => state.silent = true,
            // Whoever carries the message ends it.
            Strike::One => {}
            Strike::Done(what) => {
                state.striking = true;
                drop(state);
                let _striking = Striking(self);
                what();
            }
            Strike::Cut | Strike::Away => {
                state.away |= matches!(strike, Strike::Away);
                for stream in state.open.drain(..) {
                    // It may have ended by itself.
                    stream.shutdown(Shutdown::Both).ok();
                }
            }
        }
    }

    fn carry(self: &Arc<Self>, server: UnixStream) -> Result<()> {
        let mut state = self.lock();
        if state.away {
            return Ok(());
        }
        let database = UnixStream::connect(&self.to)?;
        state.open.extend([server.try_clone()?, database.try_clone()?]);
        drop(state);
        for (from, to, asks) in [(server.try_clone()?, database.try_clone()?, true), (database, server, false)] {
            let shared = Arc::clone(self);
            std::thread::Builder::new().name("line".to_owned()).spawn(move || {
                // However it ends, the other half ends with it.
                shared.each_message(&from, &to, asks).ok();
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
            })?;
        }
        Ok(())
    }

    /// Carries messages from one to the other until one of them is not there any more.
    fn each_message(&self, from: &UnixStream, mut to: &UnixStream, asks: bool) -> std::io::Result<()> {
        let mut from = BufReader::with_capacity(1 << 16, from);
        // The first word of a server has no kind.
        let mut kinds = !asks;
        let mut out = Vec::new();
        loop {
            let mut head = [0; 5];
            let head = head.get_mut(usize::from(!kinds)..).unwrap_or_default();
            from.read_exact(head)?;
            let long: u32 = head.iter().rev().take(4).rev().fold(0, |long, byte| long << 8 | u32::from(*byte));
            let kind = if kinds { head.first().copied() } else { None };
            kinds = true;
            out.extend_from_slice(head);
            let begun = out.len();
            out.resize(begun + usize::try_from(long.saturating_sub(4)).unwrap_or_default(), 0);
            from.read_exact(out.get_mut(begun..).unwrap_or_default())?;
            if asks || kind == Some(b'Z') {
                let commits = asks && out.get(begun..).is_some_and(|text| text.starts_with(b"COMMIT"));
                if self.count(commits) {
                    return Ok(());
                }
            }
            if asks || kind == Some(b'Z') || from.buffer().is_empty() || out.len() > 1 << 16 {
                self.wait_while_silent();
                to.write_all(&out)?;
                out.clear();
            }
        }
    }

    /// Says whether the connection ends here.
    fn count(&self, commits: bool) -> bool {
        let mut state = self.lock();
        state.passed += 1;
        if commits {
            let at = state.passed;
            state.commits.push(at);
        }
        if state.plan.as_ref().is_some_and(|(at, _)| *at == state.passed)
            && let Some((_, strike)) = state.plan.take()
        {
            state.struck = true;
            let ends = matches!(strike, Strike::One);
            self.strike(state, strike);
            return ends;
        }
        false
    }

    fn wait_while_silent(&self) {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| state.silent && !state.ended);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
