//! What database and manifests agreed on: the bases of the three-way merge, the sections that were seen in manifests,
//! the tags of artifacts, and the conflicts that wait for a person.
//!
//! What this module does not do: compare, or know what a payload means.

use std::collections::BTreeMap;

use sea_orm::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::State;
use super::error::Result;
use crate::domain::model::ArtifactId;

/// How many digests are kept of each section of each collection. A stale copy comes back as old as the longest command
/// of SkillMeat's, minutes, in which a person or a script may change groups very often.
pub const KEPT_DIGESTS: usize = 200;

/// What to write down when a directory's database rows and manifest have become equal.
#[derive(Debug)]
pub struct Agreement<'a, B, C> {
    /// The collection directory's name.
    pub collection: &'a str,
    /// What they agree on.
    pub base: &'a B,
    /// Sections seen in the manifest, the oldest first: the section's name and its digest.
    pub seen: &'a [(&'static str, String)],
    /// Conflicts that have come up, by id. One that is known already stays as it was first told.
    pub conflicts: &'a BTreeMap<String, C>,
}

/// A conflict as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConflict<C> {
    /// Unique, and the same for the same conflict.
    pub id: String,
    /// The collection directory's name.
    pub collection: String,
    /// What it is about.
    pub conflict: C,
    /// When it was first noticed, milliseconds since 1970.
    pub at_ms: i64,
}

/// Agreed tags with their digest, by collection directory and artifact; `None` where there are none any more.
pub type TagChanges = BTreeMap<(String, ArtifactId), Option<(u64, Vec<String>)>>;

impl State {
    /// The agreement of every directory. One of another shape (a later or older version wrote it) counts as none.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn agreements<B: DeserializeOwned>(&self) -> Result<BTreeMap<String, B>> {
        let mut agreements = BTreeMap::new();
        for row in self.rows("SELECT collection, payload FROM agreements", vec![]).await? {
            if let Ok(base) = serde_json::from_str(&row.try_get_by_index::<String>(1)?) {
                agreements.insert(row.try_get_by_index(0)?, base);
            }
        }
        Ok(agreements)
    }

    /// Writes down an agreement with all that belongs to it.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_agreement<B: Serialize, C: Serialize>(
        &self,
        agreement: &Agreement<'_, B, C>,
        at_ms: i64,
    ) -> Result<()> {
        let Agreement { collection, base, seen, conflicts } = *agreement;
        let mut statements: Vec<(&str, Vec<Value>)> = vec![(
            "INSERT INTO agreements (collection, payload) VALUES (?, ?)
                ON CONFLICT DO UPDATE SET payload = excluded.payload",
            vec![collection.into(), serde_json::to_string(base)?.into()],
        )];
        statements.extend(seen_statements(collection, seen));
        if !conflicts.is_empty() {
            statements.push(conflicts_statement(collection, conflicts, at_ms)?);
        }
        self.write(statements).await
    }

    /// Writes down conflicts while there is no agreement: what gives way in them is about to be overwritten.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_conflicts<C: Serialize>(
        &self,
        collection: &str,
        conflicts: &BTreeMap<String, C>,
        at_ms: i64,
    ) -> Result<()> {
        self.write(vec![conflicts_statement(collection, conflicts, at_ms)?]).await
    }

    /// Writes down sections that were seen in a manifest, the oldest first, while there is no agreement.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_seen_sections(&self, collection: &str, seen: &[(&'static str, String)]) -> Result<()> {
        self.write(seen_statements(collection, seen)).await
    }

    /// The digests of every section seen, by collection directory and section, the oldest first.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn seen_sections(&self) -> Result<BTreeMap<(String, String), Vec<String>>> {
        let mut seen: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let sql = "SELECT collection, section, digest FROM sections_seen ORDER BY seq";
        for row in self.rows(sql, vec![]).await? {
            let key = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            seen.entry(key).or_default().push(row.try_get_by_index(2)?);
        }
        Ok(seen)
    }

    /// Every conflict, by collection, the oldest first. One of another shape is left out.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn conflicts<C: DeserializeOwned>(&self) -> Result<Vec<KeptConflict<C>>> {
        let sql = "SELECT id, collection, payload, at_ms FROM conflicts ORDER BY collection, at_ms, id";
        let mut conflicts = Vec::new();
        for row in self.rows(sql, vec![]).await? {
            if let Ok(conflict) = serde_json::from_str(&row.try_get_by_index::<String>(2)?) {
                conflicts.push(KeptConflict {
                    id: row.try_get_by_index(0)?,
                    collection: row.try_get_by_index(1)?,
                    conflict,
                    at_ms: row.try_get_by_index(3)?,
                });
            }
        }
        Ok(conflicts)
    }

    /// Forgets conflicts that have been decided.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn forget_conflicts(&self, ids: &[String]) -> Result<()> {
        let sql = "DELETE FROM conflicts WHERE id IN (SELECT value FROM json_each(?))";
        self.write(vec![(sql, vec![json!(ids).to_string().into()])]).await
    }

    /// The digest of every artifact's agreed tags, by collection directory and artifact.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn agreed_tag_digests(&self) -> Result<BTreeMap<(String, ArtifactId), u64>> {
        let rows = self.rows("SELECT collection, artifact, digest FROM agreed_tags", vec![]).await?;
        let mut agreed = BTreeMap::new();
        for row in &rows {
            if let Ok(artifact) = row.try_get_by_index::<String>(1)?.parse() {
                let digest: i64 = row.try_get_by_index(2)?;
                agreed.insert((row.try_get_by_index(0)?, artifact), digest.cast_unsigned());
            }
        }
        Ok(agreed)
    }

    /// The agreed tags of these artifacts of one collection.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn agreed_tags_of(
        &self,
        collection: &str,
        artifacts: impl Iterator<Item = &ArtifactId>,
    ) -> Result<BTreeMap<ArtifactId, Vec<String>>> {
        let ids: Vec<String> = artifacts.map(ToString::to_string).collect();
        let sql = "SELECT artifact, payload FROM agreed_tags
            WHERE collection = ? AND artifact IN (SELECT value FROM json_each(?))";
        let mut agreed = BTreeMap::new();
        for row in self.rows(sql, vec![collection.into(), json!(ids).to_string().into()]).await? {
            let (artifact, payload): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            if let (Ok(artifact), Ok(tags)) = (artifact.parse(), serde_json::from_str(&payload)) {
                agreed.insert(artifact, tags);
            }
        }
        Ok(agreed)
    }

    /// Keeps `Some`, tags with their digest, and forgets `None`.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_agreed_tags(&self, changes: &TagChanges) -> Result<()> {
        let (mut keep, mut forget) = (Vec::new(), Vec::new());
        for ((collection, artifact), tags) in changes {
            match tags {
                Some((digest, tags)) => keep.push(json!([
                    collection,
                    artifact.to_string(),
                    digest.cast_signed(),
                    json!(tags).to_string()
                ])),
                None => forget.push(json!([collection, artifact.to_string()])),
            }
        }
        self.write(vec![
            (
                "INSERT INTO agreed_tags (collection, artifact, digest, payload)
                    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
                    ON CONFLICT DO UPDATE SET digest = excluded.digest, payload = excluded.payload",
                vec![json!(keep).to_string().into()],
            ),
            (
                "DELETE FROM agreed_tags WHERE (collection, artifact) IN
                    (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
                vec![json!(forget).to_string().into()],
            ),
        ])
        .await
    }
}

