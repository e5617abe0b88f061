//! Groups and tag definitions, read and written beside a neighbour.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::owned::{DbEdits, GroupEdit, GroupValue, TagEdit, TagValue};

const NOW: &str = "2026-11-21 12:00:00.000000";

/// A default collection of three skills, tagged, and another collection that has a directory.
async fn filled() -> (Home, Cache) {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a", "b", "c"], &["Tag"])).await;
    home.peer()
        .execute_batch(&format!(
            "INSERT INTO collections (id, name, created_at, updated_at, enforce_override)
                 VALUES ('5f', 'work', '{NOW}', '{NOW}', 0), ('6f', '../work', '{NOW}', '{NOW}', 0)"
        ))
        .unwrap();
    cache.changed().await.unwrap();
    (home, cache)
}

fn directories() -> BTreeSet<String> {
    ["default", "work", "notes"].map(str::to_owned).into()
}

async fn load(cache: &mut Cache, named: &[&str]) -> Owned {
    let named = named.iter().map(|name| (*name).to_owned()).collect();
    cache.load_owned(&directories(), &named).await.unwrap()
}

async fn write(cache: &mut Cache, directory: &str, edits: DbEdits) {
    let owned = load(cache, &[]).await;
    assert!(cache.write_owned(&owned, &only(directory, edits), noon()).await.unwrap());
}

fn only(directory: &str, edits: DbEdits) -> Edits {
    Edits { by_directory: BTreeMap::from([(directory.to_owned(), edits)]), ..Edits::default() }
}

fn group(position: i64, members: &[&str]) -> GroupValue {
    GroupValue {
        description: "d".into(),
        color: "#22cc55".into(),
        icon: "shield".into(),
        position,
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        tags: Some(vec!["x".into(), "ü".into()]),
        visibility: Some("public".into()),
    }
}

fn create(groups: &[(&str, GroupValue)]) -> DbEdits {
    let create_groups = groups.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    DbEdits { create_groups, ..DbEdits::default() }
}

const MEMBERS: &str = "SELECT g.name || ' ' || m.position || ' ' || a.id FROM group_artifacts m
    JOIN groups g ON g.id = m.group_id JOIN artifacts a ON a.uuid = m.artifact_uuid ORDER BY g.name, m.position";

#[tokio::test]
async fn what_is_written_is_read_back_as_the_same_values_in_skillmeats_order() {
    let (home, mut cache) = filled().await;
    let groups =
        [("Late", group(7, &["skill:c", "skill:a"])), ("B", group(0, &[])), ("A", group(0, &["skill:b"]))];
    write(&mut cache, "work", create(&groups)).await;
    let owned = load(&mut cache, &[]).await;
    let side = owned.sides["work"].groups.as_ref().unwrap();
    assert_eq!(side.order, ["B", "A", "Late"], "ties as they were inserted");
    for (name, value) in groups {
        assert_eq!(side.by_name[name], value);
    }
    assert!(owned.sides["default"].groups.as_ref().unwrap().is_empty());
    assert_eq!(
        owned.sides["notes"].groups, None,
        "no row stands for it, which says nothing about its groups"
    );
    assert_eq!(owned.sides["work"].epoch.collection.as_deref(), Some("5f 2026-11-21 12:00:00.000000"));
    let peer = home.peer();
    assert_eq!(
        texts(
            &peer,
            "SELECT collection_id || owner_type || visibility || created_at || tags_json || length(id) FROM groups WHERE name = 'A'"
        ),
        [format!("5fuserpublic{NOW}[\"x\", \"\\u00fc\"]32")]
    );
    assert_eq!(texts(&peer, MEMBERS), ["A 0 skill:b", "Late 0 skill:c", "Late 1 skill:a"]);
}

