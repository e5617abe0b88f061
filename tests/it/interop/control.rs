//! Negative control: what SkillMeat does by itself. If these fail, the other tests prove nothing.

use std::sync::Arc;

use super::api::Api;
use super::judge;
use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::generate::{Mix, Recipe, generate};
use crate::home::Home;

/// Without the daemon neither an `add` nor a `remove` reaches the running backend's list page, by itself or by a refresh;
/// a restart brings the one, and nothing ever brings the other.
#[test]
fn without_the_daemon_the_pages_are_stale() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new());
    let skillmeat = SkillMeat::new(&home);
    generate(&home.skillmeat(), Recipe { collection: "default", artifacts: 1, seed: 1, mix: Mix::Skills });
    let source = home.write("sources/alone/SKILL.md", "---\ndescription: seen by nobody\n---\n# Alone\n");
    skillmeat.make_cache();
    let mut api = Api::start(&home);
    let there: Vec<String> = judge::expected_page(&home).into_keys().collect();
    assert_eq!((shown(&api), there.len()), (there.clone(), 1), "what was there at the start");

    let name = there[0].split_once(':').expect("a name").1;
    skillmeat.add("skill", source.parent().expect("a directory"), &[]);
    skillmeat.run(&["remove", name, "--force"]);
    assert_eq!(judge::expected_page(&home).into_keys().collect::<Vec<_>>(), ["skill:alone"]);
    assert_eq!(shown(&api), there, "right after both");
    api.change("POST", "/user-collections/refresh-cache", None);
    assert_eq!(shown(&api), there, "after a refresh");
    api.restart();
    api.change("POST", "/user-collections/refresh-cache", None);
    let mut both = vec!["skill:alone".to_owned(), there[0].clone()];
    both.sort();
    assert_eq!(shown(&api), both, "a restart is what an add takes, and what was removed stays for ever");
}

fn shown(api: &Api) -> Vec<String> {
    api.artifacts().expect("the list page").into_keys().collect()
}
