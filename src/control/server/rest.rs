//! The rest of a body that nobody wanted, taken before the answer goes out.
//!
//! A connection that is closed with something unread is reset: the peer fails while it still sends, and may never see
//! the answer that was meant for it (RFC 9112, 9.6). Many answers need no body: of an unknown path, of a wrong method,
//! of a missing token.
//!
//! What this module does not do: limit what a handler reads.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::answer::BODY_MAX;

/// How long the rest may take to arrive. The answer waits for it.
const LINGER: Duration = Duration::from_secs(2);

/// Answers as `next` does, once the request's body has been read to its end by whoever it was.
///
/// Not if it was found too large or too slow, or is held back until it is asked for: then it would not come either.
pub(super) async fn take(request: Request, next: Next) -> Response {
    let awaited = request.headers().contains_key(header::EXPECT);
    let body = hyper::body::Body::size_hint(request.body());
    if body.exact() == Some(0) || body.lower() > BODY_MAX as u64 || awaited {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let response = next.run(Request::from_parts(parts, Body::new(Lent(Arc::clone(&body))))).await;
    if !matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        let _ = tokio::time::timeout(LINGER, exhaust(Lent(body))).await;
    }
    response
}

/// Reads to the end, or as far as a body may reach.
async fn exhaust(mut body: Lent) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > BODY_MAX {
            break;
        }
    }
}

/// A body that outlives whoever it is lent to.
struct Lent(Arc<Mutex<Body>>);

impl Lent {
    fn with<T>(&self, of: impl FnOnce(&mut Body) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| hyper::body::Body::size_hint(body))
    }
}
