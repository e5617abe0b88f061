//! The cache database is lost, in every order of who comes back first.

use serde_json::{Value, json};

use super::stage::{Groups, SOON, Web, remove_cache, save};
use crate::home::eventually;
use crate::interop::cache;

/// Everything a person made on the web, by name.
fn dump(web: &Web) -> Result<Value, String> {
    let groups: Groups = web.db("default")?;
    Ok(json!({ "groups": format!("{groups:?}"), "tags": format!("{:?}", web.db_tags()) }))
}

/// Groups and tags of every kind, on the web and in the manifests.
fn furnish(web: &Web) -> Value {
    let plain = web.group("default", "Plain", &[]);
    web.put(&plain, &json!({ "position": 3 }));
    let rich = web.group("default", "Rich \"ü\"", &["skill:gamma", "skill:alpha"]);
    web.put(
        &rich,
        &json!({ "description": "two\nlines", "color": "#22CC55", "icon": "shield", "position": 1 }),
    );
    web.group("default", "Other", &["skill:beta", "skill:delta"]);
    web.tag("Backend", "backend", Some("#112233"));
    web.tag("Loose", "loose", None);
    web.tag("Machine Learning", "ml", Some("#aAbBcC"));
    web.agree("default", "default", "groups of every kind");
    eventually(SOON * 5, "the tags stand in the manifest", || {
        let (file, db) = (web.file_tags("default"), web.db_tags());
        if file == db { Ok(()) } else { Err(format!("{file:?}\n{db:?}")) }
    });
    dump(web).expect("a dump")
}

fn comes_back(web: &Web, before: &Value, when: &str) {
    eventually(SOON * 5, &format!("all is as it was, {when}"), || {
        let now = dump(web)?;
        if now == *before { Ok(()) } else { Err(format!("{now:#}\nwas {before:#}")) }
    });
    web.barrier();
    assert_eq!(dump(web).as_ref(), Ok(before), "and stays so, {when}");
    web.agree("default", "default", when);
}

#[test]
fn s05_a_lost_database_comes_back() {
    let mut web = Web::open();
    let before = furnish(&web);
    web.stop_api();
    remove_cache(&web.home);
    web.cli().run(&["list"]);
    web.start_api();
    comes_back(&web, &before, "after a reset");
    assert_eq!(web.api().get("/groups?collection_id=default").expect("the groups")["total"], 3);
}

#[test]
fn s06_whoever_comes_back_first() {
    let mut web = Web::open();
    let before = furnish(&web);
    for round in 0..22 {
        web.stop_api();
        web.stop_daemon();
        web.lose_cache();
        // The race is run often.
        let when = ["the daemon first", "the backend first", "both at once"][round.min(2)];
        match round {
            0 => {
                web.start_daemon();
                web.start_api();
            }
            1 => {
                web.start_api();
                web.start_daemon();
            }
            _ => {
                // The daemon is up long before the backend serves, and meets its population half way.
                let home = web.home.clone();
                let daemon = std::thread::spawn(move || crate::daemon::Daemon::start(&home));
                web.start_api();
                web.daemon = Some(daemon.join().expect("a daemon"));
            }
        }
        comes_back(&web, &before, when);
        let connection = cache::open(&web.home.cache_db()).expect("the cache");
        let twice = "SELECT name FROM groups GROUP BY name HAVING count(*) > 1";
        assert_eq!(cache::rows(&connection, twice).expect("groups").len(), 0, "{when}");
    }
}

#[test]
fn s07_each_directory_gets_its_own_groups_back() {
    let mut web = Web::open();
    let work = web.user_collection("work");
    web.group("default", "Here", &["skill:alpha"]);
    web.group(&work, "There", &["skill:delta"]);
    web.have("default", "default", &[("Here", &["skill:alpha"])], "a group");
    web.have("work", &work, &[("There", &["skill:delta"])], "a group at work");
    for active in ["default", "work"] {
        web.stop_api();
        web.home.write(".skillmeat/config.toml", &format!("[settings]\ndefault-collection = \"{active}\"\n"));
        web.lose_cache();
        web.start_api();
        let back = || {
            let connection = cache::open(&web.home.cache_db()).map_err(|e| e.to_string())?;
            let rows = cache::rows(
                &connection,
                "SELECT c.id AS id, c.name AS name, g.name AS \"group\" FROM groups g JOIN collections c ON \
                 c.id = g.collection_id ORDER BY g.name",
            );
            let rows = rows.map_err(|e| e.to_string())?;
            let of = |n: usize, key: &str| rows.get(n).and_then(|row| row[key].as_str()).unwrap_or_default();
            let right = rows.len() == 2
                && (of(0, "group"), of(0, "id")) == ("Here", "default")
                && (of(1, "group"), of(1, "name")) == ("There", "work");
            if right { Ok(of(1, "id").to_owned()) } else { Err(format!("{rows:?}")) }
        };
        let work = eventually(SOON * 5, &format!("both are back, {active} being active"), back);
        web.have("default", "default", &[("Here", &["skill:alpha"])], "a reset");
        web.have("work", &work, &[("There", &["skill:delta"])], "a reset");
    }
}

