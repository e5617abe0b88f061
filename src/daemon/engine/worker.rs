//! The threads the engine works on.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::{Engine, EngineError, Findings};
use crate::config::Config;
use crate::control::Review;
use crate::control::api::{Authoring, Invalidate, Refresh, Reply};
use crate::control::protocol::Sandbox;
use crate::control::protocol::artifact::Artifact;
use crate::daemon::board::Writes;
use crate::daemon::reads;
use crate::daemon::sandbox::{self, Enforcement, Places};
use crate::db::Hold;
use crate::domain::dirty::ScanScope;
use crate::domain::model::ArtifactId;
use crate::paths::Paths;

enum Job {
    Reconcile { revision: u64, scope: ScanScope, all_rows: bool },
    CheckCache,
    Configure(Box<Config>),
    Confirm { collection: String, artifacts: BTreeSet<ArtifactId> },
    Wish { number: u64, refresh: Refresh },
    Invalidate { what: Invalidate, reply: Reply<usize> },
    Author { what: Authoring, reply: Reply<Artifact> },
    Review(Review),
}

/// What comes back.
#[derive(Debug)]
pub(in crate::daemon) enum Answer {
    /// A thread has begun to work under these restrictions.
    Confined(Sandbox),
    /// A reconcile is done.
    Reconciled { revision: u64, findings: Box<Findings>, look_again: Option<Instant> },
    /// The cache's change counter was looked at.
    CacheChecked { changed: bool, writes: Writes },
    /// A write transaction in the cache has ended.
    Held(Hold),
    /// The worker is there, as it was asked.
    Alive,
    /// The thread has panicked; there will be no more answers.
    Died,
}

/// Tells of a panic when it is dropped by one.
struct Bell<'d, D: Fn(Answer)>(&'d D);

impl<D: Fn(Answer)> Drop for Bell<'_, D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(Answer::Died);
        }
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum StartError {
    /// The engine cannot be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system has no more threads for us.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

/// Owns the engine's threads. Dropping it lets the job in hand finish.
///
/// There are two: one that works, restricted to the places it has to write in ([`sandbox`]), and its host, which is not
/// restricted and only waits for it. When the places change, the worker ends, and the host starts another for the rest.
#[derive(Debug)]
pub(in crate::daemon) struct Worker {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    questions: mpsc::UnboundedSender<()>,
    progress: Arc<AtomicU64>,
    abandon: Option<oneshot::Sender<()>>,
    host: Option<JoinHandle<()>>,
}

impl Worker {
    /// Start the threads and open the engine; answers go to `deliver`. Programs are run by the calling task's runtime.
    pub(in crate::daemon) async fn start(
        paths: Paths,
        config: Config,
        deliver: impl Fn(Answer) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (abandon, abandoned) = oneshot::channel();
        let (opened, result) = oneshot::channel();
        let (questions, asked) = mpsc::unbounded_channel();
        let progress = Arc::<AtomicU64>::default();
        let mut seat = Seat {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            programs: Handle::current(),
            confined: config.sandbox.enabled,
            engine: None,
            opening: Some((config, opened)),
            paths,
            inbox,
            asked,
            progress: Arc::clone(&progress),
            abandoned,
            left: None,
            deliver: Arc::new(deliver),
        };
        let host = std::thread::Builder::new().name("worker-host".into()).spawn(move || {
            while let Some(next) = seat.occupy() {
                seat = next;
            }
        })?;
        let worker = Self { jobs: Some(jobs), questions, progress, abandon: Some(abandon), host: Some(host) };
        match result.await {
            Ok(opened) => opened?,
            // It has panicked, and has said so; or there was no thread.
            Err(_) => return Err(io::Error::other("the worker has ended before it began").into()),
        }
        Ok(worker)
    }

    /// Give up the job in hand at the next point where nothing is half done: between two transactions, or while waiting
    /// for another program.
    pub(in crate::daemon) fn abandon(&mut self) {
        if let Some(abandon) = self.abandon.take() {
            let _ = abandon.send(()); // fails only when the thread has ended already
        }
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job); // fails only after the thread has panicked, which has been told already
        }
    }

    /// Whether it is there: answered by [`Answer::Alive`] unless it is in the middle of something that cannot be
    /// interrupted, or hangs.
    pub(in crate::daemon) fn ask(&self) {
        let _ = self.questions.send(()); // fails only after the thread has panicked, which has been told already
    }

    /// Grows while something long is being done.
    pub(in crate::daemon) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(in crate::daemon) fn reconcile(&self, revision: u64, scope: ScanScope, all_rows: bool) {
        self.send(Job::Reconcile { revision, scope, all_rows });
    }

    pub(in crate::daemon) fn check_cache(&self) {
        self.send(Job::CheckCache);
    }

    pub(in crate::daemon) fn configure(&self, config: Config) {
        self.send(Job::Configure(Box::new(config)));
    }

    /// The next reconcile is to look at everything and mark what this is about as verified.
    pub(in crate::daemon) fn wish(&self, number: u64, refresh: Refresh) {
        self.send(Job::Wish { number, refresh });
    }

    pub(in crate::daemon) fn author(&self, what: Authoring, reply: Reply<Artifact>) {
        self.send(Job::Author { what, reply });
    }

    pub(in crate::daemon) fn invalidate(&self, what: Invalidate, reply: Reply<usize>) {
        self.send(Job::Invalidate { what, reply });
    }

    pub(in crate::daemon) fn review(&self, review: Review) {
        self.send(Job::Review(review));
    }

    pub(in crate::daemon) fn confirm(&self, collection: String, artifacts: BTreeSet<ArtifactId>) {
        self.send(Job::Confirm { collection, artifacts });
    }
}

