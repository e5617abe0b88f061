//! What must not be deleted: rows whose files are missing by accident, or only for a moment.

use std::fs;
use std::thread;
use std::time::Duration;

use super::oracle::{self, Onlooker};
use super::scene::{self, SEEN, Scene, collection, entry, first_words, manifest, read, save};
use crate::home::eventually;

/// The rows are as they were, the daemon says that it has stopped removing, and says so with exit code 4.
fn halted(scene: &Scene, after: &str, reason: &str, rows: &[String]) {
    let status = scene.in_state("halted", after);
    let halts = status["halts"].as_array().expect("a list");
    assert_eq!(halts.len(), 1, "{status}");
    assert_eq!((&halts[0]["collection"], &halts[0]["reason"]), (&"default".into(), &reason.into()));
    assert!(halts[0]["message"].as_str().is_some_and(|text| text.contains("default")), "{status}");
    let answer = scene.call(&["status"]);
    assert_eq!(answer.status.code(), Some(4), "{answer:?}");
    assert_eq!(oracle::ids(&scene.home), rows, "after {after}");
}

fn resumed(scene: &Scene, left: &[&str]) {
    let answer = scene.call(&["resume", "default"]);
    assert!(answer.status.success(), "{answer:?}");
    eventually(SEEN, "the rows go", || {
        let ids = oracle::ids(&scene.home);
        if ids == left { Ok(()) } else { Err(format!("{ids:?}")) }
    });
    let status = scene.in_state("watching", "a word to resume");
    assert_eq!(status["halts"], serde_json::json!([]));
    assert_eq!(scene.call(&["resume", "default"]).status.code(), Some(1), "there is nothing left to resume");
}

const GRACE: &str = "remove_grace = \"100ms\"\n";

#[test]
fn s11_the_manifest_is_removed_and_comes_back() {
    let scene = Scene::of(&["pdf", "other"], GRACE);
    let rows = oracle::ids(&scene.home);
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    let (path, aside) = (scene.home.manifest("default"), scene.home.path().join("aside.toml"));
    fs::rename(&path, &aside).expect("the rename");
    halted(&scene, "the removal of the manifest", "gone", &rows);
    fs::rename(&aside, &path).expect("the rename");
    scene.settled("the return of the manifest");
    onlooker.saw_no_wrong();
}

#[test]
fn s11_a_collection_directory_is_emptied_and_filled_again() {
    let scene = Scene::of(&["pdf", "other"], GRACE);
    let rows = oracle::ids(&scene.home);
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    let directory = scene.home.collection("default");
    fs::remove_dir_all(&directory).and_then(|()| fs::create_dir(&directory)).expect("an empty directory");
    halted(&scene, "the emptying of the collection", "gone", &rows);
    collection(&scene.home, "default", &["pdf", "other"]);
    scene.settled("the collection's return");
    onlooker.saw_no_wrong();
}

#[test]
fn s11_a_collection_directory_is_gone_until_a_person_says_so() {
    let scene = Scene::of(&["pdf", "other"], GRACE);
    let rows = oracle::ids(&scene.home);
    fs::remove_dir_all(scene.home.collection("default")).expect("its removal");
    halted(&scene, "the removal of the collection", "gone", &rows);
    resumed(&scene, &[]);
    // As if it had never been.
    collection(&scene.home, "default", &["pdf"]);
    scene.settled("the collection's return");
}

#[test]
fn s11_all_collections_gone_is_a_home_that_is_not_there() {
    let scene = Scene::of(&["pdf", "other"], GRACE);
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    let (collections, aside) = (scene.home.skillmeat().join("collections"), scene.home.path().join("aside"));
    // As when the file system they are on is not mounted.
    fs::rename(&collections, &aside).expect("the rename");
    scene.in_state("waiting", "the removal of all collections");
    assert_eq!(oracle::ids(&scene.home), ["skill:other", "skill:pdf"]);
    fs::rename(&aside, &collections).expect("the rename");
    scene.settled("the return of all collections");
    onlooker.saw_no_wrong();
}

