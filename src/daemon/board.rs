//! What the daemon knows about itself, in the words of the control protocol.
//!
//! What this module does not do: find anything out. The loop writes down what it learns; this turns it into answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::control::Recent;
use crate::control::api::Tally;
use crate::control::events::Events;
use crate::control::metrics::Metrics;
use crate::control::protocol::{
    Applied, Collection, Database, DatabaseOnly, Halt, NAMED, Problems, Reconciled, Refusal, Sandbox, State,
    Status, SyncRequest, Synced, VERSION, Watching,
};
use crate::control::trace::Trace;
use crate::domain::model::{ArtifactId, Desired, Doubt, Problem};
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
    /// The ids of conflicts that wait for a decision.
    pub conflicts: BTreeSet<String>,
    /// DB collections with groups that no directory belongs to.
    pub database_only: Vec<DatabaseOnly>,
    /// The cache database.
    pub database: Database,
    /// The artifacts whose rows were written.
    pub changed: Changed,
    /// What it took.
    pub cost: Cost,
    /// What refreshes that were asked for came to, by number and DB collection.
    pub refreshed: BTreeMap<u64, BTreeMap<String, Tally>>,
}

/// Artifacts, of which the first are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    count: usize,
    named: Vec<ArtifactId>,
}

impl Changed {
    /// These as well. Some of them may be counted twice; of those that are named none is.
    pub fn add(&mut self, artifacts: &BTreeSet<&ArtifactId>) {
        let known = self.named.iter().filter(|id| artifacts.contains(id)).count();
        self.count += artifacts.len() - known;
        for id in artifacts {
            if self.named.len() >= NAMED {
                break;
            }
            if !self.named.contains(id) {
                self.named.push((*id).clone());
            }
        }
    }
}

impl Findings {
    /// What was written.
    #[must_use]
    pub fn applied(&self) -> Applied {
        Applied {
            rows: self.reconciled.rows,
            artifacts: self.changed.count as u64,
            named: self.changed.named.iter().map(ToString::to_string).collect(),
        }
    }
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
    /// Rows that were right, and were marked as verified.
    pub verified: usize,
    /// Write transactions in the cache.
    pub transactions: usize,
    /// Times the cache's write lock was not free, in tries a millisecond apart.
    pub busy_retries: u64,
    /// Manifests written since the start of the daemon.
    pub writes: Writes,
}

/// Manifests written since the start of the daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// For hand edits of frontmatter.
    pub followed: u64,
    /// For groups and tags of the database.
    pub exchanged: u64,
    /// Exchanges that had to be done again, because somebody else wrote at the same moment.
    pub again: u64,
    /// Of those for the database: because somebody had put groups or tags back to an older state.
    pub repaired: u64,
}

impl Writes {
    /// One more, which took so many exchanges.
    pub(super) fn add(&mut self, exchanged: bool, rounds: u32) {
        *(if exchanged { &mut self.exchanged } else { &mut self.followed }) += 1;
        self.again += u64::from(rounds.saturating_sub(1));
    }
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub(super) root: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) watching: Watching,
    pub(super) last: Option<Reconciled>,
    pub(super) findings: Option<Findings>,
    /// Where it listens besides the socket.
    pub(super) http: Option<String>,
    /// Names this run of the daemon.
    epoch: String,
    recent: Recent,
    /// The last reconcile that had begun when events were lost.
    lost_at: u64,
    pub(super) sandbox: Sandbox,
    /// Since when a reconcile has been under way.
    busy_since: Option<Instant>,
    lag: Lag,
}

/// How long the last change of files took to become rows.
#[derive(Debug, Clone, Copy, Default)]
struct Lag {
    /// The first event that no reconcile has begun to deal with.
    noticed: Option<Instant>,
    /// The first event that the reconcile under way deals with.
    dealt_with: Option<Instant>,
    last: Option<Duration>,
}

/// Events that `status` shows.
const RECENT: usize = 5;

/// A reconcile that takes longer than this is told of; it usually waits for somebody's lock.
const LONG: Duration = Duration::from_secs(1);

impl Board {
    pub(super) fn new(root: String, started_at: DateTime<Utc>) -> Self {
        let watching = Watching { mode: "events".into(), ..Watching::default() };
        let epoch = format!("{:x}", started_at.timestamp_micros());
        Self {
            root,
            started_at,
            watching,
            last: None,
            findings: None,
            http: None,
            recent: Recent {
                events: Events::new(&epoch),
                metrics: Metrics::new(started_at.timestamp_millis() as f64 / 1_000.0),
                trace: Trace::default(),
            },
            epoch,
            lost_at: 0,
            sandbox: Sandbox::default(),
            busy_since: None,
            lag: Lag::default(),
        }
    }

