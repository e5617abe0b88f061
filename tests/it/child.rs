//! Processes that a test starts: each is ended by its id, and its output is shown when the test fails.
//!
//! What this module does not do: know what it runs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::eventually;

/// How much of a log a failure shows, in bytes from the end.
const TAIL: usize = 6_000;

/// Numbers the log files, so that a restart keeps the log of the run before.
static RUNS: AtomicU32 = AtomicU32::new(1);

/// A process in the background. Dropping it stops it.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in a fresh file below `logs`.
    pub(crate) fn spawn(name: &str, mut command: Command, logs: &Path) -> Self {
        let log = logs.join(format!("{:03}-{name}.log", RUNS.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&log).expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle on the log"))
            .stderr(file);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        Self { name: name.to_owned(), child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of our own child")
    }

    /// Waits until it has ended by itself, for ten seconds at most.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.exited() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Asks it to end, waits, and insists after ten seconds.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        // A stopped process would not hear it.
        self.signal(Signal::CONT);
        if let Some(status) = self.ended() {
            return status;
        }
        let _ = self.child.kill();
        self.child.wait().expect("the end of a killed child")
    }

    /// Has it stand still, every thread of it; a thread that runs hears of a signal a little later.
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid());
        eventually(Duration::from_secs(30), "every thread stands still", || {
            for task in fs::read_dir(&tasks).map_err(|error| error.to_string())? {
                let stat = task.map_err(|error| error.to_string())?.path().join("stat");
                // The name before it may hold anything (proc(5)).
                let stat = fs::read_to_string(stat).unwrap_or_default();
                let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
                if state != Some('T') {
                    return Err(stat);
                }
            }
            Ok(())
        });
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        // An id is ours only while the child has not been waited for.
        if self.exited().is_none()
            && let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            let log = self.log();
            let start = log.ceil_char_boundary(log.len().saturating_sub(TAIL));
            eprintln!("--- end of the output of {} ---\n{}\n---", self.name, &log[start..]);
        }
    }
}

/// What a command that came to its end left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Panics with the output unless the exit status was 0.
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self
    }
}

/// Runs `command` to its end, feeding it `input`; kills it and panics after `limit`.
pub(crate) fn finish(mut command: Command, input: &str, limit: Duration) -> Finished {
    // Files, not pipes: nobody has to drain them while we wait.
    let output = || tempfile::tempfile().expect("a file for output");
    let (stdout, stderr) = (output(), output());
    command
        .stdin(Stdio::piped())
        .stdout(stdout.try_clone().expect("a second handle"))
        .stderr(stderr.try_clone().expect("a second handle"));
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    // A program that reads nothing may be gone already: that is not this function's business.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the state of our own child") {
            break status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} took longer than {limit:?}\n{}\n{}", text(stdout), text(stderr));
        }
        thread::sleep(Duration::from_millis(5));
    };
    Finished { status, stdout: text(stdout), stderr: text(stderr) }
}

fn text(mut file: File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("our own temporary file");
    String::from_utf8_lossy(&bytes).into_owned()
}
