//! What has happened lately: events as they come, the numbers, the flight recorder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::wire::Wire;
use crate::child::finish;
use crate::daemon::Daemon;
use crate::faults::scene::{Scene, entry, manifest, save, write_skill};

type Socket = std::os::unix::net::UnixStream;

/// A reader of events, from `since` on or from now on.
struct Reader(Wire<Socket>);

impl Reader {
    fn open(scene: &Scene, query: &str, headers: &str) -> Self {
        let mut wire = Wire::open(&scene.home);
        wire.headers.push_str(headers);
        wire.ask("GET", &format!("/v1/events{query}"), "").expect("a request");
        let (status, head) = wire.head().expect("an answer");
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(wire)
    }

    /// The next event: its id, its kind, and what it says.
    fn next(&mut self) -> (String, String, Value) {
        let (mut id, mut kind, mut data) = (String::new(), String::new(), Value::Null);
        let mut heartbeats = 0;
        loop {
            let line = self.0.line().expect("a line");
            // Each event comes in a chunk of its own, whose length stands before it.
            match line.split_once(": ") {
                Some(("id", text)) => id = text.to_owned(),
                Some(("event", text)) => kind = text.to_owned(),
                Some(("data", text)) => data = serde_json::from_str(text).expect("JSON"),
                _ if line.is_empty() && !kind.is_empty() => break,
                _ if line.starts_with(':') => {
                    heartbeats += 1; // four a minute
                    assert!(heartbeats < 4, "no event for a minute");
                }
                _ => {}
            }
        }
        assert_eq!(data["id"], id, "{data}");
        assert_eq!(data["what"]["kind"], kind, "{data}");
        (id, kind, data["what"].clone())
    }

    /// The next event of this kind.
    fn expect(&mut self, expected: &str) -> (String, Value) {
        loop {
            let (id, kind, what) = self.next();
            if kind == expected {
                return (id, what);
            }
        }
    }
}

#[test]
fn events_come_as_they_happen_and_a_reader_that_comes_back_misses_none() {
    let mut scene = Scene::of(&["one", "two"], "remove_grace = \"100ms\"\n");
    let mut reader = Reader::open(&scene, "", "");
    write_skill(&scene.home.collection("default"), "one", "first");
    let (first, what) = reader.expect("applied");
    assert_eq!(what["applied"]["named"], json!(["skill:one"]), "{what}");
    drop(reader);
    write_skill(&scene.home.collection("default"), "two", "second");
    scene.described("two", "second");
    for mut reader in [
        Reader::open(&scene, &format!("?since={first}"), ""),
        Reader::open(&scene, "", &format!("last-event-id: {first}\r\n")),
    ] {
        let (_, what) = reader.expect("applied");
        assert_eq!(what["applied"]["named"], json!(["skill:two"]), "{what}");
    }

    let mut reader = Reader::open(&scene, "", "");
    let good = fs::read_to_string(scene.home.manifest("default")).expect("the manifest");
    save(&scene.home.manifest("default"), "[collection\n");
    let (_, what) = reader.expect("halted");
    assert_eq!(what["halt"]["collection"], "default", "{what}");
    let (_, what) = reader.expect("problems");
    assert_eq!(what["appeared"][0]["path"], "collections/default/collection.toml", "{what}");
    let (_, what) = reader.expect("state");
    assert_eq!(what["state"], "halted", "{what}");
    save(&scene.home.manifest("default"), &good);
    assert_eq!(reader.expect("released").1["collection"], "default");
    assert_eq!(reader.expect("state").1["state"], "watching");

    // Another run of the daemon knows nothing of these: it says so, and tells what it has.
    scene.daemon.process().stop();
    scene.daemon = Daemon::start(&scene.home);
    let mut reader = Reader::open(&scene, &format!("?since={first}"), "");
    assert_eq!(reader.next().1, "gap");
    while reader.expect("state").1["state"] != "watching" {}
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up_and_is_told_of_the_gap() {
    let scene = Scene::of(&["one"], "");
    let since = {
        let mut reader = Reader::open(&scene, "", "");
        write_skill(&scene.home.collection("default"), "one", "known");
        reader.expect("applied").0
    };
    let mut wire = Wire::open(&scene.home);
    for round in 0..600 {
        write_skill(&scene.home.collection("default"), "one", &format!("round {round}"));
        wire.post("/v1/sync", "").done();
    }
    let mut reader = Reader::open(&scene, &format!("?since={since}"), "");
    let (gap, kind, _) = reader.next();
    assert_eq!(kind, "gap");
    let (next, ..) = reader.next();
    // Who comes back with the gap's id goes on where it left off.
    assert_eq!(Reader::open(&scene, &format!("?since={gap}"), "").next().0, next);
}

#[test]
fn what_is_no_id_is_refused() {
    let scene = Scene::of(&["one"], "");
    let mut wire = Wire::open(&scene.home);
    for query in ["/v1/events?since=x", "/v1/events?sinse=1", "/v1/trace?last=many", "/v1/trace?first=1"] {
        let answer = wire.get(query);
        assert_eq!(answer.status, 422, "{query}");
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    }
}

/// The value of a number, by its name with labels.
fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().expect("a number")
}