    /// What has happened, for those who want to hear of it.
    pub(super) fn events(&self) -> &Events {
        &self.recent.events
    }

    /// What is written down as it happens.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Note that events were lost; `revision` is the last reconcile that has begun.
    pub(super) fn lost(&mut self, revision: u64) {
        self.watching.lost += 1;
        self.lost_at = revision;
    }

    /// The last reconcile that has ended.
    pub(super) fn revision(&self) -> u64 {
        self.findings.as_ref().map_or(0, |findings| findings.reconciled.revision)
    }

    fn clock(&self) -> String {
        format!("{}:{}", self.epoch, self.revision())
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
        self.lag.dealt_with = self.lag.noticed.take();
    }

    /// Note that a file event has come.
    pub(super) fn noticed(&mut self, now: Instant) {
        self.lag.noticed.get_or_insert(now);
    }

    /// Note how a reconcile went.
    pub(super) fn found(&mut self, findings: Findings, now: Instant) {
        self.busy_since = None;
        if let Some(began) = self.lag.dealt_with.take()
            && findings.reconciled.rows > 0
        {
            self.lag.last = Some(now.saturating_duration_since(began));
        }
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
            clock: self.clock(),
            root: self.root.clone(),
            state,
            detail,
            http: self.http.clone(),
            watching: self.watching.clone(),
            database: findings.database,
            last_reconcile: self.last.clone(),
            lag_us: self.lag.last.map(|lag| u64::try_from(lag.as_micros()).unwrap_or(u64::MAX)),
            recent: self.events().recent(RECENT),
            collections: findings.collections.into_iter().map(collection).collect(),
            halts: findings.halts.iter().map(halt).collect(),
            problems: findings.problems.len(),
            conflicts: findings.conflicts.len(),
            database_only: findings.database_only,
            sandbox: self.sandbox.clone(),
        }
    }

    /// Why the last reconcile did not come to its end, if it did not.
    pub(super) fn setback(&self) -> Option<String> {
        Some(self.findings.as_ref()?.setback.as_ref()?.1.clone())
    }

    /// The answer to a request that came when reconcile `asked_at` was the last that had ended. `fresh`: everything was
    /// looked at.
    pub(super) fn synced(
        &self,
        request: &SyncRequest,
        asked_at: u64,
        fresh: bool,
    ) -> Result<Synced, Refusal> {
        let findings = self.findings.clone().unwrap_or_default();
        if let Some(name) = &request.collection
            && !findings.collections.iter().any(|(collection, ..)| collection == name)
        {
            let why = format!("there is no directory collections/{name} with a collection.toml");
            return Err(Refusal::new(404, "no such collection", why));
        }
        let since = request.since.as_deref().and_then(parse_clock);
        let (known, since) = match since {
            None => (true, asked_at),
            Some((epoch, revision)) if epoch == self.epoch => (revision >= self.lost_at, revision),
            Some(_) => (false, 0),
        };
        let applied = self.events().applied_since(since);
        Ok(Synced {
            clock: Some(self.clock()),
            fresh_instance: fresh || !known || applied.is_none(),
            applied: applied.unwrap_or_else(|| findings.applied()),
            ..synced(&findings)
        })
    }

    pub(super) fn problems(&self) -> Problems {
        let problems = self.findings.iter().flat_map(|findings| findings.problems.clone()).collect();
        Problems { schema: VERSION, problems }
    }
}

/// The parts of a clock, epoch and revision.
pub(super) fn parse_clock(text: &str) -> Option<(&str, u64)> {
    let (epoch, revision) = text.rsplit_once(':')?;
    Some((epoch, revision.parse().ok()?)).filter(|_| !epoch.is_empty())
}

/// What a `sync` answers with, as far as the last reconcile tells.
pub(super) fn synced(findings: &Findings) -> Synced {
    Synced {
        schema: VERSION,
        clock: None,
        reconcile: findings.reconciled.clone(),
        applied: findings.applied(),
        fresh_instance: true,
        pending_removals: findings.pending_removals,
        halts: findings.halts.iter().map(halt).collect(),
        problems: findings.problems.len(),
        conflicts: findings.conflicts.len(),
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

pub(super) fn halt(halt: &removal::Halt) -> Halt {
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
        board.found(Findings::default(), Instant::now());
        let began = Instant::now();
        board.began(began);
        assert_eq!(board.status(began + LONG).detail, None);
        let detail = board.status(began + Duration::from_secs(12)).detail;
        assert_eq!(detail.as_deref(), Some("a reconcile has been under way for 12 s"));
        board.found(Findings::default(), Instant::now());
        assert_eq!(board.status(began + Duration::from_secs(13)).detail, None);
    }
}
