//! What a person looks through and decides: conflicts, and the previous texts of manifests.
//!
//! What this module does not do: wait for what follows. A decision is in force when it is answered, and the next
//! reconcile carries it to where else it belongs.

use std::convert::Infallible;

use chrono::{DateTime, Utc};

use super::{Engine, Stop};
use crate::control::Review;
use crate::control::protocol::review::{
    Conflict, Conflicts, History, Pick, Resolve, Resolved, Restored, Side, Version, VersionText,
};
use crate::control::protocol::{Refusal, VERSION};
use crate::daemon::board;
use crate::domain::dirty::ScanScope;
use crate::domain::manifest;
use crate::domain::merge;
use crate::domain::owned::FileSide;
use crate::fs::write::{self, Outcome};
use crate::state::{Kept, StateError};

/// The least digits that name a text.
const PREFIX: usize = 8;

impl Engine {
    /// Answer a person.
    pub(super) async fn review(&mut self, review: Review) {
        // Whoever asked may have gone.
        match review {
            Review::Conflicts(reply) => drop(reply.send(Ok(self.conflicts()))),
            Review::Resolve(resolve, reply) => drop(reply.send(self.resolve(resolve).await)),
            Review::History(collection, reply) => drop(reply.send(self.history(collection).await)),
            Review::Show(pick, reply) => drop(reply.send(self.show(&pick).await)),
            Review::Restore(pick, reply) => drop(reply.send(self.restore(&pick).await)),
        }
    }

    fn conflicts(&self) -> Conflicts {
        let conflicts = self.exchange.conflicts.iter().map(|kept| Conflict {
            id: kept.id.clone(),
            collection: kept.collection.clone(),
            noticed_at: rfc3339(kept.at_ms),
            about: format!("{} of {}", kept.conflict.field, kept.conflict.subject),
            ours: json(&kept.conflict.ours),
            theirs: json(&kept.conflict.theirs),
        });
        Conflicts { schema: VERSION, conflicts: conflicts.collect() }
    }

    async fn resolve(&mut self, resolve: Resolve) -> Result<Resolved, Refusal> {
        let known = self.exchange.conflicts.iter().map(|kept| kept.id.clone());
        let ids: Vec<String> = match resolve.ids {
            None => known.collect(),
            Some(ids) => {
                let known: Vec<String> = known.collect();
                if let Some(unknown) = ids.iter().find(|id| !known.contains(id)) {
                    let detail =
                        format!("there is no conflict {unknown}; perhaps it has been decided already");
                    return Err(Refusal::new(404, "no such conflict", detail));
                }
                ids
            }
        };
        if resolve.side == Side::Theirs {
            self.put_theirs(&ids).await.map_err(refuse)?;
        }
        self.forget_conflicts(&ids).await.map_err(|error| broken(&error))?;
        tracing::info!(conflicts = ids.len(), side = ?resolve.side, "conflicts decided by a person");
        Ok(Resolved { schema: VERSION, resolved: ids })
    }

    async fn history(&self, collection: Option<String>) -> Result<History, Refusal> {
        let kept = self.state.kept_manifests(collection.as_deref()).await.map_err(|error| broken(&error))?;
        let versions = kept.into_iter().map(|kept| Version {
            collection: kept.collection,
            version: kept.sha256,
            replaced_at: rfc3339(kept.written_at_ms),
            bytes: kept.bytes,
        });
        Ok(History { schema: VERSION, versions: versions.collect() })
    }

    async fn show(&self, pick: &Pick) -> Result<VersionText, Refusal> {
        let (version, text) = self.version(pick).await?;
        Ok(VersionText {
            schema: VERSION,
            collection: pick.collection.clone(),
            version,
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    async fn restore(&mut self, pick: &Pick) -> Result<Restored, Refusal> {
        let (version, text) = self.version(pick).await?;
        let text = String::from_utf8(text).map_err(|_| {
            Refusal::new(409, "not restored", "this text is not UTF-8, which a manifest has to be")
        })?;
        let sections = manifest::parse_sections(&text).map_err(|problem| {
            Refusal::new(409, "not restored", format!("this text is no manifest: {}", problem.message))
        })?;
        let manifest = self.paths.root.join(super::follow::manifest_of(&pick.collection));
        let mut replaced = Vec::new();
        let outcome = write::rewrite::<Infallible>(&manifest, &mut |_| Ok(text.clone()), &mut |previous| {
            replaced.push(previous.to_vec());
        })
        .map_err(|error| Refusal::new(409, "not restored", board::chain(&error)))?;
        for previous in &replaced {
            self.keep(&pick.collection, previous).await;
        }
        tracing::info!(collection = pick.collection, version, "an earlier manifest was put back by a person");
        self.exchange.is_meant(&pick.collection, &FileSide::from(&sections));
        let changed = matches!(outcome, Outcome::Written { .. });
        Ok(Restored { schema: VERSION, collection: pick.collection.clone(), version, changed })
    }

    /// Put the values that gave way in these conflicts into force.
    pub(super) async fn put_theirs(&mut self, ids: &[String]) -> Result<(), Stop> {
        let decided = self.exchange.conflicts.iter().filter(|kept| ids.contains(&kept.id));
        let theirs: Vec<merge::Conflict> = decided.map(|kept| kept.conflict.clone()).collect();
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

    /// The text that a person names by the beginning of its digest.
    async fn version(&self, pick: &Pick) -> Result<(String, Vec<u8>), Refusal> {
        let missing = || {
            let detail = format!(
                "no text {} of collection {} is kept; `skillmeatd history list` shows what there is",
                pick.version, pick.collection
            );
            Refusal::new(404, "no such text", detail)
        };
        if pick.version.len() < PREFIX {
            let detail = format!("write at least the first {PREFIX} digits of the text's id");
            return Err(Refusal::new(422, "too short", detail));
        }
        let kept = self.state.kept_manifests(Some(&pick.collection)).await.map_err(|error| broken(&error))?;
        let mut found = kept.into_iter().filter(|kept| kept.sha256.starts_with(&pick.version));
        let Kept { collection, sha256, .. } = match (found.next(), found.next()) {
            (Some(kept), None) => kept,
            (None, _) => return Err(missing()),
            (Some(_), Some(_)) => {
                return Err(Refusal::new(
                    422,
                    "not one text",
                    "several texts begin so; write more of the id",
                ));
            }
        };
        let text = self.state.kept_manifest(&collection, &sha256).await.map_err(|error| broken(&error))?;
        Ok((sha256, text.ok_or_else(missing)?))
    }
}

fn json(value: &Option<impl serde::Serialize>) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn rfc3339(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms).map(board::rfc3339).unwrap_or_default()
}

fn broken(error: &StateError) -> Refusal {
    Refusal::new(503, "state not readable", board::chain(error))
}

fn refuse(stop: Stop) -> Refusal {
    Refusal::new(503, "not resolved", stop.why)
}
