//! Whether the daemon still works, and not only still runs: what systemd's watchdog is fed on (sd_watchdog_enabled(3)).
//!
//! Three things have to live: the loop, which asks; the worker's thread; and the file watcher, whose kernel queue and
//! threads are proved by a cookie that comes back as an event. Each look asks both others and judges what has come since
//! the look before. A worker in the middle of something long cannot answer; then its progress counts. One that waits for
//! another program or for somebody's lock can.
//!
//! Before the daemon is ready there is no watchdog, but a time limit for the start, which the same signs of life extend:
//! a long first reconcile is no wedge, and a wedge in it is noticed.
//!
//! What this module does not do: ask or tell anybody, or know what time it is.

use std::fmt;
use std::time::{Duration, Instant};

/// What has to live besides the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The thread that touches files and databases.
    Worker,
    /// The threads that read the system's file events.
    Watcher,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "the worker",
            Self::Watcher => "the file watcher",
        })
    }
}

/// What a look at the parts says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything has shown a sign of life: tell the service manager.
    Alive,
    /// A part owes a sign, but not for long yet: tell nothing.
    Doubtful,
    /// This part has shown no sign for as long as the service manager allows.
    Dead(Part),
}

/// Cookies with this bit are ours; the reactor counts its own from 1.
const COOKIES: u64 = 1 << 63;

/// Whether a cookie was laid by [`Watchdog`].
pub(super) const fn is_cookie(number: u64) -> bool {
    number & COOKIES != 0
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// How long the service manager waits for a sign of life.
    allowed: Duration,
    due: Instant,
    worker: Instant,
    watcher: Instant,
    /// The worker's count of progress when it was last looked at.
    progress: u64,
    round: u64,
}

impl Watchdog {
    /// Looks per `allowed`. A sign comes late by at most one look, and half of the time is left then.
    const LOOKS: u32 = 4;

    pub(super) fn new(allowed: Duration, now: Instant) -> Self {
        let due = now + allowed / Self::LOOKS;
        Self { allowed, due, worker: now, watcher: now, progress: 0, round: 0 }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The number of the look that was made last.
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// The cookie of the look that was made last.
    pub(super) fn cookie(&self) -> u64 {
        COOKIES | self.round
    }

    /// A part has answered.
    pub(super) fn alive(&mut self, part: Part, now: Instant) {
        match part {
            Part::Worker => self.worker = now,
            Part::Watcher => self.watcher = now,
        }
    }

    /// Judge what has come since the last look. `progress` is the worker's count. The parts are to be asked after this.
    pub(super) fn look(&mut self, progress: u64, now: Instant) -> Verdict {
        let pause = self.allowed / Self::LOOKS;
        let late = now.saturating_duration_since(self.due) > pause;
        self.due = now + pause;
        self.round += 1;
        if std::mem::replace(&mut self.progress, progress) != progress || late {
            self.worker = now;
        }
        if late {
            // It was this loop that stood still, with the whole process perhaps: nobody could have answered.
            self.watcher = now;
        }
        let silent = |since: Instant| now.saturating_duration_since(since);
        for (part, since) in [(Part::Worker, self.worker), (Part::Watcher, self.watcher)] {
            if silent(since) >= self.allowed {
                return Verdict::Dead(part);
            }
        }
        let doubtful = silent(self.worker).max(silent(self.watcher)) > self.allowed / 2;
        if doubtful { Verdict::Doubtful } else { Verdict::Alive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(120);

    /// One look every quarter of the time, `answering` what is asked; the verdicts.
    fn looks(count: u32, answering: &[Part], progress: impl Fn(u32) -> u64) -> Vec<Verdict> {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(ALLOWED, start);
        let mut verdicts = Vec::new();
        for n in 1..=count {
            let now = watchdog.due();
            assert_eq!(now, start + ALLOWED / 4 * n);
            verdicts.push(watchdog.look(progress(n), now));
            assert_eq!(watchdog.round(), u64::from(n));
            assert!(is_cookie(watchdog.cookie()) && !is_cookie(watchdog.round()));
            for part in answering {
                watchdog.alive(*part, now + Duration::from_millis(3));
            }
        }
        verdicts
    }

    #[test]
    fn who_answers_is_alive() {
        let verdicts = looks(100, &[Part::Worker, Part::Watcher], |_| 0);
        assert_eq!(verdicts, vec![Verdict::Alive; 100]);
    }

    #[test]
    fn who_does_not_is_doubtful_first_and_dead_in_the_end() {
        use Verdict::{Alive, Dead, Doubtful};
        assert_eq!(looks(4, &[Part::Worker], |_| 0), [Alive, Alive, Doubtful, Dead(Part::Watcher)]);
        assert_eq!(looks(4, &[Part::Watcher], |_| 0), [Alive, Alive, Doubtful, Dead(Part::Worker)]);
    }

    #[test]
    fn a_worker_that_gets_on_is_alive_though_it_cannot_answer() {
        assert_eq!(looks(100, &[Part::Watcher], u64::from), vec![Verdict::Alive; 100]);
        // It may stand still for a while, for a big file.
        assert_eq!(looks(100, &[Part::Watcher], |n| u64::from(n / 2)), vec![Verdict::Alive; 100]);
        assert_eq!(
            looks(9, &[Part::Watcher], |n| u64::from(n.min(5))).pop(),
            Some(Verdict::Dead(Part::Worker))
        );
        // A watcher has nothing long to do.
        assert_eq!(looks(4, &[Part::Worker], u64::from).pop(), Some(Verdict::Dead(Part::Watcher)));
    }

    #[test]
    fn nobody_is_blamed_for_the_time_that_the_whole_process_slept() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(ALLOWED, start);
        let awake = start + ALLOWED * 10;
        assert_eq!(watchdog.look(0, awake), Verdict::Alive);
        assert_eq!(watchdog.due(), awake + ALLOWED / 4);
        // And from then on as ever.
        let verdicts = [1, 2, 3, 4].map(|n| watchdog.look(0, awake + ALLOWED / 4 * n));
        assert_eq!(verdicts[3], Verdict::Dead(Part::Worker));
    }
}
