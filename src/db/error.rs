//! What can go wrong with a database, sorted by what the caller can do about it.

use std::path::PathBuf;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use super::schema::Identity;

/// An operation on a database failed. Nothing of the failed transaction was written; transactions committed before it
/// in the same call stay.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Another connection kept its lock for longer than we wait.
    #[error("the database is locked by another process")]
    Busy,
    /// The path no longer names the file that is open (deleted, or another file moved over it).
    #[error("the database file was replaced while it was open")]
    Replaced,
    /// The tables changed under us, as a SkillMeat upgrade does.
    #[error("the database schema changed while it was open")]
    SchemaChanged,
    /// There is no cache that could be worked with.
    #[error("the cache cannot be used: {0}")]
    NotUsable(Identity),
    /// No space left for the database, or a quota reached.
    #[error("no space left for the database")]
    Full,
    /// The file or its directory cannot be written.
    #[error("the database is read-only")]
    ReadOnly,
    /// The file is damaged.
    #[error("the database file is damaged")]
    Damaged(#[source] DbErr),
    /// An artifact the plan writes about has no row any more.
    #[error("no row for artifact `{0}`")]
    Missing(String),
    /// The file system failed beside the database itself.
    #[error("{path}")]
    File {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A stored value of ours could not be understood or written.
    #[error("a stored value could not be read or written")]
    Payload(#[from] serde_json::Error),
    /// Everything else.
    #[error("the database refused")]
    Sql(#[source] DbErr),
}

/// Result of a database operation.
pub type Result<T> = std::result::Result<T, DbError>;

impl DbError {
    /// Whether the same call may succeed later with nobody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Full) || self.needs_reopen()
    }

    /// Whether the database has to be opened (and identified) again before anything else is tried.
    #[must_use]
    pub fn needs_reopen(&self) -> bool {
        matches!(self, Self::Replaced | Self::SchemaChanged | Self::Missing(_))
    }

    /// Whether SQLite may have ended the transaction by itself, so that the driver's count of open transactions
    /// can no longer be trusted and the connection has to be thrown away
    /// (<https://www.sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction").
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Full | Self::Damaged(_) | Self::ReadOnly => true,
            Self::Sql(source) => !matches!(primary_code(source), Some(1 | 19 | 20 | 25)),
            _ => false,
        }
    }
}

impl From<DbErr> for DbError {
    fn from(source: DbErr) -> Self {
        // Primary result codes: https://www.sqlite.org/rescode.html
        match (primary_code(&source), code(&source)) {
            (_, Some(1032)) => Self::Replaced, // SQLITE_READONLY_DBMOVED
            (Some(5 | 6), _) => Self::Busy,
            (Some(8), _) => Self::ReadOnly,
            (Some(11 | 26), _) => Self::Damaged(source),
            (Some(13), _) => Self::Full,
            (Some(17), _) => Self::SchemaChanged,
            _ if matches!(source, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) => Self::Busy,
            _ => Self::Sql(source),
        }
    }
}

/// SQLite's extended result code, if the error came from SQLite.
fn code(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(source))
    | DbErr::Exec(RuntimeErr::SqlxError(source))
    | DbErr::Query(RuntimeErr::SqlxError(source))) = error
    else {
        return None;
    };
    source.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &DbErr) -> Option<i32> {
    code(error).map(|code| code & 0xff)
}
