//! Under a service manager: a socket that listens as one would, and a real systemd user manager.
//!
//! What these tests do not do: run launchd (its agent is parsed, no more), or install anything outside their own home.

mod install;
mod rounds;
mod sandbox;
mod systemd;
pub(crate) mod watchdog;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::child::{Running, finish};
use crate::daemon::{Daemon, binary, call};
use crate::home::{Home, eventually};
use crate::interop::judge;
use systemd::UserManager;

/// Longest anything may take; a restart waits five seconds by itself.
const SEEN: Duration = Duration::from_secs(60);

/// Says on the terminal, past the test runner's capture, what could not be tested and why.
fn not_tested(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}: {why}");
}

const SETTINGS: &str = "database.create = \"standalone\"\n";

fn home() -> Arc<Home> {
    let home = Arc::new(Home::new());
    home.configure(SETTINGS);
    home
}

fn describe(home: &Home, description: &str) {
    home.write(
        ".skillmeat/collections/default/skills/pdf/SKILL.md",
        &format!("---\nname: pdf\ndescription: {description}\n---\n# pdf\n"),
    );
}

fn collection(home: &Home) {
    describe(home, "as made");
    home.write(
        ".skillmeat/collections/default/collection.toml",
        "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T00:00:00\"\n\n[[artifacts]]\nname = \"pdf\"\ntype = \"skill\"\n\
         path = \"skills/pdf\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00.000123\"\n\n\
         [artifacts.metadata]\ndescription = \"as made\"\n",
    );
}

/// The description in the row of `skill:pdf`, if rows and manifest agree on everything.
fn description(home: &Home) -> Result<String, String> {
    let rows = judge::rows(home)?;
    judge::compare(&judge::expected_rows(home), &rows)?;
    let row = rows.get("skill:pdf").ok_or("no row")?;
    row["description"].as_str().map(ToOwned::to_owned).ok_or_else(|| row.to_string())
}

fn described(home: &Home, wanted: &str) {
    eventually(SEEN, &format!("the row says {wanted:?}"), || {
        let description = description(home)?;
        if description == wanted { Ok(()) } else { Err(description) }
    });
}

fn status(home: &Home) -> Result<Value, String> {
    let answer = call(home, &["status", "--json"]);
    serde_json::from_str(&answer.stdout).map_err(|_| format!("{answer:?}"))
}

/// A link to the program with a name that needs every kind of care in a unit file.
fn oddly_named(home: &Home) -> PathBuf {
    let directory = home.path().join("odd %n $HOME ; {x}* #é");
    fs::create_dir_all(&directory).expect("an odd directory");
    let link = directory.join("skillmeatd");
    symlink(binary(), &link).expect("a link to the program");
    link
}

/// What `service print` prints when called as `program`.
fn unit(home: &Home, program: &Path) -> String {
    let mut command = home.command(program);
    command.args(["service", "print", "--systemd"]);
    finish(command, "", SEEN).succeeded().stdout
}

/// Everything `systemd-analyze --user verify` has to say about a unit, and whether it is content; `None` without it.
fn verify(home: &Home, unit: &str) -> Option<(bool, String)> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return None;
    }
    let path = home.write("verify/skillmeatd.service", unit);
    let mut command = home.command("systemd-analyze");
    command.args(["--user", "--man=no", "verify"]).arg(path);
    let said = finish(command, "", SEEN);
    Some((said.status.success(), said.stdout + &said.stderr))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let home = home();
    for program in [PathBuf::from(binary()), oddly_named(&home)] {
        let text = unit(&home, &program);
        let Some(verdict) = verify(&home, &text) else {
            not_tested("systemd-analyze verify", "there is no systemd-analyze");
            return;
        };
        assert_eq!(verdict, (true, String::new()), "{text}");
    }
    // It would say if there were.
    let wrong = unit(&home, Path::new(&binary())).replace("TasksMax=", "TaskMax=");
    assert!(verify(&home, &wrong).is_some_and(|(_, said)| said.contains("TaskMax")));
}

