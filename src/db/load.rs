//! Reading what the cache holds now.
//!
//! Named columns only, cell by cell: SQLite lets any value sit in any column, and one odd value must cost its own row's
//! soundness and not the whole load. The big tables come in pages, so that a large collection is never in memory twice.
//!
//! What this module does not do: judge. A value that cannot be taken as it is makes the row unsound, and the plan
//! rewrites it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, TryGetable, Value};

use super::error::Result;
use super::format::parse_list;
use super::read::cutoff;
use super::schema::Capabilities;
use crate::domain::model::{ArtifactId, Kind, Row};
use crate::domain::rows::{Actual, DbArtifact, DbCollection, DbRow, DbTag, SENTINEL_PROJECT, Scope};
use crate::domain::staleness::Cutoffs;

/// Rows fetched at once.
const PAGE: usize = 2_000;

/// Reads everything in `scope` on `db`, which should be inside one transaction.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
    sentinel_path: &str,
    scope: &Scope,
    stale_before: Option<&Cutoffs>,
) -> Result<Actual> {
    let mut actual = Actual { sentinel: sentinel(db, sentinel_path).await?, ..Actual::default() };
    actual.collections = collections(db, capabilities).await?;
    actual.tags = tags(db).await?;
    actual.totals = totals(db).await?;
    let ids = scope_ids(scope);
    actual.artifacts = artifacts(db, capabilities, ids.as_deref()).await?;
    let by_uuid: HashMap<&str, &ArtifactId> =
        actual.artifacts.iter().map(|(id, artifact)| (artifact.uuid.as_str(), id)).collect();
    let uuids = ids.map(|_| json_array(by_uuid.keys().copied()));
    actual.memberships = memberships(db, &by_uuid, uuids.as_deref(), stale_before).await?;
    actual.artifact_tags = assignments(db, &by_uuid, uuids.as_deref()).await?;
    Ok(actual)
}

/// A JSON array of the ids in scope, for `json_each`; `None` means everything.
fn scope_ids(scope: &Scope) -> Option<String> {
    match scope {
        Scope::All => None,
        Scope::Artifacts(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            Some(json_array(ids.iter().map(String::as_str)))
        }
    }
}

/// A JSON array of strings: one bound parameter instead of thousands.
pub(super) fn json_array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(items).to_string()
}

pub(super) async fn all(
    db: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>> {
    Ok(db.query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?)
}

/// Whether there is nothing left to do about the sentinel project: it exists, or its path (a UNIQUE column) is taken by
/// a row of another name, next to which it cannot be inserted.
async fn sentinel(db: &impl ConnectionTrait, path: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM projects WHERE id = ? OR path = ? LIMIT 1";
    Ok(!all(db, sql, vec![SENTINEL_PROJECT.into(), path.into()]).await?.is_empty())
}

pub(super) async fn collections(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
) -> Result<BTreeMap<String, DbCollection>> {
    let slug = if capabilities.has("collections", "slug") { "slug" } else { "NULL" };
    let sql = format!("SELECT id, name, {slug}, collection_type FROM collections");
    let mut found = BTreeMap::new();
    for row in all(db, &sql, vec![]).await? {
        let mut row = Cells::new(&row);
        // A primary key that is no text is none we could ever name.
        let Some(id) = row.cell::<String>() else { continue };
        let collection = DbCollection {
            id: id.clone(),
            name: row.cell().unwrap_or_default(),
            slug: row.cell(),
            collection_type: row.cell(),
        };
        found.insert(id, collection);
    }
    Ok(found)
}

async fn tags(db: &impl ConnectionTrait) -> Result<Vec<DbTag>> {
    let mut found = Vec::new();
    for row in all(db, "SELECT id, name, slug FROM tags ORDER BY id", vec![]).await? {
        let mut row = Cells::new(&row);
        if let (Some(id), Some(name), Some(slug)) = (row.cell(), row.cell(), row.cell()) {
            found.push(DbTag { id, name, slug });
        }
    }
    Ok(found)
}

async fn totals(db: &impl ConnectionTrait) -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    let sql = "SELECT collection_id, COUNT(*) FROM collection_artifacts GROUP BY collection_id";
    for row in all(db, sql, vec![]).await? {
        let mut row = Cells::new(&row);
        if let (Some(id), Some(count)) = (row.cell(), row.cell::<i64>()) {
            found.insert(id, usize::try_from(count).unwrap_or(0));
        }
    }
    Ok(found)
}

