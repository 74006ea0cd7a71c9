//! Connections: each is answered beside the others until it ends, or says nothing for too long.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use crate::tls::listener::Peer;

/// How long the head of a request may take to arrive, from when its connection is ready for one; so long, too, may one that
/// is kept alive say nothing. On a bad 3G line a head takes three seconds.
pub const HEAD_TIME: Duration = Duration::from_secs(30);

/// Answers until `stop` is done and what is under way then is answered.
pub(super) async fn answer<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    router: Router,
    encrypted: bool,
    head_time: Duration,
    stop: impl Future<Output = ()>,
) {
    // axum::serve takes no limit of time: who sends a byte a second would hold a connection for ever.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_time);
    let (stopping, under_way) = (CancellationToken::new(), TaskTracker::new());
    let mut stop = pin!(stop);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let service = Extension(ConnectInfo(Peer { address, encrypted })).layer(router.clone());
        let (builder, stopping) = (builder.clone(), stopping.clone());
        under_way.spawn(async move {
            let mut connection =
                pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
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
    under_way.wait().await;
}
