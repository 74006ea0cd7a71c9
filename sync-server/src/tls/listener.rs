//! Connections: each says from where it came and whether it is encrypted. Handshakes run beside each other, so that a slow
//! one holds up nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assets::messages::{Lang, Messages};
use axum::serve::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;

/// How long a handshake may take; on a bad 3G line it takes three seconds.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The first byte of a connection that wants TLS: the type of a record of a handshake (RFC 8446 5.1).
const WANTS_TLS: u8 = 0x16;
/// Connections that are ready and not taken yet.
const READY: usize = 64;
/// Of a request in cleartext this much is read, so that the answer arrives.
const CLEARTEXT: usize = 64 * 1024;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether TLS is spoken with it.
    pub encrypted: bool,
}

/// Gives connections whose handshake is done. Ends with its drop.
pub struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Takes connections from `listener`, with the certificate that `app` shows at that time.
    pub fn new<T: AsRef<Tls> + Send + Sync + 'static>(app: Arc<T>, mut listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(READY);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = tokio::select! {
                    () = done.closed() => return,
                    it = Listener::accept(&mut listener) => it,
                };
                let (app, done) = (app.clone(), done.clone());
                tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, shake_hands(&app, stream)).await {
                        // Nobody takes it any more when the server stops.
                        Ok(Ok(Some(stream))) => drop(done.send((stream, peer)).await),
                        Ok(Ok(None)) => tracing::info!("a request in cleartext was refused"),
                        Ok(Err(error)) => tracing::info!(%error, "a handshake failed"),
                        Err(_) => tracing::info!("a handshake took too long"),
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // Only with the runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// `None`: it was cleartext, and was told so.
async fn shake_hands<T: AsRef<Tls> + Send + Sync + 'static>(
    app: &Arc<T>,
    mut stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [WANTS_TLS] {
        refuse_cleartext(&mut stream).await?;
        return Ok(None);
    }
    let app = app.clone();
    let shown = tokio::task::spawn_blocking(move || (*app).as_ref().now()).await.map_err(io::Error::other)?;
    let shown = shown.ok_or_else(|| io::Error::other("there is no certificate"))?;
    TlsAcceptor::from(shown.config).accept(stream).await.map(Some)
}

/// Who typed http:// gets a sentence instead of silence. Which language they speak is not known yet.
async fn refuse_cleartext(stream: &mut TcpStream) -> io::Result<()> {
    let sentence = |lang| Messages::of(lang).text("error-https-only");
    let body = format!("{}\n{}\n", sentence(Lang::Zh), sentence(Lang::En));
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    // What was sent and is not read would make the answer vanish with the connection.
    tokio::io::copy(&mut stream.take(CLEARTEXT as u64), &mut tokio::io::sink()).await?;
    Ok(())
}
