//! Groups and tag definitions between a manifest and a database that a neighbour writes to as the web page does.

use std::time::Duration;

use rusqlite::Connection;

use super::*;

const NOW: &str = "2026-11-21 12:00:00.000000";

/// What the neighbour does when a person works at the web page.
struct Web(Connection);

impl Web {
    fn at(scene: &Scene) -> Self {
        let web = Connection::open(&scene.paths.cache_db).unwrap();
        web.execute_batch("PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000").unwrap();
        Self(web)
    }

    fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap();
    }

    fn make_group(&self, collection: &str, name: &str, members: &[&str]) {
        let id = format!("id-{name}");
        let sql =
            "INSERT INTO groups (id, collection_id, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
        self.0.execute(sql, [&id, collection, name, NOW, NOW]).unwrap();
        self.set_members(name, members);
    }

    fn set_members(&self, group: &str, members: &[&str]) {
        let id = format!("id-{group}");
        self.0.execute("DELETE FROM group_artifacts WHERE group_id = ?", [&id]).unwrap();
        for (position, member) in (0_i64..).zip(members) {
            let sql = "INSERT INTO group_artifacts SELECT ?, uuid, ?, ? FROM artifacts WHERE id = ?";
            let done = self.0.execute(sql, (&id, position, NOW, member)).unwrap();
            assert_eq!(done, 1, "{member}");
        }
    }

    /// `name: member member …`, by position.
    fn groups(&self, collection: &str) -> Vec<String> {
        let sql = "SELECT g.name || ':' || ifnull((SELECT group_concat(' ' || a.id, '' ORDER BY m.position)
                FROM group_artifacts m JOIN artifacts a ON a.uuid = m.artifact_uuid WHERE m.group_id = g.id), '')
            FROM groups g WHERE collection_id = ? ORDER BY g.position, g.rowid";
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([collection], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

impl Scene {
    fn text(&self) -> String {
        fs::read_to_string(self.manifest()).unwrap()
    }

    /// `name: member member …`, in file order.
    fn groups(&self) -> Vec<String> {
        let table: toml::Table = self.text().parse().unwrap();
        let groups = table.get("groups").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        groups
            .iter()
            .map(|group| {
                let members = group.get("members").and_then(toml::Value::as_array).into_iter().flatten();
                let members: String =
                    members.map(|member| format!(" {}", member.as_str().unwrap())).collect();
                format!("{}:{members}", group["name"].as_str().unwrap())
            })
            .collect()
    }

    fn replace(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{text}");
        fs::write(self.manifest(), text.replace(from, to)).unwrap();
    }

    /// What the watcher would have it do.
    async fn settle(&mut self) {
        self.engine.check_cache().await;
        self.look(&manifest_changed()).await;
        self.look(&ScanScope::All).await;
    }

    fn delete_database(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(self.paths.cache_db.with_file_name(format!("cache.db{suffix}")));
        }
    }
}

#[tokio::test]
async fn a_group_made_on_the_web_is_in_the_file_before_any_row_is_compared() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "Auth", &["skill:b", "skill:a"]);
    assert!(scene.engine.check_cache().await);
    assert_eq!(scene.groups(), ["Auth: skill:b skill:a"]);
    let text = scene.text();
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0);
    assert_eq!(scene.text(), text, "and that is all");
    assert!(!scene.engine.check_cache().await);
}

