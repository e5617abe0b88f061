//! Looking at the cache database as the daemon would, on a connection of our own.
//!
//! What this module does not do: write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::skillmeat::Python;
use crate::db::{self, Cache, DbError, Identity};
use crate::domain::checkup::database::{self as judge, Library, User};
use crate::domain::checkup::{Finding, chain, sections};
use crate::domain::model::ArtifactId;
use crate::domain::owned::FileSide;
use crate::domain::rows::{Actual, Scope};
use crate::paths::Paths;

/// How long a checkup waits for somebody's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who else has the cache open. Not to be called while we have.
pub(super) fn users(paths: &Paths) -> Vec<User> {
    let holders = db::holders(&paths.cache_db);
    holders.into_iter().map(|it| User { name: it.name, pid: it.pid, current: it.current }).collect()
}

/// The cache, as far as it could be opened.
#[derive(Debug)]
pub(super) struct Database {
    found: judge::Cache,
    cache: Option<Cache>,
}

impl Database {
    pub(super) async fn open(paths: &Paths) -> Self {
        match Cache::open(&paths.cache_db, &paths.home).await {
            Ok(opened) => Self {
                found: describe(&opened.identity),
                cache: opened.cache.map(|cache| cache.with_patience(PATIENCE)),
            },
            Err(DbError::Busy) => Self { found: judge::Cache::Locked, cache: None },
            Err(error) => Self { found: judge::Cache::Unopenable(chain(&error)), cache: None },
        }
    }

    /// What there is to say about the file.
    pub(super) async fn findings(&self, paths: &Paths) -> Vec<Finding> {
        let path = paths.cache_db.display().to_string();
        let complaints = match &self.cache {
            None => None,
            Some(cache) => match cache.complaints().await {
                Ok(complaints) => Some(complaints),
                Err(error) => Some(vec![chain(&error)]),
            },
        };
        judge::identity(&path, &self.found, complaints.as_deref())
    }

    /// Every row there is; `None` when they cannot be read.
    pub(super) async fn load(&mut self) -> Option<Actual> {
        self.cache.as_mut()?.load(&Scope::All).await.ok()
    }

    /// How groups and tag definitions differ from these manifests', and how many collections could be compared; `None`
    /// when they cannot be read.
    pub(super) async fn sections(
        &mut self,
        manifests: &BTreeMap<String, FileSide>,
    ) -> Option<(BTreeSet<String>, usize)> {
        let directories = manifests.keys().cloned().collect();
        let groups = manifests.values().flat_map(|file| file.groups.by_name.values());
        let named = groups.flat_map(|group| group.members.iter().cloned()).collect();
        let owned = self.cache.as_mut()?.load_owned(&directories, &named).await.ok()?;
        let mut found = BTreeSet::new();
        for (directory, db) in &owned.sides {
            if let Some(file) = manifests.get(directory) {
                found.extend(sections::differences(directory, db, file));
            }
        }
        Some((found, owned.sides.len()))
    }

    /// Whether the artifact can have a row.
    pub(super) fn accepts(&self, id: &ArtifactId) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.capabilities().accepts(id.kind))
    }

    pub(super) async fn close(self) {
        if let Some(cache) = self.cache
            && let Err(error) = cache.close().await
        {
            tracing::debug!(error = %chain(&error), "the cache did not close well");
        }
    }
}

fn describe(identity: &Identity) -> judge::Cache {
    match identity {
        Identity::Guest(_) | Identity::Standalone(_) => judge::Cache::Usable(identity.to_string()),
        Identity::Absent => judge::Cache::Absent,
        Identity::Empty => judge::Cache::Empty,
        Identity::HalfSchema { reason } => judge::Cache::HalfSchema(reason.clone()),
        Identity::Incomplete { missing } => judge::Cache::Incomplete(missing.clone()),
        Identity::NotADatabase { reason } => judge::Cache::NotADatabase(reason.clone()),
    }
}

/// The SQLite of this program and of SkillMeat's Python.
pub(super) async fn libraries(python: &Result<Python, String>) -> Vec<Finding> {
    let mut libraries = Vec::new();
    if let Ok(version) = db::library_version().await {
        libraries.push(Library { program: "skillmeatd".to_owned(), version });
    }
    if let Ok(python) = python {
        let program = format!("SkillMeat's Python {}", python.version);
        libraries.push(Library { program, version: python.sqlite.clone() });
    }
    judge::libraries(&libraries, python.as_ref().err().map(String::as_str))
}
