//! What was last said in the log, so that a state is told when it changes and not again and again.
//!
//! What this module does not do: keep anything for `status`; that is the board's.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::board::{self, Findings};
use crate::control::events::Events;
use crate::control::protocol::{NAMED, State, What};
use crate::domain::model::Problem;
use crate::domain::telling::Recurring;
use crate::fs::watch::Loss;

/// More new problems than this are counted instead of told one by one.
const AT_ONCE: usize = 20;

/// Events that are lost all the time (a storm of changes, or a queue that is too short) are told of this often.
const LOST_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Told {
    setback: Option<String>,
    halts: Vec<String>,
    halted: BTreeSet<String>,
    conflicts: BTreeSet<String>,
    problems: BTreeSet<Problem>,
    state: Option<(State, Option<String>)>,
    lost: Recurring,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            setback: None,
            halts: Vec::new(),
            conflicts: BTreeSet::new(),
            halted: BTreeSet::new(),
            problems: BTreeSet::new(),
            state: None,
            lost: Recurring::new(LOST_EVERY),
        }
    }
}

impl Told {
    /// Say that file events were lost.
    pub(super) fn lost(&mut self, loss: &Loss, now: Instant) {
        if let Some(times) = self.lost.happens(now) {
            tracing::warn!(?loss, times, "file events were lost; looking at everything");
        }
    }

    /// Say what is new in these findings, in the log and to those who listen.
    pub(super) fn tell(&mut self, findings: &Findings, events: &Events) {
        let at = &findings.reconciled.at;
        let setback = findings.setback.as_ref().map(|(_, why)| why.clone());
        match (&self.setback, &setback) {
            (before, Some(why)) if before.as_ref() != Some(why) => tracing::warn!("{why}"),
            (Some(_), None) => tracing::info!("all is well again"),
            _ => {}
        }
        let halts: Vec<String> = findings.halts.iter().map(board::halt_message).collect();
        for halt in findings.halts.iter().map(board::halt) {
            if !self.halts.contains(&halt.message) {
                tracing::warn!("{}", halt.message);
                self.halted.insert(halt.collection.clone());
                events.push(at.clone(), What::Halted { halt });
            }
        }
        let halted: BTreeSet<String> = findings.halts.iter().map(|halt| halt.collection.clone()).collect();
        for collection in self.halted.difference(&halted) {
            events.push(at.clone(), What::Released { collection: collection.clone() });
        }
        self.halted = halted;
        if halts.is_empty() && !self.halts.is_empty() {
            tracing::info!("nothing is halted any more");
        }
        if findings.conflicts != self.conflicts {
            let only_in = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).take(NAMED).cloned().collect::<Vec<_>>()
            };
            let appeared = only_in(&findings.conflicts, &self.conflicts);
            let resolved = only_in(&self.conflicts, &findings.conflicts);
            self.conflicts.clone_from(&findings.conflicts);
            events.push(at.clone(), What::Conflicts { appeared, resolved, now: self.conflicts.len() });
        }
        self.tell_problems(findings.problems.iter().cloned().collect(), at, events);
        let done = &findings.reconciled;
        if done.rows > 0 {
            tracing::info!(
                rows = done.rows,
                took_us = done.took_us,
                revision = done.revision,
                "rows written"
            );
            let (revision, took_us, applied) = (done.revision, done.took_us, findings.applied());
            events.push(at.clone(), What::Applied { revision, took_us, applied });
        }
        self.setback = setback;
        self.halts = halts;
    }

    /// Say that the state is this now, to those who listen; the log says it in other words.
    pub(super) fn tell_state(&mut self, at: String, state: State, detail: Option<String>, events: &Events) {
        let now = (state, detail);
        if self.state.as_ref() != Some(&now) {
            events.push(at, What::State { state, detail: now.1.clone() });
            self.state = Some(now);
        }
    }

    fn tell_problems(&mut self, problems: BTreeSet<Problem>, at: &str, events: &Events) {
        // Somebody who types on in a broken file moves the fault about with every save: that file has been told.
        let told: BTreeSet<&str> = self.problems.iter().map(|problem| problem.path.as_str()).collect();
        let new: Vec<&Problem> =
            problems.iter().filter(|problem| !told.contains(problem.path.as_str())).collect();
        for problem in new.iter().take(AT_ONCE) {
            tracing::warn!("{problem}");
        }
        if new.len() > AT_ONCE {
            tracing::warn!(more = new.len() - AT_ONCE, "more problems; `skillmeatd problems` lists them");
        }
        let now: BTreeSet<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let mended: Vec<&str> = told.difference(&now).copied().collect();
        if problems.is_empty() && !self.problems.is_empty() {
            tracing::info!("no problems any more");
        } else {
            for path in mended.iter().take(AT_ONCE) {
                tracing::info!("no problem any more: {path}");
            }
            if mended.len() > AT_ONCE {
                tracing::info!(more = mended.len() - AT_ONCE, "more problems are over");
            }
        }
        let appeared: Vec<Problem> = problems.difference(&self.problems).take(NAMED).cloned().collect();
        let gone = self.problems.difference(&problems).count();
        if !appeared.is_empty() || gone > 0 {
            events.push(at.to_owned(), What::Problems { appeared, gone, now: problems.len() });
        }
        self.problems = problems;
    }
}
