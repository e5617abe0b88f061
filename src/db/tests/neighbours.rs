//! Locks, foreign commits, replaced files, dropped futures.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::*;
use crate::domain::model::{ArtifactId, Kind};
use crate::domain::rows::Scope;

#[tokio::test]
async fn nothing_to_do_needs_no_lock_and_writes_nothing() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a"], &["t"])).await;
    let peer = home.peer();
    peer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let wal = home.db().with_extension("db-wal");
    let before = std::fs::metadata(&wal).unwrap();
    assert_eq!(apply(&mut cache, Plan::default()).await, Applied::default());
    let after = std::fs::metadata(&wal).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    peer.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn a_lock_that_is_not_released_is_busy() {
    let home = Home::guest().await;
    let mut cache = home.cache().await.with_patience(Duration::from_millis(30));
    let peer = home.peer();
    peer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let plan = first_plan(&["a"], &[]);
    let error = cache.sync(&Scope::All, noon(), |_, _| plan.clone()).await.unwrap_err();
    assert!(matches!(error, DbError::Busy) && error.is_transient() && !error.needs_reopen());
    // Reading goes on meanwhile, and so does writing afterwards.
    assert_eq!(cache.load(&Scope::All).await.unwrap().artifacts.len(), 0);
    peer.execute_batch("ROLLBACK").unwrap();
    apply(&mut cache, plan).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn while_nobody_else_is_there_the_log_is_copied_once_and_afterwards() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let database = home.db();
    let size = move || std::fs::metadata(&database).unwrap().len();
    let before = size();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let (seen, size_now) = (Arc::clone(&sizes), size.clone());
    cache.listen(Listener::new(move |_| seen.lock().unwrap().push(size_now())));
    let names: Vec<String> = (0..4_000).map(|n| n.to_string()).collect();
    let mut plan = first_plan(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    for upsert in &mut plan.upserts {
        let row = Row { description: Some("d".repeat(2_000)), ..upsert.row.unpack() };
        upsert.row = row.into();
    }
    apply(&mut cache, plan).await;
    let sizes = std::mem::take(&mut *sizes.lock().unwrap());
    assert!(sizes.len() > 4 && sizes.iter().all(|size| *size == before), "{sizes:?}");
    cache.copy_log().await.unwrap();
    // Two rows a page.
    assert!(size() > 2_000 * 4_096, "{}", size());
    // From now on as anywhere.
    let pages = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_autocheckpoint");
    let pages = cache.connection().unwrap().db().query_one_raw(pages).await.unwrap().unwrap();
    assert_eq!(pages.try_get_by_index::<i64>(0).unwrap(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_waited_for() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let peer = home.peer();
    peer.execute_batch("BEGIN IMMEDIATE; INSERT INTO tags VALUES ('1', 'n', 's', NULL, 't', 't');").unwrap();
    let decided = AtomicBool::new(false);
    let (asked, asking) = std::sync::mpsc::channel();
    let neighbour = std::thread::spawn(move || {
        asking.recv().unwrap();
        peer.execute_batch("COMMIT").unwrap();
    });
    let plan = first_plan(&["a"], &[]);
    let applied = cache
        .sync(&Scope::All, noon(), |actual, _| {
            // First without, then with what the neighbour had been writing.
            assert_eq!(actual.tags.is_empty(), !decided.swap(true, Ordering::SeqCst));
            let _ = asked.send(());
            plan.clone()
        })
        .await
        .unwrap();
    neighbour.join().unwrap();
    assert_eq!((applied.transactions, applied.replans), (1, 1));
}

#[tokio::test]
async fn a_foreign_commit_makes_the_plan_again_from_what_is_there_now() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let peer = home.peer();
    for commits in [1, 3, 6] {
        let mut calls = 0;
        let applied = cache
            .sync(&Scope::All, noon(), |actual, _| {
                calls += 1;
                assert_eq!(actual.tags.len() as i64, number(&peer, "SELECT COUNT(*) FROM tags"));
                if calls <= commits {
                    // From the third new plan on the lock is ours; then the neighbour has to wait.
                    let _ = peer.execute(
                        "INSERT INTO tags SELECT hex(randomblob(8)), hex(randomblob(8)), hex(randomblob(8)), NULL, 't', 't'",
                        [],
                    );
                }
                first_plan(&["a"], &[])
            })
            .await
            .unwrap();
        assert_eq!((applied.replans, applied.transactions), (commits.min(4), 1));
    }
}

#[tokio::test]
async fn beside_a_neighbour_who_commits_all_the_time_few_artifacts_are_planned_for_under_a_lock() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let peer = home.peer();
    let names: Vec<String> = (0..60).map(|n| format!("n{n:02}")).collect();
    let mut parts = Vec::new();
    let applied = cache
        .sync(&Scope::All, noon(), |actual, part| {
            let planned_for: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| part.contains(&ArtifactId::new(Kind::Skill, *name)))
                .collect();
            parts.push(planned_for.len());
            // Refused as soon as the lock is ours.
            let _ = peer.execute("INSERT INTO tags SELECT hex(randomblob(8)), hex(randomblob(8)), hex(randomblob(8)), NULL, 't', 't'", []);
            assert_eq!(actual.tags.len().min(4), parts.len().saturating_sub(1).min(4));
            first_plan(&planned_for, &[])
        })
        .await
        .unwrap();
    assert_eq!(parts, [60, 60, 60, 60, 25, 25, 10]);
    assert_eq!((applied.replans, applied.transactions), (4, 3));
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM collection_artifacts"), 60);
    assert!(!cache.is_as_left().await.unwrap(), "what the neighbour wrote meanwhile was not compared");
}

