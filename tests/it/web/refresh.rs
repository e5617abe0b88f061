//! The refresh hooks.

use std::fs;

use serde_json::json;

use super::{DEAF, Scene};

const ALL: &str = "/api/v1/user-collections/refresh-cache";
const DEFAULT: &str = "/api/v1/user-collections/default/refresh-cache";
const ARTIFACT: &str = "/api/v1/user-collections/sync-artifact";
const METADATA: &str = "/api/v1/user-collections/refresh-metadata";

/// Replaces a text in the manifest, as an editor would.
fn edit(scene: &Scene, from: &str, to: &str) {
    let path = scene.home.skillmeat().join("collections/default/collection.toml");
    let text = fs::read_to_string(&path).expect("the manifest");
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replacen(from, to, 1)).expect("the manifest");
}

#[test]
fn a_hook_carries_over_what_the_daemon_has_not_noticed() {
    let scene = Scene::of(4, DEAF);
    let ids: Vec<String> = scene.stamps().into_iter().map(|(id, _)| id).collect();
    let name = ids[2].split_once(':').expect("an id").1;
    let quiet = scene.web.post(DEFAULT, None);
    assert_eq!(
        quiet,
        json!({ "collection_id": "default", "created_count": 0, "updated_count": 0, "skipped_count": 4, "errors": [] })
    );
    // The entry under another name: one artifact comes, one goes (after its grace period).
    edit(&scene, &format!("name = \"{name}\""), "name = \"newcomer\"");
    let found = scene.web.post(DEFAULT, None);
    assert_eq!((&found["created_count"], &found["updated_count"]), (&json!(1), &json!(0)), "{found}");
    edit(&scene, "description = \"", "description = \"Edited. ");
    let found = scene.web.post(ALL, Some("{}"));
    assert_eq!(
        (
            &found["success"],
            &found["collections_refreshed"],
            &found["total_updated"],
            &found["total_skipped"]
        ),
        (&json!(true), &json!(1), &json!(1), &json!(4)),
        "{found}"
    );
    let page = scene.web.get("/api/v1/user-collections/default/artifacts?search=Edited");
    assert_eq!(page["page_info"]["total_count"], 1);
}

#[test]
fn one_artifact_is_verified_whenever_it_was_last() {
    let scene = Scene::of(3, DEAF);
    let before = scene.stamps();
    let ask = json!({ "artifact_id": before[1].0 }).to_string();
    let same = scene.web.post(ARTIFACT, Some(&ask));
    assert_eq!((&same["status"], &same["fields_updated"]), (&json!("unchanged"), &json!([])), "{same}");
    let after = scene.stamps();
    assert_ne!(after[1].1, before[1].1, "verified anew");
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]), "and no other");
    let synced_at = after[1].1.as_str().expect("a time").replace(' ', "T");
    assert_eq!(same["synced_at"], synced_at.trim_end_matches(".000000"));

    scene.change("UPDATE collection_artifacts SET author = 'nobody', version = NULL");
    let mended = scene.web.post(ARTIFACT, Some(&ask));
    assert_eq!(mended["status"], "updated");
    assert_eq!(mended["fields_updated"], json!(["author", "version"]));

    scene.web.refused("POST", ARTIFACT, Some(r#"{"artifact_id": "skill:nobody"}"#), 404);
    for body in
        [None, Some("{"), Some("{}"), Some(r#"{"artifact_id": "nonsense"}"#), Some(r#"{"artifact_id": 7}"#)]
    {
        scene.web.refused("POST", ARTIFACT, body, 422);
    }
}

#[test]
fn metadata_is_refreshed_by_age_and_by_tag() {
    let scene = Scene::of(30, DEAF);
    let before = scene.stamps();
    assert_eq!(
        scene.web.post(METADATA, None),
        json!({ "artifacts_refreshed": 0, "skipped": 30, "errors": [] }),
        "nothing is stale"
    );
    let tags = scene.web.get("/api/v1/tags?limit=100");
    let tag = &tags["items"][0];
    let carried = tag["artifact_count"].as_u64().expect("a number");
    assert!((1..30).contains(&carried), "{tag}");
    let ask = json!({ "older_than_minutes": 0, "tags": [tag["name"]] }).to_string();
    let found = scene.web.post(METADATA, Some(&ask));
    assert_eq!(found, json!({ "artifacts_refreshed": carried, "skipped": 30 - carried, "errors": [] }));
    let moved = before.iter().zip(scene.stamps()).filter(|(before, after)| before.1 != after.1).count();
    assert_eq!(moved as u64, carried);
    let all = scene.web.post(METADATA, Some(r#"{"older_than_minutes": 0}"#));
    assert_eq!(all["artifacts_refreshed"], 30);
    for body in [r#"{"older_than_minutes": -1}"#, r#"{"older_than_minutes": "x"}"#, r#"{"tags": "x"}"#] {
        scene.web.refused("POST", METADATA, Some(body), 422);
    }
}

#[test]
fn a_directory_without_a_database_collection_is_the_default_one_and_anything_else_is_unknown() {
    let scene = Scene::of(1, DEAF);
    scene.home.write(
        ".skillmeat/collections/side/collection.toml",
        "[collection]\nname = \"side\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\nupdated = \"2026-01-01T00:00:00\"\n",
    );
    let found = scene.web.post("/api/v1/user-collections/side/refresh-cache", None);
    assert_eq!((&found["collection_id"], &found["errors"]), (&json!("side"), &json!([])));
    for id in ["nowhere", "..", "%2e%2e%2fcollections%2fside", "side%00"] {
        let target = format!("/api/v1/user-collections/{id}/refresh-cache");
        scene.web.refused("POST", &target, None, 404);
    }
}

#[test]
fn problems_are_told_and_do_not_fail_the_hook() {
    let scene = Scene::of(2, DEAF);
    edit(&scene, "origin = \"", "origin = \"odd ");
    let found = scene.web.post(DEFAULT, None);
    let errors = found["errors"].as_array().expect("a list");
    assert_eq!((errors.len(), &found["skipped_count"]), (1, &json!(2)), "{found}");
    assert!(
        errors[0].as_str().is_some_and(|error| error.contains("collections/default/collection.toml:")),
        "{found}"
    );
}

#[test]
fn a_flood_is_turned_away() {
    let scene = Scene::of(2, DEAF);
    let refused = scene.flooded(DEFAULT, None);
    assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{refused:?}");
    assert!(refused.head.contains("application/problem+json"));
    scene.web.get("/api/v1/tags");
}
