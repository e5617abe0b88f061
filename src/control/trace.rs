//! The flight recorder: the last events and what was decided on them, in memory.
//!
//! What this module does not do: write anything to disk, or hold anything of a file but its path.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::protocol::{Trace as Answer, Traced, VERSION};

/// Entries kept.
pub const KEPT: usize = 2_000;
/// Longest text of an entry, in bytes; a scope may name hundreds of paths.
const LONGEST: usize = 300;

/// See the module's text. A handle; clones share the entries.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<VecDeque<Traced>>>);

impl Trace {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Traced>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add what came in (`event`) or what is done about it (`effect`). The same thing again is counted, not kept twice.
    /// `at` is RFC 3339, UTC; asked for only when it is needed.
    pub fn add(&self, kind: &'static str, what: &impl std::fmt::Debug, at: impl FnOnce() -> String) {
        let mut text = format!("{what:?}");
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push('…');
        }
        let mut entries = self.entries();
        if let Some(last) = entries.back_mut().filter(|last| last.kind == kind && last.what == text) {
            last.times += 1;
            return;
        }
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(Traced { at: at(), kind: kind.to_owned(), what: text, times: 1 });
    }

    /// The last `most` entries, the oldest first.
    #[must_use]
    pub fn last(&self, most: usize) -> Answer {
        let entries = self.entries();
        let skipped = entries.len().saturating_sub(most);
        Answer { schema: VERSION, entries: entries.iter().skip(skipped).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_and_the_same_again_is_counted() {
        let trace = Trace::default();
        for number in 0..KEPT + 5 {
            trace.add("event", &number, || "t".into());
            trace.add("event", &number, || panic!("not needed"));
        }
        let all = trace.last(usize::MAX).entries;
        assert_eq!((all.len(), all[0].what.as_str(), all[0].times), (KEPT, "5", 2));
        let last = trace.last(1).entries;
        assert_eq!(last[0].what, (KEPT + 4).to_string());
        trace.add("effect", &(KEPT + 4), || "t".into());
        assert_eq!(trace.last(1).entries[0].times, 1, "of another kind");
        trace.add("event", &"ä".repeat(1_000), || "t".into());
        assert!(trace.last(1).entries[0].what.len() <= LONGEST + 3);
    }
}
