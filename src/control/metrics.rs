//! Numbers about the running daemon, in the Prometheus text format.
//!
//! What this module does not do: measure. Whoever does something says so here.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::api::Staleness;

/// Upper bounds in seconds, from the time of one small edit to that of a first look at everything.
const SECONDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ending {
    /// `done` or `failed`; of a refresh also `refused`, of a page's row `hit` or `miss`.
    pub result: &'static str,
}

/// What a manifest was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Cause {
    /// `frontmatter` (a hand edit was followed) or `database` (groups and tags).
    pub cause: &'static str,
}

/// What a write transaction was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Purpose {
    /// `artifacts`, `groups` or `invalidation`.
    pub purpose: &'static str,
}

/// The status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// Rows of a DB collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    /// The collection's id.
    collection: String,
    /// `fresh`, `stale` (verified longer ago than the time to live) or `never` (not verified at all).
    state: &'static str,
}

/// A DB collection, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Collection {
    collection: String,
}

/// How long ago rows were verified. Read from the database when the numbers are asked for, unlike all others.
#[derive(Debug, Clone, Default)]
struct Ages {
    rows: Family<Rows, Gauge>,
    oldest: Family<Collection, Gauge<f64, AtomicU64>>,
    ttl: Family<Collection, Gauge<f64, AtomicU64>>,
    /// Held from filling them in to having them as text.
    turn: Arc<Mutex<()>>,
}

/// Every number there is. A handle; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// From the first event of a burst to the commit of its rows.
    pub files_to_rows: Histogram,
    /// From the first event of a foreign commit to the manifest that has it.
    pub database_to_file: Histogram,
    /// Reconciles that have ended.
    pub reconciles: Family<Ending, Counter>,
    /// How long they took.
    pub reconcile: Histogram,
    /// Artifacts whose files were looked at.
    pub looked_at: Counter,
    /// Artifacts whose files were read.
    pub read: Counter,
    /// Rows written to the cache.
    pub rows: Counter,
    /// Write transactions in the cache.
    pub transactions: Counter,
    /// Rows that were right, and were marked as verified.
    pub verified: Counter,
    /// How long the write transactions held the cache's lock, a checkpoint by the same call included.
    pub write_transaction: Family<Purpose, Histogram, fn() -> Histogram>,
    /// Tries that found the cache's write lock taken.
    pub busy_retries: Counter,
    /// Manifests written.
    pub manifests: Family<Cause, Counter>,
    /// Exchanges of a manifest that had to be done again, because somebody else wrote at the same moment.
    pub exchange_retries: Counter,
    /// Manifests whose groups or tags somebody had put back to an older state, and that were put right.
    pub repairs: Counter,
    /// Rows of list pages, by whether they had been verified (`hit`) or their files had to be looked at (`miss`).
    pub page_rows: Family<Ending, Counter>,
    /// Times files were looked at for a list page.
    pub page_looks: Counter,
    /// Refreshes that were asked for.
    pub refreshes: Family<Ending, Counter>,
    /// Times file events were lost.
    pub events_lost: Counter,
    /// Directories that should be watched.
    pub watches_wanted: Gauge,
    /// Directories that are.
    pub watches_held: Gauge,
    /// Things that are wrong with the files.
    pub problems: Gauge,
    /// Conflicts that wait for a person.
    pub conflicts: Gauge,
    /// Collections whose removals wait for a person.
    pub halts: Gauge,
    /// Artifacts the manifests have.
    pub artifacts: Gauge,
    /// Requests that have been answered.
    pub requests: Family<Response, Counter>,
    /// How long that took.
    pub request: Histogram,
    ages: Ages,
}

