//! The groups of one collection, and their members.
//!
//! What this module does not do: touch `updated_at` for a change of members alone; SkillMeat does not either.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, Set};

use super::super::super::apply::insert;
use super::super::super::entity::{group_artifacts, groups};
use super::super::super::error::Result;
use super::super::super::format::{json_list, new_uuid};
use super::super::super::load::{Cells, all, json_array};
use super::{Change, Writer, text};
use crate::domain::owned::{DbEdits, GroupEdit, GroupValue};

/// What SkillMeat's own columns default to (`skillmeat.cache.models.Group`).
const DEFAULT_COLOR: &str = "slate";
const DEFAULT_ICON: &str = "layers";

/// The memberships of one group.
#[derive(Default)]
struct Standing {
    /// Position by artifact uuid.
    positions: BTreeMap<String, i64>,
    /// Groups that are members, by their place. They are known to the database alone.
    nested: Vec<(usize, String)>,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    pub(super) async fn groups(&self, collection: &str, edits: &DbEdits) -> Result<()> {
        let DbEdits { rename_groups, delete_groups, create_groups, update_groups, .. } = edits;
        let mut ids = BTreeMap::new();
        if !(rename_groups.is_empty() && delete_groups.is_empty() && update_groups.is_empty()) {
            ids = self.group_ids(collection).await?;
        }
        let renamed: Vec<(String, &String)> =
            rename_groups.iter().filter_map(|(old, new)| Some((ids.remove(old)?, new))).collect();
        // By way of names nobody has: two groups may swap theirs, and one may take the name of one that goes.
        self.rename(renamed.iter().map(|(id, _)| (id.clone(), new_uuid()))).await?;
        self.delete_groups(delete_groups.iter().filter_map(|name| ids.remove(name)).collect()).await?;
        self.rename(renamed.iter().map(|(id, new)| (id.clone(), (*new).clone()))).await?;
        ids.extend(renamed.into_iter().map(|(id, new)| (new.clone(), id)));
        self.create_groups(collection, create_groups).await?;
        let changes = update_groups.iter().filter_map(|(name, edit)| Some((ids.get(name)?, edit)));
        let changes = changes.map(|(id, edit)| Change { id: id.clone(), set: self.columns(edit) });
        self.update("groups", changes.collect()).await?;
        let members = update_groups
            .iter()
            .filter_map(|(name, edit)| Some((ids.get(name)?.clone(), edit.members.as_deref()?)));
        self.put_members(members.collect()).await
    }

    async fn group_ids(&self, collection: &str) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT name, id FROM groups WHERE collection_id = ?";
        let rows = all(self.db, sql, vec![collection.into()]).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    async fn rename(&self, names: impl Iterator<Item = (String, String)>) -> Result<()> {
        let change = |(id, name): (String, String)| Change { id, set: vec![("name", name.into())] };
        self.update("groups", names.map(change).collect()).await
    }

