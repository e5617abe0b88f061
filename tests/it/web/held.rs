//! What is asked of a daemon that hangs, and of one that stops: single threads of it are held still, as a dead disk would
//! hold them, and everything that depends on them is asked at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use super::Scene;
use super::refusals::{Operation, described, is_problem};
use crate::control::wire::Wire;
use crate::faults::scene::collection;

/// ptrace(2), which holds single threads where SIGSTOP would hold all: SEIZE, INTERRUPT, and a wait until they stand. They
/// go on when it ends.
const HOLD: &str = "
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
task = f'/proc/{sys.argv[1]}/task'
for thread in os.listdir(task):
    with open(f'{task}/{thread}/comm') as name:
        if name.read().strip() not in sys.argv[2:]:
            continue
    for request in [0x4206, 0x4207]:
        if libc.ptrace(request, int(thread), None, None) != 0:
            print(os.strerror(ctypes.get_errno()), flush=True)
            sys.exit()
    os.waitpid(int(thread), 0x40000000)
print('held', flush=True)
sys.stdin.read()";

/// Threads of a daemon that stand still. Dropping it lets them go on.
struct Held(Child);

impl Held {
    /// The worker, every database connection, and the file watcher. `None` where this system does not let us.
    fn of(scene: &Scene) -> Option<Self> {
        let mut command = Command::new("python3");
        command.args(["-c", HOLD, &scene.daemon.pid().to_string(), "worker", "sqlx-sqlite-wor", "watch"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3, as in other tests");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let held = Self(child);
        if line.trim() == "held" {
            return Some(held);
        }
        eprintln!("not tested: ptrace says {:?}", line.trim());
        None
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A scene with a collection whose removals wait for a word, so that there is something to resume.
fn scene(settings: &str) -> Scene {
    let scene = Scene::of(2, &format!("database.create = \"standalone\"\n{settings}"));
    collection(&scene.home, "side", &["one"]);
    scene.web.post("/v1/sync", Some(r#"{"full": true}"#));
    std::fs::remove_dir_all(scene.home.collection("side")).expect("the collection");
    scene.web.post("/v1/sync", Some(r#"{"full": true}"#));
    assert_eq!(scene.daemon.status().expect("an answer")["state"], "halted");
    scene.web.get("/api/v1/tags"); // by now there is a connection for pages
    scene
}

/// What to ask of each operation that waits for something.
fn question(operation: &Operation, artifact: &str) -> (String, String) {
    let path = operation.path.as_str();
    let target = operation.target(artifact);
    let target = match path {
        "/api/v1/groups" => format!("{target}?collection_id=default"),
        "/v1/history/show" => format!("{target}?collection=default&version=00000000"),
        _ => target,
    };
    let body = match (operation.method.as_str(), path) {
        ("POST", "/v1/resume") => json!({ "collection": "side" }),
        ("POST", "/v1/conflicts/resolve") => json!({ "ids": ["0"], "side": "ours" }),
        ("POST", "/v1/history/restore") => json!({ "collection": "default", "version": "00000000" }),
        ("POST", "/v1/invalidate") => json!({ "collection": "default" }),
        ("POST", "/api/v1/user-collections/sync-artifact") => json!({ "artifact_id": artifact }),
        ("PUT", _) => json!({ "author": "Ann" }),
        ("POST", "/api/v1/artifacts") => json!({ "type": "skill", "name": "new", "content": "text" }),
        ("POST", _) => json!({}),
        _ => return (target, String::new()),
    };
    (target, body.to_string())
}

/// Those of which the document says so.
fn saying(described: &BTreeMap<Operation, BTreeSet<u16>>, status: u16) -> Vec<Operation> {
    let saying = described.iter().filter(|(_, statuses)| statuses.contains(&status));
    saying.map(|(operation, _)| operation.clone()).collect()
}

#[test]
fn nobody_waits_for_a_daemon_that_hangs_without_end() {
    let scene = scene("");
    let artifact = scene.stamps()[0].0.clone();
    let described = described(&scene);
    let operations = saying(&described, 504);
    assert!(operations.len() >= 20, "{operations:?}");
    let Some(held) = Held::of(&scene) else { return };
    let waiting: Vec<_> = operations
        .into_iter()
        .map(|operation| {
            let (target, body) = question(&operation, &artifact);
            let mut wire = Wire::open(&scene.home);
            thread::spawn(move || {
                let answer = wire.request(&operation.method, &target, &body);
                let asked = format!("{} {target}", operation.method);
                is_problem(&answer.unwrap_or_else(|error| panic!("{asked}: {error}")), 504, &asked);
            })
        })
        .collect();
    // What waits for nothing is answered; events come as they come.
    for (operation, _) in described.iter().filter(|(_, statuses)| !statuses.contains(&504)) {
        if operation.path != "/v1/events" {
            let answer = Wire::open(&scene.home).request(&operation.method, &operation.path, "");
            assert_eq!(answer.expect("an answer").status, 200, "{operation:?}");
        }
    }
    for thread in waiting {
        thread.join().expect("a refusal");
    }
    drop(held);
    scene.web.post("/v1/sync", Some(r#"{"full": true}"#));
    let page = scene.web.get("/api/v1/user-collections/default/artifacts");
    let made = page["items"].as_array().expect("items").iter().any(|item| item["id"] == "skill:new");
    assert!(made, "what was asked for went on: {page}");
}

#[test]
fn whoever_waits_for_a_daemon_that_stops_is_told() {
    let mut scene = scene("[shutdown]\ngrace = \"1s\"\n");
    let artifact = scene.stamps()[0].0.clone();
    let operations = saying(&described(&scene), 503);
    assert!(operations.len() >= 20, "{operations:?}");
    let Some(held) = Held::of(&scene) else { return };
    let waiting: Vec<_> = operations
        .into_iter()
        .map(|operation| {
            let (target, body) = question(&operation, &artifact);
            let mut wire = Wire::open(&scene.home);
            wire.get("/v1/openapi.json").done(); // it has been let in
            wire.ask(&operation.method, &target, &body).expect("a request");
            thread::spawn(move || {
                let asked = format!("{} {target}", operation.method);
                let answer = wire.answer().unwrap_or_else(|error| panic!("{asked}: {error}"));
                is_problem(&answer, 503, &asked);
            })
        })
        .collect();
    scene.daemon.process().signal(Signal::TERM);
    for thread in waiting {
        thread.join().expect("a refusal");
    }
    drop(held);
    let ended = crate::home::eventually(std::time::Duration::from_secs(60), "the daemon has ended", || {
        scene.daemon.process().ended().ok_or_else(|| "it runs".to_owned())
    });
    assert!(ended.success(), "{ended}");
}