/// Everything one thread of the worker takes over from the one before.
struct Seat<D> {
    /// Not one a thread: the databases' tasks outlive threads.
    runtime: Runtime,
    /// Where programs are run.
    programs: Handle,
    paths: Paths,
    /// Whether the thread is to be restricted.
    confined: bool,
    engine: Option<Engine>,
    /// How to open the engine, and who waits for that.
    opening: Option<(Config, oneshot::Sender<Result<(), EngineError>>)>,
    inbox: mpsc::UnboundedReceiver<Job>,
    /// Whether anybody is there.
    asked: mpsc::UnboundedReceiver<()>,
    progress: Arc<AtomicU64>,
    abandoned: oneshot::Receiver<()>,
    /// The job that the thread before could not do.
    left: Option<Job>,
    deliver: Arc<D>,
}

impl<D: Fn(Answer) + Send + Sync + 'static> Seat<D> {
    /// One thread's life; what is left to do by another.
    fn occupy(self) -> Option<Self> {
        let deliver = Arc::clone(&self.deliver);
        let thread = std::thread::Builder::new().name("worker".into()).spawn(move || self.work());
        match thread {
            // A panic has been told already.
            Ok(thread) => thread.join().ok().flatten(),
            Err(error) => {
                tracing::error!(%error, "the worker cannot be started");
                deliver(Answer::Died);
                None
            }
        }
    }

    fn work(mut self) -> Option<Self> {
        let bell = Bell(&*self.deliver);
        let places = self.confined.then(|| Places::of(&self.paths));
        let enforcement = match &places {
            Some(places) => sandbox::enforce(places, &self.paths.home),
            None => Enforcement::None("switched off (sandbox.enabled = false)".to_owned()),
        };
        (self.deliver)(Answer::Confined(enforcement.told()));
        let places = places.filter(|_| !matches!(enforcement, Enforcement::None(_)));
        if let Some((config, told)) = self.opening.take() {
            let opened = self.runtime.block_on(Engine::open(self.paths.clone(), config));
            let result = opened.map(|engine| {
                let engine = engine.running_programs_on(self.programs.clone());
                let deliver = Arc::clone(&self.deliver);
                let engine = engine.telling_holds(move |hold| deliver(Answer::Held(hold)));
                self.engine = Some(engine.counting_in(Arc::clone(&self.progress)));
            });
            let _ = told.send(result); // whoever has asked is gone: there will be no jobs
        }
        let mut engine = self.engine.take()?;
        let mut left = self.left.take();
        let next = self.runtime.block_on(async {
            tokio::select! {
                next = async {
                    loop {
                        let job = match left.take() {
                            Some(job) => job,
                            None => self.inbox.recv().await?,
                        };
                        // What is written by order may lie anywhere; what follows from the files lies in the tree.
                        let thorough =
                            matches!(&job, Job::Reconcile { scope: ScanScope::All, .. } | Job::Author { .. });
                        if matches!(job, Job::Reconcile { .. } | Job::Author { .. } | Job::Review(_))
                            && places.as_ref().is_some_and(|places| !places.are_current(&self.paths, thorough))
                        {
                            tracing::debug!("the places to write in are others now");
                            return Some(Left { job: Some(job), confined: true });
                        }
                        if let Job::Configure(config) = &job && config.sandbox.enabled != self.confined {
                            return Some(Left { confined: config.sandbox.enabled, job: Some(job) });
                        }
                        perform(&mut engine, job, &*self.deliver).await;
                    }
                } => next,
                // Beside the work, so that waiting for somebody is no silence.
                () = async {
                    while self.asked.recv().await.is_some() {
                        (self.deliver)(Answer::Alive);
                    }
                    std::future::pending::<()>().await;
                } => None,
                Ok(()) = &mut self.abandoned => None,
            }
        })?;
        drop(bell);
        self.engine = Some(engine);
        self.left = next.job;
        self.confined = next.confined;
        Some(self)
    }
}

