//! Records kept by key: readings of artifacts, frontmatter bases, single values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait, Value};

use super::State;
use super::error::Result;
use crate::domain::model::{ArtifactId, Kind};

/// Rows read or written at once: a quarter of a megabyte.
const PAGE: usize = 200;

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
    /// Gives every reading to `take`. One that no longer has the shape of `P` (an older version wrote it) is left out: it
    /// is only a shortcut, and the files will be read instead.
    ///
    /// # Errors
    /// See [`super::StateError`]; what came before was given.
    pub async fn scans<P: DeserializeOwned>(&self, mut take: impl FnMut(ScanKey, P)) -> Result<()> {
        let sql = format!(
            "SELECT json_group_array(json_array(collection, kind, path, payload)) FROM (SELECT * FROM scans
                WHERE (collection, kind, path) > (?, ?, ?) ORDER BY collection, kind, path LIMIT {PAGE})"
        );
        let mut last = [String::new(), String::new(), String::new()];
        loop {
            let page: Vec<[String; 4]> = self.page(&sql, &last).await?;
            let count = page.len();
            for [collection, kind, path, payload] in page {
                if let (Ok(kind), Ok(payload)) = (kind.parse(), serde_json::from_str(&payload)) {
                    take(ScanKey { collection: collection.clone(), kind, path: path.clone() }, payload);
                }
                last = [collection, kind, path];
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }

    /// Keeps `Some` and forgets `None`.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_scans<P: Serialize>(&self, changes: &BTreeMap<ScanKey, Option<P>>) -> Result<()> {
        let change = |(key, payload): (&ScanKey, &Option<P>)| {
            let place = [key.collection.clone(), key.kind.to_string(), key.path.clone()];
            Ok((place, payload.as_ref().map(serde_json::to_string).transpose()?))
        };
        self.save(
            "INSERT INTO scans (collection, kind, path, payload)
                SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
                ON CONFLICT DO UPDATE SET payload = excluded.payload",
            "DELETE FROM scans WHERE (collection, kind, path) IN
                (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))",
            changes.iter().map(change),
        )
        .await
    }

    /// Gives every frontmatter base to `take`, by collection directory and artifact. One that cannot be read counts as
    /// not there: the next sight of the artifact records a new one.
    ///
    /// # Errors
    /// See [`super::StateError`]; what came before was given.
    pub async fn bases<P: DeserializeOwned>(
        &self,
        mut take: impl FnMut(String, ArtifactId, P),
    ) -> Result<()> {
        let sql = format!(
            "SELECT json_group_array(json_array(collection, artifact, payload)) FROM (SELECT * FROM bases
                WHERE (collection, artifact) > (?, ?) ORDER BY collection, artifact LIMIT {PAGE})"
        );
        let mut last = [String::new(), String::new()];
        loop {
            let page: Vec<[String; 3]> = self.page(&sql, &last).await?;
            let count = page.len();
            for [collection, artifact, payload] in page {
                if let (Ok(id), Ok(payload)) = (artifact.parse(), serde_json::from_str(&payload)) {
                    take(collection.clone(), id, payload);
                }
                last = [collection, artifact];
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }

    /// The frontmatter base of one artifact; `None` if there is none of that shape.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn base<P: DeserializeOwned>(
        &self,
        collection: &str,
        artifact: &ArtifactId,
    ) -> Result<Option<P>> {
        let sql = "SELECT payload FROM bases WHERE collection = ? AND artifact = ?";
        let rows = self.rows(sql, vec![collection.into(), artifact.to_string().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(serde_json::from_str(&row.try_get_by_index::<String>(0)?).ok())
    }

    /// Keeps `Some` and forgets `None`.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn save_bases<P: Serialize>(
        &self,
        changes: &BTreeMap<(String, ArtifactId), Option<P>>,
    ) -> Result<()> {
        let change = |((collection, artifact), payload): (&(String, ArtifactId), &Option<P>)| {
            let place = [collection.clone(), artifact.to_string()];
            Ok((place, payload.as_ref().map(serde_json::to_string).transpose()?))
        };
        self.save(
            "INSERT INTO bases (collection, artifact, payload)
                SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
                ON CONFLICT DO UPDATE SET payload = excluded.payload",
            "DELETE FROM bases WHERE (collection, artifact) IN
                (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
            changes.iter().map(change),
        )
        .await
    }

    /// The packed rows that `sql` makes of the parameters.
    async fn page<R: DeserializeOwned>(&self, sql: &str, after: &[String]) -> Result<Vec<R>> {
        let rows = self.rows(sql, after.iter().map(|text| text.clone().into()).collect()).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        Ok(serde_json::from_str(&row.try_get_by_index::<String>(0)?)?)
    }

    /// Writes changes in one transaction, so many at a time that their JSON stays small: `keep` is given arrays of the
    /// key's parts and the payload, `forget` of the key's parts.
    async fn save<const N: usize>(
        &self,
        keep: &str,
        forget: &str,
        changes: impl Iterator<Item = Result<([String; N], Option<String>)>>,
    ) -> Result<()> {
        let mut changes = changes;
        let mut next_page = || -> Result<Vec<Statement>> {
            let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
            for change in changes.by_ref().take(PAGE) {
                let (place, payload) = change?;
                let mut row = Vec::from(place);
                match payload {
                    Some(payload) => {
                        row.push(payload);
                        kept.push(row);
                    }
                    None => forgotten.push(row),
                }
            }
            let statement = |(sql, rows): (&str, Vec<Vec<String>>)| {
                let values: Vec<Value> = vec![serde_json::to_string(&rows)?.into()];
                Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
            };
            let filled = [(keep, kept), (forget, forgotten)].into_iter().filter(|(_, rows)| !rows.is_empty());
            filled.map(statement).collect()
        };
        let txn = self.db.begin().await?;
        let mut page = next_page()?;
        while !page.is_empty() {
            let written = async {
                for statement in page {
                    txn.execute_raw(statement).await?;
                }
                Result::Ok(())
            };
            // SQLite works on a thread of its own; meanwhile the next page is put together on this one.
            let (written, next) = tokio::join!(written, async { next_page() });
            written?;
            page = next?;
        }
        Ok(txn.commit().await?)
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
