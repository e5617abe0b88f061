//! One collection directory as the scanner remembers it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::Errno;

use super::SeenFrontmatter;
use super::work::Threads;
use crate::domain::compact::PackedEntry;
use crate::domain::dirty::Dirt;
use crate::domain::manifest::{self, MAX_BYTES, Parsed, artifact_path};
use crate::domain::model::{Artifact, ArtifactId, Collection, Doubt, Kind, Manifest, Problem};
use crate::fs::open::{Stamp, read_below, stat_below};
use crate::fs::stat_cache::{CacheKey, CachedArtifact, Known, Told, is_settled};

/// The name of a manifest.
pub(super) const MANIFEST: &str = "collection.toml";

/// Readings of artifacts no manifest has claimed yet, by path and kind.
pub(super) type Spare = HashMap<(String, Kind), Known>;

/// What is remembered of a collection between scans.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The last good manifest.
    parsed: Option<Parsed>,
    /// The manifest's stamp when it was last read, if that proves that it is unchanged.
    stamp: Option<Stamp>,
    doubt: Option<Doubt>,
    /// Why the manifest is in doubt, or what is wrong in it.
    problems: Vec<Problem>,
    pub(super) slots: BTreeMap<ArtifactId, Slot>,
    /// Slots that have problems.
    troubled: BTreeSet<ArtifactId>,
    spare: Spare,
}

/// One artifact.
#[derive(Debug)]
pub(super) struct Slot {
    entry: Arc<PackedEntry>,
    pub(super) known: Option<Box<Known>>,
}

/// What looking at a manifest led to.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Ids whose entry is new, different or gone.
    pub(super) ids: BTreeSet<ArtifactId>,
    /// Ids whose files have to be looked at.
    pub(super) look: BTreeSet<ArtifactId>,
    /// Whether what may be told from an absence is different now.
    pub(super) doubt: bool,
}

impl Remembered {
    /// A collection not seen yet, with the rows kept from an earlier run.
    pub(super) fn with_rows(spare: Spare) -> Self {
        Self { spare, ..Self::default() }
    }

    /// Read the manifest if it may have changed, and follow what changed in it.
    pub(super) fn refresh_manifest(&mut self, directory: BorrowedFd<'_>, now: i128) -> Change {
        let mut change = Change::default();
        if let Some(known) = self.stamp
            && stat_below(directory, MANIFEST).is_ok_and(|stat| Stamp::of(&stat) == known)
        {
            return change;
        }
        self.stamp = None;
        let doubt_before = self.doubt;
        match self.read_manifest(directory, now) {
            Ok(parsed) => {
                self.doubt = (parsed.manifest.unnamed > 0).then_some(Doubt::Unnamed);
                self.problems.clone_from(&parsed.manifest.problems);
                let unchanged = self
                    .parsed
                    .as_ref()
                    .is_some_and(|before| Arc::ptr_eq(&before.manifest, &parsed.manifest));
                if !unchanged {
                    self.follow(&parsed.manifest, &mut change);
                }
                self.parsed = Some(parsed);
            }
            Err((doubt, problem)) => {
                self.doubt = Some(doubt);
                self.problems = vec![problem];
            }
        }
        change.doubt = self.doubt != doubt_before;
        change
    }

    fn read_manifest(&mut self, directory: BorrowedFd<'_>, now: i128) -> Result<Parsed, (Doubt, Problem)> {
        let (bytes, stamp) = read_below(directory, MANIFEST, MAX_BYTES).map_err(|errno| match errno {
            Errno::NOENT => (Doubt::Missing, Problem::new("", "there is no collection.toml")),
            Errno::INVAL => (Doubt::Unreadable, Problem::new("", "it is not a regular file")),
            errno => (Doubt::Unreadable, Problem::new("", format!("it cannot be read: {errno}"))),
        })?;
        self.stamp = is_settled(stamp.changed, now).then_some(stamp);
        let doubt = if bytes.is_empty() { Doubt::Empty } else { Doubt::Unreadable };
        manifest::parse_joining(&bytes, self.parsed.as_ref(), &Threads).map_err(|problem| (doubt, problem))
    }

