//! Directories that are not watched yet, and roots that are not the same any more.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::oracle;
use super::scene::{self, SEEN, Scene, entry, entry_file, first_words, manifest, save, write_skill};
use crate::home::eventually;

#[test]
fn s03_files_that_come_before_their_directory_is_watched() {
    let scene = Scene::of(&["first"], "");
    let root = scene.home.collection("default");
    let names: Vec<String> = (0..200).map(|number| format!("deep{number}")).collect();
    let moved: Vec<String> = (0..20).map(|number| format!("moved{number}")).collect();
    let all = ["first".to_owned()].into_iter().chain(names.iter().cloned()).chain(moved.iter().cloned());
    let entries: Vec<String> = all.map(|name| entry(&name, &first_words(&name))).collect();
    // The manifest first: what is missed now stays missed, for no manifest comes to make it good.
    save(&scene.home.manifest("default"), &manifest("default", &entries));
    for name in &names {
        let deep = root.join("skills").join(name).join("a/b/c");
        fs::create_dir_all(&deep).expect("directories");
        fs::write(deep.join("text.md"), name).expect("a file");
    }
    for name in &moved {
        // A whole tree at once, as `skillmeat add` does when $TMPDIR is on the same file system.
        let outside = write_skill(&scene.home.path().join("sources"), name, &first_words(name));
        fs::rename(outside, root.join("skills").join(name)).expect("the move");
    }
    scene.settled("two hundred deep directories and twenty trees moved in");
    // And each of them is watched to the bottom.
    for name in names.iter().step_by(40) {
        let deep = root.join("skills").join(name).join("a/b/c");
        fs::write(deep.join("text.md"), "changed").expect("a file");
    }
    for name in moved.iter().step_by(7) {
        fs::write(root.join("skills").join(name).join("scripts/run.py"), "changed").expect("a file");
    }
    scene.settled("changes at the bottom of them");
}

/// As `rm -r` run until it succeeds: while the tree is going, SQLite may still put a file of its own into it.
pub(super) fn remove_tree(path: &Path) {
    eventually(SEEN, "the removal of a tree", || fs::remove_dir_all(path).map_err(|error| error.to_string()));
}

#[test]
fn s10_the_root_is_removed_and_made_again() {
    let scene = Scene::of(&["old", "both"], "");
    remove_tree(&scene.home.skillmeat());
    scene.in_state("waiting", "the removal of the root");
    scene::collection(&scene.home, "default", &["both", "new"]);
    scene.settled("a new root");
    assert_eq!(oracle::ids(&scene.home), ["skill:both", "skill:new"]);
    write_skill(&scene.home.collection("default"), "new", "by an event");
    scene.described("new", "by an event");
    // At once: there is no moment at which the root is seen to be missing.
    remove_tree(&scene.home.skillmeat());
    scene::collection(&scene.home, "default", &["third"]);
    scene.settled("another root");
    write_skill(&scene.home.collection("default"), "third", "by an event");
    scene.described("third", "by an event");
}

#[test]
fn s10_the_root_is_renamed_away_and_back() {
    let scene = Scene::of(&["one", "two"], "");
    let away = scene.home.path().join("away");
    fs::rename(scene.home.skillmeat(), &away).expect("the rename");
    let status = scene.in_state("waiting", "the rename of the root");
    assert!(status["detail"].as_str().is_some_and(|detail| detail.contains("skillmeat init")), "{status}");
    assert!(!scene.home.skillmeat().exists(), "the root was made by a guest");
    write_skill(&away.join("collections/default"), "one", "changed while away");
    fs::rename(&away, scene.home.skillmeat()).expect("the rename back");
    scene.described("one", "changed while away");
    scene.settled("the return of the root");
    write_skill(&scene.home.collection("default"), "two", "by an event");
    scene.described("two", "by an event");
}

#[test]
fn s10_a_root_that_is_a_link_is_pointed_elsewhere() {
    let home = scene::home(&["one", "two"], "");
    let (here, there) = (home.path().join("here"), home.path().join("there"));
    fs::rename(home.skillmeat(), &here).expect("the rename");
    symlink(&here, home.skillmeat()).expect("a link");
    let scene = Scene::open(home);
    // Another home's files, brought by exchanging the link, as `ln -sfn` and home managers do.
    fs::create_dir_all(there.join("collections/default")).expect("directories");
    for name in ["two", "three"] {
        write_skill(&there.join("collections/default"), name, "of the other root");
    }
    let entries = ["two", "three"].map(|name| entry(name, "of the other root"));
    fs::write(there.join("collections/default/collection.toml"), manifest("default", &entries))
        .expect("a manifest");
    let link = scene.home.path().join("link");
    symlink(&there, &link).expect("a link");
    fs::rename(&link, scene.home.skillmeat()).expect("the exchange");
    scene.described("three", "of the other root");
    scene.settled("another target of the link");
    assert_eq!(oracle::ids(&scene.home), ["skill:three", "skill:two"]);
    write_skill(&there.join("collections/default"), "two", "by an event");
    scene.described("two", "by an event");
    // What the old target says is nobody's business any more.
    let revision = scene.revision();
    fs::write(here.join("collections/default/skills/two/SKILL.md"), entry_file("two", "stray"))
        .expect("a file");
    thread::sleep(Duration::from_secs(1)); // a window in which nothing may happen
    assert_eq!(scene.revision(), revision);
}
