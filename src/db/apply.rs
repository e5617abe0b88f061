//! Writing one batch of a plan, inside a transaction that the caller holds.
//!
//! Multi-row statements throughout: through the driver a statement costs about 30 µs before it does anything, and each of
//! its values is cloned and bound by itself. So rows of artifacts, of which there are thousands, go as one value
//! ([`Bulk`]).
//!
//! What this module does not do: decide, begin, commit, or touch a column the plan does not name. `added_at` and
//! `deployments_json` of a row that exists, groups, and `artifacts` rows that exist are never written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue, ConnectionTrait, DbBackend, EntityTrait,
    IntoActiveModel, QueryTrait, Set, Statement, Value,
};

use super::bulk::Bulk;
use super::entity::{artifact_tags, artifacts, collection_artifacts, collections, projects, tags};
use super::error::{DbError, Result};
use super::format::{json_list, new_uuid, timestamp};
use super::load::{all, json_array};
use super::schema::Capabilities;
use crate::domain::model::ArtifactId;
use crate::domain::plan::{Assignment, NewArtifact, NewTag, Plan, Removal, Upsert, Verified};
use crate::domain::rows::{Actual, DEFAULT_COLLECTION, SENTINEL_PROJECT};

/// Rows a statement. More gain nothing, and each statement stays in the connection's cache, prepared: a kilobyte a row.
pub(super) const CHUNK: usize = 25;

/// The columns that a [`Row`](crate::domain::model::Row) is of, in the order they are written.
const MIRRORED: [collection_artifacts::Column; 15] = {
    use collection_artifacts::Column;

    [
        Column::Description,
        Column::Author,
        Column::License,
        Column::TagsJson,
        Column::ToolsJson,
        Column::Version,
        Column::ArtifactContentHash,
        Column::ArtifactStructureHash,
        Column::ArtifactFileCount,
        Column::ArtifactTotalSize,
        Column::Source,
        Column::Origin,
        Column::OriginSource,
        Column::ResolvedSha,
        Column::ResolvedVersion,
    ]
};

/// What the writer has to know beside the plan, kept from one batch to the next.
#[derive(Debug)]
pub(super) struct Names {
    /// `artifacts.uuid` by id.
    uuids: BTreeMap<ArtifactId, String>,
    /// `tags.id` by slug: the slugs of the rows, and those a plan gave to a name that has a row under another slug.
    tags: BTreeMap<String, String>,
    /// `tags.id` by name.
    tag_names: BTreeMap<String, String>,
    /// For new artifacts, the greatest first. Handed out in the order of the plan, they make every index on the uuid
    /// grow at its end: two thirds of the time, and fewer pages to write, at ten thousand rows.
    fresh: Vec<String>,
}

impl Names {
    /// What `actual` says, and identities for as many new artifacts.
    pub(super) fn new(actual: &Actual, new_artifacts: usize) -> Self {
        let mut fresh: Vec<String> = std::iter::repeat_with(new_uuid).take(new_artifacts).collect();
        fresh.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            fresh,
            uuids: actual.artifacts.iter().map(|(id, row)| (id.clone(), row.uuid.clone())).collect(),
            tags: actual.tags.iter().map(|tag| (tag.slug.clone(), tag.id.clone())).collect(),
            tag_names: actual.tags.iter().map(|tag| (tag.name.clone(), tag.id.clone())).collect(),
        }
    }

    fn uuid(&self, id: &ArtifactId) -> Result<&str> {
        self.uuids.get(id).map(String::as_str).ok_or_else(|| DbError::Missing(id.to_string()))
    }
}

