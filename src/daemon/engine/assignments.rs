//! Tags that were put on an artifact, or taken off, in the database alone.
//!
//! The plan leaves such an artifact's tags as they are and says so; here the change goes into the artifact's entry, and
//! then the rows are made equal to it. What both sides last agreed on is noted whenever rows have been made equal.
//!
//! What this module does not do: say what counts as a change ([`crate::domain::merge::merge_tags`] does).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Utc;

use super::exchange::PatchError;
use super::follow::manifest_of;
use super::{Bases, Engine, Findings, Stop, shared};
use crate::daemon::board;
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::merge::{DbTags, merge_tags};
use crate::domain::model::{Artifact, ArtifactId, Desired, Problem};
use crate::domain::owned::SectionEdits;
use crate::domain::reactor::Setback;
use crate::domain::rows::{Actual, DEFAULT_COLLECTION, Scope};
use crate::domain::tags::{self, FileTag};
use crate::domain::{edit, manifest};
use crate::fs::scan::Scanned;
use crate::fs::write::{self, WriteError};
use crate::state::{State, StateError};

/// Digests of the tags both sides agree on, by artifact.
pub(super) type Agreed = BTreeMap<ArtifactId, u64>;

/// What earlier runs wrote down, with the names that the bases have. Of an artifact in two directories there is one digest
/// per directory; any will do, because a wrong one only makes the tags of that artifact be looked at.
pub(super) async fn load(state: &State, bases: &Bases) -> Result<Agreed, StateError> {
    let digests = state.agreed_tag_digests().await?;
    Ok(digests.into_iter().map(|((_, artifact), digest)| (shared(bases, artifact), digest)).collect())
}

/// The artifact that stands for an id: the active collection's, else that of the first directory in alphabetical order.
fn home<'d>(desired: &'d Desired, id: &ArtifactId) -> Option<(&'d str, &'d Artifact)> {
    let active = desired.collections.get_key_value(&desired.active);
    active
        .into_iter()
        .chain(&desired.collections)
        .find_map(|(directory, collection)| Some((directory.as_str(), collection.artifacts.get(id)?)))
}

/// What the database says of one artifact's tags.
fn db_tags(actual: &Actual, id: &ArtifactId) -> DbTags {
    let row = actual.memberships.get(DEFAULT_COLLECTION).and_then(|rows| rows.get(id));
    let assigned = actual.artifact_tags.get(id);
    let is_assigned = |tag_id: &String| assigned.is_some_and(|ids| ids.contains(tag_id));
    let mut artifact_tags: Vec<FileTag> = actual
        .tags
        .iter()
        .filter(|tag| is_assigned(&tag.id))
        .map(|tag| FileTag { name: tag.name.clone(), slug: tag.slug.clone() })
        .collect();
    artifact_tags.sort();
    DbTags { tags_json: row.map(|row| row.row.unpack().tags).unwrap_or_default(), artifact_tags }
}

impl Engine {
    /// The rows of the artifacts in `scope` say what the files say, those of `waiting` excepted.
    pub(super) fn note_agreed_tags(
        &mut self,
        desired: &Desired,
        scope: &Scope,
        waiting: &BTreeSet<ArtifactId>,
    ) {
        let agreed = Arc::make_mut(&mut self.memory.agreed_tags);
        let (present, gone): (Vec<&ArtifactId>, Vec<ArtifactId>) = match scope {
            Scope::Artifacts(ids) => {
                let (present, gone): (Vec<_>, Vec<_>) =
                    ids.iter().partition(|id| home(desired, id).is_some());
                (present, gone.into_iter().cloned().collect())
            }
            Scope::All => {
                let present = desired.collections.values().flat_map(|collection| collection.artifacts.keys());
                let gone = agreed.keys().filter(|id| home(desired, id).is_none());
                (present.collect(), gone.cloned().collect())
            }
        };
        for id in present.into_iter().filter(|id| !waiting.contains(*id)) {
            let Some((directory, artifact)) = home(desired, id) else { continue };
            let tags = artifact.entry.tags();
            let digest = tags::digest(&tags);
            if agreed.get(id) != Some(&digest) {
                agreed.insert(id.clone(), digest);
                self.unsaved.tags.insert((directory.to_owned(), id.clone()), Some((digest, tags)));
            }
        }
        for id in gone.into_iter().filter(|id| !waiting.contains(id)) {
            if agreed.remove(&id).is_some() {
                for directory in desired.collections.keys() {
                    self.unsaved.tags.insert((directory.clone(), id.clone()), None);
                }
            }
        }
    }

