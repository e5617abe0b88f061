//! The daemon: one loop, one worker, and the thin shells around them.
//!
//! [`run`] joins what the other layers offer. The loop takes in one input at a time, hands it to the
//! [`Reactor`], and performs the effects it gets back. Everything that touches files or the database happens in the
//! worker ([`Engine`]), one thing at a time; the loop itself never blocks, so `status` always answers.
//!
//! What this module does not do: decide. When something is due, what it is about and what follows from it is the
//! reactor's and the planner's business.

mod board;
mod engine;
pub mod lifecycle;
mod once;
mod readiness;
mod sandbox;
mod told;

use std::io;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, ConfigError, WatchMode};
use crate::control::protocol::{Refusal, Resumed, Sandbox, Synced, VERSION};
use crate::control::{Ask, server};
use crate::domain::dirty::{ScanScope, Window};
use crate::domain::reactor::{Effect, Event, Mode, Reactor, Report, Timing};
use crate::domain::removal::HaltReason;
use crate::fs::watch::{Loss, Notice, Use, Watcher};
use crate::paths::{Paths, PrivateDirError, create_private};
use board::Board;
use engine::{Answer, StartError, Worker};
use lifecycle::{InstanceLock, LockError, Signal};
use readiness::Readiness;
use told::Told;

pub use board::{Cost, Findings};
pub use engine::{Engine, EngineError};
pub use once::{OnceError, once};