#[tokio::test]
async fn empty_texts_are_nulls_and_defaults() {
    let (home, mut cache) = filled().await;
    write(&mut cache, "default", create(&[("G", GroupValue::default())])).await;
    assert_eq!(
        texts(
            &home.peer(),
            "SELECT ifnull(description, 'NULL') || color || icon || tags_json || visibility || position FROM groups"
        ),
        ["NULLslatelayers[]private0"]
    );
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_membership_changes_leave_the_time() {
    let (home, mut cache) = filled().await;
    write(&mut cache, "default", create(&[("G", group(1, &["skill:a", "skill:b"]))])).await;
    home.peer()
        .execute_batch("UPDATE groups SET updated_at = 'then'; UPDATE group_artifacts SET added_at = 'then'")
        .unwrap();
    let members =
        GroupEdit { members: Some(vec!["skill:c".into(), "skill:a".into()]), ..GroupEdit::default() };
    let edits = DbEdits { update_groups: BTreeMap::from([("G".into(), members)]), ..DbEdits::default() };
    write(&mut cache, "default", edits).await;
    let peer = home.peer();
    assert_eq!(texts(&peer, MEMBERS), ["G 0 skill:c", "G 1 skill:a"]);
    assert_eq!(texts(&peer, "SELECT added_at FROM group_artifacts ORDER BY position"), [NOW, "then"]);
    assert_eq!(texts(&peer, "SELECT updated_at || color FROM groups"), ["then#22cc55"]);
    let color =
        GroupEdit { color: Some("rose".into()), description: Some(String::new()), ..GroupEdit::default() };
    let edits = DbEdits { update_groups: BTreeMap::from([("G".into(), color)]), ..DbEdits::default() };
    write(&mut cache, "default", edits).await;
    assert_eq!(
        texts(&peer, "SELECT updated_at || color || icon || ifnull(description, '-') FROM groups"),
        [format!("{NOW}roseshield-")]
    );
}

#[tokio::test]
async fn a_group_inside_a_group_keeps_its_place_and_is_not_told() {
    let (home, mut cache) = filled().await;
    write(&mut cache, "default", create(&[("G", group(1, &["skill:a", "skill:b"]))])).await;
    home.peer()
        .execute_batch(&format!(
            "INSERT INTO artifacts (id, uuid, name, type, is_outdated, local_modified, auto_load, created_at, updated_at, enforce_override)
                 VALUES ('group:77', 'u77', 'Other', 'group', 0, 0, 0, '{NOW}', '{NOW}', 0);
             UPDATE group_artifacts SET position = 2 WHERE position = 1;
             INSERT INTO group_artifacts SELECT id, 'u77', 1, '{NOW}' FROM groups;"
        ))
        .unwrap();
    let side = load(&mut cache, &[]).await.sides["default"].clone();
    assert_eq!(side.groups.unwrap().by_name["G"].members, ["skill:a", "skill:b"]);
    assert!(!side.uuids.contains_key("group:77"));
    let members = GroupEdit {
        members: Some(["skill:c", "skill:b", "skill:a"].map(str::to_owned).into()),
        ..GroupEdit::default()
    };
    let edits = DbEdits { update_groups: BTreeMap::from([("G".into(), members)]), ..DbEdits::default() };
    write(&mut cache, "default", edits).await;
    assert_eq!(texts(&home.peer(), MEMBERS), ["G 0 skill:c", "G 1 group:77", "G 2 skill:b", "G 3 skill:a"]);
}

#[tokio::test]
async fn names_are_swapped_and_taken_from_groups_that_go() {
    let (home, mut cache) = filled().await;
    let groups =
        ["A", "B", "C", "D"].map(|name| (name, GroupValue { icon: name.into(), ..group(0, &["skill:a"]) }));
    write(&mut cache, "default", create(&groups)).await;
    let edits = DbEdits {
        rename_groups: [("A", "B"), ("B", "A"), ("C", "D")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        delete_groups: BTreeSet::from(["D".to_owned()]),
        ..DbEdits::default()
    };
    write(&mut cache, "default", edits).await;
    let peer = home.peer();
    assert_eq!(texts(&peer, "SELECT name || icon FROM groups ORDER BY name"), ["AB", "BA", "DC"]);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM group_artifacts"), 3);
}

#[tokio::test]
async fn a_deleted_group_takes_its_identity_along() {
    let (home, mut cache) = filled().await;
    write(&mut cache, "default", create(&[("G", group(1, &["skill:a"])), ("H", group(2, &[]))])).await;
    home.peer()
        .execute_batch(&format!(
            "INSERT INTO artifacts (id, uuid, name, type, is_outdated, local_modified, auto_load, created_at, updated_at, enforce_override)
                 VALUES ('group:1', 'ug', 'G', 'group', 0, 0, 0, '{NOW}', '{NOW}', 0);
             UPDATE groups SET artifact_uuid = 'ug' WHERE name = 'G';"
        ))
        .unwrap();
    let edits = DbEdits { delete_groups: BTreeSet::from(["G".to_owned()]), ..DbEdits::default() };
    write(&mut cache, "default", edits).await;
    let peer = home.peer();
    assert_eq!(texts(&peer, "SELECT name FROM groups"), ["H"]);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM artifacts WHERE type = 'group'"), 0);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM group_artifacts"), 0);
}

