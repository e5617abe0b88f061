//! Groups and tag definitions, between the database that owns them and the manifests that keep a copy.
//!
//! Both sides are read, merged with what they last agreed on, and brought to the result: manifests first, then rows, then
//! the new agreement is written down. A kill between any two of these steps leaves sides of which one or both are new;
//! the next merge finds nothing to decide in that, and goes on.
//!
//! * What a manifest said when it was merged is what it must still say when it is written; otherwise it is read and
//!   merged again. The same goes for the database, by its version.
//! * A manifest in doubt (missing, empty, unreadable) is neither written nor taken for a side.
//! * A database that was replaced is not written and not exported; what is there now is read in the next reconcile.
//!
//! What this module does not do: decide whose value stands ([`crate::domain::merge`] does), or mirror artifacts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Findings, Stop};
use crate::control::protocol::DatabaseOnly;
use crate::db::{Cache, DbError, Stand};
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::edit::EditError;
use crate::domain::merge::{self, Conflict, GROUPS, Input, Merged, TAG_DEFINITIONS};
use crate::domain::model::{Doubt, Problem};
use crate::domain::owned::{Agreed, DbSide, FileSide};
use crate::domain::reactor::Setback;
use crate::fs::scan::Scanned;
use crate::state::{KEPT_DIGESTS, KeptConflict, State, StateError};

mod palette;
mod round;

use palette::{PALETTE, Palette};
use round::Round;

/// How often the merge is made again because a side moved, before it is left to the next reconcile.
const ROUNDS: usize = 8;

/// What is known between two exchanges.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// What both sides last agreed on, by directory.
    bases: BTreeMap<String, Agreed>,
    /// Digests of sections that manifests have had, by directory and section, the oldest first.
    seen: BTreeMap<(String, String), Vec<String>>,
    /// What waits for a person.
    pub(super) conflicts: Vec<KeptConflict<Conflict>>,
    /// What the manifests say.
    files: BTreeMap<String, Seen>,
    /// Manifests whose sections have changed since they were last merged, or could not be written then.
    changed: BTreeSet<String>,
    /// Which directory was the active one then: only its manifest defines new tags.
    active: String,
    /// Manifests that were in doubt when the others were last merged.
    left_out: BTreeSet<String>,
    /// Whether artifacts have got rows since: they may be members of groups.
    artifacts_made: bool,
    /// Where the database stood when the last exchange came to its end.
    settled: Option<Stand>,
    palette: Palette,
    problems: BTreeMap<String, Vec<Problem>>,
    database_only: Vec<DatabaseOnly>,
    /// Whether a DB collection was made that has no artifacts yet.
    made_collection: bool,
    /// Texts that were replaced, with their collections; the history wants them.
    pub(super) replaced: Vec<(String, Vec<u8>)>,
}

/// A manifest's sections as last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    side: FileSide,
    /// `[collection].updated`, which every writer but a person with an editor sets.
    updated: Option<String>,
    /// Whether the sections have changed and `updated` has not, since they were last merged.
    by_hand: bool,
}

impl Exchange {
    /// What earlier runs wrote down.
    pub(super) async fn load(state: &State) -> Result<Self, StateError> {
        Ok(Self {
            bases: state.agreements().await?,
            seen: state.seen_sections().await?,
            conflicts: state.conflicts().await?,
            palette: state.value(PALETTE).await?.unwrap_or_default(),
            ..Self::default()
        })
    }

    /// Take in what the manifests say now.
    pub(super) fn note(&mut self, scanned: &Scanned) {
        for (directory, read) in &scanned.manifests {
            let side = FileSide::from(&*read.manifest);
            let updated = read.manifest.updated.clone();
            let known = self.files.get(directory);
            if known.is_some_and(|known| known.side == side) {
                // Something else in the file: whoever wrote it has read these sections as they are.
                if let Some(known) = self.files.get_mut(directory) {
                    known.by_hand &= known.updated == updated;
                    known.updated = updated;
                }
                continue;
            }
            let by_hand = known.is_some_and(|known| known.updated.is_some() && known.updated == updated);
            self.files.insert(directory.clone(), Seen { side, updated, by_hand });
            self.changed.insert(directory.clone());
        }
        self.files.retain(|directory, _| scanned.desired.collections.contains_key(directory));
    }

    /// Members that manifests and agreements name, as written.
    fn named(&self) -> BTreeSet<String> {
        let groups = self.files.values().map(|file| &file.side.groups);
        let groups = groups.chain(self.bases.values().map(|base| &base.groups));
        let named = groups.flat_map(|groups| groups.by_name.values()).flat_map(|group| &group.members);
        let repeated =
            self.files.values().flat_map(|file| &file.side.repeated).flat_map(|(_, group)| &group.members);
        named.chain(repeated).cloned().collect()
    }

