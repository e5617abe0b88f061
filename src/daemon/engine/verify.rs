//! Keeping `synced_at` true: rows that are right are marked as verified before they go stale.
//!
//! A row that changes is stamped with the change. A row that does not would look stale after its time to live, although
//! the daemon watches its files all the while. So in rounds, at least `staleness.verify_interval` apart, the rows that
//! would go stale before the next round could come are compared with their files (which costs a stat each) and stamped,
//! 200 a transaction. The next round is put off until a row needs it: with nothing changing, every row is stamped once
//! in (time to live - interval), and between two rounds nothing is read or written. A round that fails is repeated
//! with the reconcile it is part of, after 0.1 to 30 seconds.
//!
//! Refreshes that somebody asks for ([`Refresh`]) are rounds of their own.
//!
//! What this module does not do: stamp a row that was not compared with files. Rows of artifacts that are missing,
//! held back or in no manifest grow stale, and that is what staleness is for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, Utc};

use super::{Engine, Findings};
use crate::config::Config;
use crate::control::api::{Invalidate, Refresh, Tally};
use crate::db::{Cache, DbError};
use crate::domain::mapping;
use crate::domain::model::{ArtifactId, Desired};
use crate::domain::plan::Decision;
use crate::domain::rows::{Actual, DEFAULT_COLLECTION};
use crate::domain::staleness::{Cutoffs, Ttl};
use crate::domain::tags;

/// What the engine remembers about verification.
#[derive(Debug, Default)]
pub(super) struct Verification {
    /// When the next round is due; `None` is now.
    next: Option<Instant>,
    /// Refreshes that wait for the next reconcile, by number.
    wishes: BTreeMap<u64, Refresh>,
}

/// One round of verification, part of one reconcile.
#[derive(Debug)]
pub(super) struct Round {
    ttl: Ttl,
    interval: Duration,
    now: NaiveDateTime,
    /// Rows that were verified before this are stamped, if anybody wants them.
    scheduled: Option<Cutoffs>,
    wishes: BTreeMap<u64, Refresh>,
    noted: Noted,
}

#[derive(Debug, Default)]
struct Noted {
    created: BTreeSet<(String, ArtifactId)>,
    updated: BTreeSet<(String, ArtifactId)>,
    verified: BTreeSet<(String, ArtifactId)>,
    /// Rows by DB collection.
    totals: BTreeMap<String, usize>,
    /// DB collection by directory.
    directories: BTreeMap<String, String>,
    /// The tags of artifacts that wishes by tag are about, as slugs.
    slugs: BTreeMap<ArtifactId, BTreeSet<String>>,
}

impl Verification {
    /// When the next round is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether a complete comparison is wanted.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.wishes.is_empty() || self.next.is_none_or(|next| next <= now)
    }

    /// A round, if one is due now.
    pub(super) fn begin(&mut self, config: &Config) -> Option<Round> {
        if !self.is_due(Instant::now()) {
            return None;
        }
        let ttl = config.staleness.ttl.clone();
        let interval = config.staleness.verify_interval;
        let now = Utc::now().naive_utc();
        let scheduled = self.next.is_none_or(|next| next <= Instant::now());
        Some(Round {
            scheduled: scheduled.then(|| ahead(&ttl, interval).cutoffs(now)),
            wishes: std::mem::take(&mut self.wishes),
            noted: Noted::default(),
            ttl,
            interval,
            now,
        })
    }
}

/// The time to live minus the time to the next round, so that a row is stamped before it is stale.
fn ahead(ttl: &Ttl, interval: Duration) -> Ttl {
    let shorter = |ttl: Duration| ttl - interval.min(ttl / 2);
    Ttl {
        default: shorter(ttl.default),
        by_collection: ttl.by_collection.iter().map(|(id, ttl)| (id.clone(), shorter(*ttl))).collect(),
    }
}

impl Round {
    /// The latest of all times before which somebody wants rows stamped.
    pub(super) fn cutoffs(&self) -> Cutoffs {
        let of_wish = |wish: &Refresh| match wish {
            Refresh::Artifact(_) => Ttl::same(Duration::ZERO).cutoffs(self.now),
            Refresh::Metadata { older_than: Some(age), .. } => Ttl::same(*age).cutoffs(self.now),
            Refresh::Metadata { older_than: None, .. } | Refresh::Collection(_) | Refresh::All => {
                self.ttl.cutoffs(self.now)
            }
        };
        let all = self.wishes.values().map(of_wish).chain(self.scheduled.clone());
        all.reduce(Cutoffs::latest).unwrap_or_else(Cutoffs::never)
    }

    /// Take note of what a plan is about to do, and leave out of it what nobody wants stamped.
    pub(super) fn note(&mut self, desired: &Desired, actual: &Actual, decision: &mut Decision) {
        if self.wishes.is_empty() {
            return;
        }
        self.noted.totals.clone_from(&actual.totals);
        let listed = desired.collections.keys().cloned().collect();
        self.noted.directories = mapping::map(&listed, &actual.collections).by_directory;
        if self.wishes.values().any(|wish| matches!(wish, Refresh::Metadata { tags, .. } if !tags.is_empty()))
        {
            for (id, artifact) in desired.collections.values().flat_map(|collection| &collection.artifacts) {
                let slugs =
                    tags::rows(&artifact.entry.unpack().metadata.tags).into_iter().map(|tag| tag.slug);
                self.noted.slugs.entry(id.clone()).or_default().extend(slugs);
            }
        }
        let wishes = &self.wishes;
        let noted = &self.noted;
        if self.scheduled.is_none() {
            decision.plan.verified.retain(|row| {
                wishes.values().any(|wish| noted.is_about(wish, &row.collection, &row.artifact))
            });
        }
        for upsert in &decision.plan.upserts {
            let row = (upsert.collection.clone(), upsert.artifact.clone());
            let there = actual.memberships.get(&row.0).is_some_and(|rows| rows.contains_key(&row.1));
            // A second look at the same work must not take its own first rows for old ones.
            if there && !self.noted.created.contains(&row) {
                self.noted.updated.insert(row);
            } else {
                self.noted.created.insert(row);
            }
        }
        for row in &decision.plan.verified {
            self.noted.verified.insert((row.collection.clone(), row.artifact.clone()));
        }
    }

