//! When an absence becomes a removal.
//!
//! Three rules stand between "no manifest names it" and a deleted row:
//! * *A problem is not an absence.* What a missing, empty or unreadable manifest last named is still there.
//! * *Grace.* SkillMeat's `add --force` takes an entry away and puts it back a second later, so an entry must have been
//!   gone for a while ([`Absences`]).
//! * *The brake.* More than max(10, half) of a collection going at once is more likely an accident than a wish; it
//!   waits for a person's word ([`Halt`]).
//!
//! Only `collection_artifacts` rows are ever removed. The `artifacts` row stays, because uuid, group memberships and
//! history hang on it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::halves::Halves;
use super::model::{ArtifactId, Collection, Desired, Doubt};
use super::rows::{Actual, DEFAULT_COLLECTION, Scope};

/// A reconcile may remove this many rows of a collection without asking, however small the collection is.
const BRAKE_FLOOR: usize = 10;

/// What earlier reconciles know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Ids each directory's manifest named when it was last read without doubt.
    pub seen: BTreeMap<String, Arc<BTreeSet<ArtifactId>>>,
    /// Absences that have lasted through the grace period.
    pub due: BTreeSet<ArtifactId>,
    /// Removals a person has confirmed, by directory.
    pub confirmed: BTreeMap<String, BTreeSet<ArtifactId>>,
    /// [`super::tags::digest`] of the tags that file and database last agreed on. Where they have since been changed in
    /// the database, the plan leaves an artifact's tags alone. Whoever has carried the change to the file, or found that
    /// there is none, takes the artifact out of here for the next plan, and puts the new digest in when that is applied.
    pub agreed_tags: Arc<BTreeMap<ArtifactId, u64>>,
    /// Half a change of tags that nobody has completed in time.
    pub left_halves: Halves,
}

/// A collection whose removals wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Halt {
    /// The directory's name, as `skillmeatd resume` takes it.
    pub collection: String,
    /// Why.
    pub reason: HaltReason,
    /// The artifacts whose rows stay meanwhile.
    pub artifacts: BTreeSet<ArtifactId>,
}

/// Why removals wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HaltReason {
    /// The directory is gone, or it has no manifest, or the manifest has no bytes. A word resumes it.
    Gone,
    /// The manifest cannot be read. Only mending it resumes.
    Unreadable,
    /// More entries went at once than the brake lets pass, of this many. A word resumes it.
    Mass {
        /// Number of entries the collection had.
        of: usize,
    },
}

/// What may go, and what may not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Everything in scope that no manifest names any more.
    pub absent: BTreeSet<ArtifactId>,
    /// The part of it whose rows may be deleted now.
    pub allowed: BTreeSet<ArtifactId>,
    /// What waits for a person.
    pub halts: Vec<Halt>,
}

