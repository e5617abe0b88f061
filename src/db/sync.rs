//! Making the cache say what a plan says, without being in anybody's way.
//!
//! First a read: load, decide, and if there is nothing to do nothing is locked and nothing is written. Otherwise the
//! plan goes out in transactions. Each of them first asks whether somebody else committed since the plan was made; if so
//! the plan is made again from what is there now. With somebody who commits all the time that would never end, so after
//! a few times what is left goes out artifact by artifact, each few planned for and written under one lock.
//!
//! SkillMeat's web backend stands still while it waits for a lock. So while another process has the database open
//! ([`super::company`]) the transactions are short and the lock is free for longer than it is held; when nobody else is
//! there they are of at most [`BATCH`] rows, one after the other.
//!
//! What this module does not do: retry anything but a lock, or keep a transaction open across an error or a dropped
//! future (dropping a transaction rolls it back).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveDateTime;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, sleep};

use super::apply::{Names, Writer};
use super::changes::{Versions, versions};
use super::company::Company;
use super::connect::LOCK_RETRY;
use super::error::{DbError, Result};
use super::hold::{Purpose, WriteTransaction};
use super::load::load;
use super::{Cache, Capabilities};
use crate::domain::model::ArtifactId;
use crate::domain::plan::Plan;
use crate::domain::rows::{Actual, Scope};

/// Most rows a transaction while nobody else has the database open; 5 to 10 ms of write lock.
pub const BATCH: usize = 1_000;

/// Most rows a transaction while somebody has; about a millisecond of write lock.
pub(super) const COMPANY_BATCH: usize = 50;

/// By so many pages the write-ahead log may grow before SQLite copies it into the database, while nobody else has that
/// open and there is more than a batch to write: 32 MB. With SQLite's own setting it does so every few batches, and each
/// time waits for the disk three times.
const LONG_LOG: u32 = 8_000;

/// SQLite's own setting (`SQLITE_DEFAULT_WAL_AUTOCHECKPOINT`).
const SHORT_LOG: u32 = 1_000;

/// Most artifacts whose rows are planned for and written under one lock.
const COMPANY_ARTIFACTS: usize = 25;

/// How long the lock is left free between two transactions while somebody else has the database open, or twice as long
/// as it was held, if that is more. A neighbour that finds the lock taken asks again after 1, 2, 5, 10, 15 ms and so on
/// (SQLite's `sqliteDefaultBusyCallback`), so with the lock free for two thirds of the time it waits for one of the first
/// pauses; with less, for one of the long ones now and then.
const BREATH: Duration = Duration::from_millis(2);

/// How often the whole plan is made again because somebody committed. After that, only for the artifacts that are
/// written next, under the lock.
const PATIENT_REPLANS: usize = 3;

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Write transactions committed. 0 means that nothing was locked.
    pub transactions: usize,
    /// Rows of the plan that were written and say something else now.
    pub rows: usize,
    /// Rows that were right, and are marked as verified now.
    pub verified: usize,
    /// How often somebody else's commit made the plan stale.
    pub replans: usize,
    /// How often the lock was not free, in tries a millisecond apart.
    pub busy_retries: u64,
    /// Artifacts of a type that this release of SkillMeat does not know; they have no rows.
    pub refused: BTreeSet<ArtifactId>,
    /// Artifacts that lost a `collection_artifacts` row.
    pub removed: BTreeSet<ArtifactId>,
}

/// A plan, and the state of the database it was made for.
struct Work {
    plan: Plan,
    names: Names,
    made_at: Versions,
}

impl Cache {
    /// Reads everything in `scope` as of one moment.
    ///
    /// # Errors
    /// See [`DbError`]; nothing is written.
    pub async fn load(&mut self, scope: &Scope) -> Result<Actual> {
        let deadline = Instant::now() + self.patience;
        let loaded = self.snapshot(scope, deadline).await.map(|(actual, _)| actual);
        self.settle(loaded).await
    }

    /// Brings the rows in `scope` to what `decide` makes of what is there. `decide` may be called more than once, each
    /// time with newer rows, and with a smaller scope than this one when somebody else writes at the same time; `now`
    /// (naive UTC) goes into the time columns.
    ///
    /// # Errors
    /// See [`DbError`]. Batches committed before the error stay; calling again goes on from there.
    pub async fn sync<F>(&mut self, scope: &Scope, now: NaiveDateTime, mut decide: F) -> Result<Applied>
    where
        F: FnMut(&Actual, &Scope) -> Plan,
    {
        let synced = self.sync_once(scope, now, &mut decide).await;
        self.settle(synced).await
    }

