//! The scan: from the files under `~/.skillmeat` to what the cache should hold.
//!
//! A [`Scanner`] remembers what it has read, so that a scan costs one `stat` for each file that did not change, and a
//! scan of a part costs that part. What it returns is complete nevertheless: the parts outside the scope come from
//! memory.
//!
//! *A problem is not an absence.* While a manifest is missing, empty or unreadable, the entries last read from it stay,
//! the collection is marked with its [`Doubt`](crate::domain::model::Doubt), and the problem is listed. While even the
//! root cannot be listed there is no result at all.
//!
//! What this module does not do: watch, wait, or write anything. It blocks, so it belongs on a blocking thread.

mod collection;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType};
use rustix::io::Errno;

use self::collection::{Change, MANIFEST, Remembered};
use super::artifact::Frontmatter;
use super::open::{directory_below, kind_of, stat_below};
use super::settings;
use super::stat_cache::{CacheKey, CachedArtifact, Known};
use super::tree::{self, NamesError};
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::model::{ArtifactId, Desired, Manifest, Problem};
use crate::domain::rows::Scope;

/// Reads the tree, and remembers it.
#[derive(Debug)]
pub struct Scanner {
    root: PathBuf,
    collections: BTreeMap<String, Remembered>,
    /// Shared with the last result; copied only if that is still in use at the next scan.
    desired: Arc<Desired>,
    settings_problem: Option<Problem>,
    /// Problems with what lies beside the collections.
    listing_problems: Vec<Problem>,
    /// Rows of the stat cache for collections not seen yet.
    cached: BTreeMap<String, collection::Spare>,
    gone: Vec<CacheKey>,
    unconfirmed: Touched,
    /// Whether everything that was told of entry files has been acted on.
    acted_on: bool,
    workers: work::Workers,
}

/// What a scan found.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// What the files say the cache should hold; complete, whatever the scope was.
    pub desired: Arc<Desired>,
    /// Which artifacts differ from what the last [confirmed](Scanner::confirm) result said. Everything, when what an
    /// absence means may have changed too: a collection has come, gone, or is in doubt.
    pub touched: Scope,
    /// Everything that is wrong now, not only in the scope. Paths are below `~/.skillmeat`.
    pub problems: Vec<Problem>,
    /// What the entry files of the touched artifacts say, read now or remembered. What an earlier, confirmed result
    /// told is left out when [`Scanner::take_dirty`] has given it away.
    pub frontmatter: Vec<SeenFrontmatter>,
    /// The last good manifest of each collection.
    pub manifests: BTreeMap<String, SeenManifest>,
    /// What it cost.
    pub stats: Stats,
}

/// The frontmatter of one artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenFrontmatter {
    /// The collection directory's name.
    pub collection: String,
    /// Which artifact.
    pub id: ArtifactId,
    /// Its entry file, and what that says.
    pub frontmatter: Arc<Frontmatter>,
}

/// A manifest as it was last read well.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenManifest {
    /// What it says.
    pub manifest: Arc<Manifest>,
}

/// What a scan cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Artifacts looked at.
    pub artifacts: usize,
    /// Of these, those whose files had to be read.
    pub read: usize,
}

/// There is nothing that could be scanned, which says nothing about what should be in the cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// `~/.skillmeat` does not exist.
    #[error("{} does not exist", .0.display())]
    NoRoot(PathBuf),
    /// `~/.skillmeat/collections` does not exist.
    #[error("{} has no `collections` directory", .0.display())]
    NoCollections(PathBuf),
    /// It is there and cannot be listed.
    #[error("{} cannot be listed", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: Errno,
    },
}

impl Scanner {
    /// For the tree at `root` (`~/.skillmeat`), with the rows that [`Scanner::take_dirty`] gave to an earlier run.
    #[must_use]
    pub fn new(root: PathBuf, cached: Vec<CachedArtifact>) -> Self {
        let mut scanner = Self {
            root,
            collections: BTreeMap::new(),
            desired: Arc::new(Desired { active: settings::DEFAULT.to_owned(), ..Desired::default() }),
            settings_problem: None,
            listing_problems: Vec::new(),
            cached: BTreeMap::new(),
            gone: Vec::new(),
            unconfirmed: Touched::default(),
            acted_on: false,
            workers: work::Workers::default(),
        };
        cached.into_iter().for_each(|row| scanner.recall(row));
        scanner
    }

    /// Take in a row that [`Scanner::take_dirty`] gave to an earlier run, before the first scan.
    pub fn recall(&mut self, row: CachedArtifact) {
        let CachedArtifact { key, reading } = row;
        self.cached.entry(key.collection).or_default().insert((key.path, key.kind), Known::from(reading));
    }