impl Metrics {
    /// Numbers of a daemon that was started at `started_at`, in seconds since 1970.
    #[must_use]
    pub fn new(started_at: f64) -> Self {
        let mut registry = Registry::with_prefix("skillmeatd");
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            registry: Arc::default(),
            files_to_rows: seconds(),
            database_to_file: seconds(),
            reconciles: Family::default(),
            reconcile: seconds(),
            looked_at: Counter::default(),
            read: Counter::default(),
            rows: Counter::default(),
            transactions: Counter::default(),
            write_transaction: Family::new_with_constructor(seconds),
            busy_retries: Counter::default(),
            manifests: Family::default(),
            verified: Counter::default(),
            exchange_retries: Counter::default(),
            repairs: Counter::default(),
            page_rows: Family::default(),
            page_looks: Counter::default(),
            refreshes: Family::default(),
            events_lost: Counter::default(),
            watches_wanted: Gauge::default(),
            watches_held: Gauge::default(),
            problems: Gauge::default(),
            conflicts: Gauge::default(),
            halts: Gauge::default(),
            artifacts: Gauge::default(),
            requests: Family::default(),
            request: seconds(),
            ages: Ages::default(),
        };
        metrics.register(&mut registry, started_at);
        Self { registry: Arc::new(registry), ..metrics }
    }

    fn register(&self, registry: &mut Registry, started_at: f64) {
        let started = Gauge::<f64, AtomicU64>::default();
        started.set(started_at);
        let build = Family::<Version, Gauge>::default();
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        for result in ["done", "failed"] {
            drop(self.reconciles.get_or_create(&Ending { result })); // shown from the first moment, as 0
        }
        for cause in ["frontmatter", "database"] {
            drop(self.manifests.get_or_create(&Cause { cause }));
        }
        for result in ["done", "refused", "failed"] {
            drop(self.refreshes.get_or_create(&Ending { result }));
        }
        for result in ["hit", "miss"] {
            drop(self.page_rows.get_or_create(&Ending { result }));
        }
        registry.register("build_info", "The running version", build);
        registry.register_with_unit("start_time", "Start of the daemon since 1970", Unit::Seconds, started);
        let seconds = [
            (
                "files_to_rows",
                "From the first event of a burst to the commit of its rows",
                &self.files_to_rows,
            ),
            (
                "database_to_file",
                "From the first event of a foreign commit to the manifest that has it",
                &self.database_to_file,
            ),
            ("reconcile", "Time a reconcile took", &self.reconcile),
            ("request", "Time from a request's head to its response's head", &self.request),
        ];
        for (name, help, metric) in seconds {
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        }
        registry.register_with_unit(
            "write_transaction",
            "How long write transactions held the lock of the cache",
            Unit::Seconds,
            self.write_transaction.clone(),
        );
        registry.register("reconciles", "Reconciles that have ended", self.reconciles.clone());
        registry.register("manifests_written", "Manifests written", self.manifests.clone());
        registry.register("requests", "Requests that have been answered", self.requests.clone());
        registry.register(
            "page_rows",
            "Rows of list pages that had been verified (hit), or whose files had to be looked at (miss)",
            self.page_rows.clone(),
        );
        registry.register(
            "refreshes",
            "Refreshes that were asked for: done, of something unknown (refused), or failed",
            self.refreshes.clone(),
        );
        let counters = [
            ("artifacts_looked_at", "Artifacts whose files were looked at", &self.looked_at),
            ("artifacts_read", "Artifacts whose files were read", &self.read),
            ("rows_written", "Rows written to the cache", &self.rows),
            ("rows_verified", "Rows that were right and were marked as verified", &self.verified),
            ("page_looks", "Times files were looked at for a list page", &self.page_looks),
            (
                "repairs",
                "Manifests whose groups or tags somebody had put back to an older state, and that were put right",
                &self.repairs,
            ),
            ("transactions", "Write transactions in the cache", &self.transactions),
            ("busy_retries", "Tries that found the write lock of the cache taken", &self.busy_retries),
            (
                "exchange_retries",
                "Exchanges of a manifest that had to be done again, because somebody else wrote meanwhile",
                &self.exchange_retries,
            ),
            ("events_lost", "Times file events were lost", &self.events_lost),
        ];
        for (name, help, metric) in counters {
            registry.register(name, help, metric.clone());
        }
        let gauges = [
            ("watches_wanted", "Directories that should be watched", &self.watches_wanted),
            ("watches_held", "Directories that are watched", &self.watches_held),
            ("problems", "Things that are wrong with the files", &self.problems),
            ("conflicts", "Conflicts that wait for a person", &self.conflicts),
            ("halts", "Collections whose removals wait for a person", &self.halts),
            ("artifacts", "Artifacts that the manifests have", &self.artifacts),
        ];
        for (name, help, metric) in gauges {
            registry.register(name, help, metric.clone());
        }
        let Ages { rows, oldest, ttl, .. } = &self.ages;
        registry.register("rows", "Rows of the cache by how long ago they were verified", rows.clone());
        for (name, help, metric) in [
            ("oldest_row_age", "Time since the verification of a row that is longest ago", oldest),
            ("row_time_to_live", "How long a row counts as verified", ttl),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        }
    }

    /// All of it as text, version 0.0.4 of Prometheus' format. Without `staleness` nothing is said about the age of rows.
    #[must_use]
    pub fn text(&self, staleness: Option<&Staleness>) -> String {
        let _turn = self.ages.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.ages.fill_in(staleness);
        let mut open = String::new();
        match text::encode(&mut open, &self.registry) {
            Ok(()) => classic(&open),
            Err(std::fmt::Error) => String::new(), // writing to memory does not fail
        }
    }
}