async fn artifacts(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
    ids: Option<&str>,
) -> Result<BTreeMap<ArtifactId, DbArtifact>> {
    // Identity rows of groups and composites made on the web stand for no files.
    let mut identities = String::new();
    for table in ["groups", "composite_artifacts"] {
        if capabilities.has(table, "artifact_uuid") {
            identities += &format!(
                " AND uuid NOT IN (SELECT artifact_uuid FROM {table} WHERE artifact_uuid IS NOT NULL)"
            );
        }
    }
    let head = format!(
        "SELECT rowid, id, uuid,
            type <> 'group' AND (project_id IS NULL OR project_id = '{SENTINEL_PROJECT}'){identities}
        FROM artifacts"
    );
    let mut found = BTreeMap::new();
    let mut pages = Pages::new(head, "id", ids);
    while let Some(rows) = pages.next(db).await? {
        for row in &rows {
            let mut row = Cells::after_rowid(row);
            let (Some(id), Some(uuid)) = (row.cell::<String>(), row.cell()) else { continue };
            let Ok(id) = id.parse::<ArtifactId>() else { continue };
            if id.kind == Kind::Group {
                continue;
            }
            let mirrors_files = row.cell::<i64>() == Some(1);
            found.insert(id, DbArtifact { uuid, mirrors_files });
        }
    }
    Ok(found)
}

async fn memberships(
    db: &impl ConnectionTrait,
    by_uuid: &HashMap<&str, &ArtifactId>,
    uuids: Option<&str>,
    stale_before: Option<&Cutoffs>,
) -> Result<BTreeMap<String, BTreeMap<ArtifactId, DbRow>>> {
    let (stale, values) = match stale_before {
        Some(cutoffs) => {
            let (before, values) = cutoff(cutoffs, "collection_id");
            (format!("synced_at < {before}"), values)
        }
        None => ("0".to_owned(), Vec::new()),
    };
    let head = format!(
        "SELECT rowid, collection_id, artifact_uuid,
            description, author, license, tags_json, tools_json, version,
            artifact_content_hash, artifact_structure_hash, artifact_file_count, artifact_total_size,
            source, origin, origin_source, resolved_sha, resolved_version,
            typeof(synced_at) = 'text', {stale}
        FROM collection_artifacts"
    );
    let mut found: BTreeMap<String, BTreeMap<ArtifactId, DbRow>> = BTreeMap::new();
    let mut pages = Pages { before: values, ..Pages::new(head, "artifact_uuid", uuids) };
    while let Some(rows) = pages.next(db).await? {
        for row in &rows {
            let mut row = Cells::after_rowid(row);
            let (Some(collection), Some(uuid)) = (row.cell::<String>(), row.cell::<String>()) else {
                continue;
            };
            let Some(&id) = by_uuid.get(uuid.as_str()) else { continue };
            if !found.contains_key(&collection) {
                found.insert(collection.clone(), BTreeMap::new());
            }
            if let Some(rows) = found.get_mut(&collection) {
                rows.insert(id.clone(), row.membership());
            }
        }
    }
    Ok(found)
}

