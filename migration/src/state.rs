//! The state database: what the daemon has to remember and neither side can hold.
//!
//! Everything in it can be rebuilt or done without: losing the file costs a full scan, and until the next agreement
//! the merge rules for "no base" apply.

mod m20261121_000001_initial;
mod m20261121_000002_agreements;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings a state database to the newest schema, or back.
#[derive(Debug, Clone, Copy)]
pub struct StateMigrator;

impl MigratorTrait for StateMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261121_000001_initial::Initial), Box::new(m20261121_000002_agreements::Agreements)]
    }
}

#[cfg(test)]
mod tests;
