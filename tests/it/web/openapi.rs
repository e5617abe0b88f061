//! The OpenAPI document says what there is, and what there is does what it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{DEAF, Scene};
use crate::child::finish;
use crate::home::eventually;
use crate::interop::venv;

/// One answer above 499 is right: a barrier that may wait for a millisecond only is not reached in time.
const EXPECTED: &str = r#"
[[operations]]
include-name = "POST /v1/sync"
checks.not_a_server_error.expected-statuses = ["200", "4xx", "504"]
"#;

/// What a run of schemathesis may take: it bounds itself to the seconds given below.
const RUN: Duration = Duration::from_secs(300);

/// Every method and path that the sources route, from `.route("/path", get(…).put(…))`.
fn routed() -> BTreeSet<(String, String)> {
    fn visit(directory: &Path, found: &mut BTreeSet<(String, String)>) {
        for entry in fs::read_dir(directory).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                for route in text.split(".route(").skip(1) {
                    let mut quoted = route.split('"');
                    let (Some(_), Some(path), Some(rest)) = (quoted.next(), quoted.next(), quoted.next())
                    else {
                        continue;
                    };
                    let methods = rest.split(".route(").next().unwrap_or_default();
                    for method in ["get", "put", "post", "delete", "patch"] {
                        let call = format!("{method}(");
                        if methods.contains(&format!(" {call}")) || methods.contains(&format!(".{call}")) {
                            found.insert((method.to_owned(), path.to_owned()));
                        }
                    }
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control"), &mut found);
    found
}

#[test]
fn the_document_names_every_route_and_no_other() {
    let scene = Scene::of(1, DEAF);
    let document = scene.web.get("/v1/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("a path").keys().map(|method| (method.clone(), path.clone()))
        })
        .collect();
    assert_eq!(described, routed());
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

/// schemathesis makes requests from the document, good ones and odd ones, and checks every answer against it.
#[test]
fn schemathesis_finds_no_crash_and_no_answer_that_is_not_described() {
    let scene = Scene::of(3, &format!("{DEAF}[http]\nlisten = \"127.0.0.1:0\"\n"));
    let address = eventually(Duration::from_secs(30), "the port is known", || {
        let status = scene.daemon.status()?;
        let http = status["http"].as_str().map(str::to_owned);
        http.ok_or_else(|| status.to_string())
    });
    let token = scene.home.path().join("state/skillmeatd/http-token");
    let token = fs::read_to_string(&token).unwrap_or_else(|e| panic!("{}: {e}", token.display()));
    let document = scene.home.path().join("openapi.json");
    fs::write(&document, scene.web.get("/v1/openapi.json").to_string()).expect("the document");
    scene.home.write("schemathesis.toml", EXPECTED);
    let mut command = Command::new(venv::schemathesis());
    command
        .arg("run")
        .arg(&document)
        .args(["--url", &format!("http://{address}")])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"])
        // Events never end, and a restored text may be any.
        .args(["--exclude-path", "/v1/events"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--seed", "1"])
        .args(["--request-timeout", "30", "--no-color"])
        .env("HOME", scene.home.path())
        .current_dir(scene.home.path());
    let run = finish(command, "", RUN);
    assert!(run.status.success(), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(scene.daemon.status().expect("it lives")["schema"], 1);
}
