//! The first schema of the state database.
//!
//! Times are milliseconds since 1970; JSON payloads are opaque here. The tables are
//! STRICT: this file is ours alone, so a value of the wrong type is a bug that should fail at once.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m20261121_000001_initial"
    }
}

const UP: &[&str] = &[
    // What the files of an artifact added up to, and the file stamps that were true of. Without a rowid a row over a
    // kilobyte would take a page of its own.
    "CREATE TABLE scans (
        collection TEXT NOT NULL,
        kind TEXT NOT NULL,
        path TEXT NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (collection, kind, path)
    ) STRICT",
    // The frontmatter at the last agreement.
    "CREATE TABLE bases (
        collection TEXT NOT NULL,
        artifact TEXT NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (collection, artifact)
    ) STRICT, WITHOUT ROWID",
    // Two tables each, because a set may be known and empty.
    "CREATE TABLE seen_collections (
        collection TEXT NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE seen_artifacts (
        collection TEXT NOT NULL REFERENCES seen_collections (collection) ON DELETE CASCADE,
        artifact TEXT NOT NULL,
        PRIMARY KEY (collection, artifact)
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE confirmed_collections (
        collection TEXT NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE confirmed_artifacts (
        collection TEXT NOT NULL REFERENCES confirmed_collections (collection) ON DELETE CASCADE,
        artifact TEXT NOT NULL,
        PRIMARY KEY (collection, artifact)
    ) STRICT, WITHOUT ROWID",
    // seq, not the time, says which is newer: clocks jump.
    "CREATE TABLE manifest_history (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        collection TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        text BLOB NOT NULL,
        written_at_ms INTEGER NOT NULL,
        UNIQUE (collection, sha256)
    ) STRICT",
    "CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID",
];

const DOWN: &[&str] = &[
    "DROP TABLE meta",
    "DROP TABLE manifest_history",
    "DROP TABLE confirmed_artifacts",
    "DROP TABLE confirmed_collections",
    "DROP TABLE seen_artifacts",
    "DROP TABLE seen_collections",
    "DROP TABLE bases",
    "DROP TABLE scans",
];

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        // SQLite can roll DDL back; a crash between two statements must not leave half a schema.
        Some(true)
    }
}
