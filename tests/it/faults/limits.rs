//! When the kernel allows too few watches, or none.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::oracle::ticks;
use super::scene::{self, SEEN, Scene, read, write_skill};
use crate::daemon::{Daemon, binary};
use crate::home::{Home, eventually};

/// `skillmeatd run` behind a shell that first takes `limit` (a file of `/proc/sys/user`) down to `value`, in a user
/// namespace of its own. `None` where that is not allowed.
fn limited(home: &Home, limit: &str, value: usize) -> Option<Command> {
    let script = format!("echo {value} > /proc/sys/user/{limit} && exec \"$@\"");
    let shell = |program: &[&str]| {
        let mut command = home.command("unshare");
        command.args(["-Ur", "sh", "-c", &script, "sh"]).args(program);
        command
    };
    if !shell(&["true"]).output().is_ok_and(|ran| ran.status.success()) {
        return None;
    }
    let mut command = shell(&[]);
    command.arg(binary()).arg("run").env("SKILLMEATD_LOG_LEVEL", "debug");
    Some(command)
}

/// Runs with a limit of the kernel's taken down, or at least without events where that is not allowed.
fn with_limit(limit: &str, value: usize, home: &Arc<Home>) -> (Scene, bool) {
    match limited(home, limit, value) {
        Some(command) => {
            let daemon = Daemon::launch(home, command);
            (Scene { daemon, home: Arc::clone(home) }, true)
        }
        None => {
            eprintln!(
                "NOT TESTED: {limit} = {value}. No user namespace may be made here; testing watch.mode = \"poll\" instead."
            );
            let config = read(&home.path().join("config/skillmeatd/config.toml"));
            home.configure(&format!("{config}watch.mode = \"poll\"\n"));
            (Scene { daemon: Daemon::start(home), home: Arc::clone(home) }, false)
        }
    }
}

/// Polling finds what no event told, says what is wrong and how to mend it, and does not spin.
fn polls(scene: &Scene, limited: bool, remedy: &str) {
    let status = scene.in_state("watching", "the start");
    assert_eq!(status["watching"]["mode"], "polling", "{status}");
    let shortfall = status["watching"]["shortfall"].as_str().expect("a reason");
    if limited {
        assert!(shortfall.contains(remedy), "{shortfall}");
    }
    scene.settled("the start");
    let root = scene.home.collection("default");
    write_skill(&root, "s9", "found by polling");
    scene.described("s9", "found by polling");
    fs::write(root.join("skills/s7/scripts/run.py"), "changed").expect("a file");
    scene.settled("changes in polling mode");
    // A window of two seconds: a poll a second of ten artifacts, and nothing else.
    let began = (Instant::now(), ticks(scene.daemon.pid()));
    thread::sleep(Duration::from_secs(2));
    let (took, used) = (began.0.elapsed(), ticks(scene.daemon.pid()) - began.1);
    assert!(used < 40, "{used} hundredths of a second of processor time in {took:?}");
}

const TEN: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

#[test]
fn s08_too_few_watches_is_said_and_polled_around() {
    let home = scene::home(&TEN, "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_watches", 12, &home);
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_watches=");
    if limited {
        let watching = &scene.status()["watching"];
        let (held, wanted) = (watching["held"].as_u64(), watching["wanted"].as_u64());
        assert!(held <= Some(12) && held > Some(0) && wanted > Some(20), "{watching}");
    }
}

#[test]
fn s08_running_out_of_watches_later_is_said_and_polled_around() {
    let home = scene::home(&["s0"], "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_watches", 12, &home);
    scene.settled("the start");
    if limited {
        assert_eq!(scene.status()["watching"]["mode"], "events");
    }
    scene::collection(&home, "default", &TEN);
    eventually(SEEN, "polling mode", || {
        let status = scene.daemon.status()?;
        if status["watching"]["mode"] == "polling" { Ok(()) } else { Err(status.to_string()) }
    });
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_watches=");
}

#[test]
fn s09_no_inotify_instance_left_is_no_reason_to_end() {
    let home = scene::home(&TEN, "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_instances", 0, &home);
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_instances=");
}

#[test]
fn s08_watches_that_come_free_are_taken() {
    let home = scene::home(&TEN, "watch.poll_interval = \"100ms\"\n");
    let (scene, limited) = with_limit("max_inotify_watches", 12, &home);
    scene.settled("the start");
    assert_eq!(scene.status()["watching"]["mode"], "polling");
    let mut command = home.command("nsenter");
    command.args(["-U", "-t", &scene.daemon.pid().to_string()]);
    command.args(["sh", "-c", "echo 1000 > /proc/sys/user/max_inotify_watches"]);
    if !limited || !command.output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("NOT TESTED: a limit that is raised while the daemon runs cannot be had here.");
        return;
    }
    eventually(SEEN, "every directory is watched", || {
        let status = scene.daemon.status()?;
        let watching = &status["watching"];
        let all = watching["mode"] == "events" && watching["held"] == watching["wanted"];
        if all && watching["shortfall"].is_null() { Ok(()) } else { Err(status.to_string()) }
    });
    write_skill(&home.collection("default"), "s9", "by an event");
    scene.described("s9", "by an event");
    scene.settled("the raised limit");
}
