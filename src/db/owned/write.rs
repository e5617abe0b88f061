//! Writing groups and tag definitions, inside a transaction that the caller holds.
//!
//! Rows look as SkillMeat's API makes them (`skillmeat.core.repositories.local_group`, `…local_tag`), except that a new
//! group gets no identity row in `artifacts`: SkillMeat's own recovery makes none either, and nothing reads it.
//!
//! What this module does not do: decide, begin or commit.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DbBackend, Set, Statement, Value};

use super::super::apply::{insert, optional};
use super::super::entity::{collections, custom_colors, group_artifacts, groups, tags};
use super::super::error::Result;
use super::super::format::{json_list, new_uuid};
use super::super::load::{Cells, all, json_array};
use super::super::schema::Capabilities;
use super::Colors;
use crate::domain::owned::{DbEdits, GroupEdit, GroupValue, TagEdit, TagValue};

/// What SkillMeat's own columns default to (`skillmeat.cache.models.Group`).
const DEFAULT_COLOR: &str = "slate";
const DEFAULT_ICON: &str = "layers";

/// One transaction's worth of writing.
pub(super) struct Writer<'a, C> {
    pub(super) db: &'a C,
    pub(super) capabilities: &'a Capabilities,
    /// As SkillMeat spells times.
    pub(super) now: &'a str,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// A DB collection whose id, name and slug are the directory's name: the one form with which every path of
    /// SkillMeat 0.74.0 finds the directory.
    pub(super) async fn make_collection(&self, directory: &str) -> Result<()> {
        let row = collections::ActiveModel {
            id: Set(directory.to_owned()),
            name: Set(directory.to_owned()),
            slug: self.optional("collections", "slug", || Some(directory.to_owned())),
            description: Set(None),
            collection_type: Set(None),
            created_at: Set(self.now.to_owned()),
            updated_at: Set(self.now.to_owned()),
            owner_type: self.optional("collections", "owner_type", || Some("user".to_owned())),
            visibility: self.optional("collections", "visibility", || Some("private".to_owned())),
            enforce_override: self.optional("collections", "enforce_override", || 0),
        };
        insert(self.db, vec![row], Some(OnConflict::new().do_nothing().to_owned())).await
    }

    /// Writes what a merge made of one directory. `collection` is the DB collection that stands for it.
    pub(super) async fn apply(&self, collection: Option<&str>, edits: &DbEdits) -> Result<()> {
        if let Some(collection) = collection {
            self.groups(collection, edits).await?;
        }
        for slug in &edits.delete_tags {
            // An assignment of this moment keeps its tag.
            let sql = "DELETE FROM tags WHERE slug = ? AND id NOT IN (SELECT tag_id FROM artifact_tags)";
            self.execute(sql, vec![slug.as_str().into()]).await?;
        }
        for (slug, edit) in &edits.update_tags {
            self.update_tag(slug, edit).await?;
        }
        for (slug, value) in &edits.create_tags {
            self.create_tag(slug, value).await?;
        }
        Ok(())
    }

    async fn groups(&self, collection: &str, edits: &DbEdits) -> Result<()> {
        // By way of names nobody has: two groups may swap theirs, and one may take the name of one that goes.
        let mut renamed = Vec::new();
        for (old, new) in &edits.rename_groups {
            if let Some(id) = self.group(collection, old).await? {
                self.rename_group(&id, &new_uuid()).await?;
                renamed.push((id, new));
            }
        }
        for name in &edits.delete_groups {
            self.delete_group(collection, name).await?;
        }
        for (id, new) in renamed {
            self.rename_group(&id, new).await?;
        }
        self.create_groups(collection, &edits.create_groups).await?;
        for (name, edit) in &edits.update_groups {
            if let Some(id) = self.group(collection, name).await? {
                self.update_group(&id, edit).await?;
                if let Some(members) = &edit.members {
                    self.put_members(&id, members).await?;
                }
            }
        }
        Ok(())
    }

    async fn rename_group(&self, id: &str, name: &str) -> Result<()> {
        let sql = "UPDATE groups SET name = ?, updated_at = ? WHERE id = ?";
        self.execute(sql, vec![name.into(), self.now.into(), id.into()]).await
    }

    async fn group(&self, collection: &str, name: &str) -> Result<Option<String>> {
        let sql = "SELECT id FROM groups WHERE collection_id = ? AND name = ?";
        let rows = all(self.db, sql, vec![collection.into(), name.into()]).await?;
        Ok(rows.first().map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// All at once: a recovery may bring hundreds, and SkillMeat's backend stands still while the lock is held.
    async fn create_groups(&self, collection: &str, new: &[(String, GroupValue)]) -> Result<()> {
        let members = new.iter().flat_map(|(_, value)| &value.members);
        let uuids = self.uuids(members).await?;
        let (mut rows, mut memberships) = (Vec::new(), Vec::new());
        for (name, value) in new {
            let id = new_uuid();
            let mut seen = BTreeSet::new();
            let members = value.members.iter().filter_map(|id| uuids.get(id)).filter(|it| seen.insert(*it));
            for (uuid, position) in members.zip(0_i64..) {
                memberships.push(self.membership(&id, uuid, position));
            }
            rows.push(groups::ActiveModel {
                id: Set(id),
                collection_id: Set(collection.to_owned()),
                name: Set(name.clone()),
                description: Set(text(&value.description)),
                tags_json: self
                    .optional("groups", "tags_json", || json_list(value.tags.as_deref().unwrap_or_default())),
                color: Set(or(&value.color, DEFAULT_COLOR)),
                icon: Set(or(&value.icon, DEFAULT_ICON)),
                position: Set(value.position),
                created_at: Set(self.now.to_owned()),
                updated_at: Set(self.now.to_owned()),
                owner_type: self.optional("groups", "owner_type", || Some("user".to_owned())),
                visibility: self.optional("groups", "visibility", || {
                    Some(value.visibility.clone().unwrap_or_else(|| "private".to_owned()))
                }),
            });
        }
        insert(self.db, rows, None).await?;
        insert(self.db, memberships, None).await
    }

    fn membership(&self, group: &str, uuid: &str, position: i64) -> group_artifacts::ActiveModel {
        group_artifacts::ActiveModel {
            group_id: Set(group.to_owned()),
            artifact_uuid: Set(uuid.to_owned()),
            position: Set(position),
            added_at: Set(self.now.to_owned()),
        }
    }

    async fn update_group(&self, id: &str, edit: &GroupEdit) -> Result<()> {
        let has = |column: &str| self.capabilities.has("groups", column);
        let mut set: Vec<(&str, Value)> = Vec::new();
        set.extend(edit.description.as_deref().map(|it| ("description", text(it).into())));
        set.extend(edit.color.as_deref().map(|it| ("color", or(it, DEFAULT_COLOR).into())));
        set.extend(edit.icon.as_deref().map(|it| ("icon", or(it, DEFAULT_ICON).into())));
        set.extend(edit.position.map(|it| ("position", it.into())));
        let tags = edit.tags.as_deref().filter(|_| has("tags_json"));
        set.extend(tags.map(|it| ("tags_json", json_list(it).into())));
        let visibility = edit.visibility.as_deref().filter(|_| has("visibility"));
        set.extend(visibility.map(|it| ("visibility", it.into())));
        self.update("groups", "id", id, set).await
    }

    /// Columns of one row; nothing for no columns.
    async fn update(&self, table: &str, key: &str, of: &str, set: Vec<(&str, Value)>) -> Result<()> {
        if set.is_empty() {
            return Ok(());
        }
        let columns: String = set.iter().map(|(column, _)| format!("{column} = ?, ")).collect();
        let sql = format!("UPDATE {table} SET {columns}updated_at = ? WHERE {key} = ?");
        let values = set.into_iter().map(|(_, value)| value).chain([self.now.into(), of.into()]);
        self.execute(&sql, values.collect()).await
    }

    /// Positions 0, 1, 2 … in the given order. Groups that are members of the group are known to the database alone:
    /// each stays at its place.
    async fn put_members(&self, group: &str, members: &[String]) -> Result<()> {
        let sql = "SELECT m.artifact_uuid, m.position, a.id LIKE 'group:%' FROM group_artifacts m
            LEFT JOIN artifacts a ON a.uuid = m.artifact_uuid WHERE m.group_id = ? ORDER BY m.position, m.rowid";
        let mut now: BTreeMap<String, i64> = BTreeMap::new();
        let mut nested: Vec<(usize, String)> = Vec::new();
        for (place, row) in all(self.db, sql, vec![group.into()]).await?.iter().enumerate() {
            let mut row = Cells::new(row);
            let (Some(uuid), position) = (row.cell::<String>(), row.number()) else { continue };
            if row.cell::<i64>() == Some(1) {
                nested.push((place, uuid.clone()));
            }
            now.insert(uuid, position);
        }
        let uuids = self.uuids(members.iter()).await?;
        let mut seen = BTreeSet::new();
        let mut wanted: Vec<String> = members
            .iter()
            .filter_map(|id| uuids.get(id))
            .filter(|uuid| seen.insert(*uuid))
            .cloned()
            .collect();
        for (place, uuid) in nested {
            wanted.insert(place.min(wanted.len()), uuid);
        }
        let gone: Vec<&str> = now.keys().filter(|uuid| !wanted.contains(uuid)).map(String::as_str).collect();
        if !gone.is_empty() {
            let sql = "DELETE FROM group_artifacts
                WHERE group_id = ? AND artifact_uuid IN (SELECT value FROM json_each(?))";
            self.execute(sql, vec![group.into(), json_array(gone.into_iter()).into()]).await?;
        }
        let mut rows = Vec::new();
        for (uuid, position) in wanted.into_iter().zip(0_i64..) {
            if now.get(&uuid) != Some(&position) {
                rows.push(self.membership(group, &uuid, position));
            }
        }
        let conflict =
            OnConflict::columns([group_artifacts::Column::GroupId, group_artifacts::Column::ArtifactUuid])
                .update_column(group_artifacts::Column::Position)
                .to_owned();
        insert(self.db, rows, Some(conflict)).await
    }

    async fn uuids(&self, members: impl Iterator<Item = &String>) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT id, uuid FROM artifacts WHERE id IN (SELECT value FROM json_each(?))";
        let keys = json_array(members.map(String::as_str));
        let rows = all(self.db, sql, vec![keys.into()]).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Takes the group away with its memberships, and the identity row that the API gave it.
    async fn delete_group(&self, collection: &str, name: &str) -> Result<()> {
        let Some(id) = self.group(collection, name).await? else { return Ok(()) };
        if self.capabilities.has("groups", "artifact_uuid") {
            let sql = "DELETE FROM artifacts WHERE type = 'group'
                AND uuid = (SELECT artifact_uuid FROM groups WHERE id = ?)";
            self.execute(sql, vec![id.as_str().into()]).await?;
        }
        self.execute("DELETE FROM groups WHERE id = ?", vec![id.into()]).await
    }

    /// A name that another tag has stays that one's; the merge tells of it.
    async fn update_tag(&self, slug: &str, edit: &TagEdit) -> Result<()> {
        let mut set: Vec<(&str, Value)> = Vec::new();
        if let Some(name) = &edit.name
            && !self.is_taken(name, slug).await?
        {
            set.push(("name", name.as_str().into()));
        }
        set.extend(edit.color.as_deref().map(|it| ("color", text(it).into())));
        if let Some(new) = &edit.slug {
            let sql = "SELECT 1 FROM tags WHERE slug = ?";
            if all(self.db, sql, vec![new.as_str().into()]).await?.is_empty() {
                set.push(("slug", new.as_str().into()));
            }
        }
        self.update("tags", "slug", slug, set).await
    }

    async fn create_tag(&self, slug: &str, value: &TagValue) -> Result<()> {
        if self.is_taken(&value.name, slug).await? {
            return Ok(());
        }
        let row = tags::ActiveModel {
            id: Set(new_uuid()),
            name: Set(value.name.clone()),
            slug: Set(slug.to_owned()),
            color: Set(text(&value.color)),
            created_at: Set(self.now.to_owned()),
            updated_at: Set(self.now.to_owned()),
        };
        insert(self.db, vec![row], Some(OnConflict::new().do_nothing().to_owned())).await
    }

    /// One that is there already stays as it is.
    pub(super) async fn add_colors(&self, colors: &Colors) -> Result<()> {
        let row = |(hex, name): (&String, &Option<String>)| custom_colors::ActiveModel {
            id: Set(new_uuid()),
            hex: Set(hex.clone()),
            name: Set(name.clone()),
            created_at: Set(self.now.to_owned()),
        };
        let rows: Vec<_> = colors.iter().map(row).collect();
        insert(self.db, rows, Some(OnConflict::new().do_nothing().to_owned())).await
    }

    async fn is_taken(&self, name: &str, slug: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM tags WHERE name = ? AND slug <> ?";
        Ok(!all(self.db, sql, vec![name.into(), slug.into()]).await?.is_empty())
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
        self.db.execute_raw(statement).await?;
        Ok(())
    }

    fn optional<V: Into<Value>>(
        &self,
        table: &str,
        column: &str,
        value: impl FnOnce() -> V,
    ) -> sea_orm::ActiveValue<V> {
        optional(self.capabilities, table, column, value)
    }
}

/// NULL for none, as SkillMeat has it.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}
