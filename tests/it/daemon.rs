//! Drives the `skillmeatd` binary as a person or a service manager would.
//!
//! What this module does not do: reach into the library. Everything goes through the command line.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::child::{Finished, Running, finish};
use crate::home::{Home, eventually};

/// Names another `skillmeatd` to test, for example an installed package.
const BINARY: &str = "SKILLMEATD_TEST_BINARY";

/// Longest a single command of the daemon's command line may take, a first reconcile included.
const COMMAND: Duration = Duration::from_secs(120);

/// `skillmeatd run` in the foreground of a test. Dropping it stops it.
pub(crate) struct Daemon {
    home: Arc<Home>,
    running: Running,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(crate) fn start(home: &Arc<Home>) -> Self {
        let mut command = home.command(binary());
        command.arg("run").env("SKILLMEATD_LOG_LEVEL", "debug");
        Self::launch(home, command)
    }

    /// Starts it by `command`, whatever that is, and waits until it answers.
    pub(crate) fn launch(home: &Arc<Home>, command: Command) -> Self {
        let running = Running::spawn("skillmeatd", command, &home.logs());
        let mut daemon = Self { home: Arc::clone(home), running };
        eventually(Duration::from_secs(60), "the daemon answers `status`", || {
            if let Some(status) = daemon.running.exited() {
                panic!("the daemon ended at once: {status}");
            }
            match daemon.status()?["state"].as_str() {
                None | Some("starting") => Err("it has not looked around yet".to_owned()),
                Some(_) => Ok(()),
            }
        });
        daemon
    }

    /// `status --json`, parsed. Its exit code says how the daemon is; that it printed JSON says that it answered.
    pub(crate) fn status(&self) -> Result<Value, String> {
        let answer = call(&self.home, &["status", "--json"]);
        serde_json::from_str(&answer.stdout).map_err(|e| format!("status is not JSON: {e}\n{answer:?}"))
    }

    /// `problems --json`, as it is printed.
    pub(crate) fn problems(&self) -> String {
        call(&self.home, &["problems", "--json"]).stdout
    }

    /// The process, for signals, its log and its end.
    #[allow(dead_code, reason = "the comparison in benches/ only looks into /proc")]
    pub(crate) fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    #[allow(dead_code, reason = "as above")]
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }
}

/// Runs `skillmeatd` with `arguments` to its end.
pub(crate) fn call(home: &Home, arguments: &[&str]) -> Finished {
    let mut command = home.command(binary());
    command.args(arguments);
    finish(command, "", COMMAND)
}

/// The binary of this build, unless another one is named.
pub(crate) fn binary() -> OsString {
    std::env::var_os(BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_skillmeatd").into())
}