    async fn sync_once(
        &mut self,
        scope: &Scope,
        now: NaiveDateTime,
        decide: &mut impl FnMut(&Actual, &Scope) -> Plan,
    ) -> Result<Applied> {
        let deadline = Instant::now() + self.patience;
        let mut applied = Applied::default();
        let mut work = self.plan_for(scope, deadline, decide, &mut applied).await?;
        let mut company = Company::default();
        while !work.plan.is_empty() {
            let txn = self.begin_writing(Purpose::Artifacts, deadline, &mut applied.busy_retries).await?;
            let held = txn.since();
            if self.versions_in(&*txn).await? != work.made_at {
                txn.rollback().await?;
                applied.replans += 1;
                if applied.replans > PATIENT_REPLANS {
                    let left = artifacts_of(&work.plan);
                    self.sync_few_by_few(left, now, decide, &mut applied).await?;
                    break;
                }
                work = self.plan_for(scope, deadline, decide, &mut applied).await?;
                continue;
            }
            let batch = take_batch(&mut work.plan, if company.is_there() { COMPANY_BATCH } else { BATCH });
            if company.is_there() || !work.plan.is_empty() {
                self.let_log_grow(&txn, !company.is_there()).await?;
            }
            let written = self.write(txn, batch, &mut work.names, now, &mut applied);
            if work.plan.is_empty() {
                written.await?;
                break;
            }
            let (written, ()) = tokio::join!(written, company.look(self.file()));
            written?;
            if company.is_there() || applied.busy_retries > 0 {
                sleep(BREATH.max(held.elapsed() * 2)).await;
            }
        }
        if *scope == Scope::All {
            // If somebody has committed since, this is older than what is there, and everything is compared again.
            self.compared = Some(work.made_at);
        }
        Ok(applied)
    }

    /// Writes about these artifacts, the plan for each few made under the lock it is written under, so that nobody can
    /// come between.
    async fn sync_few_by_few(
        &mut self,
        left: BTreeSet<ArtifactId>,
        now: NaiveDateTime,
        decide: &mut impl FnMut(&Actual, &Scope) -> Plan,
        applied: &mut Applied,
    ) -> Result<()> {
        let left: Vec<ArtifactId> = left.into_iter().collect();
        // What is about no artifact (the default collection's row) is in every plan, so there is at least one.
        let first = if left.is_empty() { Some(left.as_slice()) } else { None };
        for few in first.into_iter().chain(left.chunks(COMPANY_ARTIFACTS)) {
            let few = Scope::Artifacts(few.iter().cloned().collect());
            // However long all of it takes, each lock is waited for as long as any.
            let deadline = Instant::now() + self.patience;
            let txn = self.begin_writing(Purpose::Artifacts, deadline, &mut applied.busy_retries).await?;
            let held = txn.since();
            let made_at = self.versions_in(&*txn).await?;
            self.let_log_grow(&txn, false).await?;
            let actual = self.load_in(&*txn, &few).await?;
            let mut work = Work::new(decide(&actual, &few), &actual, made_at, &self.capabilities, applied);
            if work.plan.is_empty() {
                txn.rollback().await?;
            } else {
                self.write(txn, work.plan, &mut work.names, now, applied).await?;
            }
            sleep(BREATH.max(held.elapsed() * 2)).await;
        }
        Ok(())
    }

    /// Has SQLite copy what a long [`Cache::sync`] has left in the write-ahead log, unless a reader still needs it: for
    /// when nobody waits for rows, or the next commit of a neighbour does it. It waits for nobody and nobody waits for it
    /// (<https://sqlite.org/c3ref/wal_checkpoint_v2.html>, `SQLITE_CHECKPOINT_PASSIVE`).
    ///
    /// # Errors
    /// See [`DbError`]; nothing is lost.
    pub async fn copy_log(&mut self) -> Result<()> {
        if !self.long_log {
            return Ok(());
        }
        let db = self.connection()?.db();
        db.execute_unprepared(&format!("PRAGMA wal_autocheckpoint = {SHORT_LOG}")).await?;
        let copied = db.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await;
        self.long_log = false;
        self.settle(copied.map(drop).map_err(DbError::from)).await
    }

    /// How long the write-ahead log may become before a commit copies it.
    async fn let_log_grow(&mut self, txn: &WriteTransaction, long: bool) -> Result<()> {
        if self.long_log != long {
            let pages = if long { LONG_LOG } else { SHORT_LOG };
            txn.execute_unprepared(&format!("PRAGMA wal_autocheckpoint = {pages}")).await?;
            self.long_log = long;
        }
        Ok(())
    }

    /// Writes a batch and commits.
    async fn write(
        &self,
        txn: WriteTransaction,
        batch: Plan,
        names: &mut Names,
        now: NaiveDateTime,
        applied: &mut Applied,
    ) -> Result<()> {
        let verified = batch.verified.len();
        let rows = batch.rows() - verified;
        let removed: Vec<ArtifactId> =
            batch.removals.iter().map(|removal| removal.artifact.clone()).collect();
        let mut writer = Writer {
            db: &*txn,
            capabilities: &self.capabilities,
            sentinel_path: &self.sentinel_path,
            now,
            names,
        };
        if let Err(error) = writer.apply(batch).await {
            // Dropping would roll back too, but only after we have returned. If SQLite has rolled back already,
            // this fails and changes nothing.
            let _ = txn.rollback().await;
            return Err(error);
        }
        txn.commit().await?;
        applied.transactions += 1;
        applied.rows += rows;
        applied.verified += verified;
        applied.removed.extend(removed);
        Ok(())
    }

