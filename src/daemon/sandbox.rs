//! What the worker may write, held to by the kernel (landlock(7), Linux 5.13 and later).
//!
//! A restriction is laid on one thread, for ever, together with every thread it starts: the worker and the threads of
//! its databases. The main loop, which reads no file of SkillMeat's, stays free, so that a worker with other limits can
//! follow when the places change: a home that appears, a collection that becomes a symbolic link to somewhere else.
//!
//! Reading is not restricted: links in a collection may lead anywhere. Programs are not run by the worker at all, see
//! [`super::engine`]. Where the kernel has no Landlock, nothing is enforced, and [`Enforcement`] says so. It is not
//! taken from the kernel's word but from a try: a write outside that has to fail.
//!
//! What this module does not do: decide what is written. It makes a bug in that decision, or in a library that parses
//! somebody's file, end in an error in place of a damaged file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::control::protocol;
use crate::paths::Paths;

/// The file whose making, in the home directory, must be refused.
const PROBE: &str = ".skillmeatd-sandbox-probe";

/// The directories that may be written in, and below.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The tree, and where collections and manifests that are links lead.
    tree: BTreeMap<PathBuf, Place>,
    /// Where artifacts that are links lead. Costs a listing of every directory of artifacts to find out.
    artifacts: BTreeMap<PathBuf, Place>,
}

/// A rule is about a directory, not about its name: another directory in its place is another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    dev: u64,
    ino: u64,
    grant: Grant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    /// Directories may be made.
    Directories,
    /// Files and directories may be made, written, renamed and removed.
    Everything,
}

impl Places {
    /// Where things are now.
    pub(super) fn of(paths: &Paths) -> Self {
        let mut places = Self { tree: tree(paths), artifacts: BTreeMap::new() };
        for collection in entries(&paths.collections) {
            // `skills`, `commands` and so on; an artifact is one entry of these.
            for artifact in entries(&collection).iter().flat_map(|container| entries(container)) {
                let Ok(target) = target_of(&artifact) else { continue };
                let directory = if target.is_dir() { Some(target.as_path()) } else { target.parent() };
                if let Some(directory) = directory {
                    add(&mut places.artifacts, directory, Grant::Everything, &paths.home);
                }
            }
        }
        places
    }

    /// Whether things are still where they were. A few calls to the system for each collection; `thorough` looks at
    /// every artifact.
    pub(super) fn are_current(&self, paths: &Paths, thorough: bool) -> bool {
        if thorough { *self == Self::of(paths) } else { self.tree == tree(paths) }
    }

    fn all(&self) -> impl Iterator<Item = (&PathBuf, &Place)> {
        self.tree.iter().chain(&self.artifacts)
    }

    fn names(&self) -> Vec<String> {
        let all = self.all().filter(|(_, place)| place.grant == Grant::Everything);
        let names: BTreeSet<String> = all.map(|(path, _)| path.display().to_string()).collect();
        names.into_iter().collect()
    }
}

fn tree(paths: &Paths) -> BTreeMap<PathBuf, Place> {
    let mut places = BTreeMap::new();
    let mut grant = |directory: &Path, grant| add(&mut places, directory, grant, &paths.home);
    grant(&paths.state_dir, Grant::Everything);
    let cache = paths.cache_db.parent().unwrap_or(&paths.root);
    let complete = cache.is_dir() && paths.collections.is_dir();
    // What is missing cannot be named in a rule; whoever makes it makes it below the root.
    grant(&paths.root, if complete { Grant::Directories } else { Grant::Everything });
    grant(cache, Grant::Everything);
    if let Ok(database) = paths.cache_db.canonicalize() {
        grant(database.parent().unwrap_or(cache), Grant::Everything);
    }
    grant(&paths.collections, Grant::Everything);
    for collection in entries(&paths.collections) {
        if target_of(&collection).is_ok() {
            grant(&collection, Grant::Everything);
        }
        // A manifest that is a link is written where it leads to.
        if let Ok(target) = target_of(&collection.join("collection.toml"))
            && let Some(directory) = target.parent()
        {
            grant(directory, Grant::Everything);
        }
    }
    places
}

