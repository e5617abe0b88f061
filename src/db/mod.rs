//! SkillMeat's cache database: open it, say what it is, read it, change rows in it.
//!
//! Together with [`crate::state`] the only place that names the ORM.
//!
//! Invariants:
//! * a database SkillMeat made is a guest house: rows only, no DDL, no checkpoint that anybody waits for, journal mode
//!   untouched;
//! * one connection, held; every write transaction starts with BEGIN IMMEDIATE and follows a check that
//!   the path still names the open file;
//! * nothing to do means no write and no lock;
//! * an error or a dropped future leaves no transaction open and nothing of the current transaction written.
//!
//! What this module does not do: decide what to write ([`crate::domain::plan`] does), watch files, reopen by itself, or
//! wait longer than its patience.

mod apply;
mod aside;
mod bulk;
mod changes;
mod checks;
mod company;
mod connect;
mod entity;
mod error;
pub mod format;
mod hold;
mod holders;
mod load;
mod owned;
mod packed;
mod read;
mod schema;
mod sync;
mod verified;

use std::path::{Path, PathBuf};
use std::time::Duration;

use migration::{MigrationTrait, SchemaManager, StandaloneCache};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::{Instant, sleep};

pub use aside::{Aside, AsideError, set_aside};
pub use changes::RECHECKS;
pub use checks::library_version;
pub use connect::FileId;
pub use error::{DbError, Result};
pub use hold::{Hold, Listener, Purpose};
pub use holders::{Holder, holders};
pub use owned::{Colors, Edits, Owned};
pub use read::Reader;
pub use schema::{Capabilities, Identity};
pub use sync::{Applied, BATCH};

pub(crate) use changes::Versions as Stand;

use crate::domain::staleness::Cutoffs;
use changes::{Versions, versions};
use connect::{LOCK_RETRY, Pinned};

/// How long a call waits for a lock unless told otherwise: as long as SkillMeat's own connections do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long opening waits for a lock. Somebody who holds the whole file for longer is at work on it (a migration); the
/// caller comes back later.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);

/// The answer to "open the cache": what it is and, if it can be used, the open cache.
#[derive(Debug)]
pub struct Opened {
    /// What was found.
    pub identity: Identity,
    /// `Some` exactly for [`Identity::Guest`] and [`Identity::Standalone`].
    pub cache: Option<Cache>,
}

impl Opened {
    /// The open cache.
    ///
    /// # Errors
    /// [`DbError::NotUsable`] with the identity.
    pub fn usable(self) -> Result<Cache> {
        self.cache.ok_or(DbError::NotUsable(self.identity))
    }

    fn unusable(identity: Identity) -> Self {
        Self { identity, cache: None }
    }
}

/// An open cache that can be worked with. Dropping it closes the file.
#[derive(Debug)]
pub struct Cache {
    /// `None` after an error that left the connection in doubt.
    pinned: Option<Pinned>,
    path: PathBuf,
    capabilities: Capabilities,
    /// `projects.path` of the sentinel row.
    sentinel_path: String,
    /// `data_version` when [`Cache::changed`] was last asked.
    seen: i64,
    /// Where the database stood when every row was last brought to what was asked.
    compared: Option<Versions>,
    /// Rows that were verified before this are told apart by the loads.
    stale_before: Option<Cutoffs>,
    /// Whether the write-ahead log may grow until [`Cache::copy_log`].
    long_log: bool,
    patience: Duration,
    listener: Listener,
}

