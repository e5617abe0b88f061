//! Which rows nobody has verified for a while.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sea_orm::Value;

use super::super::error::{DbError, Result};
use super::super::format::timestamp;
use super::super::load::{Cells, all};
use super::{Reader, Snapshot, question};
use crate::domain::staleness::{Counts, Cutoffs, StaleRow};

impl Reader {
    /// What there is to say about each collection's rows.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn staleness(&mut self, cutoffs: &Cutoffs) -> Result<BTreeMap<String, Counts>> {
        question!(self, snapshot => staleness(&snapshot, cutoffs))
    }

    /// The stale rows, of this collection or of all, by collection and id; at most `limit`.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn stale(
        &mut self,
        cutoffs: &Cutoffs,
        collection: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StaleRow>> {
        question!(self, snapshot => stale(&snapshot, cutoffs, collection, limit))
    }

    /// `synced_at` and the mirrored text columns of an artifact's row in each collection, by collection and column.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn row(
        &mut self,
        artifact: &str,
    ) -> Result<BTreeMap<String, BTreeMap<&'static str, Option<String>>>> {
        question!(self, snapshot => row(&snapshot, artifact))
    }
}

/// The cutoff of the row's collection, as SQL; `column` names the collection.
pub(in crate::db) fn cutoff(cutoffs: &Cutoffs, column: &str) -> (String, Vec<Value>) {
    let spell = |at: &NaiveDateTime| Value::from(spelled(*at));
    if cutoffs.by_collection.is_empty() {
        return ("?".to_owned(), vec![spell(&cutoffs.default)]);
    }
    let mut sql = format!("CASE {column}");
    let mut values = Vec::new();
    for (collection, at) in &cutoffs.by_collection {
        sql.push_str(" WHEN ? THEN ?");
        values.extend([collection.clone().into(), spell(at)]);
    }
    sql.push_str(" ELSE ? END");
    values.push(spell(&cutoffs.default));
    (sql, values)
}

/// As the column holds times; before the year 0 a year has a sign and would no longer compare as a text.
fn spelled(at: NaiveDateTime) -> String {
    use chrono::Datelike;
    if at.year() < 1 { String::new() } else { timestamp(at) }
}

async fn staleness(snapshot: &Snapshot<'_>, cutoffs: &Cutoffs) -> Result<BTreeMap<String, Counts>> {
    let (before, values) = cutoff(cutoffs, "collection_id");
    let sql = format!(
        "SELECT collection_id, COUNT(*), SUM(synced_at IS NULL OR synced_at < {before}), SUM(synced_at IS NULL),
            MIN(synced_at)
        FROM collection_artifacts GROUP BY collection_id"
    );
    let mut found = BTreeMap::new();
    for row in &all(&snapshot.txn, &sql, values).await? {
        let mut cells = Cells::new(row);
        let Some(collection) = cells.cell::<String>() else { continue };
        let mut count = || cells.cell::<i64>().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (total, stale, never) = (count(), count(), count());
        let oldest = cells.cell::<String>().and_then(|at| at.replacen(' ', "T", 1).parse().ok());
        found.insert(collection, Counts { total, stale, never, oldest });
    }
    Ok(found)
}

async fn stale(
    snapshot: &Snapshot<'_>,
    cutoffs: &Cutoffs,
    collection: Option<&str>,
    limit: usize,
) -> Result<Vec<StaleRow>> {
    let (before, mut values) = cutoff(cutoffs, "c.collection_id");
    let of = collection.map_or("", |_| " AND c.collection_id = ?");
    values.extend(collection.map(Value::from));
    let sql = format!(
        "SELECT c.collection_id, a.id, c.synced_at FROM collection_artifacts c JOIN artifacts a
            ON a.uuid = c.artifact_uuid
        WHERE (c.synced_at IS NULL OR c.synced_at < {before}){of} ORDER BY c.collection_id, a.id LIMIT {limit}"
    );
    let rows = all(&snapshot.txn, &sql, values).await?;
    let stale = |row| {
        let mut cells = Cells::new(row);
        Some(StaleRow { collection: cells.cell()?, artifact: cells.cell()?, synced_at: cells.cell() })
    };
    Ok(rows.iter().filter_map(stale).collect())
}

/// The columns a verification may change, `synced_at` first.
const COLUMNS: [&str; 16] = [
    "synced_at",
    "description",
    "author",
    "license",
    "tags_json",
    "tools_json",
    "version",
    "artifact_content_hash",
    "artifact_structure_hash",
    "artifact_file_count",
    "artifact_total_size",
    "source",
    "origin",
    "origin_source",
    "resolved_sha",
    "resolved_version",
];

async fn row(
    snapshot: &Snapshot<'_>,
    artifact: &str,
) -> Result<BTreeMap<String, BTreeMap<&'static str, Option<String>>>> {
    let columns = COLUMNS.map(|column| format!("CAST(c.{column} AS TEXT)"));
    let sql = format!(
        "SELECT c.collection_id, {} FROM artifacts a JOIN collection_artifacts c ON c.artifact_uuid = a.uuid
        WHERE a.id = ?",
        columns.join(", ")
    );
    let mut found = BTreeMap::new();
    for row in &all(&snapshot.txn, &sql, vec![artifact.into()]).await? {
        let mut cells = Cells::new(row);
        let Some(collection) = cells.cell::<String>() else { continue };
        found.insert(collection, COLUMNS.map(|column| (column, cells.cell::<String>())).into());
    }
    Ok(found)
}