#[test]
fn s11_an_empty_mount_point_in_place_of_the_collections() {
    let scene = Scene::of(&["pdf", "other"], GRACE);
    let rows = oracle::ids(&scene.home);
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    let (collections, aside) = (scene.home.skillmeat().join("collections"), scene.home.path().join("aside"));
    fs::rename(&collections, &aside).and_then(|()| fs::create_dir(&collections)).expect("an empty directory");
    halted(&scene, "an empty directory in place of the collections", "gone", &rows);
    fs::remove_dir(&collections).and_then(|()| fs::rename(&aside, &collections)).expect("the mount");
    scene.settled("the return of all collections");
    onlooker.saw_no_wrong();
}

#[test]
fn s11_a_halt_outlives_the_daemon() {
    let mut scene = Scene::of(&["pdf", "other"], GRACE);
    let rows = oracle::ids(&scene.home);
    fs::remove_file(scene.home.manifest("default")).expect("its removal");
    halted(&scene, "the removal of the manifest", "gone", &rows);
    scene.daemon.process().stop();
    let scene = Scene { daemon: crate::daemon::Daemon::start(&scene.home), home: scene.home };
    halted(&scene, "a restart", "gone", &rows);
    resumed(&scene, &[]);
}

#[test]
fn more_than_half_of_thirty_at_once_needs_a_word() {
    let names: Vec<String> = (0..30).map(|number| format!("s{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::of(&names, GRACE);
    let rows = oracle::ids(&scene.home);
    let onlooker = Onlooker::of_row(&scene.home, "skill:s29");
    let whole = read(&scene.home.manifest("default"));
    let keep = |left: &[&str]| {
        let entries: Vec<String> = left.iter().map(|name| entry(name, &first_words(name))).collect();
        save(&scene.home.manifest("default"), &manifest("default", &entries));
    };
    keep(&names[..10]);
    halted(&scene, "twenty entries less", "mass_removal", &rows);
    // Well beyond the grace period, for a window of a second, and with more changes: the brake holds.
    thread::sleep(Duration::from_secs(1));
    keep(&names[..11]);
    halted(&scene, "nineteen entries less", "mass_removal", &rows);
    onlooker.saw_no_wrong();
    // Put back: it heals without a word.
    save(&scene.home.manifest("default"), &whole);
    scene.settled("all entries are back");
    keep(&names[..10]);
    halted(&scene, "twenty entries less", "mass_removal", &rows);
    let left: Vec<String> = names[..10].iter().map(|name| format!("skill:{name}")).collect();
    resumed(&scene, &left.iter().map(String::as_str).collect::<Vec<_>>());
    // What a person takes away piece by piece needs no word.
    keep(&names[..2]);
    scene.settled("eight entries less");
}

/// `skillmeat add --force` takes the entry away and puts it back a second later.
#[test]
fn an_entry_that_is_gone_for_a_second_keeps_its_row() {
    // With the grace period as it comes.
    let scene = Scene::of(&["pdf", "other"], "");
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    let before = oracle::row(&scene.home, "skill:pdf").expect("a row");
    let root = scene.home.collection("default");
    let path = scene.home.manifest("default");
    let whole = read(&path);
    let revision = scene.revision();
    fs::remove_dir_all(root.join("skills/pdf")).expect("its removal");
    save(&path, &manifest("default", &[entry("other", &first_words("other"))]));
    eventually(SEEN, "the absence is noticed", || {
        let now = scene.revision();
        if now > revision { Ok(()) } else { Err(now.to_string()) }
    });
    thread::sleep(Duration::from_secs(1)); // as long as SkillMeat takes
    scene::write_skill(&root, "pdf", &first_words("pdf"));
    save(&path, &whole);
    scene.settled("the entry's return");
    onlooker.saw_no_wrong();
    let mut after = oracle::row(&scene.home, "skill:pdf").expect("a row");
    if let (Some(after), Some(before)) = (&mut after, &before) {
        // The files went and came, so the row was written; it is the same row all the same.
        after.insert("synced_at".to_owned(), before["synced_at"].clone());
    }
    assert_eq!(after, before);
}
