//! `artifact_tags`

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_tags")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub artifact_uuid: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag_id: String,
    pub created_at: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
