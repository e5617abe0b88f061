//! What the engine writes down for its next start.
//!
//! Almost nothing of it is needed before that, so a reconcile only notes what changed and [`Engine::persist`] writes it
//! when the answer is out. A note that cannot be written costs nothing but the next start's knowledge. The exception is
//! the bases ([`Engine::persist_bases`]): without the base of an artifact an edit of it cannot be told from its first
//! sight, so nobody is answered before they are down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;

use super::Engine;
use crate::daemon::board;
use crate::domain::model::{ArtifactId, Desired};
use crate::domain::plan::Decision;
use crate::domain::removal::Done;
use crate::domain::rows::Scope;
use crate::domain::telling::{Standing, Tell};
use crate::fs::artifact::Frontmatter;
use crate::fs::stat_cache::{CacheKey, CachedReading};
use crate::state::{ScanKey, StateError, TagChanges};

/// Whether our own state can be written.
#[derive(Debug, Default)]
pub(super) struct StateTrouble(Mutex<Standing>);

impl StateTrouble {
    /// Tell that it cannot be written when that begins, and when it is over.
    pub(super) fn note(&self, outcome: Result<(), StateError>) {
        let error = outcome.err().map(|error| board::chain(&error));
        let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner).is(error.clone());
        match (tell, error) {
            (Some(Tell::Begins), Some(error)) => tracing::warn!(
                error,
                "our own state cannot be written; all goes on, but the next start will know less"
            ),
            (Some(Tell::Over), _) => tracing::info!("our own state can be written again"),
            _ => {}
        }
    }
}

/// What changed in memory and is not written down yet.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Frontmatter that was followed.
    pub(super) bases: BTreeMap<(String, ArtifactId), Arc<Frontmatter>>,
    /// Tags that both sides agree on, with their digest.
    pub(super) tags: TagChanges,
    /// Directories whose entries are not the ones that were last written down.
    seen: BTreeSet<String>,
    /// Directories of which fewer removals are confirmed than were written down.
    confirmed: BTreeSet<String>,
}

impl Engine {
    /// Note what the manifests name now.
    pub(super) fn remember(
        &mut self,
        desired: &Desired,
        scope: &Scope,
        decision: &Decision,
        removed: &BTreeSet<ArtifactId>,
    ) {
        let before = &self.memory;
        let after = before.after(Done { desired, scope, absent: &decision.absent, removed });
        for directory in after.seen.keys().chain(before.seen.keys()) {
            if after.seen.get(directory) != before.seen.get(directory) {
                self.unsaved.seen.insert(directory.clone());
            }
        }
        for directory in before.confirmed.keys() {
            if after.confirmed.get(directory) != before.confirmed.get(directory) {
                self.unsaved.confirmed.insert(directory.clone());
            }
        }
        self.memory = after;
    }

    /// Write down what was noted, so that the next start need not read every file. Called when the answer is out
    /// already.
    pub async fn persist(&mut self) {
        self.persist_bases().await;
        self.persist_tags().await;
        self.persist_scans().await;
        let now = Utc::now().timestamp_millis();
        let Unsaved { bases: _, tags: _, seen, confirmed } = std::mem::take(&mut self.unsaved);
        for directory in seen {
            let ids = self.memory.seen.get(&directory).map(AsRef::as_ref);
            let outcome = self.state.save_seen(&directory, ids, now).await;
            self.state_trouble.note(outcome);
        }
        for directory in confirmed {
            let left = self.memory.confirmed.get(&directory);
            let outcome = self.state.save_confirmed(&directory, left, now).await;
            self.state_trouble.note(outcome);
        }
    }

    /// Write down what frontmatter said when it was followed. Called when the rows are committed and before the answer
    /// is out.
    pub(super) async fn persist_bases(&mut self) {
        let bases = std::mem::take(&mut self.unsaved.bases);
        if bases.is_empty() {
            return;
        }
        let changes: BTreeMap<_, _> =
            bases.iter().map(|(key, base)| (key.clone(), Some(&base.extracted.metadata))).collect();
        let outcome = self.state.save_bases(&changes).await;
        if outcome.is_err() {
            self.unsaved.bases = bases; // their texts are nowhere else; tried again the next time
        }
        self.state_trouble.note(outcome);
    }

    /// Write down which tags both sides agree on.
    pub(super) async fn persist_tags(&mut self) {
        let tags = std::mem::take(&mut self.unsaved.tags);
        if tags.is_empty() {
            return;
        }
        let outcome = self.state.save_agreed_tags(&tags).await;
        self.state_trouble.note(outcome);
    }

    async fn persist_scans(&mut self) {
        // A reading is not to outlive the base it was compared with.
        if !self.unsaved.bases.is_empty() {
            return;
        }
        let (changed, gone) = self.scanner.take_dirty();
        if changed.is_empty() && gone.is_empty() {
            return;
        }
        let key = |key: CacheKey| ScanKey { collection: key.collection, kind: key.kind, path: key.path };
        let changes: BTreeMap<ScanKey, Option<CachedReading>> = gone
            .into_iter()
            .map(|gone| (key(gone), None))
            .chain(changed.into_iter().map(|row| (key(row.key), Some(row.reading))))
            .collect();
        let outcome = self.state.save_scans(&changes).await;
        self.state_trouble.note(outcome);
    }
}
