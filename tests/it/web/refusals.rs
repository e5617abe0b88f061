//! Every refusal that the OpenAPI document describes, asked for and looked at: the document is the list of what is tried.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use serde_json::{Value, json};

use super::{DEAF, Scene};
use crate::control::wire::{Answer, Wire};

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
}

impl Operation {
    fn of(method: &str, path: &str) -> Self {
        Self { method: method.to_ascii_uppercase(), path: path.to_owned() }
    }

    /// The path with something that is there in place of each parameter.
    pub(super) fn target(&self, artifact: &str) -> String {
        self.path.replace("{collection_id}", "default").replace("{artifact_id}", artifact)
    }
}

/// Every operation with the statuses its answers may have, without those of success.
pub(super) fn described(scene: &Scene) -> BTreeMap<Operation, BTreeSet<u16>> {
    let document = scene.web.get("/v1/openapi.json");
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let statuses = operation["responses"].as_object().expect("responses").keys();
            let statuses = statuses.map(|status| status.parse().expect("a number")).filter(|s| *s >= 300);
            found.insert(Operation::of(method, path), statuses.collect());
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

/// One skill, and its id.
fn scene(settings: &str) -> (Scene, String) {
    let scene = Scene::of(1, &format!("{DEAF}{settings}"));
    let id = scene.stamps()[0].0.clone();
    (scene, id)
}

#[track_caller]
pub(super) fn is_problem(answer: &Answer, status: u16, asked: &str) {
    assert_eq!(answer.status, status, "{asked}: {}", String::from_utf8_lossy(&answer.body));
    assert!(answer.head.contains("application/problem+json"), "{asked}: {}", answer.head);
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{asked}");
    for key in ["title", "detail"] {
        assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{asked}: {problem}");
    }
}

/// A request with these header lines and this body, over a connection of its own.
fn raw(scene: &Scene, operation: &Operation, target: &str, headers: &str, body: &str) -> Answer {
    let mut wire = Wire::open(&scene.home);
    let method = &operation.method;
    wire.send(&format!("{method} {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}")).expect("a request");
    wire.answer().unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

#[test]
fn bodies_that_are_none_are_refused_everywhere() {
    let (scene, id) = scene("");
    let mut tried = 0;
    for (operation, statuses) in described(&scene) {
        let target = operation.target(&id);
        let ask = |headers: &str, body: &str| raw(&scene, &operation, &target, headers, body);
        if statuses.contains(&413) {
            is_problem(&ask("content-length: 99999999\r\n", ""), 413, &target);
        }
        if !statuses.contains(&415) {
            continue;
        }
        for (headers, body, status) in [
            ("content-type: text/xml\r\ncontent-length: 2\r\n", "{}", 415),
            ("content-type: multipart/form-data; boundary=x\r\ncontent-length: 2\r\n", "{}", 415),
            ("content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n", "{}", 415),
            ("content-type: application/json\r\ncontent-length: 1\r\n", "{", 422),
            ("content-type: application/json; charset=utf-8\r\ncontent-length: 2\r\n", "[]", 422),
            ("content-length: 3\r\n", "{]}", 422),
        ] {
            is_problem(&ask(headers, body), status, &format!("{operation:?} {headers}"));
        }
        tried += 1;
    }
    assert!(tried >= 8, "{tried} operations take a body");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_without_end() {
    let (scene, id) = scene("");
    let slow: Vec<_> = described(&scene)
        .into_iter()
        .filter(|(_, statuses)| statuses.contains(&408))
        .map(|(operation, _)| {
            let (target, mut wire) = (operation.target(&id), Wire::open(&scene.home));
            let method = operation.method;
            wire.send(&format!("{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{"))
                .expect("a beginning");
            thread::spawn(move || is_problem(&wire.answer().expect("an answer"), 408, &target))
        })
        .collect();
    assert!(slow.len() >= 8, "{} operations take a body", slow.len());
    for thread in slow {
        thread.join().expect("a refusal");
    }
}

#[test]
fn a_method_that_is_none_is_told_which_there_are_and_an_unknown_path_that_it_is_unknown() {
    let (scene, id) = scene("");
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in described(&scene).into_keys() {
        methods.entry(operation.target(&id)).or_default().insert(operation.method);
    }
    for (target, methods) in methods {
        let answer = raw(&scene, &Operation::of("PATCH", ""), &target, "content-length: 0\r\n", "");
        is_problem(&answer, 405, &target);
        let allow = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default();
        let allowed: BTreeSet<String> = allow.split(',').map(|method| method.trim().to_owned()).collect();
        assert!(methods.is_subset(&allowed), "{target} allows {allow:?}, and not just {methods:?}");
    }
    for target in ["/", "/v1", "/v2/status", "/v1/status/", "/api/v1/artifacts/a/b", "/%ff", "/v1//status"] {
        is_problem(&raw(&scene, &Operation::of("GET", ""), target, "", ""), 404, target);
    }
}

#[test]
fn whoever_may_not_ask_over_the_port_is_refused_everywhere() {
    let (scene, id) = scene("[http]\nlisten = \"127.0.0.1:0\"\n");
    let status = scene.daemon.status().expect("an answer");
    let address = status["http"].as_str().expect("the port");
    let token = fs::read_to_string(scene.home.path().join("state/skillmeatd/http-token")).expect("a token");
    for (operation, statuses) in described(&scene) {
        let target = operation.target(&id);
        for (headers, status) in [
            (format!("host: {address}\n"), 401),
            (format!("host: {address}\nauthorization: Bearer {token}\norigin: https://page.example\n"), 403),
            (format!("host: rebound.example\nauthorization: Bearer {token}\n"), 421),
        ] {
            assert!(statuses.contains(&status), "{operation:?} does not describe {status}");
            let answer = Wire::tcp(address, &headers).request(&operation.method, &target, "");
            is_problem(&answer.expect("an answer"), status, &target);
        }
    }
}

/// What only one path or another refuses: for each such status that the document describes there is a request here
/// that leads to it.
#[test]
fn every_other_refusal_that_is_described_can_be_had() {
    let (scene, id) = scene("");
    let mut seen: BTreeSet<(Operation, u16)> = BTreeSet::new();
    let mut ask = |method: &str, path: &str, target: &str, body: Option<Value>, status: u16| {
        scene.web.refused(method, target, body.map(|body| body.to_string()).as_deref(), status);
        seen.insert((Operation::of(method, path), status));
    };
    let nowhere = || Some(json!({ "collection": "nowhere" }));
    let list = "/api/v1/user-collections/{collection_id}/artifacts";
    let refresh = "/api/v1/user-collections/{collection_id}/refresh-cache";
    let one = "/api/v1/artifacts/{artifact_id}";
    let metadata = "/api/v1/artifacts/{artifact_id}/metadata";
    let users = "/api/v1/user-collections";
    let new = |name: &str| json!({ "type": "skill", "name": name, "content": "text" });

    ask("POST", "/v1/sync", "/v1/sync", nowhere(), 404);
    ask("POST", "/v1/sync", "/v1/sync", Some(json!({ "timeout_ms": "x" })), 422);
    ask("POST", "/v1/resume", "/v1/resume", nowhere(), 404);
    ask("POST", "/v1/resume", "/v1/resume", Some(json!({})), 422);
    let unknown = json!({ "ids": ["0"], "side": "ours" });
    ask("POST", "/v1/conflicts/resolve", "/v1/conflicts/resolve", Some(unknown), 404);
    ask("POST", "/v1/conflicts/resolve", "/v1/conflicts/resolve", Some(json!({ "side": "mine" })), 422);
    ask("GET", "/v1/history", "/v1/history?odd=1", None, 422);
    let version = |version: &str| format!("/v1/history/show?collection=default&version={version}");
    ask("GET", "/v1/history/show", &version("00000000"), None, 404);
    ask("GET", "/v1/history/show", &version("00"), None, 422);
    let pick = |version: &str| Some(json!({ "collection": "default", "version": version }));
    ask("POST", "/v1/history/restore", "/v1/history/restore", pick("00000000"), 404);
    ask("POST", "/v1/history/restore", "/v1/history/restore", pick("00"), 422);
    ask("GET", "/v1/stale", "/v1/stale?collection=nowhere", None, 404);
    ask("GET", "/v1/stale", "/v1/stale?ttl_seconds=x", None, 422);
    ask("POST", "/v1/invalidate", "/v1/invalidate", nowhere(), 404);
    ask("POST", "/v1/invalidate", "/v1/invalidate", Some(json!({})), 422);
    ask("GET", "/v1/events", "/v1/events?since=x", None, 422);
    ask("GET", "/v1/trace", "/v1/trace?last=x", None, 422);
    ask("GET", list, &format!("{users}/default/artifacts?after=%21"), None, 400);
    ask("GET", list, &format!("{users}/nowhere/artifacts"), None, 404);
    ask("GET", list, &format!("{users}/default/artifacts?limit=0"), None, 422);
    ask("GET", "/api/v1/groups", "/api/v1/groups?collection_id=nowhere", None, 404);
    ask("GET", "/api/v1/groups", "/api/v1/groups", None, 422);
    ask("GET", "/api/v1/tags", "/api/v1/tags?limit=0", None, 422);
    let stats = format!("{users}/cache-stats");
    ask("GET", &stats, &format!("{stats}?collection_id=nowhere"), None, 404);
    ask("GET", &stats, &format!("{stats}?ttl_seconds=1"), None, 422);
    ask("POST", refresh, &format!("{users}/nowhere/refresh-cache"), None, 404);
    ask("POST", refresh, &format!("{users}/%ff/refresh-cache"), None, 422);
    let artifact = format!("{users}/sync-artifact");
    ask("POST", &artifact, &artifact, Some(json!({ "artifact_id": "skill:nobody" })), 404);
    ask("POST", &artifact, &artifact, Some(json!({ "artifact_id": "nobody" })), 422);
    let older = format!("{users}/refresh-metadata");
    ask("POST", &older, &older, Some(json!({ "older_than_minutes": -1 })), 422);
    for (method, path, tail) in
        [("GET", metadata, "/metadata"), ("PUT", metadata, "/metadata"), ("DELETE", one, "")]
    {
        let body = || (method == "PUT").then(|| json!({ "author": "Ann" }));
        ask(method, path, &format!("/api/v1/artifacts/skill:nobody{tail}"), body(), 404);
        ask(method, path, &format!("/api/v1/artifacts/nobody{tail}"), body(), 422);
    }
    let mut nowhere = new("x");
    nowhere["collection"] = "nowhere".into();
    ask("POST", "/api/v1/artifacts", "/api/v1/artifacts", Some(nowhere), 404);
    ask("POST", "/api/v1/artifacts", "/api/v1/artifacts", Some(new("../x")), 422);
    let taken = id.strip_prefix("skill:").expect("a skill");
    ask("POST", "/api/v1/artifacts", "/api/v1/artifacts", Some(new(taken)), 409);

    // An ETag of another day.
    for (method, path, tail) in [("PUT", metadata, "/metadata"), ("DELETE", one, "")] {
        let body = (method == "PUT").then_some(r#"{"author": "Ann"}"#);
        let answer = scene.web.send_if(method, &format!("/api/v1/artifacts/{id}{tail}"), body, "\"0\"");
        assert_eq!(answer.status, 412, "{answer:?}");
        assert!(answer.body["current"]["etag"].is_string(), "{answer:?}");
        seen.insert((Operation::of(method, path), 412));
    }

    // A manifest that cannot be read.
    let manifest = scene.home.manifest("default");
    let good = fs::read_to_string(&manifest).expect("the manifest");
    scene.web.send("PUT", &format!("/api/v1/artifacts/{id}/metadata"), Some(r#"{"author": "Ann"}"#));
    let kept = scene.web.get("/v1/history")["versions"][0]["version"].as_str().expect("a text").to_owned();
    fs::write(&manifest, "[collection\n").expect("a broken manifest");
    scene.web.post("/v1/sync", Some(r#"{"full": true}"#));
    let mut ask = |method: &str, path: &str, target: &str, body: Option<Value>, status: u16| {
        scene.web.refused(method, target, body.map(|body| body.to_string()).as_deref(), status);
        seen.insert((Operation::of(method, path), status));
    };
    ask("POST", "/v1/resume", "/v1/resume", Some(json!({ "collection": "default" })), 409);
    for (method, path, tail) in
        [("GET", metadata, "/metadata"), ("PUT", metadata, "/metadata"), ("DELETE", one, "")]
    {
        let body = (method == "PUT").then(|| json!({ "author": "Ann" }));
        ask(method, path, &format!("/api/v1/artifacts/{id}{tail}"), body, 409);
    }
    // No place for the text that is to be put back.
    let directory = scene.home.collection("default");
    fs::rename(&directory, directory.with_file_name("elsewhere")).expect("a rename");
    ask("POST", "/v1/history/restore", "/v1/history/restore", pick(&kept), 409);
    fs::rename(directory.with_file_name("elsewhere"), &directory).expect("a rename");
    fs::write(&manifest, good).expect("the manifest");

    // Too often.
    for path in [refresh, &format!("{users}/refresh-cache"), &artifact, &older] {
        let operation = Operation::of("POST", path);
        let body = (path == artifact).then(|| json!({ "artifact_id": id }).to_string());
        let refused = scene.flooded(&operation.target(&id), body.as_deref());
        let head = refused.head.to_ascii_lowercase();
        assert!(head.contains("\r\nretry-after: 1") && head.contains("application/problem+json"), "{head}");
        seen.insert((operation, 429));
    }

    // Tried in the tests above, on every path that has them, or (503, 504) in `held`.
    let elsewhere = [401, 403, 408, 413, 415, 421, 503, 504];
    let mut missing = Vec::new();
    for (operation, statuses) in described(&scene) {
        let specific = statuses.iter().filter(|status| !elsewhere.contains(*status));
        missing.extend(specific.map(|s| (operation.clone(), *s)).filter(|pair| !seen.contains(pair)));
    }
    assert_eq!(missing, [], "described, and nobody has seen it");
}

#[test]
fn without_a_database_the_pages_say_so_and_the_files_can_be_written() {
    let home = crate::home::Home::new();
    home.configure("database.create = \"never\"\n[watch]\nmode = \"poll\"\npoll_interval = \"1h\"\n");
    crate::faults::scene::collection(&home, "default", &["one"]);
    let home = std::sync::Arc::new(home);
    let daemon = crate::daemon::Daemon::start(&home);
    let web = super::Web::of(&home);
    for (method, target) in [
        ("GET", "/api/v1/user-collections/default/artifacts"),
        ("GET", "/api/v1/groups?collection_id=default"),
        ("GET", "/api/v1/tags"),
        ("GET", "/v1/stale"),
        ("GET", "/api/v1/user-collections/cache-stats"),
        ("POST", "/api/v1/user-collections/default/refresh-cache"),
        ("POST", "/api/v1/user-collections/refresh-cache"),
        ("POST", "/v1/sync"),
    ] {
        let refused = web.refused(method, target, None, 503);
        assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{target}: {refused:?}");
    }
    assert_eq!(web.get("/v1/status")["state"], "waiting");
    let edited = web.send("PUT", "/api/v1/artifacts/skill:one/metadata", Some(r#"{"author": "Ann"}"#));
    assert_eq!((edited.status, &edited.body["mirrored"]), (200, &json!(false)), "{edited:?}");
    drop(daemon);
}
