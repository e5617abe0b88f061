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

use chrono::{NaiveDateTime, Utc};

use super::{Engine, Findings, Stop};
use crate::control::protocol::DatabaseOnly;
use crate::daemon::board;
use crate::db::format::timestamp;
use crate::db::{Cache, DbError, Owned, Stand};
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::edit::{self, EditError};
use crate::domain::manifest;
use crate::domain::merge::{self, Conflict, GROUPS, Input, Merged, TAG_DEFINITIONS};
use crate::domain::model::{Doubt, Problem};
use crate::domain::owned::{Agreed, DbEdits, DbSide, FileSide, Groups, SectionEdits};
use crate::domain::reactor::Setback;
use crate::domain::rows::DEFAULT_COLLECTION;
use crate::fs::scan::Scanned;
use crate::fs::write::{self, Outcome, WriteError};
use crate::state::{Agreement, KEPT_DIGESTS, KeptConflict, State, StateError};

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
    /// Manifests that were in doubt when the others were last merged.
    left_out: BTreeSet<String>,
    /// Whether artifacts have got rows since: they may be members of groups.
    artifacts_made: bool,
    /// Where the database stood when the last exchange came to its end.
    settled: Option<Stand>,
    problems: BTreeMap<String, Vec<Problem>>,
    database_only: Vec<DatabaseOnly>,
    /// Whether a DB collection was made that has no artifacts yet.
    made_collection: bool,
    /// Texts that were replaced, with their collections; the history wants them.
    replaced: Vec<(String, Vec<u8>)>,
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
            ..Self::default()
        })
    }

    /// Take in what the manifests say now.
    fn note(&mut self, scanned: &Scanned) {
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

    /// What is wrong, as of the last exchange.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.values().flatten()
    }
}

/// Why a manifest was not written.
#[derive(Debug, thiserror::Error)]
enum PatchError {
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
        findings.conflicts = self.exchange.conflicts.len();
        findings.database_only.clone_from(&self.exchange.database_only);
    }

    /// Put the texts that were replaced into the history.
    pub(super) async fn keep_replaced(&mut self) {
        for (collection, text) in std::mem::take(&mut self.exchange.replaced) {
            self.keep(&collection, &text).await;
        }
    }
}

/// How a round ended.
enum Round {
    /// Both sides are equal, as far as they can be.
    Done,
    /// A side has moved.
    Again,
}

