//! The cache database is deleted, exchanged, locked or read for a long time while the daemon runs.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::oracle;
use super::roots::remove_tree;
use super::scene::{SEEN, Scene, entry, entry_file, first_words, manifest, save, write_skill};
use crate::home::{Home, eventually};
use crate::interop::cache;

fn sidecar(home: &Home, suffix: &str) -> PathBuf {
    let path = home.cache_db();
    path.with_file_name(format!("cache.db{suffix}"))
}

fn edit(home: &Home, name: &str, description: &str) {
    fs::write(
        home.collection("default").join("skills").join(name).join("SKILL.md"),
        entry_file(name, description),
    )
    .expect("an entry file");
}

/// The deleted files of the cache that a process still has open.
fn deleted_files_held(pid: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    let targets = open.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    let names = targets.map(|target| target.display().to_string());
    names.filter(|name| name.contains("cache.db") && name.ends_with(" (deleted)")).collect()
}

fn lets_go_of_deleted_files(scene: &Scene) {
    if !cfg!(target_os = "linux") {
        return; // only there can it be seen
    }
    eventually(SEEN, "the daemon closes what was deleted", || {
        let held = deleted_files_held(scene.daemon.pid());
        if held.is_empty() { Ok(()) } else { Err(format!("{held:?}")) }
    });
}

#[test]
fn s20_a_deleted_cache_is_made_again_and_filled() {
    let scene = Scene::of(&["pdf", "other"], "");
    for suffixes in [&[""][..], &["", "-wal", "-shm"], &["-shm", "-wal", ""]] {
        for suffix in suffixes {
            fs::remove_file(sidecar(&scene.home, suffix)).expect("its removal");
        }
        // Nobody touches a file: the deletion itself is what is noticed.
        scene.settled(&format!("the removal of {suffixes:?}"));
        lets_go_of_deleted_files(&scene);
        edit(&scene.home, "pdf", &format!("after {}", suffixes.len()));
        scene.described("pdf", &format!("after {}", suffixes.len()));
        scene.settled("an edit after it");
    }
    let check: String = cache::open(&scene.home.cache_db())
        .and_then(|c| c.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("a check");
    assert_eq!(check, "ok");
}

#[test]
fn s20_the_whole_cache_directory_is_deleted() {
    let scene = Scene::of(&["pdf", "other"], "");
    remove_tree(&scene.home.skillmeat().join("cache"));
    scene.settled("the removal of cache/");
    lets_go_of_deleted_files(&scene);
    edit(&scene.home, "pdf", "after it");
    scene.described("pdf", "after it");
    scene.settled("an edit after it");
}

#[test]
fn s20_a_cache_that_was_exchanged_is_filled_and_the_old_one_left_alone() {
    let scene = Scene::of(&["pdf", "other"], "");
    let path = scene.home.cache_db();
    // A backup from before an edit, as one would restore it.
    let backup = path.with_file_name("backup.db");
    cache::open(&path)
        .and_then(|c| c.execute("VACUUM INTO ?1", [backup.to_str().expect("UTF-8")]))
        .expect("a backup");
    edit(&scene.home, "pdf", "after the backup");
    scene.described("pdf", "after the backup");
    // The old file keeps a name, so that it can be looked at.
    let old = path.with_file_name("old.db");
    fs::hard_link(&path, &old).expect("a second name");
    fs::rename(&backup, &path).expect("the exchange");
    for suffix in ["-wal", "-shm"] {
        // Left where they are they would be taken for the new file's.
        let _ = fs::remove_file(sidecar(&scene.home, suffix));
    }
    scene.described("pdf", "after the backup");
    scene.settled("the exchange");
    edit(&scene.home, "pdf", "after the exchange");
    scene.described("pdf", "after the exchange");
    scene.settled("an edit after the exchange");
    assert!(!String::from_utf8_lossy(&fs::read(&old).expect("the old file")).contains("after the exchange"));
}

#[test]
fn s20_a_deleted_write_ahead_log_hides_nothing() {
    let scene = Scene::of(&["pdf", "other"], "");
    for (round, suffixes) in [&["-wal"][..], &["-wal", "-shm"], &["-shm"]].iter().enumerate() {
        for suffix in *suffixes {
            fs::remove_file(sidecar(&scene.home, suffix)).expect("its removal");
        }
        let text = format!("after the removal of {}", suffixes.join(" and "));
        edit(&scene.home, "pdf", &text);
        scene.described("pdf", &text);
        scene.settled(&format!("round {round}"));
        lets_go_of_deleted_files(&scene);
    }
}

fn peer(home: &Home) -> Connection {
    let peer = Connection::open(home.cache_db()).expect("a peer");
    peer.busy_timeout(Duration::from_secs(10)).expect("patience");
    peer
}

#[test]
fn s21_a_write_lock_held_for_three_seconds_loses_nothing() {
    let scene = Scene::of(&["pdf", "other", "gone"], "remove_grace = \"100ms\"\n");
    let peer = peer(&scene.home);
    peer.execute_batch("BEGIN IMMEDIATE; UPDATE artifacts SET updated_at = updated_at").expect("the lock");
    let began = Instant::now();
    edit(&scene.home, "pdf", "while locked");
    // More of it, while the first is waiting: another edit, a new entry, one less.
    eventually(SEEN, "the manifest follows, for it needs no lock of the database", || {
        let text = fs::read_to_string(scene.home.manifest("default")).map_err(|e| e.to_string())?;
        if text.contains("while locked") { Ok(()) } else { Err(text) }
    });
    edit(&scene.home, "other", "also while locked");
    write_skill(&scene.home.collection("default"), "new", &first_words("new"));
    let entries = [
        entry("pdf", "while locked"),
        entry("other", &first_words("other")),
        entry("new", &first_words("new")),
    ];
    save(&scene.home.manifest("default"), &manifest("default", &entries));
    // A window of three seconds: it answers at once all the while, and nothing lands.
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let status = scene.status();
        assert!(asked.elapsed() < Duration::from_secs(2), "status took {:?}", asked.elapsed());
        assert_ne!(status["state"], "starting", "{status}");
        if began.elapsed() > Duration::from_millis(2500) {
            assert!(status["detail"].as_str().is_some_and(|detail| detail.contains("under way")), "{status}");
        }
        assert_eq!(scene.description("pdf"), first_words("pdf"));
        thread::sleep(Duration::from_millis(50)); // between two questions
    }
    peer.execute_batch("COMMIT").expect("the end of the lock");
    scene.described("pdf", "while locked");
    scene.described("other", "also while locked");
    scene.settled("the lock");
    assert_eq!(oracle::ids(&scene.home), ["skill:new", "skill:other", "skill:pdf"]);
}

