//! Records kept by key: readings of artifacts, frontmatter bases, single values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::State;
use super::error::Result;
use crate::domain::model::{ArtifactId, Kind};

/// Which artifact's files a reading is of: one path may be listed as more than one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanKey {
    /// The collection directory's name.
    pub collection: String,
    /// As what it was read.
    pub kind: Kind,
    /// Relative to the collection.
    pub path: String,
}

impl State {
    /// Every reading. One that no longer has the shape of `P` (an older version wrote it) is left out: it is only a
    /// shortcut, and the files will be read instead.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn scans<P: DeserializeOwned>(&self) -> Result<BTreeMap<ScanKey, P>> {
        let mut scans = BTreeMap::new();
        for row in self.rows("SELECT collection, kind, path, payload FROM scans", vec![]).await? {
            let (kind, payload): (String, String) = (row.try_get_by_index(1)?, row.try_get_by_index(3)?);
            if let (Ok(kind), Ok(payload)) = (kind.parse(), serde_json::from_str(&payload)) {
                let key =
                    ScanKey { collection: row.try_get_by_index(0)?, kind, path: row.try_get_by_index(2)? };
                scans.insert(key, payload);
            }
        }
        Ok(scans)
    }

    /// Keeps `Some` and forgets `None`.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_scans<P: Serialize>(&self, changes: &BTreeMap<ScanKey, Option<P>>) -> Result<()> {
        let (mut keep, mut forget) = (Vec::new(), Vec::new());
        for (key, payload) in changes {
            let kind = key.kind.as_str();
            match payload {
                Some(payload) => {
                    keep.push(json!([key.collection, kind, key.path, serde_json::to_string(payload)?]));
                }
                None => forget.push(json!([key.collection, kind, key.path])),
            }
        }
        self.write(vec![
            (
                "INSERT INTO scans (collection, kind, path, payload)
                    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
                    ON CONFLICT DO UPDATE SET payload = excluded.payload",
                vec![json!(keep).to_string().into()],
            ),
            (
                "DELETE FROM scans WHERE (collection, kind, path) IN
                    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))",
                vec![json!(forget).to_string().into()],
            ),
        ])
        .await
    }

    /// Every frontmatter base, by collection directory and artifact. One that cannot be read counts as not there: the
    /// next sight of the artifact records a new one.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn bases<P: DeserializeOwned>(&self) -> Result<BTreeMap<(String, ArtifactId), P>> {
        let mut bases = BTreeMap::new();
        for row in self.rows("SELECT collection, artifact, payload FROM bases", vec![]).await? {
            let (artifact, payload): (String, String) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            if let (Ok(artifact), Ok(payload)) = (artifact.parse(), serde_json::from_str(&payload)) {
                bases.insert((row.try_get_by_index(0)?, artifact), payload);
            }
        }
        Ok(bases)
    }

    /// Keeps `Some` and forgets `None`.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_bases<P: Serialize>(
        &self,
        changes: &BTreeMap<(String, ArtifactId), Option<P>>,
    ) -> Result<()> {
        let (mut keep, mut forget) = (Vec::new(), Vec::new());
        for ((collection, artifact), payload) in changes {
            let artifact = artifact.to_string();
            match payload {
                Some(payload) => keep.push(json!([collection, artifact, serde_json::to_string(payload)?])),
                None => forget.push(json!([collection, artifact])),
            }
        }
        self.write(vec![
            (
                "INSERT INTO bases (collection, artifact, payload)
                    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
                    ON CONFLICT DO UPDATE SET payload = excluded.payload",
                vec![json!(keep).to_string().into()],
            ),
            (
                "DELETE FROM bases WHERE (collection, artifact) IN
                    (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
                vec![json!(forget).to_string().into()],
            ),
        ])
        .await
    }

    /// The value under `key`; `None` if there is none of that shape.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn value<P: DeserializeOwned>(&self, key: &str) -> Result<Option<P>> {
        let rows = self.rows("SELECT value FROM meta WHERE key = ?", vec![key.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(serde_json::from_str(&row.try_get_by_index::<String>(0)?).ok())
    }

    /// Keeps a value under `key`, or forgets it.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_value<P: Serialize>(&self, key: &str, value: Option<&P>) -> Result<()> {
        let statement = match value {
            Some(value) => (
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                vec![key.into(), serde_json::to_string(value)?.into()],
            ),
            None => ("DELETE FROM meta WHERE key = ?", vec![key.into()]),
        };
        self.write(vec![statement]).await
    }
}