/// Judge the rows of the `mirrored` DB collections against the files.
#[must_use]
pub fn judge(
    desired: &Desired,
    actual: &Actual,
    scope: &Scope,
    mirrored: &BTreeSet<&str>,
    memory: &Memory,
) -> Verdict {
    let mut held_back: BTreeSet<&ArtifactId> = BTreeSet::new();
    let mut halts = Vec::new();
    // A directory in doubt that was never read well may own any row nobody else owns.
    let mut anything_may_be_held = false;
    let nothing = BTreeSet::new();
    let directories = desired.collections.keys().chain(memory.seen.keys()).collect::<BTreeSet<_>>();
    for directory in directories {
        let seen = memory.seen.get(directory).map(AsRef::as_ref);
        let confirmed = memory.confirmed.get(directory).unwrap_or(&nothing);
        let collection = desired.collections.get(directory);
        let reason = match collection.map(|c| c.doubt) {
            Some(None) => continue,
            None | Some(Some(Doubt::Missing | Doubt::Empty)) => HaltReason::Gone,
            Some(Some(Doubt::Unreadable | Doubt::Unnamed)) => HaltReason::Unreadable,
        };
        anything_may_be_held |= seen.is_none();
        let held: BTreeSet<&ArtifactId> = match reason {
            HaltReason::Gone => seen.unwrap_or(&nothing).difference(confirmed).collect(),
            HaltReason::Unreadable | HaltReason::Mass { .. } => seen.unwrap_or(&nothing).iter().collect(),
        };
        // A directory that never had a manifest is not a collection that lost it.
        if !held.is_empty() || reason == HaltReason::Unreadable {
            let artifacts = held.iter().map(|id| (*id).clone()).collect();
            halts.push(Halt { collection: directory.clone(), reason, artifacts });
        }
        held_back.extend(held);
    }

    // Asked of each row in scope: a set of everything present would cost as much as the whole collection each time.
    let is_present = |id: &ArtifactId| {
        let named = |c: &Collection| c.artifacts.contains_key(id) || c.held.contains(id);
        held_back.contains(id) || desired.collections.values().any(named)
    };
    let owner = |id: &ArtifactId| {
        memory.seen.iter().find(|(_, ids)| ids.contains(id)).map(|(directory, _)| directory.as_str())
    };
    let mut absent_by_owner: BTreeMap<&str, BTreeSet<&ArtifactId>> = BTreeMap::new();
    let rows = mirrored.iter().filter_map(|collection| actual.memberships.get(*collection)).flatten();
    for (id, _) in rows {
        let ours = actual.artifacts.get(id).is_some_and(|artifact| artifact.mirrors_files);
        if !ours || !scope.contains(id) || is_present(id) {
            continue;
        }
        match owner(id) {
            None if anything_may_be_held => {}
            owner => {
                absent_by_owner.entry(owner.unwrap_or(DEFAULT_COLLECTION)).or_default().insert(id);
            }
        }
    }

    let mut verdict = Verdict { halts, ..Verdict::default() };
    for (directory, absent) in absent_by_owner {
        let confirmed = memory.confirmed.get(directory).unwrap_or(&nothing);
        let of = memory.seen.get(directory).map_or_else(
            || actual.totals.get(DEFAULT_COLLECTION).copied().unwrap_or(absent.len()),
            |seen| seen.len(),
        );
        let unconfirmed = absent.iter().filter(|id| !confirmed.contains(**id)).count();
        let braked = unconfirmed > BRAKE_FLOOR.max(of / 2);
        let may_go = |id: &ArtifactId| confirmed.contains(id) || (!braked && memory.due.contains(id));
        verdict.allowed.extend(absent.iter().filter(|id| may_go(id)).map(|id| (*id).clone()));
        if braked {
            verdict.halts.push(Halt {
                collection: directory.to_owned(),
                reason: HaltReason::Mass { of },
                artifacts: absent
                    .iter()
                    .filter(|id| !confirmed.contains(**id))
                    .map(|id| (*id).clone())
                    .collect(),
            });
        }
        verdict.absent.extend(absent.into_iter().cloned());
    }
    verdict
}

/// What is still wanted when the confirmed removals are taken at their word: a collection whose manifest is missing or
/// empty goes on showing what was last read from it, and only a confirmation ends that.
pub(super) fn released<'d>(desired: &'d Desired, memory: &Memory) -> Cow<'d, Desired> {
    let mut released = Cow::Borrowed(desired);
    for (directory, confirmed) in &memory.confirmed {
        let is_gone = desired
            .collections
            .get(directory)
            .is_some_and(|collection| matches!(collection.doubt, Some(Doubt::Missing | Doubt::Empty)));
        if is_gone && let Some(collection) = released.to_mut().collections.get_mut(directory) {
            collection.artifacts.retain(|id, _| !confirmed.contains(id));
            collection.held.retain(|id| !confirmed.contains(id));
        }
    }
    released
}

/// What a reconcile came to, as far as the next one's memory goes.
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// What the files said.
    pub desired: &'a Desired,
    /// What it was about.
    pub scope: &'a Scope,
    /// What no manifest named any more.
    pub absent: &'a BTreeSet<ArtifactId>,
    /// Whose rows were deleted.
    pub removed: &'a BTreeSet<ArtifactId>,
}

impl Done<'_> {
    /// Whether there is nothing left to decide about an id: its rows are gone, or there are none to go.
    fn settles(&self, id: &ArtifactId) -> bool {
        self.removed.contains(id) || (self.scope.contains(id) && !self.absent.contains(id))
    }
}

impl Memory {
    /// What to remember for the next reconcile. What is due then is not known yet and left empty.
    #[must_use]
    pub fn after(&self, done: Done<'_>) -> Self {
        Self {
            seen: self.seen_after(done),
            due: BTreeSet::new(),
            confirmed: self.confirmed_after(done),
            agreed_tags: Arc::clone(&self.agreed_tags),
            left_halves: Halves::new(),
        }
    }

