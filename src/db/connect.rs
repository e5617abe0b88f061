//! One connection, held for as long as the database is open.
//!
//! A pool would defeat two things the daemon lives on: `PRAGMA data_version` counts the commits of *other*
//! connections only on a connection that stays the same, and SQLite answers from an unlinked file for as long as the
//! connection lasts. So the pool has exactly one, nothing ever retires it, and if it is lost anyway that is noticed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::time::{Instant, sleep};

use super::error::{DbError, Result};

/// Between two tries for a lock. SQLite's own busy handler backs off to 100 ms and starves beside a writer that leaves
/// the lock free for 2 ms at a time. (Reads meet a lock only while another process recovers the log or closes the file.)
pub(super) const LOCK_RETRY: Duration = Duration::from_millis(1);

/// Which file a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
}

impl FileId {
    /// The file at `path` now; `None` if there is none or it cannot be asked.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|found| Self { dev: found.dev(), ino: found.ino() })
    }
}

/// The one connection to one file.
#[derive(Debug)]
pub(crate) struct Pinned {
    db: DatabaseConnection,
    path: PathBuf,
    file: FileId,
    sidecars: [Sidecar; 2],
    connects: Arc<AtomicU32>,
}

/// The write-ahead log, or the index of it. As long as a connection is open SQLite leaves both where they are; if one
/// goes all the same, what is committed through the open one can be seen by nobody who comes later.
#[derive(Debug)]
struct Sidecar {
    path: PathBuf,
    /// Which file it was when it was first there.
    first: OnceLock<FileId>,
}

impl Sidecar {
    fn new(database: &Path, suffix: &str) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        Self { path: path.into(), first: OnceLock::new() }
    }

    fn replaced(&self) -> bool {
        let now = FileId::of(&self.path);
        match (self.first.get(), now) {
            (Some(first), now) => now != Some(*first),
            (None, Some(now)) => self.first.get_or_init(|| now) != &now,
            (None, None) => false,
        }
    }
}

impl Pinned {
    /// Opens the file at `path`, making it first if `create` is set. Never changes the journal mode.
    ///
    /// # Errors
    /// Whatever SQLite says; `Replaced` if the path changed hands meanwhile or names nothing.
    pub(crate) async fn open(path: &Path, create: bool) -> Result<Self> {
        Self::connect(path, create, false).await
    }

    /// Opens the file at `path` for reading: SQLite refuses every write through it.
    ///
    /// # Errors
    /// As [`Pinned::open`].
    pub(crate) async fn open_for_reading(path: &Path) -> Result<Self> {
        Self::connect(path, false, true).await
    }

