//! When a thing is worth a line in the log: not again and again.
//!
//! What this module does not do: log, or know the time.

use std::time::{Duration, Instant};

/// A problem that lasts: told when it begins, and when it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    problem: Option<String>,
}

/// What there is to tell of a [`Standing`] problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// It has begun, or is another one now.
    Begins,
    /// It is over.
    Over,
}

impl Standing {
    /// The problem is this now, or there is none; what there is to tell of that, if anything.
    pub fn is(&mut self, problem: Option<String>) -> Option<Tell> {
        let tell = match (&self.problem, &problem) {
            (before, Some(_)) if *before != problem => Some(Tell::Begins),
            (Some(_), None) => Some(Tell::Over),
            _ => None,
        };
        self.problem = problem;
        tell
    }
}

/// Something that recurs, with no beginning and no end: told at once, and then once in a while with its number.
#[derive(Debug, Clone)]
pub struct Recurring {
    pause: Duration,
    told: Option<Instant>,
    since: u64,
}

impl Recurring {
    /// Told at most once in `pause`.
    #[must_use]
    pub fn new(pause: Duration) -> Self {
        Self { pause, told: None, since: 0 }
    }

    /// It has happened; how often since it was last told, if it is to be told now.
    pub fn happens(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        let silent = self.told.is_some_and(|told| now.saturating_duration_since(told) < self.pause);
        if silent {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_when_it_begins_changes_and_ends() {
        let mut standing = Standing::default();
        let mut is = |problem: Option<&str>| standing.is(problem.map(ToOwned::to_owned));
        assert_eq!(is(None), None);
        assert_eq!(is(Some("full")), Some(Tell::Begins));
        assert_eq!(is(Some("full")), None);
        assert_eq!(is(Some("read-only")), Some(Tell::Begins));
        assert_eq!(is(None), Some(Tell::Over));
        assert_eq!(is(None), None);
        assert_eq!(is(Some("full")), Some(Tell::Begins));
    }

    #[test]
    fn what_recurs_is_counted_while_nothing_is_said() {
        // In the middle of nowhere: an instant cannot be made up.
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut recurring = Recurring::new(Duration::from_secs(60));
        assert_eq!(recurring.happens(after(0)), Some(1));
        assert_eq!(recurring.happens(after(1)), None);
        assert_eq!(recurring.happens(after(59)), None);
        assert_eq!(recurring.happens(after(60)), Some(3));
        assert_eq!(recurring.happens(after(61)), None);
        assert_eq!(recurring.happens(after(500)), Some(2));
    }
}
