//! The same files given to SkillMeat's own population and to ours: equal rows, column by column, except where ours
//! are better on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::api::Api;
use super::cache::{self, Row};
use super::judge;
use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::daemon::call;
use crate::generate::{Mix, Recipe, generate};
use crate::home::Home;

/// Columns in which our rows say more than SkillMeat's population at start leaves there. Each one is a hole that its
/// own other paths fill, or that costs it a look-up per row.
const HOLES: [(&str, &str, &str); 8] = [
    ("collection_artifacts", "synced_at", "left NULL, which keeps the list page from using the row at all"),
    (
        "collection_artifacts",
        "source",
        "left NULL for local artifacts: one manifest look-up per row and page",
    ),
    ("collection_artifacts", "version", "not written at start, though its refresh does"),
    ("collection_artifacts", "origin_source", "not written at start, though its refresh does"),
    ("collection_artifacts", "artifact_content_hash", "never computed for lack of a path"),
    ("collection_artifacts", "artifact_structure_hash", "never computed for lack of a path"),
    ("collection_artifacts", "artifact_file_count", "never computed for lack of a path"),
    ("collection_artifacts", "artifact_total_size", "never computed for lack of a path"),
];

/// The tables that SkillMeat's population writes.
const TABLES: [&str; 6] =
    ["projects", "artifacts", "collections", "collection_artifacts", "tags", "artifact_tags"];

/// Reads and rewrites a manifest and a lock file with SkillMeat's own code, then prints what it computes for each entry.
const JUDGE: &str = r#"
import json, sys
from pathlib import Path
from skillmeat.api.services.artifact_cache_service import compute_artifact_fingerprints
from skillmeat.storage.lockfile import LockManager
from skillmeat.storage.manifest import ManifestManager
from skillmeat.utils.filesystem import compute_content_hash

root = Path(sys.argv[1])
manifest = ManifestManager()
collection = manifest.read(root)
manifest.write(root, collection)
entries = LockManager().read(root)
answer = {}
for artifact in collection.artifacts:
    kind = artifact.type.value
    path = root / artifact.path
    answer[f"{kind}:{artifact.name}"] = {
        "fingerprints": compute_artifact_fingerprints(path),
        "lock": entries[(artifact.name, kind)].content_hash == compute_content_hash(path),
    }
print(json.dumps(answer))
"#;

fn seeds() -> impl Iterator<Item = Recipe<'static>> {
    (1..=3).map(|seed| Recipe { collection: "default", artifacts: 64, seed, mix: Mix::Everything })
}

/// The generator writes what SkillMeat would: its own reader and writer give the same text back, and its own hashes
/// are those of the generated lock file.
#[test]
fn generated_collections_are_in_skillmeats_own_format() {
    let _seat = Seat::take();
    for recipe in seeds() {
        let home = Home::new();
        let ids: BTreeSet<String> = generate(&home.skillmeat(), recipe).into_iter().collect();
        let written = fs::read_to_string(home.manifest("default")).expect("our manifest");
        let answer = ask(&home);
        let rewritten = fs::read_to_string(home.manifest("default")).expect("SkillMeat's manifest");
        let stamp = |line: &&str| !line.starts_with("updated = ");
        for (ours, theirs) in written.lines().filter(stamp).zip(rewritten.lines().filter(stamp)) {
            assert_eq!(ours, theirs, "seed {}", recipe.seed);
        }
        assert_eq!(written.lines().count(), rewritten.lines().count(), "seed {}", recipe.seed);
        assert_eq!(answer.keys().cloned().collect::<BTreeSet<_>>(), ids);
        let wrong: Vec<_> = answer.iter().filter(|(_, said)| said["lock"] != true).collect();
        assert!(wrong.is_empty(), "seed {}: {wrong:?}", recipe.seed);
    }
}

