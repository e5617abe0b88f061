//! The thread the engine works on.

use std::collections::BTreeSet;
use std::io;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::{Engine, Findings};
use crate::config::Config;
use crate::control::api::{Invalidate, Refresh, Reply};
use crate::daemon::reads;
use crate::domain::dirty::ScanScope;
use crate::domain::model::ArtifactId;

enum Job {
    Reconcile { revision: u64, scope: ScanScope, all_rows: bool },
    CheckCache,
    Configure(Box<Config>),
    Confirm { collection: String, artifacts: BTreeSet<ArtifactId> },
    Wish { number: u64, refresh: Refresh },
    Invalidate { what: Invalidate, reply: Reply<usize> },
}

/// What comes back.
#[derive(Debug)]
pub(in crate::daemon) enum Answer {
    /// A reconcile is done.
    Reconciled { revision: u64, findings: Box<Findings>, look_again: Option<Instant> },
    /// The cache's change counter was looked at.
    CacheChecked { changed: bool },
    /// The thread has panicked; there will be no more answers.
    Died,
}

/// Tells of a panic when it is dropped by one.
struct Bell<F: Fn(Answer)>(F);

impl<F: Fn(Answer)> Drop for Bell<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(Answer::Died);
        }
    }
}

/// Owns the engine's thread. Dropping it lets the job in hand finish.
#[derive(Debug)]
pub(in crate::daemon) struct Worker {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    abandon: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Start the thread; answers go to `deliver`.
    pub(in crate::daemon) fn start(
        engine: Engine,
        deliver: impl Fn(Answer) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, mut inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (abandon, abandoned) = oneshot::channel();
        let thread = std::thread::Builder::new().name("worker".into()).spawn(move || {
            let bell = Bell(deliver);
            runtime.block_on(async {
                tokio::select! {
                    () = work(engine, &mut inbox, &bell.0) => {}
                    Ok(()) = abandoned => {}
                }
            });
        })?;
        Ok(Self { jobs: Some(jobs), abandon: Some(abandon), thread: Some(thread) })
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

    pub(in crate::daemon) fn invalidate(&self, what: Invalidate, reply: Reply<usize>) {
        self.send(Job::Invalidate { what, reply });
    }

    pub(in crate::daemon) fn confirm(&self, collection: String, artifacts: BTreeSet<ArtifactId>) {
        self.send(Job::Confirm { collection, artifacts });
    }
}

async fn work(mut engine: Engine, inbox: &mut mpsc::UnboundedReceiver<Job>, deliver: &impl Fn(Answer)) {
    while let Some(job) = inbox.recv().await {
        match job {
            Job::Reconcile { revision, scope, all_rows } => {
                let findings = Box::new(engine.reconcile(&scope, all_rows).await);
                engine.persist_bases().await;
                deliver(Answer::Reconciled { revision, findings, look_again: engine.wake() });
                engine.persist().await;
            }
            Job::CheckCache => deliver(Answer::CacheChecked { changed: engine.cache_changed().await }),
            Job::Wish { number, refresh } => engine.wish(number, refresh),
            Job::Invalidate { what, reply } => {
                let rows =
                    engine.invalidate(&what).await.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
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
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the worker has panicked");
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
                let _bell = Bell(move |answer| told.send(answer).unwrap());
                assert!(!panics, "on purpose");
            });
            assert_eq!(thread.join().is_err(), panics);
            assert_eq!(heard.iter().filter(|answer| matches!(answer, Answer::Died)).count(), expected);
        }
    }
}
