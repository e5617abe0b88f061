//! Much at once: several command lines, and a checkout of many artifacts.

use crate::child::Running;
use crate::generate::{Mix, Recipe, generate};
use crate::home::eventually;

use super::scenario::{SEEN, Stage};
use super::skillmeat::SkillMeat;

/// With the refresh hook reaching the backend, as it does on a desktop. SkillMeat takes no lock on its manifest, so of six adds at once some are lost by SkillMeat itself. Whatever the
/// manifest ends up with is what the pages show, and the next add is seen as if nothing had happened.
#[test]
fn six_adds_at_once_leave_manifest_and_pages_equal() {
    let mut stage = Stage::with_collection();
    let names: Vec<String> = (1..=6).map(|number| format!("parallel{number}")).collect();
    let sources: Vec<_> = names
        .iter()
        .map(|name| stage.skill(name, &format!("description: {name}\ntags: [shared]\n")))
        .collect();
    let skillmeat = SkillMeat::hooked(&stage.home, stage.api.address());
    let mut running: Vec<Running> = sources
        .iter()
        .map(|source| Running::spawn("add", skillmeat.adding("skill", source), &stage.home.logs()))
        .collect();
    eventually(SEEN * 4, "all six adds end", || {
        let left = running.iter_mut().filter_map(|add| add.exited().is_none().then(|| add.pid())).count();
        if left == 0 { Ok(()) } else { Err(format!("{left} still running")) }
    });
    for add in &mut running {
        assert!(add.stop().success(), "{}", add.log());
    }
    assert!(!stage.ids().is_empty(), "not even one add survived");
    stage.settled("six adds at once");

    // Those that SkillMeat lost can be added now; their directories are there already.
    for (name, source) in names.iter().zip(&sources) {
        if !stage.ids().contains(&format!("skill:{name}")) {
            SkillMeat::hooked(&stage.home, stage.api.address()).add("skill", source, &["--force"]);
        }
    }
    assert_eq!(stage.ids().len(), 6);
    stage.settled("the adds that were repeated");
}

/// A collection that comes with a checkout: the files first, the manifest written in place and not by a rename.
#[test]
fn a_checkout_appears() {
    let mut stage = Stage::with_collection();
    let recipe = Recipe { collection: "default", artifacts: 250, seed: 21, mix: Mix::Skills };
    generate(&stage.home.skillmeat(), recipe);
    stage.seen("a checkout");
    // A second one of every kind; the first is now in the way of nothing.
    let recipe = Recipe { collection: "more", artifacts: 60, seed: 22, mix: Mix::Everything };
    generate(&stage.home.skillmeat(), recipe);
    assert_eq!(stage.ids().len(), 310);
    stage.seen("a second checkout");
    // Not the backend's own refresh: at this size it answers 504.
    stage.api.restart();
    stage.seen("a second checkout, after a restart of the backend");
    stage.healthy();
}
