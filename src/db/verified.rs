//! `synced_at`: when rows were last seen to say what the files say.
//!
//! What this module does not do: set it. That goes with the rows ([`super::sync`]).

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use tokio::time::Instant;

use super::Cache;
use super::error::Result;
use super::hold::Purpose;
use super::load::{Cells, all};
use super::read::cutoff;
use crate::domain::model::ArtifactId;
use crate::domain::staleness::Cutoffs;

impl Cache {
    /// The earliest `synced_at` of each collection that is not before `after`.
    ///
    /// # Errors
    /// See [`super::DbError`].
    pub async fn oldest_verified(&mut self, after: &Cutoffs) -> Result<BTreeMap<String, NaiveDateTime>> {
        let (after, values) = cutoff(after, "collection_id");
        let sql = format!(
            "SELECT collection_id, MIN(synced_at) FROM collection_artifacts WHERE synced_at >= {after}
            GROUP BY collection_id"
        );
        let rows = all(self.connection()?.db(), &sql, values).await;
        let rows = self.settle(rows).await?;
        let oldest = |row| {
            let mut cells = Cells::new(row);
            let collection = cells.cell::<String>()?;
            Some((collection, cells.cell::<String>()?.replacen(' ', "T", 1).parse().ok()?))
        };
        Ok(rows.iter().filter_map(oldest).collect())
    }

    /// Sets `synced_at` of a collection's rows to NULL; how many had one. The next [`Cache::sync`] of everything looks at
    /// all rows.
    ///
    /// # Errors
    /// See [`super::DbError`].
    pub async fn invalidate_collection(&mut self, collection: &str) -> Result<u64> {
        let sql = "UPDATE collection_artifacts SET synced_at = NULL
            WHERE collection_id = ? AND synced_at IS NOT NULL";
        self.invalidate(sql, collection.into()).await
    }

    /// Sets `synced_at` of an artifact's rows to NULL; how many had one. As above.
    ///
    /// # Errors
    /// See [`super::DbError`].
    pub async fn invalidate_artifact(&mut self, artifact: &ArtifactId) -> Result<u64> {
        let sql = "UPDATE collection_artifacts SET synced_at = NULL
            WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE id = ?) AND synced_at IS NOT NULL";
        self.invalidate(sql, artifact.to_string().into()).await
    }

    async fn invalidate(&mut self, sql: &str, value: Value) -> Result<u64> {
        let deadline = Instant::now() + self.patience;
        let done = async {
            let txn = self.begin_writing(Purpose::Invalidation, deadline, &mut 0).await?;
            let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [value]);
            let done = txn.execute_raw(statement).await;
            match done {
                Ok(done) => {
                    txn.commit().await?;
                    Ok(done.rows_affected())
                }
                Err(error) => {
                    let _ = txn.rollback().await; // the first error is the one to tell
                    Err(error.into())
                }
            }
        };
        let done = done.await;
        self.compared = None;
        self.settle(done).await
    }
}