impl Ages {
    /// Collections that are not there any more are forgotten.
    fn fill_in(&self, staleness: Option<&Staleness>) {
        self.rows.clear();
        self.oldest.clear();
        self.ttl.clear();
        let Some(staleness) = staleness else { return };
        for (id, (counts, ttl)) in &staleness.collections {
            let states = [
                ("fresh", counts.fresh()),
                ("stale", counts.stale.saturating_sub(counts.never)),
                ("never", counts.never),
            ];
            for (state, count) in states {
                let rows = Rows { collection: id.clone(), state };
                self.rows.get_or_create(&rows).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let of = Collection { collection: id.clone() };
            self.oldest.get_or_create(&of).set(counts.oldest_age(staleness.now));
            self.ttl.get_or_create(&of).set(ttl.as_secs_f64());
        }
    }
}

/// From the OpenMetrics text format to the one before it, which every scraper reads: there a counter bears its `_total`
/// in its description as well, and there are no units and no end mark.
fn classic(open: &str) -> String {
    let counters: Vec<&str> =
        open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                text.extend(["# ", what, " ", name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::staleness::Counts;

    #[test]
    fn counters_gauges_and_histograms_are_described_and_counted() {
        let metrics = Metrics::new(1_700_000_000.5);
        metrics.rows.inc_by(7);
        metrics.watches_held.set(3);
        metrics.files_to_rows.observe(0.004);
        metrics.requests.get_or_create(&Response { status: 200 }).inc();
        metrics.write_transaction.get_or_create(&Purpose { purpose: "groups" }).observe(0.003);
        let text = metrics.clone().text(None);
        for expected in [
            "# HELP skillmeatd_rows_written_total Rows written to the cache.\n",
            "# TYPE skillmeatd_rows_written_total counter\nskillmeatd_rows_written_total 7\n",
            "# TYPE skillmeatd_watches_held gauge\nskillmeatd_watches_held 3\n",
            "skillmeatd_files_to_rows_seconds_bucket{le=\"0.005\"} 1\n",
            "skillmeatd_files_to_rows_seconds_count 1\n",
            "skillmeatd_write_transaction_seconds_bucket{le=\"0.0025\",purpose=\"groups\"} 0\n",
            "skillmeatd_write_transaction_seconds_bucket{le=\"0.005\",purpose=\"groups\"} 1\n",
            "skillmeatd_requests_total{status=\"200\"} 1\n",
            "skillmeatd_reconciles_total{result=\"failed\"} 0\n",
            "skillmeatd_start_time_seconds 1700000000.5\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        assert!(!text.contains("skillmeatd_rows{"), "{text}");
    }

    #[test]
    fn rows_are_told_by_age_and_those_of_a_collection_that_is_gone_are_not() {
        let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap().naive_utc();
        let staleness = |id: &str| {
            let oldest = Some(now - chrono::TimeDelta::seconds(7_200));
            let counts = Counts { total: 9, stale: 4, never: 1, oldest };
            let collections = [(id.to_owned(), (counts, Duration::from_secs(1_800)))].into();
            Staleness { collections, rows: Vec::new(), now }
        };
        let metrics = Metrics::new(0.0);
        drop(metrics.text(Some(&staleness("gone"))));
        let text = metrics.text(Some(&staleness("a \"b\"")));
        for expected in [
            r#"skillmeatd_rows{collection="a \"b\"",state="fresh"} 5"#,
            r#"skillmeatd_rows{collection="a \"b\"",state="stale"} 3"#,
            r#"skillmeatd_rows{collection="a \"b\"",state="never"} 1"#,
            r#"skillmeatd_oldest_row_age_seconds{collection="a \"b\""} 7200.0"#,
            r#"skillmeatd_row_time_to_live_seconds{collection="a \"b\""} 1800.0"#,
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\nis not in\n{text}");
        }
        assert!(!text.contains("gone"), "{text}");
    }
}
