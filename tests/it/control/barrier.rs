//! The barrier's promise: what was written before the request is in the rows when the answer comes. Nothing here waits
//! for anything but the answer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::wire::Wire;
use crate::daemon::Daemon;
use crate::faults::overflow::overflow;
use crate::faults::scene::{Scene, entry, entry_file, manifest, read, save, write_skill};
use crate::home::Home;

/// Reads rows over one connection, for a thousand rounds.
struct Rows(Connection);

impl Rows {
    fn of(home: &Home) -> Self {
        let connection = Connection::open(home.cache_db()).expect("the cache");
        connection.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        Self(connection)
    }

    fn value(&self, column: &str, name: &str) -> Option<String> {
        let sql = format!(
            "SELECT c.{column} FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid \
             WHERE a.id = 'skill:' || ?1 AND c.collection_id = 'default'"
        );
        self.0.query_row(&sql, [name], |row| row.get(0)).ok()
    }
}

fn sync(wire: &mut Wire<std::os::unix::net::UnixStream>) -> Value {
    wire.post("/v1/sync", "").done()
}

/// A different kind of change each round; what the row must show after it.
fn change(home: &Home, round: usize) -> (&'static str, &'static str, String) {
    let root = home.collection("default");
    let text = format!("Use when it is round {round}");
    match round % 5 {
        // In place, by hand; followed into the manifest.
        0 => {
            fs::write(root.join("skills/edited/SKILL.md"), entry_file("edited", &text)).expect("a write");
            ("edited", "description", text)
        }
        // As SkillMeat does. An earlier round's hand edit has to stay, so this starts from what is there.
        1 => {
            let path = home.manifest("default");
            let old = read(&path);
            let at = old.find("name = \"listed\"").expect("the entry");
            let (head, tail) = old.split_at(at);
            let line = tail.lines().find(|line| line.starts_with("description")).expect("its line");
            save(&path, &format!("{head}{}", tail.replacen(line, &format!("description = \"{text}\""), 1)));
            ("listed", "description", text)
        }
        // A file of the same length, which only its content tells apart.
        2 => {
            let body = format!("# {round:06}\n");
            fs::write(root.join("skills/hashed/scripts/run.py"), body).expect("a write");
            ("hashed", "", String::new())
        }
        // A file in a directory that has just been made.
        3 => {
            let directory = root.join(format!("skills/deep/new{round}/below"));
            fs::create_dir_all(&directory).expect("directories");
            fs::write(directory.join("x"), "x").expect("a file");
            ("deep", "", String::new())
        }
        // A save by rename.
        _ => {
            save(&root.join("skills/renamed/SKILL.md"), &entry_file("renamed", &text));
            ("renamed", "description", text)
        }
    }
}

const SKILLS: [&str; 6] = ["edited", "listed", "hashed", "deep", "renamed", "noise"];

fn rounds(scene: &Scene, count: usize) -> Vec<Duration> {
    let mut wire = Wire::open(&scene.home);
    let rows = Rows::of(&scene.home);
    let mut took = Vec::new();
    for round in 0..count {
        let columns = ["description", "artifact_content_hash", "artifact_structure_hash"];
        let look = |name| columns.map(|column| rows.value(column, name));
        let before = SKILLS.map(look);
        let (name, column, expected) = change(&scene.home, round);
        let began = Instant::now();
        let answer = sync(&mut wire);
        took.push(began.elapsed());
        let which = SKILLS.iter().position(|skill| *skill == name).expect("a skill");
        assert_ne!(look(name), before[which], "{name} in round {round}");
        if !expected.is_empty() {
            assert_eq!(rows.value(column, name), Some(expected), "{name} in round {round}: {answer}");
        }
        assert!(answer["reconcile"]["revision"].is_u64(), "{answer}");
    }
    took.sort();
    took
}

#[test]
fn a_thousand_asks_right_after_a_write_are_never_stale() {
    // No answer waits for the window, or this would take hours.
    let scene = Scene::of(&SKILLS, "debounce.quiet = \"10s\"\ndebounce.max_wait = \"20s\"\n");
    let took = rounds(&scene, 1_000);
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    eprintln!("barrier after a write: p50 {p50:?}, p99 {p99:?}");
    assert!(p50 < Duration::from_secs(2), "p50 {p50:?}, p99 {p99:?}");
    scene.settled("a thousand rounds");
}

/// Writes and removes files in a directory, one after the other, until it is dropped.
struct Storm {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<u32>>,
}

impl Storm {
    fn over(directory: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut files = 0_u32;
            while !stopped.load(Ordering::Relaxed) {
                let path = directory.join(format!("{}.txt", files % 64));
                let _ = fs::write(&path, files.to_string());
                let _ = fs::remove_file(&path);
                files += 1;
            }
            files
        });
        Self { stop, thread: Some(thread) }
    }

    /// How many files there were.
    fn end(&mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("the storm"))
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn nor_are_they_in_a_storm_of_events() {
    let scene = Scene::of(&SKILLS, "");
    let mut storm = Storm::over(scene.home.collection("default").join("skills/noise/scripts"));
    let took = rounds(&scene, 200);
    let files = storm.end();
    eprintln!("{files} files meanwhile, the slowest answer took {:?}", took.last());
    assert!(files > 1_000, "{files} files are no storm");
    scene.settled("the storm");
}

