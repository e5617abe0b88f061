use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::compact::PackedEntry;
use crate::domain::model::{Collection, Doubt, Entry, Kind, Metadata, Origin};
use crate::domain::removal::HaltReason;
use crate::domain::rows::{DbArtifact, DbCollection, DbRow};

fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

pub(in crate::domain) fn artifact(name: &str, tags: &[&str]) -> Artifact {
    let metadata = Metadata {
        description: Some(format!("does {name}")),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        ..Metadata::default()
    };
    Artifact {
        entry: Arc::new(PackedEntry::new(&Entry {
            id: id(name),
            path: format!("skills/{name}"),
            origin: Origin::Local,
            origin_source: None,
            upstream: None,
            resolved_sha: None,
            resolved_version: None,
            metadata,
        })),
        fingerprint: None,
    }
}

fn edit(artifact: &mut Artifact, change: impl FnOnce(&mut Metadata)) {
    let mut entry = artifact.entry.unpack();
    change(&mut entry.metadata);
    artifact.entry = Arc::new(PackedEntry::new(&entry));
}

fn collection(artifacts: impl IntoIterator<Item = Artifact>) -> Collection {
    Collection {
        artifacts: artifacts.into_iter().map(|a| (a.entry.id(), a)).collect(),
        ..Collection::default()
    }
}