/// A directory that holds the home is never one to write in: it would open everything.
fn add(places: &mut BTreeMap<PathBuf, Place>, directory: &Path, grant: Grant, home: &Path) {
    let Ok(path) = directory.canonicalize() else { return };
    let Ok(found) = path.metadata() else { return };
    if !found.is_dir() || home.canonicalize().is_ok_and(|home| home.starts_with(&path)) {
        return;
    }
    let place = Place { dev: found.dev(), ino: found.ino(), grant };
    let kept = places.entry(path).or_insert(place);
    kept.grant = kept.grant.max(grant);
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Where a link leads in the end; an error for what is none.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    std::fs::read_link(path)?;
    path.canonicalize()
}

/// How far a thread is restricted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Enforcement {
    /// Only these places can be written.
    Full(Vec<String>),
    /// Only these places can be written, but the kernel is too old for some of it.
    Partial(Vec<String>),
    /// Not at all, for this reason.
    None(String),
}

impl Enforcement {
    /// As `status` shows it.
    pub(super) fn told(&self) -> protocol::Sandbox {
        let (enforced, detail, writable) = match self {
            Self::Full(places) => ("full", None, places.clone()),
            Self::Partial(places) => {
                let detail =
                    "this kernel restricts writing files, but not truncating them by name or the network";
                ("partial", Some(detail.to_owned()), places.clone())
            }
            Self::None(why) => ("none", Some(why.clone()), Vec::new()),
        };
        protocol::Sandbox { enforced: enforced.to_owned(), detail, writable }
    }
}

/// Restrict the calling thread, and try whether that holds.
pub(super) fn enforce(places: &Places, home: &Path) -> Enforcement {
    let partly = match restrict(places) {
        Ok(None) => return Enforcement::None("this system has no Landlock that is switched on".to_owned()),
        Ok(Some(Partly(partly))) => partly,
        Err(why) => return Enforcement::None(why),
    };
    match holds(home) {
        Err(why) => Enforcement::None(why),
        Ok(()) if partly => Enforcement::Partial(places.names()),
        Ok(()) => Enforcement::Full(places.names()),
    }
}

fn holds(home: &Path) -> Result<(), String> {
    let probe = home.join(PROBE);
    match std::fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(format!("whether writing is restricted could not be tried: {error}")),
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
            Err("the kernel says that writing is restricted, and it is not".to_owned())
        }
    }
}

/// Whether the kernel knows only part of what was asked for.
struct Partly(bool);

#[cfg(target_os = "linux")]
fn restrict(places: &Places) -> Result<Option<Partly>, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    };

    /// The newest version whose every right is tested here; of it, each kernel enforces what it knows.
    const KNOWN: ABI = ABI::V6;

    fn rules(places: &Places) -> Result<RulesetStatus, RulesetError> {
        let everything: BitFlags<AccessFs> = AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir;
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_write(KNOWN) | AccessFs::Execute)?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?;
        for (path, place) in places.all() {
            // One that is gone meanwhile cannot be written anyway.
            let Ok(directory) = PathFd::new(path) else { continue };
            let access = match place.grant {
                Grant::Everything => everything,
                Grant::Directories => AccessFs::MakeDir.into(),
            };
            ruleset = ruleset.add_rule(PathBeneath::new(directory, access))?;
        }
        Ok(ruleset.restrict_self()?.ruleset)
    }

    match rules(places).map_err(|error| super::board::chain(&error))? {
        RulesetStatus::FullyEnforced => Ok(Some(Partly(false))),
        RulesetStatus::PartiallyEnforced => Ok(Some(Partly(true))),
        RulesetStatus::NotEnforced => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Places) -> Result<Option<Partly>, String> {
    Ok(None)
}

#[cfg(test)]
mod tests;
