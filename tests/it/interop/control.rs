//! Negative control: what SkillMeat does by itself. If these fail, the other tests prove nothing.

use std::sync::Arc;

use super::api::Api;
use super::judge;
use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::home::Home;

/// Without the daemon an `add` reaches the running backend's list page neither by itself nor by a refresh, and a
/// `remove` never does, not even by a restart.
#[test]
fn without_the_daemon_the_pages_are_stale() {
    let _seat = Seat::take();
    let home = Arc::new(Home::new());
    let skillmeat = SkillMeat::new(&home);
    skillmeat.run(&["init", "--name", "default"]);
    skillmeat.make_cache();
    let mut api = Api::start(&home);

    let source = home.write("sources/alone/SKILL.md", "---\ndescription: seen by nobody\n---\n# Alone\n");
    skillmeat.add("skill", source.parent().expect("a directory"), &[]);
    assert_eq!(judge::expected_page(&home).into_keys().collect::<Vec<_>>(), ["skill:alone"]);
    assert_eq!(shown(&api), Vec::<String>::new(), "right after the add");
    api.change("POST", "/user-collections/refresh-cache", None);
    assert_eq!(shown(&api), Vec::<String>::new(), "after a refresh");

    api.restart();
    assert_eq!(shown(&api), ["skill:alone"], "a restart is what it takes");
    skillmeat.run(&["remove", "alone", "--force"]);
    assert!(judge::expected_page(&home).is_empty());
    api.change("POST", "/user-collections/refresh-cache", None);
    api.restart();
    assert_eq!(shown(&api), ["skill:alone"], "it stays for ever");
}

fn shown(api: &Api) -> Vec<String> {
    api.artifacts().expect("the list page").into_keys().collect()
}
