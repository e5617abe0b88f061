//! Our list pages beside the web backend's own, on the same rows: equal key by key, but for what it leaves out.

use serde_json::{Value, json};

use super::http::escape;
use super::scenario::{SEEN, Stage};
use crate::daemon::call;
use crate::generate::{Mix, Recipe, generate};
use crate::home::eventually;
use crate::web::Web;

/// Collections come in any order from the backend.
fn sorted(mut page: Value) -> Value {
    for item in page.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(collections) = item.get_mut("collections").and_then(Value::as_array_mut) {
            collections.sort_by_key(|collection| collection["id"].to_string());
        }
    }
    page
}

/// Of our page what the backend would show: it forgets two columns of every row.
fn as_shown(page: Value) -> Value {
    let mut page = sorted(page);
    for item in page.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        item["version"] = Value::Null;
        item["origin_source"] = Value::Null;
    }
    page
}

#[test]
fn the_pages_are_the_backends_own() {
    let stage = Stage::with_collection();
    let recipe = Recipe { collection: "default", artifacts: 64, seed: 7, mix: Mix::Everything };
    generate(&stage.home.skillmeat(), recipe);
    call(&stage.home, &["sync"]);
    let web = Web::of(&stage.home);
    let total = |page: &Value| page["page_info"]["total_count"].clone();
    eventually(SEEN, "both list all artifacts", || {
        let theirs = stage.api.get("/user-collections/default/artifacts?limit=1")?;
        let ours = web.get("/api/v1/user-collections/default/artifacts?limit=1");
        if total(&theirs) == total(&ours) && total(&ours).as_u64() > Some(50) {
            Ok(())
        } else {
            Err(format!("{} and {}", total(&theirs), total(&ours)))
        }
    });

    // A collection, groups and deployments as the web makes them.
    let mine = stage.api.change("POST", "/user-collections", Some(&json!({ "name": "Mine" })));
    let mine = mine["id"].as_str().expect("an id").to_owned();
    let first = web.get("/api/v1/user-collections/default/artifacts?limit=3");
    let ids: Vec<&str> =
        first["items"].as_array().expect("items").iter().filter_map(|i| i["id"].as_str()).collect();
    let uuids: Vec<Value> = ids.iter().map(|id| uuid(&stage, id)).collect();
    let group = stage.api.change(
        "POST",
        "/groups",
        Some(&json!({ "collection_id": "default", "name": "Ünï", "tags": ["x"], "color": "#22c55e" })),
    );
    let group = group["id"].as_str().expect("an id").to_owned();
    stage.api.change("POST", "/groups", Some(&json!({ "collection_id": "default", "name": "second" })));
    stage.api.change("POST", &format!("/groups/{group}/artifacts"), Some(&json!({ "artifact_ids": ids })));
    let connection = rusqlite::Connection::open(stage.home.cache_db()).expect("the cache");
    connection.busy_timeout(SEEN).expect("patience");
    connection
        .execute(
            "UPDATE collection_artifacts SET deployments_json = ?1 WHERE artifact_uuid = ?2",
            rusqlite::params![
                r#"[{"project_path": "/p", "project_name": "p", "deployed_at": "2026-02-01T10:00:00Z"}]"#,
                uuids[0].as_str()
            ],
        )
        .expect("a deployment");
    connection
        .execute(
            "INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at, synced_at, source, artifact_file_count,
                artifact_total_size) VALUES (?1, ?2, '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 'local', 0, 0)",
            rusqlite::params![mine, uuids[1].as_str()],
        )
        .expect("a membership");

    let cursor = escape(first["page_info"]["end_cursor"].as_str().expect("a cursor"));
    for query in [
        "limit=100".to_owned(),
        "limit=7".to_owned(),
        format!("limit=5&after={cursor}"),
        "artifact_type=skill&limit=100".to_owned(),
        "artifact_type=nothing".to_owned(),
        format!("group_id={group}"),
        "group_id=none".to_owned(),
    ] {
        same(&stage, &web, &format!("/user-collections/default/artifacts?{query}"), as_shown);
    }
    same(&stage, &web, &format!("/user-collections/{mine}/artifacts"), as_shown);
    for query in
        [String::new(), "&search=SEC".into(), "&search=n".into(), format!("&artifact_id={}", escape(ids[0]))]
    {
        same(&stage, &web, &format!("/groups?collection_id=default{query}"), |page| page);
    }
    same(&stage, &web, "/tags?limit=100", |page| page);
    same(&stage, &web, "/tags?limit=3", |page| page);
    let tags = web.get("/api/v1/tags?limit=3");
    let plain = tags["page_info"]["end_cursor"].as_str().expect("a cursor");
    let after = escape(&base64(plain));
    same(&stage, &web, &format!("/tags?limit=3&after={after}"), |page| page);
    assert_eq!(
        web.get(&format!("/api/v1/tags?limit=3&after={plain}")),
        web.get(&format!("/api/v1/tags?limit=3&after={after}")),
        "the cursor as it was given out"
    );

    // What the backend cannot do.
    let (status, _) = stage
        .api
        .send("GET", "/user-collections/default/artifacts?limit=3&include_groups=true", None)
        .expect("an answer");
    assert_eq!(status, 500, "mended upstream? then compare these pages, too");
    let page = web.get("/api/v1/user-collections/default/artifacts?limit=3&include_groups=true");
    assert_eq!(page["items"][1]["groups"], json!([{ "id": group, "name": "Ünï", "position": 1 }]));
    let full = web.get("/api/v1/user-collections/default/artifacts?limit=100");
    let versions =
        full["items"].as_array().expect("items").iter().filter(|item| item["version"].is_string()).count();
    assert!(versions > 5, "{versions} of {}", total(&full));
}

/// The same path answers the same on both sides.
fn same(stage: &Stage, web: &Web, path: &str, shown: fn(Value) -> Value) {
    eventually(SEEN, path, || {
        let theirs = sorted(stage.api.get(path)?);
        let ours = shown(web.get(&format!("/api/v1{path}")));
        if theirs == ours { Ok(()) } else { Err(difference(&theirs, &ours, "")) }
    });
}

/// Where two values differ first.
fn difference(theirs: &Value, ours: &Value, at: &str) -> String {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                return format!(
                    "{at}: keys {:?} and {:?}",
                    a.keys().collect::<Vec<_>>(),
                    b.keys().collect::<Vec<_>>()
                );
            }
            let differing = a.iter().find(|(key, value)| b[*key] != **value);
            differing
                .map_or_else(String::new, |(key, value)| difference(value, &b[key], &format!("{at}.{key}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let differing = a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b);
            differing.map_or_else(String::new, |(n, (a, b))| difference(a, b, &format!("{at}[{n}]")))
        }
        (a, b) => format!("{at}: theirs {a}, ours {b}"),
    }
}

fn uuid(stage: &Stage, id: &str) -> Value {
    let connection = super::cache::open(&stage.home.cache_db()).expect("the cache");
    let uuid: String = connection
        .query_row("SELECT uuid FROM artifacts WHERE id = ?1", [id], |row| row.get(0))
        .expect("its row");
    uuid.into()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
