//! What has to be looked at again, and when.
//!
//! [`DirtySet`] is the debounce: it collects hints until nothing new has come for the quiet window, but never longer
//! than the max-wait counted from the first hint, so that a writer who never pauses cannot starve the rest. A manifest
//! that arrived by rename is whole and does not wait.
//!
//! What this module does not do: read a clock or set a timer. Whoever drives it asks [`DirtySet::deadline`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::hint::Hint;

/// More changed paths than this in one collection, and the whole collection is looked at instead.
const PATHS_PER_COLLECTION: usize = 512;

/// What a scan has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanScope {
    /// Everything.
    All,
    /// Parts of these collections; empty means that only the database side is compared.
    Collections(BTreeMap<String, Dirt>),
}

impl ScanScope {
    /// Look at no file at all: only the rows may have changed.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Collections(BTreeMap::new())
    }
}

/// What has to be looked at in one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dirt {
    /// All of it.
    Whole,
    /// The manifest (if set), and whatever lies at or below these `/`-separated paths.
    Parts {
        /// Whether `collection.toml` may have changed.
        manifest: bool,
        /// Relative to the collection.
        paths: BTreeSet<String>,
    },
}

impl Dirt {
    fn nothing() -> Self {
        Self::Parts { manifest: false, paths: BTreeSet::new() }
    }

    fn absorb(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Whole, _) => {}
            (_, Self::Whole) => *self = Self::Whole,
            (Self::Parts { manifest, paths }, Self::Parts { manifest: more, paths: further }) => {
                *manifest |= more;
                paths.extend(further);
                if paths.len() > PATHS_PER_COLLECTION {
                    *self = Self::Whole;
                }
            }
        }
    }
}

/// The debounce window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long nothing new must have come.
    pub quiet: Duration,
    /// How long the first hint waits at most.
    pub max_wait: Duration,
}

/// Hints that have not been acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirtySet {
    everything: bool,
    collections: BTreeMap<String, Dirt>,
    first: Option<Instant>,
    last: Option<Instant>,
    urgent: bool,
}

impl DirtySet {
    /// Note a hint that came at `now`. A hint about the cache is not about files and changes nothing here.
    pub fn note(&mut self, hint: &Hint, now: Instant) {
        let (collection, dirt, urgent) = match hint {
            Hint::Cache => return,
            Hint::Everything => {
                self.add(ScanScope::All, now);
                return;
            }
            Hint::Collection(collection) => (collection, Dirt::Whole, false),
            Hint::Manifest { collection, renamed } => {
                (collection, Dirt::Parts { manifest: true, paths: BTreeSet::new() }, *renamed)
            }
            Hint::Path { collection, path } => {
                (collection, Dirt::Parts { manifest: false, paths: BTreeSet::from([path.clone()]) }, false)
            }
        };
        self.add(ScanScope::Collections(BTreeMap::from([(collection.clone(), dirt)])), now);
        self.urgent |= urgent;
    }

    /// Add a scope as a whole, for example one whose reconcile failed.
    pub fn add(&mut self, scope: ScanScope, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
        match scope {
            ScanScope::All => {
                self.everything = true;
                self.collections.clear();
            }
            ScanScope::Collections(_) if self.everything => {}
            ScanScope::Collections(collections) => {
                for (collection, dirt) in collections {
                    self.collections.entry(collection).or_insert_with(Dirt::nothing).absorb(dirt);
                }
            }
        }
    }

    /// Do not wait for the window.
    pub fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// When the set is due, if anything is in it. May lie in the past.
    #[must_use]
    pub fn deadline(&self, window: Window) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        Some(if self.urgent { first } else { (last + window.quiet).min(first + window.max_wait) })
    }

    /// Take all of it, leaving the set empty.
    #[must_use]
    pub fn take(&mut self) -> ScanScope {
        let taken = std::mem::take(self);
        if taken.everything { ScanScope::All } else { ScanScope::Collections(taken.collections) }
    }
}

#[cfg(test)]
mod tests;
