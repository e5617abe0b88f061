//! Who makes the cache database, and what happens when it is somebody else's, half made, or suddenly another file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::api::Api;
use super::cache;
use super::judge;
use super::scenario::{SEEN, Seat};
use super::skillmeat::SkillMeat;
use super::venv;
use crate::daemon::{Daemon, call};
use crate::generate::{Mix, Recipe, generate};
use crate::home::{Home, eventually};

const SMALL: Recipe<'_> = Recipe { collection: "default", artifacts: 25, seed: 11, mix: Mix::Everything };

/// `skillmeatd`'s exit code for a database it will not write to.
const DATABASE_NOT_USABLE: i32 = 5;

fn rows_follow(home: &Home, when: &str) {
    eventually(SEEN, &format!("the rows follow the manifests {when}"), || {
        judge::compare(&judge::expected_rows(home), &judge::rows(home)?)
    });
}

fn pages_follow(home: &Home, api: &Api, when: &str) {
    eventually(SEEN, &format!("the pages follow the manifests {when}"), || {
        judge::compare(&judge::expected_page(home), &judge::page(api)?)
    });
}

fn add_one(home: &Home, name: &str) {
    let source = home.write(&format!("sources/{name}/SKILL.md"), "---\ndescription: one more\n---\n# One\n");
    SkillMeat::new(home).add("skill", source.parent().expect("a directory"), &[]);
}

/// A home with artifacts and a database that the daemon made without SkillMeat.
fn standalone() -> (Arc<Home>, Daemon) {
    let home = Arc::new(Home::new());
    generate(&home.skillmeat(), SMALL);
    home.configure("[database]\ncreate = \"standalone\"\n");
    let daemon = Daemon::start(&home);
    rows_follow(&home, "in a database of our own making");
    (home, daemon)
}

/// The backend takes our database for one of its own: nothing to migrate, nothing broken, both go on writing.
#[test]
fn the_backend_accepts_a_database_we_made() {
    let _seat = Seat::take();
    let (home, _daemon) = standalone();
    let mut api = Api::start(&home);
    assert!(!api.log().contains("auto-migration failed"), "{}", api.log());
    pages_follow(&home, &api, "when the backend comes to our database");
    for path in ["/user-collections", "/groups?collection_id=default", "/tags?limit=5", "/artifacts?limit=5"]
    {
        api.get(path).unwrap_or_else(|e| panic!("on a database of our making: {e}"));
    }
    add_one(&home, "afterwards");
    pages_follow(&home, &api, "after SkillMeat's command line came, too");
    rows_follow(&home, "after SkillMeat's command line came, too");
    api.restart();
    assert!(!api.log().contains("auto-migration failed"), "{}", api.log());
    pages_follow(&home, &api, "after a restart of the backend");
}

/// The same with the command line first.
#[test]
fn the_command_line_accepts_a_database_we_made() {
    let _seat = Seat::take();
    let (home, _daemon) = standalone();
    let list = SkillMeat::new(&home).run(&["list"]);
    assert!(!list.stderr.contains("Error"), "{list:?}");
    add_one(&home, "afterwards");
    rows_follow(&home, "after SkillMeat's command line came");
    let api = Api::start(&home);
    assert!(!api.log().contains("auto-migration failed"), "{}", api.log());
    pages_follow(&home, &api, "when the backend comes last");
}

/// With SkillMeat on the search path the database is SkillMeat's own work.
#[test]
fn skillmeat_is_asked_to_make_its_database() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new().with_programs(venv::bin().to_owned()));
    generate(&home.skillmeat(), SMALL);
    let _daemon = Daemon::start(&home);
    eventually(SEEN * 2, "SkillMeat has made the database", || {
        if home.cache_db().exists() { Ok(()) } else { Err("no database".to_owned()) }
    });
    rows_follow(&home, "in a database SkillMeat was asked for");
    let connection = cache::open(&home.cache_db()).expect("the cache");
    // Tables that no part of the daemon knows: only SkillMeat makes those.
    let tables =
        cache::rows(&connection, "SELECT name FROM sqlite_master WHERE type = 'table'").expect("tables");
    assert!(tables.len() > 100, "{} tables", tables.len());
    let api = Api::start(&home);
    assert!(!api.log().contains("auto-migration failed"), "{}", api.log());
    pages_follow(&home, &api, "in a database SkillMeat was asked for");
}

