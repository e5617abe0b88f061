//! Noticing that somebody else committed.
//!
//! `PRAGMA data_version` moves when *another* connection has changed the database since this one last looked; commits
//! of this connection do not move it, which is what keeps the daemon's own writes from coming back as changes
//! (<https://www.sqlite.org/pragma.html#pragma_data_version>). A rollback and an UPDATE of no rows do not move it; a
//! truncating checkpoint does, harmlessly.
//!
//! What this module does not do: watch files, or wait. In WAL mode about half of the file events come before the commit
//! they belong to can be seen, so whoever got one asks again after each of [`RECHECKS`].

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::error::{DbError, Result};

/// When to ask again after an event on the `-wal` file that showed no change yet, counted from the event.
pub const RECHECKS: [Duration; 3] =
    [Duration::from_millis(2), Duration::from_millis(10), Duration::from_millis(50)];

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    /// Commits by others.
    pub(crate) data: i64,
    /// DDL by anybody.
    pub(crate) schema: i64,
}

/// Asks both versions at once. Inside a transaction the answer belongs to its snapshot.
pub(crate) async fn versions(db: &impl ConnectionTrait) -> Result<Versions> {
    let sql = "SELECT d.data_version, s.schema_version FROM pragma_data_version d, pragma_schema_version s";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
    let row = row.ok_or_else(|| DbError::from(DbErr::RecordNotFound("data_version".to_owned())))?;
    Ok(Versions { data: row.try_get_by_index(0)?, schema: row.try_get_by_index(1)? })
}
