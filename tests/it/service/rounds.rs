//! Killed and wedged, over and over, under the real manager: always one instance, always a socket that answers, never a
//! lost edit.
//!
//! What these tests do not do: kill between two given system calls; that is for the fault tests.

use std::path::Path;
use std::time::{Duration, Instant};

use super::systemd::UserManager;
use super::{SEEN, collection, describe, described, description, home, status, unit};
use crate::daemon::{binary, call};
use crate::home::eventually;

const ROUNDS: usize = 100;

#[test]
fn a_hundred_kills_lose_nothing() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    manager.override_with("[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=0\nRestart=always\n");
    call(&home, &["service", "install"]).succeeded();
    let mut pid = manager.property("MainPID");
    for round in 0..ROUNDS {
        // An edit at a different moment of the daemon's life each time: while it starts, looks, writes, or does nothing.
        let before = format!("round {round}, before");
        if round % 2 == 0 {
            describe(&home, &before);
        }
        std::thread::sleep(Duration::from_millis(u64::try_from(round % 10).expect("small") * 7));
        manager.call(&["kill", "--kill-who=main", "--signal=KILL", "skillmeatd"]);
        let after = format!("round {round}, after");
        if round % 3 == 0 {
            describe(&home, &after);
        }
        pid = eventually(SEEN, "another process", || {
            let now = manager.property("MainPID");
            if now != pid && now != "0" { Ok(now) } else { Err(now) }
        });
        if round % 3 == 0 {
            described(&home, &after);
        } else if round % 2 == 0 {
            described(&home, &before);
        }
        if round % 3 == 0 || round % 2 == 0 {
            // The one that runs is the one that answers: no socket of a dead one is in its way.
            eventually(SEEN, "its answer", || {
                let answering = status(&home)?["pid"].to_string();
                if answering == pid { Ok(()) } else { Err(answering) }
            });
        }
        let running = manager.processes();
        assert!(running.len() <= 1, "round {round}: {running:?}");
    }
    described(&home, "round 99, after");
    let answer = eventually(SEEN, "an answer", || status(&home));
    assert_eq!(answer["pid"].to_string(), manager.property("MainPID"));
    assert_eq!(answer["problems"], 0, "{answer}");
    assert_eq!(manager.processes().len(), 1);
    call(&home, &["service", "uninstall"]).succeeded();
    // No socket that nobody is behind.
    assert!(!home.path().join("run/skillmeatd/control.sock").exists());
}

#[test]
fn a_wedged_daemon_is_started_anew() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    manager.override_with("[Service]\nWatchdogSec=3s\nRestartSec=0\n");
    call(&home, &["service", "install"]).succeeded();
    let mut pid = manager.property("MainPID");
    // The whole process first, then one thread after the other.
    for wedged in ["", "skillmeatd", "worker", "watch", "notify-rs inoti"] {
        let began = Instant::now();
        let edit = format!("edited beside a wedged process, {wedged:?}");
        let frozen = if wedged.is_empty() {
            manager.call(&["kill", "--kill-who=main", "--signal=STOP", "skillmeatd"]).succeeded();
            None
        } else {
            let process = pid.parse().expect("a process id");
            match super::watchdog::Frozen::thread(&home, process, wedged) {
                Some(frozen) => Some(frozen),
                None => return,
            }
        };
        describe(&home, &edit);
        let restarts = manager.property("NRestarts");
        pid = eventually(SEEN, &format!("a daemon in place of the wedged {wedged}"), || {
            let (now, state) = (manager.property("MainPID"), manager.property("ActiveState"));
            let again = manager.property("NRestarts");
            if now != pid && state == "active" {
                Ok(now)
            } else {
                Err(format!("{now} {state} {restarts} {again}"))
            }
        });
        drop(frozen);
        assert_eq!(description(&home), Ok(edit), "ready means done");
        println!("{wedged:?}: started anew {:?} after it was wedged", began.elapsed());
    }
}

#[test]
fn one_that_cannot_live_is_given_up() {
    let home = home();
    let Some(manager) = UserManager::start(&home) else { return };
    manager.install(&unit(&home, Path::new(&binary())));
    // Seconds between two tries are not waited for here; how many tries there are is the unit's own.
    manager.override_with("[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=0\n");
    assert!(!manager.call(&["start", "skillmeatd"]).status.success());
    eventually(SEEN, "no more tries", || {
        let found = ["ActiveState", "SubState", "NRestarts"].map(|name| manager.property(name));
        if found[0] == "failed" { Ok(()) } else { Err(format!("{found:?}")) }
    });
    assert_eq!(manager.property("NRestarts"), "20");
}
