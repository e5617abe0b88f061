//! A change of an artifact that was cut short, and the next one.

use super::*;
use crate::control::api::Authoring;
use crate::daemon::engine::author::{Intent, Step};
use crate::domain::authoring::{self, Fields};

fn author(value: &str) -> Box<Fields> {
    Box::new(Fields { author: Some(Some(value.to_owned())), ..Fields::default() })
}

fn edit(name: &str, value: &str) -> Authoring {
    let id = format!("skill:{name}").parse().unwrap();
    Authoring::Edit { id, collection: None, fields: author(value), if_match: None }
}

#[tokio::test]
async fn a_change_cut_short_is_finished_before_the_next_one_begins() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.look(&ScanScope::All).await;
    let entry_file = "---\ndescription: does a\nauthor: Ann\n---\n";
    let skill = scene.paths.collections.join("default/skills/a/SKILL.md");
    fs::write(skill, entry_file).unwrap();
    let step = Step::Edit {
        entry_file: "skills/a/SKILL.md".into(),
        after: authoring::digest(entry_file.as_bytes()),
        fields: *author("Ann"),
    };
    let intent = Intent { collection: "default".into(), artifact: "skill:a".into(), step };
    scene.engine.intend(Some(&intent)).await.unwrap();

    // The system does not give the manifest out just now.
    let aside = scene.manifest().with_file_name("aside");
    fs::rename(scene.manifest(), &aside).unwrap();
    fs::create_dir(scene.manifest()).unwrap();
    let refusal = scene.engine.author(edit("b", "Bob")).await.unwrap_err();
    assert_eq!(refusal.status, 503);
    assert!(refusal.detail.contains("skill:a") && refusal.detail.contains("collection.toml"), "{refusal:?}");
    let findings = scene.engine.reconcile(&ScanScope::All, true).await;
    assert!(findings.problems.iter().any(|problem| problem.message.contains("cut short")), "{findings:?}");

    fs::remove_dir(scene.manifest()).unwrap();
    fs::rename(aside, scene.manifest()).unwrap();
    scene.engine.author(edit("b", "Bob")).await.unwrap();
    let manifest = fs::read_to_string(scene.manifest()).unwrap();
    assert!(manifest.contains("author = \"Ann\"") && manifest.contains("author = \"Bob\""), "{manifest}");
}

#[tokio::test]
async fn a_change_that_somebody_has_made_impossible_is_in_nobodys_way() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let entry_file = fs::read(scene.paths.collections.join("default/skills/a/SKILL.md")).unwrap();
    let step = Step::Edit {
        entry_file: "skills/a/SKILL.md".into(),
        after: authoring::digest(&entry_file),
        fields: *author("Ann"),
    };
    let intent = Intent { collection: "default".into(), artifact: "skill:a".into(), step };
    scene.engine.intend(Some(&intent)).await.unwrap();
    scene.write_manifest(&["b"]);
    scene.engine.author(edit("b", "Bob")).await.unwrap();
    assert!(fs::read_to_string(scene.manifest()).unwrap().contains("author = \"Bob\""));
}

#[tokio::test]
async fn why_an_entry_file_cannot_be_edited_is_told() {
    let mut scene = Scene::new(&["a"]).await;
    fs::write(scene.paths.collections.join("default/skills/a/SKILL.md"), b"\xff").unwrap();
    let refusal = scene.engine.author(edit("a", "Ann")).await.unwrap_err();
    assert_eq!(refusal.status, 409);
    assert!(refusal.detail.contains("SKILL.md is not UTF-8"), "{refusal:?}");
}

#[tokio::test]
async fn what_a_killed_run_left_beside_the_entry_file_is_removed_and_nothing_younger() {
    let mut scene = Scene::new(&["a"]).await;
    let directory = scene.paths.collections.join("default/skills/a");
    let step = Step::Edit {
        entry_file: "skills/a/SKILL.md".into(),
        after: authoring::digest(b"half"),
        fields: *author("Ann"),
    };
    let intent = Intent { collection: "default".into(), artifact: "skill:a".into(), step };
    scene.engine.intend(Some(&intent)).await.unwrap();
    let [old, young] = ["abcdefgh", "bcdefghi"].map(|name| directory.join(format!(".SKILL.md.{name}.tmp")));
    fs::write(&old, "ha").unwrap();
    let mut engine = Engine::open(scene.paths.clone(), config(0)).await.unwrap();
    // The kernel's clock for files is a coarse one, and may be behind.
    let opened = SystemTime::now();
    while young.metadata().map_or(true, |found| found.modified().unwrap() < opened) {
        fs::write(&young, "somebody's").unwrap();
    }
    engine.reconcile(&ScanScope::All, true).await;
    assert!(!old.exists() && young.exists());
    let kept = engine.state.kept_manifests(None).await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
}