#[test]
fn nor_are_they_after_an_overflow() {
    let mut scene = Scene::of(&SKILLS, "");
    let clock = sync(&mut Wire::open(&scene.home))["clock"].as_str().expect("a clock").to_owned();
    scene.daemon.process().pause();
    overflow(&scene.home);
    // The queue is full: of this no event will come.
    write_skill(&scene.home.collection("default"), "edited", "while nobody looked");
    let mut wire = Wire::open(&scene.home);
    let body = json!({ "since": clock }).to_string();
    wire.ask("POST", "/v1/sync", &body).expect("a request");
    scene.daemon.process().signal(Signal::CONT);
    let (status, head) = wire.head().expect("an answer");
    assert_eq!(status, 200, "{head}");
    assert_eq!(Rows::of(&scene.home).value("description", "edited").as_deref(), Some("while nobody looked"));
    let answer = wire_body(&mut wire, &head);
    assert_eq!(answer["fresh_instance"], true, "{answer}");
    rounds(&scene, 10);
    let status = scene.status();
    assert!(status["watching"]["lost"].as_u64() >= Some(1), "{status}");
}

fn wire_body(wire: &mut Wire<std::os::unix::net::UnixStream>, head: &str) -> Value {
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok())
        .expect("a length");
    serde_json::from_slice(&wire.bytes(length)).expect("JSON")
}

#[test]
fn nor_are_they_where_there_are_no_events_at_all() {
    let scene = Scene::of(&SKILLS, "watch.mode = \"poll\"\nwatch.poll_interval = \"1h\"\n");
    rounds(&scene, 20);
    let mut wire = Wire::open(&scene.home);
    assert_eq!(sync(&mut wire)["fresh_instance"], true);
    let probed = wire.post("/v1/probe", "").done();
    assert_eq!(probed, json!({ "schema": 1, "alive": false, "mode": "polling" }));
}

#[test]
fn a_row_that_somebody_else_has_changed_is_put_right_before_the_answer() {
    let scene = Scene::of(&SKILLS, "");
    let rows = Rows::of(&scene.home);
    let mut wire = Wire::open(&scene.home);
    let good = rows.value("description", "listed");
    for round in 0..200 {
        let text = format!("spoilt in round {round}");
        rows.0.execute("UPDATE collection_artifacts SET description = ?1", [text]).expect("an update");
        sync(&mut wire);
        assert_eq!(rows.value("description", "listed"), good, "round {round}");
    }
}

#[test]
fn what_was_committed_to_the_database_is_in_the_file_when_the_answer_comes() {
    let scene = Scene::of(&SKILLS, "");
    let rows = Rows::of(&scene.home);
    let mut wire = Wire::open(&scene.home);
    let path = scene.home.manifest("default");
    let now = "2026-01-01 00:00:00.000000";
    for round in 0..300 {
        let name = format!("Group of round {round}");
        // One group, renamed again and again, so that the file stays small.
        let changed = rows
            .0
            .execute("UPDATE groups SET description = ?1, updated_at = ?2 WHERE id = 'g'", [&name, now]);
        if changed.expect("an update") == 0 {
            let insert = "INSERT INTO groups (id, collection_id, name, description, color, icon, position, created_at, updated_at) \
                          VALUES ('g', 'default', 'First', ?1, 'slate', 'layers', 0, ?2, ?2)";
            rows.0.execute(insert, [&name, now]).expect("a group");
        }
        sync(&mut wire);
        let text = read(&path);
        assert!(text.contains(&name), "round {round} is not in the file:\n{text}");
    }
    scene.settled("three hundred groups");
}