    /// Each directory's entries, as far as they could be told.
    ///
    /// An id leaves the memory of its directory when its rows are gone or it turned up elsewhere, not when the manifest
    /// stops naming it; otherwise a braked removal would lose its owner, and with it the brake, at the next look.
    fn seen_after(&self, done: Done<'_>) -> BTreeMap<String, Arc<BTreeSet<ArtifactId>>> {
        let certain = done.desired.collections.iter().filter(|(_, collection)| collection.doubt.is_none());
        let named: BTreeMap<&str, &Collection> =
            certain.map(|(directory, collection)| (directory.as_str(), collection)).collect();
        let is_named = |collection: &Collection, id: &ArtifactId| {
            collection.artifacts.contains_key(id) || collection.held.contains(id)
        };
        let elsewhere = |directory: &str, id: &ArtifactId| {
            named.iter().any(|(other, collection)| *other != directory && is_named(collection, id))
        };
        let mut seen = BTreeMap::new();
        let directories: BTreeSet<&str> =
            self.seen.keys().map(String::as_str).chain(named.keys().copied()).collect();
        for directory in directories {
            let (before, certain) = (self.seen.get(directory), named.get(directory));
            if let (Some(before), Some(collection)) = (before, certain)
                && collection.held.is_empty()
                && collection.artifacts.keys().eq(before.iter())
            {
                seen.insert(directory.to_owned(), Arc::clone(before)); // nearly always
                continue;
            }
            let mut ids: BTreeSet<ArtifactId> = BTreeSet::new();
            ids.extend(certain.into_iter().flat_map(|c| c.artifacts.keys().chain(&c.held)).cloned());
            for id in before.into_iter().flat_map(|before| before.iter()) {
                let gone = match certain {
                    Some(_) => done.settles(id) || elsewhere(directory, id),
                    None => done.removed.contains(id),
                };
                if !gone {
                    ids.insert(id.clone());
                }
            }
            if certain.is_some() || !ids.is_empty() {
                seen.insert(directory.to_owned(), Arc::new(ids));
            }
        }
        seen
    }

    /// The confirmations that still stand. One ends with the removal it was given for, or when its artifact is named
    /// again; but for a collection whose manifest is missing or empty it stands as long as that lasts, because the scan
    /// goes on showing what it last read.
    fn confirmed_after(&self, done: Done<'_>) -> BTreeMap<String, BTreeSet<ArtifactId>> {
        let mut confirmed = self.confirmed.clone();
        confirmed.retain(|directory, ids| {
            let doubt = done.desired.collections.get(directory).and_then(|collection| collection.doubt);
            let is_gone = matches!(doubt, Some(Doubt::Missing | Doubt::Empty));
            ids.retain(|id| is_gone || !done.settles(id));
            !ids.is_empty()
        });
        confirmed
    }
}

/// Since when each artifact has been absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences {
    since: BTreeMap<ArtifactId, Instant>,
}

impl Absences {
    /// Note what a reconcile of `scope` found absent: new absences start now, and what is back is forgotten.
    pub fn observe(&mut self, absent: &BTreeSet<ArtifactId>, scope: &Scope, now: Instant) {
        self.since.retain(|id, _| !scope.contains(id) || absent.contains(id));
        for id in absent {
            self.since.entry(id.clone()).or_insert(now);
        }
    }

    /// The absences that have lasted at least `grace`.
    #[must_use]
    pub fn due(&self, now: Instant, grace: Duration) -> BTreeSet<ArtifactId> {
        let due = |since: &Instant| now.saturating_duration_since(*since) >= grace;
        self.since.iter().filter(|(_, since)| due(since)).map(|(id, _)| id.clone()).collect()
    }

    /// When the next absence becomes due, if any is waiting after `now`.
    #[must_use]
    pub fn next(&self, now: Instant, grace: Duration) -> Option<Instant> {
        self.since.values().map(|since| *since + grace).filter(|due| *due > now).min()
    }

    /// Whether nothing is absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// How many absences have not lasted through `grace` yet.
    #[must_use]
    pub fn running(&self, now: Instant, grace: Duration) -> usize {
        self.since.values().filter(|since| **since + grace > now).count()
    }

    /// Forget these; their rows are gone.
    pub fn forget<'a>(&mut self, removed: impl IntoIterator<Item = &'a ArtifactId>) {
        for id in removed {
            self.since.remove(id);
        }
    }
}

#[cfg(test)]
mod tests;
