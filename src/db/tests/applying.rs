//! Writing a plan: every column, and what is left alone.

use super::*;
use crate::domain::rows::Scope;

#[tokio::test]
async fn every_column_of_a_new_row_is_what_skillmeat_writes() {
    let home = Home::guest().await;
    apply(&mut home.cache().await, first_plan(&["a"], &["T"])).await;
    let peer = home.peer();
    let at = "2026-11-21 12:00:00.000000";
    let collections_path = home.path().join(".skillmeat/collections");
    assert_eq!(
        texts(&peer, "SELECT json_array(id, name, path, description, created_at, updated_at, last_fetched, status,
            error_message, deleted_at, default_deployment_profile_ids, owner_id, owner_type, visibility) FROM projects"),
        [format!(
            r#"["collection_artifacts_global","Collection Artifacts","{}","Sentinel project for filesystem collection artifacts","{at}","{at}",null,"active",null,null,null,null,"user","private"]"#,
            collections_path.display()
        )]
    );
    assert_eq!(
        texts(&peer, "SELECT json_array(id, name, description, created_by, slug, collection_type, context_category,
            created_at, updated_at, owner_id, owner_type, visibility, enforce_override, typeof(enforce_override))
            FROM collections"),
        [format!(
            r#"["default","Default Collection","Default artifact collection",null,null,"default",null,"{at}","{at}",null,"user","private",0,"integer"]"#
        )]
    );
    assert_eq!(
        texts(&peer, "SELECT json_array(id, length(uuid), project_id, name, type, source, deployed_version,
            upstream_version, is_outdated, local_modified, path_pattern, auto_load, category, content_hash, content,
            context_module_id, core_content, description, target_platforms, overlay_config, created_at, updated_at,
            owner_id, owner_type, visibility, enforce_override, typeof(enforce_override), latest_deployment_id,
            collection_tier, namespace, fqan, origin_uuid, origin_fqan) FROM artifacts"),
        [format!(
            r#"["skill:a",32,"collection_artifacts_global","a","skill",null,"1.0",null,0,0,null,0,null,null,null,null,null,null,null,null,"{at}","{at}",null,"user","private",0,"integer",null,null,null,null,null,null]"#
        )]
    );
    assert_eq!(
        texts(
            &peer,
            "SELECT json_array(collection_id, added_at, description, author, license, tags_json, tools_json,
            deployments_json, version, artifact_content_hash, artifact_structure_hash, artifact_file_count,
            artifact_total_size, source, origin, origin_source, resolved_sha, resolved_version, synced_at)
            FROM collection_artifacts"
        ),
        [format!(
            r#"["default","{at}","a",null,null,"[]","[]",null,null,null,null,0,0,"local","local",null,null,null,"{at}"]"#
        )]
    );
    assert_eq!(
        texts(&peer, "SELECT json_array(length(id), name, slug, color, created_at, updated_at) FROM tags"),
        [format!(r#"[32,"T","t",null,"{at}","{at}"]"#)]
    );
    assert_eq!(texts(&peer, "SELECT created_at FROM artifact_tags"), [at]);
}

#[tokio::test]
async fn what_belongs_to_others_in_an_existing_row_stays() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a"], &[])).await;
    let peer = home.peer();
    peer.execute_batch(
        "UPDATE collection_artifacts SET added_at = 'then', deployments_json = '[1]', synced_at = NULL, source = NULL;
         UPDATE artifacts SET source = 'theirs', updated_at = 'then', description = 'theirs';",
    )
    .unwrap();
    let uuid = texts(&peer, "SELECT uuid FROM artifacts");
    apply(&mut cache, first_plan(&["a"], &[])).await;
    assert_eq!(
        texts(
            &peer,
            "SELECT json_array(added_at, deployments_json, synced_at, source) FROM collection_artifacts"
        ),
        [r#"["then","[1]","2026-11-21 12:00:00.000000","local"]"#]
    );
    assert_eq!(
        texts(&peer, "SELECT json_array(source, updated_at, description) FROM artifacts"),
        [r#"["theirs","then","theirs"]"#]
    );
    assert_eq!(texts(&peer, "SELECT uuid FROM artifacts"), uuid);
}

#[tokio::test]
async fn a_row_that_somebody_else_made_first_keeps_its_uuid() {
    let home = Home::guest().await;
    home.peer()
        .execute_batch(
            "INSERT INTO artifacts (id, uuid, name, type, created_at, updated_at, enforce_override)
                VALUES ('skill:a', 'their-uuid', 'a', 'skill', 't', 't', 0)",
        )
        .unwrap();
    apply(&mut home.cache().await, first_plan(&["a"], &["t"])).await;
    let peer = home.peer();
    assert_eq!(texts(&peer, "SELECT uuid FROM artifacts"), ["their-uuid"]);
    assert_eq!(texts(&peer, "SELECT artifact_uuid FROM collection_artifacts"), ["their-uuid"]);
    assert_eq!(texts(&peer, "SELECT artifact_uuid FROM artifact_tags"), ["their-uuid"]);
}

#[tokio::test]
async fn a_tag_is_found_by_slug_and_then_by_exact_name() {
    let home = Home::guest().await;
    home.peer()
        .execute_batch(
            "INSERT INTO tags (id, name, slug, created_at, updated_at) VALUES
                ('1', 'Machine Learning', 'ml-custom', 't', 't'), ('2', 'Backend', 'backend', 't', 't')",
        )
        .unwrap();
    let mut plan = first_plan(&["a"], &[]);
    for (name, slug) in [("Machine Learning", "machine-learning"), ("backend", "backend"), ("new", "new")] {
        plan.new_tags.push(NewTag { name: name.into(), slug: slug.into() });
        plan.tag.push(Assignment { artifact: id("a"), slug: slug.into() });
    }
    apply(&mut home.cache().await, plan).await;
    let sql =
        "SELECT t.name || '/' || t.slug FROM artifact_tags a JOIN tags t ON t.id = a.tag_id ORDER BY t.slug";
    assert_eq!(texts(&home.peer(), sql), ["Backend/backend", "Machine Learning/ml-custom", "new/new"]);
}

#[tokio::test]
async fn assignments_and_rows_go_away_and_nothing_else_does() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a", "b"], &["t", "u"])).await;
    let peer = home.peer();
    peer.execute_batch(
        "INSERT INTO groups (id, collection_id, name, created_at, updated_at) VALUES ('g', 'default', 'g', 't', 't');
         INSERT INTO group_artifacts (group_id, artifact_uuid, added_at)
            SELECT 'g', uuid, 't' FROM artifacts WHERE name = 'a';",
    )
    .unwrap();
    let plan = Plan {
        untag: vec![
            Assignment { artifact: id("a"), slug: "t".into() },
            Assignment { artifact: id("b"), slug: "u".into() },
        ],
        removals: vec![remove("a")],
        ..Plan::default()
    };
    assert_eq!(apply(&mut cache, plan).await.rows, 3);
    let tagged = "SELECT a.name || t.slug FROM artifact_tags x JOIN artifacts a ON a.uuid = x.artifact_uuid
        JOIN tags t ON t.id = x.tag_id ORDER BY 1";
    assert_eq!(texts(&peer, tagged), ["au", "bt"]);
    assert_eq!(texts(&peer, "SELECT description FROM collection_artifacts"), ["b"]);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM artifacts"), 2);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM group_artifacts"), 1);
}

