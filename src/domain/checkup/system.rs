//! The ground the daemon stands on: configuration, disk space, its own state, its socket.
//!
//! What this module does not do: judge SkillMeat's files or database.

use std::collections::BTreeMap;

use super::{Finding, count, some};

/// Judge the configuration: where it is read from, or everything that is wrong with it.
#[must_use]
pub fn configuration(file: &str, exists: bool, errors: &[String]) -> Finding {
    const CHECK: &str = "configuration";
    match (errors, exists) {
        ([], true) => Finding::ok(CHECK, file),
        ([], false) => Finding::ok(CHECK, format!("built-in defaults ({file} does not exist)")),
        (errors, _) => Finding::fail(
            CHECK,
            errors.join("; "),
            "`skillmeatd config --help` lists every key; the daemon does not start like this",
        ),
    }
}

/// Judge a problem with a file of SkillMeat's that belongs to no collection.
#[must_use]
pub fn other_file(problem: &str) -> Finding {
    Finding::warn("home", problem, "mend that file")
}

/// Room on the file system of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The directory.
    pub directory: String,
    /// What this user may still write, in bytes.
    pub bytes: u64,
    /// Files this user may still make; `None` where the file system does not count them.
    pub files: Option<u64>,
    /// Tells file systems apart: two directories with the same number share their room.
    pub device: u64,
}

/// Below this SQLite and the writers of manifests begin to fail.
const TOO_LITTLE: u64 = 16 << 20;
/// Below this a log or a download can bring it to the end within the day.
const LITTLE: u64 = 256 << 20;

/// Judge the room, once a file system.
#[must_use]
pub fn space(places: &[Space]) -> Vec<Finding> {
    const CHECK: &str = "disk space";
    let by_device: BTreeMap<u64, &Space> = places.iter().rev().map(|place| (place.device, place)).collect();
    let judge = |place: &Space| {
        let free = format!("{} free", mebibytes(place.bytes));
        let fix = format!("free some space on the file system of {}", place.directory);
        let finding = match place.files {
            Some(0) => Finding::fail(CHECK, "no further file can be made", fix),
            _ if place.bytes < TOO_LITTLE => Finding::fail(CHECK, free, fix),
            Some(files) if files < 1_000 => {
                Finding::warn(CHECK, format!("only {files} more files can be made"), fix)
            }
            _ if place.bytes < LITTLE => Finding::warn(CHECK, free, fix),
            _ => Finding::ok(CHECK, free),
        };
        finding.about(place.directory.clone())
    };
    by_device.values().map(|place| judge(place)).collect()
}

fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes >> 20;
    if mebibytes >= 10 << 10 { format!("{} GiB", mebibytes >> 10) } else { format!("{mebibytes} MiB") }
}

/// A file or directory that only its user should reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Private {
    /// It does not exist.
    Absent,
    /// It is of another kind than it should be.
    Foreign,
    /// It belongs to the user with this id.
    OfUser(u32),
    /// Its permission bits.
    Mode(u32),
}

/// The daemon's own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `~/.local/state/skillmeatd`.
    pub directory: String,
    /// How private that is.
    pub access: Private,
    /// Whether it can be written.
    pub writable: bool,
    /// The database in it.
    pub database: StateDatabase,
    /// Names of damaged databases that were set aside earlier.
    pub aside: Vec<String>,
}

/// What the state database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDatabase {
    /// There is none yet.
    Absent,
    /// It passed SQLite's check.
    Sound,
    /// It did not, or is no database; what SQLite said.
    Damaged(String),
    /// It could not be looked at.
    Unknown(String),
}

