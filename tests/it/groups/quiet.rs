//! No echo: a write-back leads to no write-back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::web::{Web, file_has};
use crate::faults::scene::{SEEN, Scene, read};
use crate::home::eventually;

/// Inode, size, time of last change; `None` if there is no such file.
type Trace = Option<(u64, u64, i64, i64)>;

fn trace(path: &PathBuf) -> Trace {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// The revision at which nothing more happened for a second.
fn settled(scene: &Scene) -> u64 {
    eventually(SEEN, "two answers with the same revision, a second apart", || {
        let first = scene.revision();
        thread::sleep(Duration::from_secs(1));
        if scene.revision() == first { Ok(first) } else { Err(first.to_string()) }
    })
}

#[test]
fn after_a_write_back_there_is_nothing() {
    let scene = Scene::of(&["pdf"], "");
    let web = Web::at(&scene.home);
    let manifest = scene.home.manifest("default");
    let before = fs::metadata(&manifest).expect("a manifest").ino();
    web.make_group("default", "Docs", &["skill:pdf"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    // And the other way.
    fs::write(&manifest, read(&manifest).replace("\"slate\"", "\"rose\"")).expect("the manifest");
    super::web::database_has(&scene.home, "default", &["Docs rose: skill:pdf"]);
    settled(&scene);
    let cache = scene.home.cache_db();
    let watched = [
        cache.clone(),
        cache.with_file_name("cache.db-wal"),
        manifest.clone(),
        scene.home.collection("default"),
        scene.home.path().join("state/skillmeatd/state.db"),
        scene.home.path().join("state/skillmeatd/state.db-wal"),
    ];
    // What the daemon writes down for its next start follows the answer; on a busy disk it takes its time.
    let traces = eventually(SEEN, "a second in which nothing is written", || {
        let first: Vec<Trace> = watched.iter().map(trace).collect();
        thread::sleep(Duration::from_secs(1));
        let second: Vec<Trace> = watched.iter().map(trace).collect();
        if first == second { Ok(second) } else { Err(format!("{first:?} {second:?}")) }
    });
    assert_ne!(traces[2].map(|trace| trace.0), Some(before), "it was replaced");
    thread::sleep(Duration::from_secs(5)); // the window in which nothing may happen
    assert_eq!(watched.iter().map(trace).collect::<Vec<_>>(), traces);
}

#[test]
fn a_checkpoint_that_looks_like_a_commit_changes_nothing() {
    let scene = Scene::of(&["pdf"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &["skill:pdf"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    let revision = settled(&scene);
    let manifest = trace(&scene.home.manifest("default"));
    let busy: i64 =
        web.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("a checkpoint");
    assert_eq!(busy, 0, "the daemon holds no lock while it is idle");
    eventually(SEEN, "the daemon looks", || {
        let now = scene.revision();
        if now > revision { Ok(()) } else { Err(now.to_string()) }
    });
    settled(&scene);
    assert_eq!(trace(&scene.home.manifest("default")), manifest);
    let wal = cache_wal(&scene);
    assert_eq!(wal, 0, "nothing was written to the database");
}

fn cache_wal(scene: &Scene) -> u64 {
    fs::metadata(scene.home.cache_db().with_file_name("cache.db-wal")).map_or(0, |file| file.len())
}