#[test]
fn the_numbers_count_what_happened_and_promtool_takes_them() {
    let mut scene = Scene::of(&["one", "two"], "");
    let mut wire = Wire::open(&scene.home);
    let read = |wire: &mut Wire<Socket>| String::from_utf8(wire.get("/v1/metrics").body).expect("UTF-8");
    let before = read(&mut wire);
    let watched = scene.status()["watching"]["held"].as_f64();
    assert_eq!(Some(number(&before, "skillmeatd_watches_held")), watched);
    assert_eq!(number(&before, "skillmeatd_artifacts"), 2.0);
    write_skill(&scene.home.collection("default"), "one", "counted");
    wire.post("/v1/sync", "").done();
    save(
        &scene.home.manifest("default"),
        &manifest("default", &[entry("one", "counted too"), entry("two", "x")]),
    );
    wire.post("/v1/sync", "").done();
    wire.get("/v1/nothing");
    let after = read(&mut wire);
    let rise = |name: &str| number(&after, name) - number(&before, name);
    assert!(rise("skillmeatd_rows_written_total") >= 2.0);
    assert!(rise("skillmeatd_artifacts_read_total") >= 1.0);
    assert!(rise("skillmeatd_reconciles_total{result=\"done\"}") >= 2.0);
    assert!(rise("skillmeatd_files_to_rows_seconds_count") >= 1.0);
    assert!(rise("skillmeatd_manifests_written_total{cause=\"frontmatter\"}") == 1.0);
    assert_eq!(number(&after, "skillmeatd_requests_total{status=\"404\"}"), 1.0);
    assert!(number(&after, "skillmeatd_files_to_rows_seconds_sum") < 60.0);
    scene.daemon.process().signal(Signal::HUP); // a reload does not begin to count anew
    wire.post("/v1/sync", "").done();
    assert!(
        number(&read(&mut wire), "skillmeatd_rows_written_total")
            >= number(&after, "skillmeatd_rows_written_total")
    );

    judge(&after);
    // In the package `prometheus` of Debian.
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("promtool is not installed; the form of the numbers was not judged by it");
        return;
    }
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    let judged = finish(promtool, &after, Duration::from_secs(30)).succeeded();
    assert_eq!((judged.stdout.as_str(), judged.stderr.as_str()), ("", ""));
}

/// What every reader of the text format insists on, and the naming rules
/// (<https://prometheus.io/docs/practices/naming/>): each family described before its first number, each number's name
/// one of its family's, counters ending in `_total` and no others, no number twice.
fn judge(text: &str) {
    let mut families: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            let (name, help) = described.split_once(' ').expect("a text");
            assert!(!help.is_empty() && families.insert(name, ("", false)).is_none(), "{line}");
            current = name;
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a type");
            assert_eq!(name, current, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            families.get_mut(name).expect("described").0 = kind;
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            assert!(value.parse::<f64>().is_ok() && seen.insert(name), "{line}");
            let bare = name.split('{').next().expect("a name");
            let endings: &[&str] =
                if families[current].0 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(endings.iter().any(|ending| bare == format!("{current}{ending}")), "{line}");
            families.get_mut(current).expect("described").1 = true;
        }
    }
    for (name, (kind, has_numbers)) in &families {
        assert!(name.starts_with("skillmeatd_") && *has_numbers, "{name}");
        let of_time = ["time", "age", "live", "_to_rows", "_to_file", "reconcile", "request"];
        if *kind != "counter" && of_time.iter().any(|word| name.contains(word)) {
            assert!(name.ends_with("_seconds"), "{name} has no unit");
        }
    }
    assert!(families.len() > 25, "{families:?}");
}

