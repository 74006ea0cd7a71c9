//! A bad line over loopback: a proxy that is slow, cuts every so many bytes, and stands still now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes passed on at once: what a cut may lose on top of what it cuts off.
const STEP: usize = 512;

/// How bad it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Badness {
    /// Bits a second in each direction; 0: as fast as it goes.
    pub bits_a_second: u64,
    /// The connection is cut after so many bytes, in either direction; 0: never.
    pub cut_every: u64,
    /// Stands still for up to so long, at random, about once in 16 kB.
    pub stalls: Duration,
}

/// A line to one server.
pub struct BadLine {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    server: String,
    badness: Mutex<Badness>,
    /// Bytes that handhelds have sent, headers and all, over all connections.
    sent: watch::Sender<u64>,
    received: AtomicU64,
    /// Bytes in either direction since it became as bad as it is.
    passed: AtomicU64,
    cuts: AtomicU64,
    random: AtomicU64,
    /// Nothing passes beyond so many bytes sent until it is lifted.
    dam: watch::Sender<u64>,
}

impl BadLine {
    /// To the server at `http://…`.
    pub async fn to(server: &str, badness: Badness) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening the bad line")?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State {
            server: server.trim_start_matches("http://").to_owned(),
            badness: Mutex::new(badness),
            sent: watch::channel(0).0,
            received: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            random: AtomicU64::new(0x9E37_79B9_7F4A_7C15),
            dam: watch::channel(u64::MAX).0,
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((handheld, _)) = listener.accept().await {
                tokio::spawn(carry(Arc::clone(&shared), handheld));
            }
        });
        Ok(Self { url, state, task })
    }

    /// From now on it is as bad as this.
    pub fn become_as_bad_as(&self, badness: Badness) {
        self.state.passed.store(0, Ordering::Relaxed);
        *self.state.badness.lock().unwrap_or_else(PoisonError::into_inner) = badness;
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> u64 {
        *self.state.sent.borrow()
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.state.received.load(Ordering::Relaxed)
    }

    /// How often it was cut.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// Lets nothing pass beyond so many bytes sent, counted from the beginning.
    pub fn dam_at(&self, bytes: u64) {
        self.state.dam.send_replace(bytes);
    }

    /// Waits until so many bytes have been sent.
    pub async fn until(&self, bytes: u64) {
        // It lives as long as the line does.
        self.state.sent.subscribe().wait_for(|sent| *sent >= bytes).await.ok();
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn badness(&self) -> Badness {
        *self.badness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the line is cut after these bytes.
    fn count(&self, bytes: u64) -> bool {
        let every = self.badness().cut_every;
        let before = self.passed.fetch_add(bytes, Ordering::Relaxed);
        let cut = every > 0 && before / every != (before + bytes) / every;
        if cut {
            self.cuts.fetch_add(1, Ordering::Relaxed);
        }
        cut
    }

    async fn slow(&self, bytes: usize) {
        let badness = self.badness();
        if let Some(micros) = (bytes as u64 * 8_000_000).checked_div(badness.bits_a_second) {
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        if !badness.stalls.is_zero() {
            let last = self.random.load(Ordering::Relaxed);
            let next = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.random.store(next, Ordering::Relaxed);
            if (next >> 33).is_multiple_of(32) {
                tokio::time::sleep(badness.stalls.mul_f64(((next >> 40) % 1_000) as f64 / 1_000.0)).await;
            }
        }
    }
}

async fn carry(state: Arc<State>, handheld: TcpStream) {
    let Ok(server) = TcpStream::connect(&state.server).await else { return };
    let (mut from_handheld, mut to_handheld) = handheld.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = [0; STEP];
        let mut dam = state.dam.subscribe();
        loop {
            let sent = *state.sent.borrow();
            if dam.wait_for(|limit| *limit > sent).await.is_err() {
                return;
            }
            let Ok(read) = from_handheld.read(&mut bytes).await else { return };
            let Some(piece) = bytes.get(..read).filter(|piece| !piece.is_empty()) else { return };
            state.slow(read).await;
            let cut = state.count(read as u64);
            state.sent.send_modify(|sent| *sent += read as u64);
            if to_server.write_all(piece).await.is_err() || cut {
                return;
            }
        }
    };
    let down = async {
        let mut bytes = [0; STEP];
        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
            state.slow(read).await;
            let cut = state.count(read as u64);
            state.received.fetch_add(read as u64, Ordering::Relaxed);
            if to_handheld.write_all(bytes.get(..read).unwrap_or_default()).await.is_err() || cut {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    // What was passed on arrives: the end comes behind it.
    to_server.shutdown().await.ok();
}
