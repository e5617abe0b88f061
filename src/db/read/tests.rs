use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::ConnectionTrait;

use super::*;
use crate::db::tests::{Home, apply, first_plan, id, noon, remove};
use crate::db::{Cache, Identity};
use crate::domain::catalog::{GroupsQuery, Page, PageQuery, TagsQuery};
use crate::domain::model::{ArtifactId, Kind};
use crate::domain::plan::{Plan, Verified};
use crate::domain::staleness::{Cutoffs, Ttl};

fn query(limit: usize) -> PageQuery {
    PageQuery { collection: "default".into(), limit, ..PageQuery::default() }
}

fn ids(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.id.as_str()).collect()
}

/// Three skills tagged `Git`, one command, a group `g` of two.
async fn scene() -> (Home, Cache, Reader) {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a", "b_1", "c"], &["Git"])).await;
    let command = ArtifactId::new(Kind::Command, "go");
    let mut plan = first_plan(&["x"], &[]);
    plan.new_artifacts[0].id = command.clone();
    plan.upserts[0].artifact = command;
    plan.upserts[0].row.change(|row| row.description = Some("Über Git".into()));
    apply(&mut cache, plan).await;
    home.peer()
        .execute_batch(
            "INSERT INTO groups (id, collection_id, name, tags_json, color, icon, position, created_at, updated_at)
                VALUES ('g', 'default', 'First', '[\"x\"]', '', 'star', 1, '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.5'),
                       ('h', 'default', 'Other', '[]', 'blue', 'layers', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00');
             INSERT INTO group_artifacts (group_id, artifact_uuid, position, added_at)
                SELECT 'g', uuid, CASE name WHEN 'a' THEN 1 ELSE 0 END, '2026-01-01 00:00:00' FROM artifacts
                WHERE id IN ('skill:a', 'skill:c');",
        )
        .unwrap();
    let reader = Reader::new(home.db());
    (home, cache, reader)
}

#[tokio::test]
async fn pages_follow_each_other_in_the_order_of_the_ids() {
    let (_home, _cache, mut reader) = scene().await;
    let first = reader.page(&query(3)).await.unwrap().unwrap();
    assert_eq!(ids(&first), ["command:go", "skill:a", "skill:b_1"]);
    assert_eq!((first.total, first.more, first.misses.len()), (4, true, 0));
    let after = |id: &str| PageQuery { after: Some(id.into()), ..query(3) };
    let second = reader.page(&after("skill:b_1")).await.unwrap().unwrap();
    assert_eq!((ids(&second), second.total, second.more), (vec!["skill:c"], 4, false));
    // The artifact of a cursor may be gone by now.
    let gone = reader.page(&after("skill:b")).await.unwrap().unwrap();
    assert_eq!(ids(&gone), ["skill:b_1", "skill:c"]);
    let nowhere = PageQuery { collection: "nowhere".into(), ..query(3) };
    assert_eq!(reader.page(&nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn an_item_says_what_the_row_says() {
    let (_home, mut cache, mut reader) = scene().await;
    let mut plan = first_plan(&["c"], &[]);
    plan.upserts[0].row.change(|row| {
        row.version = Some("2".into());
        row.origin_source = Some("gitlab".into());
        row.tags = vec!["ü".into()];
        row.source = None;
    });
    plan = Plan { upserts: plan.upserts, ..Plan::default() };
    apply(&mut cache, plan).await;
    let page =
        reader.page(&PageQuery { after: Some("skill:b_1".into()), ..query(1) }).await.unwrap().unwrap();
    let item = &page.items[0];
    assert_eq!((item.version.as_deref(), item.origin_source.as_deref()), (Some("2"), Some("gitlab")));
    assert_eq!((item.tags.as_slice(), item.source.as_str()), (["ü".to_owned()].as_slice(), "skill:c"));
    assert_eq!(item.collections.len(), 1);
    assert_eq!((item.collections[0].id.as_str(), item.collections[0].artifacts), ("default", 4));
    assert_eq!(item.groups, None);
}

#[tokio::test]
async fn filters_narrow_the_page_and_the_total_alike() {
    let (_home, _cache, mut reader) = scene().await;
    let kind = |kind: &str| PageQuery { kind: Some(kind.into()), ..query(10) };
    let group = |group: &str| PageQuery { group: Some(group.into()), with_groups: true, ..query(10) };
    let tag = |tag: &str| PageQuery { tag: Some(tag.into()), ..query(10) };
    let search = |text: &str| PageQuery { search: Some(text.into()), ..query(10) };
    for (query, expected) in [
        (kind("command"), vec!["command:go"]),
        (kind("skil"), vec![]),
        (group("g"), vec!["skill:a", "skill:c"]),
        (group("h"), vec![]),
        (tag("git"), vec!["skill:a", "skill:b_1", "skill:c"]),
        (tag("Git"), vec!["skill:a", "skill:b_1", "skill:c"]),
        (search("GIT"), vec!["command:go", "skill:a", "skill:b_1", "skill:c"]),
        (search("über"), vec![]),
        (search("Über"), vec!["command:go"]),
        (search("b_1"), vec!["skill:b_1"]),
        (search("_"), vec!["skill:b_1"]),
        (search("%"), vec![]),
        (search("\\"), vec![]),
        (PageQuery { kind: Some("skill".into()), ..search("c") }, vec!["skill:c"]),
    ] {
        let page = reader.page(&query).await.unwrap().unwrap();
        assert_eq!(ids(&page), expected, "{query:?}");
        assert_eq!(page.total, expected.len(), "{query:?}");
    }
    let page = reader.page(&group("g")).await.unwrap().unwrap();
    let groups = page.items[0].groups.as_ref().unwrap();
    assert_eq!((groups[0].id.as_str(), groups[0].name.as_str(), groups[0].position), ("g", "First", 1));
}

#[tokio::test]
async fn a_row_nobody_verified_is_a_miss_unless_the_default_collection_knows_better() {
    let (home, _cache, mut reader) = scene().await;
    home.peer()
        .execute_batch(
            "UPDATE collection_artifacts SET synced_at = NULL
                WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE id = 'skill:a');
             INSERT INTO collections (id, name, created_at, updated_at) VALUES ('mine', 'Mine', 'x', 'x');
             INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at, artifact_file_count, artifact_total_size)
                SELECT 'mine', uuid, 'x', 0, 0 FROM artifacts WHERE id IN ('skill:a', 'skill:c');",
        )
        .unwrap();
    let page = reader.page(&query(10)).await.unwrap().unwrap();
    assert_eq!(page.misses, ["skill:a"]);
    let mine = PageQuery { collection: "mine".into(), ..query(10) };
    let mine = reader.page(&mine).await.unwrap().unwrap();
    assert_eq!(mine.misses, ["skill:a"]);
    assert_eq!((mine.items[1].description.as_deref(), mine.items[1].source.as_str()), (Some("c"), "local"));
    let counts: Vec<_> = mine.items[1].collections.iter().map(|c| (c.name.as_str(), c.artifacts)).collect();
    assert_eq!(counts, [("Default Collection", 4), ("Mine", 2)]);
}

#[tokio::test]
async fn groups_come_by_position_with_the_backends_defaults() {
    let (_home, _cache, mut reader) = scene().await;
    let of = |search: Option<&str>, artifact: Option<&str>| GroupsQuery {
        collection: "default".into(),
        search: search.map(Into::into),
        artifact: artifact.map(Into::into),
    };
    let groups = reader.groups(&of(None, None)).await.unwrap().unwrap();
    assert_eq!(groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["Other", "First"]);
    let first = &groups[1];
    assert_eq!((first.color.as_str(), first.artifacts), ("slate", 2));
    assert_eq!(first.tags, ["x"]);
    assert_eq!(
        (first.created_at.as_str(), first.updated_at.as_str()),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.500000")
    );
    assert_eq!(reader.groups(&of(Some("fIRS"), None)).await.unwrap().unwrap().len(), 1);
    assert_eq!(reader.groups(&of(Some("_"), None)).await.unwrap().unwrap().len(), 0);
    assert_eq!(reader.groups(&of(None, Some("skill:c"))).await.unwrap().unwrap().len(), 1);
    assert_eq!(reader.groups(&GroupsQuery { collection: "?".into(), ..of(None, None) }).await.unwrap(), None);
}

#[tokio::test]
async fn tags_come_newest_first_and_page_by_key() {
    let (home, _cache, mut reader) = scene().await;
    home.peer()
        .execute_batch(
            "DELETE FROM tags;
             INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES
                ('t1', 'Old', 'old', '#ff0000', '2026-01-01 00:00:00', 'x'),
                ('t3', 'New', 'new', NULL, '2026-01-02 00:00:00', 'x'),
                ('t2', 'Too', 'too', NULL, '2026-01-02 00:00:00', 'x');",
        )
        .unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let tags = reader.tags(&TagsQuery { limit: 1, after }).await.unwrap();
        assert_eq!(tags.items.len(), 1);
        seen.push(tags.items[0].id.clone());
        if !tags.more {
            break;
        }
        after = Some(tags.items[0].id.clone());
    }
    assert_eq!(seen, ["t2", "t3", "t1"]);
    let unknown = reader.tags(&TagsQuery { limit: 9, after: Some("?".into()) }).await.unwrap();
    assert_eq!((unknown.items.len(), unknown.items[2].color.as_deref()), (3, Some("#ff0000")));
}

fn cutoffs(seconds_before_noon: i64) -> Cutoffs {
    Cutoffs { default: noon() - TimeDelta::seconds(seconds_before_noon), by_collection: BTreeMap::new() }
}

#[tokio::test]
async fn staleness_is_by_collection_and_stamps_end_it() {
    let (home, mut cache, mut reader) = scene().await;
    home.peer()
        .execute_batch(
            "UPDATE collection_artifacts SET synced_at = NULL
                WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE id = 'skill:a')",
        )
        .unwrap();
    let fresh = reader.staleness(&cutoffs(1)).await.unwrap()["default"];
    assert_eq!((fresh.total, fresh.stale, fresh.never, fresh.oldest), (4, 1, 1, Some(noon())));
    let later = cutoffs(-1);
    assert_eq!(reader.staleness(&later).await.unwrap()["default"].stale, 4);
    let named = Cutoffs { by_collection: BTreeMap::from([("default".into(), cutoffs(1).default)]), ..later };
    assert_eq!(reader.staleness(&named).await.unwrap()["default"].stale, 1, "a collection of its own time");
    assert_eq!(reader.stale(&cutoffs(1), Some("elsewhere"), 10).await.unwrap(), []);
    let rows = reader.stale(&cutoffs(1), Some("default"), 1).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.artifact.as_str()).collect::<Vec<_>>(), ["skill:a"]);
    // The loads tell stale rows apart only when asked, and a stamp touches nothing else.
    let before = reader.row("skill:c").await.unwrap();
    let scope = crate::domain::rows::Scope::All;
    assert!(cache.load(&scope).await.unwrap().memberships["default"].values().all(|row| !row.stale));
    cache.ask_for_stale(Some(cutoffs(-1)));
    let loaded = cache.load(&scope).await.unwrap();
    assert!(loaded.memberships["default"][&id("c")].stale && !loaded.memberships["default"][&id("a")].stale);
    let verified = vec![Verified { collection: "default".into(), artifact: id("c") }];
    let now = noon() + TimeDelta::minutes(5);
    let plan = Plan { verified, ..Plan::default() };
    let mut plans = vec![Plan::default(), plan];
    let applied = cache.sync(&scope, now, |_, _| plans.pop().unwrap_or_default()).await.unwrap();
    assert_eq!((applied.rows, applied.verified, applied.transactions), (0, 1, 1));
    let mut expected = before;
    let synced = expected.get_mut("default").unwrap().get_mut("synced_at").unwrap();
    *synced = Some("2026-11-21 12:05:00.000000".into());
    assert_eq!(reader.row("skill:c").await.unwrap(), expected);
    let oldest = cache.oldest_verified(&cutoffs(1)).await.unwrap();
    assert_eq!(oldest["default"], noon());
    assert_eq!(cache.oldest_verified(&cutoffs(-1)).await.unwrap()["default"], now);
}

