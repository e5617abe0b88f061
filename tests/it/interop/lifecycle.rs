//! Every change that SkillMeat's command line makes is on the web pages without anybody asking for a refresh.

use std::fs;

use serde_json::Value;

use super::cache;
use super::judge;
use super::scenario::{SEEN, Stage};
use crate::home::eventually;

/// From an empty home to a collection of four kinds and a second directory.
#[test]
fn added_artifacts_appear() {
    let mut stage = Stage::open();
    stage.cli().run(&["init", "--name", "default"]);
    stage.seen("an empty collection");

    let skill = stage.skill(
        "alpha",
        "name: alpha\ndescription: first\nauthor: Ann\nlicense: MIT\nversion: 1.2.0\n\
         tags: [one, Two Words]\ntools: Read, Bash\n",
    );
    stage.cli().add("skill", &skill, &[]);
    stage.settled("an added skill");
    let command = stage.source("run.md", "description: runs\ntags: [one]\n");
    stage.cli().add("command", &command, &[]);
    stage.seen("an added command");
    stage.cli().add("agent", &command, &[]);
    stage.seen("an added agent");
    let soul = stage.source("calm.md", "name: calm\ndescription: Ünï — ✓\n");
    stage.cli().add("soul", &soul, &[]);
    stage.settled("an added soul");
    assert_eq!(stage.ids(), ["agent:run", "command:run", "skill:alpha", "soul:calm"]);

    stage.cli().run(&["collection", "create", "work"]);
    let elsewhere = stage.skill("elsewhere", "description: at work\n");
    stage.cli().add("skill", &elsewhere, &["--collection", "work"]);
    assert!(stage.ids().contains(&"skill:elsewhere".to_owned()));
    stage.settled("an artifact of a second collection");
}

/// What is added again or refreshed changes, keeps its identity, and never leaves the page on the way.
#[test]
fn rewritten_artifacts_change() {
    let mut stage = Stage::with_collection();
    let skill = stage.skill("alpha", "description: first\ntags: [one]\n");
    stage.cli().add("skill", &skill, &[]);
    let command = stage.source("run.md", "description: runs\n");
    stage.cli().add("command", &command, &[]);
    stage.seen("the artifacts to rewrite");
    let identity = uuid(&stage, "skill:alpha");

    stage.skill("alpha", "description: second\ntags: [two, three]\n");
    stage.cli().add("skill", &skill, &["--force"]);
    assert_eq!(judge::expected_page(&stage.home)["skill:alpha"]["description"], "second");
    stage.settled("`add --force`");
    assert_eq!(uuid(&stage, "skill:alpha"), identity, "`add --force` keeps the identity");

    stage.source("run.md", "description: runs faster\n");
    stage.cli().add("command", &command, &["--update"]);
    assert_eq!(judge::expected_page(&stage.home)["command:run"]["description"], "runs faster");
    stage.settled("`add --update`");

    let entry = stage.home.collection("default").join("skills/alpha/SKILL.md");
    let text = fs::read_to_string(&entry).expect("the skill").replace("second", "third");
    fs::write(&entry, text).expect("the edited skill");
    stage.cli().run(&["update", "alpha"]);
    assert_eq!(judge::expected_page(&stage.home)["skill:alpha"]["description"], "third");
    stage.settled("`update`");

    stage.cli().run(&["remove", "alpha", "--force"]);
    assert_eq!(stage.ids(), ["command:run"]);
    stage.settled("`remove`");

    stage.cli().add("skill", &skill, &[]);
    stage.seen("an artifact that came back");
    assert_eq!(uuid(&stage, "skill:alpha"), identity, "what comes back keeps the identity");
}

/// A rollback removes the whole directory and unpacks an older one in its place.
#[test]
fn a_rollback_is_followed() {
    let mut stage = Stage::with_collection();
    let (old, new) = (stage.skill("old", "description: kept\n"), stage.skill("new", "description: undone\n"));
    stage.cli().add("skill", &old, &[]);
    stage.cli().run(&["mcp", "add", "files", "anthropics/mcp-filesystem"]);
    stage.settled("an added server");
    let snapshot = stage.cli().snapshot("default");
    stage.cli().add("skill", &new, &[]);
    stage.cli().run(&["remove", "old", "--force"]);
    assert_eq!(stage.ids(), ["skill:new"]);
    stage.seen("what will be rolled back");

    stage.cli().rollback(&snapshot);
    assert_eq!(stage.ids(), ["skill:old"]);
    stage.settled("a rollback");
    // The directory that is watched now is another one than before: events have to come from it.
    stage.cli().add("skill", &new, &[]);
    stage.seen("an add after the rollback");
}

/// An entry file edited in place, as a person's editor or a tool does. SkillMeat itself never notices.
#[test]
fn a_hand_edit_reaches_manifest_and_pages() {
    let mut stage = Stage::with_collection();
    let skill = stage.skill("alpha", "description: first\ntags: [one]\n");
    stage.cli().add("skill", &skill, &[]);
    stage.seen("the artifact to edit");

    let entry = stage.home.collection("default").join("skills/alpha/SKILL.md");
    let text = fs::read_to_string(&entry).expect("the skill");
    fs::write(&entry, text.replace("first", "by hand").replace("[one]", "[one, two]")).expect("an edit");
    eventually(SEEN, "the manifest has the edit", || {
        let found = &judge::expected_page(&stage.home)["skill:alpha"];
        if found["description"] == "by hand" && found["tags"] == serde_json::json!(["one", "two"]) {
            Ok(())
        } else {
            Err(found.to_string())
        }
    });
    stage.settled("an edit by hand");
    // SkillMeat reads what was written for it, and keeps it on its next rewrite.
    let other = stage.skill("beta", "description: other\n");
    stage.cli().add("skill", &other, &[]);
    assert_eq!(judge::expected_page(&stage.home)["skill:alpha"]["description"], "by hand");
    stage.seen("an add after the edit");
}

/// The `artifacts.uuid` of `id`, on which memberships and history hang.
fn uuid(stage: &Stage, id: &str) -> Value {
    let connection = cache::open(&stage.home.cache_db()).expect("the cache");
    let rows = cache::rows(&connection, "SELECT id, uuid FROM artifacts").expect("the artifacts");
    rows.iter().find(|row| row["id"] == id).expect("the artifact's row")["uuid"].clone()
}
