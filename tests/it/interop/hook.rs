//! `skillmeat add` calls a refresh hook when it is done. It must work whoever answers it, or nobody.

use std::fs;
use std::time::Duration;

use super::judge;
use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::child::finish;
use crate::daemon::Daemon;
use crate::home::{Home, eventually};

#[test]
fn add_works_with_its_hook_at_us_and_at_nobody() {
    let _seat = Seat::take();
    let home = std::sync::Arc::new(Home::new());
    home.configure("[http]\nlisten = \"127.0.0.1:0\"\n");
    let skillmeat = SkillMeat::new(&home);
    skillmeat.run(&["init", "--name", "default"]);
    skillmeat.make_cache();
    let daemon = Daemon::start(&home);
    let address = daemon.status().expect("an answer")["http"].as_str().expect("the port").to_owned();
    let token = fs::read_to_string(home.path().join("state/skillmeatd/http-token")).expect("the token");
    for (name, url, told) in [
        ("at-us", format!("http://token:{token}@{address}"), true),
        ("wrong-token", format!("http://token:nonsense@{address}"), false),
        ("nobody", "http://127.0.0.1:9".to_owned(), false),
    ] {
        let source =
            home.write(&format!("sources/{name}/SKILL.md"), "---\ndescription: hooked\n---\n# Text\n");
        let mut add = skillmeat.adding("skill", source.parent().expect("a directory"));
        add.env("SKILLMEAT_API_URL", &url);
        let added = finish(add, "", Duration::from_secs(120)).succeeded();
        assert_eq!(added.stdout.contains("API cache refreshed"), told, "{name}: {added:?}");
        assert!(judge::expected_page(&home).contains_key(&format!("skill:{name}")));
    }
    eventually(Duration::from_secs(30), "all three are on the page", || {
        let page = crate::web::Web::of(&home).get("/api/v1/user-collections/default/artifacts");
        if page["page_info"]["total_count"] == 3 { Ok(()) } else { Err(page.to_string()) }
    });
}
