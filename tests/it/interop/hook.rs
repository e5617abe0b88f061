//! `skillmeat add` calls a refresh hook when it is done. It must work whoever answers it (the daemon, the web backend,
//! somebody who refuses), or nobody.

use std::fs;
use std::time::Duration;

use super::api::Api;
use super::judge;
use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::child::finish;
use crate::daemon::Daemon;
use crate::home::{Home, eventually};

/// The refresh of `skillmeat sync-pull`, which goes by the setting `api.base_url`.
const BATCH: &str = r#"
import sys
from skillmeat.config import ConfigManager
from skillmeat.cli.commands.sync_pull import _refresh_api_cache_batch
ConfigManager().set("api.base_url", sys.argv[1])
_refresh_api_cache_batch()
"#;

#[test]
fn add_works_with_its_hook_at_us_at_the_backend_and_at_nobody() {
    let _seat = Seat::take();
    let home = std::sync::Arc::new(Home::new());
    home.configure("[http]\nlisten = \"127.0.0.1:0\"\n");
    let skillmeat = SkillMeat::new(&home);
    skillmeat.run(&["init", "--name", "default"]);
    skillmeat.make_cache();
    let daemon = Daemon::start(&home);
    let address = daemon.status().expect("an answer")["http"].as_str().expect("the port").to_owned();
    let token = fs::read_to_string(home.path().join("state/skillmeatd/http-token")).expect("the token");
    let backend = Api::start(&home);
    for (name, url, told) in [
        ("at-the-backend", format!("http://{}", backend.address()), true),
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
    let web = crate::web::Web::of(&home);
    eventually(Duration::from_secs(30), "all four are on the page", || {
        let page = web.get("/api/v1/user-collections/default/artifacts");
        if page["page_info"]["total_count"] == 4 { Ok(()) } else { Err(page.to_string()) }
    });
    let us = format!("http://skillmeatd:{token}@{address}");
    let told = skillmeat.python(BATCH, &[&us]);
    assert!(told.contains("API cache refreshed"), "{told}");
    assert!(!skillmeat.python(BATCH, &["http://127.0.0.1:9"]).contains("refreshed"));
}