    fn seen(&self, directory: &str, section: &str) -> &[String] {
        self.seen.get(&(directory.to_owned(), section.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Know these sections from now on; those that were not the newest already.
    fn remember(
        &mut self,
        directory: &str,
        sections: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        let mut new = Vec::new();
        for (section, digest) in sections {
            let ring = self.seen.entry((directory.to_owned(), (*section).to_owned())).or_default();
            if ring.last() == Some(digest) {
                continue;
            }
            ring.retain(|known| known != digest);
            ring.push(digest.clone());
            ring.drain(..ring.len().saturating_sub(KEPT_DIGESTS));
            new.push((*section, digest.clone()));
        }
        new
    }

    /// A person puts these sections in place: they are meant, however old they are.
    pub(super) fn is_meant(&mut self, directory: &str, side: &FileSide) {
        let digests =
            [(GROUPS, merge::digest_groups(&side.groups)), (TAG_DEFINITIONS, merge::digest_tags(&side.tags))];
        for (section, digest) in digests {
            if let Some(ring) = self.seen.get_mut(&(directory.to_owned(), section.to_owned())) {
                ring.retain(|known| *known != digest);
            }
        }
    }

    /// What is wrong, as of the last exchange.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.values().flatten()
    }
}

/// Why a manifest was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PatchError {
    /// The sections are not those that were merged.
    #[error("it was changed at this moment")]
    Moved,
    /// The text cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl Engine {
    /// Whether another process has written to the cache since the last look; if so, groups and tags have been carried
    /// over. What goes wrong here is not told: the comparison that follows does it again, and tells.
    pub(super) async fn check_cache(&mut self) -> bool {
        let changed = self.cache_changed().await;
        let is_ready = self.cache.as_ref().is_some_and(|cache| cache.is_compared() && !cache.replaced());
        if changed && is_ready && self.exchange.settled.is_some() {
            let manifests = self.exchange.files.keys().map(|name| (name.clone(), manifest_alone())).collect();
            let exchanged = match self.scan(&ScanScope::Collections(manifests)) {
                Ok(mut scanned) => self.exchange(&mut scanned, true).await,
                Err(stop) => Err(stop),
            };
            if let Err(stop) = exchanged {
                tracing::debug!(why = stop.why, "groups and tags wait for the comparison");
            }
        }
        changed
    }

    /// Bring groups and tag definitions of both sides together, if either may have changed; `database` says that its
    /// side may. `scanned` is brought up to date with what was written.
    pub(super) async fn exchange(&mut self, scanned: &mut Scanned, database: bool) -> Result<(), Stop> {
        self.exchange.note(scanned);
        let is_back = |directory: &String| mergeable(scanned, directory);
        if self.exchange.changed.is_empty()
            && !self.exchange.artifacts_made
            && self.exchange.active == scanned.desired.active
            && !self.exchange.left_out.iter().any(is_back)
            && let (Some(settled), Some(cache)) = (self.exchange.settled, &self.cache)
            && (!database || cache.stands_at(settled).await?)
        {
            return Ok(());
        }
        self.exchange_in_rounds(scanned, &[]).await
    }

    /// Artifacts have got rows.
    pub(super) fn note_artifacts_made(&mut self) {
        self.exchange.artifacts_made = true;
    }

    /// Whether a DB collection has been made since this was last asked: then every row has to be compared again, because
    /// the directory's artifacts belong into it.
    pub(super) fn take_made_collection(&mut self) -> bool {
        std::mem::take(&mut self.exchange.made_collection)
    }

    /// Tell what the last exchange found.
    pub(super) fn tell_exchange(&self, findings: &mut Findings) {
        findings.problems.extend(self.exchange.problems().cloned());
        findings.conflicts = self.exchange.conflicts.iter().map(|kept| kept.id.clone()).collect();
        findings.database_only.clone_from(&self.exchange.database_only);
    }

    /// Put the texts that were replaced into the history.
    pub(super) async fn keep_replaced(&mut self) {
        for (collection, text) in std::mem::take(&mut self.exchange.replaced) {
            self.keep(&collection, &text).await;
        }
    }
}

impl Engine {
    /// `theirs` are conflicts that a person has decided for the value that gave way.
    pub(super) async fn exchange_in_rounds(
        &mut self,
        scanned: &mut Scanned,
        theirs: &[Conflict],
    ) -> Result<(), Stop> {
        for _ in 0..ROUNDS {
            let named = self.exchange.named();
            let (directories, left_out): (BTreeSet<String>, BTreeSet<String>) =
                self.exchange.files.keys().cloned().partition(|directory| mergeable(scanned, directory));
            self.exchange.left_out = left_out;
            self.exchange.artifacts_made = false;
            self.exchange.active.clone_from(&scanned.desired.active);
            let Some(cache) = &mut self.cache else { return Ok(()) };
            let owned = cache.load_owned(&directories, &named).await;
            let owned = owned.map_err(|error| self.give_up_cache(error))?;
            match self.round(scanned, owned, theirs).await? {
                Round::Done => return Ok(()),
                Round::Again => {}
            }
        }
        self.exchange.settled = None;
        Err(Stop::new(Setback::Transient, "groups and tags are being changed by others all the time"))
    }

    /// Let go of a cache that cannot be gone on with.
    pub(super) fn give_up_cache(&mut self, error: DbError) -> Stop {
        let replaced = self.cache.as_ref().is_some_and(Cache::replaced);
        if error.needs_reopen() || !error.is_transient() || replaced {
            self.cache = None;
        }
        error.into()
    }
}

impl Exchange {
    fn merge(&self, directory: &str, active: &str, db: &DbSide, theirs: &[Conflict]) -> Option<Merged> {
        let seen = self.files.get(directory)?;
        let input = Input {
            directory,
            is_active: directory == active,
            base: self.bases.get(directory),
            db,
            file: &seen.side,
            seen_groups: self.seen(directory, GROUPS),
            seen_tags: self.seen(directory, TAG_DEFINITIONS),
            by_hand: seen.by_hand,
        };
        let theirs: Vec<&Conflict> =
            theirs.iter().filter(|conflict| conflict.collection == directory).collect();
        Some(merge::resolve(&input, &theirs))
    }
}

/// Whether the manifest's sections are a side. Of a manifest in doubt the last good reading is known, but that is not
/// what is in place.
fn mergeable(scanned: &Scanned, directory: &str) -> bool {
    let collection = scanned.desired.collections.get(directory);
    collection.is_some_and(|collection| matches!(collection.doubt, None | Some(Doubt::Unnamed)))
}

fn manifest_alone() -> Dirt {
    Dirt::Parts { manifest: true, paths: BTreeSet::new() }
}
