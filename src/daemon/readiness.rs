//! What the service manager is told, by sd_notify(3): when the daemon is ready, what it is doing, that it ends.
//!
//! What this module does not do: find anything out; the loop tells it the state. It sends nothing, and does nothing,
//! when no service manager asked for it (`NOTIFY_SOCKET` does not exist).

use std::time::Duration;

use sd_notify::NotifyState;

use crate::control::protocol::State;

/// What the end takes beyond the time for work in hand: closing databases, at most.
const END: Duration = Duration::from_secs(25);

/// What has been told so far.
#[derive(Debug)]
pub(super) struct Readiness {
    asked: bool,
    ready: bool,
    status: String,
}

impl Readiness {
    /// For the service manager of this process, if it has one.
    pub(super) fn of_process() -> Self {
        Self { asked: std::env::var_os("NOTIFY_SOCKET").is_some(), ready: false, status: String::new() }
    }

    /// The state is this now. Told when it differs from what was told last.
    pub(super) fn state(&mut self, state: State, detail: Option<String>) {
        if self.asked {
            send(&self.known(state, detail));
        }
    }

    /// The configuration is about to be read again.
    pub(super) fn reloading(&self) {
        if self.asked {
            send(&self.reload_begins());
        }
    }

    /// The configuration has been read again, or the old one stays.
    pub(super) fn reloaded(&self) {
        if self.asked {
            send(&self.reload_ends());
        }
    }

    /// The daemon finishes what is in hand, for `grace` at most, and ends. The state is not told any more after this.
    pub(super) fn stopping(&mut self, grace: Duration) {
        if std::mem::take(&mut self.asked) {
            let longest = NotifyState::ExtendTimeoutUsec(micros(grace + END));
            send(&[NotifyState::Stopping, NotifyState::Status("stopping"), longest]);
        }
    }

    /// How long the service manager waits for a sign of life, if it wants any (sd_watchdog_enabled(3)).
    pub(super) fn watchdog(&self) -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|allowed| self.asked && !allowed.is_zero())
    }

    /// Everything works. Before the daemon is ready this lengthens the time it has for that to `allowed` from now on.
    pub(super) fn alive(&self, allowed: Duration) {
        if self.ready {
            send(&[NotifyState::Watchdog]);
        } else {
            send(&[NotifyState::ExtendTimeoutUsec(micros(allowed))]);
        }
    }

    /// Something does not work any more, and only another process will: end this one.
    pub(super) fn wedged(&self, why: &str) {
        send(&[NotifyState::Status(why), NotifyState::WatchdogTrigger]);
    }

    /// Ready once anything is known that lasts: a first reconcile that failed for the moment is tried again first.
    fn known(&mut self, state: State, detail: Option<String>) -> Vec<NotifyState<'_>> {
        let word = match state {
            State::Starting => "starting",
            State::Waiting => "waiting",
            State::Watching => "watching",
            State::Halted => "halted",
            State::Degraded => "trying again",
        };
        let status = match detail {
            // One line: the next would be taken for a message of its own.
            Some(detail) => format!("{word}: {}", detail.replace(char::is_control, " ")),
            None => word.to_owned(),
        };
        let becomes_ready = !self.ready && !matches!(state, State::Starting | State::Degraded);
        self.ready |= becomes_ready;
        let mut messages = Vec::new();
        if becomes_ready {
            messages.push(NotifyState::Ready);
        }
        if status != self.status {
            self.status = status;
            messages.push(NotifyState::Status(&self.status));
        }
        messages
    }

    /// Before the daemon is ready there is nothing to tell: the end of the reload would say that it is.
    fn reload_begins(&self) -> Vec<NotifyState<'static>> {
        if !self.ready {
            return Vec::new();
        }
        // Both in one datagram: systemd 253 and later refuse one without the other for Type=notify-reload.
        [NotifyState::Reloading].into_iter().chain(NotifyState::monotonic_usec_now().ok()).collect()
    }

    fn reload_ends(&self) -> Vec<NotifyState<'static>> {
        if self.ready { vec![NotifyState::Ready] } else { Vec::new() }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn send(messages: &[NotifyState<'_>]) {
    if messages.is_empty() {
        return;
    }
    if let Err(error) = sd_notify::notify(messages) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(messages: &[NotifyState<'_>]) -> Vec<String> {
        messages.iter().map(ToString::to_string).collect()
    }

    fn unready() -> Readiness {
        Readiness { asked: true, ready: false, status: String::new() }
    }

    #[test]
    fn ready_is_told_once_and_the_state_when_it_changes() {
        let mut readiness = unready();
        let mut known =
            |state, detail: Option<&str>| text(&readiness.known(state, detail.map(ToOwned::to_owned)));
        assert_eq!(known(State::Starting, None), ["STATUS=starting"]);
        assert_eq!(known(State::Degraded, Some("locked")), ["STATUS=trying again: locked"]);
        assert_eq!(known(State::Watching, None), ["READY=1", "STATUS=watching"]);
        assert_eq!(known(State::Watching, None), [""; 0]);
        assert_eq!(known(State::Halted, Some("gone")), ["STATUS=halted: gone"]);
        assert_eq!(known(State::Halted, Some("gone")), [""; 0]);
        assert_eq!(known(State::Watching, None), ["STATUS=watching"]);
    }

    #[test]
    fn waiting_and_halted_are_ready_too() {
        for state in [State::Waiting, State::Halted] {
            assert_eq!(text(&unready().known(state, None))[0], "READY=1");
        }
    }

    #[test]
    fn no_detail_becomes_a_message_of_its_own() {
        let told = text(&unready().known(State::Waiting, Some("a\nSTOPPING=1".into())));
        assert_eq!(told, ["READY=1", "STATUS=waiting: a STOPPING=1"]);
    }

    #[test]
    fn a_reload_makes_nobody_ready() {
        let mut readiness = unready();
        assert!(readiness.reload_begins().is_empty() && readiness.reload_ends().is_empty());
        readiness.known(State::Watching, None);
        let begins = text(&readiness.reload_begins());
        assert_eq!(begins.len(), 2);
        assert_eq!(begins[0], "RELOADING=1");
        assert!(begins[1].strip_prefix("MONOTONIC_USEC=").is_some_and(|t| t.parse::<u64>().is_ok()));
        assert_eq!(text(&readiness.reload_ends()), ["READY=1"]);
    }
}
