//! One task a connection, with limits on everything a peer could keep us waiting with.
//!
//! What this module does not do: know who may connect. The listener has seen to that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::patient::Patient;
use super::rest;

/// How long the head of a request may take to arrive, and a connection may be idle between two.
const HEAD: Duration = Duration::from_secs(10);
/// How long a peer may leave what was written to it where it is.
const UNREAD: Duration = Duration::from_secs(15);
/// Longest head of a request, in bytes.
const HEAD_MAX: usize = 32 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// Serve until the sender of `stop` is dropped, then finish the requests that are being answered. Dropping the future
/// ends every connection. At most `most` are served at a time; others wait in the kernel's queue.
pub(super) async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    most: usize,
    stop: watch::Receiver<()>,
) {
    let free = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    let router = router.layer(axum::middleware::from_fn(rest::take));
    let mut stopped = stop.clone();
    loop {
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await.ok()?;
            Some((listener.accept().await.0, permit))
        };
        let (stream, permit) = tokio::select! {
            _ = stopped.changed() => break,
            accepted = accepted => match accepted {
                Some(accepted) => accepted,
                None => break, // nobody closes the semaphore
            },
        };
        while connections.try_join_next().is_some() {}
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(
                TokioIo::new(Patient::new(stream, UNREAD)),
                TowerToHyperService::new(router.clone()),
            );
        let mut stopped = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a control connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
