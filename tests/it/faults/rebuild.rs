//! `db rebuild`: what it cures, what it refuses, and what it leaves behind.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value;

use super::oracle;
use super::scene::{self, SEEN, Scene};
use crate::child::Finished;
use crate::daemon::{Daemon, call};
use crate::home::{Home, eventually};

const HALF: &str = "CREATE TABLE collections (id, name); CREATE TABLE _alembic_tmp_artifacts (id)";

/// A home whose database is what a first start of the web backend leaves.
fn half_made(skills: &[&str]) -> Arc<Home> {
    let home = scene::home(skills, "");
    fs::create_dir_all(home.cache_db().parent().expect("a directory")).expect("the cache's directory");
    let connection = Connection::open(home.cache_db()).expect("a database");
    connection.execute_batch(&format!("PRAGMA journal_mode = WAL; {HALF}")).expect("half a schema");
    home
}

fn rebuild(home: &Home, arguments: &[&str]) -> Finished {
    call(home, &[&["db", "rebuild"], arguments].concat())
}

/// The databases that were set aside, without their companions.
fn aside(home: &Home) -> Vec<PathBuf> {
    let names = fs::read_dir(home.cache_db().parent().expect("a directory")).expect("the cache's directory");
    let paths = names.flatten().map(|entry| entry.path());
    paths
        .filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            name.starts_with("cache.db.aside-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .collect()
}

#[test]
fn a_half_made_database_is_cured_with_no_daemon() {
    let home = half_made(&["pdf", "other"]);
    // Nobody is there to ask, and nobody said yes.
    let refused = rebuild(&home, &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(aside(&home), Vec::<PathBuf>::new());

    let done = rebuild(&home, &["--yes", "--json"]).succeeded();
    let answer: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&answer["schema"], &answer["rebuilt"]), (&1.into(), &true.into()), "{answer}");
    assert_eq!(answer["synced"]["reconcile"]["artifacts"], 2, "{answer}");
    oracle::difference(&home).expect("rows that say what the files say");
    // The old one is whole, and where the answer says.
    let old = aside(&home);
    assert_eq!(old.len(), 1);
    assert_eq!(answer["aside"], old[0].display().to_string());
    let old = Connection::open(&old[0]).expect("the old database");
    let tables: i64 =
        old.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).expect("its tables");
    assert_eq!(tables, 2);
    // Once is enough.
    let again = rebuild(&home, &["--yes"]).succeeded();
    assert!(again.stdout.contains("nothing is wrong"), "{again:?}");
    assert_eq!(aside(&home).len(), 1);
}

/// On a terminal that `script` makes (script(1) of util-linux).
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_it_asks_first() {
    let home = half_made(&["pdf"]);
    let answered = |answer: &str| {
        let mut command = home.command("script");
        let line = format!("'{}' db rebuild", crate::daemon::binary().display());
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        crate::child::finish(command, answer, SEEN)
    };
    for no in ["n\n", "\n"] {
        let refused = answered(no);
        let asked = &refused.stdout;
        assert!(asked.contains("half made") && asked.contains("Go on? [y/N]"), "{refused:?}");
        assert!(refused.status.code() == Some(1) && asked.contains("nothing was done"), "{refused:?}");
        assert_eq!(aside(&home), Vec::<PathBuf>::new());
    }
    let done = answered("y\n").succeeded();
    assert!(done.stdout.contains("the old database is now"), "{done:?}");
    assert_eq!(aside(&home).len(), 1);
    oracle::difference(&home).expect("rows that say what the files say");
}

#[test]
fn a_waiting_daemon_goes_on_with_the_new_one() {
    let home = half_made(&["pdf", "other"]);
    let daemon = Daemon::start(&home);
    let scene = Scene { daemon, home: Arc::clone(&home) };
    let waiting = scene.in_state("waiting", "the start");
    assert_eq!(waiting["database"]["kind"], "half_schema");
    rebuild(&home, &["--yes"]).succeeded();
    scene.settled("the rebuild");
}

#[test]
fn a_damaged_database_is_cured() {
    let home = scene::home(&["pdf"], "");
    call(&home, &["sync", "--once"]).succeeded();
    fs::write(home.cache_db(), "not a database, though it is a file").expect("a write");
    assert_eq!(call(&home, &["sync", "--once"]).status.code(), Some(5));
    rebuild(&home, &["--yes"]).succeeded();
    oracle::difference(&home).expect("rows that say what the files say");
    assert_eq!(aside(&home).len(), 1);
}

#[test]
fn a_database_in_use_stays() {
    let home = scene::home(&["pdf"], "");
    let mut scene = Scene::open(Arc::clone(&home));
    let before = fs::metadata(home.cache_db()).expect("the cache").modified().expect("a time");
    let refused = rebuild(&home, &["--yes", "--force"]);
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    let holder = format!("skillmeatd (pid {})", scene.daemon.pid());
    assert!(
        refused.stderr.contains(&holder) && refused.stderr.contains("stop the daemon first"),
        "{refused:?}"
    );
    assert_eq!(aside(&home), Vec::<PathBuf>::new());
    assert_eq!(fs::metadata(home.cache_db()).expect("the cache").modified().expect("a time"), before);
    scene.daemon.process().stop();
    eventually(SEEN, "a sound database is rebuilt when that is wished", || {
        let done = rebuild(&home, &["--yes", "--force"]);
        if done.status.success() { Ok(()) } else { Err(done.stderr) }
    });
    assert_eq!(aside(&home).len(), 1);
    oracle::difference(&home).expect("rows that say what the files say");
}

#[test]
fn when_nobody_can_make_another_one_the_old_one_comes_back() {
    let home = half_made(&["pdf"]);
    let before = fs::read(home.cache_db()).expect("the cache");
    let refused = rebuild(&home, &["--yes", "--set", "database.create=never"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    // A `skillmeat` that cannot do it, found out too late.
    let failed = rebuild(
        &home,
        &["--yes", "--set", "database.create=skillmeat", "--set", "database.skillmeat=/bin/false"],
    );
    assert_eq!(failed.status.code(), Some(5), "{failed:?}");
    assert!(failed.stderr.contains("back in its place"), "{failed:?}");
    assert_eq!(fs::read(home.cache_db()).expect("the cache"), before);
    assert_eq!(aside(&home), Vec::<PathBuf>::new());
}
