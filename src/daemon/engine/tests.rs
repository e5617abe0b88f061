//! The engine on a real tree and a real database, without the loop around it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::{self, DatabaseCreate, Sources};
use crate::domain::dirty::Dirt;
use crate::domain::removal::HaltReason;
use crate::paths::Environment;

mod author;
mod cost;
mod exchange;

struct Scene {
    _home: TempDir,
    paths: Paths,
    engine: Engine,
}

impl Scene {
    async fn new(names: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Environment::under(home.path())).unwrap();
        crate::paths::create_private(&paths.state_dir).unwrap();
        let engine = Engine::open(paths.clone(), config(60_000)).await.unwrap();
        let scene = Self { _home: home, paths, engine };
        scene.write_manifest(names);
        scene
    }

    fn manifest(&self) -> PathBuf {
        self.paths.collections.join("default/collection.toml")
    }

    fn write_manifest(&self, names: &[&str]) {
        let mut text =
            "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\nupdated = \"2026-01-01T00:00:00\"\n"
                .to_owned();
        for name in names {
            let skill = self.paths.collections.join("default/skills").join(name);
            fs::create_dir_all(&skill).unwrap();
            fs::write(skill.join("SKILL.md"), format!("---\ndescription: does {name}\n---\n")).unwrap();
            text += &format!(
                "\n[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00\"\n\n[artifacts.metadata]\ndescription = \"does {name}\"\n"
            );
        }
        fs::write(self.manifest(), text).unwrap();
    }

    fn rows(&self) -> Vec<(String, Option<String>)> {
        let peer = rusqlite::Connection::open(&self.paths.cache_db).unwrap();
        let sql = "SELECT a.id, c.description FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid
                   WHERE c.collection_id = 'default' ORDER BY a.id";
        let mut statement = peer.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.rows().into_iter().map(|(id, _)| id).collect()
    }

    async fn look(&mut self, scope: &ScanScope) -> Findings {
        let findings = self.engine.reconcile(scope, *scope == ScanScope::All).await;
        assert!(findings.setback.is_none(), "{:?}", findings.setback);
        findings
    }
}

fn config(remove_grace_ms: u64) -> Config {
    let mut config = config::load(&Sources::default()).unwrap().config;
    config.database.create = DatabaseCreate::Standalone;
    config.remove_grace = std::time::Duration::from_millis(remove_grace_ms);
    config
}

fn manifest_changed() -> ScanScope {
    let dirt = Dirt::Parts { manifest: true, paths: BTreeSet::new() };
    ScanScope::Collections(BTreeMap::from([("default".to_owned(), dirt)]))
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let mut scene = Scene::new(&["a", "b"]).await;
    assert!(scene.look(&ScanScope::All).await.reconciled.rows > 0);
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0);
    assert_eq!(scene.ids(), ["skill:a", "skill:b"]);
}

#[tokio::test]
async fn a_database_that_was_replaced_is_filled_as_a_whole_even_by_a_scoped_look() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(scene.paths.cache_db.with_file_name(format!("cache.db{suffix}")));
    }
    let gone = scene.engine.reconcile(&ScanScope::nothing(), false).await;
    assert_eq!(
        gone.setback.map(|(setback, _)| setback),
        Some(Setback::Transient),
        "not while a tree may be going"
    );
    scene.look(&ScanScope::nothing()).await;
    assert_eq!(scene.ids(), ["skill:a", "skill:b"]);
}

#[tokio::test]
async fn a_halt_is_lifted_by_the_look_that_finds_the_manifest_again() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let text = fs::read(scene.manifest()).unwrap();
    fs::remove_file(scene.manifest()).unwrap();
    let halted = scene.look(&manifest_changed()).await;
    assert_eq!(halted.halts[0].reason, HaltReason::Gone);
    assert_eq!(scene.ids(), ["skill:a", "skill:b"]);
    fs::write(scene.manifest(), text).unwrap();
    assert!(scene.look(&manifest_changed()).await.halts.is_empty());
}

#[tokio::test]
async fn a_confirmed_absence_of_the_whole_manifest_removes_its_rows() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    fs::remove_file(scene.manifest()).unwrap();
    let halted = scene.look(&manifest_changed()).await;
    scene.engine.confirm("default".into(), halted.halts[0].artifacts.clone()).await.unwrap();
    let after = scene.look(&ScanScope::All).await;
    assert!(after.halts.is_empty(), "{:?}", after.halts);
    assert_eq!(scene.ids(), [] as [&str; 0]);
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0, "and it stays so");
    scene.write_manifest(&["a"]);
    scene.look(&manifest_changed()).await;
    assert_eq!(scene.ids(), ["skill:a"], "until the manifest is back");
    assert!(scene.engine.memory.confirmed.is_empty());
}

#[tokio::test]
async fn a_removal_waits_for_its_grace_and_an_entry_that_comes_back_was_never_gone() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    scene.write_manifest(&["a"]);
    let waiting = scene.look(&manifest_changed()).await;
    assert_eq!((waiting.reconciled.rows, waiting.pending_removals), (0, 1));
    assert!(scene.engine.look_again().is_some());
    scene.write_manifest(&["a", "b"]);
    assert_eq!(scene.look(&manifest_changed()).await.pending_removals, 0);
    assert_eq!(scene.ids(), ["skill:a", "skill:b"]);

    scene.engine.configure(config(0));
    scene.write_manifest(&["a"]);
    scene.look(&manifest_changed()).await;
    scene.look(&ScanScope::All).await;
    assert_eq!(scene.ids(), ["skill:a"]);
}

#[tokio::test]
async fn a_hand_edit_goes_through_the_manifest_into_the_row_and_only_once() {
    let mut scene = Scene::new(&["a"]).await;
    scene.look(&ScanScope::All).await;
    let skill = scene.paths.collections.join("default/skills/a/SKILL.md");
    fs::write(skill, "---\ndescription: does much more\ntags: [x, x, y]\n---\n").unwrap();
    scene.look(&ScanScope::All).await;
    assert_eq!(scene.rows(), [("skill:a".to_owned(), Some("does much more".to_owned()))]);
    let text = fs::read_to_string(scene.manifest()).unwrap();
    assert!(text.contains("description = \"does much more\""), "{text}");
    assert_eq!(text.matches("\"x\"").count(), 1, "{text}");
    assert_eq!(scene.look(&ScanScope::All).await.reconciled.rows, 0);
    assert_eq!(fs::read_to_string(scene.manifest()).unwrap(), text);

    // What somebody puts into the manifest afterwards stays, as long as the frontmatter stays.
    fs::write(scene.manifest(), text.replace("does much more", "does less")).unwrap();
    scene.look(&ScanScope::All).await;
    assert_eq!(scene.rows()[0].1.as_deref(), Some("does less"));
}

#[tokio::test]
async fn the_next_run_knows_what_the_last_one_saw() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    scene.engine.persist().await;
    fs::remove_dir_all(scene.paths.collections.join("default")).unwrap();
    scene.engine = Engine::open(scene.paths.clone(), config(0)).await.unwrap();
    let halted = scene.look(&ScanScope::All).await;
    assert_eq!(halted.halts[0].reason, HaltReason::Gone);
    assert_eq!(scene.ids(), ["skill:a", "skill:b"]);
}
