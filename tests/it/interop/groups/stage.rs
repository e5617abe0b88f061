//! The stage: a home with two collections, SkillMeat's own cache, the backend and the daemon.
//!
//! What this module does not do: judge by any code of ours. Files are read with a TOML parser, rows with SQL.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::daemon::{Daemon, call};
use crate::home::{Home, eventually};
use crate::interop::api::Api;
use crate::interop::cache;
use crate::interop::scenario::Seat;
use crate::interop::skillmeat::SkillMeat;
use crate::lists;

/// How soon both sides have to be equal; on a machine that is busy with other tests they are given more.
pub(super) const SOON: Duration = Duration::from_secs(2);

/// A home, and what runs in it. Fields are dropped, and so stopped, in this order.
pub(super) struct Web {
    pub(super) daemon: Option<Daemon>,
    pub(super) api: Option<Api>,
    pub(super) home: Arc<Home>,
    _seat: Seat,
}

/// Groups as [`lists::groups`] reads them.
pub(crate) type Groups = Vec<lists::Group>;

impl Web {
    /// Two collections in a fresh cache, and nothing running: `default` of alpha, beta and gamma, `work` of delta.
    pub(super) fn closed() -> Self {
        let seat = Seat::take();
        let home = Arc::new(Home::new());
        collection(&home, "default", &["alpha", "beta", "gamma"]);
        collection(&home, "work", &["delta"]);
        home.write(".skillmeat/config.toml", "[settings]\ndefault-collection = \"default\"\n");
        put_fresh_cache(&home);
        Self { daemon: None, api: None, home, _seat: seat }
    }

    /// The same with the backend, then the daemon.
    pub(super) fn open() -> Self {
        let mut web = Self::closed();
        web.start_api();
        web.start_daemon();
        web
    }

    pub(super) fn start_api(&mut self) {
        self.api = Some(Api::start(&self.home));
    }

    pub(super) fn stop_api(&mut self) {
        self.api = None;
    }

    pub(super) fn start_daemon(&mut self) {
        self.daemon = Some(Daemon::start(&self.home));
    }

    pub(super) fn stop_daemon(&mut self) {
        self.daemon = None;
    }

    pub(super) fn api(&self) -> &Api {
        self.api.as_ref().expect("a running backend")
    }