    /// What each wish came to, by its number.
    fn tallies(&self, findings: &Findings) -> BTreeMap<u64, BTreeMap<String, Tally>> {
        self.wishes.iter().map(|(number, wish)| (*number, self.noted.tally(wish, findings))).collect()
    }
}

impl Noted {
    fn is_about(&self, wish: &Refresh, collection: &str, artifact: &ArtifactId) -> bool {
        match wish {
            Refresh::All => true,
            Refresh::Collection(id) => id == collection,
            Refresh::Artifact(id) => id == artifact,
            Refresh::Metadata { tags, .. } if tags.is_empty() => true,
            Refresh::Metadata { tags, .. } => {
                let carried = self.slugs.get(artifact);
                tags::rows(tags).iter().any(|tag| carried.is_some_and(|slugs| slugs.contains(&tag.slug)))
            }
        }
    }

    fn tally(&self, wish: &Refresh, findings: &Findings) -> BTreeMap<String, Tally> {
        let mut collections: BTreeMap<String, Tally> = BTreeMap::new();
        let named = match wish {
            Refresh::Collection(id) => vec![id.clone()],
            _ => self.totals.keys().cloned().collect(),
        };
        for id in named {
            let errors = self.errors(&id, findings);
            collections.insert(id, Tally { errors, ..Tally::default() });
        }
        type Rows = BTreeSet<(String, ArtifactId)>;
        let mut count = |rows: &Rows, counter: fn(&mut Tally) -> &mut usize| {
            for (collection, artifact) in rows {
                if self.is_about(wish, collection, artifact) {
                    *counter(collections.entry(collection.clone()).or_default()) += 1;
                }
            }
        };
        count(&self.created, |tally| &mut tally.created);
        count(&self.updated, |tally| &mut tally.updated);
        count(&self.verified, |tally| &mut tally.verified);
        for (id, tally) in &mut collections {
            let total = self.totals.get(id).copied().unwrap_or(0);
            tally.skipped = total.saturating_sub(tally.updated + tally.verified);
        }
        collections
    }

    /// What is wrong with the directories behind a collection.
    fn errors(&self, collection: &str, findings: &Findings) -> Vec<String> {
        let behind = |directory: &str| {
            collection == DEFAULT_COLLECTION
                || self.directories.get(directory).is_some_and(|id| id == collection)
        };
        let of = |path: &str| path.strip_prefix("collections/")?.split('/').next().map(behind);
        let problems = findings.problems.iter().filter(|problem| of(&problem.path).unwrap_or(false));
        problems.map(ToString::to_string).collect()
    }
}

impl Engine {
    /// Have the next reconcile look at everything and stamp what this is about.
    pub(super) fn wish(&mut self, number: u64, refresh: Refresh) {
        self.verification.wishes.insert(number, refresh);
    }

    /// When to look at everything again, if nothing else happens: an absence becomes due, or rows would go stale.
    #[must_use]
    pub(super) fn wake(&self) -> Option<Instant> {
        self.look_again().into_iter().chain(self.verification.next()).min()
    }

    /// The round came to its end: say when the next one is, and what the wishes came to.
    pub(super) async fn verified(&mut self, round: Round, findings: &mut Findings) {
        findings.refreshed = round.tallies(findings);
        let Some(cutoffs) = &round.scheduled else { return };
        let oldest = match &mut self.cache {
            Some(cache) => cache.oldest_verified(cutoffs).await.unwrap_or_default(),
            None => BTreeMap::new(),
        };
        let ahead = ahead(&round.ttl, round.interval);
        let spare = oldest.iter().map(|(id, oldest)| {
            let age = (round.now - *oldest).to_std().unwrap_or_default();
            ahead.of(id).saturating_sub(age)
        });
        let wait = spare.min().unwrap_or_else(|| ahead.shortest()).max(round.interval);
        self.verification.next = Some(Instant::now() + wait);
    }

    /// Set `synced_at` of these rows to NULL; how many had one. The next complete look verifies them again.
    ///
    /// # Errors
    /// When there is no open cache, or it cannot be written.
    pub(super) async fn invalidate(&mut self, what: &Invalidate) -> Result<u64, DbError> {
        let Some(cache) = &mut self.cache else { return Err(DbError::Replaced) };
        let rows = match what {
            Invalidate::Collection(id) => cache.invalidate_collection(id).await,
            Invalidate::Artifact(id) => cache.invalidate_artifact(id).await,
        };
        if rows.is_ok() {
            self.verification.next = None;
        }
        rows
    }
}

/// Ask the loads for what the round wants to know.
pub(super) fn ask(cache: &mut Cache, round: Option<&Round>) {
    cache.ask_for_stale(round.map(Round::cutoffs));
}
