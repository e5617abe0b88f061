//! Making the cache say what a plan says, without being in anybody's way.
//!
//! First a read: load, decide, and if there is nothing to do nothing is locked and nothing is written. Otherwise the
//! plan goes out in transactions of at most [`BATCH`] rows. Each of them first asks whether somebody else committed
//! since the plan was made; if so the plan is made again from what is there now. SkillMeat's web backend stands still
//! while it waits for a lock, so batches are short and the lock is free between them.
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
use super::connect::LOCK_RETRY;
use super::error::{DbError, Result};
use super::load::load;
use super::{Cache, Capabilities};
use crate::domain::model::ArtifactId;
use crate::domain::plan::Plan;
use crate::domain::rows::{Actual, Scope};

/// Most rows a transaction; about 3 ms of write lock.
pub const BATCH: usize = 200;

/// How long the lock is left free between two transactions. A neighbour that waits for it asks again after pauses that
/// grow up to 100 ms (SQLite's `sqliteDefaultBusyCallback`), so without a gap to hit it would wait for the whole plan.
const BREATH: Duration = Duration::from_millis(1);

/// How often the plan is made again outside the lock before it is made inside. A neighbour that commits all the time
/// would otherwise keep us planning.
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
    /// time with newer rows; `now` (naive UTC) goes into the time columns.
    ///
    /// # Errors
    /// See [`DbError`]. Batches committed before the error stay; calling again goes on from there.
    pub async fn sync<F>(&mut self, scope: &Scope, now: NaiveDateTime, mut decide: F) -> Result<Applied>
    where
        F: FnMut(&Actual) -> Plan,
    {
        let synced = self.sync_once(scope, now, &mut decide).await;
        self.settle(synced).await
    }

    async fn sync_once(
        &mut self,
        scope: &Scope,
        now: NaiveDateTime,
        decide: &mut impl FnMut(&Actual) -> Plan,
    ) -> Result<Applied> {
        let deadline = Instant::now() + self.patience;
        let mut applied = Applied::default();
        let (actual, made_at) = self.snapshot(scope, deadline).await?;
        let mut work = Work::new(decide(&actual), &actual, made_at, &self.capabilities, &mut applied);
        drop(actual);
        while !work.plan.is_empty() {
            let txn = self.connection()?.write(deadline, &mut applied.busy_retries).await?;
            let current = self.versions_in(&txn).await?;
            if current != work.made_at {
                applied.replans += 1;
                let (actual, made_at) = if applied.replans <= PATIENT_REPLANS {
                    txn.rollback().await?;
                    let fresh = self.snapshot(scope, deadline).await?;
                    work = Work::new(decide(&fresh.0), &fresh.0, fresh.1, &self.capabilities, &mut applied);
                    continue;
                } else {
                    (self.load_in(&txn, scope).await?, current)
                };
                work = Work::new(decide(&actual), &actual, made_at, &self.capabilities, &mut applied);
                if work.plan.is_empty() {
                    txn.rollback().await?;
                    break;
                }
            }
            let batch = take_batch(&mut work.plan, BATCH);
            let verified = batch.verified.len();
            let rows = batch.rows() - verified;
            let mut writer = Writer {
                db: &txn,
                capabilities: &self.capabilities,
                sentinel_path: &self.sentinel_path,
                now,
                names: &mut work.names,
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
            if !work.plan.is_empty() {
                sleep(BREATH).await;
            }
        }
        if *scope == Scope::All {
            // Had somebody else committed before our last transaction, the plan would have been made again.
            self.compared = Some(work.made_at);
        }
        Ok(applied)
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