    pub(super) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a running daemon")
    }

    pub(super) fn status(&self) -> Value {
        self.daemon.as_ref().expect("a running daemon").status().expect("an answer")
    }

    pub(super) fn problems(&self) -> String {
        self.daemon.as_ref().expect("a running daemon").problems()
    }

    pub(super) fn cli(&self) -> SkillMeat<'_> {
        SkillMeat::new(&self.home)
    }

    /// Waits until the daemon has dealt with all that happened before.
    pub(super) fn barrier(&self) {
        call(&self.home, &["sync"]).succeeded();
    }

    /// What is lost with a database: its files go, and SkillMeat's command line makes new ones.
    pub(super) fn lose_cache(&self) {
        remove_cache(&self.home);
        put_fresh_cache(&self.home);
    }

    /// `POST /groups`; the new group's id.
    pub(super) fn group(&self, collection: &str, name: &str, members: &[&str]) -> String {
        let made = json!({ "collection_id": collection, "name": name });
        let id = self.api().change("POST", "/groups", Some(&made))["id"].as_str().expect("an id").to_owned();
        if !members.is_empty() {
            self.add(&id, members);
        }
        id
    }

    /// Adds members to a group.
    pub(super) fn add(&self, group: &str, members: &[&str]) {
        let body = json!({ "artifact_ids": members });
        self.api().change("POST", &format!("/groups/{group}/artifacts"), Some(&body));
    }

    /// Changes fields of a group.
    pub(super) fn put(&self, group: &str, fields: &Value) {
        self.api().change("PUT", &format!("/groups/{group}"), Some(fields));
    }

    /// `POST /tags`; the new tag's id.
    pub(super) fn tag(&self, name: &str, slug: &str, color: Option<&str>) -> String {
        let made = json!({ "name": name, "slug": slug, "color": color });
        self.api().change("POST", "/tags", Some(&made))["id"].as_str().expect("an id").to_owned()
    }

    /// A DB collection named as given; its id.
    pub(super) fn user_collection(&self, name: &str) -> String {
        let made = self.api().change("POST", "/user-collections", Some(&json!({ "name": name })));
        made["id"].as_str().expect("an id").to_owned()
    }

    /// The manifest's text.
    pub(super) fn text(&self, directory: &str) -> String {
        fs::read_to_string(self.home.manifest(directory)).expect("a manifest")
    }

    /// The manifest, parsed.
    pub(super) fn document(&self, directory: &str) -> toml::Table {
        let text = self.text(directory);
        text.parse().unwrap_or_else(|e| panic!("{e}:\n{text}"))
    }

    /// The groups in the manifest, in the order they are shown in.
    pub(super) fn file(&self, directory: &str) -> Groups {
        lists::groups(&self.document(directory))
    }

    /// Slug, name and colour of the definitions in the manifest.
    pub(super) fn file_tags(&self, directory: &str) -> BTreeMap<String, (String, String)> {
        // The case of a colour means nothing.
        let tags = lists::tags(&self.document(directory));
        tags.into_iter().map(|(slug, (name, color, _))| (slug, (name, color.to_ascii_lowercase()))).collect()
    }

    /// A connection as the backend's.
    pub(super) fn sql(&self) -> Connection {
        let connection = Connection::open(self.home.cache_db()).expect("the cache");
        connection.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        connection.pragma_update(None, "foreign_keys", true).expect("foreign keys");
        connection
    }

    /// The groups of a DB collection, in the order they are shown in.
    pub(super) fn db(&self, collection: &str) -> Result<Groups, String> {
        groups_in(&self.home, collection)
    }

    /// Slug, name and colour of the tags in the database.
    pub(super) fn db_tags(&self) -> BTreeMap<String, (String, String)> {
        let connection = cache::open(&self.home.cache_db()).expect("the cache");
        let rows =
            cache::rows(&connection, "SELECT slug, name, lower(COALESCE(color, '')) AS color FROM tags");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let tag = |row: cache::Row| (text(&row["slug"]), (text(&row["name"]), text(&row["color"])));
        rows.expect("the tags").into_iter().map(tag).collect()
    }

    /// Waits until manifest and DB collection have the same groups, and these are `wanted` by name and members.
    pub(super) fn have(&self, directory: &str, collection: &str, wanted: &[(&str, &[&str])], after: &str) {
        let wanted: Vec<(&str, Vec<&str>)> =
            wanted.iter().map(|(name, members)| (*name, members.to_vec())).collect();
        eventually(SOON * 5, &format!("{directory} and {collection} have {wanted:?} after {after}"), || {
            let (file, db) = (self.file(directory), self.db(collection)?);
            let names = |g: &Groups| {
                g.iter().map(|g| (g.0.clone(), g.5.clone())).collect::<Vec<_>>() == owned(&wanted)
            };
            if file == db && names(&file) { Ok(()) } else { Err(format!("file {file:?}\ndb   {db:?}")) }
        });
    }

    /// Waits until manifest and DB collection have the same groups, and gives them.
    pub(super) fn agree(&self, directory: &str, collection: &str, after: &str) -> Groups {
        eventually(SOON * 5, &format!("{directory} and {collection} are equal after {after}"), || {
            let (file, db) = (self.file(directory), self.db(collection)?);
            if file == db { Ok(file) } else { Err(format!("file {file:?}\ndb   {db:?}")) }
        })
    }

    /// What the web says are the members of a group, in order.
    pub(super) fn page(&self, group: &str) -> Result<Vec<String>, String> {
        let page = self.api().get(&format!("/groups/{group}"))?;
        let members = page["artifacts"].as_array().ok_or_else(|| page.to_string())?;
        Ok(members.iter().map(|m| m["artifact_id"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

fn owned(wanted: &[(&str, Vec<&str>)]) -> Vec<(String, Vec<String>)> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    wanted.iter().map(|(name, members)| ((*name).to_owned(), texts(members))).collect()
}

/// The groups of a DB collection, in the order they are shown in; groups within groups are left out.
pub(crate) fn groups_in(home: &Home, collection: &str) -> Result<Groups, String> {
    let connection = cache::open(&home.cache_db()).map_err(|e| e.to_string())?;
    read_groups(&connection, collection).map_err(|e| e.to_string())
}

fn read_groups(connection: &Connection, collection: &str) -> rusqlite::Result<Groups> {
    // One statement is one moment.
    let mut statement = connection.prepare(
        "SELECT g.id, g.name, COALESCE(g.description, ''), g.color, g.icon, g.position, \
         (SELECT json_group_array(id) FROM (SELECT a.id AS id FROM group_artifacts m JOIN artifacts a ON \
         a.uuid = m.artifact_uuid WHERE m.group_id = g.id AND a.type <> 'group' ORDER BY m.position, m.rowid)) \
         FROM groups g WHERE g.collection_id = ?1 ORDER BY g.position, g.rowid",
    )?;
    let group = |row: &rusqlite::Row<'_>| {
        let members: String = row.get(6)?;
        let members: Vec<String> = serde_json::from_str(&members).expect("a list of texts");
        Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, members))
    };
    statement.query_map([collection], group)?.collect()
}

