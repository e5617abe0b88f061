use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use chrono::{NaiveDate, NaiveDateTime};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::*;
use crate::domain::model::{ArtifactId, Kind, Metadata};

fn noon() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(12, 0, 0).unwrap()
}

pub(super) async fn open(dir: &TempDir) -> State {
    let opened = State::open(dir.path(), noon()).await.unwrap();
    assert_eq!(opened.moved_aside, None);
    opened.state
}

pub(super) async fn reopen(dir: &TempDir, state: State) -> State {
    state.close().await.unwrap();
    open(dir).await
}

fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

fn ids(names: &[&str]) -> BTreeSet<ArtifactId> {
    names.iter().map(|name| id(name)).collect()
}

async fn scans<P: DeserializeOwned>(state: &State) -> BTreeMap<ScanKey, P> {
    let mut scans = BTreeMap::new();
    state.scans(|key, payload| assert!(scans.insert(key, payload).is_none())).await.unwrap();
    scans
}

async fn bases<P: DeserializeOwned>(state: &State) -> BTreeMap<(String, ArtifactId), P> {
    let mut bases = BTreeMap::new();
    state
        .bases(|collection, id, payload| assert!(bases.insert((collection, id), payload).is_none()))
        .await
        .unwrap();
    bases
}

#[tokio::test]
async fn many_rows_come_and_go_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    for count in [200, 401] {
        let name = |n: usize| format!("{n:03}");
        let key = |n: usize| ScanKey { collection: "c".into(), kind: Kind::Skill, path: name(n) };
        let all: BTreeMap<_, _> = (0..count).map(|n| (key(n), Some(n))).collect();
        state.save_scans(&all).await.unwrap();
        assert_eq!(
            scans::<usize>(&state).await.into_values().collect::<Vec<_>>(),
            (0..count).collect::<Vec<_>>()
        );
        let all: BTreeMap<_, _> = (0..count).map(|n| (("c".to_owned(), id(&name(n))), Some(n))).collect();
        state.save_bases(&all).await.unwrap();
        assert_eq!(
            bases::<usize>(&state).await.into_values().collect::<Vec<_>>(),
            (0..count).collect::<Vec<_>>()
        );
        assert_eq!(state.base("c", &id("007")).await.unwrap(), Some(7));
        assert_eq!(state.base::<usize>("c", &id("none")).await.unwrap(), None);
        // Every other one goes, the others change.
        let half: BTreeMap<_, _> = (0..count).map(|n| (key(n), (n % 2 == 0).then_some(n + 1))).collect();
        state.save_scans(&half).await.unwrap();
        let left: Vec<usize> = (0..count).step_by(2).map(|n| n + 1).collect();
        assert_eq!(scans::<usize>(&state).await.into_values().collect::<Vec<_>>(), left);
    }
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), b"").unwrap();
    fs::set_permissions(dir.path().join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let state = open(&dir).await;
    state.save_value("k", Some(&1)).await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 2, "the write-ahead log is looked at too");
}

