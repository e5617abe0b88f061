//! How often the list page was answered from the rows alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counted since the start of the daemon.
#[derive(Debug, Default)]
pub struct Counters {
    /// Items answered from a row that was verified.
    pub hits: AtomicU64,
    /// Items whose row was not; their files were looked at before the answer.
    pub misses: AtomicU64,
    /// Times files were looked at for a page.
    pub looks: AtomicU64,
    /// Refreshes that were asked for and came to their end.
    pub refreshed: AtomicU64,
    /// Refreshes that failed.
    pub refused: AtomicU64,
}

impl Counters {
    /// One more, or several.
    pub fn count(counter: &AtomicU64, by: usize) {
        counter.fetch_add(by as u64, Relaxed);
    }

    /// As it stands.
    #[must_use]
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }
}