#[tokio::test]
async fn invalidating_takes_the_stamps_and_has_everything_compared_again() {
    let (_home, mut cache, mut reader) = scene().await;
    assert!(cache.is_compared());
    assert_eq!(cache.invalidate_artifact(&id("c")).await.unwrap(), 1);
    assert!(!cache.is_compared());
    assert_eq!(cache.invalidate_collection("default").await.unwrap(), 3, "one has none any more");
    assert_eq!(cache.invalidate_collection("nowhere").await.unwrap(), 0);
    let never = reader.staleness(&Ttl::default().cutoffs(noon())).await.unwrap()["default"].never;
    assert_eq!(never, 4);
    let loaded = cache.load(&crate::domain::rows::Scope::All).await.unwrap();
    assert!(loaded.memberships["default"].values().all(|row| !row.synced));
}

#[tokio::test]
async fn a_reader_cannot_write_and_follows_a_replaced_file() {
    let (home, cache, mut reader) = scene().await;
    assert!(reader.page(&query(1)).await.unwrap().is_some());
    let open = reader.open.as_ref().unwrap();
    let refused = open.pinned.db().execute_unprepared("DELETE FROM tags").await;
    assert!(refused.is_err(), "a reading connection");
    cache.close().await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.path().join(format!(".skillmeat/cache/cache.db{suffix}")));
    }
    match reader.page(&query(1)).await {
        Err(DbError::NotUsable(Identity::Absent)) => {}
        other => panic!("{other:?}"),
    }
    Cache::create_standalone(&home.db(), home.path()).await.unwrap().usable().unwrap();
    let fresh = Cache::open(&home.db(), home.path()).await.unwrap().usable();
    let mut fresh = fresh.unwrap();
    apply(&mut fresh, first_plan(&["z"], &[])).await;
    assert_eq!(ids(&reader.page(&query(9)).await.unwrap().unwrap()), ["skill:z"]);
}

