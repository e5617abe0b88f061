//! What database and manifests agreed on, and what they did not.
//!
//! Payloads are opaque JSON, times milliseconds since 1970, tables STRICT, as in the first schema.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Agreements;

impl MigrationName for Agreements {
    fn name(&self) -> &'static str {
        "m20261121_000002_agreements"
    }
}

const UP: &[&str] = &[
    // Groups and tag definitions when database and manifest were last equal.
    "CREATE TABLE agreements (
        collection TEXT NOT NULL PRIMARY KEY,
        payload TEXT NOT NULL
    ) STRICT, WITHOUT ROWID",
    // Digests of sections that were seen in a manifest. seq, not the time, says which is newer: clocks jump.
    "CREATE TABLE sections_seen (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        collection TEXT NOT NULL,
        section TEXT NOT NULL,
        digest TEXT NOT NULL,
        UNIQUE (collection, section, digest)
    ) STRICT",
    // The tags of each artifact when database and manifest were last equal, and a digest to compare them by.
    "CREATE TABLE agreed_tags (
        collection TEXT NOT NULL,
        artifact TEXT NOT NULL,
        digest INTEGER NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (collection, artifact)
    ) STRICT, WITHOUT ROWID",
    // Both sides changed the same thing: the side that gave way, until a person has decided.
    "CREATE TABLE conflicts (
        id TEXT NOT NULL PRIMARY KEY,
        collection TEXT NOT NULL,
        payload TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
];

const DOWN: &[&str] =
    &["DROP TABLE conflicts", "DROP TABLE agreed_tags", "DROP TABLE sections_seen", "DROP TABLE agreements"];

#[async_trait::async_trait]
impl MigrationTrait for Agreements {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true) // as in the first schema
    }
}