#[test]
fn the_agent_is_printed_on_any_system() {
    let home = home();
    let agent = call(&home, &["service", "print", "--launchd"]).succeeded().stdout;
    let agent = plist::Value::from_reader_xml(agent.as_bytes()).expect("a property list");
    let program =
        agent.as_dictionary().and_then(|agent| agent["ProgramArguments"].as_array()?[0].as_string());
    assert_eq!(program.map(Path::new), Some(Path::new(&binary())));
    assert_eq!(call(&home, &["service", "print", "--launchd", "--systemd"]).status.code(), Some(2));
}

/// A socket that listens as a service manager does, and the daemon that is to speak to it.
struct Listener {
    socket: UnixDatagram,
    daemon: Running,
}

impl Listener {
    fn of(home: &Home) -> Self {
        Self::with(home, |_| {})
    }

    /// With more in the daemon's surroundings.
    fn with(home: &Home, more: impl FnOnce(&mut Command)) -> Self {
        let path = home.path().join("run/manager");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let mut command = home.command(binary());
        command.arg("run").env("NOTIFY_SOCKET", path);
        more(&mut command);
        Self { socket, daemon: Running::spawn("skillmeatd", command, &home.logs()) }
    }

    /// The next message.
    fn hear(&self) -> String {
        self.hear_within(SEEN).expect("a message within the time limit")
    }

    /// The next message, if it comes in this time.
    fn hear_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).expect("a time limit");
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message after the news that nothing is known yet, which may come or not.
    fn hear_first(&self) -> String {
        let first = self.hear();
        if first == "STATUS=starting\n" { self.hear() } else { first }
    }
}

#[test]
fn a_service_manager_hears_of_start_reload_and_end() {
    let home = home();
    collection(&home);
    let mut listener = Listener::of(&home);
    assert_eq!(listener.hear_first(), "READY=1\nSTATUS=watching\n");
    // Ready means done, not begun: nothing is waited for here.
    assert_eq!(description(&home), Ok("as made".to_owned()));

    listener.daemon.signal(Signal::HUP);
    let reloading = listener.hear();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::trim_end);
    assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading:?}");
    assert_eq!(listener.hear(), "READY=1\n");

    // A reconcile that changes no state is not told: the next message is about the one that does.
    describe(&home, "edited");
    described(&home, "edited");
    let aside = home.path().join("aside");
    fs::rename(home.collection("default"), &aside).expect("a collection out of sight");
    let halted = listener.hear();
    assert!(halted.starts_with("STATUS=halted: collection default"), "{halted:?}");
    fs::rename(&aside, home.collection("default")).expect("the collection back again");
    assert_eq!(listener.hear(), "STATUS=watching\n");

    assert!(listener.daemon.stop().success());
    // With the time it may take: what work in hand may, and some for the end itself.
    assert_eq!(listener.hear(), "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=30000000\n");
    listener.socket.set_nonblocking(true).expect("no waiting");
    assert!(listener.socket.recv(&mut [0; 1]).is_err(), "nothing is told after the end");
}

#[test]
fn a_daemon_that_waits_for_a_home_is_ready() {
    let home = home();
    let listener = Listener::of(&home);
    let first = listener.hear_first();
    assert!(first.starts_with("READY=1\nSTATUS=waiting: "), "{first:?}");
    collection(&home);
    assert_eq!(listener.hear(), "STATUS=watching\n");
    assert_eq!(description(&home), Ok("as made".to_owned()));
}

#[test]
fn a_daemon_that_waits_for_a_lock_is_not_ready() {
    let home = home();
    collection(&home);
    call(&home, &["sync", "--once"]).succeeded();
    describe(&home, "edited before the start");
    let holder = rusqlite::Connection::open(home.cache_db()).expect("the cache");
    holder.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let listener = Listener::of(&home);
    // Longer than it takes to find out, and to call the lock a setback.
    while let Some(told) = listener.hear_within(Duration::from_secs(4)) {
        assert!(!told.contains("READY"), "{told:?}");
    }
    holder.execute_batch("ROLLBACK").expect("the lock given back");
    let ready = eventually(SEEN, "it is ready", || {
        Some(listener.hear()).filter(|told| told.contains("READY")).ok_or_else(String::new)
    });
    assert_eq!(ready, "READY=1\nSTATUS=watching\n");
    assert_eq!(description(&home), Ok("edited before the start".to_owned()));
}

