//! `groups`

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub collection_id: String,
    pub name: String,
    pub description: Option<String>,
    pub tags_json: String,
    pub color: String,
    pub icon: String,
    pub position: i64,
    pub created_at: String,
    pub updated_at: String,
    pub owner_type: Option<String>,
    pub visibility: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
