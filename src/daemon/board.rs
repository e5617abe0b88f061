//! What the daemon knows about itself, in the words of the control protocol.
//!
//! What this module does not do: find anything out. The loop writes down what it learns; this turns it into answers.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::control::protocol::{
    Collection, Database, Halt, Problems, Reconciled, Sandbox, State, Status, Synced, VERSION, Watching,
};
use crate::domain::model::{Desired, Doubt, Problem};
use crate::domain::reactor::{Mode, Setback};
use crate::domain::removal::{self, HaltReason};
use crate::fs::watch::Coverage;

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Every collection with its number of readable entries.
pub(super) fn collections(desired: &Desired) -> Vec<(String, usize, Option<Doubt>)> {
    desired.collections.iter().map(|(name, c)| (name.clone(), c.artifacts.len(), c.doubt)).collect()
}

/// What a reconcile left behind.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The reconcile itself; its `revision` is filled in by the loop.
    pub reconciled: Reconciled,
    /// How it failed, if it did.
    pub setback: Option<(Setback, String)>,
    /// Every collection directory.
    pub collections: Vec<(String, usize, Option<Doubt>)>,
    /// Removals that wait for a person.
    pub halts: Vec<removal::Halt>,
    /// Removals that wait for their grace period.
    pub pending_removals: usize,
    /// Everything that is wrong with the files, or between files and database.
    pub problems: Vec<Problem>,
    /// The cache database.
    pub database: Database,
    /// What it took.
    pub cost: Cost,
}

/// What a reconcile had to do: all but the first is zero when nothing has changed. Logged at level `debug`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Artifacts whose files were looked at.
    pub looked_at: usize,
    /// Of these, those whose files were read.
    pub read: usize,
    /// Artifacts whose rows were compared.
    pub compared: usize,
    /// Write transactions in the cache.
    pub transactions: usize,
    /// Times the cache's write lock was not free, in tries a millisecond apart.
    pub busy_retries: u64,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub(super) root: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) watching: Watching,
    pub(super) last: Option<Reconciled>,
    pub(super) findings: Option<Findings>,
    pub(super) sandbox: Sandbox,
    /// Since when a reconcile has been under way.
    busy_since: Option<Instant>,
}

/// A reconcile that takes longer than this is told of; it usually waits for somebody's lock.
const LONG: Duration = Duration::from_secs(1);

impl Board {
    pub(super) fn new(root: String, started_at: DateTime<Utc>) -> Self {
        let watching = Watching { mode: "events".into(), ..Watching::default() };
        let sandbox = Sandbox::default();
        Self { root, started_at, watching, last: None, findings: None, sandbox, busy_since: None }
    }

    /// Note how much is watched; the mode that follows from it.
    pub(super) fn armed(&mut self, coverage: &Coverage) -> Mode {
        let mode = if coverage.shortfall.is_some() { Mode::Polling } else { Mode::Events };
        self.watching = Watching {
            mode: if mode == Mode::Events { "events" } else { "polling" }.into(),
            wanted: coverage.wanted,
            held: coverage.held,
            shortfall: coverage.shortfall.clone(),
            lost: self.watching.lost,
        };
        mode
    }

    /// Note that a reconcile has begun.
    pub(super) fn began(&mut self, now: Instant) {
        self.busy_since = Some(now);
    }

    /// Note how a reconcile went.
    pub(super) fn found(&mut self, findings: Findings) {
        self.busy_since = None;
        if findings.setback.is_none() {
            self.last = Some(findings.reconciled.clone());
        }
        self.findings = Some(findings);
    }

    /// How it is, and why, in a sentence.
    pub(super) fn state(&self) -> (State, Option<String>) {
        let Some(findings) = &self.findings else { return (State::Starting, None) };
        match &findings.setback {
            Some((Setback::HomeMissing | Setback::CacheUnusable, why)) => (State::Waiting, Some(why.clone())),
            Some((Setback::Transient, why)) => (State::Degraded, Some(why.clone())),
            None if findings.halts.is_empty() => (State::Watching, self.watching.shortfall.clone()),
            None => (State::Halted, findings.halts.first().map(halt_message)),
        }
    }

