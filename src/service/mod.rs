//! The daemon as a service of its user: under systemd's user manager, or as an agent of launchd.
//!
//! The files are of the repository (`systemd/`, `launchd/`); [`text`] fills in what is the case here and [`seal`] tells
//! our hand from a person's. [`systemd`] and [`launchd`] find out how things are, [`plan`] says from that, as values, what
//! is to be done, and [`act`] does it.
//!
//! What this module does not do: speak to the daemon. Whether the service works is asked of the daemon itself, by the
//! command line.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::domain::checkup::service::{Service, Unit};
use crate::paths::Platform;

pub mod act;
pub mod call;
pub mod launchd;
pub mod limits;
pub mod plan;
pub mod seal;
pub mod systemd;
pub mod text;

pub use text::Job;

use launchd::Launchd;
use plan::{Commands, Found};
use systemd::Systemd;

/// Which service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// systemd, the manager of one user.
    Systemd,
    /// launchd, an agent of one user.
    Launchd,
}

impl Kind {
    /// The service manager of this platform.
    #[must_use]
    pub const fn current() -> Self {
        match Platform::current() {
            Platform::Xdg => Self::Systemd,
            Platform::MacOs => Self::Launchd,
        }
    }
}

/// Why there is no text for the service manager.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Both formats are text, and a control character would end a line or be refused.
    #[error("the path {0:?} cannot be written into a service file: it is not plain text")]
    Unwritable(PathBuf),
    /// systemd refuses such programs however they are written (`string_is_safe` in its sources).
    #[error(
        "systemd runs no program whose path holds a quote or a backslash, as {0:?} does; link to it from elsewhere"
    )]
    QuoteInProgram(PathBuf),
}

/// What a service manager says of our service. Fields it has no word for stay empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// It knows the service.
    pub loaded: bool,
    /// It has been told never to start it.
    pub masked: bool,
    /// `LoadState` of systemd.
    pub load: String,
    /// The file it has read.
    pub from: Option<PathBuf>,
    /// Further files that change it: a person's own.
    pub overrides: Vec<PathBuf>,
    /// The file has changed since it was read.
    pub stale: bool,
    /// It is started at login.
    pub enabled: bool,
    /// `UnitFileState` of systemd.
    pub file_state: String,
    /// It runs, and is ready.
    pub active: bool,
    /// It ran, and failed for good.
    pub failed: bool,
    /// The manager's own word for the state.
    pub state: String,
    /// What the daemon has told the manager of its state.
    pub told: String,
    /// Since when it is active.
    pub since: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// How often it was started again by itself.
    pub restarts: u64,
    /// How it ended last, in the manager's word.
    pub result: String,
    /// Its last exit status.
    pub exit: Option<i32>,
    /// How long it may be without a sign of life.
    pub watchdog: Option<String>,
    /// The program that is run.
    pub program: Option<PathBuf>,
    /// Whether it goes on when its user has logged out; `None` when that cannot be told.
    pub linger: Option<bool>,
}

/// The service manager of this user.
#[derive(Debug, Clone)]
pub enum Manager {
    /// See there.
    Systemd(Systemd),
    /// See there.
    Launchd(Launchd),
}

impl Manager {
    /// The one of this platform. `home` and `config_home` are those of the person, not those of a scratch home.
    #[must_use]
    pub fn current(home: &Path, config_home: &Path) -> Self {
        match Kind::current() {
            Kind::Systemd => Self::Systemd(Systemd::new(config_home.to_owned())),
            Kind::Launchd => Self::Launchd(Launchd::new(home, rustix::process::getuid().as_raw())),
        }
    }

