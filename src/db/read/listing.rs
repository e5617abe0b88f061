//! Groups and tags.

use sea_orm::Value;

use super::super::error::{DbError, Result};
use super::super::load::{Cells, all};
use super::page::escape;
use super::{Reader, Snapshot, question};
use crate::domain::catalog::{GroupRow, GroupsQuery, TagRow, Tags, TagsQuery, iso};

impl Reader {
    /// The groups of a collection; `None` when there is no such collection.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn groups(&mut self, query: &GroupsQuery) -> Result<Option<Vec<GroupRow>>> {
        question!(self, snapshot => groups(&snapshot, query))
    }

    /// A page of tags.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn tags(&mut self, query: &TagsQuery) -> Result<Tags> {
        question!(self, snapshot => tags(&snapshot, query))
    }

    /// Every DB collection's id and name.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn collections(&mut self) -> Result<Vec<(String, String)>> {
        question!(self, snapshot => collections(&snapshot))
    }
}

async fn collections(snapshot: &Snapshot<'_>) -> Result<Vec<(String, String)>> {
    let rows = all(&snapshot.txn, "SELECT id, name FROM collections ORDER BY id", vec![]).await?;
    let named = rows.iter().filter_map(|row| {
        let mut cells = Cells::new(row);
        Some((cells.cell()?, cells.cell::<String>().unwrap_or_default()))
    });
    Ok(named.collect())
}

async fn groups(snapshot: &Snapshot<'_>, query: &GroupsQuery) -> Result<Option<Vec<GroupRow>>> {
    let known = "SELECT 1 FROM collections WHERE id = ?";
    if all(&snapshot.txn, known, vec![query.collection.clone().into()]).await?.is_empty() {
        return Ok(None);
    }
    let tags = if snapshot.capabilities.has("groups", "tags_json") { "g.tags_json" } else { "NULL" };
    let mut sql = format!(
        "SELECT g.id, g.collection_id, g.name, g.description, {tags}, g.color, g.icon, g.position,
            g.created_at, g.updated_at, (SELECT COUNT(*) FROM group_artifacts x WHERE x.group_id = g.id)
        FROM groups g WHERE g.collection_id = ?"
    );
    let mut values: Vec<Value> = vec![query.collection.clone().into()];
    if let Some(search) = &query.search {
        sql.push_str(" AND g.name LIKE ? ESCAPE '\\'");
        values.push(format!("%{}%", escape(search)).into());
    }
    if let Some(artifact) = &query.artifact {
        sql.push_str(
            " AND g.id IN (SELECT x.group_id FROM group_artifacts x JOIN artifacts a ON a.uuid = x.artifact_uuid
                WHERE a.id = ?)",
        );
        values.push(artifact.clone().into());
    }
    sql.push_str(" ORDER BY g.position, g.rowid");
    let rows = all(&snapshot.txn, &sql, values).await?;
    let or = |text: Option<String>, default: &str| {
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
    };
    let group = |row| {
        let mut cells = Cells::new(row);
        Some(GroupRow {
            id: cells.cell()?,
            collection: cells.cell()?,
            name: cells.cell().unwrap_or_default(),
            description: cells.cell(),
            tags: cells.list(),
            color: or(cells.cell(), "slate"),
            icon: or(cells.cell(), "layers"),
            position: cells.cell().unwrap_or_default(),
            created_at: iso(&cells.cell::<String>().unwrap_or_default()),
            updated_at: iso(&cells.cell::<String>().unwrap_or_default()),
            artifacts: count(cells.cell()),
        })
    };
    Ok(Some(rows.iter().filter_map(group).collect()))
}

fn count(count: Option<i64>) -> usize {
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

async fn tags(snapshot: &Snapshot<'_>, query: &TagsQuery) -> Result<Tags> {
    let sets = if snapshot.capabilities.has("deployment_set_tags", "tag_id") {
        "(SELECT COUNT(*) FROM deployment_set_tags x WHERE x.tag_id = t.id)"
    } else {
        "0"
    };
    let mut sql = format!(
        "SELECT t.id, t.name, t.slug, t.color, t.created_at, t.updated_at,
            (SELECT COUNT(*) FROM artifact_tags x WHERE x.tag_id = t.id), {sets}
        FROM tags t"
    );
    let mut values: Vec<Value> = Vec::new();
    if let Some(after) = &query.after {
        sql.push_str(
            " WHERE NOT EXISTS (SELECT 1 FROM tags WHERE id = ?1)
                OR (SELECT t.created_at < k.created_at OR (t.created_at = k.created_at AND t.id > k.id)
                    FROM tags k WHERE k.id = ?1)",
        );
        values.push(after.clone().into());
    }
    sql.push_str(" ORDER BY t.created_at DESC, t.id LIMIT ");
    sql.push_str(&(query.limit + 1).to_string());
    let rows = all(&snapshot.txn, &sql, values).await?;
    let tag = |row| {
        let mut cells = Cells::new(row);
        Some(TagRow {
            id: cells.cell()?,
            name: cells.cell()?,
            slug: cells.cell()?,
            color: cells.cell(),
            created_at: iso(&cells.cell::<String>().unwrap_or_default()),
            updated_at: iso(&cells.cell::<String>().unwrap_or_default()),
            artifacts: count(cells.cell()),
            deployment_sets: count(cells.cell()),
        })
    };
    Ok(Tags {
        more: rows.len() > query.limit,
        items: rows.iter().take(query.limit).filter_map(tag).collect(),
    })
}
