//! What a reconcile costs, counted and not timed.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::*;
use crate::config::DatabaseCreate;
use crate::control::api::Refresh;
use crate::daemon::Cost;
use crate::paths::{Environment, create_private};

const COUNT: usize = 40;

/// A home with skills, a standalone cache and an engine that has reconciled them.
struct Home {
    engine: Engine,
    paths: Paths,
    _directory: TempDir,
}

fn entry(n: usize, description: &str) -> String {
    format!(
        "\n[[artifacts]]\nname = \"s{n}\"\ntype = \"skill\"\npath = \"skills/s{n}\"\norigin = \"local\"\n\
         added = \"2026-01-01T00:00:00\"\ntags = [\"t{}\"]\n\n[artifacts.metadata]\ndescription = \"{description}\"\n",
        n % 3
    )
}

fn manifest(description: impl Fn(usize) -> String) -> String {
    let head = "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
                updated = \"2026-01-01T00:00:00\"\n";
    (0..COUNT).fold(head.to_owned(), |text, n| text + &entry(n, &description(n)))
}

impl Home {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Environment::under(directory.path())).unwrap();
        create_private(&paths.state_dir).unwrap();
        let mut config = Config::default();
        config.database.create = DatabaseCreate::Standalone;
        for n in 0..COUNT {
            let skill = paths.collections.join(format!("default/skills/s{n}"));
            fs::create_dir_all(&skill).unwrap();
            fs::write(skill.join("SKILL.md"), format!("---\nname: s{n}\ndescription: first\n---\n")).unwrap();
        }
        fs::write(paths.collections.join("default/collection.toml"), manifest(|_| "first".into())).unwrap();
        let engine = Engine::open(paths.clone(), config).await.unwrap();
        let mut home = Self { engine, paths, _directory: directory };
        let first = home.look(&ScanScope::All, true).await;
        assert_eq!((first.read, first.compared), (COUNT, COUNT));
        assert!(first.transactions > 0);
        home.settle().await;
        home
    }

    async fn look(&mut self, scope: &ScanScope, all_rows: bool) -> Cost {
        let findings = self.engine.reconcile(scope, all_rows).await;
        assert_eq!(findings.setback, None);
        self.engine.persist().await;
        findings.cost
    }

    /// Until every file is old enough that its times prove it unchanged.
    async fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.look(&ScanScope::All, true).await.read > 0 {
            assert!(Instant::now() < deadline, "the files do not settle");
        }
    }

    fn manifest(&self) -> PathBuf {
        self.paths.collections.join("default/collection.toml")
    }
}

#[tokio::test]
async fn nothing_to_do_costs_no_reading_no_comparing_and_no_writing() {
    let mut home = Home::new().await;
    let idle = Cost { looked_at: COUNT, ..Cost::default() };
    for _ in 0..3 {
        assert_eq!(home.look(&ScanScope::All, true).await, idle);
    }
}

#[tokio::test]
async fn verifying_rows_of_unchanged_files_reads_none_of_them() {
    let mut home = Home::new().await;
    let all = Refresh::Metadata { older_than: Some(Duration::ZERO), tags: Vec::new() };
    home.engine.wish(1, all);
    let cost = home.look(&ScanScope::All, true).await;
    assert_eq!((cost.looked_at, cost.read, cost.verified, cost.transactions), (COUNT, 0, COUNT, 1));
    assert_eq!(home.look(&ScanScope::All, true).await.verified, 0, "until they are old again");
}

#[tokio::test]
async fn one_changed_entry_costs_one_row() {
    let mut home = Home::new().await;
    let text = manifest(|n| if n == 7 { "changed".into() } else { "first".into() });
    fs::write(home.manifest(), text).unwrap();
    let cost = home.look(&ScanScope::All, true).await;
    assert_eq!((cost.read, cost.compared, cost.transactions), (0, 1, 1));
}

#[tokio::test]
async fn one_edited_file_costs_one_reading_and_one_row() {
    let mut home = Home::new().await;
    let file = home.paths.collections.join("default/skills/s3/SKILL.md");
    fs::write(file, "---\nname: s3\ndescription: by hand\n---\n").unwrap();
    let cost = home.look(&ScanScope::All, true).await;
    assert_eq!((cost.read, cost.compared, cost.transactions), (1, 1, 1));
    assert!(fs::read_to_string(home.manifest()).unwrap().contains("by hand"));
}

#[tokio::test]
async fn every_row_is_compared_again_after_a_foreign_commit_and_only_then() {
    let mut home = Home::new().await;
    let other = rusqlite::Connection::open(&home.paths.cache_db).unwrap();
    other.execute("UPDATE collection_artifacts SET description = 'theirs'", []).unwrap();
    let mended = home.look(&ScanScope::All, true).await;
    assert_eq!((mended.read, mended.compared), (0, COUNT));
    assert!(mended.transactions > 0);
    assert_eq!(home.look(&ScanScope::All, true).await.compared, 0);

    // Our own scoped write is not a foreign one …
    fs::write(home.manifest(), manifest(|n| if n == 1 { "x".into() } else { "first".into() })).unwrap();
    assert_eq!(home.look(&ScanScope::All, true).await.compared, 1);
    assert_eq!(home.look(&ScanScope::All, true).await.compared, 0);
    // … and a foreign one that has nothing to do with us costs the comparison, and no more.
    let tag = "INSERT INTO tags (id, name, slug, created_at, updated_at) VALUES ('x', 'x', 'x', '', '')";
    other.execute(tag, []).unwrap();
    let looked = home.look(&ScanScope::All, true).await;
    assert_eq!((looked.compared, looked.transactions), (COUNT, 0));
}

#[tokio::test]
async fn an_entry_that_was_unreadable_and_goes_is_noticed_absent() {
    let mut home = Home::new().await;
    let whole = manifest(|_| "first".into());
    let broken = whole.replacen("origin = \"local\"", "origin = \"nowhere\"", 1);
    fs::write(home.manifest(), &broken).unwrap();
    home.look(&ScanScope::All, true).await;
    let without = whole.replacen(&entry(0, "first"), "", 1);
    assert_ne!(without, whole);
    fs::write(home.manifest(), without).unwrap();
    let findings = home.engine.reconcile(&ScanScope::All, true).await;
    assert_eq!(findings.pending_removals, 1);
}
