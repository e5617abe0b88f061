//! Reading what the web backend's pages show, beside the connection that writes.
//!
//! A connection of its own, for reading only, opened at the first question and again when the file was replaced or the
//! tables changed. Every answer comes from one short read transaction, so that it is of one moment, never waits for a
//! writer and never keeps one waiting.
//!
//! What this module does not do: read files, change rows, or fill in what no row says.

mod listing;
mod page;
mod stale;

pub(in crate::db) use stale::cutoff;

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::DatabaseTransaction;
use tokio::time::Instant;

use super::connect::{FileId, Pinned};
use super::error::{DbError, Result};
use super::patiently;
use super::schema::{self, Capabilities};

/// How long a question waits for a lock. In WAL mode a reader meets one only while another process recovers or closes
/// the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// The reading side of one cache file.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    pinned: Pinned,
    capabilities: Capabilities,
}

/// One answer's transaction.
struct Snapshot<'r> {
    txn: DatabaseTransaction,
    capabilities: &'r Capabilities,
}

impl Reader {
    /// A reader of the cache at `path`. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None }
    }

    /// Closes the file, if it is open. The next question opens it again.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(open) => open.pinned.close().await,
            None => Ok(()),
        }
    }

    /// Have a usable cache open.
    async fn ready(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.pinned.lost() && !open.pinned.replaced()) {
            return Ok(());
        }
        self.close().await?;
        if FileId::of(&self.path).is_none() {
            return Err(DbError::NotUsable(schema::Identity::Absent));
        }
        let pinned = Pinned::open_for_reading(&self.path).await?;
        let identity = {
            let txn = pinned.read().await?;
            let identity = schema::identify(&txn).await;
            txn.rollback().await?;
            identity?
        };
        match identity.capabilities() {
            Some(capabilities) => {
                self.open = Some(Open { pinned, capabilities: capabilities.clone() });
                Ok(())
            }
            None => {
                pinned.close().await?;
                Err(DbError::NotUsable(identity))
            }
        }
    }

    async fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ready().await {
                Err(DbError::Busy | DbError::Replaced) if Instant::now() < deadline => {
                    tokio::time::sleep(super::connect::LOCK_RETRY).await;
                }
                ready => break ready?,
            }
        }
        let Some(open) = &self.open else { return Err(DbError::Replaced) };
        let txn = patiently(PATIENCE, || open.pinned.read()).await?;
        Ok(Snapshot { txn, capabilities: &open.capabilities })
    }

    /// After an error the connection is given up: the tables may have changed, and opening looks at them anew.
    async fn settle<T>(&mut self, answer: Result<T>) -> Result<T> {
        if answer.is_err() {
            let _ = self.close().await; // the first error is the one to tell
        }
        answer
    }
}

/// One question: in a snapshot of its own, tried once more if the tables changed under it.
macro_rules! question {
    ($reader:ident, $snapshot:ident => $answer:expr) => {{
        let mut again = true;
        loop {
            let answer = match $reader.snapshot().await {
                Ok($snapshot) => {
                    let answer = $answer.await;
                    let ended = $snapshot.txn.rollback().await.map_err(DbError::from);
                    answer.and_then(|answer| ended.map(|()| answer))
                }
                Err(error) => Err(error),
            };
            let retry = again && matches!(&answer, Err(DbError::Sql(_) | DbError::SchemaChanged));
            again = false;
            let answer = $reader.settle(answer).await;
            if !retry {
                break answer;
            }
        }
    }};
}
use question;

#[cfg(test)]
mod tests;
