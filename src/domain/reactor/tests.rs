//! The reactor with no runtime: first by hand, then in a simulated world that drops, doubles, delays and reorders
//! events and kills the daemon between any two effects.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::dirty::Dirt;

mod barriers;

use barriers::{Asks, Queue, is_from_watcher};

const TIMING: Timing = Timing {
    window: Window { quiet: Duration::from_millis(50), max_wait: Duration::from_millis(500) },
    safety: Duration::from_secs(1800),
    poll: Duration::from_secs(2),
};

const DONE: Event = Event::Reconciled(Report { result: Ok(()), look_again: None });

#[expect(clippy::disallowed_methods, reason = "an origin to add durations to")]
fn origin() -> Instant {
    Instant::now()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn failed(setback: Setback) -> Event {
    Event::Reconciled(Report { result: Err(setback), look_again: None })
}

fn path() -> Hint {
    Hint::Path { collection: "work".into(), path: "skills/pdf".into() }
}

/// The scope of the reconcile among the effects, if there is one.
fn scope(effects: &[Effect]) -> Option<&ScanScope> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reconcile { scope, .. } => Some(scope),
        _ => None,
    })
}

/// A reactor whose first full look is done.
fn settled(start: Instant) -> Reactor {
    let mut reactor = Reactor::new(TIMING, Mode::Events, start);
    let effects = reactor.handle(Event::Wake, start);
    assert_eq!(scope(&effects), Some(&ScanScope::All));
    assert_eq!(reactor.handle(DONE, start), []);
    assert!(reactor.is_idle());
    reactor
}

#[test]
fn idle_means_waiting_for_the_safety_timer_only() {
    let start = origin();
    assert_eq!(settled(start).deadline(), Some(start + TIMING.safety));
}

#[test]
fn a_hint_leads_to_a_scoped_look_after_the_quiet_window() {
    let start = origin();
    let mut reactor = settled(start);
    assert_eq!(reactor.handle(Event::Hint(path()), start), []);
    assert_eq!(reactor.deadline(), Some(start + ms(50)));
    let effects = reactor.handle(Event::Wake, start + ms(50));
    let dirt = Dirt::Parts { manifest: false, paths: BTreeSet::from(["skills/pdf".into()]) };
    assert_eq!(scope(&effects), Some(&ScanScope::Collections(BTreeMap::from([("work".into(), dirt)]))));
}

#[test]
fn one_effect_at_a_time_and_hints_gather_meanwhile() {
    let start = origin();
    let mut reactor = settled(start);
    assert!(scope(&reactor.handle(Event::Demand(ScanScope::All), start)).is_some());
    assert_eq!(reactor.handle(Event::Hint(path()), start), []);
    assert_eq!(reactor.handle(Event::Wake, start + ms(400)), []);
    let effects = reactor.handle(DONE, start + ms(400));
    assert!(scope(&effects).is_some(), "the hint was due while the worker was busy");
}

#[test]
fn a_directory_that_appeared_is_looked_at_twice() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Appeared(path()), start);
    assert!(scope(&reactor.handle(Event::Wake, start + ms(50))).is_some());
    reactor.handle(DONE, start + ms(51));
    assert_eq!(reactor.deadline(), Some(start + ms(500)));
    // Through the window, so that the second looks of many directories are one.
    assert!(scope(&reactor.handle(Event::Wake, start + ms(500))).is_none());
    assert_eq!(reactor.deadline(), Some(start + ms(550)));
    assert!(scope(&reactor.handle(Event::Wake, start + ms(550))).is_some());
}

#[test]
fn lost_events_rebuild_the_watcher_and_then_look_at_everything() {
    let start = origin();
    let mut reactor = settled(start);
    assert_eq!(reactor.handle(Event::Lost, start), [Effect::Rearm]);
    reactor.handle(Event::Armed(Mode::Events), start + ms(5));
    let effects = reactor.handle(Event::Wake, start + ms(55));
    assert_eq!(scope(&effects), Some(&ScanScope::All));
}

