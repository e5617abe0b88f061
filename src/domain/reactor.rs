//! The loop's brain: one closed set of events, one synchronous [`Reactor::handle`], a list of effects.
//!
//! Everything that can wake the daemon is an [`Event`]; everything it can then do is an [`Effect`]. At most one effect
//! touches files and database at a time (the *worker*), so there is nothing to lock and no order to get wrong. Hints that
//! come meanwhile gather in the [`DirtySet`].
//!
//! The rules that make it converge:
//! * A start, a lost event, a rebuilt watcher and the slow safety timer each dirty everything.
//! * A failed reconcile puts its scope back and waits, longer each time.
//! * A foreign commit in the cache leads to a comparison even when no file changed.
//! * Whoever asks is answered by a reconcile that began when all events of before the ask had come (`barrier`).
//!
//! What this module does not do: perform effects, or know what time it is. `tests` drives it with no runtime at all.

mod barrier;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::dirty::{DirtySet, ScanScope, Window};
use super::hint::Hint;
use barrier::{Barriers, For};

/// Writers touch the WAL before their commit can be seen, so the first look waits this long after the last touch …
const CACHE_QUIET: Duration = Duration::from_millis(8);
/// … but never longer than this after the first.
const CACHE_MAX_WAIT: Duration = Duration::from_millis(50);
/// A look that found nothing new is repeated once, this much later.
const CACHE_SECOND_LOOK: Duration = Duration::from_millis(50);
/// After a look that found a commit the next one waits as many times as long as that one took, because such a look
/// carries groups and tags over to the files: a hammering writer gets a quarter of our time, and nobody else waits …
const CACHE_REST: u32 = 3;
/// … but never longer than this.
const CACHE_REST_MAX: Duration = Duration::from_secs(1);
/// Comparisons for foreign commits keep this distance, so that a bulk writer does not have us re-read after each commit.
const COMPARE_DISTANCE: Duration = Duration::from_millis(250);
/// First pause after a failure; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Rebuilding the watcher more often than this doubles the pause between two rebuilds.
const REARM_CALM: Duration = Duration::from_secs(60);

/// While not every directory is watched, every so many polls it is tried anew: the limit may have been raised.
const POLLS_PER_REARM: u32 = 30;

/// How long the reactor waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Debounce of file hints.
    pub window: Window,
    /// Everything is looked at again after this long without a full look, even if nothing was hinted.
    pub safety: Duration,
    /// While events cannot be relied on, everything is looked at this often.
    pub poll: Duration,
}

/// Whether file events can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every directory is watched.
    Events,
    /// Some directories, or none, are watched; the rest is polled.
    Polling,
}

/// Names an ask, so that its answer finds the one who asked. Given out by whoever passes asks on, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The reactor itself: nobody is to be told.
    pub const NOBODY: Self = Self(0);
}

/// Everything that can wake the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A path may have changed.
    Hint(Hint),
    /// A directory has just appeared and is watched now; its first files may have come before the watch.
    Appeared(Hint),
    /// Events were lost: the kernel's queue overflowed, or the watcher failed.
    Lost,
    /// The watcher was (re)built.
    Armed(Mode),
    /// A deadline has passed.
    Wake,
    /// The worker finished a reconcile.
    Reconciled(Report),
    /// The worker looked at the cache's change counter, and if it had moved carried groups and tags over to the files.
    CacheChecked {
        /// Whether another process has committed since the last look, or the file was replaced.
        changed: bool,
    },
    /// Somebody asks for a reconcile now.
    Demand(ScanScope),
    /// Everything is to be looked at by then.
    LookBy(Instant),
    /// Somebody waits until everything that happened before is applied, on both sides. Answered by
    /// [`Effect::Release`].
    Barrier {
        /// Who.
        ticket: Ticket,
        /// What is looked at whether events told of it or not.
        scope: ScanScope,
    },
    /// Somebody asks whether events come. Answered by [`Effect::Probed`].
    Probe(Ticket),
    /// The event of the cookie with this number has come, and so have all events before it.
    CookieSeen(u64),
    /// The cookie with this number could not be laid.
    CookieFailed(u64),
    /// The settings changed.
    Timing(Timing),
    /// Finish what is pending, then end.
    Terminate,
}

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Whether files and cache were both usable and are now equal.
    pub result: Result<(), Setback>,
    /// When an absence will have lasted through its grace period, if one is running.
    pub look_again: Option<Instant>,
}

