//! What the loop does about its own parts: asks whether they live, tells the service manager, notes how they are confined.
//!
//! What this module does not do: judge; that is for [`super::watchdog`].

use std::time::Instant;

use super::watchdog::{Part, Verdict};
use super::{Daemon, Input};
use crate::control::protocol::Sandbox;
use crate::fs::watch::{Loss, Notice};

impl Daemon {
    pub(super) fn sign_of_life(&mut self, part: Part) {
        if let Some((watchdog, _)) = &mut self.watchdog {
            watchdog.alive(part, Instant::now());
        }
    }

    /// If it is time: judge the signs of life, tell the service manager, and ask for more.
    pub(super) fn look_after_the_parts(&mut self) {
        let now = Instant::now();
        let Some((watchdog, allowed)) = self.watchdog.as_mut().filter(|(watchdog, _)| watchdog.due() <= now)
        else {
            return;
        };
        match watchdog.look(self.worker.progress(), now) {
            Verdict::Alive => self.readiness.alive(*allowed),
            Verdict::Doubtful => tracing::debug!(round = watchdog.round(), "a sign of life is overdue"),
            Verdict::Dead(part) => {
                let why = format!("{part} has given no sign of life for {} s", allowed.as_secs());
                tracing::error!("{why}; the service manager is to start the daemon anew");
                self.readiness.wedged(&why);
            }
        }
        self.worker.ask();
        if let Err(error) = self.watcher.lay_cookie(watchdog.cookie()) {
            tracing::error!(%error, "file events are not to be had");
            let _ = self.inputs.send(Input::Watch(Notice::Lost(Loss::Backend(error.to_string()))));
        }
    }

    pub(super) fn confined(&mut self, sandbox: Sandbox) {
        // Other places under the same restrictions are no news.
        if sandbox.enforced != self.board.sandbox.enforced {
            match &sandbox.detail {
                None => tracing::info!(enforced = sandbox.enforced, "the worker writes in its places only"),
                Some(why) => {
                    tracing::info!(enforced = sandbox.enforced, why, "the worker is not fully restricted");
                }
            }
        }
        self.board.sandbox = sandbox;
    }
}
