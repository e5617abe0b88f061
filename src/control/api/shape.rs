//! The JSON of SkillMeat's answers, key by key in SkillMeat's order
//! (`skillmeat.api.schemas.{user_collections, groups, tags, common}`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::domain::catalog::{Deployment, GroupRow, InCollection, InGroup, Page, Summary, TagRow, Tags};

#[derive(Debug, Serialize)]
pub(super) struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
    end_cursor: Option<String>,
    total_count: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct ArtifactList {
    items: Vec<ArtifactItem>,
    page_info: PageInfo,
}

#[derive(Debug, Serialize)]
struct ArtifactItem {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    version: Option<String>,
    source: String,
    description: Option<String>,
    author: Option<String>,
    tags: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    origin: Option<String>,
    origin_source: Option<String>,
    collections: Vec<CollectionItem>,
    groups: Option<Vec<GroupOf>>,
    deployments: Option<Vec<DeploymentItem>>,
}

#[derive(Debug, Serialize)]
struct CollectionItem {
    id: String,
    name: String,
    artifact_count: usize,
}

#[derive(Debug, Serialize)]
struct GroupOf {
    id: String,
    name: String,
    position: i64,
}

#[derive(Debug, Serialize)]
struct DeploymentItem {
    project_path: String,
    project_name: String,
    deployed_at: String,
    content_hash: Option<String>,
    deployment_profile_id: String,
    local_modifications: Option<bool>,
    platform: Option<String>,
    branch_name: Option<String>,
}

/// A cursor: SkillMeat's is the id in base64.
pub(super) fn cursor(id: &str) -> String {
    STANDARD.encode(id)
}

/// The id in a cursor.
pub(super) fn id_of_cursor(cursor: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(cursor).ok()?).ok()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(super) fn artifacts(page: Page, continued: bool) -> ArtifactList {
    let page_info = PageInfo {
        has_next_page: page.more,
        has_previous_page: continued,
        start_cursor: page.items.first().map(|item| cursor(&item.id)),
        end_cursor: page.items.last().map(|item| cursor(&item.id)),
        total_count: Some(page.total),
    };
    ArtifactList { items: page.items.into_iter().map(artifact).collect(), page_info }
}

fn artifact(item: Summary) -> ArtifactItem {
    let (kind, name) = item.id.split_once(':').unwrap_or(("unknown", &item.id));
    ArtifactItem {
        kind: kind.to_owned(),
        name: name.to_owned(),
        version: item.version,
        source: item.source,
        description: item.description,
        author: item.author,
        tags: some(item.tags),
        tools: some(item.tools),
        origin: item.origin,
        origin_source: item.origin_source,
        collections: item.collections.into_iter().map(collection).collect(),
        groups: item.groups.map(|groups| groups.into_iter().map(group_of).collect()),
        deployments: some(item.deployments.into_iter().map(deployment).collect()),
        id: item.id,
    }
}

fn collection(InCollection { id, name, artifacts }: InCollection) -> CollectionItem {
    CollectionItem { id, name, artifact_count: artifacts }
}

fn group_of(InGroup { id, name, position }: InGroup) -> GroupOf {
    GroupOf { id, name, position }
}

fn deployment(deployment: Deployment) -> DeploymentItem {
    DeploymentItem {
        project_path: deployment.project_path,
        project_name: deployment.project_name,
        deployed_at: deployment.deployed_at,
        content_hash: deployment.content_hash,
        deployment_profile_id: deployment.profile,
        local_modifications: deployment.local_modifications,
        platform: deployment.platform,
        branch_name: None,
    }
}

#[derive(Debug, Serialize)]
pub(super) struct GroupList {
    groups: Vec<GroupItem>,
    total: usize,
}

#[derive(Debug, Serialize)]
struct GroupItem {
    id: String,
    collection_id: String,
    name: String,
    description: Option<String>,
    tags: Vec<String>,
    color: String,
    icon: String,
    position: i64,
    created_at: String,
    updated_at: String,
    artifact_count: usize,
    collections: [(); 0],
}

pub(super) fn groups(rows: Vec<GroupRow>) -> GroupList {
    GroupList { total: rows.len(), groups: rows.into_iter().map(group).collect() }
}

fn group(row: GroupRow) -> GroupItem {
    GroupItem {
        id: row.id,
        collection_id: row.collection,
        name: row.name,
        description: row.description,
        tags: row.tags,
        color: row.color,
        icon: row.icon,
        position: row.position,
        created_at: row.created_at,
        updated_at: row.updated_at,
        artifact_count: row.artifacts,
        collections: [],
    }
}

#[derive(Debug, Serialize)]
pub(super) struct TagList {
    items: Vec<TagItem>,
    page_info: PageInfo,
}

#[derive(Debug, Serialize)]
struct TagItem {
    id: String,
    name: String,
    slug: String,
    color: Option<String>,
    created_at: String,
    updated_at: String,
    artifact_count: usize,
    deployment_set_count: usize,
}

/// SkillMeat's tag cursors are plain ids, and the last page has no end cursor.
pub(super) fn tags(tags: Tags, continued: bool) -> TagList {
    let page_info = PageInfo {
        has_next_page: tags.more,
        has_previous_page: continued,
        start_cursor: tags.items.first().map(|tag| tag.id.clone()),
        end_cursor: tags.items.last().map(|tag| tag.id.clone()).filter(|_| tags.more),
        total_count: None,
    };
    TagList { items: tags.items.into_iter().map(tag).collect(), page_info }
}

fn tag(row: TagRow) -> TagItem {
    TagItem {
        id: row.id,
        name: row.name,
        slug: row.slug,
        color: row.color,
        created_at: row.created_at,
        updated_at: row.updated_at,
        artifact_count: row.artifacts,
        deployment_set_count: row.deployment_sets,
    }
}
