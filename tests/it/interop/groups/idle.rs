//! A good neighbour: nobody waits for us, and nothing goes back and forth.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};
use serde_json::json;

use super::stage::{SOON, Web, collection, save};
use crate::home::eventually;

#[test]
fn s24_the_backend_is_not_kept_waiting_while_a_thousand_rows_are_written() {
    let web = {
        let mut web = Web::closed();
        let names: Vec<String> = (0..1_000).map(|n| format!("skill-{n:04}")).collect();
        collection(&web.home, "default", &names.iter().map(String::as_str).collect::<Vec<_>>());
        web.start_daemon();
        web.barrier();
        web.start_api();
        web
    };
    let group = web.group("default", "Auth", &["skill:skill-0001"]);
    web.agree("default", "default", "a group");
    let over = AtomicBool::new(false);
    let rounds = AtomicUsize::new(0);
    let mut times = Vec::new();
    thread::scope(|scope| {
        // Every description changes again and again: each time, a thousand rows.
        scope.spawn(|| {
            let manifest = web.home.manifest("default");
            while !over.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                let text = fs::read_to_string(&manifest).expect("a manifest");
                let lines = text.lines().map(|line| match line.split_once("about skill") {
                    Some((_, rest)) => format!("description = \"{round} about skill{rest}\n"),
                    None => format!("{line}\n"),
                });
                let text: String = lines.collect();
                save(&manifest, &text);
                web.barrier();
            }
        });
        let guard = SetOnDrop(&over);
        for number in 0..200 {
            let sent = Instant::now();
            web.put(&group, &json!({ "description": format!("{number}") }));
            times.push(sent.elapsed());
        }
        drop(guard);
    });
    times.sort();
    let (median, p99) = (times[100], times[197]);
    println!("{} rounds of a thousand rows; PUT p50 {median:?}, p99 {p99:?}", rounds.load(Ordering::Relaxed));
    // A time says more of the machine than of the daemon, so it is printed; that no PUT failed is what is checked.
    assert!(rounds.load(Ordering::Relaxed) > 1, "nothing was written meanwhile");
    let file = eventually(SOON * 5, "the last change is in the manifest", || {
        let file = web.file("default");
        if file == web.db("default")? { Ok(file) } else { Err(format!("{file:?}")) }
    });
    assert_eq!(file[0].1, "199");
}

struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn s25_nothing_goes_back_and_forth() {
    let web = Web::open();
    let work = web.user_collection("work");
    let group = web.group(&work, "There", &["skill:delta"]);
    web.have("work", &work, &[("There", &["skill:delta"])], "a group");
    web.barrier();
    let renames = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&renames);
    let (sender, seen) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let arrived = matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        if arrived && event.paths.iter().any(|path| path.ends_with("collection.toml")) {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = sender.send(());
        }
    })
    .expect("a watcher");
    watcher.watch(&web.home.collection("work"), RecursiveMode::NonRecursive).expect("a watch");
    watcher.watch(&web.home.collection("default"), RecursiveMode::NonRecursive).expect("a watch");
    // SkillMeat itself writes this collection's file, once in the request.
    web.put(&group, &json!({ "description": "changed" }));
    seen.recv_timeout(SOON * 5).expect("SkillMeat's own write");
    eventually(SOON * 5, "both have it", || {
        let (file, db) = (web.file("work"), web.db(&work)?);
        if file == db && file[0].1 == "changed" { Ok(()) } else { Err(format!("{file:?}")) }
    });
    web.barrier();
    let after = renames.load(Ordering::Relaxed);
    assert!(after <= 2, "{after} renames for one change");
    let wal = web.home.cache_db().with_file_name("cache.db-wal");
    let state = |path: &std::path::Path| {
        let metadata = fs::metadata(path).expect("the log");
        (metadata.len(), metadata.modified().expect("a time"))
    };
    let before = state(&wal);
    let watched = Duration::from_secs(60);
    // That nothing happens can only be seen by watching for a while.
    assert!(seen.try_iter().count() <= 2);
    assert_eq!(seen.recv_timeout(watched), Err(mpsc::RecvTimeoutError::Timeout), "a manifest was written");
    assert_eq!(state(&wal), before, "the database was written");
}
