//! Which DB collection belongs to which directory, and which to none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::stage::{SOON, Web, collection, save};
use crate::home::eventually;
use crate::interop::api::Api;

/// Every file below a directory and its text.
fn files(below: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![below.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).expect("a file"));
            }
        }
    }
    found
}

/// A row as another program may write it, whose name leads somewhere, with one group in it.
fn hostile(web: &Web, id: &str, name: &str) {
    let sql = web.sql();
    let at = "2026-01-01 00:00:00.000000";
    sql.execute(
        "INSERT INTO collections (id, name, owner_type, visibility, enforce_override, created_at, updated_at) \
         VALUES (?1, ?2, 'user', 'private', 0, ?3, ?3)",
        [id, name, at],
    )
    .expect("a collection");
    sql.execute(
        "INSERT INTO groups (id, collection_id, name, tags_json, color, icon, position, created_at, updated_at) \
         VALUES (?1, ?2, 'Evil', '[]', 'slate', 'layers', 0, ?3, ?3)",
        [&format!("{id}-group"), id, at],
    )
    .expect("a group");
}

#[test]
fn s15_a_hostile_name_leads_nowhere() {
    let mut web = Web::closed();
    let outside = web.home.path().join("outside");
    let text = web.text("work");
    web.home.write("outside/collection.toml", &text);
    web.home.write(".skillmeat/work/collection.toml", &text);
    web.home.write(".skillmeat/collections/.hidden/notes", "no collection");
    web.start_daemon();
    web.barrier();
    let before = (files(&web.home.skillmeat().join("collections")), files(&outside));
    let names = [
        "../work",
        outside.to_str().expect("UTF-8"),
        "work/../default",
        "Default Collection ",
        "default ",
        ".hidden",
        "..",
        "work/",
        "./work",
        "WORK",
    ];
    for (number, name) in names.iter().enumerate() {
        hostile(&web, &format!("id{number}"), name);
    }
    // A good one beside them shows that the rows have been looked at.
    hostile(&web, "good", "work");
    eventually(SOON * 5, "the good one is written", || {
        let file = web.file("work");
        if file.len() == 1 { Ok(()) } else { Err(format!("{file:?}")) }
    });
    web.barrier();
    let mut after = (files(&web.home.skillmeat().join("collections")), files(&outside));
    let manifest = web.home.manifest("work");
    let lock = manifest.with_file_name(".collection.toml.skillmeat-lock");
    after.0.remove(&lock);
    after.0.insert(manifest.clone(), before.0[&manifest].clone());
    assert_eq!(after, before);
    assert_eq!(files(&web.home.skillmeat().join("work")).len(), 1);
    let told = web.status()["database_only"].as_array().map_or(0, Vec::len);
    assert_eq!(told, names.len(), "{}", web.status());
}

#[test]
fn s16_a_collection_renamed_away_from_its_directory() {
    let web = {
        let mut web = Web::closed();
        collection(&web.home, "third", &["epsilon"]);
        web.start_api();
        web.start_daemon();
        web
    };
    let work = web.user_collection("work");
    web.group(&work, "There", &["skill:delta"]);
    web.have("work", &work, &[("There", &["skill:delta"])], "a group at work");
    let before = web.text("work");
    web.api().change("PUT", &format!("/user-collections/{work}"), Some(&json!({ "name": "renamed" })));
    web.group(&work, "Later", &["skill:delta"]);
    web.barrier();
    assert_eq!(web.text("work"), before, "a collection that is no longer this directory's");
    assert!(!web.home.collection("renamed").exists());
    // One whose id is the directory's name stays the directory's, whatever it is called.
    let sql = "INSERT INTO collections (id, name, owner_type, visibility, enforce_override, created_at, updated_at) \
               VALUES ('third', 'Something else', 'user', 'private', 0, '2026-01-01 00:00:00.000000', \
               '2026-01-01 00:00:00.000000')";
    web.sql().execute(sql, []).expect("a collection");
    web.group("third", "Mine", &["skill:epsilon"]);
    web.have("third", "third", &[("Mine", &["skill:epsilon"])], "a group by id");
    assert!(!web.home.collection("Something else").exists());
}

#[test]
fn s17_a_manifest_that_is_named_otherwise_is_written_where_it_is() {
    let web = {
        let mut web = Web::closed();
        let text = web.text("default").replacen("name = \"default\"", "name = \"elsewhere\"", 1);
        save(&web.home.manifest("default"), &text);
        web.start_api();
        web.start_daemon();
        web
    };
    let before: Vec<_> = directories(&web);
    web.group("default", "Auth", &["skill:alpha"]);
    web.have("default", "default", &[("Auth", &["skill:alpha"])], "a group");
    assert_eq!(web.document("default")["collection"]["name"].as_str(), Some("elsewhere"));
    assert_eq!(directories(&web), before);
    assert!(web.problems().contains("elsewhere"), "{}", web.problems());
}

fn directories(web: &Web) -> Vec<String> {
    let entries = fs::read_dir(web.home.skillmeat().join("collections")).expect("the collections");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn s20_half_a_schema_leaves_the_manifests_alone() {
    let mut web = Web::closed();
    super::stage::remove_cache(&web.home);
    let groups = "\n[[groups]]\nname = \"Kept\"\nmembers = [\"skill:alpha\"]\n";
    save(&web.home.manifest("default"), &format!("{}{groups}", web.text("default")));
    // A backend that comes before any command line breaks its own database.
    drop(Api::start(&web.home));
    let before = files(&web.home.skillmeat().join("collections"));
    web.start_daemon();
    eventually(SOON * 5, "the daemon says that the database is not usable", || {
        let status = web.status();
        if status["database"]["kind"] == "half_schema" { Ok(()) } else { Err(status.to_string()) }
    });
    let refused = crate::daemon::call(&web.home, &["sync"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(files(&web.home.skillmeat().join("collections")), before);
}
