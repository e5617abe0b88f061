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
mod meter;
mod once;
mod readiness;
mod reads;
mod sandbox;
mod told;
mod vitals;
mod waiting;
mod watchdog;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use chrono::Utc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{Config, ConfigError, WatchMode};
use crate::control::protocol::{Refusal, Resumed, VERSION, What};
use crate::control::token::Token;
use crate::control::{Ask, Review, server};
use crate::domain::dirty::{ScanScope, Window};
use crate::domain::hint::Hint;
use crate::domain::reactor::{Effect, Event, Mode, Reactor, Report, Timing};
use crate::domain::removal::HaltReason;
use crate::fs::watch::{Coverage, Loss, Notice, Use, Watcher};
use crate::paths::{Paths, PrivateDirError, create_private};
use board::Board;
use engine::{Answer, StartError, Worker};
use lifecycle::{InstanceLock, LockError, Signal};
use meter::Meter;
use readiness::Readiness;
use reads::{Desk, Errand};
use told::Told;
use waiting::{Waiting, Wanted};
use watchdog::{Part, Watchdog};

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

/// Rows whose verification somebody took back are verified again after this, if nothing else leads to it.
const RECHECK: Duration = Duration::from_secs(10);

/// How long whoever is being answered may take to take the answer when everything stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// A write transaction that takes so long is worth an entry of `trace`: whoever else writes may have noticed.
const LONG_HOLD: Duration = Duration::from_millis(10);