#[tokio::test]
async fn order_fields_and_deletion_follow_the_web() {
    let mut scene = Scene::new(&["a", "b", "c"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a", "skill:b", "skill:c"]);
    scene.settle().await;
    web.set_members("G", &["skill:c", "skill:a"]);
    web.run("UPDATE groups SET color = 'rose', icon = 'star', description = 'd', position = 3");
    scene.settle().await;
    assert_eq!(scene.groups(), ["G: skill:c skill:a"]);
    for line in ["color = \"rose\"", "icon = \"star\"", "description = \"d\"", "position = 3"] {
        assert!(scene.text().contains(line), "{line}");
    }
    web.run("DELETE FROM groups");
    scene.settle().await;
    assert_eq!(scene.groups(), [] as [&str; 0]);
    assert!(!scene.text().contains("groups"));
}

#[tokio::test]
async fn an_edit_by_hand_goes_to_the_database_and_a_stale_copy_does_not() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let before = scene.text();
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    scene.replace("\"skill:a\",", "\"skill:a\", \"skill:b\",");
    scene.settle().await;
    assert_eq!(web.groups("default"), ["G: skill:a skill:b"]);
    scene.replace("    \"skill:a\", \"skill:b\",", "    \"skill:a\",");
    scene.settle().await;
    assert_eq!(web.groups("default"), ["G: skill:a"], "undone by hand");

    // SkillMeat's command line read the file before there was any group, and writes it now with its own time.
    let stale = before.replace("updated = \"2026-01-01", "updated = \"2026-12-24");
    fs::write(scene.manifest(), stale).unwrap();
    scene.settle().await;
    assert_eq!(scene.groups(), ["G: skill:a"]);
    assert_eq!(web.groups("default"), ["G: skill:a"]);
}

#[tokio::test]
async fn both_sides_at_once_make_a_conflict_that_a_person_decides() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    for (side, expected) in [("theirs", "mine"), ("ours", "web")] {
        web.run("UPDATE groups SET icon = 'start'");
        scene.settle().await;
        web.run("UPDATE groups SET icon = 'web', description = 'from the web'");
        scene.replace("icon = \"start\"", "icon = \"mine\"");
        let findings = scene.look(&ScanScope::All).await;
        assert_eq!(findings.conflicts.len(), 1);
        assert!(scene.text().contains("icon = \"web\""), "the database's value was taken");
        assert!(scene.text().contains("description = \"from the web\""));
        let ids: Vec<String> = scene.engine.exchange.conflicts.iter().map(|kept| kept.id.clone()).collect();
        if side == "theirs" {
            scene.engine.put_theirs(&ids).await.unwrap();
        }
        scene.engine.forget_conflicts(&ids).await.unwrap();
        assert!(scene.text().contains(&format!("icon = \"{expected}\"")), "{}", scene.text());
        assert_eq!(web.texts("SELECT icon FROM groups"), [expected]);
        assert_eq!(scene.look(&ScanScope::All).await.conflicts.len(), 0);
        assert!(scene.engine.state.conflicts::<serde_json::Value>().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_gives_way_is_kept_before_it_is_overwritten() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    // Nothing can be written while the lock cannot be taken.
    let lock = scene.paths.collections.join("default/.collection.toml.skillmeat-lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    web.run("UPDATE groups SET icon = 'web'");
    scene.replace("icon = \"layers\"", "icon = \"mine\"");
    scene.look(&ScanScope::All).await;
    assert!(scene.text().contains("icon = \"mine\""), "{}", scene.text());
    let kept = scene.engine.state.conflicts::<serde_json::Value>().await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fs::remove_dir(&lock).unwrap();
    let findings = scene.look(&ScanScope::All).await;
    assert!(scene.text().contains("icon = \"web\""), "{}", scene.text());
    assert_eq!(findings.conflicts.len(), 1, "the same one");
    assert_eq!(scene.engine.state.conflicts::<serde_json::Value>().await.unwrap(), kept);
}

#[tokio::test]
async fn a_deleted_database_comes_back_complete() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:b", "skill:a"]);
    web.make_group("default", "Empty", &[]);
    web.run(&format!(
        "UPDATE groups SET tags_json = '[\"x\"]', visibility = 'public', color = 'rose', position = 4 WHERE name = 'G';
         INSERT INTO tags (id, name, slug, color, created_at, updated_at)
             VALUES ('t1', 'Hot', 'hot', '#ff0000', '{NOW}', '{NOW}'), ('t2', 'Free', 'free', NULL, '{NOW}', '{NOW}')"
    ));
    scene.settle().await;
    for restart in [false, true] {
        let text = scene.text();
        scene.delete_database();
        if restart {
            scene.engine = Engine::open(scene.paths.clone(), config(60_000)).await.unwrap();
        }
        let _ = scene.engine.reconcile(&ScanScope::nothing(), false).await;
        scene.settle().await;
        let web = Web::at(&scene);
        assert_eq!(web.groups("default"), ["Empty:", "G: skill:b skill:a"], "restarted: {restart}");
        assert_eq!(
            web.texts("SELECT tags_json || visibility || color || position FROM groups WHERE name = 'G'"),
            ["[\"x\"]publicrose4"],
            "restarted: {restart}"
        );
        assert_eq!(
            web.texts("SELECT slug || ifnull(color, '-') FROM tags ORDER BY slug"),
            ["free-", "hot#ff0000"]
        );
        assert_eq!(scene.text(), text, "the file has said so all along");
        // What is deleted in the new database is deleted.
        web.run("DELETE FROM groups WHERE name = 'Empty'");
        scene.settle().await;
        assert_eq!(scene.groups(), ["G: skill:b skill:a"]);
        web.make_group("default", "Empty", &[]);
        web.run("UPDATE groups SET position = 0 WHERE name = 'Empty'");
        scene.settle().await;
        assert_eq!(scene.groups(), ["Empty:", "G: skill:b skill:a"]);
    }
}

#[tokio::test]
async fn our_own_state_lost_and_the_database_too_the_file_is_enough() {
    let mut scene = Scene::new(&["a"]).await;
    let text = scene.text()
        + "\n[[groups]]\nname = \"G\"\ncolor = \"rose\"\nmembers = [\"skill:a\", \"gone\"]\n\n\
           [[tag_definitions]]\nname = \"Hot\"\nslug = \"hot\"\ncolor = \"#ff0000\"\n";
    fs::write(scene.manifest(), &text).unwrap();
    let findings = scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    assert_eq!(web.groups("default"), ["G: skill:a"]);
    assert_eq!(web.texts("SELECT color FROM tags"), ["#ff0000"]);
    assert_eq!(scene.text(), text);
    assert!(
        findings.problems.iter().any(|problem| problem.message.contains("`gone`")),
        "{:?}",
        findings.problems
    );
}

#[tokio::test]
async fn memberships_that_went_with_their_artifacts_are_put_back() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:b", "skill:a"]);
    scene.settle().await;
    // `skillmeat cache clear`
    web.run("DELETE FROM artifacts; DELETE FROM projects");
    assert_eq!(web.groups("default"), ["G:"]);
    scene.settle().await;
    assert_eq!(web.groups("default"), ["G: skill:b skill:a"]);
    assert_eq!(scene.groups(), ["G: skill:b skill:a"]);
}

#[tokio::test]
async fn a_manifest_in_doubt_is_neither_written_nor_believed() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    let good = scene.text();
    for bad in [Some("[collection\n"), Some(""), None] {
        match bad {
            Some(bad) => fs::write(scene.manifest(), bad).unwrap(),
            None => fs::remove_file(scene.manifest()).unwrap(),
        }
        web.run("UPDATE groups SET icon = icon || 'x'");
        scene.settle().await;
        assert_eq!(fs::read_to_string(scene.manifest()).ok().as_deref(), bad);
        assert_eq!(web.groups("default"), ["G: skill:a"], "{bad:?}");
    }
    fs::write(scene.manifest(), good).unwrap();
    scene.settle().await;
    assert!(scene.text().contains("icon = \"layersxxx\""), "{}", scene.text());
}