/// A backend that starts before any command line leaves half a schema behind. We say so and write nothing.
#[test]
fn half_a_schema_is_left_alone() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new());
    generate(&home.skillmeat(), SMALL);
    drop(Api::start(&home));
    let before = dump(&home.cache_db());
    assert!(before.contains("_alembic_tmp_artifacts"), "this SkillMeat no longer breaks its own database");

    let refused = call(&home, &["sync", "--once"]);
    assert_eq!(refused.status.code(), Some(DATABASE_NOT_USABLE), "{refused:?}");
    let daemon = Daemon::start(&home);
    let status = eventually(SEEN, "the daemon says that the database is not usable", || {
        let status = daemon.status()?;
        let said = status["database"]["kind"] == "half_schema" && status["database"]["detail"].is_string();
        if said { Ok(status) } else { Err(status.to_string()) }
    });
    // Something to write about comes up, and is not written.
    generate(&home.skillmeat(), Recipe { collection: "more", seed: 12, ..SMALL });
    let refused = call(&home, &["sync", "--once"]);
    assert!(!refused.status.success(), "{refused:?}\n{status}");
    assert_eq!(dump(&home.cache_db()), before, "we wrote to a half-made database");
}

/// The cure for it: refused while the backend has the file open, and then SkillMeat makes a good one.
#[test]
fn half_a_schema_is_cured_by_a_rebuild() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new().with_programs(venv::bin().to_owned()));
    generate(&home.skillmeat(), SMALL);
    let mut api = Api::start(&home);
    let pages = api.get("/user-collections/default/artifacts");
    assert!(pages.is_err(), "this SkillMeat no longer breaks its own database: {pages:?}");
    let checkup = call(&home, &["doctor"]);
    assert_eq!(checkup.status.code(), Some(1), "{checkup:?}");
    assert!(checkup.stdout.contains("skillmeatd db rebuild"), "{checkup:?}");

    let refused = call(&home, &["db", "rebuild", "--yes"]);
    assert_eq!(refused.status.code(), Some(DATABASE_NOT_USABLE), "{refused:?}");
    assert!(refused.stderr.contains(&format!("uvicorn (pid {})", api.pid())), "{refused:?}");
    api.stop();
    let daemon = Daemon::start(&home);
    call(&home, &["db", "rebuild", "--yes"]).succeeded();
    rows_follow(&home, "in the database that was rebuilt");
    api.restart();
    assert!(!api.log().contains("auto-migration failed"), "{}", api.log());
    pages_follow(&home, &api, "in the database that was rebuilt");
    add_one(&home, "afterwards");
    pages_follow(&home, &api, "after an add to the database that was rebuilt");
    let checkup = call(&home, &["doctor"]).succeeded();
    assert!(checkup.stdout.contains("uvicorn") && !checkup.stdout.contains("FAIL"), "{checkup:?}");
    drop(daemon);
}

/// The database file is deleted and made anew while we hold the old one, then replaced by an older copy of itself.
#[test]
fn a_replaced_database_is_noticed() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new());
    generate(&home.skillmeat(), SMALL);
    home.configure("[database]\ncreate = \"never\"\n");
    let skillmeat = SkillMeat::new(&home);
    skillmeat.make_cache();
    let empty = fs::read(home.cache_db()).expect("the cache as SkillMeat made it");
    let _daemon = Daemon::start(&home);
    rows_follow(&home, "in the first database");

    for suffix in ["-wal", "-shm", ""] {
        let file = home.cache_db().with_file_name(format!("cache.db{suffix}"));
        assert!(fs::remove_file(&file).is_ok() || !suffix.is_empty(), "no {}", file.display());
    }
    skillmeat.make_cache();
    rows_follow(&home, "in a database made anew");

    let copy = home.cache_db().with_file_name("copy");
    fs::write(&copy, empty).expect("an older copy");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.cache_db().with_file_name(format!("cache.db{suffix}")));
    }
    fs::rename(copy, home.cache_db()).expect("the older copy in place");
    rows_follow(&home, "in a database that was put in place");
    let api = Api::start(&home);
    pages_follow(&home, &api, "in a database that was put in place");
}

/// Schema and content of a database as text.
fn dump(path: &Path) -> String {
    let connection = cache::open(path).expect("the database");
    let schema = cache::rows(&connection, "SELECT name, type, sql FROM sqlite_master ORDER BY type, name");
    let mut text = String::new();
    for object in schema.expect("the schema") {
        text.push_str(&format!("{object:?}\n"));
        if object["type"] == "table" {
            let name = object["name"].as_str().expect("a name");
            for row in cache::rows(&connection, &format!("SELECT * FROM \"{name}\"")).expect("the rows") {
                text.push_str(&format!("  {row:?}\n"));
            }
        }
    }
    text
}
