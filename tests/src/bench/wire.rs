//! A line that counts every byte of HTTP on it, headers included.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Stands between a handheld and the server and counts.
pub struct Wire {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    up: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
}

impl Wire {
    /// A counting line to `server` (`http://…`).
    pub async fn to(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (up, down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let server = server.trim_start_matches("http://").to_owned();
        let counts = (up.clone(), down.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&server).await else { continue };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, counts.0.clone()));
                tokio::spawn(carry(far_in, near_out, counts.1.clone()));
            }
        });
        Ok(Self { url, up, down })
    }

    /// Bytes up and down since the last call.
    pub fn bytes(&self) -> (usize, usize) {
        (self.up.swap(0, Ordering::SeqCst), self.down.swap(0, Ordering::SeqCst))
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        count.fetch_add(n, Ordering::SeqCst);
        let Some(piece) = buffer.get(..n) else { return };
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}
