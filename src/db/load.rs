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
use super::packed::{self, Cell, PackedCells, Pages, unpack};
use super::read::cutoff;
use super::schema::Capabilities;
use crate::domain::compact::PackedRow;
use crate::domain::model::{ArtifactId, Kind, Row};
use crate::domain::rows::{Actual, DbArtifact, DbCollection, DbRow, DbTag, SENTINEL_PROJECT, Scope};
use crate::domain::staleness::Cutoffs;

/// What is read of a membership: its key, the mirrored columns, and whether `synced_at` is set.
const MEMBERSHIP: [&str; 18] = [
    "collection_id",
    "artifact_uuid",
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
    "typeof(synced_at) = 'text'",
];

/// Reads everything in `scope` on `db`, which should be inside one transaction.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
    sentinel_path: &str,
    scope: &Scope,
    stale_before: Option<&Cutoffs>,
) -> Result<Actual> {
    let mut actual = whole(db, sentinel_path).await?;
    actual.collections = collections(db, capabilities).await?;
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

/// What is read whole whatever the scope, packed.
///
/// There is nothing left to do about the sentinel project if it exists, or if its path (a UNIQUE column) is taken by a
/// row of another name, next to which it cannot be inserted.
async fn whole(db: &impl ConnectionTrait, sentinel_path: &str) -> Result<Actual> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM projects WHERE id = ? OR path = ?),
            (SELECT CAST(json_group_array(json_array({}, {}, {})) AS BLOB) FROM (SELECT * FROM tags ORDER BY id)),
            (SELECT CAST(json_group_array(json_array({}, total)) AS BLOB) FROM
                (SELECT collection_id, COUNT(*) AS total FROM collection_artifacts GROUP BY collection_id))",
        packed::cell("id"),
        packed::cell("name"),
        packed::cell("slug"),
        packed::cell("collection_id"),
    );
    let mut actual = Actual::default();
    for row in all(db, &sql, vec![SENTINEL_PROJECT.into(), sentinel_path.into()]).await? {
        actual.sentinel = row.try_get_by_index(0)?;
        for [id, name, slug] in unpack::<[Cell; 3]>(row.try_get_by_index(1)?)? {
            if let (Some(id), Some(name), Some(slug)) = (id.text(), name.text(), slug.text()) {
                actual.tags.push(DbTag { id, name, slug });
            }
        }
        for [id, total] in unpack::<[Cell; 2]>(row.try_get_by_index(2)?)? {
            if let (Some(id), Cell::Integer(total)) = (id.text(), total) {
                actual.totals.insert(id, usize::try_from(total).unwrap_or(0));
            }
        }
    }
    Ok(actual)
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
    let mirrors =
        format!("type <> 'group' AND (project_id IS NULL OR project_id = '{SENTINEL_PROJECT}'){identities}");
    let mut found = BTreeMap::new();
    let mut pages = Pages::new("artifacts", &["id", "uuid", &mirrors], "id", ids);
    while let Some(rows) = pages.next(db).await? {
        for row in rows {
            let mut row = PackedCells::new(row);
            let (Some(id), Some(uuid)) = (row.text(), row.text()) else { continue };
            let Ok(id) = id.parse::<ArtifactId>() else { continue };
            if id.kind == Kind::Group {
                continue;
            }
            let mirrors_files = row.next() == Cell::Integer(1);
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
    let mut found: BTreeMap<String, BTreeMap<ArtifactId, DbRow>> = BTreeMap::new();
    let columns: Vec<&str> = MEMBERSHIP.into_iter().chain([stale.as_str()]).collect();
    let mut pages = Pages::new("collection_artifacts", &columns, "artifact_uuid", uuids).with_values(values);
    while let Some(rows) = pages.next(db).await? {
        for row in rows {
            let mut row = PackedCells::new(row);
            let (Some(collection), Some(uuid)) = (row.text(), row.text()) else { continue };
            let Some(&id) = by_uuid.get(uuid.as_str()) else { continue };
            if !found.contains_key(&collection) {
                found.insert(collection.clone(), BTreeMap::new());
            }
            if let Some(rows) = found.get_mut(&collection) {
                rows.insert(id.clone(), membership(row));
            }
        }
    }
    Ok(found)
}

async fn assignments(
    db: &impl ConnectionTrait,
    by_uuid: &HashMap<&str, &ArtifactId>,
    uuids: Option<&str>,
) -> Result<BTreeMap<ArtifactId, BTreeSet<String>>> {
    let mut found: BTreeMap<ArtifactId, BTreeSet<String>> = BTreeMap::new();
    let mut pages = Pages::new("artifact_tags", &["artifact_uuid", "tag_id"], "artifact_uuid", uuids);
    while let Some(rows) = pages.next(db).await? {
        for row in rows {
            let mut row = PackedCells::new(row);
            let (Some(uuid), Some(tag)) = (row.text(), row.text()) else { continue };
            if let Some(&id) = by_uuid.get(uuid.as_str()) {
                found.entry(id.clone()).or_default().insert(tag);
            }
        }
    }
    Ok(found)
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

    pub(super) fn list(&mut self) -> Vec<String> {
        parse_list(self.cell::<String>().as_deref()).unwrap_or_else(|| {
            self.sound = false;
            Vec::new()
        })
    }

    pub(super) fn number(&mut self) -> i64 {
        self.cell().unwrap_or_else(|| {
            self.sound = false;
            0
        })
    }
}

fn membership(mut cells: PackedCells) -> DbRow {
    let row = Row {
        description: cells.text(),
        author: cells.text(),
        license: cells.text(),
        tags: cells.list(),
        tools: cells.list(),
        version: cells.text(),
        content_hash: cells.text(),
        structure_hash: cells.text(),
        file_count: cells.number(),
        total_size: cells.number(),
        source: cells.text(),
        origin: cells.text(),
        origin_source: cells.text(),
        resolved_sha: cells.text(),
        resolved_version: cells.text(),
    };
    let synced = cells.next() == Cell::Integer(1);
    let stale = cells.next() == Cell::Integer(1);
    DbRow { row: PackedRow::new(&row), sound: cells.is_sound(), synced, stale }
}
