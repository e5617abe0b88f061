//! The service: installed, running, allowed to outlive the login.
//!
//! What this module does not do: know how a service manager is asked.

use super::{Finding, count};

/// What the service manager says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// There is no service manager to ask, and why.
    NoManager(String),
    /// It knows no service of ours.
    NotInstalled,
    /// It does.
    Installed(Box<Unit>),
}

/// One unit, in systemd's words (systemd.unit(5), org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `LoadState`: `loaded`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `ActiveState`: `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// `UnitFileState`: `enabled`, `disabled`, …
    pub file: String,
    /// `Result`: why it failed.
    pub result: String,
    /// `NRestarts`
    pub restarts: u64,
    /// `MainPID`, 0 when none.
    pub pid: u32,
    /// The program of `ExecStart` is there.
    pub program_exists: bool,
    /// Whether the user's services go on without a login; `None` when it cannot be told.
    pub linger: Option<bool>,
}

impl Service {
    /// Whether a service is to keep the daemon running.
    #[must_use]
    pub fn installed(&self) -> bool {
        matches!(self, Self::Installed(_))
    }
}

/// Judge the service; `daemon` is the process id of the daemon that answers, if one does.
#[must_use]
pub fn service(service: &Service, daemon: Option<u32>, user: &str) -> Vec<Finding> {
    const CHECK: &str = "service";
    let unit = match service {
        Service::NoManager(why) => return vec![Finding::skip(CHECK, why.clone())],
        Service::NotInstalled => {
            return vec![Finding::skip(CHECK, "not installed; `skillmeatd service install` does so")];
        }
        Service::Installed(unit) => unit,
    };
    let mut findings = Vec::new();
    let log = "journalctl --user -u skillmeatd -n 50";
    match (unit.load.as_str(), unit.active.as_str()) {
        ("loaded", "active") => {}
        ("loaded", "activating" | "reloading") => {
            findings.push(Finding::warn(CHECK, "it is just starting", "try again in a while"));
        }
        ("loaded", "failed") => findings.push(Finding::fail(
            CHECK,
            format!("it has failed ({})", unit.result),
            format!("{log}; then: systemctl --user restart skillmeatd"),
        )),
        ("loaded", active) => findings.push(Finding::fail(
            CHECK,
            format!("it is {active}"),
            "systemctl --user enable --now skillmeatd",
        )),
        ("masked", _) => {
            findings.push(Finding::fail(CHECK, "it is masked", "systemctl --user unmask skillmeatd"));
        }
        (load, _) => findings.push(Finding::fail(
            CHECK,
            format!("its unit file cannot be used ({load})"),
            "skillmeatd service install --force",
        )),
    }
    if !unit.program_exists {
        findings.push(Finding::fail(
            CHECK,
            "the program that its unit names is not there",
            "skillmeatd service install --force",
        ));
    }
    if unit.load == "loaded" && unit.file == "disabled" {
        findings.push(Finding::warn(
            CHECK,
            "it does not start with the next login",
            "systemctl --user enable skillmeatd",
        ));
    }
    if unit.restarts >= 3 {
        findings.push(Finding::warn(CHECK, format!("it was started again {} times", unit.restarts), log));
    }
    if let Some(pid) = daemon.filter(|pid| unit.active == "active" && unit.pid != 0 && unit.pid != *pid) {
        findings.push(Finding::warn(
            CHECK,
            format!("its process is {}, but the daemon that answers is {pid}", unit.pid),
            "end the one that was started by hand, or use another home for it",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "installed and running"));
    }
    findings.push(linger(unit.linger, user));
    findings
}

fn linger(linger: Option<bool>, user: &str) -> Finding {
    const CHECK: &str = "linger";
    match linger {
        Some(true) => Finding::ok(CHECK, "the service goes on while you are logged out"),
        Some(false) => Finding::warn(
            CHECK,
            "the service ends when you log out, and starts at your next login",
            format!("loginctl enable-linger {user}"),
        ),
        None => Finding::skip(CHECK, "it cannot be told whether services go on while you are logged out"),
    }
}

/// What the daemon says the kernel keeps it from, which it has tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// `full`, `partial` or `none`; empty before it has begun to work.
    pub enforced: String,
    /// Why not `full`.
    pub detail: Option<String>,
    /// Number of directories that can be written in.
    pub places: usize,
}

/// Judge it; `wanted`: the configuration asks for it.
#[must_use]
pub fn sandbox(found: Option<&Sandbox>, wanted: bool) -> Finding {
    const CHECK: &str = "sandbox";
    let Some(found) = found.filter(|found| !found.enforced.is_empty()) else {
        return Finding::skip(CHECK, "no daemon is at work, so nothing is confined");
    };
    let detail = found.detail.clone().unwrap_or_default();
    match found.enforced.as_str() {
        "full" => Finding::ok(
            CHECK,
            format!("the daemon can write in {} and nowhere else", count(found.places, "place")),
        ),
        _ if !wanted => Finding::skip(CHECK, "switched off (sandbox.enabled = false)"),
        "partial" => Finding::warn(CHECK, format!("partly: {detail}"), "a newer kernel does all of it"),
        _ => Finding::warn(
            CHECK,
            format!("not confined: {detail}"),
            "Landlock needs Linux 5.13 or later, and to be among the kernel's security modules (lsm=)",
        ),
    }
}
