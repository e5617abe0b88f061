//! How long it takes from the command line's last rename of the manifest to the row and to the page. Measured and
//! printed, not asserted: `cargo test --test it latency -- --nocapture`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher as _};

use super::cache;
use super::scenario::{SEEN, Stage};
use crate::home::eventually;

/// How many adds are timed; each costs a start of Python.
const ADDS: usize = 5;

#[test]
fn latency_of_an_add() {
    let stage = Stage::with_collection();
    let (sender, renames) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let now = Instant::now();
        let manifest = |path: &std::path::PathBuf| path.ends_with("collection.toml");
        if event.is_ok_and(|e| matches!(e.kind, EventKind::Modify(_)) && e.paths.iter().any(manifest)) {
            let _ = sender.send(now);
        }
    })
    .expect("a watcher");
    watcher.watch(&stage.home.collection("default"), RecursiveMode::NonRecursive).expect("a watch");

    println!("{:>10} {:>12} {:>12}", "add", "row (ms)", "page (ms)");
    for number in 1..=ADDS {
        let id = format!("skill:timed{number}");
        let source = stage.skill(&format!("timed{number}"), "description: timed\ntags: [timed]\n");
        while renames.try_recv().is_ok() {}
        let over = AtomicBool::new(false);
        let (row, page) = thread::scope(|scope| {
            let _over = OnDrop(&over);
            let row = scope.spawn(|| {
                let connection = cache::open(&stage.home.cache_db()).expect("the cache");
                first(&over, Duration::from_millis(1), || {
                    cache::members(&connection).is_ok_and(|rows| rows.contains_key(&id))
                })
            });
            let page = scope.spawn(|| {
                first(&over, Duration::from_millis(20), || {
                    stage.api.artifacts().is_ok_and(|items| items.contains_key(&id))
                })
            });
            stage.cli().add("skill", &source, &[]);
            eventually(SEEN, "the add is seen by both", || {
                if row.is_finished() && page.is_finished() { Ok(()) } else { Err("not yet".to_owned()) }
            });
            (row.join().expect("the row's time"), page.join().expect("the page's time"))
        });
        // The daemon may have written the manifest, too, after the row was there: the last rename before it counts. On
        // a busy machine our own watcher may be told later than the daemon; then the row took "no time".
        let told = renames.recv_timeout(SEEN).expect("a rename of the manifest");
        let renamed = renames.try_iter().filter(|at| *at < row).last().unwrap_or(told);
        let after = |at: Instant| at.saturating_duration_since(renamed).as_secs_f64() * 1e3;
        println!("{number:>10} {:>12.1} {:>12.1}", after(row), after(page));
    }
}

/// Sets its flag when it goes, so that a failure ends the threads that wait, too.
struct OnDrop<'f>(&'f AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The first time `there` holds, asked every `pause`; now, if it is `over` before that.
fn first(over: &AtomicBool, pause: Duration, there: impl Fn() -> bool) -> Instant {
    while !over.load(Ordering::Relaxed) && !there() {
        thread::sleep(pause);
    }
    Instant::now()
}