/// Judge the state.
#[must_use]
pub fn state(state: &State) -> Vec<Finding> {
    const CHECK: &str = "state";
    let directory = &state.directory;
    let mut findings = Vec::new();
    match state.access {
        Private::Absent => return vec![Finding::skip(CHECK, format!("{directory} does not exist yet"))],
        Private::Foreign => {
            findings.push(Finding::fail(CHECK, format!("{directory} is not a directory"), "move it away"));
        }
        Private::OfUser(uid) => findings.push(Finding::fail(
            CHECK,
            format!("{directory} belongs to the user with id {uid}"),
            "remove it, or run skillmeatd as that user",
        )),
        Private::Mode(mode) if mode & 0o077 != 0 => findings.push(Finding::warn(
            CHECK,
            format!("{directory} can be entered by others (mode {mode:04o})"),
            format!("chmod 700 {directory}"),
        )),
        Private::Mode(_) if !state.writable => findings.push(Finding::fail(
            CHECK,
            format!("{directory} cannot be written"),
            format!("chmod 700 {directory}"),
        )),
        Private::Mode(_) => {}
    }
    match &state.database {
        StateDatabase::Damaged(why) => findings.push(Finding::fail(
            CHECK,
            format!("state.db is damaged: {why}"),
            "restart the daemon: it sets the file aside and makes another from files and database",
        )),
        StateDatabase::Unknown(why) => findings.push(Finding::warn(
            CHECK,
            format!("state.db cannot be checked: {why}"),
            "try again when nothing else has it open",
        )),
        StateDatabase::Absent | StateDatabase::Sound => {}
    }
    if !state.aside.is_empty() {
        let found = format!(
            "{} set aside earlier: {}",
            count(state.aside.len(), "damaged state database"),
            some(&state.aside)
        );
        findings.push(Finding::warn(
            CHECK,
            found,
            format!("remove them from {directory} when you do not need them"),
        ));
    }
    if findings.is_empty() {
        let found = match state.database {
            StateDatabase::Absent => format!("{directory} has no state yet"),
            _ => format!("state.db in {directory} is sound"),
        };
        findings.push(Finding::ok(CHECK, found));
    }
    findings
}

/// The control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its path.
    pub path: String,
    /// Its directory's path.
    pub directory: String,
    /// How private the directory is.
    pub around: Private,
    /// How private the socket is.
    pub access: Private,
    /// Whether somebody answers at it.
    pub answers: bool,
}

/// Judge the socket's permissions.
#[must_use]
pub fn socket(socket: &Socket) -> Vec<Finding> {
    const CHECK: &str = "socket";
    let Socket { path, directory, .. } = socket;
    let mut findings = Vec::new();
    match socket.around {
        Private::OfUser(uid) => findings.push(Finding::fail(
            CHECK,
            format!("{directory} belongs to the user with id {uid}"),
            "remove it; the daemon makes it anew",
        )),
        Private::Foreign => {
            findings.push(Finding::fail(CHECK, format!("{directory} is not a directory"), "remove it"));
        }
        Private::Mode(mode) if mode & 0o077 != 0 => findings.push(Finding::fail(
            CHECK,
            format!("{directory} can be entered by others (mode {mode:04o})"),
            format!("chmod 700 {directory}"),
        )),
        Private::Mode(_) | Private::Absent => {}
    }
    match socket.access {
        Private::Absent => {}
        Private::Foreign => {
            findings.push(Finding::fail(CHECK, format!("{path} is not a socket"), format!("rm {path}")));
        }
        Private::OfUser(uid) => findings.push(Finding::fail(
            CHECK,
            format!("{path} belongs to the user with id {uid}"),
            "that user's daemon shares this directory: give each user one of their own",
        )),
        Private::Mode(mode) if mode & 0o077 != 0 => findings.push(Finding::fail(
            CHECK,
            format!("others may connect to {path} (mode {mode:04o})"),
            format!("chmod 600 {path}"),
        )),
        Private::Mode(_) if !socket.answers => findings.push(Finding::ok(
            CHECK,
            format!("{path} was left by a daemon that was killed; the next one replaces it"),
        )),
        Private::Mode(_) => {}
    }
    if findings.is_empty() {
        findings.push(match socket.access {
            Private::Absent => Finding::skip(CHECK, format!("{path} does not exist: no daemon runs")),
            _ => Finding::ok(CHECK, format!("{path}, for this user only")),
        });
    }
    findings
}
