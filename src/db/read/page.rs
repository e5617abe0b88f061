//! The list page of a collection.

use sea_orm::Value;

use super::super::error::{DbError, Result};
use super::super::load::all;
use super::super::packed::{Packed, PackedCells, named, pack, unpack};
use super::{Reader, Snapshot, question};
use crate::domain::catalog::{InCollection, InGroup, Page, PageQuery, Summary, deployments};
use crate::domain::rows::DEFAULT_COLLECTION;

impl Reader {
    /// A page of a collection's artifacts; `None` when there is no such collection.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn page(&mut self, query: &PageQuery) -> Result<Option<Page>> {
        question!(self, snapshot => page(&snapshot, query))
    }
}

/// The columns of a page, of the row itself or of the artifact's row in `default`. SkillMeat reads the manifest for a row
/// whose `synced_at` is NULL; a row that the daemon keeps says the same.
const COLUMNS: [&str; 9] = [
    "version",
    "source",
    "description",
    "author",
    "tags_json",
    "tools_json",
    "origin",
    "origin_source",
    "synced_at",
];

/// Every DB collection with its number of artifacts, by id.
const COLLECTIONS: &str = "SELECT id AS c0, name AS c1,
        (SELECT COUNT(*) FROM collection_artifacts m WHERE m.collection_id = collections.id) AS c2
    FROM collections ORDER BY id";

/// One statement for all of it: each costs a way to SQLite's thread and back.
async fn page(snapshot: &Snapshot<'_>, query: &PageQuery) -> Result<Option<Page>> {
    let filter = Filter::new(query);
    let (total, mut values) = total(query, &filter);
    let (rows, bound) = rows(snapshot, query, &filter);
    values.extend(bound);
    let sql = format!(
        "SELECT (SELECT {} FROM ({COLLECTIONS})), ({total}), (SELECT {} FROM ({rows}))",
        pack(3),
        pack(OWN + COLUMNS.len())
    );
    let mut page = Page::default();
    for answer in all(&snapshot.txn, &sql, values).await? {
        let collections = collections(unpack(answer.try_get_by_index(0)?)?);
        let Some(own) = collections.iter().find(|collection| collection.id == query.collection) else {
            return Ok(None);
        };
        let filtered: Option<i64> = answer.try_get_by_index(1)?;
        page.total = filtered.map_or(own.artifacts, |total| usize::try_from(total).unwrap_or(0));
        let mut rows: Vec<Packed> = unpack(answer.try_get_by_index(2)?)?;
        page.more = rows.len() > query.limit;
        rows.truncate(query.limit);
        for row in rows {
            let (item, synced) = summary(PackedCells::new(row), &collections, query.with_groups);
            if !synced {
                page.misses.push(item.id.clone());
            }
            page.items.push(item);
        }
    }
    Ok(Some(page))
}

fn collections(rows: Vec<Packed>) -> Vec<InCollection> {
    let collection = |row| {
        let mut cells = PackedCells::new(row);
        Some(InCollection {
            id: cells.text()?,
            name: cells.text().unwrap_or_default(),
            artifacts: usize::try_from(cells.number()).unwrap_or(0),
        })
    };
    rows.into_iter().filter_map(collection).collect()
}

/// The conditions beside the collection, with their values, in the order they are bound.
#[derive(Default)]
struct Filter {
    sql: String,
    values: Vec<Value>,
    /// Whether few rows are expected to be left, so that walking along the ids would be the long way.
    narrow: bool,
}

impl Filter {
    fn new(query: &PageQuery) -> Self {
        let mut filter = Self::default();
        if let Some(kind) = &query.kind {
            // `;` follows `:`.
            filter.add(" AND a.id >= ? AND a.id < ?", [format!("{kind}:"), format!("{kind};")]);
        }
        if let Some(group) = &query.group {
            let sql =
                " AND c.artifact_uuid IN (SELECT artifact_uuid FROM group_artifacts WHERE group_id = ?)";
            filter.add(sql, [group.clone()]);
            filter.narrow = true;
        }
        if let Some(tag) = &query.tag {
            let sql = " AND c.artifact_uuid IN (SELECT x.artifact_uuid FROM artifact_tags x JOIN tags t
                ON t.id = x.tag_id WHERE t.slug = ? OR t.name = ?)";
            filter.add(sql, [tag.clone(), tag.clone()]);
            filter.narrow = true;
        }
        if let Some(search) = &query.search {
            let pattern = format!("%{}%", escape(search));
            let sql = " AND (a.name LIKE ? ESCAPE '\\' OR c.description LIKE ? ESCAPE '\\'
                OR c.author LIKE ? ESCAPE '\\' OR c.artifact_uuid IN (SELECT x.artifact_uuid FROM artifact_tags x
                JOIN tags t ON t.id = x.tag_id WHERE t.name LIKE ? ESCAPE '\\'))";
            filter.add(sql, [pattern.clone(), pattern.clone(), pattern.clone(), pattern]);
        }
        filter
    }

    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = String>) {
        self.sql.push_str(sql);
        self.values.extend(values.into_iter().map(Value::from));
    }

    fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    /// The join: along the ids where they can be stopped at the page's end, else as SQLite sees fit.
    fn tables(&self) -> &'static str {
        if self.narrow {
            "artifacts a JOIN collection_artifacts c ON c.artifact_uuid = a.uuid"
        } else {
            "artifacts a CROSS JOIN collection_artifacts c ON c.artifact_uuid = a.uuid"
        }
    }
}

