//! The running daemon, by its own word.
//!
//! What this module does not do: ask it; nor believe it where something else can be measured (see the other modules).

use super::{Finding, count};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    /// Nobody answers, and nobody holds the instance lock.
    None,
    /// Nobody answers, but this holds the instance lock.
    Silent(String),
    /// Somebody answers, but not as expected.
    Confused(String),
    /// It answered.
    Running(Box<Running>),
}

/// What the daemon said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// In one word.
    pub phase: Phase,
    /// In one sentence.
    pub detail: Option<String>,
    /// What is halted, in sentences that name the remedy.
    pub halts: Vec<String>,
    /// Number of problems it lists.
    pub problems: usize,
    /// Number of conflicts it lists.
    pub conflicts: usize,
    /// Seconds since it last looked at everything and came to its end; `None` if it never has.
    pub verified: Option<u64>,
}

/// The daemon's state, as far as a checkup tells states apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// At its first look.
    #[default]
    Starting,
    /// No home, or no database to use.
    Waiting,
    /// At work.
    Working,
    /// The last look failed and is being tried again.
    Retrying,
}

/// Judge what came of asking. `version` is this program's own; `installed`: a service is to keep the daemon running.
#[must_use]
pub fn daemon(daemon: &Daemon, version: &str, installed: bool) -> Vec<Finding> {
    const CHECK: &str = "daemon";
    let running = match daemon {
        Daemon::None if installed => {
            return vec![Finding::fail(
                CHECK,
                "the service is installed and no daemon runs",
                "skillmeatd service status",
            )];
        }
        Daemon::None => {
            return vec![Finding::warn(CHECK, "none runs; files and database drift apart", "skillmeatd run")];
        }
        Daemon::Silent(holder) => {
            return vec![Finding::fail(
                CHECK,
                format!("{holder} is running and does not answer"),
                "end that process and start the daemon again",
            )];
        }
        Daemon::Confused(why) => {
            return vec![Finding::fail(
                CHECK,
                why.clone(),
                "restart the daemon; it may be of another version",
            )];
        }
        Daemon::Running(running) => running,
    };
    let mut findings = Vec::new();
    let detail = |otherwise: &str| running.detail.clone().unwrap_or_else(|| otherwise.to_owned());
    match running.phase {
        Phase::Starting => {
            findings.push(Finding::warn(CHECK, "it is still at its first look", "try again in a while"));
        }
        Phase::Waiting => {
            findings.push(Finding::fail(
                CHECK,
                format!("it waits: {}", detail("for files or database")),
                "see above",
            ));
        }
        Phase::Retrying => findings.push(Finding::warn(
            CHECK,
            format!("its last look failed and is being tried again: {}", detail("no reason given")),
            "try again in a while",
        )),
        Phase::Working => {}
    }
    if running.version != version {
        findings.push(Finding::warn(
            CHECK,
            format!("it is version {} and this program {version}", running.version),
            "restart the daemon",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("version {}, pid {}", running.version, running.pid)));
    }
    findings
}

/// Judge what waits for a person.
#[must_use]
pub fn attention(running: &Running) -> Vec<Finding> {
    const CHECK: &str = "waiting for you";
    let mut findings: Vec<Finding> = running
        .halts
        .iter()
        .map(|halt| {
            Finding::warn(CHECK, halt.clone(), "put the files back, or confirm with `skillmeatd resume`")
        })
        .collect();
    if running.conflicts > 0 {
        findings.push(Finding::warn(
            CHECK,
            count(running.conflicts, "conflict"),
            "skillmeatd conflicts list",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "nothing"));
    }
    findings
}

/// Judge when the daemon last looked at everything; it does so at least once in `interval` seconds.
#[must_use]
pub fn verified(running: &Running, interval: u64) -> Finding {
    const CHECK: &str = "last full look";
    match running.verified {
        None => Finding::warn(CHECK, "none yet", "try again in a while"),
        // A look may take a while, and so may waiting for somebody's lock.
        Some(ago) if ago > 2 * interval + 120 => Finding::fail(
            CHECK,
            format!("{} ago, and it should be every {}", span(ago), span(interval)),
            "restart the daemon, and please report it",
        ),
        Some(ago) => Finding::ok(CHECK, format!("{} ago", span(ago))),
    }
}

/// Judge whether a change of a file comes back as an event: microseconds it took, or why it did not; `None` where there
/// are no events.
#[must_use]
pub fn round_trip(outcome: Option<Result<u64, &str>>) -> Finding {
    const CHECK: &str = "round trip";
    match outcome {
        None => Finding::skip(CHECK, "files are polled, so no event is to be expected"),
        Some(Ok(micros)) => Finding::ok(
            CHECK,
            format!("a change of a file was noticed after {}.{:03} ms", micros / 1_000, micros % 1_000),
        ),
        Some(Err(why)) => {
            Finding::fail(CHECK, format!("a change of a file was not noticed: {why}"), "restart the daemon")
        }
    }
}

/// Seconds as a person says them.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
