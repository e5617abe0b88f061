//! How long it takes from the web to the file. Measured and printed, not asserted:
//! `cargo test --release --test it interop::groups::measure -- --nocapture`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use serde_json::json;

use super::stage::{SOON, Web, collection, save};

/// How many changes are timed, of each sort.
const CHANGES: usize = 100;

/// The moments at which a manifest came into place.
fn renames(web: &Web) -> (RecommendedWatcher, Receiver<Instant>) {
    let (sender, renames) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let now = Instant::now();
        let Ok(event) = event else { return };
        let arrived = matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        if arrived && event.paths.iter().any(|path| path.ends_with("collection.toml")) {
            let _ = sender.send(now);
        }
    })
    .expect("a watcher");
    watcher.watch(&web.home.collection("default"), RecursiveMode::NonRecursive).expect("a watch");
    (watcher, renames)
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(50), at(99), at(100));
}

#[test]
fn from_the_web_to_the_file() {
    let web = {
        let mut web = Web::closed();
        let names: Vec<String> = (0..1_000).map(|n| format!("skill-{n:04}")).collect();
        collection(&web.home, "default", &names.iter().map(String::as_str).collect::<Vec<_>>());
        web.start_daemon();
        web.barrier();
        web.start_api();
        web
    };
    let group = web.group("default", "Timed", &["skill:skill-0001"]);
    web.agree("default", "default", "a group");
    let (_watcher, renames) = renames(&web);
    let quiet = || while renames.recv_timeout(Duration::from_millis(100)).is_ok() {};

    let (mut responses, mut commits) = (Vec::new(), Vec::new());
    for number in 0..CHANGES {
        quiet();
        web.put(&group, &json!({ "description": format!("{number}") }));
        let answered = Instant::now();
        let renamed = renames.recv_timeout(SOON * 5).expect("a write");
        responses.push(renamed.saturating_duration_since(answered));
    }
    print("answer of the web to the manifest in place, 1,000 artifacts", responses);

    let sql = web.sql();
    for number in 0..CHANGES {
        quiet();
        let change = format!("UPDATE groups SET description = 'c{number}' WHERE id = '{group}'");
        assert_eq!(sql.execute(&change, []).expect("a change"), 1);
        let committed = Instant::now();
        let renamed = renames.recv_timeout(SOON * 5).expect("a write");
        commits.push(renamed.saturating_duration_since(committed));
    }
    print("commit to the manifest in place, 1,000 artifacts", commits);

    let mut repairs = Vec::new();
    let mut stale = web.text("default");
    for number in 0..20 {
        quiet();
        let change = format!("UPDATE groups SET description = 'r{number}' WHERE id = '{group}'");
        assert_eq!(sql.execute(&change, []).expect("a change"), 1);
        renames.recv_timeout(SOON * 5).expect("a write");
        let current = web.text("default");
        quiet();
        let updated = format!("updated = \"2027-01-01T00:00:00.{number:06}\"");
        let line = stale.lines().find(|line| line.starts_with("updated = ")).expect("a stamp").to_owned();
        save(&web.home.manifest("default"), &stale.replacen(&line, &updated, 1));
        let clobbered = Instant::now();
        // Their rename comes first, ours after it.
        renames.recv_timeout(SOON * 5).expect("their write");
        let repaired = renames.recv_timeout(SOON * 5).expect("our repair");
        repairs.push(repaired.saturating_duration_since(clobbered));
        stale = current;
    }
    print("stale copy in place to repaired, 1,000 artifacts", repairs);
}

/// Somebody rewrites the manifest as fast as it goes, and groups are changed all the time.
#[test]
fn under_a_hammering_writer() {
    let mut web = Web::open();
    let group = web.group("default", "Timed", &["skill:alpha"]);
    web.agree("default", "default", "a group");
    let over = AtomicBool::new(false);
    let sql = web.sql();
    let writes = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut writes = 0;
            while !over.load(Ordering::Relaxed) {
                let text = web.text("default");
                let line =
                    text.lines().find(|line| line.starts_with("updated = ")).expect("a stamp").to_owned();
                let stamp = format!("updated = \"2027-01-01T00:00:00.{writes:06}\"");
                save(&web.home.manifest("default"), &text.replacen(&line, &stamp, 1));
                writes += 1;
            }
            writes
        });
        for number in 0..CHANGES {
            let change = format!("UPDATE groups SET description = 'h{number}' WHERE id = '{group}'");
            assert_eq!(sql.execute(&change, []).expect("a change"), 1);
            thread::sleep(Duration::from_millis(10)); // the pace of the changes
        }
        over.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    let last = web.agree("default", "default", "a hammering writer");
    assert_eq!(last[0].1, format!("h{}", CHANGES - 1));
    let log = web.daemon().process().log();
    let rounds = log.lines().filter_map(|line| line.split_once("manifest written")?.1.split_once("rounds="));
    let rounds: Vec<u32> = rounds.filter_map(|(_, rounds)| rounds.trim().parse().ok()).collect();
    println!(
        "{writes} writes of theirs beside {CHANGES} changes: {} of ours, {} of them with more than one exchange, at \
         most {}",
        rounds.len(),
        rounds.iter().filter(|rounds| **rounds > 1).count(),
        rounds.iter().max().unwrap_or(&0)
    );
}