#[tokio::test]
async fn a_plan_that_became_empty_writes_nothing() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let peer = home.peer();
    let applied = cache
        .sync(&Scope::All, noon(), |actual, _| {
            if actual.tags.is_empty() {
                peer.execute("INSERT INTO tags VALUES ('1', 'n', 's', NULL, 't', 't')", []).unwrap();
                first_plan(&["a"], &[])
            } else {
                Plan::default()
            }
        })
        .await
        .unwrap();
    assert_eq!((applied.transactions, applied.replans), (0, 1));
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM artifacts"), 0);
}

#[tokio::test]
async fn changes_are_the_commits_of_others_and_are_reported_once() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let peer = home.peer();
    assert!(!cache.changed().await.unwrap());
    apply(&mut cache, first_plan(&["a"], &["t"])).await;
    assert!(!cache.changed().await.unwrap(), "our own commit came back");
    peer.execute_batch("UPDATE tags SET color = '#000000'").unwrap();
    assert!(cache.changed().await.unwrap());
    assert!(!cache.changed().await.unwrap());
    peer.execute_batch("UPDATE tags SET color = '#000001'").unwrap();
    // Seeing a commit while loading or syncing does not use it up.
    cache.load(&Scope::All).await.unwrap();
    apply(&mut cache, first_plan(&["b"], &[])).await;
    assert!(cache.changed().await.unwrap());
    peer.execute_batch(
        "BEGIN; UPDATE tags SET color = '#000002'; ROLLBACK; UPDATE tags SET color = NULL WHERE 0;",
    )
    .unwrap();
    assert!(!cache.changed().await.unwrap());
}

#[tokio::test]
async fn a_schema_that_changes_underneath_stops_the_writing() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    home.peer().execute_batch("ALTER TABLE tags ADD COLUMN emoji").unwrap();
    let error = cache.sync(&Scope::All, noon(), |_, _| first_plan(&["a"], &[])).await.unwrap_err();
    assert!(matches!(error, DbError::SchemaChanged) && error.needs_reopen());
    apply(&mut home.cache().await, first_plan(&["a"], &[])).await;
}

#[tokio::test]
async fn a_replaced_file_is_never_written_to() {
    let home = Home::guest().await;
    let other = Home::guest().await;
    let mut cache = home.cache().await;
    assert!(!cache.replaced());
    // Replaced between the decision and the write.
    let ghost = home.peer();
    let error = cache
        .sync(&Scope::All, noon(), |_, _| {
            std::fs::rename(other.db(), home.db()).unwrap();
            first_plan(&["a"], &[])
        })
        .await
        .unwrap_err();
    assert!(matches!(error, DbError::Replaced) && error.needs_reopen());
    assert!(cache.replaced());
    assert_eq!(number(&ghost, "SELECT COUNT(*) FROM artifacts"), 0);
    assert!(matches!(cache.load(&Scope::All).await, Err(DbError::Replaced)));
    // Deleted altogether.
    std::fs::remove_file(home.db()).unwrap();
    assert!(matches!(cache.load(&Scope::All).await, Err(DbError::Replaced)));
    assert!(!home.db().exists(), "nothing brings the file back");
}

/// Runs `future` for `polls` polls; `None` if it was not done by then and has been dropped.
async fn for_polls<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut count = 0;
    poll_fn(|context| {
        if count == polls {
            return Poll::Ready(None);
        }
        count += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_dropped_future_leaves_no_transaction_and_no_half_batch() {
    let home = Home::guest().await;
    let names: Vec<String> = (0..600).map(|n| format!("n{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cache = home.cache().await;
    let peer = home.peer();
    let mut dropped_inside = 0;
    for polls in 1.. {
        let plan = first_plan(&names, &[]);
        let done = for_polls(polls, cache.sync(&Scope::All, noon(), |_, _| plan.clone())).await;
        // The next call waits for the rollback that dropping has queued.
        cache.load(&Scope::All).await.unwrap();
        peer.execute_batch("BEGIN IMMEDIATE; ROLLBACK;").unwrap();
        let artifacts = number(&peer, "SELECT COUNT(*) FROM artifacts");
        let rows = number(&peer, "SELECT COUNT(*) FROM collection_artifacts");
        // Sentinel and collection go with the first artifacts; either nothing is there, or whole transactions are.
        let written = usize::try_from(artifacts + rows).unwrap() + if artifacts > 0 { 2 } else { 0 };
        // Of either size, for a process that another test is about to start has the file open for a moment; the large one
        // is a multiple of the small one.
        let is_whole = written.is_multiple_of(sync::COMPANY_BATCH);
        assert!(is_whole || written == 2 + 600 + 600, "{artifacts} {rows}");
        peer.execute_batch("DELETE FROM artifacts; DELETE FROM collections; DELETE FROM projects;").unwrap();
        if done.is_some() {
            break;
        }
        dropped_inside += 1;
    }
    assert!(dropped_inside > 10, "only {dropped_inside} places were tried");
}