#[tokio::test]
async fn tags_by_slug() {
    let (home, mut cache) = filled().await;
    let tag =
        |name: &str, color: &str| TagValue { name: name.into(), color: color.into(), description: None };
    let edits = DbEdits {
        update_tags: BTreeMap::from([(
            "tag".into(),
            TagEdit { color: Some("#112233".into()), ..TagEdit::default() },
        )]),
        create_tags: BTreeMap::from([
            ("free".into(), tag("Free", "")),
            // A name that is taken stays with the tag that has it.
            ("other".into(), tag("Tag", "#000000")),
        ]),
        ..DbEdits::default()
    };
    write(&mut cache, "default", edits).await;
    let side = load(&mut cache, &[]).await.sides["default"].clone();
    assert_eq!(
        side.tags,
        BTreeMap::from([("free".into(), tag("Free", "")), ("tag".into(), tag("Tag", "#112233"))])
    );
    assert_eq!(side.assigned, BTreeSet::from(["tag".to_owned()]));
    let edits = DbEdits { delete_tags: ["free", "tag"].map(str::to_owned).into(), ..DbEdits::default() };
    write(&mut cache, "default", edits).await;
    assert_eq!(texts(&home.peer(), "SELECT slug FROM tags"), ["tag"], "an artifact has it");
}

#[tokio::test]
async fn members_that_are_named_are_told_by_id_and_by_bare_name() {
    let (_home, mut cache) = filled().await;
    let side = load(&mut cache, &["skill:a", "b", "nobody"]).await.sides["default"].clone();
    assert_eq!(side.uuids.keys().collect::<Vec<_>>(), ["skill:a", "skill:b"]);
    assert_eq!(side.uuids["skill:a"].len(), 32);
}

