//! `conflicts` and `history`, as a person uses them.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::web::{Web, database_has, file_has};
use crate::faults::scene::{SEEN, Scene, read};
use crate::home::eventually;

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    serde_json::from_str(&scene.call(arguments).stdout).expect("JSON")
}

/// A group whose colour is changed on both sides while the daemon cannot look.
fn conflict() -> (Scene, String) {
    let mut scene = Scene::of(&["pdf"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &["skill:pdf"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    scene.settled("a group");
    scene.daemon.process().pause();
    web.run("UPDATE groups SET color = 'rose'");
    let manifest = scene.home.manifest("default");
    fs::write(&manifest, read(&manifest).replace("\"slate\"", "\"blue\"")).expect("the manifest");
    scene.daemon.process().signal(Signal::CONT);
    file_has(&scene.home, "default", &["Docs rose: skill:pdf"]);
    let id = eventually(SEEN, "the conflict is listed", || {
        let listed = scene.call(&["conflicts", "list", "--json"]);
        let conflicts: Value = serde_json::from_str(&listed.stdout).map_err(|e| e.to_string())?;
        match conflicts["conflicts"][0]["id"].as_str() {
            Some(id) if listed.status.code() == Some(4) => Ok(id.to_owned()),
            _ => Err(format!("{listed:?}")),
        }
    });
    (scene, id)
}

/// The last event about conflicts, as `/v1/events` tells it.
fn last_told(scene: &Scene) -> Value {
    // An id of another run: everything that is kept, a gap before it, and nothing more to wait for.
    let url = "http://skillmeatd/v1/events?since=other:1";
    let mut curl = scene.home.command("curl");
    let socket = crate::control::wire::socket(&scene.home);
    curl.args(["--silent", "--no-buffer", "--max-time", "1", "--unix-socket"]).arg(socket).arg(url);
    let told = crate::child::finish(curl, "", SEEN).stdout;
    let events = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events = events.map(|data| serde_json::from_str::<Value>(data).expect("JSON")["what"].clone());
    events.rfind(|what| what["kind"] == "conflicts").unwrap_or_default()
}

#[test]
fn a_conflict_is_listed_shown_and_decided_for_either_side() {
    let (scene, id) = conflict();
    let status = scene.call(&["status"]);
    assert_eq!(status.status.code(), Some(4));
    assert!(status.stdout.contains("1 conflict (skillmeatd conflicts list)"), "{}", status.stdout);
    let shown = json(&scene, &["conflicts", "show", &id[..4], "--json"]);
    assert_eq!((&shown["about"], &shown["collection"]), (&"color of group `Docs`".into(), &"default".into()));
    assert!(
        shown["ours"].to_string().contains("rose") && shown["theirs"].to_string().contains("blue"),
        "{shown}"
    );
    assert_eq!(
        last_told(&scene),
        serde_json::json!({ "kind": "conflicts", "appeared": [&id], "resolved": [], "now": 1 })
    );
    scene.call(&["conflicts", "resolve", "--theirs", &id]).succeeded();
    let resolved = serde_json::json!({ "kind": "conflicts", "appeared": [], "resolved": [&id], "now": 0 });
    eventually(SEEN, "it is told that the conflict is resolved", || {
        let told = last_told(&scene);
        if told == resolved { Ok(()) } else { Err(told.to_string()) }
    });
    file_has(&scene.home, "default", &["Docs blue: skill:pdf"]);
    database_has(&scene.home, "default", &["Docs blue: skill:pdf"]);
    assert_eq!(scene.call(&["conflicts", "list"]).succeeded().stdout, "no conflicts\n");
    scene.settled("a decision");
    assert_eq!(scene.call(&["conflicts", "resolve", "--theirs", &id]).status.code(), Some(1));
    assert_eq!(scene.call(&["conflicts", "resolve", "--ours"]).status.code(), Some(2), "which ones?");

    let (scene, _) = conflict();
    scene.call(&["conflicts", "resolve", "--ours", "--all"]).succeeded();
    scene.settled("the other decision");
    file_has(&scene.home, "default", &["Docs rose: skill:pdf"]);
    assert_eq!(scene.call(&["status"]).status.code(), Some(0));
}

#[test]
fn an_earlier_text_is_listed_shown_and_put_back() {
    let scene = Scene::of(&["pdf"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &["skill:pdf"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    let wanted = read(&scene.home.manifest("default"));
    web.run("DELETE FROM groups");
    file_has(&scene.home, "default", &[]);
    let version = eventually(SEEN, "the text is in the history", || {
        let history = json(&scene, &["history", "list", "default", "--json"]);
        let versions = history["versions"].as_array().cloned().unwrap_or_default();
        let found = versions.iter().find(|version| version["bytes"] == wanted.len());
        found.and_then(|version| version["version"].as_str()).map(str::to_owned).ok_or(history.to_string())
    });
    assert_eq!(scene.call(&["history", "show", "default", &version[..8]]).succeeded().stdout, wanted);
    scene.call(&["history", "restore", "default", &version[..8]]).succeeded();
    database_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    assert_eq!(read(&scene.home.manifest("default")), wanted);
    scene.settled("an earlier text");
    let again = json(&scene, &["history", "restore", "default", &version, "--json"]);
    assert_eq!(again["changed"], false);
    assert_eq!(scene.call(&["history", "show", "default", "00000000"]).status.code(), Some(1));
    assert_eq!(scene.call(&["history", "show", "default", "00"]).status.code(), Some(1));
}