impl Engine {
    /// `theirs` are conflicts that a person has decided for the value that gave way.
    async fn exchange_in_rounds(&mut self, scanned: &mut Scanned, theirs: &[Conflict]) -> Result<(), Stop> {
        for _ in 0..ROUNDS {
            let named = self.exchange.named();
            let (directories, left_out): (BTreeSet<String>, BTreeSet<String>) =
                self.exchange.files.keys().cloned().partition(|directory| mergeable(scanned, directory));
            self.exchange.left_out = left_out;
            self.exchange.artifacts_made = false;
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

    async fn round(
        &mut self,
        scanned: &mut Scanned,
        mut owned: Owned,
        theirs: &[Conflict],
    ) -> Result<Round, Stop> {
        let now = Utc::now().naive_utc();
        let new_collections = self.missing_collections(&owned);
        for directory in &new_collections {
            if let Some(side) = owned.sides.get_mut(directory) {
                side.groups = Some(Groups::default());
                side.epoch.collection = Some(format!("{directory} {}", timestamp(now)));
            }
        }
        let active = &scanned.desired.active;
        let merged: BTreeMap<String, Merged> = owned
            .sides
            .iter()
            .filter_map(|(directory, side)| {
                Some((directory.clone(), self.exchange.merge(directory, active, side, theirs)?))
            })
            .collect();
        let written = self.write_manifests(&merged, now)?;
        if !written.touched.is_empty() {
            *scanned = self.scan(&ScanScope::Collections(written.touched))?;
            self.exchange.note(scanned);
        }
        if written.moved {
            return Ok(Round::Again);
        }
        let edits: BTreeMap<String, DbEdits> =
            merged.iter().map(|(directory, merged)| (directory.clone(), merged.db.clone())).collect();
        let Some(cache) = &mut self.cache else { return Ok(Round::Done) };
        match cache.write_owned(&owned, &new_collections, &edits, now).await {
            Ok(true) => {}
            Ok(false) => return Ok(Round::Again),
            Err(error) => return Err(self.give_up_cache(error)),
        }
        self.tell(&merged, &edits, &new_collections);
        self.exchange.made_collection |= !new_collections.is_empty();
        self.exchange.problems.clear();
        for directory in &owned.odd {
            let why = "its groups or tags in the database hold values that are none; they are left alone";
            let problem = Problem::new(super::follow::manifest_of(directory), why);
            self.exchange.problems.entry(directory.clone()).or_default().push(problem);
        }
        self.exchange.changed = written.failed.keys().cloned().collect();
        for (directory, mut merged) in merged {
            if let Some(why) = written.failed.get(&directory) {
                merged.problems.push(Problem::new(super::follow::manifest_of(&directory), why));
            } else {
                self.agree(&directory, &merged).await;
            }
            self.exchange.problems.entry(directory).or_default().extend(merged.problems);
        }
        self.exchange.database_only = database_only(&owned);
        self.exchange.settled = owned.at;
        match written.held_up {
            Some(why) => Err(Stop::new(Setback::Transient, why)),
            None => Ok(Round::Done),
        }
    }

    /// Directories whose groups have no DB collection to be in, though nobody has deleted one: those whose manifest or
    /// agreement has groups, and whose row went with a database, or never was.
    fn missing_collections(&self, owned: &Owned) -> BTreeSet<String> {
        let has_groups = |directory: &String| {
            let file = self.exchange.files.get(directory).map(|seen| &seen.side.groups);
            let base = self.exchange.bases.get(directory).map(|base| &base.groups);
            file.into_iter().chain(base).any(|groups| !groups.is_empty())
        };
        let was_deleted = |directory: &String, side: &DbSide| {
            self.exchange
                .bases
                .get(directory)
                .is_some_and(|base| base.epoch.collection.is_some() && base.epoch.same_database(&side.epoch))
        };
        let is_missing = |(directory, side): &(&String, &DbSide)| {
            side.groups.is_none()
                && *directory != DEFAULT_COLLECTION
                && !owned.mapping.disputed.contains_key(*directory)
                && has_groups(directory)
                && !was_deleted(directory, side)
        };
        owned.sides.iter().filter(is_missing).map(|(directory, _)| directory.clone()).collect()
    }

    fn write_manifests(
        &mut self,
        merged: &BTreeMap<String, Merged>,
        now: NaiveDateTime,
    ) -> Result<Written, Stop> {
        let mut written = Written::default();
        for (directory, merged) in merged.iter().filter(|(_, merged)| !merged.file.is_empty()) {
            // A database that is gone says nothing any more, and an empty one in its place is not read yet.
            if self.cache.as_ref().is_none_or(Cache::replaced) {
                return Err(self.give_up_cache(DbError::Replaced));
            }
            written.touched.insert(directory.clone(), manifest_alone());
            match self.write_sections(directory, &merged.file, now) {
                Ok(()) => {}
                Err(WriteError::Patch(PatchError::Moved)) => written.moved = true,
                Err(error) => {
                    let why = format!("groups and tags cannot be written: {}", board::chain(&error));
                    if error.is_transient() {
                        written.held_up = Some(why.clone());
                    }
                    written.failed.insert(directory.clone(), why);
                }
            }
        }
        Ok(written)
    }

    fn write_sections(
        &mut self,
        directory: &str,
        edits: &SectionEdits,
        now: NaiveDateTime,
    ) -> Result<(), WriteError<PatchError>> {
        let Exchange { files, replaced, .. } = &mut self.exchange;
        let merged = files.get(directory).map(|seen| &seen.side);
        let manifest = self.paths.root.join(super::follow::manifest_of(directory));
        let outcome = write::rewrite(
            &manifest,
            &mut |text| {
                let in_place = manifest::parse_sections(text).map_err(|_| PatchError::Moved)?;
                if Some(&FileSide::from(&in_place)) != merged {
                    return Err(PatchError::Moved);
                }
                Ok(edit::edit_sections(text, edits, now)?)
            },
            &mut |previous| replaced.push((directory.to_owned(), previous.to_vec())),
        )?;
        if let Outcome::Written { rounds, .. } = outcome {
            let (groups, tags) = (edits.groups.is_some(), edits.tags.is_some());
            tracing::info!(collection = directory, groups, tags, rounds, "manifest written");
        }
        Ok(())
    }

    fn tell(
        &self,
        merged: &BTreeMap<String, Merged>,
        edits: &BTreeMap<String, DbEdits>,
        new_collections: &BTreeSet<String>,
    ) {
        for directory in new_collections {
            tracing::info!(collection = directory, "made a DB collection for the groups of this directory");
        }
        for (directory, edits) in edits.iter().filter(|(_, edits)| !edits.is_empty()) {
            tracing::info!(
                collection = directory,
                groups_made = edits.create_groups.len(),
                groups_changed = edits.update_groups.len() + edits.rename_groups.len(),
                groups_deleted = edits.delete_groups.len(),
                tags = edits.create_tags.len() + edits.update_tags.len() + edits.delete_tags.len(),
                "groups and tags written to the database"
            );
        }
        let new = |conflict: &&Conflict| !self.exchange.conflicts.iter().any(|kept| kept.id == conflict.id);
        for conflict in merged.values().flat_map(|merged| &merged.conflicts).filter(new) {
            tracing::warn!(
                collection = conflict.collection,
                id = conflict.id,
                "{} of {} was changed on both sides; the database's value was taken",
                conflict.field,
                conflict.subject
            );
        }
    }

    /// Write down what both sides agree on now. Without it the next merge would take what it finds for what was agreed,
    /// so a failure costs the knowledge of who changed what until then, and no value.
    async fn agree(&mut self, directory: &str, merged: &Merged) {
        let at_ms = Utc::now().timestamp_millis();
        if let Some(seen) = self.exchange.files.get_mut(directory) {
            seen.by_hand = false;
        }
        let seen = self.exchange.remember(directory, &merged.seen);
        let known: BTreeSet<&str> = self.exchange.conflicts.iter().map(|kept| kept.id.as_str()).collect();
        let conflicts: BTreeMap<String, Conflict> = merged
            .conflicts
            .iter()
            .filter(|conflict| !known.contains(conflict.id.as_str()))
            .map(|conflict| (conflict.id.clone(), conflict.clone()))
            .collect();
        let is_new = self.exchange.bases.get(directory) != Some(&merged.agreed);
        if !is_new && seen.is_empty() && conflicts.is_empty() {
            return;
        }
        self.exchange.bases.insert(directory.to_owned(), merged.agreed.clone());
        let agreement =
            Agreement { collection: directory, base: &merged.agreed, seen: &seen, conflicts: &conflicts };
        if let Err(error) = self.state.save_agreement(&agreement, at_ms).await {
            tracing::warn!(error = %board::chain(&error), "cannot note what database and manifest agree on");
        }
        self.exchange.conflicts.extend(conflicts.into_iter().map(|(id, conflict)| KeptConflict {
            id,
            collection: directory.to_owned(),
            conflict,
            at_ms,
        }));
    }

    /// Put the values that gave way in these conflicts into force.
    pub(super) async fn put_theirs(&mut self, ids: &[String]) -> Result<(), Stop> {
        let decided = self.exchange.conflicts.iter().filter(|kept| ids.contains(&kept.id));
        let theirs: Vec<Conflict> = decided.map(|kept| kept.conflict.clone()).collect();
        self.open_cache().await?;
        let mut scanned = self.scan(&ScanScope::All)?;
        self.exchange.note(&scanned);
        self.exchange_in_rounds(&mut scanned, &theirs).await?;
        self.keep_replaced().await;
        Ok(())
    }

    /// Conflicts that are decided.
    pub(super) async fn forget_conflicts(&mut self, ids: &[String]) -> Result<(), StateError> {
        self.state.forget_conflicts(ids).await?;
        self.exchange.conflicts.retain(|kept| !ids.contains(&kept.id));
        Ok(())
    }

    /// A person puts this text in place: its sections are meant, however old they are. An error says what is wrong with
    /// the text.
    pub(super) fn is_meant(&mut self, directory: &str, text: &str) -> Result<(), Problem> {
        let side = FileSide::from(&manifest::parse_sections(text)?);
        let digests =
            [(GROUPS, merge::digest_groups(&side.groups)), (TAG_DEFINITIONS, merge::digest_tags(&side.tags))];
        for (section, digest) in digests {
            if let Some(ring) = self.exchange.seen.get_mut(&(directory.to_owned(), section.to_owned())) {
                ring.retain(|known| *known != digest);
            }
        }
        Ok(())
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

/// What became of the manifests that were to be written.
#[derive(Default)]
struct Written {
    /// Those that have to be read again.
    touched: BTreeMap<String, Dirt>,
    /// Whether one is not what was merged any more.
    moved: bool,
    /// Those that could not be written, and why.
    failed: BTreeMap<String, String>,
    /// Why one was not, if that passes by itself.
    held_up: Option<String>,
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

/// DB collections whose groups have no file to go to.
fn database_only(owned: &Owned) -> Vec<DatabaseOnly> {
    let named = |id: &String| {
        let name = owned.collections.get(id).map(|row| row.name.clone()).unwrap_or_default();
        DatabaseOnly { id: id.clone(), name }
    };
    owned.with_groups.iter().map(named).collect()
}
