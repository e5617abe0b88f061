//! SkillMeat's cache without SkillMeat: the tables the daemon touches, as SkillMeat 0.74.0 makes them
//! (`skillmeat.cache.models`), and the Alembic stamp that makes SkillMeat take the file over as its own.
//!
//! SkillMeat opened on such a file adds its other tables itself (`Base.metadata.create_all` skips what exists) and
//! replays no migration, because the stamp is the head it ships. Columns, CHECKs, foreign keys, index names and
//! declared types must therefore stay exactly as below.
//!
//! What this module does not do: check that the file is empty, start the transaction, or set the journal mode (that
//! cannot be done inside one). The caller does all three.

mod ddl;

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

/// `PRAGMA application_id` of a cache the daemon created ("SMD1"). SkillMeat leaves the field at 0 and ignores it.
pub const APPLICATION_ID: i32 = 0x534D_4431;

/// The Alembic head of SkillMeat 0.74.0.
pub const ALEMBIC_HEAD: &str = "20260801_0001_rls_tenant_guc_repoint_compound";

/// The tables it creates, parents first.
pub const TABLES: [&str; 11] = ddl::TABLES;

/// Creates the standalone cache, or drops it.
#[derive(Debug, Clone, Copy)]
pub struct StandaloneCache;

impl MigrationName for StandaloneCache {
    fn name(&self) -> &'static str {
        "standalone_cache_0_74_0"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for StandaloneCache {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, ddl::UP).await?;
        let stamp = format!("INSERT INTO alembic_version (version_num) VALUES ('{ALEMBIC_HEAD}')");
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
        crate::run(manager, &[stamp.as_str(), mark.as_str()]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ddl::TABLES.iter().rev() {
            crate::run(manager, &[format!("DROP TABLE {table}").as_str()]).await?;
        }
        crate::run(manager, &["PRAGMA application_id = 0"]).await
    }
}

#[cfg(test)]
mod tests;
