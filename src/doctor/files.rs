//! Reading SkillMeat's files with nothing remembered.
//!
//! What this module does not do: anything a scan does not; it has one of its own.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{Access, access};

use super::processes;
use crate::domain::checkup::files::{Collection, Home, collections};
use crate::domain::checkup::{Finding, system};
use crate::domain::dirty::ScanScope;
use crate::domain::model::{Desired, Problem};
use crate::domain::owned::FileSide;
use crate::fs::scan::{Scanned, Scanner};
use crate::fs::write::strays;
use crate::paths::Paths;

/// What `~/.skillmeat` is.
pub(super) fn home(paths: &Paths) -> Home {
    match paths.root.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Home::Missing,
        Err(error) => Home::Unreadable(error.to_string()),
        Ok(found) if !found.is_dir() => Home::NotADirectory,
        Ok(found) if found.uid() != rustix::process::getuid().as_raw() => Home::Foreign(found.uid()),
        Ok(_) => match paths.root.read_dir().and_then(|_| paths.collections.read_dir()) {
            Ok(_) => Home::Sound,
            // No collection yet is the collections' affair.
            Err(error) if error.kind() == ErrorKind::NotFound => Home::Sound,
            Err(error) => Home::Unreadable(error.to_string()),
        },
    }
}

/// The files, as this process reads them.
#[derive(Debug)]
pub(super) struct Tree {
    scanner: Scanner,
    paths: Paths,
}

impl Tree {
    pub(super) fn new(paths: &Paths) -> Self {
        Self { scanner: Scanner::new(paths.root.clone(), Vec::new()), paths: paths.clone() }
    }

    /// What the files say now, and the sections of the manifests that can be read; `None` when there is nothing to read.
    pub(super) fn read(&mut self) -> Option<(Arc<Desired>, BTreeMap<String, FileSide>)> {
        let scanned = self.scan()?;
        let certain =
            |name: &String| scanned.desired.collections.get(name).is_some_and(|it| it.doubt.is_none());
        let manifests = scanned.manifests.iter().filter(|(name, _)| certain(name));
        let sides = manifests.map(|(name, seen)| (name.clone(), FileSide::from(&*seen.manifest))).collect();
        Some((scanned.desired, sides))
    }

    fn scan(&mut self) -> Option<Scanned> {
        self.scanner.scan(&ScanScope::All, SystemTime::now()).ok()
    }

    /// What there is to say about the files themselves.
    pub(super) async fn findings(&mut self) -> Vec<Finding> {
        let Some(scanned) = self.scan() else {
            return vec![Finding::skip("collection", "there is no place for collections")];
        };
        let facts = self.facts(&scanned).await;
        let mut findings = collections(&scanned.desired.active, &facts);
        let elsewhere = scanned.problems.iter().filter(|problem| collection_of(problem).is_none());
        findings.extend(elsewhere.map(|problem| system::other_file(&problem.to_string())));
        findings.extend(twice(&scanned.desired));
        findings
    }

    async fn facts(&self, scanned: &Scanned) -> Vec<Collection> {
        let mut facts = Vec::new();
        for (name, collection) in &scanned.desired.collections {
            let directory = self.paths.collections.join(name);
            let manifest = directory.join("collection.toml");
            let strays = strays(&manifest, SystemTime::now()).unwrap_or_default();
            let problems =
                scanned.problems.iter().filter(|problem| collection_of(problem) == Some(name)).cloned();
            facts.push(Collection {
                name: name.clone(),
                artifacts: collection.artifacts.len(),
                doubt: collection.doubt,
                problems: problems.collect(),
                writable: writable(&directory) && (writable(&manifest) || !manifest.exists()),
                strays: strays.iter().map(|stray| stray.display().to_string()).collect(),
                locked_by: lasting_locker(&directory.join(".collection.toml.skillmeat-lock")).await,
            });
        }
        facts
    }
}

fn writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// The collection whose file the problem is about.
fn collection_of(problem: &Problem) -> Option<&str> {
    problem.path.strip_prefix("collections/")?.split('/').next()
}

/// How long a writer may hold the lock of a manifest: SkillMeat's and ours do so for milliseconds.
const LOCKED_LONG: Duration = Duration::from_secs(2);

async fn lasting_locker(lock: &Path) -> Option<String> {
    let holder = processes::locker_of(lock)?;
    tokio::time::sleep(LOCKED_LONG).await;
    processes::locker_of(lock).filter(|later| *later == holder)
}

/// Artifacts that two directories name: SkillMeat has one row for both.
fn twice(desired: &Desired) -> Option<Finding> {
    let mut directories: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (name, collection) in &desired.collections {
        for id in collection.artifacts.keys() {
            directories.entry(id).or_default().push(name);
        }
    }
    let twice: Vec<String> = directories
        .iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(id, names)| format!("{id} in {}", names.join(" and ")))
        .collect();
    crate::domain::checkup::files::twice(&twice)
}
