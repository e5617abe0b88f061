//! Hand edits of an artifact's entry file follow into the manifest.
//!
//! The base of each artifact is what its frontmatter said when it was last looked at. It is saved *after* the write it
//! led to, so that a crash between the two only means that the same edit is found, and found done, again.
//!
//! [`Engine::sweep`] also stands here: it tidies up after writers of the same file.
//!
//! What this module does not do: touch `collection.lock`, whose hashes are SkillMeat's own drift detection, or the
//! `extra` tables of an entry, which only `skillmeat update` re-derives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::Utc;

use super::{Bases, Engine, Findings};
use crate::daemon::board;
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::edit::{self, EditError, EntryEdit};
use crate::domain::follow;
use crate::domain::model::{Desired, Metadata, Problem};
use crate::fs::scan::{Scanned, SeenFrontmatter};
use crate::fs::write::{self, Outcome, WriteError};
use crate::state::{State, StateError};

/// The bases that an earlier run saved.
pub(super) async fn load(state: &State) -> Result<Bases, StateError> {
    let mut bases = Bases::new();
    let take = |collection, id, metadata: Metadata| {
        bases.entry(collection).or_default().insert(id, follow::base_of(&metadata));
    };
    state.bases(take).await?;
    Ok(bases)
}

/// What following led to.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// What has to be scanned again, if any manifest was written.
    pub(super) rewritten: Option<ScanScope>,
    /// The texts that were replaced, with their collections; the history wants them.
    pub(super) replaced: Vec<(String, Vec<u8>)>,
    /// Whether every edit was carried over.
    pub(super) complete: bool,
    /// Why an edit was not, if that passes by itself.
    pub(super) held_up: Option<String>,
}

impl Engine {
    /// Carry changed frontmatter into the manifests.
    pub(super) async fn follow(&mut self, scanned: &Scanned, findings: &mut Findings) -> Followed {
        let mut followed = Followed { complete: true, ..Followed::default() };
        let mut changed: BTreeMap<&str, Vec<&SeenFrontmatter>> = BTreeMap::new();
        for seen in &scanned.frontmatter {
            // Frontmatter that is not sound is a problem, not an edit; of an empty file it is a base at most.
            let extracted = &seen.frontmatter.extracted;
            let known = self.bases.get(&seen.collection).and_then(|bases| bases.get(&seen.id));
            let first_empty = known.is_none() && !extracted.sound && extracted.problems.is_empty();
            if (extracted.sound || first_empty) && known != Some(&seen.frontmatter.base) {
                changed.entry(&seen.collection).or_default().push(seen);
            }
        }
        let mut rewritten = BTreeMap::new();
        for (collection, seen) in changed {
            let edits = match self.edits(&seen).await {
                Ok(edits) => edits,
                Err(error) => {
                    // Without its base an edit is not told from a first sight.
                    let why =
                        format!("what frontmatter said before cannot be read: {}", board::chain(&error));
                    followed.held_up = Some(why.clone());
                    findings.problems.push(Problem::new(manifest_of(collection), why));
                    followed.complete = false;
                    continue;
                }
            };
            match self.carry(collection, &edits, &mut followed.replaced) {
                Ok(true) => {
                    let manifest = Dirt::Parts { manifest: true, paths: BTreeSet::new() };
                    rewritten.insert(collection.to_owned(), manifest);
                }
                Ok(false) => {}
                Err(error) => {
                    // The bases stay as they were, so the edit is found again at the next look.
                    let why =
                        format!("an edit of frontmatter could not be carried over: {}", board::chain(&error));
                    if error.is_transient() {
                        followed.held_up = Some(why.clone());
                    }
                    findings.problems.push(Problem::new(manifest_of(collection), why));
                    followed.complete = false;
                    continue;
                }
            }
            for seen in seen {
                let bases = self.bases.entry(seen.collection.clone()).or_default();
                bases.insert(seen.id.clone(), seen.frontmatter.base);
                let key = (seen.collection.clone(), seen.id.clone());
                self.unsaved.bases.insert(key, Arc::clone(&seen.frontmatter));
            }
        }
        followed.rewritten = (!rewritten.is_empty()).then_some(ScanScope::Collections(rewritten));
        followed
    }

    /// What the artifact's frontmatter said when it was last followed; `None` at first sight.
    async fn base(&self, seen: &SeenFrontmatter) -> Result<Option<Metadata>, StateError> {
        if self.bases.get(&seen.collection).is_none_or(|bases| !bases.contains_key(&seen.id)) {
            return Ok(None);
        }
        match self.unsaved.bases.get(&(seen.collection.clone(), seen.id.clone())) {
            Some(unsaved) => Ok(Some(unsaved.extracted.metadata.clone())),
            None => self.state.base(&seen.collection, &seen.id).await,
        }
    }

    /// What changed frontmatter asks of the entries.
    async fn edits(&self, seen: &[&SeenFrontmatter]) -> Result<Vec<EntryEdit>, StateError> {
        let mut edits = Vec::new();
        if !self.config.metadata.follow_frontmatter {
            return Ok(edits);
        }
        for seen in seen {
            let base = self.base(seen).await?.map(|base| follow::as_entry(&base));
            let now = follow::as_entry(&seen.frontmatter.extracted.metadata);
            let fields = follow::follow(base.as_ref(), &now);
            if !fields.is_empty() {
                edits.push(EntryEdit { id: seen.id.clone(), fields });
            }
        }
        Ok(edits)
    }

    /// Edit the entries of a manifest; whether the file was written.
    fn carry(
        &mut self,
        collection: &str,
        edits: &[EntryEdit],
        replaced: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<bool, WriteError<EditError>> {
        if edits.is_empty() {
            return Ok(false);
        }
        let now = Utc::now().naive_utc();
        let outcome = write::rewrite(
            &self.paths.root.join(manifest_of(collection)),
            &mut |text| edit::edit(text, edits, now),
            &mut |previous| replaced.push((collection.to_owned(), previous.to_vec())),
        );
        match outcome {
            Ok(Outcome::Unchanged) => Ok(false),
            Ok(Outcome::Written { rounds, .. }) => {
                self.writes.add(false, rounds);
                tracing::info!(
                    collection,
                    entries = edits.len(),
                    rounds,
                    "hand edits followed into the manifest"
                );
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Remove temporary files that a killed writer left beside the manifests.
    pub(super) async fn sweep(&mut self, desired: &Desired) {
        for collection in desired.collections.keys() {
            let manifest = self.paths.collections.join(collection).join("collection.toml");
            self.sweep_beside(collection, &manifest, SystemTime::now()).await;
        }
    }

    /// Remove the strays of one file of a collection; `now` is what their age is told by. Each may hold an update that
    /// nobody else has, so its text goes into the history first.
    pub(super) async fn sweep_beside(&self, collection: &str, file: &Path, now: SystemTime) {
        // No file, no place to sweep; that is a problem the scan has told.
        for stray in write::sweep(file, now).unwrap_or_default() {
            tracing::info!(path = %stray.path.display(), "removed what a killed writer left; its text is in the history");
            self.keep(collection, &stray.bytes).await;
        }
    }

    /// Put a manifest's text into the history.
    pub(super) async fn keep(&self, collection: &str, text: &[u8]) {
        let kept = self.state.keep_manifest(collection, text, Utc::now().timestamp_millis()).await;
        self.state_trouble.note(kept.map(drop));
    }
}

/// The manifest's path below `~/.skillmeat`.
pub(super) fn manifest_of(collection: &str) -> String {
    format!("collections/{collection}/collection.toml")
}
