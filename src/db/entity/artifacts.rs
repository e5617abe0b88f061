//! `artifacts`

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifacts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub uuid: String,
    pub project_id: Option<String>,
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub kind: String,
    pub source: Option<String>,
    pub deployed_version: Option<String>,
    pub is_outdated: i32,
    pub local_modified: i32,
    pub auto_load: i32,
    pub created_at: String,
    pub updated_at: String,
    pub owner_type: Option<String>,
    pub visibility: Option<String>,
    pub enforce_override: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
