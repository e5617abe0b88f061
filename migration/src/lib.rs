//! The two schemas the daemon can create.
//!
//! * [`state`]: its own state database, versioned by [`StateMigrator`] in the usual `seaql_migrations` table.
//! * [`cache`]: SkillMeat's cache as far as the daemon touches it, for a machine where no SkillMeat is installed.
//!   SkillMeat versions that file with Alembic, so there is one migration, run by hand on a transaction, and no
//!   `seaql_migrations` table.
//!
//! A migration is frozen once released: it never changes and never imports an entity. A later change is a new dated
//! module.
//!
//! What this crate does not do: open files, decide which of the two applies, or touch a cache that SkillMeat made.

pub mod cache;
pub mod state;

pub use cache::StandaloneCache;
pub use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};
pub use state::StateMigrator;

use sea_orm_migration::DbErr;

/// Runs `statements` in order, each by itself so that an error names one of them.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    use sea_orm_migration::sea_orm::ConnectionTrait;

    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
