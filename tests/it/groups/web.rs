//! The web page's side: rows as SkillMeat's API writes them, and both sides as plain text.
//!
//! What this module does not do: wait for the daemon, but by asking again and again.

use rusqlite::Connection;

use crate::faults::scene::{SEEN, read};
use crate::home::{Home, eventually};

pub(super) const NOW: &str = "2026-11-21 12:00:00.000000";

/// A connection set up as SkillMeat's are.
pub(super) struct Web(pub(super) Connection);

impl Web {
    pub(super) fn at(home: &Home) -> Self {
        let web = Connection::open(home.cache_db()).expect("the cache");
        web.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 30000",
        )
        .expect("settings");
        Self(web)
    }

    pub(super) fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    pub(super) fn make_group(&self, collection: &str, name: &str, members: &[&str]) {
        self.run("BEGIN IMMEDIATE");
        let sql =
            "INSERT INTO groups (id, collection_id, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
        self.0.execute(sql, [&format!("id-{name}"), collection, name, NOW, NOW]).expect("a group");
        self.fill(name, members);
        self.run("COMMIT");
    }

    pub(super) fn set_members(&self, group: &str, members: &[&str]) {
        self.run("BEGIN IMMEDIATE");
        self.fill(group, members);
        self.run("COMMIT");
    }

    fn fill(&self, group: &str, members: &[&str]) {
        let id = "SELECT id FROM groups WHERE name = ?1";
        self.0
            .execute(&format!("DELETE FROM group_artifacts WHERE group_id = ({id})"), [group])
            .expect("an empty group");
        for (position, member) in (0_i64..).zip(members) {
            let sql = format!(
                "INSERT INTO group_artifacts SELECT ({id}), uuid, ?2, ?3 FROM artifacts WHERE id = ?4"
            );
            let rows = self.0.execute(&sql, (group, position, NOW, member)).expect("a membership");
            assert_eq!(rows, 1, "there is no artifact {member}");
        }
    }

    pub(super) fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a text")).collect()
    }

    /// `name color: member member …` of each group of a DB collection, in the order of the page.
    pub(super) fn groups(&self, collection: &str) -> Result<Vec<String>, String> {
        let sql = "SELECT g.name || ' ' || g.color || ':' || ifnull((SELECT group_concat(' ' || a.id, '' ORDER BY m.position)
                FROM group_artifacts m JOIN artifacts a ON a.uuid = m.artifact_uuid WHERE m.group_id = g.id), '')
            FROM groups g WHERE collection_id = ? ORDER BY g.position, g.rowid";
        let mut statement = self.0.prepare(sql).map_err(|e| e.to_string())?;
        let rows = statement.query_map([collection], |row| row.get(0)).map_err(|e| e.to_string())?;
        rows.collect::<Result<_, _>>().map_err(|e| e.to_string())
    }
}

/// The same of a manifest.
pub(super) fn groups_in_file(home: &Home, directory: &str) -> Result<Vec<String>, String> {
    let text = read(&home.manifest(directory));
    let table: toml::Table = text.parse().map_err(|e| format!("{e}\n{text}"))?;
    let groups = table.get("groups").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    Ok(groups
        .iter()
        .map(|group| {
            let members = group.get("members").and_then(toml::Value::as_array).into_iter().flatten();
            let members: String = members.filter_map(|m| Some(format!(" {}", m.as_str()?))).collect();
            let text = |key: &str| group.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            format!("{} {}:{members}", text("name"), text("color"))
        })
        .collect())
}

/// Waits until the manifest of a directory has these groups.
pub(super) fn file_has(home: &Home, directory: &str, groups: &[&str]) {
    eventually(SEEN, &format!("{directory}/collection.toml has {groups:?}"), || {
        let seen = groups_in_file(home, directory)?;
        if seen == groups { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

/// Waits until a DB collection has these groups, in whatever database is there now.
pub(super) fn database_has(home: &Home, collection: &str, groups: &[&str]) {
    eventually(SEEN, &format!("DB collection {collection} has {groups:?}"), || {
        let seen = Web::at(home).groups(collection)?;
        if seen == groups { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}
