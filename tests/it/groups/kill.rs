//! The daemon is killed at any moment, and started again.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::web::{Web, file_has};
use crate::daemon::Daemon;
use crate::faults::scene::{Scene, read};

#[test]
fn killed_between_any_two_steps_it_ends_up_where_it_would_have() {
    let mut scene = Scene::of(&["a", "b", "c"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "G", &["skill:a"]);
    file_has(&scene.home, "default", &["G slate: skill:a"]);
    for round in 0..20_u64 {
        let members: &[&str] = match round % 3 {
            0 => &["skill:b", "skill:a"],
            1 => &["skill:c", "skill:b", "skill:a"],
            _ => &["skill:a"],
        };
        web.set_members("G", members);
        // From before it has noticed until after it has written everything down.
        thread::sleep(Duration::from_millis(round * 3 / 2));
        scene.daemon.process().signal(Signal::KILL);
        scene.daemon.process().ended().expect("an end");
        let text = read(&scene.home.manifest("default"));
        let table: Result<toml::Table, _> = text.parse();
        assert!(table.is_ok(), "round {round}: {text}");
        scene.daemon = Daemon::start(&scene.home);
        file_has(&scene.home, "default", &[&format!("G slate: {}", members.join(" "))]);
        let status = scene.status();
        assert_eq!(status["conflicts"], 0, "round {round}: {status}");
    }
    scene.settled("twenty kills");
}