/// Why a reconcile did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// Something that passes by itself: a lock, a file that is being replaced, a full disk.
    Transient,
    /// There is no `~/.skillmeat` (yet).
    HomeMissing,
    /// The cache cannot be used as it is; a change to its file may mend that.
    CacheUnusable,
}

/// Everything the daemon can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Scan the scope, plan, and apply. Answered by [`Event::Reconciled`].
    Reconcile {
        /// Counts up; names this reconcile in logs.
        revision: u64,
        /// Which files to look at.
        scope: ScanScope,
        /// Whether to compare every row, not only those of the artifacts in scope: another process has written.
        all_rows: bool,
    },
    /// Look at the cache's change counter, and if it has moved carry groups and tags over to the files at once: a person
    /// at the web page waits for nothing else. The rows are compared afterwards, in a reconcile. Answered by
    /// [`Event::CacheChecked`].
    CheckCache,
    /// Build the watcher anew. Answered by [`Event::Armed`].
    Rearm,
    /// Make a file of this number where the watcher sees it. Answered by [`Event::CookieSeen`] or
    /// [`Event::CookieFailed`], or not at all when events are lost.
    Cookie(u64),
    /// Tell these that the reconcile which served them has ended.
    Release {
        /// Whom.
        tickets: Vec<Ticket>,
        /// Which reconcile.
        revision: u64,
        /// Whether it looked at everything because events could not be relied on.
        fresh: bool,
        /// Whether it came to its end; if not, what they asked for is not applied.
        done: bool,
    },
    /// Tell this one whether the watcher's events come.
    Probed {
        /// Whom.
        ticket: Ticket,
        /// Whether they do.
        alive: bool,
    },
    /// Everything pending is done; end.
    Stop,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Reactor {
    timing: Timing,
    mode: Mode,
    revision: u64,
    dirty: DirtySet,
    /// The scope the worker is at, and whether it compares every row; an empty one while it looks at the cache.
    worker: Option<(ScanScope, bool)>,
    /// Hints to be repeated once, and when.
    second_looks: BTreeMap<Hint, Instant>,
    cache: CacheWatch,
    failures: u32,
    /// Nothing is tried before this, after a failure.
    not_before: Option<Instant>,
    look_again: Option<Instant>,
    last_full: Instant,
    rearm: Rearm,
    /// Events were lost, and the watcher has not been rebuilt since.
    blind: bool,
    barriers: Barriers,
    stopping: bool,
}

#[derive(Debug, Clone, Default)]
struct CacheWatch {
    /// First and last touch of the cache's files that has not been looked into.
    touched: Option<(Instant, Instant)>,
    second_look: Option<Instant>,
    /// When the look under way began.
    began: Option<Instant>,
    /// No look before this.
    rest: Option<Instant>,
    /// A foreign commit was seen and not compared yet.
    compare: bool,
    last_compare: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
struct Rearm {
    due: Option<Instant>,
    /// When a watcher that does not see everything is tried anew.
    retry: Option<Instant>,
    last: Option<Instant>,
    pause: Duration,
}

impl Reactor {
    /// A reactor that has just started: everything is dirty, and due at once.
    #[must_use]
    pub fn new(timing: Timing, mode: Mode, now: Instant) -> Self {
        let mut dirty = DirtySet::default();
        dirty.add(ScanScope::All, now);
        dirty.hurry();
        Self {
            timing,
            mode,
            revision: 0,
            dirty,
            worker: None,
            second_looks: BTreeMap::new(),
            cache: CacheWatch::default(),
            failures: 0,
            not_before: None,
            look_again: None,
            last_full: now,
            rearm: Rearm::default(),
            blind: false,
            barriers: Barriers::default(),
            stopping: false,
        }
    }

    /// Whether nothing is dirty, in flight or waiting to be compared.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.worker.is_none()
            && self.dirty.is_empty()
            && self.second_looks.is_empty()
            && self.cache.touched.is_none()
            && self.cache.second_look.is_none()
            && !self.cache.compare
            && self.rearm.due.is_none()
            && self.barriers.is_empty()
    }

