//! The database is lost, replaced or emptied.

use std::fs;

use super::web::{NOW, Web, database_has, file_has};
use crate::daemon::{Daemon, call};
use crate::faults::scene::{SEEN, Scene, read};
use crate::home::{Home, eventually};

const GROUPS: [&str; 2] = ["Docs rose: skill:csv skill:pdf", "Empty slate:"];

fn filled() -> Scene {
    let scene = Scene::of(&["pdf", "csv"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &["skill:csv", "skill:pdf"]);
    web.make_group("default", "Empty", &[]);
    web.run(&format!(
        "UPDATE groups SET color = 'rose', icon = 'star', description = 'papers', tags_json = '[\"x\"]', visibility = 'public'
             WHERE name = 'Docs';
         UPDATE groups SET position = 3 WHERE name = 'Empty';
         INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES ('t', 'Hot', 'hot', '#ff0000', '{NOW}', '{NOW}');
         INSERT INTO custom_colors VALUES ('c', '#abcdef', 'Mine', '{NOW}')"
    ));
    file_has(&scene.home, "default", &GROUPS);
    eventually(SEEN, "the tag is in the file", || {
        let text = read(&scene.home.manifest("default"));
        if text.contains("#ff0000") { Ok(()) } else { Err(text) }
    });
    scene
}

fn delete_database(home: &Home) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.cache_db().with_file_name(format!("cache.db{suffix}")));
    }
}

fn is_complete(home: &Home) {
    database_has(home, "default", &GROUPS);
    eventually(SEEN, "everything else is there too", || {
        let web = Web::at(home);
        let group = web
            .texts("SELECT icon || description || tags_json || visibility FROM groups WHERE name = 'Docs'");
        let rest =
            web.texts("SELECT color FROM tags WHERE slug = 'hot' UNION ALL SELECT hex FROM custom_colors");
        if group == ["starpapers[\"x\"]public"] && rest == ["#ff0000", "#abcdef"] {
            Ok(())
        } else {
            Err(format!("{group:?} {rest:?}"))
        }
    });
}

#[test]
fn a_database_deleted_under_the_daemon_comes_back_complete_and_the_ghost_says_nothing() {
    let scene = filled();
    let text = read(&scene.home.manifest("default"));
    for _ in 0..3 {
        let ghost = Web::at(&scene.home);
        delete_database(&scene.home);
        // As the web backend's pooled connections do: they still write to the deleted file.
        ghost.run("DELETE FROM groups");
        is_complete(&scene.home);
        ghost.run("INSERT INTO groups (id, collection_id, name, created_at, updated_at) VALUES ('g', 'default', 'Ghost', 'n', 'n')");
        scene.settled("a database that was deleted");
        assert_eq!(read(&scene.home.manifest("default")), text);
    }
}

#[test]
fn a_database_deleted_while_nobody_looked_comes_back_complete() {
    let Scene { daemon, home } = filled();
    drop(daemon);
    delete_database(&home);
    let scene = Scene::open(home);
    is_complete(&scene.home);
    // And with our own state gone as well, what the manifest holds.
    let Scene { daemon, home } = scene;
    drop(daemon);
    delete_database(&home);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.path().join(format!("state/skillmeatd/state.db{suffix}")));
    }
    let scene = Scene::open(home);
    database_has(&scene.home, "default", &GROUPS);
    assert_eq!(scene.status()["conflicts"], 0);
}

/// What is on the disk when a page of the file is torn: nothing of it can be read any more.
fn damage_database(home: &Home) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.cache_db().with_file_name(format!("cache.db{suffix}")));
    }
    fs::write(home.cache_db(), "not a database, though it is a file").expect("a damaged database");
}

#[test]
fn a_rebuilt_database_has_the_groups_and_tags_of_the_old_one() {
    // With no daemon about: the command does all of it.
    let Scene { daemon, home } = filled();
    let text = read(&home.manifest("default"));
    drop(daemon);
    damage_database(&home);
    call(&home, &["db", "rebuild", "--yes"]).succeeded();
    let groups = Web::at(&home).groups("default").expect("a database that can be read");
    assert_eq!(groups, GROUPS, "the command is done when it returns");
    is_complete(&home);
    assert_eq!(read(&home.manifest("default")), text);

    // With one that waits for a database it can use.
    damage_database(&home);
    let scene = Scene { daemon: Daemon::start(&home), home };
    scene.in_state("waiting", "the damage");
    scene.call(&["db", "rebuild", "--yes"]).succeeded();
    is_complete(&scene.home);
    scene.settled("the rebuild");
    assert_eq!(read(&scene.home.manifest("default")), text);
}

#[test]
fn memberships_that_went_with_the_artifacts_come_back() {
    let scene = filled();
    // `skillmeat cache clear`
    Web::at(&scene.home).run("DELETE FROM artifacts; DELETE FROM projects");
    is_complete(&scene.home);
    scene.settled("a cleared cache");
    file_has(&scene.home, "default", &GROUPS);
}

#[test]
fn a_manifest_that_is_broken_meanwhile_is_not_written_and_gets_what_it_missed() {
    let scene = filled();
    let manifest = scene.home.manifest("default");
    let good = read(&manifest);
    fs::write(&manifest, "[collection\n").expect("a broken manifest");
    eventually(SEEN, "the daemon tells of it", || {
        let problems = scene.problems();
        if problems.is_empty() { Err("no problems".to_owned()) } else { Ok(()) }
    });
    Web::at(&scene.home).run("UPDATE groups SET color = 'blue' WHERE name = 'Empty'");
    scene.call(&["sync"]);
    assert_eq!(read(&manifest), "[collection\n");
    fs::write(&manifest, good).expect("the manifest");
    file_has(&scene.home, "default", &[GROUPS[0], "Empty blue:"]);
}