/// Reads the configuration again, for SIGHUP.
pub type Reload = Box<dyn FnMut() -> Result<Config, Vec<ConfigError>>>;

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another instance serves this home, or the lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The socket's directory cannot be made private.
    #[error("there is no place for the control socket")]
    RuntimeDirectory(#[from] PrivateDirError),
    /// The state database cannot be had.
    #[error("the daemon's own state cannot be opened")]
    State(#[from] EngineError),
    /// Something the daemon stands on could not be started.
    #[error("cannot start {what}")]
    Start {
        /// What.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A bug: the worker is gone, and a daemon that only looks alive is worse than one that is started again.
    #[error("the worker has panicked; its message is in the log above")]
    WorkerDied,
}

/// Everything that wakes the loop.
enum Input {
    Watch(Notice),
    Worker(Answer),
    Ask(Ask),
    Signal(Signal),
}

/// Keep files and database in step until a signal ends it.
///
/// # Errors
/// See [`DaemonError`]; once it runs, nothing but a signal or a bug ends it.
pub async fn run(paths: Paths, config: Config, reload: Reload) -> Result<(), DaemonError> {
    let _lock = InstanceLock::acquire(&paths.lock)?;
    create_private(&paths.runtime_dir)?;
    let start = |what| move |source| DaemonError::Start { what, source };
    let (inputs, inbox) = mpsc::unbounded_channel();

    let sender = inputs.clone();
    let _signals = lifecycle::signals(move |signal| {
        let _ = sender.send(Input::Signal(signal));
    })
    .map_err(start("the signal handler"))?;

    let socket = server::bind(&paths.socket).map_err(start("the control socket"))?;
    let (asks, mut questions) = mpsc::unbounded_channel();
    let server = tokio::spawn(server::serve(socket, server::router(asks)));
    let sender = inputs.clone();
    tokio::spawn(async move {
        while let Some(ask) = questions.recv().await {
            if sender.send(Input::Ask(ask)).is_err() {
                break;
            }
        }
    });

    let sender = inputs.clone();
    let worker = Worker::start(paths.clone(), config.clone(), move |answer| {
        let _ = sender.send(Input::Worker(answer));
    });
    let worker = worker.await.map_err(|error| match error {
        StartError::Engine(error) => error.into(),
        StartError::Thread(error) => start("the worker")(error),
    })?;

    let watcher = watcher(&paths, &config, &inputs).map_err(start("the file watcher"))?;
    let reactor = Reactor::new(timing(&config), Mode::Events, Instant::now());
    let board = Board::new(paths.root.display().to_string(), Utc::now());
    tracing::info!(root = %paths.root.display(), version = env!("CARGO_PKG_VERSION"), "started");
    let mut daemon = Daemon {
        grace: config.shutdown.grace,
        mode: config.watch.mode,
        paths,
        reactor,
        board,
        worker,
        watcher,
        inputs,
        inbox,
        reload,
        waiting: Vec::new(),
        told: Told::default(),
        readiness: Readiness::of_process(),
    };
    let ended = daemon.run().await;
    server.abort();
    tracing::info!("stopped");
    ended
}

fn timing(config: &Config) -> Timing {
    Timing {
        window: Window { quiet: config.debounce.quiet, max_wait: config.debounce.max_wait },
        safety: config.reconcile.interval,
        poll: config.watch.poll_interval,
    }
}

fn watcher(paths: &Paths, config: &Config, inputs: &mpsc::UnboundedSender<Input>) -> io::Result<Watcher> {
    let sender = inputs.clone();
    let events = if config.watch.mode == WatchMode::Poll { Use::Nothing } else { Use::Events };
    Watcher::start(paths.root.clone(), events, move |notice| {
        let _ = sender.send(Input::Watch(notice));
    })
}

/// Somebody who waits for a reconcile.
struct Waiting {
    /// The first reconcile that began after the question.
    revision: u64,
    answer: Wanted,
}

enum Wanted {
    Synced(oneshot::Sender<Result<Synced, Refusal>>),
    Resumed(oneshot::Sender<Result<Resumed, Refusal>>, Resumed),
}

struct Daemon {
    paths: Paths,
    grace: Duration,
    mode: WatchMode,
    reactor: Reactor,
    board: Board,
    worker: Worker,
    watcher: Watcher,
    inputs: mpsc::UnboundedSender<Input>,
    inbox: mpsc::UnboundedReceiver<Input>,
    reload: Reload,
    waiting: Vec<Waiting>,
    told: Told,
    readiness: Readiness,
}

impl Daemon {
    async fn run(&mut self) -> Result<(), DaemonError> {
        let mut last_moment: Option<Instant> = None;
        let mut event = Some(Event::Wake);
        loop {
            if let Some(event) = event.take() {
                if event == Event::Terminate {
                    last_moment.get_or_insert(Instant::now() + self.grace);
                }
                if self.perform(event) {
                    return Ok(());
                }
            }
            let due = self.reactor.deadline().into_iter().chain(last_moment).min();
            tokio::select! {
                input = self.inbox.recv() => match input {
                    Some(input) => event = self.take(input)?,
                    None => return Ok(()),
                },
                () = sleep_until(due) => event = Some(Event::Wake),
            }
            if last_moment.is_some_and(|moment| moment <= Instant::now()) {
                tracing::warn!(grace = ?self.grace, "stopping with work left; it is done at the next start");
                self.worker.abandon();
                return Ok(());
            }
        }
    }

    /// Give the event to the reactor and do what it says; whether that is to stop.
    fn perform(&mut self, event: Event) -> bool {
        for effect in self.reactor.handle(event, Instant::now()) {
            match effect {
                Effect::Reconcile { revision, scope, all_rows } => {
                    self.board.began(Instant::now());
                    self.worker.reconcile(revision, scope, all_rows);
                }
                Effect::CheckCache => self.worker.check_cache(),
                Effect::Rearm => self.watcher.rearm(),
                Effect::Stop => return true,
            }
        }
        false
    }

    fn take(&mut self, input: Input) -> Result<Option<Event>, DaemonError> {
        Ok(match input {
            Input::Watch(Notice::Hint(hint)) => Some(Event::Hint(hint)),
            Input::Watch(Notice::Appeared(hint)) => Some(Event::Appeared(hint)),
            Input::Watch(Notice::Lost(loss)) => {
                if loss != Loss::Root {
                    self.board.watching.lost += 1;
                    tracing::warn!(?loss, "file events were lost; looking at everything");
                }
                Some(Event::Lost)
            }
            Input::Watch(Notice::Armed(coverage)) => {
                let before = self.board.watching.shortfall.clone();
                let mode = self.board.armed(&coverage);
                match (&before, &coverage.shortfall) {
                    (_, Some(shortfall)) if before != coverage.shortfall => tracing::warn!("{shortfall}"),
                    (Some(_), None) => {
                        tracing::info!(held = coverage.held, "every directory is watched again");
                    }
                    _ => tracing::debug!(held = coverage.held, "watching"),
                }
                self.tell_state();
                Some(Event::Armed(mode))
            }
            Input::Worker(Answer::Died) => return Err(DaemonError::WorkerDied),
            Input::Worker(Answer::Confined(sandbox)) => {
                self.confined(sandbox);
                None
            }
            Input::Worker(Answer::CacheChecked { changed }) => Some(Event::CacheChecked { changed }),
            Input::Worker(Answer::Reconciled { revision, findings, look_again }) => {
                Some(self.reconciled(revision, *findings, look_again))
            }
            Input::Ask(ask) => self.answer(ask),
            Input::Signal(Signal::Terminate) => {
                tracing::info!("stopping");
                self.readiness.stopping();
                Some(Event::Terminate)
            }
            Input::Signal(Signal::Reload) => {
                self.readiness.reloading();
                let event = self.reload();
                self.readiness.reloaded();
                event
            }
        })
    }

    fn reconciled(&mut self, revision: u64, mut findings: Findings, look_again: Option<Instant>) -> Event {
        findings.reconciled.revision = revision;
        self.told.tell(&findings);
        let result = findings.setback.as_ref().map_or(Ok(()), |(setback, _)| Err(*setback));
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.revision <= revision);
        self.waiting = waiting;
        for Waiting { answer, .. } in ready {
            let refusal =
                findings.setback.as_ref().map(|(_, why)| Refusal::new(503, "not reconciled", why.clone()));
            // Whoever asked may have gone.
            match (answer, refusal) {
                (Wanted::Synced(answer), None) => drop(answer.send(Ok(board::synced(&findings)))),
                (Wanted::Synced(answer), Some(refusal)) => drop(answer.send(Err(refusal))),
                (Wanted::Resumed(answer, resumed), None) => drop(answer.send(Ok(resumed))),
                (Wanted::Resumed(answer, _), Some(refusal)) => drop(answer.send(Err(refusal))),
            }
        }
        self.board.found(findings);
        self.tell_state();
        Event::Reconciled(Report { result, look_again })
    }

    fn confined(&mut self, sandbox: Sandbox) {
        // Other places under the same restrictions are no news.
        if sandbox.enforced != self.board.sandbox.enforced {
            match &sandbox.detail {
                None => tracing::info!(enforced = sandbox.enforced, "the worker writes in its places only"),
                Some(why) => {
                    tracing::info!(enforced = sandbox.enforced, why, "the worker is not fully restricted");
                }
            }
        }
        self.board.sandbox = sandbox;
    }

    fn tell_state(&mut self) {
        let (state, detail) = self.board.state();
        self.readiness.state(state, detail);
    }

    fn answer(&mut self, ask: Ask) -> Option<Event> {
        match ask {
            Ask::Status(answer) => drop(answer.send(self.board.status(Instant::now()))),
            Ask::Problems(answer) => drop(answer.send(self.board.problems())),
            Ask::Sync(answer) => return Some(self.demand(Wanted::Synced(answer))),
            Ask::Resume { collection, answer } => match self.resume(collection) {
                Ok(resumed) => return Some(self.demand(Wanted::Resumed(answer, resumed))),
                Err(refusal) => drop(answer.send(Err(refusal))),
            },
        }
        None
    }

    fn demand(&mut self, answer: Wanted) -> Event {
        // The one in flight, if any, began before the question; the next is told to look at everything.
        self.waiting.push(Waiting { revision: self.reactor.revision() + 1, answer });
        Event::Demand(ScanScope::All)
    }

    fn resume(&self, collection: String) -> Result<Resumed, Refusal> {
        let halts = self.board.findings.iter().flat_map(|findings| &findings.halts);
        let halts: Vec<_> = halts.filter(|halt| halt.collection == collection).collect();
        let Some(halt) = halts.first() else {
            return Err(Refusal::new(
                404,
                "not halted",
                format!("collection {collection} is not halted; there is nothing to resume"),
            ));
        };
        if halt.reason == HaltReason::Unreadable {
            return Err(Refusal::new(409, "mend it first", board::halt_message(halt)));
        }
        let artifacts = halts.iter().flat_map(|halt| halt.artifacts.iter().cloned()).collect();
        let removed = halts.iter().flat_map(|halt| halt.artifacts.iter().map(ToString::to_string)).collect();
        tracing::info!(collection, "resumed by a person");
        self.worker.confirm(collection.clone(), artifacts);
        Ok(Resumed { schema: VERSION, collection, removed })
    }

    fn reload(&mut self) -> Option<Event> {
        match (self.reload)() {
            Ok(config) => {
                tracing::info!("configuration read again");
                self.grace = config.shutdown.grace;
                if config.watch.mode != self.mode {
                    self.mode = config.watch.mode;
                    match watcher(&self.paths, &config, &self.inputs) {
                        Ok(watcher) => self.watcher = watcher,
                        Err(error) => tracing::error!(%error, "the watcher goes on as it was"),
                    }
                }
                let timing = timing(&config);
                self.worker.configure(config);
                Some(Event::Timing(timing))
            }
            Err(errors) => {
                for error in errors {
                    tracing::error!(%error, "the new configuration is wrong; going on with the old one");
                }
                None
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
