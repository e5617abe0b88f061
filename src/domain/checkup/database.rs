//! The cache database: what it is, whether it is sound, who else has it open, and with which SQLite.
//!
//! What this module does not do: look at rows; that is [`super::drift`]'s.

use super::{Finding, count, some};

/// What is at the cache's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cache {
    /// A database that can be worked with; who made it, in words.
    Usable(String),
    /// No file.
    Absent,
    /// A file without tables.
    Empty,
    /// The half schema of an API-first start; by what it was recognised.
    HalfSchema(String),
    /// These tables or columns are missing.
    Incomplete(Vec<String>),
    /// No database, or one damaged beyond reading.
    NotADatabase(String),
    /// It cannot be opened now.
    Locked,
    /// It cannot be opened at all.
    Unopenable(String),
}

const REBUILD: &str = "stop the web backend, then: skillmeatd db rebuild";

/// Judge what the file at `path` is, and what `PRAGMA quick_check` said of it (`None`: it was not asked; no lines:
/// nothing is wrong).
#[must_use]
pub fn identity(path: &str, cache: &Cache, complaints: Option<&[String]>) -> Vec<Finding> {
    const CHECK: &str = "database";
    let first = match cache {
        Cache::Usable(kind) => Finding::ok(CHECK, format!("{path}, {kind}")),
        Cache::Absent => Finding::warn(CHECK, format!("there is no {path} yet"), "skillmeatd sync --once"),
        Cache::Empty => Finding::warn(CHECK, format!("{path} has no tables yet"), "skillmeatd sync --once"),
        Cache::HalfSchema(reason) => Finding::fail(
            CHECK,
            format!("{path} was left half made by a first start of the web backend ({reason})"),
            REBUILD,
        ),
        Cache::Incomplete(missing) => Finding::fail(
            CHECK,
            format!("{path} lacks {}", some(missing)),
            "use SkillMeat 0.37 or later; if you do: skillmeatd db rebuild",
        ),
        Cache::NotADatabase(reason) => {
            Finding::fail(CHECK, format!("{path} is not a database that can be read: {reason}"), REBUILD)
        }
        Cache::Locked => Finding::warn(
            CHECK,
            format!("{path} is locked by another process for as long as we waited"),
            "wait for it (a SkillMeat upgrade takes a while), then try again",
        ),
        Cache::Unopenable(reason) => {
            Finding::fail(CHECK, format!("{path} cannot be opened: {reason}"), format!("chmod u+rw {path}"))
        }
    };
    let integrity = complaints.filter(|_| matches!(cache, Cache::Usable(_))).map(|complaints| {
        const CHECK: &str = "database integrity";
        match complaints {
            [] => Finding::ok(CHECK, "SQLite's quick check found nothing"),
            _ => Finding::fail(CHECK, format!("{path} is damaged: {}", some(complaints)), REBUILD),
        }
    });
    std::iter::once(first).chain(integrity).collect()
}

/// A process that has the cache open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What it is called.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether what it has open is the file that is there now.
    pub current: bool,
}

/// Judge whether everybody works in the file that is there now. `daemon` is the running daemon's process id.
#[must_use]
pub fn users(users: &[User], daemon: Option<u32>) -> Finding {
    const CHECK: &str = "database in use";
    let called = |user: &User| format!("{} (pid {})", user.name, user.pid);
    let (ours, others): (Vec<_>, Vec<_>) =
        users.iter().filter(|user| !user.current).partition(|user| Some(user.pid) == daemon);
    if let Some(ours) = ours.first() {
        return Finding::fail(
            CHECK,
            format!("cache.db was replaced, and the daemon (pid {}) still has the old one open", ours.pid),
            "restart the daemon",
        );
    }
    if !others.is_empty() {
        let names: Vec<String> = others.into_iter().map(called).collect();
        return Finding::fail(
            CHECK,
            format!(
                "cache.db was replaced, and what {} writes goes into the old one and is lost",
                some(&names)
            ),
            "restart it",
        );
    }
    match users {
        [] => Finding::ok(CHECK, "by nobody else now"),
        users => Finding::ok(CHECK, format!("by {}", some(&users.iter().map(called).collect::<Vec<_>>()))),
    }
}