#[tokio::test]
async fn a_reader_neither_waits_for_a_writer_nor_holds_one_up() {
    let (home, mut cache, mut reader) = scene().await;
    let peer = home.peer();
    peer.execute_batch("BEGIN IMMEDIATE; DELETE FROM collection_artifacts").unwrap();
    let began = std::time::Instant::now();
    assert_eq!(reader.page(&query(9)).await.unwrap().unwrap().total, 4);
    assert!(began.elapsed() < Duration::from_secs(1));
    peer.execute_batch("ROLLBACK").unwrap();
    apply(&mut cache, Plan { removals: vec![remove("c")], ..Plan::default() }).await;
    assert_eq!(reader.page(&query(9)).await.unwrap().unwrap().total, 3);
    // Nothing is left open that would keep the log from being taken in.
    let busy: i64 = peer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

#[tokio::test]
async fn odd_cells_cost_their_own_value_and_not_the_page() {
    let (home, mut cache, mut reader) = scene().await;
    let mut plan = first_plan(&["c"], &[]);
    plan.upserts[0].row.change(|row| row.author = Some("Ann".into()));
    apply(&mut cache, Plan { upserts: plan.upserts, ..Plan::default() }).await;
    home.peer()
        .execute_batch("UPDATE collection_artifacts SET description = x'ff', tags_json = '{', tools_json = 7, deployments_json = 'odd'")
        .unwrap();
    let page = reader.page(&query(9)).await.unwrap().unwrap();
    assert_eq!(page.items.len(), 4);
    assert_eq!((page.items[3].description.as_deref(), page.items[3].author.as_deref()), (None, Some("Ann")));
    assert!(page.items.iter().all(|item| item.tags.is_empty() && item.deployments.is_empty()));
}