    /// Makes a plan from what is there now.
    async fn plan_for(
        &self,
        scope: &Scope,
        deadline: Instant,
        decide: &mut impl FnMut(&Actual, &Scope) -> Plan,
        applied: &mut Applied,
    ) -> Result<Work> {
        let (actual, made_at) = self.snapshot(scope, deadline).await?;
        Ok(Work::new(decide(&actual, scope), &actual, made_at, &self.capabilities, applied))
    }

    /// Loads `scope` in one read transaction, with the versions it belongs to.
    async fn snapshot(&self, scope: &Scope, deadline: Instant) -> Result<(Actual, Versions)> {
        loop {
            match self.snapshot_once(scope).await {
                Err(DbError::Busy) if Instant::now() < deadline => sleep(LOCK_RETRY).await,
                done => return done,
            }
        }
    }

    async fn snapshot_once(&self, scope: &Scope) -> Result<(Actual, Versions)> {
        let pinned = self.connection()?;
        if pinned.replaced() {
            return Err(DbError::Replaced);
        }
        let txn = pinned.read().await?;
        let at = self.versions_in(&txn).await?;
        let actual = self.load_in(&txn, scope).await?;
        txn.rollback().await?;
        Ok((actual, at))
    }

    async fn load_in(&self, txn: &impl ConnectionTrait, scope: &Scope) -> Result<Actual> {
        load(txn, &self.capabilities, &self.sentinel_path, scope, self.stale_before.as_ref()).await
    }

    /// The versions of the transaction's snapshot; an error if the schema is not the one that was identified.
    pub(super) async fn versions_in(&self, txn: &impl ConnectionTrait) -> Result<Versions> {
        let current = versions(txn).await?;
        if current.schema == self.capabilities.schema_version {
            Ok(current)
        } else {
            Err(DbError::SchemaChanged)
        }
    }
}

impl Work {
    fn new(
        mut plan: Plan,
        actual: &Actual,
        made_at: Versions,
        capabilities: &Capabilities,
        applied: &mut Applied,
    ) -> Self {
        let mut accepts = |id: &ArtifactId| {
            let accepted = capabilities.accepts(id.kind);
            if !accepted {
                applied.refused.insert(id.clone());
            }
            accepted
        };
        plan.new_artifacts.retain(|new| accepts(&new.id));
        plan.upserts.retain(|upsert| accepts(&upsert.artifact));
        plan.tag.retain(|assignment| accepts(&assignment.artifact));
        let names = Names::new(actual, plan.new_artifacts.len());
        Self { plan, names, made_at }
    }
}

/// Every artifact that a plan is about.
fn artifacts_of(plan: &Plan) -> BTreeSet<ArtifactId> {
    let verified = plan.verified.iter().map(|verified| &verified.artifact);
    plan.artifacts().into_iter().chain(verified).cloned().collect()
}

/// Cuts the first `limit` rows off the plan, in the order they are to be applied.
fn take_batch(plan: &mut Plan, limit: usize) -> Plan {
    let mut batch = Plan {
        sentinel: std::mem::take(&mut plan.sentinel),
        default_collection: std::mem::take(&mut plan.default_collection),
        ..Plan::default()
    };
    let mut left = limit - batch.rows();
    batch.new_artifacts = take(&mut plan.new_artifacts, &mut left);
    batch.new_tags = take(&mut plan.new_tags, &mut left);
    batch.upserts = take(&mut plan.upserts, &mut left);
    batch.verified = take(&mut plan.verified, &mut left);
    batch.tag = take(&mut plan.tag, &mut left);
    batch.untag = take(&mut plan.untag, &mut left);
    batch.removals = take(&mut plan.removals, &mut left);
    batch
}

fn take<T>(from: &mut Vec<T>, left: &mut usize) -> Vec<T> {
    let count = from.len().min(*left);
    *left -= count;
    from.drain(..count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::{first_plan, id, remove};
    use crate::domain::plan::Verified;

    #[test]
    fn batches_are_bounded_and_add_up_to_the_plan_in_order() {
        let names: Vec<String> = (0..7).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let verified =
            ["y", "z"].map(|name| Verified { collection: "default".to_owned(), artifact: id(name) });
        let whole = Plan {
            removals: vec![remove("x")],
            verified: verified.into(),
            ..first_plan(&names, &["t", "u"])
        };
        for limit in [2, 3, 10, 1_000] {
            let mut rest = whole.clone();
            let mut sum = Plan::default();
            while !rest.is_empty() {
                let batch = take_batch(&mut rest, limit);
                assert!((1..=limit).contains(&batch.rows()));
                sum.sentinel |= batch.sentinel;
                sum.default_collection |= batch.default_collection;
                sum.new_artifacts.extend(batch.new_artifacts);
                sum.new_tags.extend(batch.new_tags);
                sum.upserts.extend(batch.upserts);
                sum.verified.extend(batch.verified);
                sum.tag.extend(batch.tag);
                sum.untag.extend(batch.untag);
                sum.removals.extend(batch.removals);
            }
            assert_eq!(sum, whole);
        }
    }
}
