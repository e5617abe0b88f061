//! What of an earlier reading is still good.
//!
//! A reading holds as long as the signature over all its files' and directories' (device, inode, size, mtime, ctime) is
//! the same, provided the newest change in it was *settled* when it was taken: a file written to twice within one tick
//! of the file system's clock looks the same after both, so a signature with so young a change proves nothing. It is
//! git's rule against "racily clean" entries (gitformat-index(5)), by ctime instead of mtime, because SkillMeat sets
//! mtimes.
//!
//! What this module does not do: store the rows. The caller loads them at the start and saves what changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::artifact::{Frontmatter, Reading};
use super::tree::{Listing, Signature};
use crate::domain::frontmatter::Extracted;
use crate::domain::model::{Fingerprint, Kind, Metadata, Problem};

/// Kernels stamp files with the time of the last timer tick, at most 10 ms ago.
const TICK: i128 = 20_000_000;

/// File systems without sub-second times; FAT counts in two seconds.
const COARSE_TICK: i128 = 2_000_000_000;

/// Whether a change at `changed` was old enough at `now` that a later one must look different. Both in nanoseconds
/// since 1970. A time in the future is never settled.
#[must_use]
pub fn is_settled(changed: i128, now: i128) -> bool {
    let tick = if changed % 1_000_000_000 == 0 { COARSE_TICK } else { TICK };
    changed < now.saturating_sub(tick)
}

/// Which artifact a row is about: one path may be listed as more than one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey {
    /// The collection directory's name.
    pub collection: String,
    /// Relative to the collection, normalised.
    pub path: String,
    /// As what it was read.
    pub kind: Kind,
}

/// A row to keep between runs. It is only ever a shortcut: without it, the files are read.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedArtifact {
    /// Which artifact.
    pub key: CacheKey,
    /// Its reading.
    pub reading: CachedReading,
}

/// The serialised form of a [`Reading`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedReading {
    /// All names below it.
    pub listing: Listing,
    /// Of their stamps.
    pub signature: Signature,
    /// See [`Reading::fingerprint`].
    pub fingerprint: Option<Fingerprint>,
    /// The entry file, relative to the artifact, and what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontmatter: Option<CachedFrontmatter>,
    /// The artifact for which what the entry file says was acted on. It is left out here then, as it is its base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// What was wrong when it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// When that was, milliseconds since 1970.
    pub scanned_at: i64,
}

/// The serialised form of [`Frontmatter`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedFrontmatter {
    /// Relative to the artifact; empty when the artifact is one file.
    pub file: String,
    /// The fields.
    pub metadata: Metadata,
    /// Their problems.
    pub problems: Vec<Problem>,
    /// Whether they may be taken for what the author meant.
    pub sound: bool,
}

/// A reading in memory.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What to compare with the disk.
    state: Option<(Listing, Signature)>,
    /// Whether the signature alone proves that nothing changed.
    settled: bool,
    /// Whether it is worth keeping and not kept yet.
    unsaved: bool,
    pub(super) fingerprint: Option<Arc<Fingerprint>>,
    pub(super) frontmatter: Option<Told>,
    pub(super) problems: Vec<Problem>,
    /// Milliseconds since 1970.
    scanned_at: i64,
}

/// What an entry file says, for as long as somebody has to be told.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// Not yet, or not to the end.
    Whole(Arc<Frontmatter>),
    /// It was told, acted on and written down. The file can be read again.
    Done,
    /// An earlier run did so for the artifact of this name.
    DoneFor(String),
}

impl Known {
    /// A reading begun at `now`, nanoseconds since 1970.
    pub(super) fn new(reading: Reading, now: i128) -> Self {
        let settled = reading.state.as_ref().is_some_and(|state| is_settled(state.newest_change, now));
        Self {
            settled,
            unsaved: settled,
            state: reading.state.map(|state| (state.listing, state.signature)),
            fingerprint: reading.fingerprint.map(Arc::new),
            frontmatter: reading.frontmatter.map(|frontmatter| Told::Whole(Arc::new(frontmatter))),
            problems: reading.problems,
            scanned_at: i64::try_from(now / 1_000_000).unwrap_or(i64::MAX),
        }
    }

    /// This reading, or where the files could not be read to their end (somebody is writing them, the system refused)
    /// its problems with what was read before: the last good state stays.
    pub(super) fn or_as_before(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before.filter(|_| self.state.is_none()) {
            self.fingerprint.clone_from(&before.fingerprint);
            self.frontmatter.clone_from(&before.frontmatter);
        }
        self
    }

    /// What to compare with the disk; `None` when only reading again tells.
    pub(super) fn proof(&self) -> Option<(&Listing, &Signature)> {
        let (listing, signature) = self.state.as_ref().filter(|_| self.settled)?;
        Some((listing, signature))
    }

    /// This reading for an artifact of this name that was not there before. It has to be told what its entry file says,
    /// so a reading that does not remember it is of no use, unless it was told to just this artifact in an earlier run.
    pub(super) fn claimed_by(mut self, name: &str) -> Option<Self> {
        match &self.frontmatter {
            Some(Told::Done) => return None,
            Some(Told::DoneFor(other)) if other != name => return None,
            Some(Told::DoneFor(_)) => self.frontmatter = Some(Told::Done),
            Some(Told::Whole(_)) | None => {}
        }
        Some(self)
    }

    /// What the entry file says was told and acted on; once it is written down it need not be remembered.
    pub(super) fn told(&mut self) {
        if let Some(frontmatter) = self.frontmatter.as_mut().filter(|_| self.settled && !self.unsaved) {
            *frontmatter = Told::Done;
        }
    }

    /// The row to keep, once for each reading. `told`: the artifact, if what the entry file says was acted on.
    pub(super) fn take_unsaved(&mut self, told: Option<&str>) -> Option<CachedReading> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        let (listing, signature) = self.state.clone()?;
        let frontmatter = match &self.frontmatter {
            Some(Told::Whole(frontmatter)) if told.is_none() => Some(CachedFrontmatter {
                file: frontmatter.file.clone(),
                metadata: frontmatter.extracted.metadata.clone(),
                problems: frontmatter.extracted.problems.clone(),
                sound: frontmatter.extracted.sound,
            }),
            _ => None,
        };
        Some(CachedReading {
            told: told.filter(|_| self.frontmatter.is_some()).map(str::to_owned),
            listing,
            signature,
            fingerprint: self.fingerprint.as_deref().cloned(),
            frontmatter,
            problems: self.problems.clone(),
            scanned_at: self.scanned_at,
        })
    }
}

/// Only settled readings are kept, so a row that comes back is one.
impl From<CachedReading> for Known {
    fn from(row: CachedReading) -> Self {
        let frontmatter = row.frontmatter.map(|kept| {
            let extracted = Extracted { metadata: kept.metadata, problems: kept.problems, sound: kept.sound };
            Told::Whole(Arc::new(Frontmatter::new(kept.file, extracted)))
        });
        Self {
            state: Some((row.listing, row.signature)),
            settled: true,
            unsaved: false,
            fingerprint: row.fingerprint.map(Arc::new),
            frontmatter: frontmatter.or(row.told.map(Told::DoneFor)),
            problems: row.problems,
            scanned_at: row.scanned_at,
        }
    }
}