    /// The number of the last reconcile that was started.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Take in an event and say what to do about it.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Hint(Hint::Cache) => self.cache.touch(now),
            Event::Hint(hint) => {
                if hint == Hint::Everything {
                    // The home may have come, the cache may have been mended: do not sit out the pause.
                    self.not_before = None;
                }
                self.dirty.note(&hint, now);
            }
            Event::Appeared(hint) => {
                self.dirty.note(&hint, now);
                self.second_looks.insert(hint, now + self.timing.window.max_wait);
            }
            Event::Lost => self.lost(now),
            Event::Armed(mode) => {
                self.mode = mode;
                self.blind = false;
                self.barriers.blinded(); // what the old watcher had not told is not told any more
                self.rearm.due = None;
                self.rearm.retry = (mode == Mode::Polling).then(|| now + self.timing.poll * POLLS_PER_REARM);
                self.dirty.add(ScanScope::All, now);
            }
            Event::Wake => {}
            Event::Reconciled(report) => {
                let release = self.release(report.result.is_ok());
                self.reconciled(report, now);
                let mut effects = Vec::from_iter(release);
                effects.extend(self.step(now));
                return effects;
            }
            Event::CacheChecked { changed } => self.cache_checked(changed, now),
            Event::Demand(scope) => {
                self.dirty.add(scope, now);
                self.dirty.hurry();
                self.not_before = None;
            }
            Event::LookBy(due) => {
                self.look_again = Some(self.look_again.map_or(due, |earlier| earlier.min(due)));
            }
            Event::Barrier { ticket, scope } => {
                match scope {
                    ScanScope::All => self.barriers.ask_for_everything(ticket),
                    ScanScope::Collections(_) => self.barriers.ask(ticket, For::Applied),
                }
                if scope != ScanScope::nothing() {
                    self.dirty.add(scope, now);
                }
            }
            Event::Probe(ticket) => self.barriers.ask(ticket, For::Seen),
            Event::CookieSeen(number) => self.barriers.seen(number),
            Event::CookieFailed(number) => self.barriers.failed(number),
            Event::Timing(timing) => self.timing = timing,
            Event::Terminate => self.stopping = true,
        }
        self.step(now)
    }

    /// When [`Event::Wake`] should come, if nothing else does before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.worker.is_some() {
            // Everything else waits for the worker's answer.
            return self.rearm.next().into_iter().chain(self.barriers.deadline()).min();
        }
        let after_pause = |due: Instant| self.not_before.map_or(due, |pause| due.max(pause));
        let work = [self.files_due(), self.compare_due(), self.full_due()]
            .into_iter()
            .flatten()
            .chain(self.second_looks.values().copied())
            .chain(self.look_again)
            .min()
            .map(after_pause);
        let others = [self.cache.check_due(), self.rearm.next(), self.barriers.deadline()];
        work.into_iter().chain(others.into_iter().flatten()).min()
    }

    fn files_due(&self) -> Option<Instant> {
        self.dirty.deadline(self.timing.window)
    }

    fn full_due(&self) -> Option<Instant> {
        let interval = match self.mode {
            Mode::Events => self.timing.safety,
            Mode::Polling => self.timing.poll.min(self.timing.safety),
        };
        Some(self.last_full + interval)
    }

    fn compare_due(&self) -> Option<Instant> {
        let distant = self.cache.last_compare.map(|last| last + COMPARE_DISTANCE);
        self.cache.compare.then(|| distant.unwrap_or(self.last_full))
    }

    fn step(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let sighted = self.mode == Mode::Events && !self.blind;
        if self.barriers.advance(sighted, now, &mut effects) {
            self.lost(now);
            // Also whoever asked behind the cookie that did not come is told now, not with the next event.
            self.barriers.advance(false, now, &mut effects);
        }
        if self.rearm.next().is_some_and(|due| due <= now) {
            self.rearm.start(now);
            effects.push(Effect::Rearm);
        }
        if self.worker.is_some() {
            return effects;
        }
        let past = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if self.stopping {
            // What is pending is flushed once; a setback then is left to the next start.
            let effect = if self.dirty.is_empty() { Effect::Stop } else { self.reconcile(now) };
            effects.push(effect);
            return effects;
        }
        if self.barriers.is_due() {
            effects.push(self.reconcile(now));
            return effects;
        }
        if self.not_before.is_some_and(|pause| pause > now) {
            // Even then a change to the cache is looked into: it may be what ends the pause.
            effects.extend(self.check_cache(now));
            return effects;
        }
        let second: Vec<Hint> =
            self.second_looks.iter().filter(|(_, due)| **due <= now).map(|(hint, _)| hint.clone()).collect();
        for hint in second {
            self.second_looks.remove(&hint);
            // Through the window like any other: of a checkout there are thousands, a moment apart.
            self.dirty.note(&hint, now);
        }
        if past(self.full_due()) && sighted {
            self.barriers.ask(Ticket::NOBODY, For::Seen); // a watcher that has died says nothing
        }
        if past(self.full_due()) || past(self.look_again) {
            self.dirty.add(ScanScope::All, now);
            self.dirty.hurry();
        }
        if past(self.files_due()) || past(self.compare_due()) {
            effects.push(self.reconcile(now));
        } else {
            effects.extend(self.check_cache(now));
        }
        effects
    }

    fn check_cache(&mut self, now: Instant) -> Option<Effect> {
        self.cache.check_due().filter(|due| *due <= now)?;
        self.cache.touched = None;
        self.cache.began = Some(now);
        self.worker = Some((ScanScope::nothing(), false));
        Some(Effect::CheckCache)
    }

    fn reconcile(&mut self, now: Instant) -> Effect {
        if self.barriers.is_due() {
            if self.barriers.begin().everything {
                self.dirty.add(ScanScope::All, now);
            }
            // Whatever has been committed before the ask is seen by this reconcile, noticed or not.
            self.cache.compare = true;
        }
        let scope = self.dirty.take();
        if scope == ScanScope::All {
            self.last_full = now;
            self.look_again = None;
        }
        let all_rows = std::mem::take(&mut self.cache.compare) || scope == ScanScope::All;
        if all_rows {
            self.cache.last_compare = Some(now);
        }
        self.revision += 1;
        self.worker = Some((scope.clone(), all_rows));
        Effect::Reconcile { revision: self.revision, scope, all_rows }
    }

    fn lost(&mut self, now: Instant) {
        self.blind = true;
        self.barriers.blinded();
        self.rearm.ask(now);
    }

    fn release(&mut self, done: bool) -> Option<Effect> {
        let batch = self.barriers.end();
        let (tickets, fresh, revision) = (batch.asks, batch.everything, self.revision);
        (!tickets.is_empty()).then_some(Effect::Release { tickets, revision, fresh, done })
    }

    fn reconciled(&mut self, report: Report, now: Instant) {
        let (scope, all_rows) = self.worker.take().unwrap_or((ScanScope::All, true));
        self.look_again = report.look_again.or(self.look_again);
        let Err(setback) = report.result else {
            self.failures = 0;
            self.not_before = None;
            return;
        };
        if self.stopping {
            self.dirty = DirtySet::default();
            return;
        }
        self.failures += 1;
        let pause = BACKOFF_MIN.saturating_mul(1 << self.failures.min(16).saturating_sub(1)).min(BACKOFF_MAX);
        self.not_before = Some(now + pause);
        // Without a home or a cache the next look must be at everything, whatever this one was about.
        let again = if setback == Setback::Transient { scope } else { ScanScope::All };
        self.dirty.add(again, now);
        self.cache.compare |= all_rows;
    }

    fn cache_checked(&mut self, changed: bool, now: Instant) {
        self.worker = None;
        let took = self.cache.began.take().map(|began| now.saturating_duration_since(began));
        if changed {
            self.cache.compare = true;
            self.cache.second_look = None;
            self.cache.rest = took.map(|took| now + took.saturating_mul(CACHE_REST).min(CACHE_REST_MAX));
            // A cache that could not be used may be usable now.
            self.not_before = self.not_before.map(|pause| pause.min(now + COMPARE_DISTANCE));
        } else {
            self.cache.looked_in_vain(now);
        }
    }
}