/// Writes a collection of skills as SkillMeat would.
pub(super) fn collection(home: &Home, collection: &str, skills: &[&str]) {
    let mut text = format!(
        "[collection]\nname = \"{collection}\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T00:00:00\"\n"
    );
    for skill in skills {
        skill_files(home, collection, skill);
        text.push_str(&entry(skill));
    }
    home.write(&format!(".skillmeat/collections/{collection}/collection.toml"), &text);
}

/// A skill's files in a collection.
pub(super) fn skill_files(home: &Home, collection: &str, skill: &str) {
    let path = format!(".skillmeat/collections/{collection}/skills/{skill}/SKILL.md");
    home.write(&path, &format!("---\nname: {skill}\ndescription: about {skill}\n---\n# {skill}\n"));
}

/// A skill's entry in a manifest.
pub(super) fn entry(skill: &str) -> String {
    format!(
        "\n[[artifacts]]\nname = \"{skill}\"\ntype = \"skill\"\npath = \"skills/{skill}\"\norigin = \"local\"\n\
         added = \"2026-01-01T00:00:00.000123\"\n\n[artifacts.metadata]\ndescription = \"about {skill}\"\n"
    )
}

/// Replaces a file by a rename, as every writer of SkillMeat's does.
pub(super) fn save(path: &Path, text: &str) {
    let temporary = path.with_file_name(".collection.toml.a1b2c3d4.tmp");
    fs::write(&temporary, text).expect("a temporary file");
    fs::rename(&temporary, path).expect("a rename");
}

/// The cache as SkillMeat's command line makes it in an empty home; made once.
fn put_fresh_cache(home: &Home) {
    static FRESH: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let files = FRESH.get_or_init(|| {
        let home = Home::new();
        SkillMeat::new(&home).make_cache();
        let directory = home.cache_db().parent().expect("a directory").to_owned();
        let cache = ["cache.db", "cache.db-wal"];
        let read = |name: &str| Some((name.to_owned(), fs::read(directory.join(name)).ok()?));
        cache.iter().filter_map(|name| read(name)).collect()
    });
    let directory = home.cache_db().parent().expect("a directory").to_owned();
    fs::create_dir_all(&directory).expect("the cache's directory");
    // The database last, and at once: it is not there in part.
    for (name, bytes) in files.iter().rev() {
        let temporary = directory.join("new");
        fs::write(&temporary, bytes).expect("a copy");
        fs::rename(temporary, directory.join(name)).expect("a rename");
    }
}

/// Deletes the cache's files.
pub(super) fn remove_cache(home: &Home) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.cache_db().with_file_name(format!("cache.db{suffix}")));
    }
}
