//! The daemon's side of the control socket: which paths there are, and what serves them.
//!
//! [`router`] puts the routes together; each family of paths has a module of its own, which offers a `routes()` and is
//! merged here. [`serve`] answers on a [`Socket`].
//!
//! What this module does not do: know an answer. It asks the daemon, through a channel, and passes the answer on.

mod answer;
mod asks;
mod socket;
mod v1;

use std::io;

use axum::Router;
use tokio::sync::mpsc;

use super::Ask;
use asks::Asks;

pub use socket::{Socket, bind};
pub(in crate::control) use v1::Resume;

/// Every path the daemon serves. Questions go to `asks`.
pub fn router(asks: mpsc::UnboundedSender<Ask>) -> Router {
    Router::new()
        .merge(v1::routes())
        .fallback(answer::unknown)
        .method_not_allowed_fallback(answer::not_allowed)
        .with_state(Asks::new(asks))
}

/// Serve until the task is dropped.
///
/// # Errors
/// Never in practice: accepting retries by itself.
pub async fn serve(socket: Socket, router: Router) -> io::Result<()> {
    axum::serve(socket, router).await
}

#[cfg(test)]
mod tests;