/// One home, twice: `skillmeatd sync --once` on a cache SkillMeat made, and SkillMeat's own population at start.
#[test]
fn our_rows_equal_skillmeats_own() {
    let _seat = Seat::take();
    let mut used = BTreeSet::new();
    let mut differences = String::new();
    for recipe in seeds() {
        let ours = Arc::new(Home::new());
        generate(&ours.skillmeat(), recipe);
        SkillMeat::new(&ours).make_cache();
        let theirs = Arc::new(ours.duplicate());

        call(&ours, &["sync", "--once"]).succeeded();
        drop(Api::start(&theirs));

        let (mine, other) = (Tables::read(&ours), Tables::read(&theirs));
        let mut scope = String::new();
        mine.compare(&other, &mut used, &mut scope);
        if !scope.is_empty() {
            let _ = writeln!(differences, "seed {}:\n{scope}", recipe.seed);
        }
        // What fills the holes is right, too.
        let found = judge::rows(&ours).expect("our rows");
        if let Err(wrong) = judge::compare(&judge::expected_rows(&ours), &found) {
            let _ = writeln!(differences, "seed {}, against the manifest:\n{wrong}", recipe.seed);
        }
        let rows = cache::open(&ours.cache_db()).and_then(|c| cache::members(&c)).expect("our rows");
        for (id, said) in ask(&ours) {
            let row = &rows[&id];
            let columns = ["content_hash", "structure_hash", "file_count", "total_size"];
            let ours = json!(columns.map(|column| &row[&format!("artifact_{column}")]));
            if ours != said["fingerprints"] {
                let _ =
                    writeln!(differences, "{id}: fingerprints {ours}, SkillMeat: {}", said["fingerprints"]);
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
    let unused: Vec<_> =
        HOLES.iter().filter(|(table, column, _)| !used.contains(&(*table, *column))).collect();
    assert!(unused.is_empty(), "no longer holes: {unused:?}");
}

/// A second `sync --once` on a database that is right writes nothing.
#[test]
fn a_second_reconcile_writes_nothing() {
    let _seat = Seat::take();
    let home = Home::new();
    generate(
        &home.skillmeat(),
        Recipe { collection: "default", artifacts: 64, seed: 9, mix: Mix::Everything },
    );
    SkillMeat::new(&home).make_cache();
    call(&home, &["sync", "--once"]).succeeded();
    let watch = cache::open(&home.cache_db()).expect("the cache");
    let version = || -> i64 {
        watch.query_row("PRAGMA data_version", [], |row| row.get(0)).expect("the database's version")
    };
    let before = version();
    call(&home, &["sync", "--once"]).succeeded();
    assert_eq!(version(), before, "a reconcile with nothing to do has committed something");
}

/// What SkillMeat's own code says of each entry of the default collection.
fn ask(home: &Home) -> BTreeMap<String, Value> {
    let root = home.collection("default");
    let answer = SkillMeat::new(home).python(JUDGE, &[root.to_str().expect("a path in UTF-8")]);
    serde_json::from_str(&answer).expect("JSON from the judge")
}

/// The compared tables, each row under the names of what it is about instead of random identifiers.
struct Tables(BTreeMap<&'static str, BTreeMap<String, Row>>);

impl Tables {
    fn read(home: &Home) -> Self {
        let connection = cache::open(&home.cache_db()).expect("the cache");
        let names = |sql| names(&connection, sql);
        let artifacts = names("SELECT uuid AS key, id AS name FROM artifacts");
        let tags = names("SELECT id AS key, slug AS name FROM tags");
        let place = home.path().to_str().expect("a path in UTF-8");
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let mut rows = BTreeMap::new();
            for row in cache::rows(&connection, &format!("SELECT * FROM {table}")).expect("the rows") {
                let row = normal(table, row, &artifacts, &tags, place);
                let part = |column| row.get(column).and_then(Value::as_str).unwrap_or_default();
                let key = match table {
                    "collection_artifacts" => format!("{}/{}", part("collection_id"), part("artifact_uuid")),
                    "artifact_tags" => format!("{}/{}", part("artifact_uuid"), part("tag_id")),
                    _ => part("id").to_owned(),
                };
                assert!(rows.insert(key.clone(), row).is_none(), "{table} has {key} twice");
            }
            tables.insert(table, rows);
        }
        Self(tables)
    }

    /// Writes every difference to `out`, and every hole that was one to `used`.
    fn compare(&self, other: &Self, used: &mut BTreeSet<(&'static str, &'static str)>, out: &mut String) {
        for table in TABLES {
            let (mine, theirs) = (&self.0[table], &other.0[table]);
            for key in mine.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
                let (Some(mine), Some(theirs)) = (mine.get(key), theirs.get(key)) else {
                    let whose = if mine.contains_key(key) { "ours" } else { "SkillMeat's" };
                    let _ = writeln!(out, "{table} {key}: only in {whose}");
                    continue;
                };
                for (column, value) in mine {
                    if *value == theirs[column] {
                        continue;
                    }
                    let hole = HOLES.iter().find(|(t, c, _)| *t == table && c == column);
                    // A hole is one only where SkillMeat left nothing.
                    match hole {
                        Some((table, column, _)) if theirs[*column].is_null() || theirs[*column] == 0 => {
                            used.insert((*table, *column));
                        }
                        _ => {
                            let theirs = &theirs[column];
                            let _ = writeln!(out, "{table}.{column} of {key}: {value}, SkillMeat: {theirs}");
                        }
                    }
                }
            }
        }
    }
}

fn names(connection: &Connection, sql: &str) -> BTreeMap<String, String> {
    let text = |row: &Row, column: &str| row[column].as_str().expect("a text").to_owned();
    let rows = cache::rows(connection, sql).expect("the rows");
    rows.iter().map(|row| (text(row, "key"), text(row, "name"))).collect()
}

/// The row without what is random, late or local: identifiers become names, times become their form, the home `~`.
fn normal(
    table: &str,
    mut row: Row,
    artifacts: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
    place: &str,
) -> Row {
    for (column, value) in &mut row {
        let Some(text) = value.as_str() else { continue };
        let column = column.as_str();
        *value = json!(match (table, column) {
            ("collection_artifacts" | "artifact_tags", "artifact_uuid") => artifacts[text].clone(),
            ("artifact_tags", "tag_id") | ("tags", "id") => tags[text].clone(),
            ("artifacts", "uuid") => form(text),
            (_, column) if column.ends_with("_at") => form(text),
            ("projects", "path") => text.replace(place, "~"),
            _ => text.to_owned(),
        });
    }
    row
}

/// The form of a text: hexadecimal digits become `x`, everything else stays.
fn form(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() || ('a'..='f').contains(&c) { 'x' } else { c }).collect()
}