    /// Take over the entries of a manifest that was read anew.
    fn follow(&mut self, manifest: &Manifest, change: &mut Change) {
        let mut before = std::mem::take(&mut self.slots);
        // Of two entries with one id the later one counts, as in SkillMeat.
        let named: BTreeMap<ArtifactId, &Arc<PackedEntry>> =
            manifest.entries.iter().map(|entry| (entry.id(), entry)).collect();
        let mut slots = Vec::with_capacity(named.len());
        for (id, entry) in named {
            // The id that is there already has its name in common with every other list.
            let (id, old) = match before.remove_entry(&id) {
                Some((known, old)) => (known, Some(old)),
                None => (id, None),
            };
            let same = old.as_ref().is_some_and(|old| old.entry == *entry);
            if !same {
                change.ids.insert(id.clone());
            }
            let entry = Arc::clone(entry);
            let slot = match old {
                Some(old) if same || old.entry.path() == entry.path() => Slot { entry, ..old },
                _ => {
                    change.look.insert(id.clone());
                    let path = artifact_path(entry.path()).ok();
                    let known = path.and_then(|path| self.spare.remove(&(path.into_owned(), id.kind)));
                    Slot { entry, known: known.and_then(|known| known.claimed_by(&id.name)).map(Box::new) }
                }
            };
            slots.push((id, slot));
        }
        // From a sorted list, which fills the map's nodes.
        self.slots = slots.into_iter().collect();
        // An entry that comes back soon (`add --force`) finds its reading again.
        for (id, slot) in before {
            if let (Some(path), Some(known)) = (artifact_path(slot.entry.path()).ok(), slot.known) {
                self.spare.insert((path.into_owned(), id.kind), *known);
            }
            change.ids.insert(id);
        }
        // What could not be read before may be gone now.
        let unreadable_before = self.parsed.iter().flat_map(|parsed| &parsed.manifest.unreadable);
        change.ids.extend(manifest.unreadable.iter().chain(unreadable_before).cloned());
        let is_troubled = |slot: &Slot| slot.known.as_ref().is_some_and(|known| !known.problems.is_empty());
        self.troubled =
            self.slots.iter().filter(|(_, slot)| is_troubled(slot)).map(|(id, _)| id.clone()).collect();
    }

    /// The artifacts that a scope names: those at, above or below its paths.
    pub(super) fn named_by(&self, dirt: &Dirt) -> BTreeSet<ArtifactId> {
        let Dirt::Parts { paths, .. } = dirt else { return self.slots.keys().cloned().collect() };
        let paths: BTreeSet<Cow<'_, str>> =
            paths.iter().filter_map(|path| artifact_path(path).ok()).collect();
        if paths.is_empty() {
            return BTreeSet::new();
        }
        let mut directory = String::new();
        let mut is_named = |path: &str| {
            let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
            directory.clear();
            directory.extend([path, "/"]);
            let below = (Bound::Included(directory.as_str()), Bound::Unbounded);
            paths.contains(path)
                || above.any(|above| paths.contains(above))
                || paths.range::<str, _>(below).next().is_some_and(|first| first.starts_with(&directory))
        };
        let named = self.slots.iter().filter(|(_, slot)| slot.path().is_some_and(|path| is_named(&path)));
        named.map(|(id, _)| id.clone()).collect()
    }

    /// Take over what was read of an artifact.
    pub(super) fn set_known(&mut self, id: &ArtifactId, known: Known) {
        let troubled = !known.problems.is_empty();
        if let Some(slot) = self.slots.get_mut(id) {
            slot.known = Some(Box::new(known.or_as_before(slot.known.as_deref())));
            if troubled {
                self.troubled.insert(id.clone());
            } else {
                self.troubled.remove(id);
            }
        }
    }

    /// Bring the view of this collection up to date: all of it, or these ids.
    pub(super) fn write_view(&self, view: &mut Collection, ids: Option<&BTreeSet<ArtifactId>>) {
        view.doubt = self.doubt;
        if let Some(parsed) = &self.parsed {
            let held = parsed.manifest.unreadable.iter().filter(|id| !self.slots.contains_key(*id));
            if ids.is_none() || !held.clone().eq(&view.held) {
                view.held = held.cloned().collect();
            }
        }
        match ids {
            None => {
                view.artifacts = self.slots.iter().map(|(id, slot)| (id.clone(), slot.artifact())).collect();
            }
            Some(ids) => {
                for id in ids {
                    match self.slots.get(id) {
                        Some(slot) => drop(view.artifacts.insert(id.clone(), slot.artifact())),
                        None => drop(view.artifacts.remove(id)),
                    }
                }
            }
        }
    }

    /// Everything that is wrong here, with paths below `~/.skillmeat`.
    pub(super) fn problems(&self, name: &str, into: &mut Vec<Problem>) {
        let file = format!("collections/{name}/{MANIFEST}");
        into.extend(self.problems.iter().map(|problem| Problem { path: file.clone(), ..problem.clone() }));
        if let Some(parsed) = &self.parsed
            && self.doubt.is_none()
            && !parsed.manifest.name.is_empty()
            && parsed.manifest.name != name
        {
            let message = format!(
                "the collection calls itself `{}`, so SkillMeat will save it to that directory instead of this one",
                parsed.manifest.name
            );
            into.push(Problem::new(&file, message));
        }
        for id in &self.troubled {
            let Some(slot) = self.slots.get(id) else { continue };
            let (Some(path), Some(known)) = (slot.path(), &slot.known) else { continue };
            for problem in &known.problems {
                let separator = if problem.path.is_empty() { "" } else { "/" };
                let place = format!("collections/{name}/{path}{separator}{}", problem.path);
                let message = if problem.path.is_empty() {
                    format!("{id}: {}", problem.message)
                } else {
                    problem.message.clone()
                };
                into.push(Problem { path: place, message, ..problem.clone() });
            }
        }
    }