#[tokio::test]
async fn a_commit_of_somebody_else_since_the_reading_stops_the_writing() {
    let (home, mut cache) = filled().await;
    let owned = load(&mut cache, &[]).await;
    home.peer().execute_batch("UPDATE tags SET color = '#aabbcc'").unwrap();
    let edits = only("default", create(&[("G", group(0, &[]))]));
    assert!(!cache.write_owned(&owned, &edits, noon()).await.unwrap());
    assert_eq!(number(&home.peer(), "SELECT COUNT(*) FROM groups"), 0);
    assert!(!cache.stands_at(owned.at.unwrap()).await.unwrap());
    let owned = load(&mut cache, &[]).await;
    assert!(cache.write_owned(&owned, &edits, noon()).await.unwrap());
    assert!(cache.stands_at(owned.at.unwrap()).await.unwrap(), "our own commit is none of somebody else");
    assert!(!cache.changed().await.unwrap() || cache.stands_at(owned.at.unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_directory_gets_a_collection_that_every_path_of_skillmeat_finds() {
    let (home, mut cache) = filled().await;
    let owned = load(&mut cache, &[]).await;
    let edits = Edits {
        new_collections: BTreeSet::from(["notes".to_owned()]),
        ..only("notes", create(&[("G", group(0, &["skill:a"]))]))
    };
    assert!(cache.write_owned(&owned, &edits, noon()).await.unwrap());
    assert_eq!(
        texts(
            &home.peer(),
            "SELECT name || slug || owner_type || visibility || enforce_override || typeof(enforce_override)
                FROM collections WHERE id = 'notes'"
        ),
        ["notesnotesuserprivate0integer"]
    );
    let side = load(&mut cache, &[]).await.sides["notes"].clone();
    assert_eq!(side.groups.unwrap().order, ["G"]);
    assert_eq!(side.epoch.collection, Some(format!("notes {NOW}")));
}

#[tokio::test]
async fn values_that_are_no_groups_make_their_collection_one_that_cannot_be_told() {
    let (home, mut cache) = filled().await;
    write(&mut cache, "work", create(&[("G", group(0, &[]))])).await;
    write(&mut cache, "default", create(&[("H", group(0, &[]))])).await;
    home.peer().execute_batch("UPDATE groups SET position = 'abc' WHERE name = 'G'").unwrap();
    let owned = load(&mut cache, &[]).await;
    assert_eq!(owned.odd, BTreeSet::from(["work".to_owned()]));
    assert!(!owned.sides.contains_key("work") && owned.sides.contains_key("default"));
}

#[tokio::test]
async fn collections_without_a_directory_are_told_when_they_have_groups() {
    let (home, mut cache) = filled().await;
    assert!(load(&mut cache, &[]).await.unmapped_groups.is_empty());
    home.peer()
        .execute_batch(&format!(
            "INSERT INTO groups (id, collection_id, name, created_at, updated_at) VALUES ('g', '6f', 'G', '{NOW}', '{NOW}')"
        ))
        .unwrap();
    assert_eq!(load(&mut cache, &[]).await.unmapped_groups, BTreeMap::from([("6f".to_owned(), 1)]));
}

#[tokio::test]
async fn the_palette_is_told_and_added_to() {
    let (home, mut cache) = filled().await;
    home.peer()
        .execute_batch(&format!(
            "INSERT INTO custom_colors VALUES ('1', '#abc', 'Mine', '{NOW}'), ('2', '#112233', NULL, '{NOW}')"
        ))
        .unwrap();
    let owned = load(&mut cache, &[]).await;
    let color = |hex: &str, name: Option<&str>| (hex.to_owned(), name.map(str::to_owned));
    assert_eq!(owned.colors, Some([color("#112233", None), color("#abc", Some("Mine"))].into()));
    let colors = [color("#abc", Some("Other")), color("#445566", Some("New"))].into();
    let edits = Edits { colors, ..Edits::default() };
    assert!(cache.write_owned(&owned, &edits, noon()).await.unwrap());
    assert_eq!(
        texts(&home.peer(), "SELECT hex || ifnull(name, '-') FROM custom_colors ORDER BY hex"),
        ["#112233-", "#445566New", "#abcMine"]
    );
}

#[tokio::test]
async fn names_and_slugs_of_tags_change_hands_and_taken_ones_stay() {
    let (home, mut cache) = filled().await;
    let tag = |name: &str| TagValue { name: name.into(), color: "#000000".into(), description: None };
    let edits = DbEdits {
        create_tags: [("a", "A"), ("b", "B"), ("c", "C")].map(|(slug, name)| (slug.into(), tag(name))).into(),
        ..DbEdits::default()
    };
    write(&mut cache, "default", edits).await;
    let edit = |name: Option<&str>, slug: Option<&str>, color: Option<&str>| TagEdit {
        name: name.map(Into::into),
        slug: slug.map(Into::into),
        color: color.map(Into::into),
    };
    let edits = DbEdits {
        update_tags: BTreeMap::from([
            ("a".into(), edit(Some("X"), Some("x"), None)),
            // What the first lets go of is free; what the third has is not.
            ("b".into(), edit(Some("A"), Some("a"), Some("#111111"))),
            ("c".into(), edit(Some("Tag"), Some("tag"), Some(""))),
        ]),
        create_tags: [("b", "B"), ("d", "X")].map(|(slug, name)| (slug.into(), tag(name))).into(),
        ..DbEdits::default()
    };
    write(&mut cache, "default", edits).await;
    assert_eq!(
        texts(
            &home.peer(),
            "SELECT slug || ' ' || name || ' ' || ifnull(color, '-') FROM tags ORDER BY slug"
        ),
        ["a A #111111", "b B #000000", "c C -", "tag Tag -", "x X #000000"]
    );
}

#[tokio::test]
async fn many_changes_of_different_columns_are_each_made() {
    let (home, mut cache) = filled().await;
    let names: Vec<String> = (0..60).map(|n| format!("G{n:02}")).collect();
    let groups: Vec<_> =
        names.iter().map(|name| (name.as_str(), group(1, &["skill:a", "skill:b"]))).collect();
    write(&mut cache, "default", create(&groups)).await;
    let change = |n: usize| match n % 3 {
        0 => GroupEdit { color: Some(format!("#{n:06}")), ..GroupEdit::default() },
        1 => GroupEdit {
            icon: Some(format!("i{n}")),
            position: Some(i64::try_from(n).unwrap()),
            ..GroupEdit::default()
        },
        _ => GroupEdit { members: Some(vec!["skill:c".into(), "skill:b".into()]), ..GroupEdit::default() },
    };
    let update_groups = names.iter().cloned().zip((0..60).map(change)).collect();
    write(&mut cache, "default", DbEdits { update_groups, ..DbEdits::default() }).await;
    let side = load(&mut cache, &[]).await.sides["default"].groups.clone().unwrap();
    for (n, name) in names.iter().enumerate() {
        let mut wanted = group(1, &["skill:a", "skill:b"]);
        let GroupEdit { color, icon, position, members, .. } = change(n);
        wanted.color = color.unwrap_or(wanted.color);
        wanted.icon = icon.unwrap_or(wanted.icon);
        wanted.position = position.unwrap_or(wanted.position);
        wanted.members = members.unwrap_or(wanted.members);
        assert_eq!(side.by_name[name], wanted, "{name}");
    }
    assert_eq!(number(&home.peer(), "SELECT COUNT(*) FROM group_artifacts WHERE position > 1"), 0);
}

#[tokio::test]
async fn each_write_transaction_is_told_with_its_time() {
    use std::sync::{Arc, Mutex};

    let (home, mut cache) = filled().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    cache.listen(Listener::new(move |hold| heard.lock().unwrap().push(hold)));
    let take = || std::mem::take(&mut *told.lock().unwrap());
    write(&mut cache, "default", create(&[("G", group(0, &[]))])).await;
    apply(&mut cache, first_plan(&["d"], &[])).await;
    cache.invalidate_collection("default").await.unwrap();
    let held = take();
    let purposes: Vec<Purpose> = held.iter().map(|hold| hold.purpose).collect();
    assert_eq!(purposes, [Purpose::Groups, Purpose::Artifacts, Purpose::Invalidation]);
    assert!(held.iter().all(|hold| hold.time > Duration::ZERO));
    // One that writes nothing has held the lock as well; one that never got it has not.
    let owned = load(&mut cache, &[]).await;
    let peer = home.peer();
    peer.execute_batch("UPDATE tags SET color = '#aabbcc'").unwrap();
    let edits = only("default", create(&[("H", group(0, &[]))]));
    assert!(!cache.write_owned(&owned, &edits, noon()).await.unwrap());
    assert_eq!(take().len(), 1);
    let mut cache = cache.with_patience(Duration::from_millis(5));
    peer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(cache.write_owned(&owned, &edits, noon()).await, Err(DbError::Busy)));
    assert_eq!(take(), []);
}
