//! `collection_artifacts`

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "collection_artifacts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub artifact_uuid: String,
    pub added_at: String,
    pub description: Option<String>,
    pub author: Option<String>,
    pub license: Option<String>,
    pub tags_json: Option<String>,
    pub tools_json: Option<String>,
    pub version: Option<String>,
    pub artifact_content_hash: Option<String>,
    pub artifact_structure_hash: Option<String>,
    pub artifact_file_count: i64,
    pub artifact_total_size: i64,
    pub source: Option<String>,
    pub origin: Option<String>,
    pub origin_source: Option<String>,
    pub resolved_sha: Option<String>,
    pub resolved_version: Option<String>,
    pub synced_at: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