fn desired(collections: impl IntoIterator<Item = (&'static str, Collection)>) -> Desired {
    Desired {
        active: "default".into(),
        collections: collections.into_iter().map(|(d, c)| (d.to_owned(), c)).collect(),
    }
}

/// What the writer does, on values.
fn apply(actual: &Actual, plan: &Plan) -> Actual {
    let mut after = actual.clone();
    after.sentinel |= plan.sentinel;
    if plan.default_collection {
        after.collections.insert(
            DEFAULT_COLLECTION.into(),
            DbCollection {
                id: DEFAULT_COLLECTION.into(),
                name: "Default Collection".into(),
                ..DbCollection::default()
            },
        );
    }
    for new in &plan.new_artifacts {
        after
            .artifacts
            .entry(new.id.clone())
            .or_insert_with(|| DbArtifact { uuid: format!("uuid of {}", new.id), mirrors_files: true });
    }
    for new in &plan.new_tags {
        after.tags.push(DbTag {
            id: format!("id of {}", new.slug),
            name: new.name.clone(),
            slug: new.slug.clone(),
        });
    }
    for step in &plan.upserts {
        assert!(after.artifacts.contains_key(&step.artifact), "{} has no artifacts row", step.artifact);
        after.memberships.entry(step.collection.clone()).or_default().insert(
            step.artifact.clone(),
            DbRow { row: step.row.clone(), sound: true, synced: true, stale: false },
        );
    }
    for step in &plan.verified {
        let row = after.memberships.get_mut(&step.collection).unwrap().get_mut(&step.artifact).unwrap();
        assert!(std::mem::replace(&mut row.stale, false), "{step:?} is not stale");
    }
    for step in &plan.removals {
        after.memberships.get_mut(&step.collection).unwrap().remove(&step.artifact).unwrap();
    }
    let tag_id = |slug: &str| after.tags.iter().find(|t| t.slug == slug).map(|t| t.id.clone()).unwrap();
    for step in &plan.tag {
        let fresh = after.artifact_tags.entry(step.artifact.clone()).or_default().insert(tag_id(&step.slug));
        assert!(fresh, "{step:?} is there already");
    }
    for step in &plan.untag {
        assert!(after.artifact_tags.get_mut(&step.artifact).unwrap().remove(&tag_id(&step.slug)));
    }
    after.totals = after.memberships.iter().map(|(c, rows)| (c.clone(), rows.len())).collect();
    after
}

fn members(actual: &Actual, collection: &str) -> Vec<String> {
    actual.memberships.get(collection).into_iter().flatten().map(|(id, _)| id.name.to_string()).collect()
}

fn settle(desired: &Desired, actual: &Actual, memory: &Memory) -> Actual {
    let after = apply(actual, &plan(desired, actual, &Scope::All, memory).plan);
    let again = plan(desired, &after, &Scope::All, memory).plan;
    assert!(again.is_empty(), "a second plan is not empty: {again:?}");
    after
}

fn due(names: &[&str]) -> Memory {
    Memory { due: names.iter().map(|n| id(n)).collect(), ..Memory::default() }
}

#[test]
fn an_empty_cache_gets_everything_and_then_nothing() {
    let desired = desired([("default", collection([artifact("a", &["x", "y"]), artifact("b", &["x"])]))]);
    let after = settle(&desired, &Actual::default(), &Memory::default());
    assert!(after.sentinel);
    assert_eq!(members(&after, "default"), ["a", "b"]);
    assert_eq!(after.tags.len(), 2);
    assert_eq!(after.memberships["default"][&id("a")].row.unpack().source.as_deref(), Some("local"));
}

#[test]
fn a_row_that_was_never_synced_or_not_sound_is_written_again() {
    let desired = desired([("default", collection([artifact("a", &[])]))]);
    let good = settle(&desired, &Actual::default(), &Memory::default());
    for spoil in [
        |row: &mut DbRow| row.synced = false,
        |row: &mut DbRow| row.sound = false,
        |row: &mut DbRow| {
            row.row.change(|row| row.source = None);
        },
    ] {
        let mut actual = good.clone();
        spoil(actual.memberships.get_mut("default").unwrap().get_mut(&id("a")).unwrap());
        assert_eq!(plan(&desired, &actual, &Scope::All, &Memory::default()).plan.upserts.len(), 1);
    }
}

#[test]
fn tags_follow_the_file_down_to_none() {
    let with = desired([("default", collection([artifact("a", &["x", "y"])]))]);
    let without = desired([("default", collection([artifact("a", &[])]))]);
    let after = settle(&with, &Actual::default(), &Memory::default());
    assert_eq!(after.artifact_tags[&id("a")].len(), 2);
    let after = settle(&without, &after, &Memory::default());
    assert!(after.artifact_tags[&id("a")].is_empty());
    assert_eq!(after.tags.len(), 2, "tag rows stay: colours hang on them");
}

#[test]
fn a_tag_with_a_slug_of_its_own_is_found_by_name() {
    let desired = desired([("default", collection([artifact("a", &["Machine Learning"])]))]);
    let custom = DbTag { id: "t".into(), name: "Machine Learning".into(), slug: "ml-custom".into() };
    let actual = Actual { tags: vec![custom], ..Actual::default() };
    let after = settle(&desired, &actual, &Memory::default());
    assert_eq!(after.tags.len(), 1);
    assert_eq!(after.artifact_tags[&id("a")], BTreeSet::from(["t".to_owned()]));
}

/// The database after somebody has put `names` into both places on the web page.
fn assign(actual: &Actual, artifact: &str, names: &[&str]) -> Actual {
    let mut after = actual.clone();
    let mut ids = BTreeSet::new();
    for name in names {
        let slug = tags::slug(name);
        if !after.tags.iter().any(|tag| tag.slug == slug) {
            after.tags.push(DbTag { id: format!("id of {slug}"), name: (*name).into(), slug: slug.clone() });
        }
        ids.insert(after.tags.iter().find(|tag| tag.slug == slug).unwrap().id.clone());
    }
    after.artifact_tags.insert(id(artifact), ids);
    for rows in after.memberships.values_mut() {
        if let Some(row) = rows.get_mut(&id(artifact)) {
            row.row.change(|row| row.tags = names.iter().map(|name| (*name).to_owned()).collect());
        }
    }
    after
}

fn agreed(tags_of: &[(&str, &[&str])]) -> Memory {
    let digest =
        |names: &[&str]| tags::digest(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let agreed = tags_of.iter().map(|(artifact, names)| (id(artifact), digest(names))).collect();
    Memory { agreed_tags: Arc::new(agreed), ..Memory::default() }
}

#[test]
fn tags_that_were_assigned_on_the_web_are_left_alone_until_they_are_in_the_file() {
    let desired = desired([
        ("default", collection([artifact("a", &["x"]), artifact("b", &["x"])])),
        ("work", collection([artifact("a", &["other"])])),
    ]);
    let work = DbCollection { id: "work".into(), name: "work".into(), ..DbCollection::default() };
    let actual = Actual { collections: BTreeMap::from([(work.id.clone(), work)]), ..Actual::default() };
    let memory = agreed(&[("a", &["x"]), ("b", &["x"])]);
    let before = settle(&desired, &actual, &memory);

    for names in [&["x", "y"][..], &["y"], &[]] {
        let mut changed = assign(&before, "a", names);
        // Everything else of the row is mirrored as ever.
        let row = changed.memberships.get_mut("default").unwrap().get_mut(&id("a")).unwrap();
        row.row.change(|row| row.author = Some("?".into()));
        let decision = plan(&desired, &changed, &Scope::All, &memory);
        assert_eq!(decision.tags_waiting, BTreeSet::from([id("a")]), "{names:?}");
        let after = apply(&changed, &decision.plan);
        assert_eq!(after, assign(&before, "a", names), "{names:?}");
        // It has been carried, or is not worth it: the file stands.
        let settled = settle(&desired, &changed, &agreed(&[("b", &["x"])]));
        assert_eq!(
            (&settled.memberships, &settled.artifact_tags),
            (&before.memberships, &before.artifact_tags)
        );
    }
}

#[test]
fn tags_that_were_changed_in_the_file_wait_for_nothing_and_in_one_table_alone_for_the_other() {
    let old = desired([("default", collection([artifact("a", &["x"])]))]);
    let new = desired([("default", collection([artifact("a", &["Y", "z"])]))]);
    let memory = agreed(&[("a", &["x"])]);
    let before = settle(&old, &Actual::default(), &memory);
    let after = settle(&new, &before, &memory);
    assert_eq!(after.artifact_tags[&id("a")].len(), 2);

    let web = assign(&before, "a", &["x", "y"]);
    let mut json_alone = before.clone();
    json_alone.memberships.clone_from(&web.memberships);
    let mut rows_alone = web;
    rows_alone.memberships.clone_from(&before.memberships);
    for changed in [json_alone, rows_alone] {
        // It may be half a change: the neighbour's second commit is to find its first.
        let decision = plan(&old, &changed, &Scope::All, &memory);
        assert!(decision.tags_waiting.is_empty() && decision.plan.is_empty(), "{decision:?}");
        assert_eq!(decision.halves.keys().collect::<Vec<_>>(), [&id("a")]);
        // Nobody has completed it.
        let left = Memory { left_halves: decision.halves, ..memory.clone() };
        let settled = settle(&old, &changed, &left);
        // A half of another change, and a file that has changed as well.
        let other = Memory { left_halves: Halves::from([(id("a"), 1)]), ..memory.clone() };
        assert!(plan(&old, &changed, &Scope::All, &other).plan.is_empty());
        assert!(plan(&new, &changed, &Scope::All, &memory).halves.is_empty());
        assert_eq!(
            (&settled.memberships, &settled.artifact_tags),
            (&before.memberships, &before.artifact_tags)
        );
    }
}

#[test]
fn the_active_collection_wins_an_id_that_two_directories_name() {
    let mut mine = artifact("a", &[]);
    edit(&mut mine, |metadata| metadata.description = Some("active".into()));
    let mut desired = desired([("alpha", collection([artifact("a", &[])])), ("work", collection([mine]))]);
    desired.active = "work".into();
    let decision = plan(&desired, &Actual::default(), &Scope::All, &Memory::default());
    assert_eq!(decision.plan.upserts[0].row.unpack().description.as_deref(), Some("active"));
    assert_eq!(decision.problems.len(), 1);
    assert!(decision.problems[0].message.contains("skill:a"));
}

#[test]
fn a_mapped_collection_gets_its_directorys_rows_as_well() {
    let desired = desired([
        ("default", collection([artifact("a", &[])])),
        ("work", collection([artifact("a", &[]), artifact("w", &[])])),
    ]);
    let work = DbCollection { id: "0123".into(), name: "work".into(), ..DbCollection::default() };
    let actual = Actual { collections: BTreeMap::from([(work.id.clone(), work)]), ..Actual::default() };
    let after = settle(&desired, &actual, &Memory::default());
    assert_eq!(members(&after, "default"), ["a", "w"]);
    assert_eq!(members(&after, "0123"), ["a", "w"]);
}

#[test]
fn an_absence_is_noticed_at_once_and_removed_when_due() {
    let full = desired([("default", collection([artifact("a", &["x"]), artifact("b", &[])]))]);
    let less = desired([("default", collection([artifact("b", &[])]))]);
    let before = settle(&full, &Actual::default(), &Memory::default());
    let decision = plan(&less, &before, &Scope::All, &Memory::default());
    assert_eq!(decision.absent, BTreeSet::from([id("a")]));
    assert!(decision.plan.is_empty());

    let after = settle(&less, &before, &due(&["a"]));
    assert_eq!(members(&after, "default"), ["b"]);
    assert!(after.artifacts.contains_key(&id("a")), "the artifacts row carries the uuid and stays");
    assert!(!after.artifact_tags[&id("a")].is_empty(), "so do its tags, for when it comes back");
}

#[test]
fn rows_that_live_in_the_database_alone_are_left_alone() {
    let desired = desired([("default", collection([]))]);
    let actual = Actual {
        artifacts: BTreeMap::from([(id("web"), DbArtifact { uuid: "u".into(), mirrors_files: false })]),
        memberships: BTreeMap::from([("default".into(), BTreeMap::from([(id("web"), DbRow::default())]))]),
        ..Actual::default()
    };
    let decision = plan(&desired, &actual, &Scope::All, &due(&["web"]));
    assert!(decision.absent.is_empty());
    assert!(decision.plan.removals.is_empty());
}

#[test]
fn a_row_in_an_unmapped_collection_is_a_persons_and_stays() {
    let full = desired([("default", collection([artifact("a", &[])]))]);
    let mut before = settle(&full, &Actual::default(), &Memory::default());
    let row = before.memberships["default"][&id("a")].clone();
    before
        .collections
        .insert("mine".into(), DbCollection { id: "mine".into(), name: "Mine".into(), ..Default::default() });
    before.memberships.insert("mine".into(), BTreeMap::from([(id("a"), row)]));
    let after = settle(&desired([("default", collection([]))]), &before, &due(&["a"]));
    assert_eq!(members(&after, "default"), [] as [&str; 0]);
    assert_eq!(members(&after, "mine"), ["a"]);
}

#[test]
fn a_scope_limits_what_is_planned() {
    let desired = desired([("default", collection([artifact("a", &[]), artifact("b", &[])]))]);
    let scope = Scope::Artifacts(BTreeSet::from([id("b")]));
    let decision = plan(&desired, &Actual::default(), &scope, &Memory::default());
    assert_eq!(decision.plan.upserts.len(), 1);
    assert_eq!(decision.plan.upserts[0].artifact, id("b"));
}

#[test]
fn a_doubtful_manifest_removes_nothing_even_when_it_was_never_seen() {
    let full = desired([("default", collection([artifact("a", &[])]))]);
    let before = settle(&full, &Actual::default(), &Memory::default());
    for doubt in [Doubt::Missing, Doubt::Empty, Doubt::Unreadable, Doubt::Unnamed] {
        let broken = Collection { doubt: Some(doubt), ..Collection::default() };
        let decision = plan(&desired([("default", broken)]), &before, &Scope::All, &due(&["a"]));
        assert!(decision.plan.is_empty(), "{doubt:?}");
        assert!(decision.absent.is_empty(), "{doubt:?}");
    }
}

#[test]
fn a_mass_removal_halts_and_the_rest_goes_on() {
    let names: Vec<String> = (0..30).map(|n| format!("s{n:02}")).collect();
    let full = desired([("default", collection(names.iter().map(|n| artifact(n, &[]))))]);
    let before = settle(&full, &Actual::default(), &Memory::default());
    let mut changed = artifact("s29", &[]);
    edit(&mut changed, |metadata| metadata.author = Some("new".into()));
    let less = desired([("default", collection([changed]))]);
    let memory = Memory { due: names.iter().map(|n| id(n)).collect(), ..Memory::default() };
    let decision = plan(&less, &before, &Scope::All, &memory);
    assert!(decision.plan.removals.is_empty());
    assert_eq!(decision.plan.upserts.len(), 1, "updates are not held up");
    assert_eq!(decision.halts.len(), 1);
    assert_eq!(decision.halts[0].reason, HaltReason::Mass { of: 30 });
    assert_eq!(decision.halts[0].artifacts.len(), 29);

    let confirmed = BTreeMap::from([("default".to_owned(), decision.halts[0].artifacts.clone())]);
    let after = settle(&less, &before, &Memory { confirmed, ..Memory::default() });
    assert_eq!(members(&after, "default"), ["s29"]);
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let names = prop::collection::btree_map(
        prop::sample::select(vec!["a", "b", "c", "d", "e"]),
        prop::collection::vec(prop::sample::select(vec!["x", "X", "y", "日本", "z z"]), 0..3),
        0..5,
    );
    let one = names.prop_map(|names| collection(names.iter().map(|(name, tags)| artifact(name, tags))));
    let directories =
        prop::collection::btree_map(prop::sample::select(vec!["default", "work", "zeta"]), one, 1..4);
    (directories, prop::sample::select(vec!["default", "work"])).prop_map(|(directories, active)| Desired {
        active: active.to_owned(),
        collections: directories.into_iter().map(|(d, c)| (d.to_owned(), c)).collect(),
    })
}

proptest! {
    /// From any state reached through files, any other state of the files is reached in one step and then kept.
    #[test]
    fn planning_terminates_and_converges(first in any_desired(), second in any_desired()) {
        let all_due = due(&["a", "b", "c", "d", "e"]);
        let work = DbCollection { id: "work".into(), name: "w".into(), ..DbCollection::default() };
        let start = Actual { collections: BTreeMap::from([("work".to_owned(), work)]), ..Actual::default() };
        let between = settle(&first, &start, &all_due);
        let after = settle(&second, &between, &all_due);
        let named: BTreeSet<String> =
            second.collections.values().flat_map(|c| c.artifacts.keys()).map(|id| id.name.to_string()).collect();
        prop_assert_eq!(members(&after, "default").into_iter().collect::<BTreeSet<_>>(), named);
    }

    /// Planning artifact by artifact leads to the same rows as planning all at once.
    #[test]
    fn scopes_commute_with_the_whole(desired in any_desired()) {
        let whole = settle(&desired, &Actual::default(), &Memory::default());
        let mut stepwise = Actual::default();
        for name in ["e", "c", "a", "d", "b"] {
            let scope = Scope::Artifacts(BTreeSet::from([id(name)]));
            stepwise = apply(&stepwise, &plan(&desired, &stepwise, &scope, &Memory::default()).plan);
        }
        prop_assert_eq!(&stepwise.memberships.get("default"), &whole.memberships.get("default"));
        let nothing_left = plan(&desired, &stepwise, &Scope::All, &Memory::default()).plan;
        prop_assert!(nothing_left.is_empty());
    }
}

#[test]
fn a_stale_row_is_stamped_if_it_is_right_and_rewritten_if_it_is_not() {
    let desired = desired([("default", collection([artifact("a", &[]), artifact("b", &[])]))]);
    let mut actual = settle(&desired, &Actual::default(), &Memory::default());
    for (name, row) in ["a", "b"].into_iter().zip(actual.memberships.get_mut("default").unwrap().values_mut())
    {
        row.stale = true;
        row.row.change(|row| row.author = (name == "b").then(|| "somebody".to_owned()));
    }
    let made = plan(&desired, &actual, &Scope::All, &Memory::default()).plan;
    let verified = Verified { collection: "default".into(), artifact: id("a") };
    assert_eq!((made.rows(), made.upserts.len(), made.verified.as_slice()), (2, 1, [verified].as_slice()));
    settle(&desired, &actual, &Memory::default());
}