    /// Which it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Systemd(_) => Kind::Systemd,
            Self::Launchd(_) => Kind::Launchd,
        }
    }

    /// Its version, where that matters.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        match self {
            Self::Systemd(systemd) => systemd.version(),
            Self::Launchd(_) => None,
        }
    }

    /// How things are; `Err` says why there is no manager to ask.
    pub fn found(&self) -> (Found, Result<(), String>) {
        match self {
            Self::Systemd(systemd) => systemd.found(),
            Self::Launchd(launchd) => launchd.found(),
        }
    }

    /// How to ask it for things.
    #[must_use]
    pub fn commands(&self) -> &Commands {
        match self {
            Self::Systemd(systemd) => systemd.commands(),
            Self::Launchd(launchd) => launchd.commands(),
        }
    }

    /// How things are, for a checkup.
    #[must_use]
    pub fn checkup(&self) -> Service {
        let (found, answer) = self.found();
        match (found.running, answer) {
            (Some(running), Ok(())) if running.loaded || running.masked || found.text.is_some() => {
                Service::Installed(Box::new(running.unit()))
            }
            (Some(_), Ok(())) => Service::NotInstalled,
            (_, Err(why)) => Service::NoManager(why),
            (None, Ok(())) => Service::NotInstalled,
        }
    }
}

impl Running {
    fn unit(&self) -> Unit {
        Unit {
            load: self.load.clone(),
            active: self.state.clone(),
            file: self.file_state.clone(),
            result: self.result.clone(),
            restarts: self.restarts,
            pid: self.pid.unwrap_or(0),
            program_exists: self.program.as_ref().is_some_and(|program| program.is_file()),
            linger: self.linger,
        }
    }
}

/// How a process is confined by those who started it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confinement {
    /// It cannot gain rights by running a program (`NoNewPrivs`).
    pub no_new_privileges: bool,
    /// Its system calls are filtered (`Seccomp: 2`).
    pub system_calls_filtered: bool,
}

/// How the process `pid` is confined, as the kernel says (proc(5)); `None` where there is no such process or no `/proc`.
#[must_use]
pub fn confinement(pid: u32) -> Option<Confinement> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    Some(Confinement {
        no_new_privileges: field("NoNewPrivs") == "1",
        system_calls_filtered: field("Seccomp") == "2",
    })
}

/// How many of the directories above a file are missing.
fn missing_above(file: &Path) -> usize {
    file.ancestors().skip(1).take_while(|above| above.symlink_metadata().is_err()).count()
}

/// The name of the running program that outlives an upgrade: the way it was called, symbolic links kept, if that leads
/// to `running` (what the system says is running). A package manager points such a link at each new version in turn. A
/// program that was called by its very own path is named as `PATH` names it, if it does.
///
/// `called` is the process's first argument, `search` is `$PATH`, `directory` the working directory.
#[must_use]
pub fn lasting_name(running: &Path, called: &OsStr, search: Option<&OsStr>, directory: &Path) -> PathBuf {
    let identity = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
    let called = Path::new(called);
    let direct = (called.components().count() > 1).then(|| directory.join(called));
    let name = called.file_name().unwrap_or_default();
    let found = search.map(|search| std::env::split_paths(search).map(|dir| dir.join(name)));
    let is_link = |path: &PathBuf| path.symlink_metadata().is_ok_and(|data| data.is_symlink());
    let linked = direct.clone().filter(is_link);
    let candidates = linked.into_iter().chain(found.into_iter().flatten()).chain(direct);
    let same =
        |path: &PathBuf| path.is_absolute() && identity(path).is_some_and(|it| Some(it) == identity(running));
    // Without `.` and with no `..`: a way through a directory that may go is no lasting one.
    let straight = |path: PathBuf| {
        let path: PathBuf = path.components().collect();
        (!path.components().any(|part| part == Component::ParentDir)).then_some(path)
    };
    candidates.filter(same).find_map(straight).unwrap_or_else(|| running.to_owned())
}

/// Why a program at this path will not be there for long, if so.
#[must_use]
pub fn fleeting(program: &Path) -> Option<&'static str> {
    let parts: Vec<_> = program.iter().map(|part| part.to_string_lossy()).collect();
    let built = |pair: &[std::borrow::Cow<'_, str>]| {
        pair[0] == "target" && (pair[1] == "debug" || pair[1] == "release")
    };
    if parts.windows(2).any(built) {
        Some(
            "is in a build directory, which `cargo clean` empties; `cargo install --path .` puts it in a better place",
        )
    } else if program.starts_with("/nix/store") || parts.iter().any(|part| *part == "Cellar") {
        Some("is a place for one version, which an upgrade leaves behind; call it by its name on PATH")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