#[test]
fn the_life_of_a_user_service() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    manager.install(&unit(&home, &oddly_named(&home)));

    // The start ends when the rows are there: nothing is waited for here.
    manager.call(&["start", "skillmeatd"]).succeeded();
    assert_eq!(description(&home), Ok("as made".to_owned()));
    assert_eq!(status(&home).expect("an answer")["state"], "watching");
    assert_eq!(manager.property("StatusText"), "watching");
    assert_eq!(manager.property("NoNewPrivileges"), "yes");
    let first = manager.property("MainPID");
    let environment = fs::read(format!("/proc/{first}/environ")).expect("its environment");
    let told = |variable: &[u8]| environment.split(|byte| *byte == 0).any(|one| one == variable);
    assert!(told(b"MALLOC_ARENA_MAX=1"));
    let path = format!("PATH={}/.local/bin:/usr/local/bin:/usr/bin:/bin", home.path().display());
    assert!(told(path.as_bytes()));

    // A crash, and an edit while nobody looks.
    manager.call(&["kill", "--kill-who=main", "--signal=KILL", "skillmeatd"]).succeeded();
    describe(&home, "edited while it was down");
    eventually(SEEN, "it is started again", || {
        let (pid, state) = (manager.property("MainPID"), manager.property("ActiveState"));
        if state == "active" && pid != first { Ok(()) } else { Err(format!("{state} {pid}")) }
    });
    assert_eq!(description(&home), Ok("edited while it was down".to_owned()));
    assert_eq!(manager.property("NRestarts"), "1");

    // Two reloads: one to see that it counts, one back to events with a long window.
    let second = manager.property("MainPID");
    let reload = |settings: &str, mode: &str| {
        home.configure(&format!("{SETTINGS}{settings}"));
        manager.call(&["reload", "skillmeatd"]).succeeded();
        eventually(SEEN, "the new configuration counts", || {
            let status = status(&home)?;
            let state = manager.property("SubState");
            let done = status["watching"]["mode"] == mode && state == "running";
            if done { Ok(()) } else { Err(format!("{state} {status}")) }
        });
    };
    reload("watch.mode = \"poll\"\nwatch.poll_interval = \"1s\"\n", "polling");
    reload("debounce.quiet = \"20s\"\ndebounce.max_wait = \"20s\"\n", "events");
    assert_eq!(manager.property("MainPID"), second, "a reload is no restart");

    // Stopped with work pending: long after the event came, long before the window ends.
    describe(&home, "the last edit");
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        assert_eq!(description(&home), Ok("edited while it was down".to_owned()), "not to be done yet");
        thread::sleep(Duration::from_millis(50));
    }
    manager.call(&["stop", "skillmeatd"]).succeeded();
    assert_eq!(description(&home), Ok("the last edit".to_owned()));
    assert_eq!(manager.property("Result"), "success");
    assert_eq!(manager.property("ActiveState"), "inactive");
    assert_eq!(call(&home, &["status"]).status.code(), Some(3));
}

#[test]
fn a_service_beside_another_instance_fails_and_is_not_tried_again() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    manager.install(&unit(&home, Path::new(&binary())));
    let daemon = Daemon::start(&home);
    let start = manager.call(&["start", "skillmeatd"]);
    assert!(!start.status.success(), "{start:?}");
    assert_eq!(manager.property("ExecMainStatus"), "6");
    // A restart that is to come would be `activating`.
    assert_eq!(manager.property("ActiveState"), "failed");
    assert_eq!(manager.property("NRestarts"), "0");
    // The same goes for a configuration that is wrong.
    drop(daemon);
    home.configure("no such key = 1\n");
    assert!(!manager.call(&["start", "skillmeatd"]).status.success());
    assert_eq!(manager.property("ExecMainStatus"), "2");
    assert_eq!(manager.property("ActiveState"), "failed");
    // With neither in the way it starts.
    home.configure(SETTINGS);
    manager.call(&["start", "skillmeatd"]).succeeded();
    assert_eq!(description(&home), Ok("as made".to_owned()));
}
