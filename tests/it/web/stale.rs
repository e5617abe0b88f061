//! Staleness: counting it, taking it back, and that it does not come about by itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DEAF, Scene};
use crate::daemon::call;
use crate::home::eventually;

fn stale_json(scene: &Scene, arguments: &[&str]) -> Value {
    let answer = call(&scene.home, &[&["stale", "--json"], arguments].concat()).succeeded();
    serde_json::from_str(&answer.stdout).expect("JSON")
}

#[test]
fn stale_rows_are_counted_and_listed() {
    let scene = Scene::of(4, DEAF);
    let first = scene.stamps()[0].0.clone();
    scene.change(
        "UPDATE collection_artifacts SET synced_at = '2020-01-01 00:00:00.000000' WHERE rowid =
            (SELECT c.rowid FROM artifacts a JOIN collection_artifacts c ON c.artifact_uuid = a.uuid ORDER BY a.id LIMIT 1)",
    );
    let stats = scene.web.get("/api/v1/user-collections/cache-stats");
    assert_eq!(
        (&stats["total_artifacts"], &stats["stale_count"], &stats["fresh_count"], &stats["percentage_stale"]),
        (&json!(4), &json!(1), &json!(3), &json!(25.0)),
        "{stats}"
    );
    assert_eq!(stats["ttl_seconds"], 1800);
    assert!(stats["oldest_sync_age_seconds"].as_f64() > Some(1e8), "{stats}");
    let old = scene.web.get("/api/v1/user-collections/cache-stats?ttl_seconds=86400&collection_id=default");
    assert_eq!((&old["stale_count"], &old["collection_id"]), (&json!(1), &json!("default")));
    scene.web.refused("GET", "/api/v1/user-collections/cache-stats?ttl_seconds=59", None, 422);
    scene.web.refused("GET", "/api/v1/user-collections/cache-stats?collection_id=nowhere", None, 404);

    let listed = stale_json(&scene, &[]);
    assert_eq!(listed["collections"][0]["name"], "default");
    let keys: Vec<&String> = listed["collections"][0].as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["name", "total", "stale", "fresh", "never", "oldest_age_seconds", "percentage_stale", "ttl_seconds"]
    );
    assert_eq!(
        listed["artifacts"],
        json!([{ "collection": "default", "artifact": first, "synced_at": "2020-01-01T00:00:00" }])
    );
    let text = call(&scene.home, &["stale"]).succeeded().stdout;
    assert!(text.contains(&first) && text.contains("25 %"), "{text}");

    let found = scene.web.post("/api/v1/user-collections/refresh-cache", None);
    assert_eq!(found["total_updated"], 1, "{found}");
    assert_eq!(stale_json(&scene, &["--collection", "default"])["artifacts"], json!([]));
    assert_eq!(call(&scene.home, &["stale", "--collection", "nowhere"]).status.code(), Some(1));
}

#[test]
fn an_invalidated_row_is_stale_until_it_is_read_or_verified() {
    let scene = Scene::of(3, DEAF);
    let ids: Vec<String> = scene.stamps().into_iter().map(|(id, _)| id).collect();
    let answer = scene.web.post("/v1/invalidate", Some(&json!({ "artifact": ids[1] }).to_string()));
    assert_eq!(answer["rows"], 1);
    assert_eq!(scene.stamps()[1].1, Value::Null);
    assert_eq!(stale_json(&scene, &[])["collections"][0]["never"], 1);
    scene.web.get("/api/v1/user-collections/default/artifacts");
    assert!(scene.stamps()[1].1.is_string(), "made good by the page");
    let answer = scene.web.post("/v1/invalidate", Some(r#"{"collection": "default"}"#));
    assert_eq!(answer["rows"], 3);
    eventually(Duration::from_secs(60), "the rows are verified without being asked for", || {
        let stamps = scene.stamps();
        if stamps.iter().all(|(_, stamp)| stamp.is_string()) { Ok(()) } else { Err(format!("{stamps:?}")) }
    });
    for body in
        [r#"{}"#, r#"{"artifact": "odd"}"#, r#"{"artifact": "skill:a", "collection": "b"}"#, r#"{"x": 1}"#]
    {
        scene.web.refused("POST", "/v1/invalidate", Some(body), 422);
    }
    scene.web.refused("POST", "/v1/invalidate", Some(r#"{"collection": "nowhere"}"#), 404);
}

/// Rows of files that do not change are verified before they go stale, and between two rounds nothing happens.
#[test]
fn rows_do_not_go_stale_under_a_daemon_that_runs() {
    let scene = Scene::of(
        3,
        "database.create = \"standalone\"\n[staleness]\nttl = \"6s\"\nverify_interval = \"1s\"\n",
    );
    let start = scene.stamps();
    let revision = scene.revision();
    let mut rounds = 0;
    let mut last = start.clone();
    eventually(Duration::from_secs(60), "two rounds of verification", || {
        let stats = scene.web.get("/api/v1/user-collections/cache-stats");
        // The machine may be busy; stale by the measure of the default time to live never.
        assert_eq!(stats["total_artifacts"], 3);
        let now = scene.stamps();
        if now != last {
            rounds += 1;
            last = now;
        }
        if rounds >= 2 { Ok(()) } else { Err(format!("{rounds}: {last:?}")) }
    });
    let looks = scene.revision() - revision;
    assert!(looks <= 4, "two rounds are two looks, not {looks}");
    assert!(start.iter().zip(&last).all(|(before, after)| before.1 != after.1));
}