    /// Carry the changes that wait into the manifests, and make the rows equal to them. `scanned` is brought up to date.
    pub(super) async fn carry_tags(
        &mut self,
        scanned: &mut Scanned,
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let waiting = std::mem::take(&mut self.decided.tags_waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        self.persist_tags().await; // the agreements have to be there to be read
        let scope = Scope::Artifacts(waiting);
        let Some(cache) = &mut self.cache else { return Ok(()) };
        let actual = cache.load(&scope).await.map_err(|error| self.give_up_cache(error))?;
        let Scope::Artifacts(waiting) = scope else { return Ok(()) };
        let mut by_directory: BTreeMap<String, BTreeMap<&ArtifactId, Vec<String>>> = BTreeMap::new();
        for id in &waiting {
            if let Some((directory, artifact)) = home(&scanned.desired, id) {
                let in_file = artifact.entry.tags();
                by_directory.entry(directory.to_owned()).or_default().insert(id, in_file);
            }
        }
        let (mut carried, mut left) = (waiting.clone(), BTreeSet::new());
        let mut rewritten = BTreeMap::new();
        let mut held_up = None;
        for (directory, in_file) in by_directory {
            let bases =
                self.state.agreed_tags_of(&directory, in_file.keys().copied()).await.unwrap_or_default();
            let merged = in_file.iter().filter_map(|(id, in_file)| {
                let base = bases.get(*id).map(Vec::as_slice);
                Some(((*id).clone(), merge_tags(base, &db_tags(&actual, id), in_file)?))
            });
            let edits = SectionEdits { artifact_tags: merged.collect(), ..SectionEdits::default() };
            if edits.is_empty() {
                continue;
            }
            rewritten.insert(directory.clone(), Dirt::Parts { manifest: true, paths: BTreeSet::new() });
            if let Err(error) = self.write_tags(&directory, &in_file, &edits) {
                let why = format!("tags from the database cannot be written: {}", board::chain(&error));
                if error.is_transient() || matches!(error, WriteError::Patch(PatchError::Moved)) {
                    held_up = Some(why.clone());
                }
                carried.retain(|id| !edits.artifact_tags.contains_key(id));
                left.extend(edits.artifact_tags.into_keys());
                findings.problems.push(Problem::new(manifest_of(&directory), why));
            }
        }
        if !rewritten.is_empty() {
            *scanned = self.scan(&ScanScope::Collections(rewritten))?;
        }
        let agreed = Arc::make_mut(&mut self.memory.agreed_tags);
        for id in &carried {
            agreed.remove(id); // what the file says now is what shall stand
        }
        let scope = Scope::Artifacts(carried);
        self.apply(&scanned.desired, &scope, &scope, findings).await?;
        self.decided.tags_waiting.extend(left); // tried, and told, again with every look
        held_up.map_or(Ok(()), |why| Err(Stop::new(Setback::Transient, why)))
    }

    fn write_tags(
        &mut self,
        directory: &str,
        in_file: &BTreeMap<&ArtifactId, Vec<String>>,
        edits: &SectionEdits,
    ) -> Result<(), WriteError<PatchError>> {
        let now = Utc::now().naive_utc();
        let replaced = &mut self.exchange.replaced;
        write::rewrite(
            &self.paths.root.join(manifest_of(directory)),
            &mut |text| {
                let in_place = manifest::parse(text.as_bytes(), None).map_err(|_| PatchError::Moved)?;
                let is_moved = in_place.manifest.entries.iter().any(|entry| {
                    let id = entry.id();
                    edits.artifact_tags.contains_key(&id) && in_file.get(&id) != Some(&entry.tags())
                });
                if is_moved {
                    return Err(PatchError::Moved);
                }
                Ok(edit::edit_sections(text, edits, now)?)
            },
            &mut |previous| replaced.push((directory.to_owned(), previous.to_vec())),
        )?;
        tracing::info!(
            collection = directory,
            artifacts = edits.artifact_tags.len(),
            "tags from the database written"
        );
        Ok(())
    }
}