impl CacheWatch {
    fn touch(&mut self, now: Instant) {
        let first = self.touched.map_or(now, |(first, _)| first);
        self.touched = Some((first, now));
        self.second_look = None;
    }

    fn check_due(&self) -> Option<Instant> {
        let touched = self.touched.map(|(first, last)| (last + CACHE_QUIET).min(first + CACHE_MAX_WAIT));
        let due = touched.into_iter().chain(self.second_look).min()?;
        Some(self.rest.map_or(due, |rest| due.max(rest)))
    }

    fn looked_in_vain(&mut self, now: Instant) {
        // Once more: the first look may have come before the commit could be seen. A second one in vain is the end.
        self.second_look = match self.second_look {
            None => Some(now + CACHE_SECOND_LOOK),
            Some(due) if due > now => Some(due),
            Some(_) => None,
        };
    }
}

impl Rearm {
    fn ask(&mut self, now: Instant) {
        if self.due.is_some() {
            return;
        }
        let calm = self.last.is_none_or(|last| now.saturating_duration_since(last) > REARM_CALM);
        self.pause = if calm { Duration::ZERO } else { (self.pause * 2).clamp(BACKOFF_MIN, BACKOFF_MAX) };
        self.due = Some(self.last.map_or(now, |last| now.max(last + self.pause)));
    }

    fn next(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.retry).min()
    }

    fn start(&mut self, now: Instant) {
        self.due = None;
        self.retry = None;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests;
