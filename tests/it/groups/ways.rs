//! Both ways, and who is asked when they meet.

use std::fs;

use super::web::{Web, database_has, file_has};
use crate::faults::scene::{SEEN, Scene, collection, home, read};
use crate::home::eventually;

#[test]
fn what_is_done_on_the_web_stands_in_the_file() {
    let scene = Scene::of(&["pdf", "csv", "git"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &["skill:pdf", "skill:csv"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf skill:csv"]);
    web.set_members("Docs", &["skill:git", "skill:pdf"]);
    web.run("UPDATE groups SET color = 'rose'");
    file_has(&scene.home, "default", &["Docs rose: skill:git skill:pdf"]);
    web.run("UPDATE groups SET name = 'Papers'");
    file_has(&scene.home, "default", &["Papers rose: skill:git skill:pdf"]);
    web.run("INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES ('t', 'Hot', 'hot', '#ff0000', 'n', 'n')");
    eventually(SEEN, "the tag is defined in the file", || {
        let text = read(&scene.home.manifest("default"));
        if text.contains("\"hot\"") && text.contains("#ff0000") { Ok(()) } else { Err(text) }
    });
    web.run("DELETE FROM groups");
    file_has(&scene.home, "default", &[]);
    scene.settled("all of it");
}

#[test]
fn what_is_edited_by_hand_stands_on_the_web() {
    let scene = Scene::of(&["pdf", "csv"], "");
    let manifest = scene.home.manifest("default");
    let text = read(&manifest) + "\n# mine\n[[groups]]\nname = \"Docs\"\nmembers = [\"skill:csv\"] # one\n";
    fs::write(&manifest, &text).expect("the manifest");
    database_has(&scene.home, "default", &["Docs slate: skill:csv"]);
    scene.settled("a group by hand");
    assert_eq!(read(&manifest), text, "nothing in it was to be changed");
    fs::write(&manifest, text.replace("[\"skill:csv\"]", "[\"skill:csv\", \"skill:pdf\"]"))
        .expect("the manifest");
    database_has(&scene.home, "default", &["Docs slate: skill:csv skill:pdf"]);
    Web::at(&scene.home).run("UPDATE groups SET color = 'blue'");
    file_has(&scene.home, "default", &["Docs blue: skill:csv skill:pdf"]);
    let after = read(&manifest);
    assert!(after.contains("# mine\n[[groups]]") && after.contains("# one"), "{after}");
}

#[test]
fn each_directory_has_the_groups_of_its_own_collection() {
    let home = home(&["pdf"], "");
    collection(&home, "work", &["tax"]);
    let scene = Scene::open(home);
    let web = Web::at(&scene.home);
    web.run("INSERT INTO collections (id, name, created_at, updated_at, enforce_override) VALUES ('5f', 'work', 'n', 'n', 0)");
    web.make_group("5f", "Taxes", &["skill:tax"]);
    web.make_group("default", "Docs", &["skill:pdf", "skill:tax"]);
    file_has(&scene.home, "work", &["Taxes slate: skill:tax"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf skill:tax"]);
}

#[test]
fn a_name_that_is_no_directory_leads_to_no_write() {
    let home = home(&["pdf"], "");
    collection(&home, "work", &["tax"]);
    let scene = Scene::open(home);
    let before = [read(&scene.home.manifest("default")), read(&scene.home.manifest("work"))];
    let web = Web::at(&scene.home);
    let outside = scene.home.path().join("outside");
    let names = [
        "../work".to_owned(),
        outside.display().to_string(),
        "work/../default".into(),
        "Default Collection ".into(),
    ];
    for (n, name) in names.iter().enumerate() {
        let id = format!("c{n}");
        web.0
            .execute(
                "INSERT INTO collections (id, name, created_at, updated_at, enforce_override) VALUES (?, ?, 'n', 'n', 0)",
                [&id, name],
            )
            .expect("a collection");
        web.make_group(&id, &format!("G{n}"), &["skill:pdf"]);
    }
    eventually(SEEN, "status lists what lives in the database alone", || {
        let status = scene.status();
        let listed = status["database_only"].as_array().map_or(0, Vec::len);
        if listed == names.len() { Ok(()) } else { Err(status.to_string()) }
    });
    assert_eq!([read(&scene.home.manifest("default")), read(&scene.home.manifest("work"))], before);
    assert!(!outside.exists());
    let collections = fs::read_dir(scene.home.skillmeat().join("collections")).expect("collections").count();
    assert_eq!(collections, 2);
    let told = scene.call(&["status"]).stdout;
    for line in [
        "\"../work\" (c0, 1 group) is in the database alone: its name is refused",
        "\"Default Collection \" (c3, 1 group) is in the database alone: no directory is called exactly that",
    ] {
        assert!(told.contains(line), "{told}");
    }
    // One without groups is listed as well, and goes from the list when it gets a directory.
    web.run("INSERT INTO collections (id, name, created_at, updated_at, enforce_override) VALUES ('5f', 'later', 'n', 'n', 0)");
    let listed = |wanted: bool| {
        eventually(SEEN, &format!("`later` is listed: {wanted}"), || {
            let status = scene.status();
            let only = status["database_only"].as_array().cloned().unwrap_or_default();
            let found = only.iter().find(|only| only["id"] == "5f");
            let is_right = found.map(|only| only["groups"] == 0) == wanted.then_some(true);
            if is_right { Ok(()) } else { Err(status.to_string()) }
        });
    };
    listed(true);
    collection(&scene.home, "later", &["x"]);
    listed(false);
}

#[test]
fn a_wait_covers_the_database_too() {
    let scene = Scene::of(&["pdf", "csv"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "Docs", &[]);
    for n in 0..20 {
        let members: &[&str] = if n % 2 == 0 { &["skill:pdf", "skill:csv"] } else { &["skill:csv"] };
        web.set_members("Docs", members);
        scene.call(&["sync", "--wait"]).succeeded();
        let expected = format!("Docs slate: {}", members.join(" "));
        assert_eq!(super::web::groups_in_file(&scene.home, "default"), Ok(vec![expected]), "round {n}");
    }
}