/// A text that LIKE takes as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// How many artifacts fit the conditions; NULL when there are none but the collection.
fn total(query: &PageQuery, filter: &Filter) -> (String, Vec<Value>) {
    if filter.is_empty() {
        return ("NULL".to_owned(), Vec::new());
    }
    let sql = format!(
        "SELECT COUNT(*) FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid
            WHERE c.collection_id = ?{}",
        filter.sql
    );
    let values = std::iter::once(query.collection.clone().into()).chain(filter.values.iter().cloned());
    (sql, values.collect())
}

/// Columns of a row before [`COLUMNS`].
const OWN: usize = 4;

fn rows(snapshot: &Snapshot<'_>, query: &PageQuery, filter: &Filter) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let deployments = if snapshot.capabilities.has("collection_artifacts", "deployments_json") {
        "c.deployments_json"
    } else {
        "NULL"
    };
    // SQLite would put the JSON of a sub-select into the packed row as such; a text stays a text.
    let groups = if query.with_groups {
        values.push(query.collection.clone().into());
        "(SELECT '' || json_group_array(json_object('id', g.id, 'name', g.name, 'position', x.position)) FROM
            (SELECT group_id, position FROM group_artifacts WHERE artifact_uuid = a.uuid) x
            JOIN groups g ON g.id = x.group_id WHERE g.collection_id = ?)"
    } else {
        "NULL"
    };
    let member_of = "(SELECT '' || json_group_array(m.collection_id) FROM collection_artifacts m
        WHERE m.artifact_uuid = a.uuid)";
    let own: [&str; OWN] = ["a.id", deployments, groups, member_of];
    let columns = COLUMNS.map(|column| {
        format!(
            "CASE WHEN c.synced_at IS NULL AND d.synced_at IS NOT NULL THEN d.{column} ELSE c.{column} END"
        )
    });
    let columns: Vec<&str> = own.into_iter().chain(columns.iter().map(String::as_str)).collect();
    // The artifact's row in `default` joins last: it is looked up for the page's rows only.
    let mut sql = format!(
        "SELECT {} FROM {} LEFT JOIN collection_artifacts d
            ON d.collection_id = '{DEFAULT_COLLECTION}' AND d.artifact_uuid = a.uuid
        WHERE c.collection_id = ?{}",
        named(&columns),
        filter.tables(),
        filter.sql
    );
    values.push(query.collection.clone().into());
    values.extend(filter.values.iter().cloned());
    if let Some(after) = &query.after {
        sql.push_str(" AND a.id > ?");
        values.push(after.clone().into());
    }
    // As a parameter it would have SQLite prepare the statement anew each time, because a limit may change the plan.
    sql.push_str(" ORDER BY a.id LIMIT ");
    sql.push_str(&(query.limit + 1).to_string());
    (sql, values)
}

/// One row of the page, and whether it is known to say what the files say.
fn summary(mut cells: PackedCells, collections: &[InCollection], with_groups: bool) -> (Summary, bool) {
    let id = cells.text().unwrap_or_default();
    let deployed = deployments(cells.text().as_deref());
    let groups = cells.text();
    let member_of: Vec<String> = parsed(cells.text());
    let item = Summary {
        deployments: deployed,
        groups: with_groups.then(|| {
            let mut groups: Vec<InGroup> = parsed(groups);
            groups.sort_by(|a, b| (a.position, &a.name).cmp(&(b.position, &b.name)));
            groups
        }),
        collections: collections.iter().filter(|c| member_of.contains(&c.id)).cloned().collect(),
        version: cells.text(),
        source: cells.text().filter(|source| !source.is_empty()).unwrap_or_else(|| id.clone()),
        description: cells.text(),
        author: cells.text(),
        tags: cells.list(),
        tools: cells.list(),
        origin: cells.text(),
        origin_source: cells.text(),
        id,
    };
    (item, cells.text().is_some())
}

/// What SQLite put together as JSON.
fn parsed<T: serde::de::DeserializeOwned + Default>(json: Option<String>) -> T {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}
