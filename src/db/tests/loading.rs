//! Reading rows, sound and unsound.

use std::collections::BTreeSet;

use super::*;
use crate::domain::rows::{Actual, DbTag, Scope};

#[tokio::test]
async fn an_untouched_database_loads_as_nothing() {
    let home = Home::guest().await;
    assert_eq!(home.cache().await.load(&Scope::All).await.unwrap(), Actual::default());
}

#[tokio::test]
async fn what_was_applied_loads_as_it_was_meant() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let mut plan = first_plan(&["a", "b"], &["One", "two"]);
    plan.upserts[0].row = Row {
        description: Some("d\n\"q\" ünï 😀".into()),
        author: Some(String::new()),
        license: None,
        tags: vec!["One".into(), "日本".into()],
        tools: vec!["Bash".into()],
        version: Some("1.0".into()),
        content_hash: Some("c".repeat(64)),
        structure_hash: Some("5".repeat(64)),
        file_count: 3,
        total_size: 1 << 40,
        source: Some("owner/repo".into()),
        origin: Some("github".into()),
        origin_source: Some("github".into()),
        resolved_sha: Some("abc".into()),
        resolved_version: Some("v1".into()),
    }
    .into();
    apply(&mut cache, plan.clone()).await;
    let actual = cache.load(&Scope::All).await.unwrap();
    assert!(actual.sentinel);
    assert_eq!(actual.collections["default"].collection_type.as_deref(), Some("default"));
    assert_eq!(actual.totals["default"], 2);
    let rows = &actual.memberships["default"];
    assert_eq!(
        (&rows[&id("a")].row, rows[&id("a")].sound, rows[&id("a")].synced),
        (&plan.upserts[0].row, true, true)
    );
    assert_eq!(rows[&id("b")].row, plan.upserts[1].row);
    assert!(actual.artifacts[&id("a")].mirrors_files);
    let tags: BTreeSet<(&str, &str)> =
        actual.tags.iter().map(|t| (t.name.as_str(), t.slug.as_str())).collect();
    assert_eq!(tags, BTreeSet::from([("One", "one"), ("two", "two")]));
    let all: BTreeSet<String> = actual.tags.iter().map(|t| t.id.clone()).collect();
    assert_eq!(actual.artifact_tags[&id("b")], all);
}

#[tokio::test]
async fn a_scope_narrows_rows_but_neither_tags_nor_totals() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a", "b", "c"], &["t"])).await;
    let everything = cache.load(&Scope::All).await.unwrap();
    let scope = Scope::Artifacts([id("b"), id("nobody")].into());
    let some = cache.load(&scope).await.unwrap();
    assert_eq!(some.artifacts.keys().collect::<Vec<_>>(), [&id("b")]);
    assert_eq!(some.memberships["default"].keys().collect::<Vec<_>>(), [&id("b")]);
    assert_eq!(some.memberships["default"][&id("b")], everything.memberships["default"][&id("b")]);
    assert_eq!(some.artifact_tags.keys().collect::<Vec<_>>(), [&id("b")]);
    assert_eq!((some.tags, some.totals), (everything.tags, everything.totals));
}

#[tokio::test]
async fn odd_values_make_their_own_row_unsound_and_no_other() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["blob", "json", "count", "utf8", "list", "fine", "epoch"], &[])).await;
    let set = |name: &str, what: &str| {
        let sql = format!(
            "UPDATE collection_artifacts SET {what}
                WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE name = '{name}')"
        );
        assert_eq!(home.peer().execute(&sql, []).unwrap(), 1);
    };
    set("blob", "description = x'00ff'");
    set("json", "tags_json = '[\"a\"'");
    set("count", "artifact_file_count = 'many'");
    set("utf8", "author = CAST(x'ff' AS TEXT)");
    set("list", "tools_json = '[1]'");
    set("fine", "tags_json = NULL");
    set("epoch", "synced_at = 1700000000");
    // None of it is our business, all of it is in the way.
    home.peer()
        .execute_batch(
            "INSERT INTO tags (id, name, slug, created_at, updated_at) VALUES ('x', CAST(x'ff' AS TEXT), 's', 't', 't');
             INSERT INTO artifacts (id, uuid, name, type, created_at, updated_at, enforce_override)
                 VALUES ('mcp_server:x', 'u1', 'x', 'mcp_server', 't', 't', 'false'),
                        ('noname', 'u2', 'x', 'skill', 't', 't', 'false');
             INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at)
                 VALUES ('default', 'u1', 't'), ('default', 'u2', 't');",
        )
        .unwrap();
    let actual = cache.load(&Scope::All).await.unwrap();
    let sound: Vec<&str> =
        actual.memberships["default"].iter().filter(|(_, row)| row.sound).map(|(id, _)| &*id.name).collect();
    assert_eq!(sound, ["epoch", "fine"]);
    assert!(!actual.memberships["default"][&id("epoch")].synced);
    assert_eq!(actual.artifacts.len(), 7);
    assert_eq!(actual.totals["default"], 9);
    assert_eq!(actual.tags, Vec::<DbTag>::new());
}

#[tokio::test]
async fn rows_that_stand_for_no_files_are_told_apart() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["mine"], &[])).await;
    home.peer()
        .execute_batch(
            "INSERT INTO projects (id, name, path, created_at, updated_at) VALUES ('p', 'p', '/p', 't', 't');
             INSERT INTO artifacts (id, uuid, project_id, name, type, created_at, updated_at, enforce_override) VALUES
                ('skill:theirs', 'u1', 'p', 'theirs', 'skill', 't', 't', 0),
                ('skill:orphan', 'u2', NULL, 'orphan', 'skill', 't', 't', 0),
                ('group:g', 'u3', NULL, 'g', 'group', 't', 't', 0),
                ('skill:group', 'u4', NULL, 'group', 'skill', 't', 't', 0),
                ('composite:c', 'u5', 'collection_artifacts_global', 'c', 'composite', 't', 't', 0);
             INSERT INTO groups (id, collection_id, name, created_at, updated_at, artifact_uuid)
                VALUES ('g', 'default', 'g', 't', 't', 'u4');
             INSERT INTO composite_artifacts VALUES ('composite:c', 'default', 'u5');",
        )
        .unwrap();
    let actual = cache.load(&Scope::All).await.unwrap();
    let mirrors: Vec<String> =
        actual.artifacts.iter().filter(|(_, a)| a.mirrors_files).map(|(id, _)| id.to_string()).collect();
    assert_eq!(mirrors, ["skill:mine", "skill:orphan"]);
    assert_eq!(actual.artifacts.len(), 5, "the identity row of a group is left out");
}

#[tokio::test]
async fn a_taken_sentinel_path_counts_as_done() {
    let home = Home::guest().await;
    let path = home.path().join(".skillmeat/collections");
    home.peer()
        .execute(
            "INSERT INTO projects (id, name, path, created_at, updated_at) VALUES ('p', 'p', ?, 't', 't')",
            [path.to_str().unwrap()],
        )
        .unwrap();
    assert!(home.cache().await.load(&Scope::All).await.unwrap().sentinel);
}
