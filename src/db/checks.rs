//! Questions for a checkup: is the file sound, and which SQLite is this?
//!
//! What this module does not do: mend anything.

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use super::Cache;
use super::error::Result;

/// How many complaints are asked for.
const COMPLAINTS: usize = 10;

impl Cache {
    /// What SQLite's quick check has to say against the file; nothing when it is sound
    /// (<https://www.sqlite.org/pragma.html#pragma_quick_check>). Reads the whole file.
    ///
    /// # Errors
    /// See [`super::DbError`].
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let sql = format!("PRAGMA quick_check({COMPLAINTS})");
        let rows =
            self.connection()?.db().query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
        let lines = rows
            .iter()
            .map(|row| row.try_get_by_index::<String>(0))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

/// The version of the SQLite library in this program.
///
/// # Errors
/// See [`super::DbError`].
pub async fn library_version() -> Result<String> {
    let db = Database::connect("sqlite::memory:").await?;
    let version = Statement::from_string(DbBackend::Sqlite, "SELECT sqlite_version()");
    let row = db.query_one_raw(version).await?;
    db.close().await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
}
