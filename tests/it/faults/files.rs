//! Much at once, and directories that change places.

use std::fs;

use super::oracle::{self, Onlooker};
use super::scene::{Scene, first_words, read, save, write_skill};
use crate::generate::{Mix, Recipe, generate};
use crate::home::Home;

#[test]
fn s25_two_thousand_artifacts_at_once() {
    let scene = Scene::of(&["first"], "");
    let before = scene.revision();
    // Files first and the manifest last, written in place: as a checkout does, and not as SkillMeat does.
    let recipe = Recipe { collection: "default", artifacts: 2_000, seed: 25, mix: Mix::Skills };
    assert_eq!(generate(&scene.home.skillmeat(), recipe).len(), 2_000);
    scene.settled("two thousand artifacts");
    let ids = oracle::ids(&scene.home);
    assert_eq!(ids.len(), 2_000, "the one from before is in no manifest any more");
    let looks = scene.revision() - before;
    assert!(looks < 200, "{looks} reconciles for one checkout");
    // And every one of them is watched.
    let last = ids.last().and_then(|id| id.strip_prefix("skill:")).expect("an id").to_owned();
    let script = scene.home.collection("default").join("skills").join(&last).join("scripts/s0.py");
    fs::write(script, "changed").expect("a file");
    scene.settled("a change in the last of them");
}

#[test]
fn s25_a_checkout_to_and_fro_keeps_the_rows() {
    let scene = Scene::of(&["kept", "branch"], "");
    let onlooker = Onlooker::of_row(&scene.home, "skill:kept");
    let root = scene.home.collection("default");
    let here = read(&scene.home.manifest("default"));
    for round in 0..20 {
        // What `git checkout` does: unlinks and writes file by file, the manifest among them.
        let path = scene.home.manifest("default");
        fs::remove_file(&path).expect("unlinked");
        fs::remove_dir_all(root.join("skills/branch")).expect("unlinked");
        write_skill(&root, "branch", &first_words("branch"));
        fs::write(&path, here.replace("1.0.0", &format!("1.0.{round}"))).expect("the manifest");
    }
    scene.settled("twenty checkouts");
    onlooker.saw_no_wrong();
}

/// SkillMeat's way to exchange a directory (`skillmeat.core.write_transaction`): a copy is staged beside it, the old one
/// moved aside, the copy moved in, the old one deleted.
fn swap(home: &Home, name: &str, mark: &str) {
    let skills = home.collection("default").join("skills");
    let (staged, aside) = (
        skills.join(format!(".{name}.txn-{mark}")),
        skills.join(format!(".{name}.skillmeat-swap-aside-{mark}")),
    );
    let written = write_skill(&home.path().join("sources"), name, &format!("swapped in {mark}"));
    fs::rename(written, &staged).expect("the staged copy");
    fs::rename(skills.join(name), &aside).expect("aside");
    fs::rename(&staged, skills.join(name)).expect("in");
    fs::remove_dir_all(&aside).expect("the end of the old one");
}

#[test]
fn s25_the_swap_dance_is_one_row_all_along() {
    // Without a grace period, so that nothing but the order of things protects the row.
    let scene = Scene::of(&["dancer", "other"], "remove_grace = \"0ms\"\n");
    let onlookers =
        [Onlooker::of_row(&scene.home, "skill:dancer"), Onlooker::of_row(&scene.home, "skill:other")];
    for round in 0..20 {
        swap(&scene.home, "dancer", &format!("{round:08}"));
        if round % 4 == 0 {
            scene.described("dancer", &format!("swapped in {round:08}"));
        }
    }
    scene.described("dancer", "swapped in 00000019");
    scene.settled("the dance");
    // Still watched where it is now.
    let script = scene.home.collection("default").join("skills/dancer/scripts/run.py");
    fs::write(script, "changed").expect("a file");
    scene.settled("a change after the dance");
    let directory = scene.home.collection("default");
    save(&directory.join("skills/dancer/notes.md"), "a new file");
    scene.settled("a new file after the dance");
    onlookers.into_iter().for_each(Onlooker::saw_no_wrong);
}
