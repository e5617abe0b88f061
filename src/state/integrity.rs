//! Whether the state database is sound, looked at from outside.
//!
//! What this module does not do: set a damaged one aside, bring an older one up to date, or write at all.

use std::path::Path;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};

use super::FILE;
use super::error::{Result, StateError};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// There is no state yet.
    Absent,
    /// SQLite's quick check found nothing.
    Sound,
    /// It found this, or it is no database.
    Damaged(String),
    /// It cannot be looked at now.
    Unknown(String),
}

/// Looks at the state database in `dir`, beside whoever has it open.
pub async fn integrity(dir: &Path) -> Integrity {
    let path = dir.join(FILE);
    if !path.exists() {
        return Integrity::Absent;
    }
    match check(&path).await {
        Ok(verdict) if verdict == "ok" => Integrity::Sound,
        Ok(verdict) => Integrity::Damaged(verdict),
        Err(StateError::Damaged(source)) => Integrity::Damaged(source.to_string()),
        Err(StateError::Sql(source)) => Integrity::Unknown(source.to_string()),
        Err(error) => Integrity::Unknown(error.to_string()),
    }
}

async fn check(path: &Path) -> Result<String> {
    let db = open(path).await?;
    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA quick_check(1)");
    let row = db.query_one_raw(check).await;
    db.close().await?;
    let row = row?.ok_or_else(|| DbErr::RecordNotFound("quick_check".to_owned()))?;
    Ok(row.try_get_by_index(0)?)
}

async fn open(path: &Path) -> Result<DatabaseConnection> {
    let filename = path.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.min_connections(1).max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .in_memory(false)
            .shared_cache(false)
            .filename(&filename)
            .read_only(true)
            .busy_timeout(Duration::from_secs(2))
    });
    Ok(Database::connect(options).await?)
}
