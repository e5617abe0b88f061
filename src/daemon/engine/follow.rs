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
use std::sync::Arc;
use std::time::SystemTime;

use chrono::Utc;

use super::{Bases, Engine, Findings};
use crate::daemon::board;
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::edit::{self, EditError, EntryEdit};
use crate::domain::follow;
use crate::domain::frontmatter::Extracted;
use crate::domain::model::{ArtifactId, Desired, Metadata, Problem};
use crate::fs::artifact::Frontmatter;
use crate::fs::scan::{Scanned, SeenFrontmatter};
use crate::fs::write::{self, Outcome, WriteError};
use crate::state::{State, StateError};

/// The bases that an earlier run saved.
pub(super) async fn load(state: &State) -> Result<Bases, StateError> {
    let saved: BTreeMap<(String, ArtifactId), Metadata> = state.bases().await?;
    let base = |metadata| {
        let extracted = Extracted { metadata, problems: Vec::new(), sound: true };
        Arc::new(Frontmatter { file: String::new(), extracted })
    };
    Ok(saved.into_iter().map(|(key, metadata)| (key, base(metadata))).collect())
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
            let known = self.bases.contains_key(&(seen.collection.clone(), seen.id.clone()));
            let first_empty = !known && !extracted.sound && extracted.problems.is_empty();
            if (extracted.sound || first_empty) && !self.is_base(seen) {
                changed.entry(&seen.collection).or_default().push(seen);
            }
        }
        let mut rewritten = BTreeMap::new();
        for (collection, seen) in changed {
            match self.carry(collection, &seen, &mut followed.replaced) {
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
                let key = (seen.collection.clone(), seen.id.clone());
                self.bases.insert(key.clone(), Arc::clone(&seen.frontmatter));
                self.unsaved.bases.insert(key);
            }
        }
        followed.rewritten = (!rewritten.is_empty()).then_some(ScanScope::Collections(rewritten));
        followed
    }

    fn is_base(&mut self, seen: &SeenFrontmatter) -> bool {
        match self.bases.get_mut(&(seen.collection.clone(), seen.id.clone())) {
            Some(base) if Arc::ptr_eq(base, &seen.frontmatter) => true,
            Some(base) if base.extracted.metadata == seen.frontmatter.extracted.metadata => {
                *base = Arc::clone(&seen.frontmatter); // one copy in memory, and the quick way next time
                true
            }
            _ => false,
        }
    }

    /// Edit the entries of a manifest as their frontmatter asks; whether the file was written.
    fn carry(
        &mut self,
        collection: &str,
        seen: &[&SeenFrontmatter],
        replaced: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<bool, WriteError<EditError>> {
        if !self.config.metadata.follow_frontmatter {
            return Ok(false);
        }
        let edits: Vec<EntryEdit> = seen
            .iter()
            .map(|seen| {
                let base = self.bases.get(&(seen.collection.clone(), seen.id.clone()));
                let base = base.map(|base| follow::as_entry(&base.extracted.metadata));
                let now = follow::as_entry(&seen.frontmatter.extracted.metadata);
                let fields = follow::follow(base.as_ref(), &now);
                EntryEdit { id: seen.id.clone(), fields }
            })
            .filter(|edit| !edit.fields.is_empty())
            .collect();
        if edits.is_empty() {
            return Ok(false);
        }
        let now = Utc::now().naive_utc();
        let outcome = write::rewrite(
            &self.paths.root.join(manifest_of(collection)),
            &mut |text| edit::edit(text, &edits, now),
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

    /// Remove temporary files that a killed writer left beside the manifests. Each may hold an update that nobody else
    /// has, so its text goes into the history first.
    pub(super) async fn sweep(&mut self, desired: &Desired) {
        for collection in desired.collections.keys() {
            let manifest = self.paths.collections.join(collection).join("collection.toml");
            // No manifest, no place to sweep; that is a problem the scan has told.
            for stray in write::sweep(&manifest, SystemTime::now()).unwrap_or_default() {
                tracing::info!(path = %stray.path.display(), "removed what a killed writer left; its text is in the history");
                self.keep(collection, &stray.bytes).await;
            }
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
