//! What has happened lately, for those who want to hear of it: a bounded ring with an id for each event.
//!
//! The daemon adds events; readers come with the id of the last one they have seen and get what came after it, or a
//! [`What::Gap`] first if some of that is not in the ring any more. Nobody can hold up the daemon: a slow reader misses
//! events and is told so.
//!
//! What this module does not do: keep anything beyond the end of the process, or speak HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::protocol::{Applied, Event, VERSION, What};

/// Events kept. With all their names they take some hundred kilobytes.
pub const KEPT: usize = 512;

/// See the module's text. A handle; clones share the ring.
#[derive(Debug, Clone)]
pub struct Events {
    epoch: Arc<str>,
    ring: Arc<Mutex<Ring>>,
    latest: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the last event.
    last: u64,
    kept: VecDeque<(u64, Event)>,
    /// Whether there will be no more.
    ended: bool,
    /// The highest revision whose rows are not in the ring any more.
    forgotten: u64,
}

impl Events {
    /// An empty ring of this run of the daemon. `epoch` holds no colon.
    pub fn new(epoch: &str) -> Self {
        let (latest, _) = watch::channel(0);
        Self { epoch: epoch.into(), ring: Arc::default(), latest: Arc::new(latest) }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add an event that happened at `at` (RFC 3339, UTC).
    pub fn push(&self, at: String, what: What) {
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        let id = format!("{}:{number}", self.epoch);
        ring.kept.push_back((number, Event { schema: VERSION, id, at, what }));
        if ring.kept.len() > KEPT
            && let Some((_, Event { what: What::Applied { revision, .. }, .. })) = ring.kept.pop_front()
        {
            ring.forgotten = revision;
        }
        drop(ring);
        self.latest.send_replace(number);
    }

    /// There will be no more events.
    pub fn end(&self) {
        let mut ring = self.ring();
        ring.ended = true;
        let number = ring.last;
        drop(ring);
        self.latest.send_replace(number);
    }

    /// Whether there will be no more events.
    #[must_use]
    pub fn have_ended(&self) -> bool {
        self.ring().ended
    }

    /// The id of the last event; one that was never given out if there is none.
    #[must_use]
    pub fn last(&self) -> String {
        format!("{}:{}", self.epoch, self.ring().last)
    }

    /// The last `number` events, the newest last.
    #[must_use]
    pub fn recent(&self, number: usize) -> Vec<Event> {
        let ring = self.ring();
        ring.kept
            .iter()
            .skip(ring.kept.len().saturating_sub(number))
            .map(|(_, event)| event.clone())
            .collect()
    }

    /// Tells when the number of the last event changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The events after the one of this id, and the id to ask with the next time. An id of another run, or of an event
    /// that is not kept any more, gets a gap and then all that is kept.
    ///
    /// # Errors
    /// When the text is no id.
    pub fn after(&self, id: &str) -> Result<(Vec<Event>, String), BadId> {
        let bad = || BadId(id.to_owned());
        let (epoch, number) = id.rsplit_once(':').ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let ring = self.ring();
        let first = ring.kept.front().map_or(ring.last + 1, |(first, _)| *first);
        let known = epoch == &*self.epoch && number <= ring.last && number + 1 >= first;
        let mut events = Vec::new();
        if !known {
            let at = ring.kept.front().map(|(_, event)| event.at.clone()).unwrap_or_default();
            let id = format!("{}:{}", self.epoch, first.saturating_sub(1));
            events.push(Event { schema: VERSION, id, at, what: What::Gap });
        }
        let after = if known { number } else { 0 };
        events.extend(ring.kept.iter().filter(|(number, _)| *number > after).map(|(_, event)| event.clone()));
        Ok((events, format!("{}:{}", self.epoch, ring.last)))
    }

    /// What was written by reconciles after `revision`; `None` if that is not known any more.
    #[must_use]
    pub fn applied_since(&self, revision: u64) -> Option<Applied> {
        let ring = self.ring();
        let mut sum = Applied::default();
        for (_, event) in &ring.kept {
            if let What::Applied { revision: of, applied, .. } = &event.what
                && *of > revision
            {
                sum.absorb(applied);
            }
        }
        (ring.forgotten <= revision).then_some(sum)
    }
}

/// Not the id of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of an event, EPOCH:NUMBER")]
pub struct BadId(String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::NAMED;

    fn applied(revision: u64, names: &[&str]) -> What {
        let named = names.iter().map(ToString::to_string).collect();
        What::Applied {
            revision,
            took_us: 1,
            applied: Applied { rows: 2, artifacts: names.len() as u64, named },
        }
    }

    fn numbers(events: &[Event]) -> Vec<String> {
        events.iter().map(|event| format!("{} {}", event.id, event.what.kind())).collect()
    }

    #[test]
    fn the_newest_are_the_last_of_a_few() {
        let events = Events::new("e");
        assert_eq!(events.recent(2), vec![]);
        for revision in 1..4 {
            events.push("now".into(), applied(revision, &["skill:a"]));
        }
        assert_eq!(numbers(&events.recent(2)), ["e:2 applied", "e:3 applied"]);
        assert_eq!(events.recent(9).len(), 3);
    }

    #[test]
    fn a_reader_gets_what_came_after_the_event_it_knows() {
        let events = Events::new("e");
        assert_eq!(events.after("e:0").unwrap(), (vec![], "e:0".into()));
        for revision in 1..=3 {
            events.push("t".into(), applied(revision, &["skill:a"]));
        }
        let (got, next) = events.after("e:1").unwrap();
        assert_eq!(numbers(&got), ["e:2 applied", "e:3 applied"]);
        assert_eq!(events.after(&next).unwrap().0, []);
        assert_eq!(events.last(), next);
    }

    #[test]
    fn what_cannot_be_told_any_more_is_a_gap() {
        let events = Events::new("e");
        for revision in 1..=KEPT as u64 + 2 {
            events.push("t".into(), applied(revision, &["skill:a"]));
        }
        let gap = |id| events.after(id).unwrap().0[0].what == What::Gap;
        assert!(gap("e:0") && gap("e:1"));
        assert!(!gap("e:2"), "the first that is kept is the third");
        assert!(gap("other:3"), "of another run");
        assert!(gap("e:99999"), "of the future: of another run, by chance of the same name");
        assert_eq!(events.after("e:1").unwrap().0.len(), KEPT + 1);
        for bad in ["", "e", "e:x", "5"] {
            assert_eq!(events.after(bad), Err(BadId(bad.into())));
        }
    }

    #[test]
    fn what_was_applied_since_is_summed_while_it_is_known() {
        let events = Events::new("e");
        events.push("t".into(), applied(4, &["skill:a", "skill:b"]));
        events.push("t".into(), What::EventsLost { why: "x".into() });
        events.push("t".into(), applied(6, &["skill:b", "skill:c"]));
        let sum = events.applied_since(3).unwrap();
        assert_eq!((sum.rows, sum.artifacts), (4, 3));
        assert_eq!(sum.named, ["skill:a", "skill:b", "skill:c"]);
        assert_eq!(events.applied_since(4).unwrap().rows, 2);
        assert_eq!(events.applied_since(6).unwrap(), Applied::default());
        for _ in 0..KEPT {
            events.push("t".into(), What::EventsLost { why: "x".into() });
        }
        assert_eq!(events.applied_since(5), None);
        assert_eq!(events.applied_since(6), Some(Applied::default()));
    }

    #[test]
    fn names_are_bounded() {
        let names: Vec<String> = (0..NAMED + 10).map(|n| format!("skill:{n}")).collect();
        let mut sum = Applied::default();
        for name in &names {
            sum.absorb(&Applied { rows: 1, artifacts: 1, named: vec![name.clone()] });
        }
        assert_eq!((sum.named.len(), sum.artifacts as usize), (NAMED, NAMED + 10));
    }
}
