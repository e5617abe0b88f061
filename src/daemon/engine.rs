//! The worker: everything that touches files and databases, one thing at a time.
//!
//! [`Engine::reconcile`] is the way from the files to the cache: scan, follow hand edits into the manifest, plan, apply,
//! remember. It runs on a thread of its own ([`Worker`]), because a scan blocks, and nothing else of the daemon may.
//!
//! What this module does not do: decide when. The reactor says what to look at; the planner says what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Instant, SystemTime};

use chrono::Utc;

use super::board::{self, Findings, Writes};
use crate::config::Config;
use crate::control::protocol::Database;
use crate::db::{Cache, DbError, Hold, Listener};
use crate::domain::dirty::ScanScope;
use crate::domain::follow::Base;
use crate::domain::halves::{Halfway, Halves};
use crate::domain::model::{ArtifactId, Desired, Problem};
use crate::domain::plan::{self, Decision};
use crate::domain::reactor::Setback;
use crate::domain::removal::{self, Absences, Memory};
use crate::domain::rows::Scope;
use crate::fs::scan::{ScanError, Scanned, Scanner};
use crate::fs::stat_cache::{CacheKey, CachedArtifact};
use crate::paths::Paths;
use crate::state::{ScanKey, State, StateError};

mod assignments;
mod author;
mod database;
mod exchange;
mod follow;
mod remember;
mod review;
mod verify;
mod worker;

use exchange::Exchange;
use remember::{StateTrouble, Unsaved};
use verify::Verification;
pub(super) use worker::{Answer, StartError, Worker};

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Our own state cannot be opened.
    #[error("the state database in {directory} cannot be opened")]
    State {
        /// The state directory.
        directory: PathBuf,
        /// Why not.
        source: StateError,
    },
}

/// Files on one side, the cache on the other, and what is remembered between two looks.
#[derive(Debug)]
pub struct Engine {
    paths: Paths,
    config: Config,
    state: State,
    scanner: Scanner,
    cache: Option<Cache>,
    database: Database,
    absences: Absences,
    halfway: Halfway,
    memory: Memory,
    /// Of what each artifact's frontmatter said when it was last followed. The text is in our own state.
    bases: Bases,
    /// Problems that belong to us rather than to the last scan: a damaged state database that was set aside.
    notices: Vec<Problem>,
    /// Whether strays of killed writers have been looked for.
    swept: bool,
    /// When this run began.
    began: SystemTime,
    /// Where programs are run: not by the thread of the engine, which may be restricted.
    programs: Option<tokio::runtime::Handle>,
    /// From the last decision.
    decided: Decided,
    unsaved: Unsaved,
    verification: Verification,
    /// Whether there is no change that was cut short.
    authored: bool,
    exchange: Exchange,
    /// Manifests written.
    writes: Writes,
    state_trouble: StateTrouble,
    /// Who is told of each write transaction in the cache.
    listener: Listener,
}

/// By collection directory and artifact.
type Bases = BTreeMap<String, BTreeMap<ArtifactId, Base>>;

/// The id with the name that a base has for it, so that one copy of each name is enough.
fn shared(bases: &Bases, id: ArtifactId) -> ArtifactId {
    let known = bases.values().find_map(|bases| bases.get_key_value(&id));
    known.map(|(known, _)| known.clone()).unwrap_or(id)
}

#[derive(Debug, Default)]
struct Decided {
    halts: Vec<removal::Halt>,
    problems: Vec<Problem>,
    /// Artifacts of a type this database does not know.
    refused: BTreeSet<ArtifactId>,
    /// Artifacts whose tags were changed in the database alone.
    tags_waiting: BTreeSet<ArtifactId>,
    /// How many have half a change of their tags that is still waited for.
    halves: usize,
}

/// A reconcile's setback, with what to say about it.
#[derive(Debug)]
struct Stop {
    setback: Setback,
    why: String,
}

impl Stop {
    fn new(setback: Setback, why: impl Into<String>) -> Self {
        Self { setback, why: why.into() }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        let setback = if error.is_transient() { Setback::Transient } else { Setback::CacheUnusable };
        Self::new(setback, board::chain(&error))
    }
}