/// One transaction's worth of writing.
pub(super) struct Writer<'a, C> {
    pub(super) db: &'a C,
    pub(super) capabilities: &'a Capabilities,
    pub(super) sentinel_path: &'a str,
    pub(super) now: NaiveDateTime,
    pub(super) names: &'a mut Names,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    pub(super) async fn apply(&mut self, batch: Plan) -> Result<()> {
        let now = timestamp(self.now);
        if batch.sentinel {
            self.sentinel(&now).await?;
        }
        if batch.default_collection {
            self.default_collection(&now).await?;
        }
        self.new_artifacts(batch.new_artifacts, &now).await?;
        self.new_tags(batch.new_tags, &now).await?;
        self.upserts(batch.upserts, &now).await?;
        self.verified(&batch.verified, &now).await?;
        self.tag(&batch.tag, &now).await?;
        self.untag(&batch.untag).await?;
        self.remove(&batch.removals).await
    }

    /// As `skillmeat.cache.repositories.user_collections.ensure_sentinel_project` makes it; left out when another row
    /// has the id or the path.
    async fn sentinel(&self, now: &str) -> Result<()> {
        let row = projects::ActiveModel {
            id: Set(SENTINEL_PROJECT.to_owned()),
            name: Set("Collection Artifacts".to_owned()),
            path: Set(self.sentinel_path.to_owned()),
            description: Set(Some("Sentinel project for filesystem collection artifacts".to_owned())),
            status: Set("active".to_owned()),
            created_at: Set(now.to_owned()),
            updated_at: Set(now.to_owned()),
            owner_type: self.optional("projects", "owner_type", || Some("user".to_owned())),
            visibility: self.optional("projects", "visibility", || Some("private".to_owned())),
        };
        insert(self.db, vec![row], Some(OnConflict::new().do_nothing().to_owned())).await
    }

    /// As `skillmeat.cache.repositories.user_collections.ensure_default` makes it.
    async fn default_collection(&self, now: &str) -> Result<()> {
        let row = collections::ActiveModel {
            id: Set(DEFAULT_COLLECTION.to_owned()),
            name: Set("Default Collection".to_owned()),
            slug: ActiveValue::NotSet,
            description: Set(Some("Default artifact collection".to_owned())),
            collection_type: Set(Some("default".to_owned())),
            created_at: Set(now.to_owned()),
            updated_at: Set(now.to_owned()),
            owner_type: self.optional("collections", "owner_type", || Some("user".to_owned())),
            visibility: self.optional("collections", "visibility", || Some("private".to_owned())),
            enforce_override: self.optional("collections", "enforce_override", || 0),
        };
        insert(self.db, vec![row], Some(OnConflict::column(collections::Column::Id).do_nothing().to_owned()))
            .await
    }

    /// Inserts the ids that are still free. Unless all were, the uuids are read back: whoever came first, the row has one
    /// uuid for ever.
    async fn new_artifacts(&mut self, new: Vec<NewArtifact>, now: &str) -> Result<()> {
        use artifacts::Column;

        if new.is_empty() {
            return Ok(());
        }
        let sql = "SELECT id FROM projects WHERE id = ?";
        let has_sentinel = !all(self.db, sql, vec![SENTINEL_PROJECT.into()]).await?.is_empty();
        let mut fresh = std::mem::take(&mut self.names.fresh);
        let given: Vec<String> = new.iter().map(|_| fresh.pop().unwrap_or_else(new_uuid)).collect();
        self.names.fresh = fresh;
        let rows: Vec<(&NewArtifact, &String)> = new.iter().zip(&given).collect();
        let mut same: Vec<(Column, Value)> = vec![
            (Column::ProjectId, has_sentinel.then(|| SENTINEL_PROJECT.to_owned()).into()),
            (Column::IsOutdated, 0.into()),
            (Column::LocalModified, 0.into()),
            (Column::AutoLoad, 0.into()),
            (Column::CreatedAt, now.into()),
            (Column::UpdatedAt, now.into()),
        ];
        let optional: [(&str, Column, Value); 3] = [
            ("owner_type", Column::OwnerType, "user".into()),
            ("visibility", Column::Visibility, "private".into()),
            ("enforce_override", Column::EnforceOverride, 0.into()),
        ];
        let known = optional.into_iter().filter(|(name, ..)| self.capabilities.has("artifacts", name));
        same.extend(known.map(|(_, column, value)| (column, value)));
        let bulk = Bulk::<artifacts::Entity> {
            same,
            columns: vec![
                Column::Id,
                Column::Uuid,
                Column::Name,
                Column::Kind,
                Column::Source,
                Column::DeployedVersion,
            ],
            conflict: OnConflict::column(Column::Id).do_nothing().to_owned(),
        };
        let inserted = bulk
            .insert(self.db, &rows, |(NewArtifact { id, source, deployed_version }, uuid)| {
                Ok((id.to_string(), uuid, &*id.name, id.kind.as_str(), source, deployed_version))
            })
            .await?;
        let ids = new.into_iter().map(|artifact| artifact.id);
        if inserted == given.len() as u64 {
            self.names.uuids.extend(ids.zip(given));
            return Ok(());
        }
        self.read_uuids(ids).await
    }

    async fn read_uuids(&mut self, ids: impl Iterator<Item = ArtifactId>) -> Result<()> {
        let mut wanted: BTreeMap<String, ArtifactId> = ids.map(|id| (id.to_string(), id)).collect();
        let keys = json_array(wanted.keys().map(String::as_str));
        let sql = "SELECT id, uuid FROM artifacts WHERE id IN (SELECT value FROM json_each(?))";
        for row in all(self.db, sql, vec![keys.into()]).await? {
            let id: String = row.try_get_by_index(0)?;
            if let Some(id) = wanted.remove(&id) {
                self.names.uuids.insert(id, row.try_get_by_index(1)?);
            }
        }
        Ok(())
    }

    /// A tag has a row if its slug has one, or else if exactly its name has one (people give tags slugs of their own).
    async fn new_tags(&mut self, new: Vec<NewTag>, now: &str) -> Result<()> {
        let mut rows = Vec::new();
        for tag in new {
            if self.names.tags.contains_key(&tag.slug) {
                continue;
            }
            if let Some(id) = self.names.tag_names.get(&tag.name) {
                self.names.tags.insert(tag.slug, id.clone());
                continue;
            }
            let id = new_uuid();
            self.names.tags.insert(tag.slug.clone(), id.clone());
            self.names.tag_names.insert(tag.name.clone(), id.clone());
            rows.push(tags::ActiveModel {
                id: Set(id),
                name: Set(tag.name),
                slug: Set(tag.slug),
                color: ActiveValue::NotSet,
                created_at: Set(now.to_owned()),
                updated_at: Set(now.to_owned()),
            });
        }
        // No ON CONFLICT: every row that could be in the way has been looked at in this transaction.
        insert(self.db, rows, None).await
    }

    async fn upserts(&mut self, upserts: Vec<Upsert>, now: &str) -> Result<()> {
        use collection_artifacts::Column;

        let unknown: BTreeSet<ArtifactId> = upserts
            .iter()
            .map(|u| &u.artifact)
            .filter(|id| !self.names.uuids.contains_key(id))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            self.read_uuids(unknown.into_iter()).await?;
        }
        for upserts in upserts.chunk_by(|one, next| one.collection == next.collection) {
            let Some(Upsert { collection, .. }) = upserts.first() else { continue };
            let bulk = Bulk::<collection_artifacts::Entity> {
                same: vec![
                    (Column::CollectionId, collection.into()),
                    (Column::AddedAt, now.into()),
                    (Column::SyncedAt, now.into()),
                ],
                columns: [Column::ArtifactUuid].into_iter().chain(MIRRORED).collect(),
                conflict: OnConflict::columns([Column::CollectionId, Column::ArtifactUuid])
                    .update_columns(MIRRORED.into_iter().chain([Column::SyncedAt]))
                    .to_owned(),
            };
            let names = &*self.names;
            let row = |Upsert { artifact, row, .. }: &Upsert| {
                let row = row.unpack();
                Ok((
                    names.uuid(artifact)?,
                    row.description,
                    row.author,
                    row.license,
                    json_list(&row.tags),
                    json_list(&row.tools),
                    row.version,
                    row.content_hash,
                    row.structure_hash,
                    row.file_count,
                    row.total_size,
                    row.source,
                    row.origin,
                    row.origin_source,
                    row.resolved_sha,
                    row.resolved_version,
                ))
            };
            bulk.insert(self.db, upserts, row).await?;
        }
        Ok(())
    }

    async fn verified(&self, verified: &[Verified], now: &str) -> Result<()> {
        let mut by_collection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in verified {
            let uuid = self.names.uuid(&row.artifact)?;
            by_collection.entry(&row.collection).or_default().push(uuid);
        }
        let sql = "UPDATE collection_artifacts SET synced_at = ?
            WHERE collection_id = ? AND artifact_uuid IN (SELECT value FROM json_each(?))";
        for (collection, uuids) in by_collection {
            let values: Vec<Value> =
                vec![now.into(), collection.into(), json_array(uuids.into_iter()).into()];
            self.db.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        }
        Ok(())
    }

    async fn tag(&self, assignments: &[Assignment], now: &str) -> Result<()> {
        use artifact_tags::Column;

        let bulk = Bulk::<artifact_tags::Entity> {
            same: vec![(Column::CreatedAt, now.into())],
            columns: vec![Column::ArtifactUuid, Column::TagId],
            conflict: OnConflict::columns([Column::ArtifactUuid, Column::TagId]).do_nothing().to_owned(),
        };
        let row = |assignment: &Assignment| {
            Ok((self.names.uuid(&assignment.artifact)?, self.tag_id(&assignment.slug)?))
        };
        bulk.insert(self.db, assignments, row).await.map(drop)
    }

    async fn untag(&self, assignments: &[Assignment]) -> Result<()> {
        let mut by_tag: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for assignment in assignments {
            let uuid = self.names.uuid(&assignment.artifact)?;
            by_tag.entry(self.tag_id(&assignment.slug)?).or_default().push(uuid);
        }
        let sql = "DELETE FROM artifact_tags WHERE tag_id = ? AND artifact_uuid IN (SELECT value FROM json_each(?))";
        self.delete(sql, by_tag).await
    }

    async fn remove(&self, removals: &[Removal]) -> Result<()> {
        let mut by_collection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for removal in removals {
            let uuid = self.names.uuid(&removal.artifact)?;
            by_collection.entry(&removal.collection).or_default().push(uuid);
        }
        let sql = "DELETE FROM collection_artifacts
            WHERE collection_id = ? AND artifact_uuid IN (SELECT value FROM json_each(?))";
        self.delete(sql, by_collection).await
    }

    async fn delete(&self, sql: &str, keys: BTreeMap<&str, Vec<&str>>) -> Result<()> {
        for (key, uuids) in keys {
            let values: Vec<Value> = vec![key.into(), json_array(uuids.into_iter()).into()];
            self.db.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        }
        Ok(())
    }

    fn tag_id(&self, slug: &str) -> Result<&str> {
        self.names.tags.get(slug).map(String::as_str).ok_or_else(|| DbError::Missing(format!("tag {slug}")))
    }

    /// A column that not every release has.
    fn optional<V: Into<Value>>(
        &self,
        table: &str,
        column: &str,
        value: impl FnOnce() -> V,
    ) -> ActiveValue<V> {
        optional(self.capabilities, table, column, value)
    }
}

/// A column that not every release has.
pub(super) fn optional<V: Into<Value>>(
    capabilities: &Capabilities,
    table: &str,
    column: &str,
    value: impl FnOnce() -> V,
) -> ActiveValue<V> {
    if capabilities.has(table, column) { Set(value()) } else { ActiveValue::NotSet }
}

/// Inserts the rows. For many there is [`Bulk`].
pub(super) async fn insert<A>(
    db: &impl ConnectionTrait,
    rows: Vec<A>,
    conflict: Option<OnConflict>,
) -> Result<()>
where
    A: ActiveModelTrait + ActiveModelBehavior + IntoActiveModel<A> + Send,
{
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut statement = A::Entity::insert_many(rows.by_ref().take(CHUNK));
        if let Some(conflict) = &conflict {
            statement = statement.on_conflict(conflict.clone());
        }
        db.execute_raw(statement.build(DbBackend::Sqlite)).await?;
    }
    Ok(())
}
