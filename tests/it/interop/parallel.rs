//! Several command lines at once, with the refresh hook reaching the backend as it does on a desktop.

use crate::child::Running;
use crate::home::eventually;

use super::scenario::{SEEN, Stage};
use super::skillmeat::SkillMeat;

/// SkillMeat takes no lock on its manifest, so of six adds at once some are lost by SkillMeat itself. Whatever the
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