    /// The directory is there and may not be entered: what was read from it stays. Whether that is new.
    pub(super) fn cannot_open(&mut self, errno: Errno) -> bool {
        self.stamp = None;
        self.problems = vec![Problem::new("", format!("the directory cannot be opened: {errno}"))];
        self.doubt.replace(Doubt::Unreadable) != Some(Doubt::Unreadable)
    }

    /// Name every row that was kept for this collection, whose directory is gone.
    pub(super) fn release(&mut self, name: &str, gone: &mut Vec<CacheKey>) {
        let slots = self.slots.iter().filter_map(|(id, slot)| Some((slot.path()?.into_owned(), id.kind)));
        let spare = self.spare.drain().map(|(place, _)| place);
        let key = |(path, kind)| CacheKey { collection: name.to_owned(), path, kind };
        gone.extend(slots.chain(spare).map(key));
    }

    /// The last good manifest's reading, if there was one.
    pub(super) fn parsed(&self) -> Option<&Parsed> {
        self.parsed.as_ref()
    }

    /// Rows to keep, and keys of rows nobody needs any more. `told`: what the entry files say was acted on.
    pub(super) fn take_unsaved(
        &mut self,
        name: &str,
        told: bool,
        rows: &mut Vec<CachedArtifact>,
        gone: &mut Vec<CacheKey>,
    ) {
        for (id, slot) in &mut self.slots {
            let Some(known) = &mut slot.known else { continue };
            let Some(reading) = known.take_unsaved(told.then_some(&*id.name)) else { continue };
            let Ok(path) = artifact_path(slot.entry.path()) else { continue };
            let path = path.into_owned();
            rows.push(CachedArtifact {
                key: CacheKey { collection: name.to_owned(), path, kind: id.kind },
                reading,
            });
        }
        // While the manifest is in doubt, what it does not claim may be claimed again.
        if self.doubt.is_none() && self.parsed.is_some() && !self.spare.is_empty() {
            let claimed: BTreeSet<(String, Kind)> = self
                .slots
                .iter()
                .filter_map(|(id, slot)| Some((slot.path()?.into_owned(), id.kind)))
                .collect();
            let unclaimed = self.spare.drain().filter(|(place, _)| !claimed.contains(place));
            gone.extend(unclaimed.map(|((path, kind), _)| CacheKey {
                collection: name.to_owned(),
                path,
                kind,
            }));
        }
        if self.spare.is_empty() {
            self.spare = Spare::new(); // all were claimed; the room for them is larger than all else here
        }
    }

    /// What the entry files say was acted on: what is written down as well need not be remembered.
    pub(super) fn told(&mut self) {
        self.slots.values_mut().filter_map(|slot| slot.known.as_mut()).for_each(|known| known.told());
    }

    /// Tell what is known of the entry files of these artifacts, or of all.
    pub(super) fn tell_frontmatter(
        &self,
        name: &str,
        ids: Option<&BTreeSet<ArtifactId>>,
        into: &mut Vec<SeenFrontmatter>,
    ) {
        let mut tell = |(id, slot): (&ArtifactId, &Slot)| {
            if let Some(Told::Whole(frontmatter)) =
                slot.known.as_ref().and_then(|known| known.frontmatter.as_ref())
                && slot.path().is_some()
            {
                into.push(SeenFrontmatter {
                    collection: name.to_owned(),
                    id: id.clone(),
                    frontmatter: Arc::clone(frontmatter),
                });
            }
        };
        match ids {
            None => self.slots.iter().for_each(&mut tell),
            Some(ids) => ids.iter().filter_map(|id| self.slots.get_key_value(id)).for_each(&mut tell),
        }
    }
}

impl Slot {
    /// Where its files are below the collection; `None` when the entry's path may not be followed.
    pub(super) fn path(&self) -> Option<Cow<'_, str>> {
        artifact_path(self.entry.path()).ok()
    }

    fn artifact(&self) -> Artifact {
        let fingerprint = self.known.as_ref().and_then(|known| known.fingerprint.clone());
        Artifact { entry: Arc::clone(&self.entry), fingerprint }
    }
}
