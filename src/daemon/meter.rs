//! From what the loop sees to the numbers it counts.
//!
//! What this module does not do: decide anything. Nothing would be different without it.

use std::time::Instant;

use super::board::{Findings, Writes};
use crate::control::metrics::{Cause, Ending, Metrics, Purpose};
use crate::db::Hold;
use crate::domain::hint::Hint;
use crate::domain::reactor::{Effect, Event};
use crate::fs::watch::Coverage;

#[derive(Debug)]
pub(super) struct Meter {
    metrics: Metrics,
    /// When the first event came that no reconcile has begun for.
    files: Option<Instant>,
    /// The same, for the reconcile that has begun.
    in_flight: Option<Instant>,
    /// When the cache was touched first since it was looked into last.
    cache: Option<Instant>,
    writes: Writes,
}

impl Meter {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, files: None, in_flight: None, cache: None, writes: Writes::default() }
    }

    /// Something has come in.
    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Hint(Hint::Cache) => {
                self.cache.get_or_insert(now);
            }
            Event::Hint(_) | Event::Appeared(_) => {
                self.files.get_or_insert(now);
            }
            Event::Lost => {
                self.metrics.events_lost.inc();
            }
            _ => {}
        }
    }

    /// Something is done.
    pub(super) fn effect(&mut self, effect: &Effect) {
        if matches!(effect, Effect::Reconcile { .. }) {
            self.in_flight = self.in_flight.or(self.files.take());
        }
    }

    /// So many directories are watched.
    pub(super) fn watches(&self, coverage: &Coverage) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.watches_wanted.set(number(coverage.wanted));
        self.metrics.watches_held.set(number(coverage.held));
    }

    /// A reconcile has ended.
    pub(super) fn reconciled(&mut self, findings: &Findings, now: Instant) {
        let metrics = &self.metrics;
        let result = if findings.setback.is_none() { "done" } else { "failed" };
        metrics.reconciles.get_or_create(&Ending { result }).inc();
        metrics.reconcile.observe(findings.reconciled.took_us as f64 / 1_000_000.0);
        metrics.looked_at.inc_by(findings.cost.looked_at as u64);
        metrics.read.inc_by(findings.cost.read as u64);
        metrics.rows.inc_by(findings.reconciled.rows);
        metrics.verified.inc_by(findings.cost.verified as u64);
        metrics.transactions.inc_by(findings.cost.transactions as u64);
        metrics.busy_retries.inc_by(findings.cost.busy_retries);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.problems.set(number(findings.problems.len()));
        metrics.conflicts.set(number(findings.conflicts.len()));
        metrics.halts.set(number(findings.halts.len()));
        if findings.setback.is_none() {
            metrics.artifacts.set(i64::try_from(findings.reconciled.artifacts).unwrap_or(i64::MAX));
            let began = self.in_flight.take();
            if let Some(began) = began.filter(|_| findings.reconciled.rows > 0) {
                metrics.files_to_rows.observe(now.saturating_duration_since(began).as_secs_f64());
            }
        }
        self.written(findings.cost.writes, now);
    }

    /// The cache was looked into, and groups and tags were carried over.
    pub(super) fn cache_checked(&mut self, changed: bool, writes: Writes, now: Instant) {
        self.written(writes, now);
        if changed {
            self.cache = None; // what the comparison after this finds is not about groups
        }
    }

    /// A write transaction in the cache has ended.
    pub(super) fn held(&self, hold: Hold) {
        let held = self.metrics.write_transaction.get_or_create(&Purpose { purpose: hold.purpose.name() });
        held.observe(hold.time.as_secs_f64());
    }

    fn written(&mut self, writes: Writes, now: Instant) {
        let before = std::mem::replace(&mut self.writes, writes);
        let followed = self.metrics.manifests.get_or_create(&Cause { cause: "frontmatter" });
        followed.inc_by(writes.followed - before.followed);
        drop(followed);
        let exchanged = self.metrics.manifests.get_or_create(&Cause { cause: "database" });
        exchanged.inc_by(writes.exchanged - before.exchanged);
        drop(exchanged);
        self.metrics.exchange_retries.inc_by(writes.again - before.again);
        self.metrics.repairs.inc_by(writes.repaired - before.repaired);
        if writes.exchanged > before.exchanged
            && let Some(began) = self.cache.take()
        {
            self.metrics.database_to_file.observe(now.saturating_duration_since(began).as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::control::protocol::Reconciled;
    use crate::domain::dirty::ScanScope;

    fn reconcile() -> Effect {
        Effect::Reconcile { revision: 1, scope: ScanScope::All, all_rows: true }
    }

    fn done(rows: u64) -> Findings {
        Findings { reconciled: Reconciled { rows, ..Reconciled::default() }, ..Findings::default() }
    }

    #[test]
    fn lag_counts_from_the_first_event_of_a_burst_and_through_failures() {
        let metrics = Metrics::new(0.0);
        let mut meter = Meter::new(metrics.clone());
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        meter.event(&Event::Hint(Hint::Everything), at(0));
        meter.event(&Event::Hint(Hint::Everything), at(30));
        meter.effect(&reconcile());
        meter.event(&Event::Hint(Hint::Everything), at(60));
        let failed = (crate::domain::reactor::Setback::Transient, "x".to_owned());
        meter.reconciled(&Findings { setback: Some(failed), ..done(1) }, at(70));
        meter.effect(&reconcile());
        meter.reconciled(&done(1), at(90));
        let text = metrics.text(None);
        assert!(text.contains("skillmeatd_files_to_rows_seconds_sum 0.09\n"), "{text}");
        assert!(text.contains("skillmeatd_reconciles_total{result=\"failed\"} 1\n"), "{text}");
        // The event of 60 ms came while that was under way, and what it is about is in the next.
        meter.effect(&reconcile());
        meter.reconciled(&done(0), at(100));
        assert!(
            metrics.text(None).contains("skillmeatd_files_to_rows_seconds_count 1\n"),
            "nothing was written"
        );
    }

    #[test]
    fn a_manifest_written_for_the_database_counts_from_its_first_touch() {
        let metrics = Metrics::new(0.0);
        let mut meter = Meter::new(metrics.clone());
        let start = Instant::now();
        meter.event(&Event::Hint(Hint::Cache), start);
        let writes = Writes { exchanged: 1, again: 2, repaired: 1, ..Writes::default() };
        meter.cache_checked(true, writes, start + Duration::from_millis(20));
        let findings = Findings { cost: super::super::Cost { writes, ..Default::default() }, ..done(0) };
        meter.reconciled(&findings, start + Duration::from_millis(50));
        let text = metrics.text(None);
        assert!(text.contains("skillmeatd_database_to_file_seconds_sum 0.02\n"), "{text}");
        assert!(text.contains("skillmeatd_manifests_written_total{cause=\"database\"} 1\n"), "{text}");
        assert!(text.contains("skillmeatd_exchange_retries_total 2\n"), "{text}");
        assert!(text.contains("skillmeatd_repairs_total 1\n"), "{text}");
    }
}
