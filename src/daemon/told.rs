//! What was last said in the log, so that a state is told when it changes and not again and again.
//!
//! What this module does not do: keep anything for `status`; that is the board's.

use std::collections::BTreeSet;

use super::board::{self, Findings};
use crate::domain::model::Problem;

/// More new problems than this are counted instead of told one by one.
const AT_ONCE: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Told {
    setback: Option<String>,
    halts: Vec<String>,
    problems: BTreeSet<Problem>,
}

impl Told {
    /// Say what is new in these findings.
    pub(super) fn tell(&mut self, findings: &Findings) {
        let setback = findings.setback.as_ref().map(|(_, why)| why.clone());
        match (&self.setback, &setback) {
            (before, Some(why)) if before.as_ref() != Some(why) => tracing::warn!("{why}"),
            (Some(_), None) => tracing::info!("all is well again"),
            _ => {}
        }
        let halts: Vec<String> = findings.halts.iter().map(board::halt_message).collect();
        for halt in halts.iter().filter(|halt| !self.halts.contains(halt)) {
            tracing::warn!("{halt}");
        }
        if halts.is_empty() && !self.halts.is_empty() {
            tracing::info!("nothing is halted any more");
        }
        self.tell_problems(findings.problems.iter().cloned().collect());
        let done = &findings.reconciled;
        if done.rows > 0 {
            tracing::info!(
                rows = done.rows,
                took_us = done.took_us,
                revision = done.revision,
                "rows written"
            );
        }
        self.setback = setback;
        self.halts = halts;
    }

    fn tell_problems(&mut self, problems: BTreeSet<Problem>) {
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
        if problems.is_empty() && !self.problems.is_empty() {
            tracing::info!("no problems any more");
        }
        self.problems = problems;
    }
}