#[test]
fn a_watcher_that_does_not_see_everything_is_tried_anew() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Armed(Mode::Polling), start);
    let mut now = start;
    let mut rebuilt = Vec::new();
    while now < start + TIMING.poll * 100 {
        now = reactor.deadline().unwrap().max(now);
        for effect in reactor.handle(Event::Wake, now) {
            match effect {
                Effect::Rearm => {
                    rebuilt.push(now - start);
                    reactor.handle(Event::Armed(Mode::Polling), now);
                }
                Effect::Reconcile { .. } => drop(reactor.handle(DONE, now)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(rebuilt, [30, 60, 90].map(|polls| TIMING.poll * polls));
    reactor.handle(Event::Armed(Mode::Events), now);
    assert_eq!(reactor.rearm.next(), None);
}

#[test]
fn a_recurring_overflow_is_answered_ever_more_slowly() {
    let start = origin();
    let mut reactor = settled(start);
    let mut now = start;
    let mut rebuilt = 0;
    while now < start + Duration::from_secs(60) {
        now += ms(50);
        for effect in reactor.handle(Event::Lost, now) {
            match effect {
                Effect::Rearm => {
                    rebuilt += 1;
                    reactor.handle(Event::Armed(Mode::Events), now);
                }
                Effect::Reconcile { .. } => {
                    reactor.handle(DONE, now);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!((4..=12).contains(&rebuilt), "{rebuilt} rebuilds in a minute of overflows");
    now = reactor.deadline().unwrap();
    assert!(now <= start + Duration::from_secs(60) + BACKOFF_MAX, "but it is answered in the end");
}

#[test]
fn polling_looks_at_everything_again_and_again() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Armed(Mode::Polling), start);
    reactor.handle(Event::Wake, start + ms(50));
    reactor.handle(DONE, start + ms(50));
    assert_eq!(reactor.deadline(), Some(start + ms(50) + TIMING.poll));
}

#[test]
fn a_setback_is_retried_with_growing_pauses_and_nothing_is_forgotten() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(path()), start);
    let mut now = start + ms(50);
    let first = scope(&reactor.handle(Event::Wake, now)).cloned();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(reactor.handle(failed(Setback::Transient), now), []);
        let due = reactor.deadline().unwrap();
        pauses.push(due - now);
        now = due;
        assert_eq!(scope(&reactor.handle(Event::Wake, now)).cloned(), first);
    }
    assert_eq!(pauses[0], BACKOFF_MIN);
    assert_eq!(pauses[11], BACKOFF_MAX);
    assert!(pauses.is_sorted());
}

#[test]
fn a_home_that_appears_ends_the_pause() {
    let start = origin();
    let mut reactor = settled(start);
    let mut now = start;
    reactor.handle(Event::Demand(ScanScope::All), now);
    for _ in 0..12 {
        reactor.handle(failed(Setback::HomeMissing), now);
        now = reactor.deadline().unwrap();
        reactor.handle(Event::Wake, now);
    }
    reactor.handle(failed(Setback::HomeMissing), now);
    reactor.handle(Event::Hint(Hint::Everything), now + ms(1));
    assert!(reactor.deadline().unwrap() <= now + ms(51));
}

#[test]
fn a_cache_that_was_touched_ends_the_pause_soon() {
    let start = origin();
    let mut reactor = settled(start);
    let mut now = start;
    reactor.handle(Event::Demand(ScanScope::All), now);
    for _ in 0..12 {
        reactor.handle(failed(Setback::CacheUnusable), now);
        now = reactor.deadline().unwrap();
        reactor.handle(Event::Wake, now);
    }
    reactor.handle(failed(Setback::CacheUnusable), now);
    reactor.handle(Event::Hint(Hint::Cache), now);
    now = reactor.deadline().unwrap();
    assert_eq!(reactor.handle(Event::Wake, now), [Effect::CheckCache]);
    reactor.handle(Event::CacheChecked { changed: true }, now);
    assert!(reactor.deadline().unwrap() <= now + COMPARE_DISTANCE);
}

#[test]
fn a_foreign_commit_is_compared_without_looking_at_files() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(Hint::Cache), start);
    assert_eq!(reactor.handle(Event::Wake, start + CACHE_QUIET), [Effect::CheckCache]);
    let effects = reactor.handle(Event::CacheChecked { changed: true }, start + COMPARE_DISTANCE);
    assert_eq!(scope(&effects), Some(&ScanScope::nothing()));
}