impl Engine {
    /// Open our own state; files and cache are looked at in the first reconcile.
    ///
    /// # Errors
    /// When the state directory cannot be used. A damaged state database is set aside, not an error.
    pub async fn open(paths: Paths, config: Config) -> Result<Self, EngineError> {
        let failed = |source| EngineError::State { directory: paths.state_dir.clone(), source };
        let opened = State::open(&paths.state_dir, Utc::now().naive_utc()).await.map_err(failed)?;
        let notice = opened.moved_aside.map(|aside| {
            let message = format!(
                "the daemon's own state was damaged ({}) and set aside; it is rebuilt from the files",
                aside.reason
            );
            tracing::warn!(path = %aside.path.display(), "{message}");
            Problem::new(aside.path.display().to_string(), message)
        });
        let state = opened.state;
        let mut scanner = Scanner::new(paths.root.clone(), Vec::new());
        let recall = |ScanKey { collection, kind, path }, reading| {
            scanner.recall(CachedArtifact { key: CacheKey { collection, path, kind }, reading });
        };
        state.scans(recall).await.map_err(failed)?;
        let bases = follow::load(&state).await.map_err(failed)?;
        let exchange = Exchange::load(&state).await.map_err(failed)?;
        let share = |(directory, ids): (String, BTreeSet<ArtifactId>)| {
            let ids = ids.into_iter().map(|id| shared(&bases, id)).collect();
            (directory, Arc::new(ids))
        };
        let seen = state.seen().await.map_err(failed)?;
        let memory = Memory {
            seen: seen.into_iter().map(share).collect(),
            confirmed: state.confirmed().await.map_err(failed)?,
            agreed_tags: Arc::new(assignments::load(&state, &bases).await.map_err(failed)?),
            due: BTreeSet::new(),
            left_halves: Halves::new(),
        };
        Ok(Self {
            scanner,
            paths,
            config,
            state,
            cache: None,
            database: Database::default(),
            absences: Absences::default(),
            halfway: Halfway::default(),
            memory,
            bases,
            notices: notice.into_iter().collect(),
            swept: false,
            began: SystemTime::now(),
            programs: None,
            decided: Decided::default(),
            unsaved: Unsaved::default(),
            state_trouble: StateTrouble::default(),
            verification: Verification::default(),
            authored: false,
            exchange,
            writes: Writes::default(),
            listener: Listener::default(),
        })
    }