#[tokio::test]
async fn names_that_lead_elsewhere_lead_nowhere() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    let text = scene.text();
    for (n, name) in ["../default", "/etc", "default/../default", "default ", ".."].iter().enumerate() {
        let id = format!("c{n}");
        let sql = "INSERT INTO collections (id, name, created_at, updated_at, enforce_override) VALUES (?, ?, ?, ?, 0)";
        web.0.execute(sql, [id.as_str(), name, NOW, NOW]).unwrap();
        web.make_group(&id, &format!("G{n}"), &["skill:a"]);
    }
    scene.settle().await;
    assert_eq!(scene.text(), text);
    let findings = scene.look(&ScanScope::All).await;
    let told: Vec<&str> = findings.database_only.iter().map(|only| only.name.as_str()).collect();
    assert_eq!(told, ["../default", "/etc", "default/../default", "default ", ".."]);
    let listed: Vec<_> =
        fs::read_dir(&scene.paths.collections).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(listed, ["default"]);
}

#[tokio::test]
async fn a_directory_whose_groups_have_no_collection_gets_one_unless_a_person_deleted_it() {
    let mut scene = Scene::new(&["a"]).await;
    let work = scene.paths.collections.join("work");
    fs::create_dir_all(work.join("skills/w")).unwrap();
    fs::write(work.join("skills/w/SKILL.md"), "---\ndescription: w\n---\n").unwrap();
    let text = scene
        .text()
        .replace("\"default\"", "\"work\"")
        .replace("skills/a", "skills/w")
        .replace("\"a\"", "\"w\"")
        + "\n[[groups]]\nname = \"W\"\nmembers = [\"skill:w\"]\n";
    fs::write(work.join("collection.toml"), &text).unwrap();
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    assert_eq!(web.groups("work"), ["W: skill:w"]);
    assert_eq!(web.groups("default"), [] as [&str; 0]);
    assert_eq!(web.texts("SELECT name || slug FROM collections WHERE id = 'work'"), ["workwork"]);
    assert_eq!(
        web.texts("SELECT a.id FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid WHERE collection_id = 'work'"),
        ["skill:w"],
        "its artifacts are in it at once"
    );
    web.run("DELETE FROM collections WHERE id = 'work'");
    scene.settle().await;
    assert_eq!(web.texts("SELECT id FROM collections"), ["default"], "a person has deleted it");
    assert_eq!(
        fs::read_to_string(work.join("collection.toml")).unwrap(),
        text,
        "and the file keeps its groups"
    );
    scene.delete_database();
    let _ = scene.engine.reconcile(&ScanScope::nothing(), false).await;
    scene.settle().await;
    assert_eq!(Web::at(&scene).groups("work"), ["W: skill:w"], "which a new database has again");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_written_is_a_problem_until_it_can() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    let text = scene.text();
    let other_name = scene.manifest().with_file_name("other-name");
    fs::hard_link(scene.manifest(), &other_name).unwrap();
    web.make_group("default", "G", &["skill:a"]);
    scene.engine.check_cache().await;
    let findings = scene.look(&ScanScope::All).await;
    assert!(
        findings.problems.iter().any(|problem| problem.message.contains("hard links")),
        "{:?}",
        findings.problems
    );
    assert_eq!(scene.text(), text);
    assert_eq!(web.groups("default"), ["G: skill:a"]);
    fs::remove_file(other_name).unwrap();
    assert!(scene.look(&ScanScope::All).await.problems.is_empty());
    assert_eq!(scene.groups(), ["G: skill:a"]);
}