#[tokio::test]
async fn an_older_release_gets_only_the_columns_and_types_it_has() {
    let home = Home::guest().await;
    opening::older(&home);
    let mut plan = first_plan(&["a"], &["t"]);
    let soul = ArtifactId::new(Kind::Soul, "s");
    plan.new_artifacts.push(NewArtifact { id: soul.clone(), source: None, deployed_version: None });
    plan.upserts.push(Upsert { collection: "default".into(), artifact: soul.clone(), row: row("s").into() });
    plan.tag.push(Assignment { artifact: soul.clone(), slug: "t".into() });
    let applied = apply(&mut home.cache().await, plan.clone()).await;
    assert_eq!(applied.refused, [soul].into());
    assert_eq!(texts(&home.peer(), "SELECT id FROM artifacts"), ["skill:a"]);
    // A plan of nothing but refused rows locks nothing.
    plan = Plan { new_artifacts: plan.new_artifacts.split_off(1), ..Plan::default() };
    assert_eq!(apply(&mut home.cache().await, plan).await.transactions, 0);
}

#[tokio::test]
async fn without_a_sentinel_the_rows_belong_to_no_project() {
    let home = Home::guest().await;
    let path = home.path().join(".skillmeat/collections");
    home.peer()
        .execute(
            "INSERT INTO projects (id, name, path, created_at, updated_at) VALUES ('p', 'p', ?, 't', 't')",
            [path.to_str().unwrap()],
        )
        .unwrap();
    apply(&mut home.cache().await, first_plan(&["a"], &[])).await;
    assert_eq!(texts(&home.peer(), "SELECT id FROM projects"), ["p"]);
    assert_eq!(texts(&home.peer(), "SELECT project_id FROM artifacts"), ["NULL"]);
}