/// One result row an artifact, not one a tag: through the driver a row costs more than the tag in it.
async fn assignments(
    db: &impl ConnectionTrait,
    by_uuid: &HashMap<&str, &ArtifactId>,
    uuids: Option<&str>,
) -> Result<BTreeMap<ArtifactId, BTreeSet<String>>> {
    let filter = match uuids {
        Some(_) => "IN (SELECT value FROM json_each(?))",
        None => "> ?",
    };
    let sql = format!(
        "SELECT artifact_uuid, json_group_array(CASE typeof(tag_id) WHEN 'text' THEN tag_id END) FROM artifact_tags
            WHERE artifact_uuid {filter} GROUP BY artifact_uuid ORDER BY artifact_uuid {}",
        if uuids.is_some() { String::new() } else { format!("LIMIT {PAGE}") }
    );
    let mut found: BTreeMap<ArtifactId, BTreeSet<String>> = BTreeMap::new();
    let mut key = Some(uuids.unwrap_or_default().to_owned());
    while let Some(parameter) = key.take() {
        let rows = all(db, &sql, vec![parameter.into()]).await?;
        if let (None, Some(last)) = (uuids, rows.get(PAGE - 1)) {
            key = Some(last.try_get_by_index(0)?);
        }
        for row in &rows {
            let mut row = Cells::new(row);
            let (Some(uuid), Some(tags)) = (row.cell::<String>(), row.cell::<String>()) else { continue };
            if let (Some(&id), Ok(tags)) =
                (by_uuid.get(uuid.as_str()), serde_json::from_str::<Vec<Option<String>>>(&tags))
            {
                found.entry(id.clone()).or_default().extend(tags.into_iter().flatten());
            }
        }
    }
    Ok(found)
}

/// A query over a whole table, read page by page along the rowid, which all of SkillMeat's tables have; or over some
/// keys, read at once: there the index on the key must lead, and the result is as small as the scope.
struct Pages<'a> {
    sql: String,
    /// The values of the head.
    before: Vec<Value>,
    keys: Option<&'a str>,
    after: Option<i64>,
}

impl<'a> Pages<'a> {
    /// `head` selects the rowid first and ends with FROM; with `keys` (a JSON array) only rows whose `column` is in it.
    fn new(head: String, column: &str, keys: Option<&'a str>) -> Self {
        let sql = match keys {
            Some(_) => format!("{head} WHERE {column} IN (SELECT value FROM json_each(?))"),
            None => format!("{head} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"),
        };
        Self { sql, before: Vec::new(), keys, after: Some(i64::MIN) }
    }

    async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Option<Vec<QueryResult>>> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let parameter = self.keys.map_or_else(|| after.into(), Value::from);
        let values = self.before.iter().cloned().chain([parameter]).collect();
        let rows = all(db, &self.sql, values).await?;
        if let (None, Some(last)) = (self.keys, rows.get(PAGE - 1)) {
            self.after = Some(last.try_get_by_index(0)?);
        }
        Ok(Some(rows))
    }
}

/// The cells of one row, left to right.
pub(super) struct Cells<'a> {
    row: &'a QueryResult,
    next: usize,
    sound: bool,
}

impl<'a> Cells<'a> {
    pub(super) fn new(row: &'a QueryResult) -> Self {
        Self { row, next: 0, sound: true }
    }

    /// Whether every cell so far could be taken as it is.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    fn after_rowid(row: &'a QueryResult) -> Self {
        Self { next: 1, ..Self::new(row) }
    }

    /// The next cell; a value of another type, or a text that is not UTF-8, is `None` and makes the row unsound.
    pub(super) fn cell<T>(&mut self) -> Option<T>
    where
        Option<T>: TryGetable,
    {
        let value = self.row.try_get_by_index::<Option<T>>(self.next);
        self.next += 1;
        value.unwrap_or_else(|_| {
            self.sound = false;
            None
        })
    }

    pub(super) fn number(&mut self) -> i64 {
        self.cell().unwrap_or_else(|| {
            self.sound = false;
            0
        })
    }

    pub(super) fn list(&mut self) -> Vec<String> {
        parse_list(self.cell::<String>().as_deref()).unwrap_or_else(|| {
            self.sound = false;
            Vec::new()
        })
    }

    fn membership(mut self) -> DbRow {
        let row = Row {
            description: self.cell(),
            author: self.cell(),
            license: self.cell(),
            tags: self.list(),
            tools: self.list(),
            version: self.cell(),
            content_hash: self.cell(),
            structure_hash: self.cell(),
            file_count: self.number(),
            total_size: self.number(),
            source: self.cell(),
            origin: self.cell(),
            origin_source: self.cell(),
            resolved_sha: self.cell(),
            resolved_version: self.cell(),
        };
        let synced = self.cell::<i64>() == Some(1);
        let stale = self.cell::<i64>() == Some(1);
        DbRow { row, sound: self.sound, synced, stale }
    }
}