#[test]
fn s08_good_entries_come_back_when_others_are_bad() {
    let mut web = Web::closed();
    let bad = "
[[tag_definitions]]
name = \"Good\"
slug = \"good\"
color = \"#112233\"

[[tag_definitions]]
name = \"Odd\"
slug = \"odd\"
color = \"blue-ish\"

[[groups]]
name = \"First\"
members = [ \"beta\", \"skill:nowhere\", \"skill:alpha\" ]

[[groups]]
name = \"Twice\"
position = 1
members = [ \"skill:beta\", \"skill:beta\" ]

[[groups]]
name = \"First\"
position = 1
members = [ \"skill:gamma\" ]

[[groups]]
name = \"Below\"
position = -4
color = \"purple-nonsense\"

[[groups]]
name = \"Last\"
position = 2
members = [ \"skill:gamma\" ]
";
    save(&web.home.manifest("default"), &format!("{}{bad}", web.text("default")));
    web.start_daemon();
    web.start_api();
    eventually(SOON * 5, "every good group is there", || {
        let db = web.db("default")?;
        let said: Vec<_> = db.iter().map(|g| (g.0.as_str(), g.5.join(" "))).collect();
        let has = |name: &str, members: &str| said.iter().any(|s| *s == (name, members.to_owned()));
        let good = has("First", "skill:beta skill:alpha")
            && has("Twice", "skill:beta")
            && has("Last", "skill:gamma")
            && has("Below", "")
            && db.len() == 4;
        let tags = web.db_tags();
        let colors = tags.get("good").is_some_and(|tag| tag.1 == "#112233")
            && tags.get("odd").is_some_and(|tag| tag.1.is_empty());
        if good && colors { Ok(()) } else { Err(format!("{said:?} {tags:?}")) }
    });
    let problems = web.problems();
    for told in ["skill:nowhere", "First", "Below", "blue-ish"] {
        assert!(problems.contains(told), "{told} is not told of: {problems}");
    }
    // Nothing of the file is lost.
    assert!(web.text("default").contains("skill:nowhere"), "{}", web.text("default"));
    assert!(web.api().get("/groups?collection_id=default").is_ok());
}

#[test]
fn s19_the_database_is_deleted_under_a_running_backend() {
    let mut web = Web::open();
    web.group("default", "Auth", &["skill:alpha", "skill:beta"]);
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta"])], "a group");
    let before = web.file("default");
    remove_cache(&web.home);
    // The backend's tags go to a new file from now on, its groups to the one that has no name any more.
    let _ =
        web.api().send("POST", "/tags", Some(&json!({ "name": "New", "slug": "new", "color": "#112233" })));
    let ghost = json!({ "collection_id": "default", "name": "Ghost" });
    let _ = web.api().send("POST", "/groups", Some(&ghost));
    let _ = crate::daemon::call(&web.home, &["sync"]);
    assert_eq!(web.file("default"), before, "the groups of a database that is gone");
    web.api.as_mut().expect("a backend").restart();
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta"])], "a restart");
    let page = web.api().get("/groups?collection_id=default").expect("the groups");
    assert_eq!(page["groups"][0]["name"], "Auth", "{page}");
}

#[test]
fn s26_what_the_manifest_cannot_hold() {
    let mut web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha"]);
    web.put(&group, &json!({ "tags": ["critical", "team-a"] }));
    let private = format!("UPDATE groups SET visibility = 'team' WHERE id = '{group}'");
    assert_eq!(web.sql().execute(&private, []).expect("a change"), 1);
    web.agree("default", "default", "a group with tags of its own");
    web.api().change("POST", "/colors", Some(&json!({ "hex": "#abcdef", "name": "Mine" })));
    web.barrier();
    web.stop_api();
    web.lose_cache();
    web.start_api();
    eventually(SOON * 5, "the group's own tags and visibility are back", || {
        let connection = cache::open(&web.home.cache_db()).map_err(|e| e.to_string())?;
        let rows = cache::rows(&connection, "SELECT name, tags_json, visibility FROM groups");
        let rows = rows.map_err(|e| e.to_string())?;
        let [row] = rows.as_slice() else { return Err(format!("{rows:?}")) };
        let tags: Value = serde_json::from_str(row["tags_json"].as_str().unwrap_or("[]")).expect("JSON");
        let colors =
            cache::rows(&connection, "SELECT hex, name FROM custom_colors").map_err(|e| e.to_string())?;
        let is_back = colors.len() == 1 && colors[0]["hex"] == "#abcdef" && colors[0]["name"] == "Mine";
        if tags == json!(["critical", "team-a"]) && row["visibility"] == "team" && is_back {
            Ok(())
        } else {
            Err(format!("{row:?} {colors:?}"))
        }
    });
}
