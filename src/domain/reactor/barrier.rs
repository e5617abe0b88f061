//! Asks that wait until everything before them has arrived.
//!
//! Whoever asks "apply what happened before now" needs to know when the events of before have all come. A *cookie*
//! tells: a file made in a watched directory after the ask. Events of one queue come in order, so when the cookie's
//! event is here, so are all earlier ones, and a reconcile that begins now misses nothing. Where events cannot be relied
//! on (none, lost, a watcher that does not answer) the ask is served by a look at everything, which needs no events.
//!
//! One cookie is on its way at a time. Asks that come meanwhile share the next one, so that a hundred asks cost two
//! files and not a hundred.
//!
//! What this module does not do: lay cookies, or reconcile. It says when either is to be done.

use std::time::{Duration, Instant};

use super::{Effect, Ticket};

/// How long a cookie may be on its way before its asks are served by a look at everything.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long before the watcher is taken for dead. A queue of thousands of events may be before the cookie.
const DEAD: Duration = Duration::from_secs(10);

/// What an ask waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// That everything before it is in the rows and in the files.
    Applied,
    /// That the watcher has told everything before it.
    Seen,
}

#[derive(Debug, Clone)]
struct Cookie {
    number: u64,
    laid: Instant,
    asks: Vec<(Ticket, For)>,
}

/// Asks that will be answered by one reconcile.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) asks: Vec<Ticket>,
    /// Whether events are not to be relied on for them: look at everything.
    pub(super) everything: bool,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Barriers {
    laid: u64,
    cookie: Option<Cookie>,
    /// The cookie on its way may have been laid before these.
    next: Vec<(Ticket, For)>,
    due: Batch,
    in_flight: Batch,
    probed: Vec<(Ticket, bool)>,
}

impl Barriers {
    pub(super) fn ask(&mut self, ticket: Ticket, what: For) {
        self.next.push((ticket, what));
    }

    /// An ask that is served by a look at everything in any case.
    pub(super) fn ask_for_everything(&mut self, ticket: Ticket) {
        self.due.asks.push(ticket);
        self.due.everything = true;
    }

    /// The cookie's event has come.
    pub(super) fn seen(&mut self, number: u64) {
        if let Some(cookie) = self.cookie.take_if(|cookie| cookie.number == number) {
            for (ticket, what) in cookie.asks {
                match what {
                    For::Applied => self.due.asks.push(ticket),
                    For::Seen => self.probed.push((ticket, true)),
                }
            }
        }
    }

    /// The cookie could not be laid.
    pub(super) fn failed(&mut self, number: u64) {
        if let Some(cookie) = self.cookie.take_if(|cookie| cookie.number == number) {
            self.give_up(cookie.asks);
        }
    }

    /// Events were lost: the cookie on its way proves nothing any more.
    pub(super) fn blinded(&mut self) {
        let asks = self.cookie.take().map(|cookie| cookie.asks).unwrap_or_default();
        self.give_up(asks);
    }

    fn give_up(&mut self, asks: Vec<(Ticket, For)>) {
        for (ticket, what) in asks {
            match what {
                For::Applied => self.ask_for_everything(ticket),
                For::Seen => self.probed.push((ticket, false)),
            }
        }
    }

    /// What there is to do now, when events can (`sighted`) or cannot be relied on; and whether the watcher seems dead.
    pub(super) fn advance(&mut self, sighted: bool, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let mut dead = false;
        if let Some(cookie) = &mut self.cookie {
            let waited = now.saturating_duration_since(cookie.laid);
            if waited >= PATIENCE {
                let (applied, seen) =
                    std::mem::take(&mut cookie.asks).into_iter().partition(|(_, what)| *what == For::Applied);
                cookie.asks = seen;
                self.give_up(applied);
            }
            if waited >= DEAD {
                dead = true;
                self.blinded();
            }
        }
        if !sighted {
            let asks = std::mem::take(&mut self.next);
            self.give_up(asks);
        } else if self.cookie.is_none() && !self.next.is_empty() {
            self.laid += 1;
            let asks = std::mem::take(&mut self.next);
            self.cookie = Some(Cookie { number: self.laid, laid: now, asks });
            effects.push(Effect::Cookie(self.laid));
        }
        effects.extend(self.probed.drain(..).map(|(ticket, alive)| Effect::Probed { ticket, alive }));
        dead
    }

    /// When [`Barriers::advance`] has something to do because time has passed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let cookie = self.cookie.as_ref()?;
        let waits = cookie.asks.iter().any(|(_, what)| *what == For::Applied);
        Some(cookie.laid + if waits { PATIENCE } else { DEAD })
    }

    /// Whether asks wait for nothing but a reconcile.
    pub(super) fn is_due(&self) -> bool {
        !self.due.asks.is_empty()
    }

    /// A reconcile begins: it serves these.
    pub(super) fn begin(&mut self) -> &Batch {
        self.in_flight = std::mem::take(&mut self.due);
        &self.in_flight
    }

    /// That reconcile has ended.
    pub(super) fn end(&mut self) -> Batch {
        std::mem::take(&mut self.in_flight)
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.cookie.is_none() && self.next.is_empty() && !self.is_due() && self.in_flight.asks.is_empty()
    }
}
