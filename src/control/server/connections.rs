//! One task a connection, with limits on everything a peer could keep us waiting with.
//!
//! What this module does not do: know who may connect. The listener has seen to that.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
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

/// Serve until the future is dropped, which ends every connection. At most `most` are served at a time; others wait in
/// the kernel's queue.
pub(super) async fn serve<L: Listener>(mut listener: L, router: Router, most: usize) {
    let free = Arc::new(Semaphore::new(most));
    let router = router.layer(axum::middleware::from_fn(rest::take));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        let (stream, _) = listener.accept().await;
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
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a control connection ended early");
            }
            drop(permit);
        });
    }
}
