//! The `--json` contract: exactly these keys, with values of these kinds. A change here is a change for every script.
//!
//! What these tests do not do: check what the values say; that is the business of the other tests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::daemon::{Daemon, call};
use crate::home::Home;

/// A value with everything that varies replaced by the name of its kind; lists keep their first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!(null),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(items) => items.first().map_or(json!([]), |item| json!([shape(item)])),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

fn asked(home: &Home, arguments: &[&str], code: i32) -> Value {
    let answer = call(home, arguments);
    assert_eq!(answer.status.code(), Some(code), "{answer:?}");
    serde_json::from_str(&answer.stdout)
        .unwrap_or_else(|e| panic!("{arguments:?} is not JSON: {e}\n{answer:?}"))
}

const MANIFEST: &str = r#"[collection]
name = "default"
version = "1.0.0"
created = "2026-01-01T00:00:00"
updated = "2026-01-01T00:00:00"

[[artifacts]]
name = "pdf"
type = "skill"
path = "skills/pdf"
origin = "local"
added = "2026-01-01T00:00:00"

[[artifacts]]
name = "odd"
type = "no such type"
path = "skills/odd"
origin = "local"
added = "2026-01-01T00:00:00"
"#;

const MANIFEST_PATH: &str = ".skillmeat/collections/default/collection.toml";

/// The manifest without the entry that cannot be read.
fn good() -> &'static str {
    MANIFEST.split_once("\n[[artifacts]]\nname = \"odd\"").expect("the odd entry").0
}

/// One skill, one entry that cannot be read.
fn home() -> Arc<Home> {
    let home = Home::new();
    home.configure("database.create = \"standalone\"\n");
    home.write(".skillmeat/collections/default/skills/pdf/SKILL.md", "---\ndescription: x\ntags: [a]\n---\n");
    home.write(MANIFEST_PATH, MANIFEST);
    Arc::new(home)
}

#[test]
fn status_problems_and_sync_of_a_running_daemon() {
    let home = home();
    home.write(MANIFEST_PATH, good());
    let _daemon = Daemon::start(&home);
    asked(&home, &["sync", "--json"], 0);
    home.write(MANIFEST_PATH, MANIFEST);
    let reconcile = json!({
        "revision": "number", "at": "string", "took_us": "number", "rows": "number", "artifacts": "number",
    });
    let halt = json!({
        "collection": "string", "reason": "string", "message": "string", "artifacts": ["string"],
    });
    let synced = asked(&home, &["sync", "--json"], 4);
    assert_eq!(
        shape(&synced),
        json!({
            "schema": "number", "clock": "string", "reconcile": reconcile,
            "applied": { "rows": "number", "artifacts": "number", "named": [] }, "fresh_instance": "bool",
            "pending_removals": "number", "halts": [halt], "problems": "number", "conflicts": "number",
        })
    );
    let status = asked(&home, &["status", "--json"], 4);
    assert_eq!(
        shape(&status),
        json!({
            "schema": "number", "version": "string", "pid": "number", "started_at": "string", "clock": "string",
            "http": null, "root": "string", "state": "string", "detail": "string",
            "watching": { "mode": "string", "wanted": "number", "held": "number", "shortfall": null, "lost": "number" },
            "database": { "path": "string", "kind": "string", "detail": null },
            "last_reconcile": reconcile,
            "lag_us": shape(&status["lag_us"]),
            "recent": [{ "schema": "number", "id": "string", "at": "string", "what": shape(&status["recent"][0]["what"]) }],
            "collections": [{ "name": "string", "artifacts": "number", "doubt": "string" }],
            "halts": [halt], "problems": "number", "conflicts": "number", "database_only": [],
            // Both depend on the kernel.
            "sandbox": {
                "enforced": "string", "detail": shape(&status["sandbox"]["detail"]),
                "writable": shape(&status["sandbox"]["writable"]),
            },
        })
    );
    let problems = asked(&home, &["problems", "--json"], 0);
    assert_eq!(
        shape(&problems),
        json!({
            "schema": "number",
            "problems": [{ "path": "string", "line": "number", "column": "number", "message": "string" }],
        })
    );
    assert_eq!(
        problems["problems"].as_array().map(Vec::len),
        status["problems"].as_u64().map(|n| n as usize)
    );
}

#[test]
fn one_pass_without_a_daemon_answers_as_the_daemon_does() {
    let home = home();
    home.write(MANIFEST_PATH, good());
    let first = asked(&home, &["sync", "--once", "--json"], 0);
    assert_eq!(first["reconcile"]["artifacts"], 1, "{first}");
    assert!(first["reconcile"]["rows"].as_u64() > Some(0), "{first}");
    let second = asked(&home, &["sync", "--once", "--json"], 0);
    assert_eq!(second["reconcile"]["rows"], 0, "{second}");
    assert_eq!(
        first["applied"],
        json!({ "rows": first["reconcile"]["rows"], "artifacts": 1, "named": ["skill:pdf"] })
    );
    assert_eq!(second["applied"], json!({ "rows": 0, "artifacts": 0, "named": [] }));
    let rest = |mut answer: Value| {
        answer["applied"] = json!(null);
        shape(&answer)
    };
    assert_eq!(rest(first), rest(second));
}

#[test]
fn inspect_of_an_artifact_and_of_a_manifest() {
    let home = home();
    let artifact = asked(&home, &["inspect", ".skillmeat/collections/default/skills/pdf", "--json"], 0);
    assert_eq!(
        shape(&artifact),
        json!({
            "type": "string",
            "metadata": {
                "title": null, "description": "string", "author": null, "license": null, "version": null,
                "tags": ["string"], "tools": [],
            },
            "hashes": {
                "lock_content_hash": "string", "artifact_fingerprint": "string", "structure_hash": "string",
                "file_count": "number", "total_size": "number",
            },
            "problems": [],
        })
    );
    let manifest = asked(&home, &["inspect", MANIFEST_PATH, "--json"], 0);
    assert_eq!(manifest["type"], "manifest");
    assert_eq!(manifest["entries"][0]["id"], "skill:pdf");
    assert_eq!(
        shape(&manifest["problems"][0]),
        json!({ "path": "string", "line": "number", "column": "number", "message": "string" })
    );
}

#[test]
fn nobody_to_ask_is_exit_code_three_and_says_what_to_do() {
    let home = home();
    for arguments in [&["status"][..], &["problems"], &["sync"], &["resume", "default"]] {
        let answer = call(&home, arguments);
        assert_eq!(answer.status.code(), Some(3), "{answer:?}");
        assert!(answer.stderr.contains("skillmeatd run"), "{answer:?}");
    }
}
