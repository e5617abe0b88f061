//! Tags edited on the web: SkillMeat writes some of it to the manifest and some only to the database.

use serde_json::{Value, json};

use super::judge;
use super::scenario::{SEEN, Stage};
use crate::home::eventually;

#[test]
fn tags_edited_on_the_web_agree_everywhere() {
    let mut stage = Stage::with_collection();
    let skill = stage.skill("alpha", "description: tagged\ntags: [one]\n");
    stage.cli().add("skill", &skill, &[]);
    stage.seen("the artifact to tag");

    // SkillMeat writes this to the manifest but leaves the assignments as they were.
    stage.api.change("PUT", "/artifacts/skill:alpha/tags", Some(&json!({ "tags": ["two", "three"] })));
    assert_eq!(tags(&stage), json!(["two", "three"]));
    stage.settled("tags that were replaced");
    assert_eq!(assigned(&stage), ["three", "two"]);

    let made = json!({ "name": "Four", "slug": "four", "color": "#112233" });
    let four = stage.api.change("POST", "/tags", Some(&made))["id"].as_str().expect("an id").to_owned();
    stage.api.change("POST", &format!("/artifacts/skill:alpha/tags/{four}"), None);
    assert_eq!(tags(&stage), json!(["Four", "three", "two"]));
    stage.settled("an assigned tag");
    assert_eq!(assigned(&stage), ["four", "three", "two"]);

    stage.api.change("DELETE", &format!("/artifacts/skill:alpha/tags/{four}"), None);
    assert_eq!(tags(&stage), json!(["three", "two"]));
    stage.settled("a tag taken away");

    // With the last tag gone SkillMeat would leave the old assignments for ever.
    stage.api.change("PUT", "/artifacts/skill:alpha/tags", Some(&json!({ "tags": [] })));
    assert_eq!(tags(&stage), json!([]));
    stage.settled("no tags at all");
    assert_eq!(assigned(&stage), Vec::<String>::new());
}

/// The tags in the manifest.
fn tags(stage: &Stage) -> Value {
    judge::expected_page(&stage.home)["skill:alpha"]["tags"].clone()
}

/// The tags the backend's own tag endpoint lists, once it lists as many as the manifest.
fn assigned(stage: &Stage) -> Vec<String> {
    let count = tags(stage).as_array().map_or(0, Vec::len);
    eventually(SEEN, "the tag endpoint lists the manifest's tags", || {
        let list = stage.api.get("/artifacts/skill:alpha/tags")?;
        let slugs = list.as_array().ok_or_else(|| list.to_string())?;
        let slugs = slugs.iter().map(|tag| tag["slug"].as_str().unwrap_or_default().to_owned());
        let mut slugs: Vec<String> = slugs.collect();
        slugs.sort();
        if slugs.len() == count { Ok(slugs) } else { Err(list.to_string()) }
    })
}