    async fn connect(path: &Path, create: bool, query_only: bool) -> Result<Self> {
        let before = FileId::of(path);
        let connects = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&connects);
        let filename = path.to_owned();
        let mut options = ConnectOptions::new("sqlite::memory:");
        options
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(10))
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .in_memory(false)
                    .shared_cache(false)
                    .filename(&filename)
                    .create_if_missing(create)
                    .busy_timeout(Duration::ZERO)
                    .foreign_keys(true)
                    .pragma("synchronous", "NORMAL")
                    .pragma("mmap_size", "0")
                    .pragma("temp_store", "MEMORY")
                    // Kibibytes: a quarter of SQLite's own. The kernel has the pages too.
                    .pragma("cache_size", "-512")
                    .pragma("query_only", if query_only { "ON" } else { "OFF" })
                    // Multi-row inserts are big statements; keep few.
                    .statement_cache_capacity(16)
                    .row_buffer_size(512)
            })
            .map_sqlx_sqlite_pool_opts(move |pool| {
                let counter = Arc::clone(&counter);
                pool.after_connect(move |_, _| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    Box::pin(async { Ok(()) })
                })
            });
        let db = Database::connect(options).await?;
        let after = FileId::of(path);
        let sidecars = ["-wal", "-shm"].map(|suffix| Sidecar::new(path, suffix));
        match (before, after) {
            (before, Some(after)) if before == Some(after) || (before.is_none() && create) => {
                Ok(Self { db, path: path.to_owned(), file: after, sidecars, connects })
            }
            _ => {
                db.close().await?;
                Err(DbError::Replaced)
            }
        }
    }

    /// The path it was opened at.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file is open.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Whether the path names another file than the one that is open, or none; or the write-ahead log went from under it.
    pub(crate) fn replaced(&self) -> bool {
        FileId::of(&self.path) != Some(self.file) || self.sidecars.iter().any(Sidecar::replaced)
    }

    /// The connection, for single statements outside a transaction.
    pub(crate) fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Whether the pool had to connect again behind our back: then `data_version` counts from somewhere else, and the
    /// file may be another.
    pub(crate) fn lost(&self) -> bool {
        self.connects.load(Ordering::Relaxed) != 1
    }

    /// Starts a read transaction. It takes its snapshot, and any lock error, with the first statement.
    pub(crate) async fn read(&self) -> Result<DatabaseTransaction> {
        let txn = self.begin(SqliteTransactionMode::Deferred).await?;
        if self.lost() { Err(DbError::Replaced) } else { Ok(txn) }
    }

    /// Starts a write transaction, trying for the lock until `deadline`. Before each try the path is compared with the
    /// open file: SQLite would happily write into an unlinked one. `retries` counts the tries that failed.
    ///
    /// Dropping the transaction, or the future, rolls back.
    pub(crate) async fn write(&self, deadline: Instant, retries: &mut u64) -> Result<DatabaseTransaction> {
        loop {
            if self.replaced() {
                return Err(DbError::Replaced);
            }
            match self.begin(SqliteTransactionMode::Immediate).await {
                Ok(_) if self.lost() => return Err(DbError::Replaced),
                Err(DbError::Busy) if Instant::now() < deadline => {
                    *retries += 1;
                    sleep(LOCK_RETRY).await;
                }
                done => return done,
            }
        }
    }

    async fn begin(&self, mode: SqliteTransactionMode) -> Result<DatabaseTransaction> {
        let options = TransactionOptions { sqlite_transaction_mode: Some(mode), ..Default::default() };
        Ok(self.db.begin_with_options(options).await?)
    }

    /// Closes the file, waiting until SQLite has let go of it.
    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_connection_behind_our_back_is_a_replaced_file() {
        let dir = tempfile::tempdir().unwrap();
        let pinned = Pinned::open(&dir.path().join("x.db"), true).await.unwrap();
        let deadline = Instant::now();
        pinned.read().await.unwrap();
        pinned.connects.fetch_add(1, Ordering::Relaxed);
        assert!(matches!(pinned.read().await, Err(DbError::Replaced)));
        assert!(matches!(pinned.write(deadline, &mut 0).await, Err(DbError::Replaced)));
    }

    #[tokio::test]
    async fn the_connection_is_set_up_as_a_neighbour_should_be() {
        use sea_orm::{ConnectionTrait, DbBackend, Statement};

        let dir = tempfile::tempdir().unwrap();
        let pinned = Pinned::open(&dir.path().join("x.db"), true).await.unwrap();
        for (pragma, value) in [("foreign_keys", 1), ("synchronous", 1), ("busy_timeout", 0)] {
            let sql = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
            let row = pinned.db().query_one_raw(sql).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), value, "{pragma}");
        }
        // The journal mode is the file's own affair.
        let sql = Statement::from_string(DbBackend::Sqlite, "PRAGMA journal_mode");
        let row = pinned.db().query_one_raw(sql).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "delete");
    }

    #[tokio::test]
    async fn a_log_that_lost_its_name_is_a_replaced_file() {
        use sea_orm::ConnectionTrait;

        for suffix in ["-wal", "-shm"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.db");
            let pinned = Pinned::open(&path, true).await.unwrap();
            pinned.db().execute_unprepared("PRAGMA journal_mode = WAL; CREATE TABLE t (c)").await.unwrap();
            assert!(!pinned.replaced() && !pinned.replaced());
            // Somebody else's checkpoint changes the log, and leaves it where it is.
            let peer = rusqlite::Connection::open(&path).unwrap();
            peer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
            let truncated: i64 =
                peer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
            assert_eq!(truncated, 0);
            drop(peer);
            assert!(!pinned.replaced());
            std::fs::remove_file(dir.path().join(format!("x.db{suffix}"))).unwrap();
            assert!(pinned.replaced(), "{suffix}");
        }
    }
}