fn conflicts_statement<C: Serialize>(
    collection: &str,
    conflicts: &BTreeMap<String, C>,
    at_ms: i64,
) -> Result<(&'static str, Vec<Value>)> {
    let mut rows = Vec::new();
    for (id, conflict) in conflicts {
        rows.push(json!([id, collection, serde_json::to_string(conflict)?, at_ms]));
    }
    let sql = "INSERT INTO conflicts (id, collection, payload, at_ms)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
        ON CONFLICT DO NOTHING";
    Ok((sql, vec![json!(rows).to_string().into()]))
}

/// A section seen again moves to the front; the oldest beyond [`KEPT_DIGESTS`] go.
fn seen_statements(collection: &str, seen: &[(&'static str, String)]) -> Vec<(&'static str, Vec<Value>)> {
    let limit = i64::try_from(KEPT_DIGESTS).unwrap_or(i64::MAX);
    let mut statements = Vec::new();
    for (section, digest) in seen {
        statements.extend([
            (
                "INSERT OR REPLACE INTO sections_seen (collection, section, digest) VALUES (?, ?, ?)",
                vec![collection.into(), (*section).into(), digest.clone().into()],
            ),
            (
                "DELETE FROM sections_seen WHERE collection = ? AND section = ? AND seq NOT IN
                    (SELECT seq FROM sections_seen WHERE collection = ? AND section = ?
                        ORDER BY seq DESC LIMIT ?)",
                vec![
                    collection.into(),
                    (*section).into(),
                    collection.into(),
                    (*section).into(),
                    limit.into(),
                ],
            ),
        ]);
    }
    statements
}

#[cfg(test)]
mod tests;
