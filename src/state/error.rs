//! What can go wrong with the state database.

use std::path::PathBuf;

use sea_orm::{DbErr, RuntimeErr};

/// An operation on the state failed; nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is damaged: open the state again, which moves it aside.
    #[error("the state database is damaged")]
    Damaged(#[source] DbErr),
    /// The file or its directory could not be made, moved or protected.
    #[error("{path}")]
    File {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A value could not be turned into JSON.
    #[error("a value could not be kept as JSON")]
    Payload(#[from] serde_json::Error),
    /// Everything else: no space, no permission, another process at the file.
    #[error("the state database refused")]
    Sql(#[source] DbErr),
}

/// Result of an operation on the state.
pub type Result<T> = std::result::Result<T, StateError>;

impl From<DbErr> for StateError {
    fn from(source: DbErr) -> Self {
        // SQLITE_CORRUPT and SQLITE_NOTADB: https://www.sqlite.org/rescode.html
        if matches!(primary_code(&source), Some(11 | 26)) { Self::Damaged(source) } else { Self::Sql(source) }
    }
}

fn primary_code(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(source))
    | DbErr::Exec(RuntimeErr::SqlxError(source))
    | DbErr::Query(RuntimeErr::SqlxError(source))) = error
    else {
        return None;
    };
    let code: i32 = source.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
