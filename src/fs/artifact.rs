//! Reading one artifact: each of its files once, for its fingerprint and its frontmatter together.
//!
//! What this module does not do: remember anything. [`super::stat_cache`] says whether a reading is still good.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::open::{file_below, read_pieces};
use super::tree::{self, Listing, Node, NodeKind, Signature, TreeError, join};
use crate::domain::fingerprint::Hasher;
use crate::domain::follow::{Base, base_of};
use crate::domain::frontmatter::{Extracted, entry_file, extract};
use crate::domain::model::{Fingerprint, Kind, Problem};

/// An artifact's files may add up to this many bytes.
pub const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// A longer entry file is not searched for frontmatter, bytes.
pub const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// What reading an artifact gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What to look at to see whether this is still so. `None` when it has to be read again in any case.
    pub state: Option<State>,
    /// `None` when the files are missing or cannot be read; a problem says why.
    pub fingerprint: Option<Fingerprint>,
    /// From the entry file, for the kinds that have one.
    pub frontmatter: Option<Frontmatter>,
    /// What was wrong. Paths are relative to the artifact, empty for the artifact itself.
    pub problems: Vec<Problem>,
}

/// The state of an artifact's files when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// All names below it.
    pub listing: Listing,
    /// Of their stamps.
    pub signature: Signature,
    /// The newest change of any of them, nanoseconds since 1970.
    pub newest_change: i128,
}

/// What an entry file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontmatter {
    /// The entry file, relative to the artifact; empty when the artifact is one file.
    pub file: String,
    /// What SkillMeat would extract from it. Of an empty file it is not sound, with no problem.
    pub extracted: Extracted,
    /// Of its metadata.
    pub base: Base,
}

impl Frontmatter {
    /// What was extracted from this entry file.
    #[must_use]
    pub fn new(file: String, extracted: Extracted) -> Self {
        Self { file, base: base_of(&extracted.metadata), extracted }
    }
}

/// A worker's buffers, so that 10,000 artifacts do not allocate 10,000 times.
#[derive(Debug)]
pub struct Reader {
    buffer: Vec<u8>,
    entry: Vec<u8>,
    skill_files: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self { buffer: vec![0; 64 * 1024], entry: Vec::new(), skill_files: false }
    }
}

impl Reader {
    /// A reader that takes a single file for a skill's entry file when told that it is a skill. In a collection a skill
    /// is always a directory.
    #[must_use]
    pub fn of_given_files() -> Self {
        Self { skill_files: true, ..Self::default() }
    }

    /// Read the artifact at `path` below `base`. A file that goes away or changes meanwhile is given a second chance.
    /// Never fails: what cannot be read is a problem in the reading.
    pub fn read(&mut self, base: BorrowedFd<'_>, path: &str, kind: Kind) -> Reading {
        let outcome = match self.try_read(base, path, kind) {
            Err(TreeError::Changed(_)) => self.try_read(base, path, kind),
            outcome => outcome,
        };
        outcome.unwrap_or_else(|error| Reading {
            state: (error == TreeError::Missing).then(|| State {
                listing: Listing::missing(),
                signature: tree::sign_missing(),
                newest_change: i128::MIN,
            }),
            fingerprint: None,
            frontmatter: None,
            problems: vec![Problem::new("", error.to_string())],
        })
    }

    fn try_read(&mut self, base: BorrowedFd<'_>, path: &str, kind: Kind) -> Result<Reading, TreeError> {
        let nodes = tree::list(base, path)?;
        let (signature, newest_change) = tree::sign(&nodes);
        let mut reading = Reading {
            state: Some(State { listing: Listing::of(&nodes), signature, newest_change }),
            fingerprint: None,
            frontmatter: None,
            problems: Vec::new(),
        };
        let total: u64 =
            nodes.iter().filter(|node| is_file(node)).filter_map(|node| Some(node.stamp?.size)).sum();
        if total > MAX_BYTES {
            let message =
                format!("its files have {total} bytes, of {MAX_BYTES} at most, so it has no fingerprint");
            reading.problems.push(Problem::new("", message));
            return Ok(reading);
        }
        // A list whose first node has an empty path and is no directory is a single file.
        let single = nodes.first().is_some_and(|node| node.path.is_empty() && is_file(node));
        let name = path.rsplit('/').next().unwrap_or(path);
        let entry = if single {
            let given = self.skill_files && kind == Kind::Skill;
            (given || entry_file(kind, false, [name]).is_some()).then_some("")
        } else {
            entry_file(kind, true, nodes.iter().filter(|node| is_file(node)).map(|node| node.path.as_str()))
        };
        let mut hasher = if single { Hasher::single_file(name) } else { Hasher::directory() };
        for node in nodes.iter().filter(|node| is_file(node)) {
            let is_entry = entry == Some(node.path.as_str());
            self.read_file(base, path, node, is_entry, &mut hasher)?;
            if !is_entry {
            } else if self.entry.len() > MAX_ENTRY_BYTES {
                let message = format!("longer than {MAX_ENTRY_BYTES} bytes, so its frontmatter is not read");
                reading.problems.push(Problem::new(&node.path, message));
            } else {
                let mut extracted = extract(kind, &self.entry);
                // Emptied by somebody who is about to write it: it says nothing yet, which is not the same as no fields.
                extracted.sound &= !self.entry.trim_ascii().is_empty();
                let placed = |problem: &Problem| Problem { path: node.path.clone(), ..problem.clone() };
                reading.problems.extend(extracted.problems.iter().map(placed));
                reading.frontmatter = Some(Frontmatter::new(node.path.clone(), extracted));
            }
        }
        reading.fingerprint = Some(hasher.finish());
        Ok(reading)
    }

    /// Feed one file to the hasher, and keep the beginning of the entry file.
    fn read_file(
        &mut self,
        base: BorrowedFd<'_>,
        root: &str,
        node: &Node,
        is_entry: bool,
        hasher: &mut Hasher,
    ) -> Result<(), TreeError> {
        let changed = || TreeError::Changed(node.path.clone());
        // A single file may be a link itself, and has been followed already.
        let follow = node.kind == NodeKind::LinkedFile || node.path.is_empty();
        let (file, stamp) =
            file_below(base, &join(root, &node.path), follow).map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL => changed(),
                errno => TreeError::Refused { path: node.path.clone(), errno },
            })?;
        // Whatever came to stand at this name since it was listed is not what was listed.
        if Some(stamp) != node.stamp {
            return Err(changed());
        }
        hasher.begin(&node.path);
        self.entry.clear();
        let (mut read, entry) = (0u64, &mut self.entry);
        read_pieces(file, &mut self.buffer, |piece| {
            hasher.bytes(piece);
            if is_entry && entry.len() <= MAX_ENTRY_BYTES {
                entry.extend_from_slice(piece);
            }
            read += piece.len() as u64;
            read < stamp.size
        })
        .map_err(|errno| TreeError::Refused { path: node.path.clone(), errno })?;
        if read == stamp.size { Ok(()) } else { Err(changed()) }
    }
}

fn is_file(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File | NodeKind::LinkedFile)
}