#[test]
fn s21_beside_a_writer_that_never_rests() {
    let scene = Scene::of(&["pdf", "other"], "");
    let home = std::sync::Arc::clone(&scene.home);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    // Holds the lock for 20 ms and leaves it free for 2 ms.
    let writer = thread::spawn(move || {
        let peer = peer(&home);
        let mut rounds = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            peer.execute_batch("BEGIN IMMEDIATE; UPDATE projects SET name = name").expect("the lock");
            thread::sleep(Duration::from_millis(20));
            peer.execute_batch("COMMIT").expect("the end of the lock");
            thread::sleep(Duration::from_millis(2));
            rounds += 1;
        }
        rounds
    });
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        let began = Instant::now();
        edit(&scene.home, "pdf", &format!("round {round}"));
        scene.described("pdf", &format!("round {round}"));
        slowest = slowest.max(began.elapsed());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let rounds: usize = writer.join().expect("the writer");
    assert!(rounds > 5, "{rounds} rounds");
    assert!(slowest < Duration::from_secs(5), "{slowest:?} beside a busy writer");
    scene.settled("a busy writer");
}

#[test]
fn s22_a_long_reader_is_in_nobodys_way() {
    let scene = Scene::of(&["pdf", "other"], "");
    let reader = cache::open(&scene.home.cache_db()).expect("a reader");
    let said = |connection: &Connection| -> String {
        let sql = "SELECT c.description FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid \
                   WHERE a.id = 'skill:pdf'";
        connection.query_row(sql, [], |row| row.get(0)).expect("a row")
    };
    reader.execute_batch("BEGIN").expect("a transaction");
    assert_eq!(said(&reader), first_words("pdf"));
    for round in 0..10 {
        let began = Instant::now();
        edit(&scene.home, "pdf", &format!("round {round}"));
        scene.described("pdf", &format!("round {round}"));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?} beside a reader", began.elapsed());
        assert_eq!(said(&reader), first_words("pdf"), "its snapshot is its own");
    }
    reader.execute_batch("COMMIT").expect("the end of the transaction");
    assert_eq!(said(&reader), "round 9");
    scene.settled("a long reader");
}

#[test]
fn rows_that_somebody_else_has_changed_are_put_right() {
    let scene = Scene::of(&["pdf", "other"], "");
    let peer = peer(&scene.home);
    // What a start of the web backend overwrites, and what a careless person might delete.
    for harm in [
        "UPDATE collection_artifacts SET version = NULL, artifact_content_hash = NULL, synced_at = NULL",
        "UPDATE collection_artifacts SET tags_json = 'not json', source = ''",
        "DELETE FROM artifact_tags",
        "DELETE FROM collection_artifacts",
    ] {
        peer.execute_batch(harm).expect("the harm");
        scene.settled(harm);
    }
}
