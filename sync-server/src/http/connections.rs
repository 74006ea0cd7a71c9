//! Connections: each is answered beside the others until it ends, or one end of it waits for the other for too long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use crate::AppState;
use crate::tls::listener::Peer;

/// How long the head of a request may take to arrive, from when its connection is ready for one; so long, too, may one that
/// is kept alive say nothing. On a bad 3G line a head takes three seconds.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long nobody may take anything of an answer. A line that is gone for longer is gone.
pub const WRITE_TIME: Duration = Duration::from_secs(60);

/// How long is waited for the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// For the head of a request.
    head: Duration,
    /// Until something more of an answer is taken.
    write: Duration,
    /// For what is under way when the server stops.
    stop: Duration,
}

impl Times {
    /// Those of a server.
    pub(super) fn of(app: &AppState) -> Self {
        Self { head: app.head_time, write: app.write_time, stop: app.request_time }
    }

    /// The usual ones.
    pub(crate) fn usual() -> Self {
        Self { head: HEAD_TIME, write: WRITE_TIME, stop: super::REQUEST_TIME }
    }
}

/// Answers until `stop` is done and what is under way then is answered, or has taken too long.
pub(crate) async fn answer<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    router: Router,
    encrypted: bool,
    times: Times,
    stop: impl Future<Output = ()>,
) {
    // axum::serve takes no limit of time: who sends a byte a second would hold a connection for ever.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(times.head);
    let (stopping, cut, under_way) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let mut stop = pin!(stop);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let service = Extension(ConnectInfo(Peer { address, encrypted })).layer(router.clone());
        let stream = Patient { stream, most: times.write, waits: None };
        let (builder, stopping, cut) = (builder.clone(), stopping.clone(), cut.clone());
        under_way.spawn(async move {
            let mut connection =
                pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection.as_mut() => ended,
                        () = cut.cancelled() => return,
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended before its time");
            }
        });
    }
    drop(listener);
    stopping.cancel();
    under_way.close();
    if tokio::time::timeout(times.stop, under_way.wait()).await.is_err() {
        tracing::warn!(connections = under_way.len(), "cut off what was still under way");
        cut.cancel();
        under_way.wait().await;
    }
}

/// A connection that ends when nothing more of what is written to it is taken: whoever asks and does not read would hold the
/// answer, and what makes it, for ever.
struct Patient<S> {
    stream: S,
    most: Duration,
    /// Until when something has to be taken; none while nothing waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Patient<S> {
    /// Polls the stream for something that goes out, and ends the waiting or goes on with it.
    fn sending<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let done = poll(Pin::new(&mut self.stream), context);
        if done.is_ready() {
            self.waits = None;
            return done;
        }
        let most = self.most;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
        waits.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sending(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sending(context, |stream, context| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sending(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sending(context, |stream, context| stream.poll_shutdown(context))
    }
}
