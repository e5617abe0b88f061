//! After the work: nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::oracle::wakeups;
use super::scene::{SEEN, Scene, entry_file};
use crate::home::eventually;

/// Inode, size, time of last change; `None` if there is no such file.
type Trace = Option<(u64, u64, i64, i64)>;

fn trace(path: &PathBuf) -> Trace {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

#[test]
fn s19_no_echo_of_its_own_writes() {
    let scene = Scene::of(&["pdf", "other"], "");
    // Both kinds of write: into the manifest, and into the database.
    let path = scene.home.collection("default").join("skills/pdf/SKILL.md");
    fs::write(&path, entry_file("pdf", "edited by hand")).expect("a file");
    scene.described("pdf", "edited by hand");
    scene.settled("an edit by hand");

    let cache = scene.home.cache_db();
    let watched: Vec<PathBuf> = [
        cache.clone(),
        cache.with_file_name("cache.db-wal"),
        scene.home.manifest("default"),
        scene.home.collection("default"),
        scene.home.skillmeat(),
        scene.home.path().join("state/skillmeatd/state.db"),
        scene.home.path().join("state/skillmeatd/state.db-wal"),
    ]
    .into();
    // What was started by the edit comes to its end: a second look, the note of what was scanned.
    let revision = eventually(SEEN, "two answers with the same revision, a second apart", || {
        let first = scene.revision();
        thread::sleep(Duration::from_secs(1));
        if scene.revision() == first { Ok(first) } else { Err(first.to_string()) }
    });
    let looks = revision - 1;
    assert!(looks <= 6, "{looks} reconciles for one edit by hand");
    let (before, woken) = (watched.iter().map(trace).collect::<Vec<_>>(), wakeups(scene.daemon.pid()));
    assert!(before[0].is_some() && before[2].is_some() && before[5].is_some(), "{before:?}");
    thread::sleep(Duration::from_secs(10)); // the window in which nothing may happen
    let woken = wakeups(scene.daemon.pid()) - woken;
    assert_eq!(watched.iter().map(trace).collect::<Vec<_>>(), before);
    assert_eq!(scene.revision(), revision);
    assert!(woken <= 20, "woken {woken} times in ten idle seconds");
}