/// What a thread leaves to the next.
struct Left {
    job: Option<Job>,
    confined: bool,
}

async fn perform(engine: &mut Engine, job: Job, deliver: &impl Fn(Answer)) {
    match job {
        Job::Reconcile { revision, scope, all_rows } => {
            let findings = Box::new(engine.reconcile(&scope, all_rows).await);
            engine.persist_bases().await;
            deliver(Answer::Reconciled { revision, findings, look_again: engine.wake() });
            engine.persist().await;
            engine.copy_log().await;
        }
        Job::CheckCache => {
            let changed = engine.check_cache().await;
            deliver(Answer::CacheChecked { changed, writes: engine.writes });
            engine.keep_replaced().await;
        }
        Job::Review(review) => engine.review(review).await,
        Job::Wish { number, refresh } => engine.wish(number, refresh),
        Job::Author { what, reply } => {
            // Whoever asked may have gone.
            let _ = reply.send(engine.author(what).await);
        }
        Job::Invalidate { what, reply } => {
            let rows = engine.invalidate(&what).await;
            let rows = rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
            // Whoever asked may have gone.
            let _ = reply.send(rows.map_err(|error| reads::refusal(&error)));
        }
        Job::Configure(config) => engine.configure(*config),
        Job::Confirm { collection, artifacts } => {
            if let Err(error) = engine.confirm(collection, artifacts).await {
                tracing::warn!(%error, "the confirmation counts, but only until the daemon ends");
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if self.host.take().is_some_and(|host| host.join().is_err()) {
            tracing::error!("the worker's host has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_and_an_end_is_not() {
        for (panics, expected) in [(true, 1), (false, 0)] {
            let (told, heard) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                let deliver = |answer| told.send(answer).unwrap();
                let _bell = Bell(&deliver);
                assert!(!panics, "on purpose");
            });
            assert_eq!(thread.join().is_err(), panics);
            assert_eq!(heard.iter().filter(|answer| matches!(answer, Answer::Died)).count(), expected);
        }
    }
}