    async fn create_groups(&self, collection: &str, new: &[(String, GroupValue)]) -> Result<()> {
        let uuids = self.uuids(new.iter().flat_map(|(_, value)| &value.members)).await?;
        let (mut rows, mut memberships) = (Vec::new(), Vec::new());
        for (name, value) in new {
            let id = new_uuid();
            for (uuid, position) in known(&value.members, &uuids).into_iter().zip(0_i64..) {
                memberships.push(self.membership(&id, &uuid, position));
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

    fn columns(&self, edit: &GroupEdit) -> Vec<(&'static str, sea_orm::Value)> {
        let has = |column: &str| self.capabilities.has("groups", column);
        let mut set: Vec<(&'static str, sea_orm::Value)> = Vec::new();
        set.extend(edit.description.as_deref().map(|it| ("description", text(it).into())));
        set.extend(edit.color.as_deref().map(|it| ("color", or(it, DEFAULT_COLOR).into())));
        set.extend(edit.icon.as_deref().map(|it| ("icon", or(it, DEFAULT_ICON).into())));
        set.extend(edit.position.map(|it| ("position", it.into())));
        let tags = edit.tags.as_deref().filter(|_| has("tags_json"));
        set.extend(tags.map(|it| ("tags_json", json_list(it).into())));
        let visibility = edit.visibility.as_deref().filter(|_| has("visibility"));
        set.extend(visibility.map(|it| ("visibility", it.into())));
        set
    }

    /// Positions 0, 1, 2 … in the given order, by group id. Groups that are members of a group stay at their place.
    async fn put_members(&self, wanted: BTreeMap<String, &[String]>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut standing = self.standing(&wanted).await?;
        let uuids = self.uuids(wanted.values().copied().flatten()).await?;
        let (mut gone, mut rows) = (Vec::new(), Vec::new());
        for (group, members) in wanted {
            let Standing { positions, nested } = standing.remove(&group).unwrap_or_default();
            let mut members = known(members, &uuids);
            for (place, uuid) in nested {
                members.insert(place.min(members.len()), uuid);
            }
            let stays: BTreeSet<&String> = members.iter().collect();
            let goes = positions.keys().filter(|uuid| !stays.contains(uuid));
            gone.extend(goes.map(|uuid| serde_json::json!([group, uuid])));
            for (uuid, position) in members.iter().zip(0_i64..) {
                if positions.get(uuid) != Some(&position) {
                    rows.push(self.membership(&group, uuid, position));
                }
            }
        }
        if !gone.is_empty() {
            let sql = "DELETE FROM group_artifacts WHERE (group_id, artifact_uuid) IN
                (SELECT value ->> 0, value ->> 1 FROM json_each(?))";
            self.execute(sql, vec![serde_json::Value::from(gone).to_string().into()]).await?;
        }
        let conflict =
            OnConflict::columns([group_artifacts::Column::GroupId, group_artifacts::Column::ArtifactUuid])
                .update_column(group_artifacts::Column::Position)
                .to_owned();
        insert(self.db, rows, Some(conflict)).await
    }

    /// What these groups have now.
    async fn standing(&self, of: &BTreeMap<String, &[String]>) -> Result<BTreeMap<String, Standing>> {
        let sql = "SELECT m.group_id, m.artifact_uuid, m.position, a.id LIKE 'group:%' FROM group_artifacts m
            LEFT JOIN artifacts a ON a.uuid = m.artifact_uuid
            WHERE m.group_id IN (SELECT value FROM json_each(?)) ORDER BY m.group_id, m.position, m.rowid";
        let groups = json_array(of.keys().map(String::as_str));
        let mut standing: BTreeMap<String, Standing> = BTreeMap::new();
        let mut place = BTreeMap::<String, usize>::new();
        for row in all(self.db, sql, vec![groups.into()]).await? {
            let mut row = Cells::new(&row);
            let Some(group) = row.cell::<String>() else { continue };
            let here = *place.entry(group.clone()).and_modify(|place| *place += 1).or_insert(0);
            let (Some(uuid), position) = (row.cell::<String>(), row.number()) else { continue };
            let of_group = standing.entry(group).or_default();
            if row.cell::<i64>() == Some(1) {
                of_group.nested.push((here, uuid.clone()));
            }
            of_group.positions.insert(uuid, position);
        }
        Ok(standing)
    }

    async fn uuids(&self, members: impl Iterator<Item = &String>) -> Result<BTreeMap<String, String>> {
        let members: BTreeSet<&str> = members.map(String::as_str).collect();
        if members.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = "SELECT id, uuid FROM artifacts WHERE id IN (SELECT value FROM json_each(?))";
        let rows = all(self.db, sql, vec![json_array(members.into_iter()).into()]).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Takes groups away with their memberships, and the identity rows that the API gave them.
    async fn delete_groups(&self, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = json_array(ids.iter().map(String::as_str));
        if self.capabilities.has("groups", "artifact_uuid") {
            let sql = "DELETE FROM artifacts WHERE type = 'group' AND uuid IN
                (SELECT artifact_uuid FROM groups WHERE id IN (SELECT value FROM json_each(?)))";
            self.execute(sql, vec![ids.as_str().into()]).await?;
        }
        self.execute("DELETE FROM groups WHERE id IN (SELECT value FROM json_each(?))", vec![ids.into()])
            .await
    }
}

/// The uuids of those that have one, each once.
fn known(members: &[String], uuids: &BTreeMap<String, String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    members.iter().filter_map(|id| uuids.get(id)).filter(|uuid| seen.insert(*uuid)).cloned().collect()
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}
