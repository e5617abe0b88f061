//! Opening the state, and making a new one when the old one cannot be used.

use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDateTime;
use migration::{MigratorTrait, StateMigrator};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use super::error::{Result, StateError};
use super::{FILE, MovedAside, OpenedState, State};

/// SQLite's companions of a database file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

impl State {
    /// Opens `state.db` in `dir`, or makes it, readable by its owner only. A file that is damaged, or was written by a
    /// later version, is renamed to `state.db.damaged-<now>` (naive UTC) and replaced by an empty one.
    ///
    /// # Errors
    /// If the file can be neither used nor replaced. The directory must exist.
    pub async fn open(dir: &Path, now: NaiveDateTime) -> Result<OpenedState> {
        let path = dir.join(FILE);
        let reason = match attempt(&path).await {
            Ok(db) => return Ok(OpenedState { state: Self { db, path }, moved_aside: None }),
            Err(StateError::Damaged(source)) => source.to_string(),
            Err(StateError::Sql(DbErr::Custom(message) | DbErr::Migration(message))) => message,
            Err(other) => return Err(other),
        };
        let aside = move_aside(&path, now)?;
        let db = attempt(&path).await?;
        let moved_aside = Some(MovedAside { path: aside, reason });
        Ok(OpenedState { state: Self { db, path }, moved_aside })
    }
}

async fn attempt(path: &Path) -> Result<DatabaseConnection> {
    create_private(path)?;
    let db = connect(path).await?;
    match prepare(&db).await {
        Ok(()) => Ok(db),
        Err(error) => {
            db.close().await?;
            Err(error)
        }
    }
}

/// SQLite gives its companion files the mode of the database file, so that one is made before SQLite sees it.
fn create_private(path: &Path) -> Result<()> {
    let at = |source| StateError::File { path: path.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(at)
        }
        Err(error) => Err(at(error)),
    }
}

async fn connect(path: &Path) -> Result<DatabaseConnection> {
    let filename = path.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .in_memory(false)
                .shared_cache(false)
                .filename(&filename)
                // Only a stray second daemon or a curious person could hold a lock here.
                .busy_timeout(Duration::from_secs(2))
                .foreign_keys(true)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "NORMAL")
                // Kibibytes. It is asked rarely, and mostly for one row.
                .pragma("cache_size", "-128")
                // Otherwise in whatever directory for temporary files there is, which the sandbox closes.
                .pragma("temp_store", "MEMORY")
                .statement_cache_capacity(32)
        });
    Ok(Database::connect(options).await?)
}

async fn prepare(db: &DatabaseConnection) -> Result<()> {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA quick_check(1)");
    let verdict = match db.query_one_raw(check).await? {
        Some(row) => row.try_get_by_index::<String>(0)?,
        None => String::new(),
    };
    if verdict != "ok" {
        return Err(StateError::Damaged(DbErr::Custom(verdict)));
    }
    Ok(StateMigrator::up(db, None).await?)
}

/// Renames the database with its companions; a name already taken gets a number.
fn move_aside(path: &Path, now: NaiveDateTime) -> Result<PathBuf> {
    let stamp = now.format("%Y%m%dT%H%M%SZ");
    let target = (0..)
        .map(|n: u32| match n {
            0 => with_suffix(path, &format!(".damaged-{stamp}")),
            n => with_suffix(path, &format!(".damaged-{stamp}.{n}")),
        })
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| with_suffix(path, ".damaged"));
    for companion in COMPANIONS {
        let from = with_suffix(path, companion);
        match fs::rename(&from, with_suffix(&target, companion)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(StateError::File { path: from, source }),
        }
    }
    Ok(target)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