impl Cache {
    /// Opens the cache at `path` (`<home>/.skillmeat/cache/cache.db`) if there is one that can be used. Creates nothing
    /// and changes nothing.
    ///
    /// # Errors
    /// `Busy` if somebody holds the file exclusively, `Replaced` if it changed hands meanwhile, and I/O errors. An
    /// unusable database is an answer, not an error.
    pub async fn open(path: &Path, home: &Path) -> Result<Opened> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Opened::unusable(Identity::Absent));
            }
            Err(source) => return Err(DbError::File { path: path.to_owned(), source }),
            Ok(found) if !found.is_file() => {
                return Ok(Opened::unusable(Identity::NotADatabase {
                    reason: "not a regular file".to_owned(),
                }));
            }
            Ok(_) => {}
        }
        patiently(OPEN_PATIENCE, || Self::attempt(path, home)).await
    }

    async fn attempt(path: &Path, home: &Path) -> Result<Opened> {
        match Pinned::open(path, false).await {
            Err(DbError::Damaged(source)) => {
                Ok(Opened::unusable(Identity::NotADatabase { reason: source.to_string() }))
            }
            pinned => Self::adopt(pinned?, home).await,
        }
    }

    /// Makes a cache for a machine without SkillMeat: its tables as SkillMeat 0.74.0 would make them, in one
    /// transaction. If the file at `path` turns out to have tables already (somebody was faster), it is left as it is
    /// and opened. The directory must exist.
    ///
    /// # Errors
    /// As [`Cache::open`]; a failed creation leaves a file without tables.
    pub async fn create_standalone(path: &Path, home: &Path) -> Result<Opened> {
        let pinned = patiently(PATIENCE, || Pinned::open(path, true)).await?;
        let created = create_tables(&pinned).await;
        pinned.close().await?;
        created?;
        Self::open(path, home).await
    }

    async fn adopt(pinned: Pinned, home: &Path) -> Result<Opened> {
        match Self::look(&pinned).await {
            Ok((identity, seen)) => match identity.capabilities() {
                Some(capabilities) => {
                    let cache = Self {
                        path: pinned.path().to_owned(),
                        capabilities: capabilities.clone(),
                        sentinel_path: home
                            .join(".skillmeat")
                            .join("collections")
                            .to_string_lossy()
                            .into_owned(),
                        seen,
                        compared: None,
                        stale_before: None,
                        long_log: false,
                        patience: PATIENCE,
                        listener: Listener::default(),
                        pinned: Some(pinned),
                    };
                    Ok(Opened { identity, cache: Some(cache) })
                }
                None => {
                    pinned.close().await?;
                    Ok(Opened::unusable(identity))
                }
            },
            Err(error) => {
                pinned.close().await?;
                Err(error)
            }
        }
    }

    /// What it is, with the `data_version` that belongs to the answer.
    async fn look(pinned: &Pinned) -> Result<(Identity, i64)> {
        let txn = pinned.read().await?;
        let identity = schema::identify(&txn).await?;
        let seen = match identity.capabilities() {
            Some(_) => versions(&txn).await?.data,
            None => 0,
        };
        txn.rollback().await?;
        Ok((identity, seen))
    }

    /// The same cache with another limit on waiting for locks.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// From now on the rows in [`Cache::load`] and [`Cache::sync`] tell whether they were verified before this; without
    /// it no row does.
    pub fn ask_for_stale(&mut self, before: Option<Cutoffs>) {
        self.stale_before = before;
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file is open.
    #[must_use]
    pub fn file(&self) -> Option<FileId> {
        self.pinned.as_ref().map(Pinned::file)
    }

    /// What it can hold.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether the path no longer names the open file, or the connection was given up after an error: then drop this
    /// cache and open again.
    #[must_use]
    pub fn replaced(&self) -> bool {
        self.pinned.as_ref().is_none_or(|pinned| pinned.lost() || pinned.replaced())
    }

    /// Whether another connection has committed since this was last asked, or since opening. Commits made through this
    /// cache do not count.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn changed(&mut self) -> Result<bool> {
        let pinned = self.connection()?;
        if pinned.lost() {
            return Err(DbError::Replaced);
        }
        let current = versions(pinned.db()).await?.data;
        Ok(std::mem::replace(&mut self.seen, current) != current)
    }

    /// Whether the rows are as the last complete [`Cache::sync`] through this cache left them: one has come to its end
    /// ([`Scope::All`](crate::domain::rows::Scope::All)), and no other connection has committed since. Syncs of a part
    /// do not end that.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn is_as_left(&self) -> Result<bool> {
        let Some(compared) = self.compared else { return Ok(false) };
        if self.replaced() {
            return Ok(false);
        }
        Ok(versions(self.connection()?.db()).await? == compared)
    }

    /// Whether a complete [`Cache::sync`] has come to its end since this was opened.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.compared.is_some()
    }

    /// Closes the file and waits until SQLite has let go of it.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn close(self) -> Result<()> {
        match self.pinned {
            Some(pinned) => pinned.close().await,
            None => Ok(()),
        }
    }

    fn connection(&self) -> Result<&Pinned> {
        self.pinned.as_ref().ok_or(DbError::Replaced)
    }

    /// Gives the connection up if the error leaves it in doubt.
    async fn settle<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(DbError::spoils_connection)
            && let Some(pinned) = self.pinned.take()
        {
            pinned.close().await?;
        }
        outcome
    }
}

/// Tries again while somebody holds a lock, for as long as `patience` lasts.
async fn patiently<T, F>(patience: Duration, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + patience;
    loop {
        match attempt().await {
            Err(DbError::Busy) if Instant::now() < deadline => sleep(LOCK_RETRY).await,
            done => return done,
        }
    }
}

/// WAL first (it cannot be set inside a transaction), then everything else at once.
async fn create_tables(pinned: &Pinned) -> Result<()> {
    patiently(PATIENCE, || set_wal(pinned)).await?;
    let txn = pinned.write(Instant::now() + PATIENCE, &mut 0).await?;
    if is_empty(&txn).await? {
        StandaloneCache.up(&SchemaManager::new(&txn)).await?;
        txn.commit().await?;
    } else {
        txn.rollback().await?;
    }
    Ok(())
}

async fn set_wal(pinned: &Pinned) -> Result<()> {
    if is_empty(pinned.db()).await? {
        pinned.db().execute_unprepared("PRAGMA journal_mode = WAL").await?;
    }
    Ok(())
}

async fn is_empty(db: &impl ConnectionTrait) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM sqlite_schema";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("sqlite_schema".to_owned()))?;
    Ok(row.try_get_by_index::<i64>(0)? == 0)
}

#[cfg(test)]
pub(crate) mod tests;
