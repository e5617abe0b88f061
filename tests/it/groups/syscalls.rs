//! The daemon is killed at each system call of a write-back in turn, by strace(1), which counts them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::web::Web;
use crate::daemon::Daemon;
use crate::faults::scene::{SEEN, Scene, read};
use crate::home::eventually;
use crate::lists;

/// What a write-back consists of, besides reading: the lock, the new file, its attributes, the exchange, the old file's
/// end, and the databases' own writes.
const CALLS: [&str; 9] = [
    "flock",
    "openat",
    "write",
    "fchmod",
    "fsync,fdatasync",
    "renameat2",
    "unlink,unlinkat",
    "pwrite64",
    "getdents64",
];

/// At most so many of one sort are tried; a write-back has fewer of most.
const MOST: usize = 8;

/// strace(1) on a running daemon. Dropping it lets the daemon go on alone.
struct Strace(Child);

impl Strace {
    /// Kills the daemon at its `number`th call of one of `calls`. `None` when nobody may trace here.
    fn kill_at(daemon: &Daemon, calls: &str, number: usize) -> Option<Self> {
        let inject = format!("inject={calls}:signal=KILL:when={number}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e", &inject, "-o", "/dev/null", "-p"]);
        command.arg(daemon.pid().to_string()).stderr(Stdio::null());
        let mut strace = Self(command.spawn().ok()?);
        let attached = eventually(Duration::from_secs(30), "strace has every thread", || {
            if strace.0.try_wait().expect("our own child").is_some() {
                return Ok(false);
            }
            let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("a running daemon");
            let statuses = tasks.map(|task| {
                let status = task.expect("a thread").path().join("status");
                std::fs::read_to_string(status).unwrap_or_default()
            });
            let untraced = statuses.filter(|status| status.contains("TracerPid:\t0")).count();
            if untraced == 0 { Ok(true) } else { Err(format!("{untraced} threads are not traced")) }
        });
        attached.then_some(strace)
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Its own end by a request, so that it lets go of the threads it holds.
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

#[test]
fn killed_at_each_system_call_of_a_write_back() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        return eprintln!("SKIPPED: strace is not installed (on Debian and Ubuntu: apt install strace)");
    }
    let mut scene = Scene::of(&["a", "b"], "");
    let web = Web::at(&scene.home);
    web.make_group("default", "G", &["skill:a"]);
    let color = |scene: &Scene| {
        let text = read(&scene.home.manifest("default"));
        let document: toml::Table = text.parse().unwrap_or_else(|e| panic!("a torn manifest: {e}\n{text}"));
        assert_eq!(document["artifacts"].as_array().map(Vec::len), Some(2), "{text}");
        lists::groups(&document).first().map(|group| group.2.clone())
    };
    let has = |scene: &Scene, wanted: &str| {
        eventually(SEEN, &format!("the manifest says {wanted}"), || {
            let found = color(scene);
            if found.as_deref() == Some(wanted) { Ok(()) } else { Err(format!("{found:?}")) }
        });
    };
    has(&scene, "slate");
    let (mut current, mut kills) = ("slate".to_owned(), Vec::new());
    for calls in CALLS {
        for number in 1..=MOST {
            let Some(strace) = Strace::kill_at(&scene.daemon, calls, number) else {
                return eprintln!("SKIPPED: this process may not trace another (ptrace(2))");
            };
            let next = format!("#{:06x}", kills.len() * 100 + number);
            web.run(&format!("UPDATE groups SET color = '{next}' WHERE name = 'G'"));
            // It dies, or has written.
            let died = eventually(SEEN, "a death or a write", || {
                if scene.daemon.process().exited().is_some() {
                    Ok(true)
                } else if color(&scene).as_ref() == Some(&next) && scene.call(&["sync"]).status.success() {
                    // All of it is done, the state's part too.
                    Ok(scene.daemon.process().exited().is_some())
                } else {
                    Err("neither".to_owned())
                }
            });
            let found = color(&scene).expect("the group");
            assert!(found == current || found == next, "{found} at {calls} {number}");
            drop(strace);
            current = next;
            if !died {
                has(&scene, &current);
                break;
            }
            kills.push(format!("{calls} {number}"));
            scene.daemon = Daemon::start(&scene.home);
            has(&scene, &current);
        }
    }
    println!("{} kills: {}", kills.len(), kills.join(", "));
    for needed in ["renameat2 1", "fsync,fdatasync 1", "flock 1", "unlink,unlinkat 1"] {
        assert!(kills.iter().any(|kill| kill == needed), "no kill at {needed}");
    }
    scene.settled("the kills");
    assert_eq!(scene.status()["conflicts"], 0);
}