    pub(super) fn status(&self, now: Instant) -> Status {
        let (state, mut detail) = self.state();
        let busy =
            self.busy_since.map(|since| now.saturating_duration_since(since)).filter(|busy| *busy > LONG);
        if let Some(busy) = busy {
            let under_way = format!("a reconcile has been under way for {} s", busy.as_secs());
            detail = Some(detail.map_or(under_way.clone(), |detail| format!("{detail}; {under_way}")));
        }
        let findings = self.findings.clone().unwrap_or_default();
        Status {
            schema: VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_at: rfc3339(self.started_at),
            root: self.root.clone(),
            state,
            detail,
            watching: self.watching.clone(),
            database: findings.database,
            last_reconcile: self.last.clone(),
            collections: findings.collections.into_iter().map(collection).collect(),
            halts: findings.halts.iter().map(halt).collect(),
            problems: findings.problems.len(),
            sandbox: self.sandbox.clone(),
        }
    }

    pub(super) fn problems(&self) -> Problems {
        let problems = self.findings.iter().flat_map(|findings| findings.problems.clone()).collect();
        Problems { schema: VERSION, problems }
    }
}

/// What a `sync` answers with.
pub(super) fn synced(findings: &Findings) -> Synced {
    Synced {
        schema: VERSION,
        reconcile: findings.reconciled.clone(),
        pending_removals: findings.pending_removals,
        halts: findings.halts.iter().map(halt).collect(),
        problems: findings.problems.len(),
    }
}

fn collection((name, artifacts, doubt): (String, usize, Option<Doubt>)) -> Collection {
    let doubt = doubt.map(|doubt| match doubt {
        Doubt::Missing => "missing",
        Doubt::Empty => "empty",
        Doubt::Unreadable => "unreadable",
        Doubt::Unnamed => "unnamed",
    });
    Collection { name, artifacts, doubt: doubt.map(Into::into) }
}

fn halt(halt: &removal::Halt) -> Halt {
    let reason = match halt.reason {
        HaltReason::Gone => "gone",
        HaltReason::Unreadable => "unreadable",
        HaltReason::Mass { .. } => "mass_removal",
    };
    Halt {
        collection: halt.collection.clone(),
        reason: reason.into(),
        message: halt_message(halt),
        artifacts: halt.artifacts.iter().map(ToString::to_string).collect(),
    }
}

/// A halt in a sentence, with what to do.
pub(super) fn halt_message(halt: &removal::Halt) -> String {
    let (name, count) = (&halt.collection, halt.artifacts.len());
    match halt.reason {
        HaltReason::Gone => format!(
            "collection {name} or its collection.toml is gone; the rows of its {count} artifacts stay until it is \
             back, or until you confirm with: skillmeatd resume {name}"
        ),
        HaltReason::Unreadable => format!(
            "collections/{name}/collection.toml cannot be read; no row is removed on its account until it is mended \
             (`skillmeatd problems` says where)"
        ),
        HaltReason::Mass { of } => format!(
            "{count} of {of} artifacts of collection {name} went at once; their rows stay until you confirm with: \
             skillmeatd resume {name}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconcile_that_takes_long_is_told_of_while_it_lasts() {
        let mut board = Board::new("/r".into(), Utc::now());
        board.found(Findings::default());
        let began = Instant::now();
        board.began(began);
        assert_eq!(board.status(began + LONG).detail, None);
        let detail = board.status(began + Duration::from_secs(12)).detail;
        assert_eq!(detail.as_deref(), Some("a reconcile has been under way for 12 s"));
        board.found(Findings::default());
        assert_eq!(board.status(began + Duration::from_secs(13)).detail, None);
    }
}