#[test]
fn the_answer_tells_what_was_written_and_since_when() {
    let scene = Scene::of(&SKILLS, "");
    let mut wire = Wire::open(&scene.home);
    let first = sync(&mut wire);
    assert_eq!(first["fresh_instance"], false, "{first}");
    assert_eq!(first["applied"], json!({ "rows": 0, "artifacts": 0, "named": [] }));
    let clock = first["clock"].as_str().expect("a clock").to_owned();
    assert_eq!(wire.get("/v1/status").done()["clock"], clock, "status shows the same one");

    write_skill(&scene.home.collection("default"), "edited", "once");
    let second = sync(&mut wire);
    assert_eq!(second["applied"]["named"], json!(["skill:edited"]), "{second}");
    write_skill(&scene.home.collection("default"), "renamed", "twice");
    sync(&mut wire);
    let since = wire.post("/v1/sync", &json!({ "since": clock }).to_string()).done();
    assert_eq!(since["applied"]["named"], json!(["skill:edited", "skill:renamed"]), "{since}");
    assert_eq!(since["fresh_instance"], false);

    let other_run = wire.post("/v1/sync", r#"{"since": "abc:1"}"#).done();
    assert_eq!(other_run["fresh_instance"], true, "{other_run}");
    let looked = wire.post("/v1/sync", r#"{"full": true}"#).done();
    assert_eq!(looked["fresh_instance"], true, "{looked}");
}

#[test]
fn a_collection_is_read_again_though_no_event_told_of_it() {
    let scene = Scene::of(&SKILLS, "watch.mode = \"poll\"\nwatch.poll_interval = \"1h\"\n");
    let mut wire = Wire::open(&scene.home);
    for body in [r#"{"collection": "default"}"#, r#"{"artifact": "skill:edited"}"#] {
        write_skill(
            &scene.home.collection("default"),
            "edited",
            body.trim_matches(['{', '}']).replace('"', "").as_str(),
        );
        let answer = wire.post("/v1/sync", body).done();
        assert_eq!(answer["applied"]["named"], json!(["skill:edited"]), "{answer}");
    }
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let scene = Scene::of(&["one"], "");
    let mut wire = Wire::open(&scene.home);
    for (body, status, word) in [
        (r#"{"collection": "nowhere"}"#, 404, "collections/nowhere"),
        (r#"{"artifact": "one"}"#, 422, "TYPE:NAME"),
        (r#"{"since": "yesterday"}"#, 422, "EPOCH:REVISION"),
        (r#"{"colection": "default"}"#, 422, "colection"),
        (r#"{"timeout_ms": -1}"#, 422, "-1"),
        ("[", 422, "a JSON object"),
    ] {
        let answer = wire.post("/v1/sync", body);
        assert_eq!(answer.status, status, "{body}: {}", answer.json());
        assert!(answer.json()["detail"].as_str().expect("a detail").contains(word), "{}", answer.json());
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    }
}

#[test]
fn a_wait_ends_when_its_time_is_up_and_the_work_goes_on() {
    let scene = Scene::of(&["one"], "");
    // Somebody holds the database's write lock, so nothing can be applied.
    let holder = Connection::open(scene.home.cache_db()).expect("the cache");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    write_skill(&scene.home.collection("default"), "one", "later");
    let mut wire = Wire::open(&scene.home);
    let answer = wire.post("/v1/sync", r#"{"timeout_ms": 200}"#);
    assert_eq!(answer.status, 504, "{}", answer.json());
    let late = scene.call(&["sync", "--wait", "--timeout", "200ms"]);
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    assert!(late.stderr.contains("200ms"), "{late:?}");
    holder.execute_batch("ROLLBACK").expect("its end");
    sync(&mut wire);
    assert_eq!(Rows::of(&scene.home).value("description", "one").as_deref(), Some("later"));
}

#[test]
fn the_command_line_waits_too() {
    let scene = Scene::of(&["one", "two"], "");
    for (round, arguments) in [
        &["sync", "--wait", "--json"][..],
        &["sync", "--collection", "default", "--json"],
        &["sync", "--artifact", "skill:one", "--wait", "--json"],
        &["sync", "--json"],
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!("round {round}");
        write_skill(&scene.home.collection("default"), "one", &text);
        let answer = scene.call(arguments).succeeded();
        assert_eq!(Rows::of(&scene.home).value("description", "one"), Some(text), "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.stdout).expect("JSON");
        assert_eq!(answer["applied"]["named"], json!(["skill:one"]), "{answer}");
    }
    let unknown = scene.call(&["sync", "--collection", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let odd = scene.call(&["sync", "--wait", "--once"]);
    assert_eq!(odd.status.code(), Some(2), "{odd:?}");
}

#[test]
fn an_entry_that_is_gone_waits_for_its_grace_and_the_answer_says_so() {
    let scene = Scene::of(&["one", "two"], "remove_grace = \"1h\"\n");
    save(&scene.home.manifest("default"), &manifest("default", &[entry("one", "x")]));
    let answer = sync(&mut Wire::open(&scene.home));
    assert_eq!(answer["pending_removals"], 1, "{answer}");
}

#[test]
fn the_watcher_answers_a_probe_and_a_probe_writes_no_rows() {
    let scene = Scene::of(&["one"], "");
    let mut wire = Wire::open(&scene.home);
    let before = scene.revision();
    for _ in 0..20 {
        assert_eq!(wire.post("/v1/probe", "").done()["alive"], true);
    }
    assert_eq!(scene.revision(), before);
    let left: Vec<_> = fs::read_dir(scene.home.path().join("run/skillmeatd/cookies")).expect("it").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_ask_during_the_first_look_is_answered_by_a_later_one() {
    let home = crate::faults::scene::home(&SKILLS, "");
    let daemon = Daemon::start(&home);
    write_skill(&home.collection("default"), "edited", "early");
    sync(&mut Wire::open(&home));
    assert_eq!(Rows::of(&home).value("description", "edited").as_deref(), Some("early"));
    drop(daemon);
}