#[tokio::test]
async fn a_killed_daemon_goes_on_where_it_was() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    // The manifest was written and the agreement was not.
    let agreement = "SELECT payload FROM agreements";
    let state = Connection::open(scene.engine.state.path()).unwrap();
    let before: String = state.query_row(agreement, [], |row| row.get(0)).unwrap();
    web.set_members("G", &["skill:b"]);
    scene.settle().await;
    state.execute("UPDATE agreements SET payload = ?", [before]).unwrap();
    state.execute("DELETE FROM sections_seen WHERE seq = (SELECT max(seq) FROM sections_seen WHERE section = 'groups')", []).unwrap();
    scene.engine = Engine::open(scene.paths.clone(), config(60_000)).await.unwrap();
    let findings = scene.look(&ScanScope::All).await;
    assert_eq!((findings.conflicts.len(), findings.reconciled.rows), (0, 0));
    assert_eq!(
        (scene.groups(), web.groups("default")),
        (vec!["G: skill:b".to_owned()], vec!["G: skill:b".to_owned()])
    );
}

#[tokio::test]
async fn an_earlier_text_is_put_back_and_the_database_follows_it() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.make_group("default", "G", &["skill:a"]);
    scene.settle().await;
    let wanted = scene.text();
    web.set_members("G", &["skill:b"]);
    scene.settle().await;
    let kept = scene.engine.state.kept_manifests(Some("default")).await.unwrap();
    let (reply, answer) = tokio::sync::oneshot::channel();
    let pick = crate::control::protocol::review::Pick {
        collection: "default".into(),
        version: kept[0].sha256[..8].to_owned(),
    };
    scene.engine.review(crate::control::Review::Restore(pick, reply)).await;
    assert!(answer.await.unwrap().unwrap().changed);
    assert_eq!(scene.text(), wanted);
    scene.settle().await;
    assert_eq!(web.groups("default"), ["G: skill:a"], "it is as old as a stale copy, and meant");
    assert_eq!(scene.text(), wanted);
}