/// Variables that send SkillMeat's backend to another database (`skillmeat.cache.models.resolve_effective_database_url`).
pub const URL_VARIABLES: [&str; 2] = ["DATABASE_URL", "SKILLMEAT_DATABASE_URL"];

/// Whether such a variable's value does so: only a PostgreSQL address does
/// (`skillmeat.cache.models.is_postgres_database_url`).
#[must_use]
pub fn leads_elsewhere(value: &str) -> bool {
    ["postgresql://", "postgresql+", "postgres://"]
        .iter()
        .any(|scheme| value.trim_start().starts_with(scheme))
}

/// Judge where such a variable is set: `places` are descriptions, never values, for these hold passwords.
#[must_use]
pub fn elsewhere(places: &[String]) -> Finding {
    const CHECK: &str = "DATABASE_URL";
    match places {
        [] => Finding::ok(CHECK, "not set: SkillMeat uses cache.db"),
        places => Finding::warn(
            CHECK,
            format!(
                "set in {}: with it SkillMeat's backend uses a PostgreSQL database and not cache.db",
                some(places)
            ),
            "unset it if the backend is to show what skillmeatd mirrors",
        ),
    }
}

/// The SQLite library of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Whose it is.
    pub program: String,
    /// Its version, as `sqlite_version()` gives it.
    pub version: String,
}

/// Whether this version has the bug by which a reset of the write-ahead log can damage a database that several
/// processes write to: 3.7.0 to 3.51.2, without the repaired 3.44.6 and 3.50.7
/// (<https://www.sqlite.org/wal.html#walresetbug>). A version that cannot be understood is not accused.
#[must_use]
pub fn has_wal_reset_bug(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(3)), Some(Some(minor)), patch) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    let patch = patch.flatten().unwrap_or(0);
    match minor {
        44 => patch < 6,
        50 => patch < 7,
        51 => patch < 3,
        minor => (7..51).contains(&minor),
    }
}

/// Judge the libraries that write to the cache; `python` is the reason why SkillMeat's could not be asked, if so.
#[must_use]
pub fn libraries(libraries: &[Library], python: Option<&str>) -> Vec<Finding> {
    const CHECK: &str = "SQLite";
    let judge = |library: &Library| {
        let found = format!("{} uses SQLite {}", library.program, library.version);
        if has_wal_reset_bug(&library.version) {
            Finding::warn(
                CHECK,
                format!(
                    "{found}, which can rarely damage a database in use (sqlite.org/wal.html#walresetbug)"
                ),
                "install SkillMeat with a Python whose sqlite3.sqlite_version is 3.51.3 or later (or 3.50.7, 3.44.6)",
            )
        } else {
            Finding::ok(CHECK, found)
        }
    };
    let asked = libraries.iter().map(judge);
    asked
        .chain(python.map(|why| Finding::skip(CHECK, format!("SkillMeat's could not be asked: {why}"))))
        .collect()
}

/// Judge SkillMeat itself: the program and its version, or why there is none.
#[must_use]
pub fn skillmeat(found: Result<(&str, &str), &str>) -> Finding {
    const CHECK: &str = "SkillMeat";
    match found {
        Ok((program, version)) => Finding::ok(CHECK, format!("{version} ({program})")),
        Err(why) => Finding::skip(CHECK, why),
    }
}

/// Judge how many artifacts of the files this database cannot hold.
#[must_use]
pub fn refused(refused: &[String]) -> Option<Finding> {
    (!refused.is_empty()).then(|| {
        Finding::warn(
            "database",
            format!("it does not know the type of {}: {}", count(refused.len(), "artifact"), some(refused)),
            "upgrade SkillMeat and let it upgrade its database (`skillmeat list`)",
        )
    })
}
