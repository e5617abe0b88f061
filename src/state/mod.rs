//! What the daemon remembers between runs: its own database, `state.db` in its state directory.
//!
//! Nothing here is the truth about anything. Losing it costs a full reading of the files, and the merges treat what
//! they find as having no common base; so a damaged file is moved aside and a new one made, and the caller is told.
//!
//! Payloads are opaque JSON of types that their owners define. Every call is one transaction.
//!
//! What this module does not do: create its directory, touch SkillMeat's database, or interpret what it keeps.

mod agreements;
mod error;
mod history;
mod integrity;
mod open;
mod records;
mod sets;

use std::path::{Path, PathBuf};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, TransactionTrait, Value,
};

pub use agreements::{Agreement, KEPT_DIGESTS, KeptConflict, TagChanges};
pub use error::{Result, StateError};
pub use history::{KEPT_PER_COLLECTION, Kept};
pub use integrity::{Integrity, integrity};
pub use records::ScanKey;

/// The name of the file in the state directory.
pub const FILE: &str = "state.db";

/// The open state database.
#[derive(Debug)]
pub struct State {
    db: DatabaseConnection,
    path: PathBuf,
}

/// An opened state database, and what had to be done for it.
#[derive(Debug)]
pub struct OpenedState {
    /// The state.
    pub state: State,
    /// Where the previous file went, if it could not be used, and why it could not.
    pub moved_aside: Option<MovedAside>,
}

/// A state database that could not be used and was kept under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAside {
    /// Its new name.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

impl State {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file and waits until SQLite has let go of it.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }

    async fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>> {
        Ok(self.db.query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?)
    }

    /// Runs the statements in one transaction.
    async fn write(&self, statements: Vec<(&str, Vec<Value>)>) -> Result<()> {
        let txn = self.db.begin().await?;
        for (sql, values) in statements {
            txn.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        }
        Ok(txn.commit().await?)
    }
}

#[cfg(test)]
mod tests;
