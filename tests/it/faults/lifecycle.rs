//! Starting, ending, and being ended.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::oracle;
use super::scene::{self, SEEN, Scene, entry_file, first_words, read, write_skill};
use crate::daemon::{Daemon, call};
use crate::home::{Home, eventually};

#[test]
fn a_request_to_end_within_the_debounce_window_is_done_after_the_work() {
    let mut scene = Scene::of(&["pdf", "other"], "debounce.quiet = \"20s\"\ndebounce.max_wait = \"20s\"\n");
    write_skill(&scene.home.collection("default"), "pdf", "the last edit");
    eventually(Duration::from_secs(15), "the event has come", || {
        let trace = scene.call(&["trace"]).succeeded().stdout;
        if trace.contains("path: \"skills/pdf\"") { Ok(()) } else { Err(trace) }
    });
    assert_eq!(scene.description("pdf"), first_words("pdf"), "it was not to be done yet");
    let began = Instant::now();
    let status = scene.daemon.process().stop();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(scene.description("pdf"), "the last edit");
    assert_eq!(oracle::difference(&scene.home), Ok(()));
    assert_eq!(scene.call(&["status"]).status.code(), Some(3));
}

#[test]
fn a_second_instance_names_the_first_and_goes() {
    let scene = Scene::of(&["pdf"], "");
    let second = scene.call(&["run"]);
    assert_eq!(second.status.code(), Some(6), "{second:?}");
    let pid = format!("pid {}", scene.daemon.pid());
    assert!(second.stderr.contains(&pid), "{second:?}");
    // The first is none the worse for it.
    write_skill(&scene.home.collection("default"), "pdf", "still served");
    scene.described("pdf", "still served");
    scene.settled("a second instance");
}

#[test]
fn s23_of_twenty_instances_at_once_one_serves() {
    let home = scene::home(&["pdf"], "");
    let start = |_| {
        let home = Arc::clone(&home);
        thread::spawn(move || {
            let mut command = home.command(crate::daemon::binary());
            command.arg("run");
            crate::child::Running::spawn("one-of-many", command, &home.logs())
        })
    };
    let threads: Vec<_> = (0..20).map(start).collect();
    let mut running: Vec<_> = threads.into_iter().map(|t| t.join().expect("a process")).collect();
    eventually(SEEN, "all but one are gone", || {
        let left = running.iter_mut().filter_map(|one| one.exited().is_none().then_some(())).count();
        if left == 1 { Ok(()) } else { Err(format!("{left} are left")) }
    });
    for one in &mut running {
        if let Some(status) = one.exited() {
            assert_eq!(status.code(), Some(6), "{}", one.log());
        }
    }
    eventually(SEEN, "the rows are there", || oracle::difference(&home));
}

#[test]
fn a_new_configuration_counts_after_sighup_unless_it_is_wrong() {
    let mut scene = Scene::of(&["pdf"], "");
    let mode = |scene: &Scene, wanted: &str| {
        eventually(SEEN, wanted, || {
            let status = scene.daemon.status()?;
            if status["watching"]["mode"] == wanted { Ok(()) } else { Err(status.to_string()) }
        });
    };
    mode(&scene, "events");
    let good = read(&scene.home.path().join("config/skillmeatd/config.toml"));
    scene.home.configure(&format!("{good}watch.mode = \"poll\"\nwatch.poll_interval = \"1s\"\n"));
    scene.daemon.process().signal(Signal::HUP);
    mode(&scene, "polling");
    write_skill(&scene.home.collection("default"), "pdf", "found by polling");
    scene.described("pdf", "found by polling");

    scene.home.configure(&format!("{good}watch.mood = \"bad\"\n"));
    scene.daemon.process().signal(Signal::HUP);
    eventually(SEEN, "the log says what is wrong, and where", || {
        let log = scene.daemon.process().log();
        let found = log.contains("config.toml:2:7: unknown key `watch.mood`");
        if found && log.contains("going on with the old one") { Ok(()) } else { Err(log) }
    });
    mode(&scene, "polling");
    write_skill(&scene.home.collection("default"), "pdf", "still polled");
    scene.described("pdf", "still polled");

    scene.home.configure(&good);
    scene.daemon.process().signal(Signal::HUP);
    mode(&scene, "events");
    write_skill(&scene.home.collection("default"), "pdf", "an event again");
    scene.described("pdf", "an event again");
    scene.settled("three configurations");
}

#[test]
fn s23_killed_twenty_times_and_started_again() {
    let home = scene::home(&["pdf", "other"], "");
    let root = home.collection("default");
    let mut daemon = Daemon::start(&home);
    for round in 0..20_u32 {
        let text = format!("round {round}");
        fs::write(root.join("skills/pdf/SKILL.md"), entry_file("pdf", &text)).expect("an entry file");
        fs::write(root.join("skills/other/scripts/run.py"), &text).expect("a script");
        // Somewhere between the event and the last commit: the kill is the test, its moment is spread on purpose.
        thread::sleep(Duration::from_millis(u64::from(round % 10) * 12));
        daemon.process().signal(Signal::KILL);
        let ended = daemon.process().ended().expect("its end");
        assert_eq!(ended.signal(), Some(9));
        // Old or new, never half: everything can be read, and the socket is still there.
        let manifest: toml::Table = read(&home.manifest("default")).parse().expect("a whole manifest");
        assert_eq!(manifest["artifacts"].as_array().map(Vec::len), Some(2));
        assert!(fs::read_dir(home.path().join("run/skillmeatd")).expect("a directory").count() > 0);
        assert_eq!(call(&home, &["status"]).status.code(), Some(3), "a dead socket is no daemon");
        daemon = Daemon::start(&home);
        let scene = Scene { daemon, home: Arc::clone(&home) };
        scene.described("pdf", &text);
        scene.settled(&text);
        daemon = scene.daemon;
    }
}

#[test]
fn without_a_home_it_waits_and_says_for_what() {
    let home = Arc::new(Home::new());
    home.configure("database.create = \"standalone\"\n");
    let daemon = Daemon::start(&home);
    let scene = Scene { daemon, home };
    let status = scene.in_state("waiting", "the start");
    assert!(status["detail"].as_str().is_some_and(|detail| detail.contains("skillmeat init")), "{status}");
    assert!(!scene.home.skillmeat().exists(), "a guest makes no home");
    scene::collection(&scene.home, "default", &["pdf", "other"]);
    scene.settled("the home's appearance");
    write_skill(&scene.home.collection("default"), "pdf", "by an event");
    scene.described("pdf", "by an event");
}

#[test]
fn a_damaged_state_database_is_set_aside_and_said() {
    let mut scene = Scene::of(&["pdf", "other"], "");
    scene.daemon.process().stop();
    let directory = scene.home.path().join("state/skillmeatd");
    let path = directory.join("state.db");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(directory.join(format!("state.db{suffix}")));
    }
    let mut bytes = fs::read(&path).expect("the state");
    bytes[..200].fill(0xa5);
    fs::write(&path, &bytes).expect("the damage");
    let scene = Scene { daemon: Daemon::start(&scene.home), home: scene.home };
    scene.in_state("watching", "the start");
    scene.equal("the start");
    let problems = scene.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0]["message"].as_str().is_some_and(|text| text.contains("set aside")), "{problems:?}");
    let aside = problems[0]["path"].as_str().expect("a path");
    assert_eq!(fs::read(aside).expect("what was set aside"), bytes);
    // Nothing was taken for an edit, and the next one is.
    write_skill(&scene.home.collection("default"), "pdf", "edited after it");
    scene.described("pdf", "edited after it");
    scene.equal("an edit");
}