    /// Count every artifact that is looked at in `progress`, while a scan is under way: a long one can be told from one
    /// that hangs.
    #[must_use]
    pub fn counting_in(mut self, progress: Arc<AtomicU64>) -> Self {
        self.workers.progress = progress;
        self
    }

    /// Look at what `scope` names. `now` is the time before the call; it must not be later than the real one.
    ///
    /// # Errors
    /// There is no tree to scan; nothing that was remembered is lost.
    pub fn scan(&mut self, scope: &ScanScope, now: SystemTime) -> Result<Scanned, ScanError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos();
        let now = i128::try_from(now).unwrap_or(i128::MAX);
        let root = match directory_below(CWD, &self.root, true) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Err(ScanError::NoRoot(self.root.clone())),
            Err(source) => return Err(ScanError::Unreadable { path: self.root.clone(), source }),
        };
        let unreadable = |source| ScanError::Unreadable { path: self.root.join("collections"), source };
        let collections = match directory_below(&root, "collections", true) {
            Ok(collections) => collections,
            Err(Errno::NOENT) => return Err(ScanError::NoCollections(self.root.clone())),
            Err(source) => return Err(unreadable(source)),
        };
        let listed;
        let dirty = match scope {
            ScanScope::All => {
                let (names, problems) = self.list_collections(collections.as_fd()).map_err(unreadable)?;
                self.listing_problems = problems;
                self.unconfirmed.all |= self.forget_all_but(&names);
                self.unconfirmed.all |= self.refresh_settings(root.as_fd());
                listed = names;
                &listed
            }
            ScanScope::Collections(dirty) => dirty,
        };
        let mut stats = Stats::default();
        self.acted_on = false;
        for (name, dirt) in dirty {
            self.scan_collection(collections.as_fd(), name, dirt, now, &mut stats);
        }
        Ok(self.result(stats))
    }

    /// The last result has been applied in full. Until this is said, what it touched is touched in every later result
    /// as well, so that a reconcile that failed half-way is made up for by the next one.
    pub fn confirm(&mut self) {
        self.unconfirmed = Touched::default();
        self.acted_on = true;
    }

    fn result(&self, stats: Stats) -> Scanned {
        let mut scanned = Scanned {
            desired: Arc::clone(&self.desired),
            touched: if self.unconfirmed.all {
                Scope::All
            } else {
                Scope::Artifacts(self.unconfirmed.ids.clone())
            },
            problems: self.problems(),
            frontmatter: Vec::new(),
            manifests: BTreeMap::new(),
            stats,
        };
        for (name, remembered) in &self.collections {
            let ids = (!self.unconfirmed.all).then_some(&self.unconfirmed.ids);
            remembered.tell_frontmatter(name, ids, &mut scanned.frontmatter);
            if let Some(parsed) = remembered.parsed() {
                let seen = SeenManifest { manifest: Arc::clone(&parsed.manifest) };
                scanned.manifests.insert(name.clone(), seen);
            }
        }
        scanned
    }

    /// Whether another collection is the active one now.
    fn refresh_settings(&mut self, root: BorrowedFd<'_>) -> bool {
        let (active, problem) = settings::active(root, &self.desired.active);
        self.settings_problem = problem;
        let changed = active != self.desired.active;
        if changed {
            Arc::make_mut(&mut self.desired).active = active;
        }
        changed
    }

    /// Drop the collections whose directories are not among these, and the cache rows of those never seen. Whether
    /// there were any.
    fn forget_all_but(&mut self, listed: &BTreeMap<String, Dirt>) -> bool {
        let vanished: Vec<String> =
            self.collections.keys().filter(|name| !listed.contains_key(*name)).cloned().collect();
        let mut forgotten = false;
        for name in vanished {
            forgotten |= self.forget(&name);
        }
        for (collection, spare) in std::mem::take(&mut self.cached) {
            if listed.contains_key(&collection) {
                self.cached.insert(collection, spare);
            } else {
                let key = |(path, kind)| CacheKey { collection: collection.clone(), path, kind };
                self.gone.extend(spare.into_keys().map(key));
            }
        }
        forgotten
    }

    /// What was read since the last call and is worth keeping, and what need not be kept any more.
    #[must_use]
    pub fn take_dirty(&mut self) -> (Vec<CachedArtifact>, Vec<CacheKey>) {
        let (mut rows, mut gone) = (Vec::new(), std::mem::take(&mut self.gone));
        for (name, remembered) in &mut self.collections {
            remembered.take_unsaved(name, self.acted_on, &mut rows, &mut gone);
            // Not before it was acted on, and not before the caller has it.
            if self.acted_on {
                remembered.told();
            }
        }
        (rows, gone)
    }

    /// The directories directly under `collections/`, all to be looked at as a whole.
    ///
    /// A hidden directory is a collection to SkillMeat if it has a manifest. If it never had one it is taken for
    /// somebody else's (`.git`, a synchroniser's), not for a collection whose manifest is missing.
    fn list_collections(
        &self,
        directory: BorrowedFd<'_>,
    ) -> Result<(BTreeMap<String, Dirt>, Vec<Problem>), Errno> {
        let mut problems = Vec::new();
        let mut found = BTreeMap::new();
        let listing = tree::names(directory, |name, kind| {
            let Ok(name) = str::from_utf8(name) else {
                let lossy = String::from_utf8_lossy(name);
                let message = "the name is not UTF-8, so this directory is not looked at";
                problems.push(Problem::new(format!("collections/{lossy}"), message));
                return Ok(());
            };
            let may_be = matches!(kind, FileType::Directory | FileType::Symlink | FileType::Unknown);
            let is_directory =
                || stat_below(directory, name).is_ok_and(|stat| kind_of(&stat) == FileType::Directory);
            if !may_be || !is_directory() {
                return Ok(());
            }
            let known = self.collections.contains_key(name);
            let manifest = || stat_below(directory, &format!("{name}/{MANIFEST}")).is_ok();
            if !name.starts_with('.') || known || manifest() {
                found.insert(name.to_owned(), Dirt::Whole);
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match listing {
            Ok(()) => Ok((found, problems)),
            Err(NamesError::Listing(errno)) => Err(errno),
            Err(NamesError::Take(never)) => match never {},
        }
    }

    fn scan_collection(
        &mut self,
        collections: BorrowedFd<'_>,
        name: &str,
        dirt: &Dirt,
        now: i128,
        stats: &mut Stats,
    ) {
        let is_name = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        let opened = if is_name { directory_below(collections, name, true) } else { Err(Errno::NOENT) };
        let directory = match opened {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                self.unconfirmed.all |= self.forget(name);
                return;
            }
            Err(errno) => {
                let remembered = self.collections.entry(name.to_owned()).or_default();
                self.unconfirmed.all |= remembered.cannot_open(errno);
                let view = Arc::make_mut(&mut self.desired).collections.entry(name.to_owned()).or_default();
                remembered.write_view(view, Some(&BTreeSet::new()));
                return;
            }
        };
        let directory = directory.as_fd();
        let first_sight = !self.collections.contains_key(name);
        if first_sight && name.starts_with('.') && stat_below(directory, MANIFEST).is_err() {
            return;
        }
        let remembered = self
            .collections
            .entry(name.to_owned())
            .or_insert_with(|| Remembered::with_rows(self.cached.remove(name).unwrap_or_default()));
        let whole = first_sight || *dirt == Dirt::Whole;
        let mut change = Change::default();
        if whole || matches!(dirt, Dirt::Parts { manifest: true, .. }) {
            change = remembered.refresh_manifest(directory, now);
        }
        let mut look = remembered.named_by(if whole { &Dirt::Whole } else { dirt });
        look.append(&mut change.look);
        stats.artifacts += look.len();
        stats.read += self.workers.look(directory, remembered, &look, now, &mut change.ids);
        let view = Arc::make_mut(&mut self.desired).collections.entry(name.to_owned()).or_default();
        // Few changes are written one by one, many by building the view anew.
        let few = change.ids.len() < 64 || change.ids.len() < remembered.slots.len() / 4;
        remembered.write_view(view, (few && !first_sight).then_some(&change.ids));
        self.unconfirmed.all |= change.doubt || first_sight;
        if !self.unconfirmed.all {
            self.unconfirmed.ids.append(&mut change.ids);
        }
    }

    /// Drop a collection whose directory is gone. Whether its artifacts are removed is not decided here.
    fn forget(&mut self, name: &str) -> bool {
        let Some(mut remembered) = self.collections.remove(name) else { return false };
        remembered.release(name, &mut self.gone);
        if self.desired.collections.contains_key(name) {
            Arc::make_mut(&mut self.desired).collections.remove(name);
        }
        true
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.settings_problem.iter().cloned().collect();
        problems.extend(self.listing_problems.iter().cloned());
        for (name, remembered) in &self.collections {
            remembered.problems(name, &mut problems);
        }
        problems
    }
}

/// What later results have to name until the caller has applied one.
#[derive(Debug, Default)]
struct Touched {
    all: bool,
    ids: BTreeSet<ArtifactId>,
}

#[cfg(test)]
mod tests;