#[test]
fn a_hammering_writer_is_looked_at_for_a_quarter_of_the_time() {
    let start = origin();
    let mut reactor = settled(start);
    let (mut now, mut busy) = (start, Duration::ZERO);
    while now < start + Duration::from_secs(10) {
        reactor.handle(Event::Hint(Hint::Cache), now);
        now = reactor.deadline().unwrap().max(now);
        for effect in reactor.handle(Event::Wake, now) {
            match effect {
                Effect::CheckCache => {
                    now += ms(40);
                    busy += ms(40);
                    let effects = reactor.handle(Event::CacheChecked { changed: true }, now);
                    assert!(effects.len() <= 1);
                    if !effects.is_empty() {
                        reactor.handle(DONE, now);
                    }
                }
                Effect::Reconcile { .. } => drop(reactor.handle(DONE, now)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(busy < Duration::from_millis(2_600), "{busy:?}");
    assert!(busy > Duration::from_millis(1_500), "and it is looked at: {busy:?}");
}

#[test]
fn a_look_that_saw_nothing_is_repeated_once() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(Hint::Cache), start);
    let mut now = reactor.deadline().unwrap();
    for looks in 1..=2 {
        assert_eq!(reactor.handle(Event::Wake, now), [Effect::CheckCache], "look {looks}");
        reactor.handle(Event::CacheChecked { changed: false }, now);
        now = reactor.deadline().unwrap();
    }
    assert!(reactor.is_idle());
    assert_eq!(now, start + TIMING.safety);
}

#[test]
fn an_absence_is_looked_at_again_when_its_grace_is_over() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Demand(ScanScope::All), start);
    let later = start + Duration::from_secs(5);
    reactor.handle(Event::Reconciled(Report { result: Ok(()), look_again: Some(later) }), start);
    assert_eq!(reactor.deadline(), Some(later));
    assert_eq!(scope(&reactor.handle(Event::Wake, later)), Some(&ScanScope::All));
}

#[test]
fn terminating_flushes_what_is_pending_and_stops() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(path()), start);
    assert!(scope(&reactor.handle(Event::Terminate, start)).is_some());
    assert_eq!(reactor.handle(DONE, start), [Effect::Stop]);

    let mut idle = settled(start);
    assert_eq!(idle.handle(Event::Terminate, start), [Effect::Stop]);

    let mut failing = settled(start);
    failing.handle(Event::Hint(path()), start);
    failing.handle(Event::Terminate, start);
    assert_eq!(failing.handle(failed(Setback::Transient), start), [Effect::Stop], "no retry without end");
}

// ---------------------------------------------------------------------------------------------------------------------

/// Numbers from a seed (SplitMix64), so that every run of the simulator can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

type Tree = BTreeMap<(u64, u64), u64>;

/// Two collections of four artifacts whose content is a number; the cache should hold the same numbers.
struct World {
    dice: Dice,
    now: Instant,
    reactor: Reactor,
    files: Tree,
    cache: Tree,
    /// The daemon's memory of the files.
    known: Tree,
    next_content: u64,
    /// Events on their way, with the time they arrive.
    wire: Vec<(Instant, Event)>,
    /// What the worker read of the files, if it has read and not yet written.
    scanned: Option<(ScanScope, bool, Tree)>,
    foreign_commit: bool,
    /// What the database owns and the manifest keeps a copy of, as a number each; what they last agreed on, and every
    /// number the manifest has had.
    owned: (u64, u64),
    agreed: u64,
    seen: BTreeSet<u64>,
    faults: bool,
    /// Present when events come in the order they were made, as from one queue of the kernel; else they overtake
    /// each other.
    queue: Option<Queue>,
    asks: Asks,
}

impl World {
    fn new(seed: u64, faults: bool) -> Self {
        let now = origin();
        Self {
            dice: Dice(seed),
            now,
            reactor: Reactor::new(TIMING, Mode::Events, now),
            files: Tree::new(),
            cache: Tree::new(),
            known: Tree::new(),
            next_content: 1,
            wire: Vec::new(),
            scanned: None,
            foreign_commit: false,
            owned: (0, 0),
            agreed: 0,
            seen: BTreeSet::from([0]),
            faults,
            queue: None,
            asks: Asks::default(),
        }
    }

    /// The three-way merge at its smallest: one value, and the database wins.
    fn exchange(&mut self) {
        let (database, file) = self.owned;
        let edited = file != self.agreed && !self.seen.contains(&file);
        let result = if database == self.agreed && edited { file } else { database };
        self.owned = (result, result);
        self.seen.extend([file, result]);
        if !(self.faults && self.dice.chance(10)) {
            self.agreed = result; // else killed, or our state could not be written
        }
    }