#[tokio::test]
async fn groups_that_skillmeat_recovered_into_the_wrong_collection_go_where_they_belong() {
    let mut scene = Scene::new(&["a"]).await;
    let work = scene.paths.collections.join("work");
    fs::create_dir_all(&work).unwrap();
    let head = scene.text().split("\n[[").next().unwrap().replace("\"default\"", "\"work\"");
    let text = format!("{head}\n[[groups]]\nname = \"W\"\nmembers = [\"skill:a\"]\n");
    fs::write(work.join("collection.toml"), &text).unwrap();
    fs::write(scene.paths.root.join("config.toml"), "[settings]\ndefault-collection = \"work\"\n").unwrap();
    // The web backend was faster: a database, its rows, and work's groups in `default`.
    let cache = scene.paths.cache_db.clone();
    crate::paths::create_private(cache.parent().unwrap()).unwrap();
    Cache::create_standalone(&cache, &scene.paths.home).await.unwrap();
    let web = Web::at(&scene);
    web.run(&format!(
        "INSERT INTO collections (id, name, collection_type, created_at, updated_at, enforce_override)
             VALUES ('default', 'Default Collection', 'default', '{NOW}', '{NOW}', 0);
         INSERT INTO artifacts (id, uuid, name, type, is_outdated, local_modified, auto_load, created_at, updated_at, enforce_override)
             VALUES ('skill:a', 'ua', 'a', 'skill', 0, 0, 0, '{NOW}', '{NOW}', 0)"
    ));
    web.make_group("default", "W", &["skill:a"]);
    scene.look(&ScanScope::All).await;
    assert_eq!(web.groups("work"), ["W: skill:a"]);
    assert_eq!(web.groups("default"), [] as [&str; 0]);
    assert_eq!(scene.groups(), [] as [&str; 0], "nor in the file of `default`");
    assert_eq!(fs::read_to_string(work.join("collection.toml")).unwrap(), text);
}

#[tokio::test]
async fn the_palette_survives_the_database() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let insert = format!("INSERT INTO custom_colors VALUES ('1', '#abcdef', 'Mine', '{NOW}')");
    Web::at(&scene).run(&insert);
    scene.settle().await;
    scene.delete_database();
    let _ = scene.engine.reconcile(&ScanScope::nothing(), false).await;
    scene.settle().await;
    let web = Web::at(&scene);
    assert_eq!(web.texts("SELECT hex || name FROM custom_colors"), ["#abcdefMine"]);
    web.run("DELETE FROM custom_colors");
    scene.settle().await;
    assert_eq!(web.texts("SELECT hex FROM custom_colors"), [] as [&str; 0], "taken off by a person");
}

impl Web {
    /// As `POST` and `DELETE /artifacts/{id}/tags/{tag}` leave the tables for an artifact of another directory than the
    /// active one.
    fn tag(&self, artifact: &str, names: &[&str]) {
        self.run(&format!(
            "DELETE FROM artifact_tags WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE id = '{artifact}')"
        ));
        for name in names {
            let slug = name.to_lowercase().replace(' ', "-");
            self.run(&format!(
                "INSERT OR IGNORE INTO tags (id, name, slug, created_at, updated_at)
                     VALUES ('t-{slug}', '{name}', '{slug}', '{NOW}', '{NOW}');
                 INSERT INTO artifact_tags SELECT uuid, (SELECT id FROM tags WHERE name = '{name}'), '{NOW}'
                     FROM artifacts WHERE id = '{artifact}'"
            ));
        }
        let json =
            crate::db::format::json_list(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let sql = "UPDATE collection_artifacts SET tags_json = ?
            WHERE artifact_uuid = (SELECT uuid FROM artifacts WHERE id = ?)";
        assert_eq!(self.0.execute(sql, [json.as_str(), artifact]).unwrap(), 1);
    }

    fn tags(&self, artifact: &str) -> String {
        self.texts(&format!(
            "SELECT (SELECT tags_json FROM collection_artifacts WHERE artifact_uuid = a.uuid) || ' ' ||
                 ifnull((SELECT group_concat(t.name ORDER BY t.name) FROM artifact_tags x JOIN tags t ON t.id = x.tag_id
                     WHERE x.artifact_uuid = a.uuid), '-')
             FROM artifacts a WHERE id = '{artifact}'"
        ))
        .remove(0)
    }
}

#[tokio::test]
async fn a_tag_put_on_an_artifact_in_the_database_alone_reaches_the_file_and_stays() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.tag("skill:a", &["Machine Learning", "x"]);
    scene.settle().await;
    let text = scene.text();
    assert!(text.contains("tags = [\n    \"Machine Learning\",\n    \"x\",\n]"), "{text}");
    assert_eq!(web.tags("skill:a"), "[\"Machine Learning\", \"x\"] Machine Learning,x");
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0);
    assert_eq!(scene.text(), text);

    // And off again, by a daemon that has been away.
    scene.engine.persist().await;
    web.tag("skill:a", &["x"]);
    scene.engine = Engine::open(scene.paths.clone(), config(60_000)).await.unwrap();
    scene.look(&ScanScope::All).await;
    // The tag itself lives on, as a definition: no artifact would bring it back.
    assert!(!scene.text().contains("    \"Machine Learning\","), "{}", scene.text());
    assert!(scene.text().contains("slug = \"machine-learning\""), "{}", scene.text());
    assert_eq!(web.tags("skill:a"), "[\"x\"] x");
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0);
}

