//! Sets of artifacts by collection: what a manifest named when it was last good, and which removals a person confirmed.
//! A set may be known and empty, which is not the same as unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::State;
use super::error::Result;
use crate::domain::model::ArtifactId;

/// The statements of one kind of set.
struct Tables {
    load: &'static str,
    announce: &'static str,
    shrink: &'static str,
    grow: &'static str,
    forget: &'static str,
}

const SEEN: Tables = Tables {
    load: "SELECT c.collection, json_group_array(a.artifact)
        FROM seen_collections c LEFT JOIN seen_artifacts a USING (collection) GROUP BY c.collection",
    announce: "INSERT INTO seen_collections (collection, at_ms) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms",
    shrink: "DELETE FROM seen_artifacts
        WHERE collection = ? AND artifact NOT IN (SELECT value FROM json_each(?))",
    grow: "INSERT INTO seen_artifacts (collection, artifact) SELECT ?, value FROM json_each(?) WHERE true
        ON CONFLICT DO NOTHING",
    forget: "DELETE FROM seen_collections WHERE collection = ?",
};

const CONFIRMED: Tables = Tables {
    load:
        "SELECT c.collection, json_group_array(a.artifact)
        FROM confirmed_collections c LEFT JOIN confirmed_artifacts a USING (collection) GROUP BY c.collection",
    announce: "INSERT INTO confirmed_collections (collection, at_ms) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms",
    shrink: "DELETE FROM confirmed_artifacts
        WHERE collection = ? AND artifact NOT IN (SELECT value FROM json_each(?))",
    grow:
        "INSERT INTO confirmed_artifacts (collection, artifact) SELECT ?, value FROM json_each(?) WHERE true
        ON CONFLICT DO NOTHING",
    forget: "DELETE FROM confirmed_collections WHERE collection = ?",
};

impl State {
    /// What each directory's manifest named when it was last read without doubt
    /// ([`crate::domain::removal::Memory::seen`]).
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn seen(&self) -> Result<BTreeMap<String, BTreeSet<ArtifactId>>> {
        self.sets(&SEEN).await
    }

    /// Keeps what a directory's manifest names at `at_ms` (milliseconds since 1970), or forgets the directory. Writes
    /// only the difference.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_seen(
        &self,
        collection: &str,
        artifacts: Option<&BTreeSet<ArtifactId>>,
        at_ms: i64,
    ) -> Result<()> {
        self.save_set(&SEEN, collection, artifacts, at_ms).await
    }

    /// The removals a person has confirmed ([`crate::domain::removal::Memory::confirmed`]).
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn confirmed(&self) -> Result<BTreeMap<String, BTreeSet<ArtifactId>>> {
        self.sets(&CONFIRMED).await
    }

    /// Keeps or forgets a confirmation.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_confirmed(
        &self,
        collection: &str,
        artifacts: Option<&BTreeSet<ArtifactId>>,
        at_ms: i64,
    ) -> Result<()> {
        self.save_set(&CONFIRMED, collection, artifacts, at_ms).await
    }

    async fn sets(&self, tables: &Tables) -> Result<BTreeMap<String, BTreeSet<ArtifactId>>> {
        let mut sets: BTreeMap<String, BTreeSet<ArtifactId>> = BTreeMap::new();
        for row in self.rows(tables.load, vec![]).await? {
            let named: Vec<Option<String>> = serde_json::from_str(&row.try_get_by_index::<String>(1)?)?;
            // A kind that this version does not know cannot be asked about either.
            let known = named.into_iter().flatten().filter_map(|artifact| artifact.parse().ok());
            sets.insert(row.try_get_by_index(0)?, known.collect());
        }
        Ok(sets)
    }

    async fn save_set(
        &self,
        tables: &Tables,
        collection: &str,
        artifacts: Option<&BTreeSet<ArtifactId>>,
        at_ms: i64,
    ) -> Result<()> {
        let Some(artifacts) = artifacts else {
            return self.write(vec![(tables.forget, vec![collection.into()])]).await;
        };
        let ids: Vec<String> = artifacts.iter().map(ToString::to_string).collect();
        let ids = json!(ids).to_string();
        self.write(vec![
            (tables.announce, vec![collection.into(), at_ms.into()]),
            (tables.shrink, vec![collection.into(), ids.clone().into()]),
            (tables.grow, vec![collection.into(), ids.into()]),
        ])
        .await
    }
}
