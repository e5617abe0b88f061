//! Two hundred clients at a time, while everything changes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use super::wire::Wire;
use crate::faults::oracle::proc_status;
use crate::faults::scene::{Scene, entry_file};

const CLIENTS: usize = 200;
const ARTIFACTS: usize = 1_000;
/// What is asked, in turn. Each of them has to be answered.
const ASKED: [(&str, &str); 7] = [
    ("GET", "/api/v1/user-collections/default/artifacts?limit=100"),
    ("GET", "/v1/status"),
    ("GET", "/v1/problems"),
    ("GET", "/api/v1/user-collections/default/artifacts?limit=50&search=round"),
    ("GET", "/v1/metrics"),
    ("GET", "/v1/trace?last=50"),
    ("POST", "/v1/sync"),
];

/// An entry file with the round in two fields, which become two columns of one row.
fn in_round(name: &str, round: usize) -> String {
    let text = entry_file(name, &format!("Use when it is round {round}"));
    text.replacen("---\n", &format!("---\nauthor: Writer {round}\n"), 1)
}

/// Every item of a page is of one round in all its columns, and of none before the one that `seen` has of it.
fn page_is_whole(page: &Value, seen: &mut BTreeMap<String, u64>) {
    let items = page["items"].as_array().expect("items");
    let ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    assert!(ids.is_sorted() && ids.len() == items.len(), "{ids:?}");
    assert!(page["page_info"]["total_count"].as_u64() <= Some(ARTIFACTS as u64), "{}", page["page_info"]);
    for (id, item) in ids.iter().zip(items) {
        let number = |key: &str| item[key].as_str()?.rsplit_once(' ')?.1.parse::<u64>().ok();
        let (Some(round), author) = (number("description"), number("author")) else { continue };
        assert_eq!(author, Some(round), "torn: {item}");
        let before = seen.insert((*id).to_owned(), round).unwrap_or_default();
        assert!(round >= before, "{id} was of round {before}, and is of {round}");
    }
}

#[test]
fn two_hundred_clients_are_served_while_a_thousand_artifacts_change() {
    let names: Vec<String> = (0..ARTIFACTS).map(|number| format!("s{number:04}")).collect();
    let scene = Scene::of(&names.iter().map(String::as_str).collect::<Vec<_>>(), "");
    let pid = scene.daemon.pid();
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (stop, answered, home) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&scene.home));
            thread::spawn(move || {
                let mut wire = Wire::open(&home);
                let mut turn = client;
                let mut last_revision = 0;
                let mut seen = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let (method, path) = ASKED[turn % ASKED.len()];
                    let answer =
                        wire.request(method, path, "").unwrap_or_else(|e| panic!("{method} {path}: {e}"));
                    assert_eq!(
                        answer.status,
                        200,
                        "{method} {path}\n{}",
                        String::from_utf8_lossy(&answer.body)
                    );
                    if path == "/v1/status" {
                        // Whole, and never older than what this client was told before.
                        let status = answer.json();
                        let revision = status["last_reconcile"]["revision"].as_u64().expect("a revision");
                        assert!(revision >= last_revision, "{revision} after {last_revision}");
                        last_revision = revision;
                        assert_eq!(status["last_reconcile"]["artifacts"], ARTIFACTS, "{status}");
                    }
                    if path.contains("/artifacts?") {
                        page_is_whole(&answer.json(), &mut seen);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                }
            })
        })
        .collect();
    let mut memory = Vec::new();
    for round in 0..5 {
        for name in &names {
            let path = scene.home.collection("default").join("skills").join(name).join("SKILL.md");
            fs::write(path, in_round(name, round)).expect("a write");
        }
        Wire::open(&scene.home).post("/v1/sync", "").done();
        memory.push(proc_status(pid, "VmRSS"));
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client that was served");
    }
    let answered = answered.load(Ordering::Relaxed);
    eprintln!("{answered} answers; resident memory in kB: {memory:?}");
    assert!(answered > CLIENTS * 5, "{answered} answers");
    let (first, last) = (memory[1], memory[4]);
    assert!(last < first + 32 * 1024, "resident memory in kB: {memory:?}");
    scene.settled("five rounds of a thousand edits");
}
