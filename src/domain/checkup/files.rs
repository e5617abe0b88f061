//! SkillMeat's files: the home, the collections, what writers left lying about.
//!
//! What this module does not do: compare them with rows; that is [`super::drift`]'s.

use super::{Finding, count, some};
use crate::domain::model::{Doubt, Problem};

/// What `~/.skillmeat` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// Nothing is there.
    Missing,
    /// Something else than a directory is.
    NotADirectory,
    /// It belongs to the user with this id.
    Foreign(u32),
    /// It, or `collections` in it, cannot be listed, with the system's reason.
    Unreadable(String),
    /// A directory of this user's.
    Sound,
}

/// Judge the home at `root`.
#[must_use]
pub fn home(root: &str, home: &Home) -> Finding {
    const CHECK: &str = "home";
    let foreign = "run skillmeatd as the user whose SkillMeat it is";
    match home {
        Home::Sound => Finding::ok(CHECK, root),
        Home::Missing => Finding::fail(CHECK, format!("there is no {root}"), "skillmeat init"),
        Home::NotADirectory => {
            Finding::fail(CHECK, format!("{root} is not a directory"), "move it away, then: skillmeat init")
        }
        Home::Foreign(uid) => {
            Finding::fail(CHECK, format!("{root} belongs to the user with id {uid}"), foreign)
        }
        Home::Unreadable(why) => {
            Finding::fail(CHECK, format!("{root} cannot be read: {why}"), format!("chmod u+rwx {root}"))
        }
    }
}

/// One collection directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection {
    /// The directory's name.
    pub name: String,
    /// Readable entries.
    pub artifacts: usize,
    /// Why the entries cannot be told for certain, if so.
    pub doubt: Option<Doubt>,
    /// What is wrong with its files.
    pub problems: Vec<Problem>,
    /// Whether the directory and the manifest can be written by this user.
    pub writable: bool,
    /// Temporary files of killed writers.
    pub strays: Vec<String>,
    /// Who has held the write lock for all of the time it was looked at, as `name (pid n)`.
    pub locked_by: Option<String>,
}

/// Judge the collections; `active` is the active one's name.
#[must_use]
pub fn collections(active: &str, collections: &[Collection]) -> Vec<Finding> {
    const CHECK: &str = "collection";
    if collections.is_empty() {
        return vec![Finding::warn(CHECK, "there is no collection yet", "skillmeat init")];
    }
    let mut findings: Vec<Finding> = collections.iter().flat_map(collection).collect();
    if !collections.iter().any(|collection| collection.name == active) {
        findings.push(Finding::warn(
            CHECK,
            format!("the active collection, {active}, does not exist"),
            format!("skillmeat collection use {}", collections[0].name),
        ));
    }
    findings
}

fn collection(it: &Collection) -> Vec<Finding> {
    const CHECK: &str = "collection";
    let manifest = format!("collections/{}/collection.toml", it.name);
    let mut findings = Vec::new();
    let mut problems = it.problems.iter();
    match it.doubt {
        Some(doubt @ (Doubt::Missing | Doubt::Empty)) => {
            problems.next(); // which says no more than this
            let what = if doubt == Doubt::Missing { "missing" } else { "empty" };
            findings.push(Finding::fail(
                CHECK,
                format!("{manifest} is {what}; rows of its artifacts stay"),
                format!("put it back, or confirm that it is gone: skillmeatd resume {}", it.name),
            ));
        }
        Some(Doubt::Unreadable | Doubt::Unnamed) => {
            let found =
                problems.next().map_or_else(|| format!("{manifest} cannot be read"), ToString::to_string);
            findings.push(Finding::fail(
                CHECK,
                found,
                "mend that place; until then its rows stay as they are",
            ));
        }
        None => {}
    }
    let rest: Vec<String> = problems.map(ToString::to_string).collect();
    if !rest.is_empty() {
        let found = format!("{}: {}", count(rest.len(), "problem"), some(&rest));
        findings.push(Finding::warn(
            CHECK,
            found,
            "mend that; `skillmeatd problems` lists all while the daemon runs",
        ));
    }
    if !it.writable {
        findings.push(Finding::warn(
            CHECK,
            format!("{manifest} cannot be written, so nothing is carried into it"),
            format!("chmod u+w the file and its directory, collections/{}", it.name),
        ));
    }
    if let Some(holder) = &it.locked_by {
        findings.push(Finding::warn(
            CHECK,
            format!("{holder} holds the write lock of {manifest} and does not let go"),
            "end that process if it hangs",
        ));
    }
    if !it.strays.is_empty() {
        let found =
            format!("{} of killed writers: {}", count(it.strays.len(), "temporary file"), some(&it.strays));
        findings.push(Finding::warn(
            CHECK,
            found,
            "restart the daemon: it keeps what is in them and removes them",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, count(it.artifacts, "artifact")));
    }
    findings.into_iter().map(|finding| finding.about(it.name.clone())).collect()
}

/// Judge which artifacts are in more than one directory, each named with its directories.
#[must_use]
pub fn twice(twice: &[String]) -> Option<Finding> {
    (!twice.is_empty()).then(|| {
        Finding::warn(
            "collection",
            format!(
                "{} in two directories, and SkillMeat has one row for both: {}",
                count(twice.len(), "artifact"),
                some(twice)
            ),
            "skillmeat remove NAME --collection COLLECTION, in one of them",
        )
    })
}