#[tokio::test]
async fn tags_changed_on_both_sides_meet_and_the_files_own_change_wins_where_only_it_changed() {
    let mut scene = Scene::new(&["a"]).await;
    scene.replace("origin = \"local\"", "origin = \"local\"\ntags = [\"k\", \"l\"]");
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.tag("skill:a", &["k", "l", "web"]);
    scene.replace("tags = [\"k\", \"l\"]", "tags = [\"hand\", \"k\"]");
    scene.look(&ScanScope::All).await;
    assert!(scene.text().contains("tags = [\"hand\", \"k\", \"web\"]"), "{}", scene.text());
    assert_eq!(web.tags("skill:a"), "[\"hand\", \"k\", \"web\"] hand,k,web");
    // One table alone is no word of a person, when it stays alone.
    web.run("UPDATE collection_artifacts SET tags_json = '[]'");
    scene.settle().await;
    assert!(scene.engine.look_again().is_some(), "nobody would come back to it");
    let deadline = Instant::now() + Duration::from_secs(30);
    while web.tags("skill:a") != "[\"hand\", \"k\", \"web\"] hand,k,web" {
        assert!(Instant::now() < deadline, "{}", web.tags("skill:a"));
        scene.settle().await;
    }
    assert_eq!(scene.engine.look_again(), None);
    scene.replace("tags = [\"hand\", \"k\", \"web\"]", "tags = []");
    scene.settle().await;
    assert_eq!(web.tags("skill:a"), "[] -");
}

/// SkillMeat's endpoints commit between the two tables, and we may look then.
#[tokio::test]
async fn a_tag_that_is_put_on_in_two_commits_is_not_taken_off_between_them() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let web = Web::at(&scene);
    web.run(&format!(
        "INSERT INTO tags (id, name, slug, created_at, updated_at) VALUES ('t', 'Later', 'later', '{NOW}', '{NOW}');
         INSERT INTO artifact_tags SELECT uuid, 't', '{NOW}' FROM artifacts WHERE id = 'skill:a'"
    ));
    scene.settle().await;
    assert!(web.tags("skill:a").ends_with(" Later"), "{}", web.tags("skill:a"));
    web.run("UPDATE collection_artifacts SET tags_json = '[\"Later\"]'");
    scene.settle().await;
    assert!(scene.text().contains("tags = [\n    \"Later\",\n]"), "{}", scene.text());
    assert_eq!(web.tags("skill:a"), "[\"Later\"] Later");
    // And off, likewise.
    web.run("DELETE FROM artifact_tags");
    scene.settle().await;
    assert_eq!(web.tags("skill:a"), "[\"Later\"] -");
    web.run("UPDATE collection_artifacts SET tags_json = '[]'");
    scene.settle().await;
    assert!(!scene.text().contains("    \"Later\","), "{}", scene.text());
    assert_eq!(web.tags("skill:a"), "[] -");
}

#[tokio::test]
async fn new_tags_are_defined_in_the_manifest_of_the_collection_that_is_active_now() {
    let mut scene = Scene::new(&["a"]).await;
    let work = scene.paths.collections.join("work/collection.toml");
    fs::create_dir_all(work.parent().unwrap()).unwrap();
    let head = scene.text().split("\n[[").next().unwrap().replace("\"default\"", "\"work\"");
    fs::write(&work, head + "\n").unwrap();
    scene.look(&ScanScope::All).await;
    Web::at(&scene).run(&format!(
        "INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES ('t', 'Hot', 'hot', '#ff0000', '{NOW}', '{NOW}')"
    ));
    scene.settle().await;
    assert!(scene.text().contains("#ff0000"));
    assert!(!fs::read_to_string(&work).unwrap().contains("#ff0000"));
    fs::write(scene.paths.root.join("config.toml"), "[settings]\ndefault-collection = \"work\"\n").unwrap();
    scene.look(&ScanScope::All).await;
    assert!(fs::read_to_string(&work).unwrap().contains("#ff0000"), "without a change in the database");
}
