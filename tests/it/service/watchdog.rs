//! The watchdog, heard as a service manager hears it, while single threads of the daemon are frozen by a debugger.
//!
//! What these tests do not do: start anything anew; that is for the real manager.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Listener, collection, described, home, not_tested};
use crate::home::{Home, eventually};

/// What the daemon is told to show signs of life within.
const ALLOWED: Duration = Duration::from_secs(2);

/// Stops one thread for as long as its input is open: ptrace(2) stops threads one by one, signals cannot.
const FREEZER: &str = r"
import ctypes, os, select, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_ATTACH = 16
if ptrace(PTRACE_ATTACH, int(sys.argv[1]), None, None) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
WALL = 0x40000000
os.waitpid(int(sys.argv[1]), WALL)
print('frozen', flush=True)
# A killed thread is ours to bury: until then its parent hears nothing.
while not select.select([sys.stdin], [], [], 0.05)[0]:
    if os.waitpid(int(sys.argv[1]), os.WNOHANG | WALL)[0]:
        break
";

/// A frozen thread; it goes on when this is dropped.
pub(crate) struct Frozen(Child);

impl Frozen {
    /// Stops the thread of the process `pid` that has this name; the first one's is the program's. `None` where debugging is not allowed.
    pub(crate) fn thread(home: &Home, pid: u32, name: &str) -> Option<Self> {
        let thread = eventually(Duration::from_secs(10), &format!("a thread {name}"), || {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
            let mut threads: Vec<(u32, String)> = tasks
                .flatten()
                .filter_map(|task| {
                    let name = fs::read_to_string(task.path().join("comm")).ok()?;
                    Some((task.file_name().to_str()?.parse().ok()?, name.trim_end().to_owned()))
                })
                .collect();
            threads.sort();
            let found = threads.iter().find(|(_, found)| found == name);
            found.map(|(id, _)| *id).ok_or_else(|| format!("{threads:?}"))
        });
        let mut command = home.command("python3");
        command.args(["-c", FREEZER, &thread.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                not_tested("frozen threads", &format!("python3: {error}"));
                return None;
            }
        };
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line or the end");
        if line.trim_end() == "frozen" {
            return Some(Self(child));
        }
        let output = child.wait_with_output().expect("its end");
        not_tested("frozen threads", String::from_utf8_lossy(&output.stderr).trim_end());
        None
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // Its end lets the thread go.
        let _ = self.0.stdin.take().expect("a pipe").flush();
        let _ = self.0.wait();
    }
}

fn listener(home: &Home) -> Listener {
    let listener = Listener::with(home, |command| {
        command.env("WATCHDOG_USEC", ALLOWED.as_micros().to_string());
    });
    assert_eq!(listener.hear_first(), "READY=1\nSTATUS=watching\n");
    listener
}

/// The messages of this long.
fn messages(listener: &Listener, time: Duration) -> Vec<String> {
    let end = Instant::now() + time;
    let mut heard = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        heard.extend(listener.hear_within(left));
    }
    heard
}

#[test]
fn a_daemon_that_works_shows_it_often_enough() {
    let home = home();
    collection(&home);
    let listener = listener(&home);
    let mut last = Instant::now();
    for _ in 0..10 {
        assert_eq!(listener.hear(), "WATCHDOG=1\n");
        assert!(last.elapsed() < ALLOWED, "{:?}", last.elapsed());
        last = Instant::now();
    }
    described(&home, "as made");
}

#[test]
fn a_frozen_part_is_named_and_the_manager_told_to_act() {
    for (thread, part) in
        [("worker", "the worker"), ("watch", "the file watcher"), ("notify-rs inoti", "the file watcher")]
    {
        let home = home();
        collection(&home);
        let listener = listener(&home);
        assert_eq!(listener.hear(), "WATCHDOG=1\n");
        let Some(frozen) = Frozen::thread(&home, listener.daemon.pid(), thread) else { return };
        let began = Instant::now();
        let told = loop {
            let told = listener.hear();
            if told != "WATCHDOG=1\n" {
                break told;
            }
            assert!(began.elapsed() < ALLOWED, "{thread}: still fed after {:?}", began.elapsed());
        };
        let wanted = format!("STATUS={part} has given no sign of life for 2 s\nWATCHDOG=trigger\n");
        assert_eq!(told, wanted, "{thread}");
        assert!(began.elapsed() < ALLOWED * 2, "{thread}: {:?}", began.elapsed());
        drop(frozen);
    }
}

