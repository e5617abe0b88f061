//! Asks: by hand, and in the simulated world with a queue that keeps its order and overflows.

use super::*;

const TICKET: Ticket = Ticket(1);

fn barrier(ticket: u64) -> Event {
    Event::Barrier { ticket: Ticket(ticket), scope: ScanScope::nothing() }
}

fn release(effects: &[Effect]) -> Option<(Vec<u64>, bool, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Release { tickets, fresh, done, .. } => {
            Some((tickets.iter().map(|ticket| ticket.0).collect(), *fresh, *done))
        }
        _ => None,
    })
}

#[test]
fn an_ask_waits_for_its_cookie_and_for_one_reconcile_that_compares_every_row() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(path()), start);
    assert_eq!(reactor.handle(barrier(1), start), [Effect::Cookie(1)]);
    // Without the window: nothing further can come that was before the ask.
    let effects = reactor.handle(Event::CookieSeen(1), start + ms(1));
    let dirt = Dirt::Parts { manifest: false, paths: BTreeSet::from(["skills/pdf".into()]) };
    let scope = ScanScope::Collections(BTreeMap::from([("work".into(), dirt)]));
    assert_eq!(effects, [Effect::Reconcile { revision: 2, scope, all_rows: true }]);
    let effects = reactor.handle(DONE, start + ms(2));
    let tickets = vec![TICKET];
    assert_eq!(effects, [Effect::Release { tickets, revision: 2, fresh: false, done: true }]);
    assert!(reactor.is_idle());
    assert_eq!(reactor.deadline(), Some(start + TIMING.safety));
}

#[test]
fn what_began_before_the_cookie_came_answers_nobody() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Demand(ScanScope::nothing()), start);
    assert_eq!(reactor.handle(barrier(1), start), [Effect::Cookie(1)]);
    assert_eq!(reactor.handle(Event::CookieSeen(1), start), []);
    let effects = reactor.handle(DONE, start);
    assert!(release(&effects).is_none());
    assert!(scope(&effects).is_some(), "at once");
    assert_eq!(release(&reactor.handle(DONE, start)), Some((vec![1], false, true)));
}

#[test]
fn asks_that_come_while_a_cookie_is_on_its_way_share_the_next() {
    let start = origin();
    let mut reactor = settled(start);
    assert_eq!(reactor.handle(barrier(1), start), [Effect::Cookie(1)]);
    for ticket in 2..=100 {
        assert_eq!(reactor.handle(barrier(ticket), start), []);
    }
    let effects = reactor.handle(Event::CookieSeen(1), start);
    assert_eq!(effects[0], Effect::Cookie(2));
    assert!(scope(&effects).is_some());
    assert_eq!(reactor.handle(Event::CookieSeen(1), start), [], "an event that comes twice");
    assert_eq!(reactor.handle(Event::CookieSeen(2), start), []);
    let effects = reactor.handle(DONE, start);
    assert_eq!(release(&effects), Some((vec![1], false, true)));
    assert_eq!(release(&reactor.handle(DONE, start)).unwrap().0, Vec::from_iter(2..=100));
}

#[test]
fn where_events_cannot_be_relied_on_everything_is_looked_at() {
    let start = origin();
    let everything = |effects: &[Effect]| assert_eq!(scope(effects), Some(&ScanScope::All), "{effects:?}");
    let fresh = |reactor: &mut Reactor, now| {
        assert_eq!(release(&reactor.handle(DONE, now)), Some((vec![1], true, true)));
    };

    let mut polling = settled(start);
    polling.handle(Event::Armed(Mode::Polling), start);
    everything(&polling.handle(barrier(1), start));
    fresh(&mut polling, start);

    let mut overflowing = settled(start);
    overflowing.handle(barrier(1), start);
    everything(&overflowing.handle(Event::Lost, start));
    fresh(&mut overflowing, start);
    everything(&overflowing.handle(barrier(1), start + ms(1)));
    fresh(&mut overflowing, start + ms(1));
    overflowing.handle(Event::Armed(Mode::Events), start + ms(2));
    assert_eq!(overflowing.handle(barrier(1), start + ms(2)), [Effect::Cookie(2)]);

    let mut full_disk = settled(start);
    full_disk.handle(barrier(1), start);
    everything(&full_disk.handle(Event::CookieFailed(1), start));
    fresh(&mut full_disk, start);

    let mut silent = settled(start);
    silent.handle(barrier(1), start);
    let due = silent.deadline().unwrap();
    assert_eq!(due, start + Duration::from_secs(1));
    everything(&silent.handle(Event::Wake, due));
    fresh(&mut silent, due);

    let mut asked = settled(start);
    everything(&asked.handle(Event::Barrier { ticket: TICKET, scope: ScanScope::All }, start));
    fresh(&mut asked, start);
}

#[test]
fn a_probe_behind_another_is_answered_when_the_watcher_is_given_up() {
    let start = origin();
    let mut reactor = settled(start);
    let (first, second) = (TICKET, Ticket(2));
    assert_eq!(reactor.handle(Event::Probe(first), start), [Effect::Cookie(1)]);
    assert_eq!(reactor.handle(Event::Probe(second), start), []);
    let due = reactor.deadline().unwrap();
    let effects = reactor.handle(Event::Wake, due);
    for ticket in [first, second] {
        assert!(effects.contains(&Effect::Probed { ticket, alive: false }), "{ticket:?} in {effects:?}");
    }
}

