//! The daemon's side of the control socket: which paths there are, and what serves them.
//!
//! [`router`] puts the routes together; each family of paths has a module of its own, which offers a `routes()` and is
//! merged here. [`serve`] answers on a [`Socket`], [`serve_tcp`] the same on a loopback port, to those who know the
//! token.
//!
//! What this module does not do: know an answer. It asks the daemon, through a channel, and passes the answer on.

pub(in crate::control) mod answer;
pub(in crate::control) mod asks;
mod connections;
mod guard;
mod patient;
mod recent;
mod rest;
mod review;
mod socket;
mod v1;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::protocol::{SERVER, VERSION, VERSION_HEADER};
use super::token::Token;
use super::{Ask, Recent};
use asks::Asks;

pub use socket::{Socket, bind};
pub(in crate::control) use v1::Resume;

/// Every path the daemon serves. Questions go to `asks`.
pub fn router(asks: mpsc::UnboundedSender<Ask>, recent: &Recent) -> Router {
    let asks = Asks::new(asks);
    Router::new()
        .merge(v1::routes())
        .merge(recent::routes(recent))
        .merge(review::routes())
        .with_state(asks.clone())
        .merge(super::api::router(asks))
        // After all routes: the second one is for those that are there already.
        .fallback(answer::unknown)
        .method_not_allowed_fallback(answer::not_allowed)
        .layer(axum::middleware::from_fn_with_state(recent.clone(), recent::count))
        .layer(axum::middleware::map_response(sign))
}

/// Most connections at a time to the Unix socket; all of one user.
const SOCKET_MOST: usize = 256;
/// Most connections at a time to the port, which anybody can connect to. They take none of the socket's.
const TCP_MOST: usize = 128;

/// Serve until the sender of `stop` is dropped and what was being answered then is. Dropping the future ends it at once.
pub async fn serve(socket: Socket, router: Router, stop: watch::Receiver<()>) {
    connections::serve(socket, router, SOCKET_MOST, stop).await;
}

/// Serve on a port as well, to those who bring the token, until the same. `listener` is bound to a loopback address.
pub async fn serve_tcp(listener: TcpListener, router: Router, token: Token, stop: watch::Receiver<()>) {
    let guarded = router.layer(axum::middleware::from_fn_with_state(Arc::new(token), guard::guard));
    connections::serve(listener, guarded, TCP_MOST, stop).await;
}

/// Every answer tells whose it is, so that a client of another version can say so.
async fn sign(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from(VERSION));
    response
}

#[cfg(test)]
mod tests;
