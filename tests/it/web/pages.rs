//! The list pages.

use serde_json::{Value, json};

use super::{DEAF, Scene};
use crate::interop::http::escape;

const LIST: &str = "/api/v1/user-collections/default/artifacts";

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

#[test]
fn a_collection_is_read_page_by_page_without_a_look_at_a_file() {
    let scene = Scene::of(25, DEAF);
    let revision = scene.revision();
    let mut seen: Vec<String> = Vec::new();
    let mut target = format!("{LIST}?limit=10&_=1");
    let mut pages = 0;
    loop {
        let page = scene.web.get(&target);
        pages += 1;
        assert_eq!(page["page_info"]["total_count"], 25);
        assert_eq!(page["page_info"]["has_previous_page"], pages > 1);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["page_info"]["end_cursor"].as_str().filter(|_| page["page_info"]["has_next_page"] == true)
        {
            Some(cursor) => target = format!("{LIST}?limit=10&after={}", escape(cursor)),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    let stamps = scene.stamps();
    let expected: Vec<&str> = stamps.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(seen, expected, "every artifact once, in order");
    let item = scene.web.get(&format!("{LIST}?limit=1&include_groups=TRUE"))["items"][0].clone();
    let keys: Vec<&String> = item.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "type",
            "version",
            "source",
            "description",
            "author",
            "tags",
            "tools",
            "origin",
            "origin_source",
            "collections",
            "groups",
            "deployments"
        ]
    );
    assert_eq!(item["groups"], json!([]));
    assert_eq!(scene.revision(), revision, "no reconcile, so no file");
}

#[test]
fn a_row_nobody_verified_is_made_good_before_the_answer_and_only_once_if_that_is_in_vain() {
    let scene = Scene::of(5, DEAF);
    let first = scene.stamps()[0].0.clone();
    scene.change(
        "UPDATE collection_artifacts SET synced_at = NULL, description = 'wrong' WHERE artifact_uuid =
            (SELECT a.uuid FROM artifacts a JOIN collection_artifacts c ON c.artifact_uuid = a.uuid ORDER BY a.id LIMIT 1)",
    );
    let revision = scene.revision();
    let page = scene.web.get(&format!("{LIST}?limit=2"));
    assert_eq!(page["items"][0]["id"], first.as_str());
    assert!(page["items"][0]["description"].as_str().is_some_and(|text| text != "wrong"), "{page}");
    assert_eq!(scene.revision(), revision + 1, "one look at the files");
    assert!(scene.stamps().iter().all(|(_, stamp)| stamp.is_string()));

    // An artifact that no manifest names, in a collection of its own: there is nothing to make it good with.
    scene.change(
        "INSERT INTO collections (id, name, created_at, updated_at) VALUES ('mine', 'Mine', 'x', 'x');
         INSERT INTO artifacts (id, uuid, name, type, is_outdated, local_modified, auto_load, created_at, updated_at)
            VALUES ('skill:ghost', 'ghost', 'ghost', 'skill', 0, 0, 0, 'x', 'x');
         INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at, artifact_file_count, artifact_total_size)
            VALUES ('mine', 'ghost', 'x', 0, 0);",
    );
    let mine = "/api/v1/user-collections/mine/artifacts";
    let page = scene.web.get(mine);
    assert_eq!(page["items"][0]["source"], "skill:ghost", "{page}");
    let revision = scene.revision();
    assert_eq!(ids(&scene.web.get(mine)), ["skill:ghost"]);
    assert_eq!(scene.revision(), revision, "known to be in vain");
}

#[test]
fn what_cannot_be_answered_is_a_problem_with_a_reason() {
    let scene = Scene::of(1, DEAF);
    for (target, status) in [
        ("/api/v1/user-collections/nowhere/artifacts", 404),
        ("/api/v1/user-collections/default/artifacts?limit=0", 422),
        ("/api/v1/user-collections/default/artifacts?limit=101", 422),
        ("/api/v1/user-collections/default/artifacts?limit=many", 422),
        ("/api/v1/user-collections/default/artifacts?include_groups=perhaps", 422),
        ("/api/v1/user-collections/default/artifacts?after=%21", 400),
        ("/api/v1/user-collections/%ff/artifacts", 422),
        ("/api/v1/groups", 422),
        ("/api/v1/groups?collection_id=nowhere", 404),
        ("/api/v1/tags?limit=-1", 422),
        ("/api/v1/tags/none", 404),
    ] {
        scene.web.refused("GET", target, None, status);
    }
    scene.web.refused("POST", "/api/v1/tags", Some("{}"), 405);
    let filtered = scene.web.get(&format!("{LIST}?artifact_type=command&group_id=x&tag=y&search=z&after="));
    assert_eq!(filtered["page_info"]["total_count"], 0);
    assert_eq!(filtered["page_info"]["start_cursor"], json!(null));
}