#[test]
fn a_watcher_that_does_not_answer_is_rebuilt() {
    let start = origin();
    let mut reactor = settled(start);
    assert_eq!(reactor.handle(Event::Probe(TICKET), start), [Effect::Cookie(1)]);
    let due = reactor.deadline().unwrap();
    let effects = reactor.handle(Event::Wake, due);
    assert_eq!(effects, [Effect::Probed { ticket: TICKET, alive: false }, Effect::Rearm]);
    reactor.handle(Event::Armed(Mode::Events), due);
    assert_eq!(reactor.handle(Event::Probe(TICKET), due), [Effect::Cookie(2)]);
    assert_eq!(reactor.handle(Event::CookieSeen(2), due), [Effect::Probed { ticket: TICKET, alive: true }]);
}

#[test]
fn a_failure_is_told_and_a_pause_is_not_waited_for() {
    let start = origin();
    let mut reactor = settled(start);
    reactor.handle(Event::Hint(path()), start);
    reactor.handle(Event::Wake, start + ms(50));
    reactor.handle(failed(Setback::Transient), start + ms(50));
    reactor.handle(barrier(1), start + ms(51));
    let effects = reactor.handle(Event::CookieSeen(1), start + ms(51));
    assert_ne!(scope(&effects), Some(&ScanScope::nothing()), "what failed is part of it");
    assert_eq!(
        release(&reactor.handle(failed(Setback::Transient), start + ms(52))),
        Some((vec![1], false, false))
    );
}

// ---------------------------------------------------------------------------------------------------------------------

/// The kernel's queue: events in order, and when it is full, one mark in their place.
pub(super) struct Queue {
    last: Instant,
    /// Since when an overflow has not been read.
    pub(super) full: bool,
}

/// Who asked, and what must be so when the answer comes.
#[derive(Default)]
pub(super) struct Asks {
    asked: u64,
    /// What each file has held, one after the other.
    pub(super) history: BTreeMap<(u64, u64), Vec<Option<u64>>>,
    /// How often each row was spoilt by a foreign writer.
    pub(super) spoilt: BTreeMap<(u64, u64), usize>,
    pub(super) open: BTreeMap<Ticket, Asked>,
    pub(super) probed: Vec<(Ticket, bool)>,
    answered: BTreeMap<(bool, bool), usize>,
}

/// How far files and rows were when somebody asked.
#[derive(Clone)]
pub(super) struct Asked {
    written: BTreeMap<(u64, u64), usize>,
    spoilt: BTreeMap<(u64, u64), usize>,
}

pub(super) fn is_from_watcher(event: &Event) -> bool {
    matches!(event, Event::Hint(_) | Event::Appeared(_) | Event::Lost | Event::CookieSeen(_))
}

impl World {
    pub(super) fn emit_in_order(&mut self, event: Event) {
        let delay = ms(self.dice.roll(80));
        let overflows = self.faults && self.dice.chance(4);
        let unlucky = self.dice.chance(50);
        let now = self.now;
        let Some(queue) = &mut self.queue else { return };
        // Until the reader has made room, events come or not.
        if queue.full && unlucky {
            return;
        }
        let event = if overflows && !queue.full { Event::Lost } else { event };
        queue.full |= event == Event::Lost;
        queue.last = (queue.last + Duration::from_micros(1)).max(now + delay);
        self.wire.push((queue.last, event));
    }

    fn somebody_asks(&mut self) {
        self.asks.asked += 1;
        let ticket = Ticket(self.asks.asked);
        let written = self.asks.history.iter().map(|(key, values)| (*key, values.len())).collect();
        self.asks.open.insert(ticket, Asked { written, spoilt: self.asks.spoilt.clone() });
        self.deliver(Event::Barrier { ticket, scope: ScanScope::nothing() });
    }

    pub(super) fn released(&mut self, tickets: &[Ticket], done: bool, fresh: bool) {
        for ticket in tickets {
            let asked = self.asks.open.remove(ticket).expect("an ask is answered once");
            *self.asks.answered.entry((done, fresh)).or_default() += 1;
            if !done {
                continue;
            }
            for (key, values) in &self.asks.history {
                let count = |counts: &BTreeMap<(u64, u64), usize>| counts.get(key).copied().unwrap_or(0);
                let row = self.cache.get(key).copied();
                if row == Some(0) {
                    assert!(
                        count(&self.asks.spoilt) > count(&asked.spoilt),
                        "{key:?} was spoilt before {ticket:?}"
                    );
                    continue;
                }
                let since = count(&asked.written);
                let may_be = since.checked_sub(1).map_or(vec![None], |last| values[last..].to_vec());
                assert!(
                    may_be.contains(&row) || values[since..].contains(&row),
                    "{key:?} is stale for {ticket:?}"
                );
            }
        }
    }
}

#[test]
fn no_answer_misses_what_was_written_before_the_ask_over_ten_thousand_seeds() {
    let mut answered = BTreeMap::new();
    for seed in 0..10_000 {
        let mut world = World::new(seed, seed % 2 == 1);
        world.queue = Some(Queue { last: world.now, full: false });
        world.deliver(Event::Wake);
        for _ in 0..30 {
            match world.dice.roll(12) {
                0..=4 => world.user_acts(),
                5 | 6 => world.foreign_writer_acts(),
                7 if world.faults && world.dice.chance(20) => world.crash(),
                8..=10 => world.somebody_asks(),
                _ => {}
            }
            let pause = [0, 0, 1, 5, 30, 200][world.dice.roll(6) as usize];
            world.run_until(world.now + ms(pause));
        }
        world.run_until(world.now + Duration::from_secs(30));
        assert!(world.asks.open.is_empty(), "seed {seed}: {} asks without an answer", world.asks.open.len());
        for (how, count) in world.asks.answered {
            *answered.entry(how).or_insert(0) += count;
        }
    }
    // Every kind of answer was among them.
    for how in [(true, false), (true, true), (false, false), (false, true)] {
        assert!(answered.get(&how).is_some_and(|count| *count > 100), "{answered:?}");
    }
}