#[tokio::test]
async fn everything_is_there_again_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let scan = |path: &str| ScanKey { collection: "default".into(), kind: Kind::Skill, path: path.into() };
    let meta =
        Metadata { description: Some("d \u{0} ünï".into()), tags: vec!["t".into()], ..Metadata::default() };
    state.save_scans(&BTreeMap::from([(scan("a"), Some(&meta)), (scan("b"), Some(&meta))])).await.unwrap();
    let base = |name: &str| ("default".to_owned(), id(name));
    state.save_bases(&BTreeMap::from([(base("a"), Some(&meta)), (base("b:c"), Some(&meta))])).await.unwrap();
    state.save_seen("default", Some(&ids(&["a", "b"])), 1).await.unwrap();
    state.save_seen("empty", Some(&ids(&[])), 1).await.unwrap();
    state.save_confirmed("default", Some(&ids(&["gone"])), 1).await.unwrap();
    state.save_value("k", Some(&vec![1, 2])).await.unwrap();

    let state = reopen(&dir, state).await;
    assert_eq!(scans(&state).await, BTreeMap::from([(scan("a"), meta.clone()), (scan("b"), meta.clone())]));
    assert_eq!(bases(&state).await, BTreeMap::from([(base("a"), meta.clone()), (base("b:c"), meta.clone())]));
    assert_eq!(
        state.seen().await.unwrap(),
        BTreeMap::from([("default".to_owned(), ids(&["a", "b"])), ("empty".to_owned(), ids(&[]))])
    );
    assert_eq!(state.confirmed().await.unwrap(), BTreeMap::from([("default".to_owned(), ids(&["gone"]))]));
    assert_eq!(state.value("k").await.unwrap(), Some(vec![1, 2]));

    let other = Metadata { author: Some("x".into()), ..Metadata::default() };
    state.save_scans(&BTreeMap::from([(scan("a"), None), (scan("b"), Some(&other))])).await.unwrap();
    state
        .save_bases(&BTreeMap::from([(base("a"), None::<Metadata>), (base("b:c"), Some(other.clone()))]))
        .await
        .unwrap();
    state.save_seen("default", Some(&ids(&["b", "c"])), 2).await.unwrap();
    state.save_seen("empty", None, 2).await.unwrap();
    state.save_confirmed("default", None, 2).await.unwrap();
    state.save_value("k", None::<&u8>).await.unwrap();

    let state = reopen(&dir, state).await;
    assert_eq!(scans(&state).await, BTreeMap::from([(scan("b"), other.clone())]));
    assert_eq!(bases(&state).await, BTreeMap::from([(base("b:c"), other)]));
    assert_eq!(state.seen().await.unwrap(), BTreeMap::from([("default".to_owned(), ids(&["b", "c"]))]));
    assert_eq!(state.confirmed().await.unwrap(), BTreeMap::new());
    assert_eq!(state.value::<u8>("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_payload_of_another_shape_counts_as_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let key = ("default".to_owned(), id("a"));
    state.save_bases(&BTreeMap::from([(key.clone(), Some("text"))])).await.unwrap();
    assert_eq!(bases::<Metadata>(&state).await, BTreeMap::new());
    assert_eq!(bases::<String>(&state).await, BTreeMap::from([(key, "text".to_owned())]));
}

#[tokio::test]
async fn the_last_fifty_texts_of_each_collection_are_kept_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    // `printf 0 | sha256sum`
    let zero = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";
    assert_eq!(state.keep_manifest("default", b"0", 0).await.unwrap(), zero);
    assert_eq!(state.keep_manifest("other", b"0", 0).await.unwrap(), zero);
    for n in 1..60 {
        state.keep_manifest("default", n.to_string().as_bytes(), n).await.unwrap();
    }
    let kept = state.kept_manifests(Some("default")).await.unwrap();
    assert_eq!(kept.len(), KEPT_PER_COLLECTION);
    assert_eq!((kept[0].written_at_ms, kept[49].written_at_ms, kept[0].bytes), (59, 10, 2));
    assert_eq!(state.kept_manifest("default", zero).await.unwrap(), None);
    assert_eq!(state.kept_manifest("other", zero).await.unwrap().as_deref(), Some(&b"0"[..]));
    // A text that comes back moves to the front; the clock has nothing to say.
    let again = state.keep_manifest("default", b"11", 5).await.unwrap();
    let kept = state.kept_manifests(None).await.unwrap();
    assert_eq!(kept.len(), KEPT_PER_COLLECTION + 1);
    assert_eq!((kept[0].sha256.as_str(), kept[0].written_at_ms), (again.as_str(), 5));
    assert_eq!(kept.iter().filter(|k| k.sha256 == again).count(), 1);
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_with_its_bytes_and_a_new_one_made() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let many: BTreeMap<_, _> =
        (0..500).map(|n| (("default".to_owned(), id(&n.to_string())), Some("x"))).collect();
    state.save_bases(&many).await.unwrap();
    state.close().await.unwrap();
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    // The header stays intact: damage that only reading the pages shows.
    let page = bytes.len() - 4096;
    bytes[page..].fill(0xff);
    for damaged in [bytes, b"not a database, and long enough to be taken for one: ".repeat(40)] {
        fs::write(&path, &damaged).unwrap();
        let opened = State::open(dir.path(), noon()).await.unwrap();
        let aside = opened.moved_aside.expect("the damage was not noticed");
        assert!(
            aside
                .path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("state.db.damaged-20261121T120000Z")
        );
        assert_eq!(fs::read(&aside.path).unwrap(), damaged);
        assert_eq!(bases::<String>(&opened.state).await, BTreeMap::new());
        opened.state.close().await.unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "two were moved aside, under two names");
}

#[tokio::test]
async fn a_file_of_a_later_version_is_kept_and_not_used() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).await.close().await.unwrap();
    rusqlite::Connection::open(dir.path().join(FILE))
        .unwrap()
        .execute(
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_later', 1)",
            [],
        )
        .unwrap();
    let opened = State::open(dir.path(), noon()).await.unwrap();
    assert!(opened.moved_aside.unwrap().reason.contains("m29991231_000001_later"));
}

#[tokio::test]
async fn a_directory_that_is_missing_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let error = State::open(&dir.path().join("no"), noon()).await.unwrap_err();
    assert!(matches!(&error, StateError::File { path, .. } if path.ends_with("no/state.db")), "{error:?}");
}