#[test]
fn pages_refreshes_and_the_age_of_rows_are_counted() {
    let scene = Scene::of(&["one", "two", "three"], "[staleness]\nttl = \"1h\"\n");
    let mut wire = Wire::open(&scene.home);
    let read = |wire: &mut Wire<Socket>| String::from_utf8(wire.get("/v1/metrics").body).expect("UTF-8");
    let rows = |text: &str| {
        ["fresh", "stale", "never"].map(|state| {
            number(text, &format!("skillmeatd_rows{{collection=\"default\",state=\"{state}\"}}")) as u64
        })
    };
    let counted = |text: &str, name: &str, result: &str| {
        number(text, &format!("skillmeatd_{name}_total{{result=\"{result}\"}}")) as u64
    };
    let page = "/api/v1/user-collections/default/artifacts?limit=2";
    let start = read(&mut wire);
    assert_eq!(rows(&start), [3, 0, 0]);
    assert_eq!(number(&start, "skillmeatd_row_time_to_live_seconds{collection=\"default\"}"), 3_600.0);
    assert!(number(&start, "skillmeatd_oldest_row_age_seconds{collection=\"default\"}") < 600.0);
    wire.get(page).done();
    let hit = read(&mut wire);
    assert_eq!((counted(&hit, "page_rows", "hit"), counted(&hit, "page_rows", "miss")), (2, 0));
    assert_eq!(number(&hit, "skillmeatd_page_looks_total"), 0.0);

    // One row that nobody has verified, one that was verified too long ago.
    let cache = Connection::open(scene.home.cache_db()).expect("the cache");
    cache.busy_timeout(Duration::from_secs(10)).expect("patience");
    let of = "WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE name = ?1)";
    let null = format!("UPDATE collection_artifacts SET synced_at = NULL {of}");
    let long_ago = format!("UPDATE collection_artifacts SET synced_at = '2020-01-01 00:00:00.000000' {of}");
    cache.execute(&null, ["one"]).expect("an update");
    cache.execute(&long_ago, ["two"]).expect("an update");
    let aged = read(&mut wire);
    assert_eq!(rows(&aged), [1, 1, 1], "{aged}");
    assert!(number(&aged, "skillmeatd_oldest_row_age_seconds{collection=\"default\"}") > 1e8);
    wire.get(page).done();
    let missed = read(&mut wire);
    assert_eq!((counted(&missed, "page_rows", "hit"), counted(&missed, "page_rows", "miss")), (3, 1));
    assert_eq!(number(&missed, "skillmeatd_page_looks_total"), 1.0);

    wire.post("/api/v1/user-collections/refresh-cache", "").done();
    assert_eq!(wire.post("/api/v1/user-collections/nowhere/refresh-cache", "").status, 404);
    let refreshed = read(&mut wire);
    assert_eq!(rows(&refreshed), [3, 0, 0]);
    assert!(number(&refreshed, "skillmeatd_rows_verified_total") >= 1.0);
    let endings = ["done", "refused", "failed"].map(|result| counted(&refreshed, "refreshes", result));
    assert_eq!(endings, [1, 1, 0]);
    // Without a database there are no ages, and all other numbers.
    drop(cache);
    fs::remove_file(scene.home.cache_db()).expect("the cache's end");
    assert_eq!(wire.get("/v1/metrics").status, 200);
}

#[test]
fn the_flight_recorder_shows_what_came_and_what_was_done_about_it() {
    let scene = Scene::of(&["one"], "");
    write_skill(&scene.home.collection("default"), "one", "seen");
    scene.described("one", "seen");
    let answer = scene.call(&["trace", "--json"]).succeeded();
    let trace: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let entries = trace["entries"].as_array().expect("a list");
    let position = |kind: &str, words: &[&str]| {
        let found = entries.iter().rposition(|entry| {
            entry["kind"] == kind
                && words.iter().all(|word| entry["what"].as_str().is_some_and(|w| w.contains(word)))
        });
        found.unwrap_or_else(|| panic!("no {kind} with {words:?} in {trace:#}"))
    };
    let hint = position("event", &["Hint", "skills/one"]);
    let effect = position("effect", &["Reconcile", "skills/one"]);
    let done = position("event", &["Reconciled"]);
    assert!(hint < effect && effect < done, "{trace:#}");
    assert!(!answer.stdout.contains("seen"), "no content of a file");
    let text = scene.call(&["trace", "--last", "5"]).succeeded().stdout;
    assert_eq!(text.lines().count(), 5, "{text}");
}