    fn deliver(&mut self, event: Event) {
        if let (Event::Lost, Some(queue)) = (&event, &mut self.queue) {
            queue.full = false;
        }
        let effects = self.reactor.handle(event, self.now);
        for effect in effects {
            let delay = ms(self.dice.roll(40));
            match effect {
                Effect::Reconcile { scope, all_rows, .. } => {
                    self.scanned = Some((scope, all_rows, self.files.clone()));
                    self.wire.push((self.now + delay, DONE));
                }
                Effect::CheckCache => {
                    let changed = std::mem::take(&mut self.foreign_commit);
                    if changed && !(self.faults && self.dice.chance(15)) {
                        self.exchange();
                    }
                    self.wire.push((self.now + delay, Event::CacheChecked { changed }));
                }
                Effect::Rearm => {
                    self.wire.retain(|(_, event)| !is_from_watcher(event));
                    self.wire.push((self.now + delay, Event::Armed(Mode::Events)));
                }
                Effect::Cookie(number) => self.emit(Event::CookieSeen(number)),
                Effect::Release { tickets, done, fresh, .. } => self.released(&tickets, done, fresh),
                Effect::Probed { ticket, alive } => self.asks.probed.push((ticket, alive)),
                Effect::Stop => panic!("nobody asked it to stop"),
            }
        }
    }

    /// The worker's second half: what was read a while ago is written now.
    fn apply(&mut self) -> Event {
        let (scope, all_rows, files) = self.scanned.take().expect("a reconcile is in flight");
        if self.faults && self.dice.chance(15) {
            return failed(Setback::Transient);
        }
        let in_scope = |key: &(u64, u64)| match &scope {
            ScanScope::All => true,
            ScanScope::Collections(map) => match map.get(&format!("c{}", key.0)) {
                None => false,
                Some(Dirt::Whole) => true,
                Some(Dirt::Parts { manifest, paths }) => {
                    *manifest || paths.contains(&format!("skills/s{}", key.1))
                }
            },
        };
        let keys: BTreeSet<(u64, u64)> = (0..2).flat_map(|c| (0..4).map(move |a| (c, a))).collect();
        for key in keys.iter().filter(|key| in_scope(key)) {
            match files.get(key) {
                Some(content) => self.known.insert(*key, *content),
                None => self.known.remove(key),
            };
        }
        let manifest_in_scope = match &scope {
            ScanScope::All => true,
            ScanScope::Collections(map) => map.values().any(|dirt| match dirt {
                Dirt::Whole => true,
                Dirt::Parts { manifest, .. } => *manifest,
            }),
        };
        if all_rows || manifest_in_scope {
            self.exchange();
        }
        // What was read before and is not in scope now is what the daemon remembers of it.
        for key in keys.iter().filter(|key| all_rows || in_scope(key)) {
            match self.known.get(key) {
                Some(content) => self.cache.insert(*key, *content),
                None => self.cache.remove(key),
            };
        }
        DONE
    }

    fn user_acts(&mut self) {
        let key = (self.dice.roll(2), self.dice.roll(4));
        if self.dice.chance(25) {
            self.files.remove(&key);
            self.asks.history.entry(key).or_default().push(None);
        } else {
            self.next_content += 1;
            self.files.insert(key, self.next_content);
            self.asks.history.entry(key).or_default().push(Some(self.next_content));
        }
        let collection = format!("c{}", key.0);
        let hint = match self.dice.roll(4) {
            0 => Hint::Manifest { collection, renamed: true },
            1 => Hint::Collection(collection),
            _ => Hint::Path { collection, path: format!("skills/s{}", key.1) },
        };
        let event = if self.dice.chance(20) { Event::Appeared(hint) } else { Event::Hint(hint) };
        self.emit(event);
    }

    fn emit(&mut self, event: Event) {
        if self.queue.is_some() {
            return self.emit_in_order(event);
        }
        let copies = if !self.faults { 1 } else { [0, 1, 1, 1, 2, 3][self.dice.roll(6) as usize] };
        for _ in 0..copies {
            let delay = ms(self.dice.roll(if self.faults { 300 } else { 3 }));
            self.wire.push((self.now + delay, event.clone()));
        }
    }