    /// Tell of each write transaction in the cache.
    #[must_use]
    pub fn telling_holds(mut self, listener: impl Fn(Hold) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    /// Have other programs run by this runtime's threads. They inherit the restrictions of the thread that starts them.
    #[must_use]
    pub fn running_programs_on(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.programs = Some(runtime);
        self
    }

    /// Count progress in long work here.
    #[must_use]
    pub fn counting_in(mut self, progress: Arc<AtomicU64>) -> Self {
        self.scanner = self.scanner.counting_in(progress);
        self
    }

    /// Use these settings from now on.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// A person has confirmed that the rows of these artifacts may go.
    ///
    /// # Errors
    /// When it cannot be written down; it counts all the same until the daemon ends.
    pub async fn confirm(
        &mut self,
        collection: String,
        artifacts: BTreeSet<ArtifactId>,
    ) -> Result<(), StateError> {
        let confirmed = self.memory.confirmed.entry(collection.clone()).or_default();
        confirmed.extend(artifacts);
        self.state.save_confirmed(&collection, Some(confirmed), Utc::now().timestamp_millis()).await
    }

    /// When the next absence becomes due, or half a change has been waited for.
    #[must_use]
    pub fn look_again(&self) -> Option<Instant> {
        let now = Instant::now();
        self.absences.next(now, self.config.remove_grace).into_iter().chain(self.halfway.next(now)).min()
    }

    /// Whether the cache has been written by another process since the last look, was replaced, or is not open.
    pub async fn cache_changed(&mut self) -> bool {
        match &mut self.cache {
            None => true,
            Some(cache) if cache.replaced() => true,
            Some(cache) => cache.changed().await.unwrap_or(true),
        }
    }

    /// Make the cache say what the files in scope say.
    pub async fn reconcile(&mut self, scope: &ScanScope, all_rows: bool) -> Findings {
        let began = Instant::now();
        let mut findings = Findings::default();
        match self.pass(scope, all_rows, &mut findings).await {
            Ok(()) => {}
            Err(stop) => findings.setback = Some((stop.setback, stop.why)),
        }
        self.tell_exchange(&mut findings);
        findings.cost.writes = self.writes;
        findings.database = self.database.clone();
        findings.problems.extend(self.notices.iter().cloned());
        findings.problems.sort();
        findings.problems.dedup();
        findings.reconciled.at = board::rfc3339(Utc::now());
        findings.reconciled.took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        findings
    }

    async fn pass(&mut self, scope: &ScanScope, all_rows: bool, findings: &mut Findings) -> Result<(), Stop> {
        let began = Instant::now();
        if let Err(why) = self.finish_authoring().await {
            findings.problems.push(Problem::new(
                "collections",
                format!("a change cut short cannot be finished yet: {why}"),
            ));
        }
        let mut scanned = self.scan(scope)?;
        findings.cost.looked_at = scanned.stats.artifacts;
        findings.cost.read = scanned.stats.read;
        let scanned_at = Instant::now();
        let followed = self.follow(&scanned, findings).await;
        if let Some(rewritten) = &followed.rewritten {
            drop(scanned); // else what it shares with the scanner would be copied
            scanned = self.scan(rewritten)?; // still touches what the first scan did
        }
        if !std::mem::replace(&mut self.swept, true) {
            self.sweep(&scanned.desired).await;
        }
        findings.problems.extend(scanned.problems.iter().cloned());
        findings.collections = board::collections(&scanned.desired);
        findings.reconciled.artifacts = findings.collections.iter().map(|(_, count, _)| *count as u64).sum();
        // The cache is opened even when there is nothing to compare, so that `status` can tell what it is.
        self.open_cache().await?;
        let touched = scanned.touched.clone();
        let scope = self.rows_to_compare(all_rows, touched.clone()).await?;
        let followed_at = Instant::now();
        let applied = self.apply(&scanned.desired, &scope, &touched, findings).await;
        tracing::debug!(
            scan = ?scanned_at - began,
            follow = ?followed_at - scanned_at,
            apply = ?followed_at.elapsed(),
            cost = ?findings.cost,
            "looked"
        );
        for (collection, text) in &followed.replaced {
            self.keep(collection, text).await; // not before: the edit is in the database sooner
        }
        applied?;
        // After the rows, because members and tags hang on them.
        let carried = self.carry_tags(&mut scanned, findings).await;
        let exchanged = self.exchange(&mut scanned, all_rows).await;
        self.keep_replaced().await;
        carried?;
        exchanged?;
        if self.take_made_collection() {
            self.apply(&scanned.desired, &Scope::All, &touched, findings).await?;
        }
        match followed.held_up {
            // What is left is touched again, and followed, at the next look.
            Some(why) => Err(Stop::new(Setback::Transient, why)),
            None => {
                if followed.complete {
                    self.scanner.confirm();
                }
                Ok(())
            }
        }
    }

    /// The rows of the artifacts the scan touched, or every row: when a cache was opened anew and holds anybody's rows,
    /// when a halt may be lifted by what is outside the scope, and when it was asked for, unless nobody has written to
    /// the cache since every row was last compared.
    async fn rows_to_compare(&self, all_rows: bool, touched: Scope) -> Result<Scope, Stop> {
        let Some(cache) = &self.cache else { return Ok(touched) };
        let pending = !self.decided.halts.is_empty() || !self.memory.confirmed.is_empty();
        if pending || !cache.is_compared() || all_rows && self.verification.is_due(Instant::now()) {
            return Ok(Scope::All);
        }
        let waiting = !self.absences.is_empty() || self.decided.halves > 0;
        Ok(if all_rows && (waiting || !cache.is_as_left().await?) { Scope::All } else { touched })
    }

    fn scan(&mut self, scope: &ScanScope) -> Result<Scanned, Stop> {
        self.scanner.scan(scope, SystemTime::now()).map_err(|error| match error {
            ScanError::NoRoot(_) | ScanError::NoCollections(_) => Stop::new(
                Setback::HomeMissing,
                format!("{error}; waiting for SkillMeat to make it (`skillmeat init`)"),
            ),
            ScanError::Unreadable { .. } => Stop::new(Setback::Transient, board::chain(&error)),
        })
    }

    /// Make the rows in `scope` say what the files say. `touched` are the artifacts that have changed in the files.
    async fn apply(
        &mut self,
        desired: &Desired,
        scope: &Scope,
        touched: &Scope,
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let mut round = None;
        if !scope.is_empty() {
            findings.cost.compared = match scope {
                Scope::All => desired.collections.values().map(|c| c.artifacts.len()).sum(),
                Scope::Artifacts(ids) => ids.len(),
            };
            let now = Instant::now();
            self.memory.due = self.absences.due(now, self.config.remove_grace);
            self.memory.left_halves = self.halfway.left(now);
            let memory = &self.memory;
            let mut decision = Decision::default();
            let mut is_new = false;
            let Some(cache) = &mut self.cache else { return Ok(()) };
            // Before every row is compared none is known to be verified, whoever asks.
            round = if *scope == Scope::All { self.verification.begin(&self.config) } else { None };
            verify::ask(cache, round.as_ref());
            let applied = cache
                .sync(scope, Utc::now().naive_utc(), |actual, part| {
                    let mut made = plan::plan(desired, actual, part, memory);
                    if let Some(round) = &mut round {
                        round.note(desired, actual, &mut made);
                    }
                    let plan = std::mem::take(&mut made.plan);
                    is_new |= !plan.new_artifacts.is_empty();
                    findings.changed.add(&plan.artifacts());
                    // What is halted or wrong can be told from the whole only.
                    if part == scope {
                        decision = made;
                    } else {
                        decision.tags_waiting.retain(|id| !part.contains(id));
                        decision.tags_waiting.extend(made.tags_waiting);
                        decision.halves.retain(|id, _| !part.contains(id));
                        decision.halves.extend(made.halves);
                    }
                    plan
                })
                .await;
            let applied = match applied {
                Ok(applied) => applied,
                Err(error) => return Err(self.give_up_cache(error)),
            };
            findings.reconciled.rows += applied.rows as u64;
            if is_new {
                self.note_artifacts_made();
            }
            findings.cost.transactions = applied.transactions;
            findings.cost.verified = applied.verified;
            findings.cost.busy_retries = applied.busy_retries;
            self.absences.observe(&decision.absent, scope, now);
            self.absences.forget(&applied.removed);
            self.halfway.observe(&decision.halves, scope, now);
            self.decided.halves = self.halfway.waiting(now);
            self.remember(desired, scope, &decision, &applied.removed);
            self.note_agreed_tags(desired, touched, &decision.tags_waiting);
            self.decided.tags_waiting.retain(|id| !scope.contains(id));
            self.decided.tags_waiting.extend(decision.tags_waiting);
            self.decided.refused.retain(|id| !scope.contains(id));
            self.decided.refused.extend(applied.refused);
            // Both are about everything, whatever the scope was; while anything is halted the scope is everything.
            self.decided.problems = decision.problems;
            self.decided.halts = decision.halts;
        }
        findings.halts.clone_from(&self.decided.halts);
        findings.problems.extend(self.decided.problems.iter().cloned());
        findings.problems.extend(self.decided.refused.iter().map(|id| {
            let message = format!("{id} is not mirrored: this database does not know the type {}", id.kind);
            Problem::new(self.database.path.clone(), message)
        }));
        findings.pending_removals = self.absences.running(Instant::now(), self.config.remove_grace);
        if let Some(round) = round {
            self.verified(round, findings).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