#[tokio::test]
async fn a_large_plan_goes_out_in_bounded_transactions() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = first_plan(&names, &["t"]);
    let rows = plan.rows();
    let applied = apply(&mut cache, plan).await;
    assert_eq!((applied.rows, applied.replans), (rows, 0));
    let transactions = (1..=rows).filter(|n| is_whole(*n)).count() + usize::from(!is_whole(rows));
    assert_eq!(applied.transactions, transactions);
    let peer = home.peer();
    for table in ["artifacts", "collection_artifacts", "artifact_tags"] {
        assert_eq!(number(&peer, &format!("SELECT COUNT(*) FROM {table}")), 10_000);
    }
    // Pages meet: everything comes back, each once.
    let actual = cache.load(&Scope::All).await.unwrap();
    assert_eq!(
        (actual.artifacts.len(), actual.memberships["default"].len(), actual.artifact_tags.len()),
        (10_000, 10_000, 10_000)
    );
}

#[tokio::test]
async fn an_error_in_one_transaction_leaves_the_earlier_ones_and_nothing_of_itself() {
    let home = Home::guest().await;
    home.peer()
        .execute_batch(
            "CREATE TRIGGER boom BEFORE INSERT ON collection_artifacts WHEN NEW.description = 'n1700'
             BEGIN SELECT RAISE(ABORT, 'boom'); END",
        )
        .unwrap();
    let names: Vec<String> = (0..3_000).map(|n| format!("n{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cache = home.cache().await;
    let plan = first_plan(&names, &[]);
    let error = cache.sync(&Scope::All, noon(), |_, _| plan.clone()).await.unwrap_err();
    assert!(matches!(error, DbError::Sql(_)) && !error.is_transient(), "{error:?}");
    // Sentinel, collection and 3,000 artifacts come first; of the 4,702 before the bad one whole transactions are there.
    let written = (0..=3_002 + 1_700).rev().find(|n| is_whole(*n)).unwrap();
    let there = i64::try_from(written - 3_002).unwrap();
    let peer = home.peer();
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM artifacts"), 3_000);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM collection_artifacts"), there);
    // No lock is left, and the connection goes on.
    peer.execute_batch("BEGIN IMMEDIATE; ROLLBACK;").unwrap();
    assert_eq!(cache.load(&Scope::All).await.unwrap().totals["default"] as i64, there);
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_the_connection_is_given_up() {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    let pages = number(&home.peer(), "SELECT page_count FROM pragma_page_count");
    let limit = format!("PRAGMA max_page_count = {}", pages + 140);
    cache.connection().unwrap().db().execute_unprepared(&limit).await.unwrap();
    let names: Vec<String> = (0..2_000).map(|n| format!("n{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = first_plan(&names, &[]);
    let error = cache.sync(&Scope::All, noon(), |_, _| plan.clone()).await.unwrap_err();
    assert!(matches!(error, DbError::Full) && error.is_transient(), "{error:?}");
    assert!(cache.replaced());
    let peer = home.peer();
    peer.execute_batch("BEGIN IMMEDIATE; ROLLBACK;").unwrap();
    let written = number(&peer, "SELECT COUNT(*) FROM artifacts") + 2;
    assert!(is_whole(usize::try_from(written).unwrap()), "a transaction is whole or not there: {written}");
    // With room again, a fresh connection finishes the work.
    assert_eq!(apply(&mut home.cache().await, plan).await.replans, 0);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM collection_artifacts"), 2_000);
}
