//! Groups and tag definitions between a manifest and a database that a neighbour writes to as the web page does.

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
