//! How long others had to wait for us: the time from getting the write lock to letting go of it.
//!
//! A commit may be followed by a checkpoint in the same call (SQLite starts one when the log has grown by a thousand
//! pages). The lock is free by then, but nobody can see from outside of SQLite when it was let go of, so the times here
//! have the checkpoint in them.
//!
//! What this module does not do: shorten a transaction, or keep anything.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseTransaction;
use tokio::time::Instant;

use super::Cache;
use super::error::Result;

/// What the lock was held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Rows of artifacts and their tags.
    Artifacts,
    /// Groups and tag definitions.
    Groups,
    /// Rows that are to be verified again.
    Invalidation,
}

impl Purpose {
    /// As a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Groups => "groups",
            Self::Invalidation => "invalidation",
        }
    }
}

/// One write transaction that has ended, well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// What it was for.
    pub purpose: Purpose,
    /// How long the lock was held.
    pub time: Duration,
}

/// Whoever wants to know of each [`Hold`]. Nobody, to begin with.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<dyn Fn(Hold) + Send + Sync>>);

impl Listener {
    /// This is called at the end of each write transaction, by the thread that writes.
    #[must_use]
    pub fn new(listener: impl Fn(Hold) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", if self.0.is_some() { "somebody" } else { "nobody" })
    }
}

/// A write transaction. Dropping it rolls back.
pub(super) struct WriteTransaction {
    txn: DatabaseTransaction,
    stopwatch: Stopwatch,
}

/// Tells when it is dropped.
struct Stopwatch {
    since: Instant,
    purpose: Purpose,
    listener: Listener,
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener.0 {
            listener(Hold { purpose: self.purpose, time: self.since.elapsed() });
        }
    }
}

impl Cache {
    /// The same cache with somebody who is told of each write transaction.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = listener;
    }

    /// Starts a write transaction, as [`super::connect::Pinned::write`] does.
    pub(super) async fn begin_writing(
        &self,
        purpose: Purpose,
        deadline: Instant,
        retries: &mut u64,
    ) -> Result<WriteTransaction> {
        let txn = self.connection()?.write(deadline, retries).await?;
        let stopwatch = Stopwatch { since: Instant::now(), purpose, listener: self.listener.clone() };
        Ok(WriteTransaction { txn, stopwatch })
    }
}

impl WriteTransaction {
    /// Since when the lock is held.
    pub(super) fn since(&self) -> Instant {
        self.stopwatch.since
    }

    pub(super) async fn commit(self) -> Result<()> {
        let Self { txn, stopwatch } = self;
        let done = txn.commit().await;
        drop(stopwatch);
        Ok(done?)
    }

    pub(super) async fn rollback(self) -> Result<()> {
        let Self { txn, stopwatch } = self;
        let done = txn.rollback().await;
        drop(stopwatch);
        Ok(done?)
    }
}

impl Deref for WriteTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.txn
    }
}
