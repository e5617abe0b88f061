//! The way from a request to the daemon's loop and back. It ends when the daemon stops taking questions: whoever waits is
//! told so at once, whatever the daemon was at.
//!
//! What this module does not do: know what is asked.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::control::Ask;
use crate::control::protocol::Refusal;

/// How long the daemon has to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where questions go; the state of every route that asks one.
#[derive(Clone)]
pub(in crate::control) struct Asks(mpsc::UnboundedSender<Ask>);

impl Asks {
    pub(super) fn new(asks: mpsc::UnboundedSender<Ask>) -> Self {
        Self(asks)
    }

    /// Ask, and wait for the answer.
    ///
    /// # Errors
    /// With 503 when the daemon is about to end, with 504 when it does not answer.
    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Refusal> {
        self.ask_for(PATIENCE, question).await
    }

    /// Ask, and wait for the answer, but not longer than `patience`.
    ///
    /// # Errors
    /// As [`Asks::ask`].
    pub(in crate::control) async fn ask_for<T>(
        &self,
        patience: Duration,
        question: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Refusal> {
        let (sender, answer) = oneshot::channel();
        self.0.send(question(sender)).map_err(|_| Refusal::stopping())?;
        tokio::select! {
            biased; // what has been answered is told
            answer = tokio::time::timeout(patience, answer) => match answer {
                Ok(answer) => answer.map_err(|_| Refusal::stopping()),
                Err(_) => Err(Refusal::new(
                    504,
                    "no answer in time",
                    format!(
                        "the daemon did not answer within {patience:?}; its log says what it is at, and what was asked \
                         for goes on"
                    ),
                )),
            },
            () = self.0.closed() => Err(Refusal::stopping()),
        }
    }
}