#[test]
fn a_frozen_loop_says_nothing() {
    let home = home();
    collection(&home);
    let listener = listener(&home);
    assert_eq!(listener.hear(), "WATCHDOG=1\n");
    let Some(frozen) = Frozen::thread(&home, listener.daemon.pid(), "skillmeatd") else { return };
    // One may have been on its way.
    let heard = messages(&listener, ALLOWED * 2);
    assert!(heard.len() <= 1, "{heard:?}");
    drop(frozen);
    // It is not blamed on the parts when it goes on: they could not be asked.
    let heard = messages(&listener, ALLOWED);
    assert!(!heard.is_empty() && heard.iter().all(|told| told == "WATCHDOG=1\n"), "{heard:?}");
}

#[test]
fn a_worker_that_waits_for_a_program_or_a_lock_is_alive() {
    let home = home();
    collection(&home);
    let mut listener = Listener::with(&home, |command| {
        command.env("WATCHDOG_USEC", ALLOWED.as_micros().to_string());
    });
    listener.hear_first();
    let holder = rusqlite::Connection::open(home.cache_db()).expect("the cache");
    holder.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    super::describe(&home, "edited under a lock");
    let heard = messages(&listener, ALLOWED * 3);
    let signs = heard.iter().filter(|told| *told == "WATCHDOG=1\n").count();
    assert!(signs >= 6, "{heard:?}");
    assert!(heard.iter().all(|told| !told.contains("trigger")), "{heard:?}");
    holder.execute_batch("ROLLBACK").expect("the lock given back");
    described(&home, "edited under a lock");

    // Before it is ready, the same signs lengthen the time it has for that: here `skillmeat list` takes that long.
    assert!(listener.daemon.stop().success());
    let home = home_with_slow_skillmeat();
    let listener = Listener::with(&home, |command| {
        command.env("WATCHDOG_USEC", ALLOWED.as_micros().to_string());
    });
    let heard = messages(&listener, ALLOWED * 2);
    let longer = heard.iter().filter(|told| *told == "EXTEND_TIMEOUT_USEC=2000000\n").count();
    assert!(longer >= 6, "{heard:?}");
    assert!(heard.iter().all(|told| !told.contains("READY") && !told.contains("trigger")), "{heard:?}");
    home.write("go", "");
    eventually(super::SEEN, "it is ready", || {
        let told = listener.hear();
        if told.contains("READY=1") { Ok(()) } else { Err(told) }
    });
}

#[test]
fn a_long_first_pass_is_no_wedge() {
    const COUNT: usize = 10_000;
    const PATIENT: Duration = Duration::from_secs(4);
    let home = home();
    let mut manifest = fs::read_to_string({
        collection(&home);
        home.manifest("default")
    })
    .expect("a manifest");
    for n in 0..COUNT {
        let name = format!("s{n:05}");
        home.write(
            &format!(".skillmeat/collections/default/skills/{name}/SKILL.md"),
            &format!("---\nname: {name}\ndescription: number {n}\n---\n# {name}\n"),
        );
        manifest.push_str(&format!(
            "\n[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"local\"\n\
             added = \"2026-01-01T00:00:00\"\n\n[artifacts.metadata]\ndescription = \"number {n}\"\n"
        ));
    }
    fs::write(home.manifest("default"), manifest).expect("a manifest of ten thousand");
    let listener = Listener::with(&home, |command| {
        command.env("WATCHDOG_USEC", PATIENT.as_micros().to_string());
    });
    let began = Instant::now();
    let mut heard = Vec::new();
    let longest = Duration::from_secs(300);
    loop {
        assert!(began.elapsed() < longest, "{heard:?}");
        let told = listener.hear_within(longest).expect("a message within the time limit");
        assert!(!told.contains("trigger"), "{told:?} after {heard:?}");
        let ready = told.contains("READY=1");
        heard.push(told);
        if ready {
            break;
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", listener.daemon.pid())).unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("no VmHWM");
    println!("ready {:?} after the start with {COUNT} artifacts; {peak}; told {heard:?}", began.elapsed());
}

/// A home whose `skillmeat list` waits for a file, and makes no database.
fn home_with_slow_skillmeat() -> std::sync::Arc<Home> {
    let home = Home::new();
    let program = home.write(
        "bin/skillmeat",
        "#!/bin/sh\nwhile [ ! -e \"$HOME/go\" ]; do sleep 0.05; done\necho no >&2\nexit 1\n",
    );
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    home.configure(&format!(
        "database.create = \"skillmeat\"\ndatabase.skillmeat = \"{}\"\n",
        program.display()
    ));
    collection(&home);
    std::sync::Arc::new(home)
}