/// Everything that wakes the loop.
#[derive(Debug)]
enum Input {
    Watch(Notice),
    Worker(Answer),
    Ask(Ask),
    Errand(Errand),
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
    let mut board = Board::new(paths.root.display().to_string(), Utc::now());
    let router = server::router(asks, board.recent());
    let mut servers = JoinSet::new();
    let (stop, stopped) = watch::channel(());
    let http = match config.http.listen {
        Some(address) => Some(listen(address, &paths, router.clone(), stopped.clone(), &mut servers).await?),
        None => None,
    };
    servers.spawn(server::serve(socket, router, stopped));
    let sender = inputs.clone();
    let asking = tokio::spawn(async move {
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

    let watcher = watcher(&paths, config.watch.mode, &inputs).map_err(start("the file watcher"))?;
    let readiness = Readiness::of_process();
    let allowed = readiness.watchdog();
    let reactor = Reactor::new(timing(&config), Mode::Events, Instant::now());
    let meter = Meter::new(board.recent().metrics.clone());
    board.http = http.map(|address| address.to_string());
    tracing::info!(root = %paths.root.display(), version = env!("CARGO_PKG_VERSION"), "started");
    let ttl = config.staleness.ttl.clone();
    let numbers = board.recent().metrics.clone();
    let desk = Desk::new(paths.cache_db.clone(), paths.collections.clone(), ttl, inputs.clone(), numbers);
    let desk = Arc::new(desk);
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
        waiting: Waiting::default(),
        desk,
        refreshes: 0,
        told: Told::default(),
        meter,
        watchdog: allowed.map(|allowed| (Watchdog::new(allowed, Instant::now()), allowed)),
        readiness,
    };
    let ended = daemon.run().await;
    // Whoever still waits for an answer is told that there will be none.
    asking.abort();
    daemon.board.events().end();
    drop(stop);
    let _ = tokio::time::timeout(GOODBYE, async { while servers.join_next().await.is_some() {} }).await;
    drop(servers);
    tracing::info!("stopped");
    ended
}

/// Listen on a port as well; where, when it was left to the system.
async fn listen(
    address: SocketAddr,
    paths: &Paths,
    router: Router,
    stop: watch::Receiver<()>,
    servers: &mut JoinSet<()>,
) -> Result<SocketAddr, DaemonError> {
    let start = |what| move |source| DaemonError::Start { what, source };
    let token = Token::of_file(&paths.http_token()).map_err(start("HTTP: no token can be had"))?;
    let listener = TcpListener::bind(address).await.map_err(start("HTTP on the configured port"))?;
    let address = listener.local_addr().map_err(start("HTTP on the configured port"))?;
    servers.spawn(server::serve_tcp(listener, router, token, stop));
    tracing::info!(%address, token = %paths.http_token().display(), "listening");
    Ok(address)
}

fn timing(config: &Config) -> Timing {
    Timing {
        window: Window { quiet: config.debounce.quiet, max_wait: config.debounce.max_wait },
        safety: config.reconcile.interval,
        poll: config.watch.poll_interval,
    }
}

fn watcher(paths: &Paths, mode: WatchMode, inputs: &mpsc::UnboundedSender<Input>) -> io::Result<Watcher> {
    let sender = inputs.clone();
    let events = if mode == WatchMode::Poll { Use::Nothing } else { Use::Events };
    Watcher::start(paths.root.clone(), paths.cookies(), events, move |notice| {
        let _ = sender.send(Input::Watch(notice));
    })
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
    waiting: Waiting,
    desk: Arc<Desk>,
    /// Refreshes that were asked for, ever.
    refreshes: u64,
    told: Told,
    meter: Meter,
    readiness: Readiness,
    /// With the time the service manager allows between two signs of life.
    watchdog: Option<(Watchdog, Duration)>,
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
            let look = self.watchdog.as_ref().map(|(watchdog, _)| watchdog.due());
            let due = self.reactor.deadline().into_iter().chain(last_moment).chain(look).min();
            tokio::select! {
                input = self.inbox.recv() => match input {
                    Some(input) => event = self.take(input)?,
                    None => return Ok(()),
                },
                () = sleep_until(due) => event = Some(Event::Wake),
            }
            self.look_after_the_parts();
            if last_moment.is_some_and(|moment| moment <= Instant::now()) {
                tracing::warn!(grace = ?self.grace, "stopping with work left; it is done at the next start");
                self.worker.abandon();
                return Ok(());
            }
        }
    }

    /// Give the event to the reactor and do what it says; whether that is to stop.
    fn perform(&mut self, event: Event) -> bool {
        let now = Instant::now();
        let at = || board::rfc3339(Utc::now());
        let trace = self.board.recent().trace.clone();
        self.meter.event(&event, now);
        if event != Event::Wake {
            trace.add("event", &event, at);
        }
        for effect in self.reactor.handle(event, now) {
            self.meter.effect(&effect);
            trace.add("effect", &effect, at);
            match effect {
                Effect::Reconcile { revision, scope, all_rows } => {
                    self.board.began(Instant::now());
                    self.worker.reconcile(revision, scope, all_rows);
                }
                Effect::CheckCache => self.worker.check_cache(),
                Effect::Rearm => self.rearm(),
                Effect::Cookie(number) => {
                    if let Err(error) = self.watcher.lay_cookie(number) {
                        tracing::error!(%error, "file events are not to be had");
                        let _ =
                            self.inputs.send(Input::Watch(Notice::Lost(Loss::Backend(error.to_string()))));
                    }
                }
                Effect::Release { tickets, fresh, done, .. } => {
                    self.waiting.release(&tickets, fresh, done, &self.board);
                }
                Effect::Probed { ticket, alive } => self.waiting.probed(ticket, alive, &self.board),
                Effect::Stop => return true,
            }
        }
        false
    }

    fn take(&mut self, input: Input) -> Result<Option<Event>, DaemonError> {
        Ok(match input {
            Input::Watch(Notice::Hint(hint)) => {
                if hint != Hint::Cache {
                    self.board.noticed(Instant::now());
                }
                Some(Event::Hint(hint))
            }
            Input::Watch(Notice::Appeared(hint)) => {
                self.board.noticed(Instant::now());
                Some(Event::Appeared(hint))
            }
            Input::Watch(Notice::Lost(loss)) => {
                if loss != Loss::Root {
                    self.board.lost(self.reactor.revision());
                    self.told.lost(&loss, Instant::now());
                    let why = format!("{loss:?}");
                    self.board.events().push(board::rfc3339(Utc::now()), What::EventsLost { why });
                }
                Some(Event::Lost)
            }
            Input::Watch(Notice::Armed(coverage)) => {
                let before = self.board.watching.shortfall.clone();
                let mode = self.board.armed(&coverage);
                self.meter.watches(&coverage);
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
            // That it cannot be laid is told by the thread that is to be alive: events are switched off, or run out.
            Input::Watch(Notice::CookieSeen(number) | Notice::CookieFailed(number))
                if watchdog::is_cookie(number) =>
            {
                self.sign_of_life(Part::Watcher);
                None
            }
            Input::Watch(Notice::CookieSeen(number)) => Some(Event::CookieSeen(number)),
            Input::Watch(Notice::CookieFailed(number)) => Some(Event::CookieFailed(number)),
            Input::Worker(Answer::Died) => return Err(DaemonError::WorkerDied),
            Input::Worker(Answer::Confined(sandbox)) => {
                self.confined(sandbox);
                None
            }
            Input::Worker(Answer::Alive) => {
                self.sign_of_life(Part::Worker);
                None
            }
            Input::Worker(Answer::Held(hold)) => {
                self.meter.held(hold);
                if hold.time >= LONG_HOLD {
                    let at = || board::rfc3339(Utc::now());
                    self.board.recent().trace.add("held", &hold, at);
                }
                None
            }
            Input::Worker(Answer::CacheChecked { changed, writes }) => {
                self.meter.cache_checked(changed, writes, Instant::now());
                Some(Event::CacheChecked { changed })
            }
            Input::Worker(Answer::Reconciled { revision, findings, look_again }) => {
                Some(self.reconciled(revision, *findings, look_again))
            }
            Input::Ask(ask) => self.answer(ask),
            Input::Errand(errand) => self.run_errand(errand),
            Input::Signal(Signal::Terminate) => {
                tracing::info!("stopping");
                self.readiness.stopping(self.grace);
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
        self.told.tell(&findings, self.board.events());
        self.meter.reconciled(&findings, Instant::now());
        let result = findings.setback.as_ref().map_or(Ok(()), |(setback, _)| Err(*setback));
        self.waiting.refreshed(std::mem::take(&mut findings.refreshed));
        self.board.found(findings, Instant::now());
        self.tell_state();
        Event::Reconciled(Report { result, look_again })
    }

    fn tell_state(&mut self) {
        let (state, detail) = self.board.state();
        self.told.tell_state(board::rfc3339(Utc::now()), state, detail.clone(), self.board.events());
        self.readiness.state(state, detail);
    }

    fn answer(&mut self, ask: Ask) -> Option<Event> {
        match ask {
            Ask::Status(answer) => drop(answer.send(self.board.status(Instant::now()))),
            Ask::Problems(answer) => drop(answer.send(self.board.problems())),
            Ask::Api(call) => self.desk.take(call),
            Ask::Sync { request, answer } => match waiting::check(&request) {
                Ok(()) => {
                    let scope = waiting::scope(&request);
                    let asked_at = self.board.revision();
                    return Some(self.wait(Wanted::Synced { request, asked_at, answer }, scope));
                }
                Err(refusal) => drop(answer.send(Err(refusal))),
            },
            Ask::Probe(answer) => return Some(Event::Probe(self.waiting.add_probe(answer))),
            Ask::Resume { collection, answer } => match self.resume(collection) {
                Ok(resumed) => {
                    return Some(self.wait(Wanted::Resumed(answer, resumed), ScanScope::All));
                }
                Err(refusal) => drop(answer.send(Err(refusal))),
            },
            Ask::Review(review) => {
                let decides = matches!(review, Review::Resolve(..) | Review::Restore(..));
                self.worker.review(review);
                // What was decided is carried to the other side, and found out anew for `status`.
                return decides.then_some(Event::Demand(ScanScope::All));
            }
        }
        None
    }

    fn run_errand(&mut self, errand: Errand) -> Option<Event> {
        match errand {
            Errand::Refresh(refresh, answer) => {
                self.refreshes += 1;
                self.worker.wish(self.refreshes, refresh);
                Some(self.wait(Wanted::Refreshed(self.refreshes, answer), ScanScope::All))
            }
            Errand::Invalidate(what, answer) => {
                self.worker.invalidate(what, answer);
                Some(Event::LookBy(Instant::now() + RECHECK))
            }
            Errand::Author(what, answer) => {
                self.worker.author(what, answer);
                None
            }
        }
    }

    /// Answer when a reconcile that begins after everything before now was heard of, and that looks at `scope` in any
    /// case, has ended.
    fn wait(&mut self, wanted: Wanted, scope: ScanScope) -> Event {
        Event::Barrier { ticket: self.waiting.add(wanted), scope }
    }

    fn rearm(&mut self) {
        if self.watcher.rearm().is_ok() {
            return;
        }
        // Its thread has panicked: only another one can go on.
        match watcher(&self.paths, self.mode, &self.inputs) {
            Ok(watcher) => self.watcher = watcher,
            Err(error) => {
                let shortfall =
                    Some(format!("no file watcher can be started: {error}; everything is polled"));
                let coverage = Coverage { shortfall, ..Coverage::default() };
                let _ = self.inputs.send(Input::Watch(Notice::Armed(coverage)));
            }
        }
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
                    match watcher(&self.paths, self.mode, &self.inputs) {
                        Ok(watcher) => self.watcher = watcher,
                        Err(error) => tracing::error!(%error, "the watcher goes on as it was"),
                    }
                }
                self.desk.configure(config.staleness.ttl.clone());
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