    fn foreign_writer_acts(&mut self) {
        let key = (self.dice.roll(2), self.dice.roll(4));
        if let Some(content) = self.cache.get_mut(&key) {
            *content = 0;
            self.foreign_commit = true;
            *self.asks.spoilt.entry(key).or_default() += 1;
            self.emit(Event::Hint(Hint::Cache));
        }
    }

    /// The web page, a person with an editor, or SkillMeat's command line with a stale copy.
    fn owned_part_changes(&mut self) {
        self.next_content += 1;
        match self.dice.roll(3) {
            0 => {
                self.owned.0 = self.next_content;
                self.foreign_commit = true;
                self.emit(Event::Hint(Hint::Cache));
                return;
            }
            1 => self.owned.1 = self.next_content,
            _ => {
                let index = usize::try_from(self.dice.roll(self.seen.len() as u64)).unwrap();
                self.owned.1 = *self.seen.iter().nth(index).unwrap();
            }
        }
        self.emit(Event::Hint(Hint::Manifest { collection: "c0".into(), renamed: true }));
    }

    fn crash(&mut self) {
        self.wire.clear();
        self.scanned = None;
        self.foreign_commit = false;
        self.known.clear();
        self.asks.open.clear(); // whoever asked has lost the connection
        if let Some(queue) = &mut self.queue {
            queue.full = false;
        }
        self.reactor = Reactor::new(TIMING, Mode::Events, self.now);
        self.deliver(Event::Wake);
    }

    /// Let time run to `until`, delivering events and deadlines in the order of their times.
    fn run_until(&mut self, until: Instant) {
        loop {
            let event =
                self.wire.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(i, (at, _))| (i, *at));
            let deadline = self.reactor.deadline();
            let (at, index) = match (event, deadline) {
                (Some((index, at)), Some(due)) if at <= due => (at, Some(index)),
                (Some((index, at)), None) => (at, Some(index)),
                (_, Some(due)) => (due, None),
                (None, None) => break,
            };
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            match index {
                None => self.deliver(Event::Wake),
                Some(index) => {
                    let (_, mut event) = self.wire.swap_remove(index);
                    if matches!(event, Event::Reconciled(_)) {
                        event = self.apply();
                    }
                    self.deliver(event);
                }
            }
        }
        self.now = until;
    }

    fn play(&mut self, steps: u64) {
        self.deliver(Event::Wake);
        for _ in 0..steps {
            match self.dice.roll(10) {
                0..=5 => self.user_acts(),
                6 | 7 => self.foreign_writer_acts(),
                8 if self.faults && self.dice.chance(50) => self.crash(),
                8 => self.owned_part_changes(),
                9 if self.faults && self.dice.chance(50) => self.emit(Event::Lost),
                _ => {}
            }
            let pause = [0, 1, 5, 30, 60, 200][self.dice.roll(6) as usize];
            self.run_until(self.now + ms(pause));
        }
    }
}

#[test]
fn the_simulated_world_converges_within_seconds_when_events_arrive() {
    for seed in 0..2_000 {
        let mut world = World::new(seed, false);
        world.play(40);
        world.run_until(world.now + Duration::from_secs(2));
        assert_eq!(world.cache, world.files, "seed {seed}");
        assert_eq!(world.owned.0, world.owned.1, "seed {seed}");
        assert!(world.reactor.is_idle(), "seed {seed} is not idle");
    }
}

#[test]
fn the_simulated_world_converges_over_ten_thousand_seeds_of_faults() {
    for seed in 0..10_000 {
        let mut world = World::new(seed, true);
        world.play(30);
        world.run_until(world.now + Duration::from_secs(120));
        world.faults = false;
        // Whatever was lost, the safety timer finds it.
        world.run_until(world.now + TIMING.safety + Duration::from_secs(2));
        assert_eq!(world.cache, world.files, "seed {seed}");
        assert_eq!(world.owned.0, world.owned.1, "seed {seed}");
        assert!(world.reactor.is_idle(), "seed {seed} is not idle");
    }
}

#[test]
fn the_same_seed_plays_the_same_game() {
    let trace = |seed| {
        let mut world = World::new(seed, true);
        world.play(50);
        (world.files, world.cache, world.reactor.revision(), world.wire.len())
    };
    assert_eq!(trace(7), trace(7));
}
