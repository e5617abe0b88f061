//! What lies below an artifact's path, and a signature of its state.
//!
//! The rules of what counts are Python's `Path.rglob("*")` filtered by `is_file()`, as SkillMeat uses it
//! (`skillmeat.core.hashing.compute_artifact_fingerprint`): links to files count under their own name, links to
//! directories are not entered, hidden names count, anything that is no file is left out.
//!
//! What this module does not do: read a file.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::open::{Stamp, directory_below, kind_of, stat_below};
use crate::domain::compact::Sha256Hex;
use crate::domain::fingerprint::by_component;

/// An artifact may have this many files and directories.
pub const MAX_NODES: usize = 20_000;

/// What a name below an artifact stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory; it is entered.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link to a regular file.
    LinkedFile,
    /// Something that is neither read nor entered: a link to a directory, a broken link, a FIFO, a socket, a device.
    Other,
}

impl NodeKind {
    fn letter(self) -> char {
        match self {
            Self::Directory => 'd',
            Self::File => 'f',
            Self::LinkedFile => 'l',
            Self::Other => 'o',
        }
    }

    fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "d" => Some(Self::Directory),
            "f" => Some(Self::File),
            "l" => Some(Self::LinkedFile),
            "o" => Some(Self::Other),
            _ => None,
        }
    }
}

/// One name below an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Relative to the artifact, `/`-separated; empty for the artifact itself.
    pub path: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its state; `None` for [`NodeKind::Other`].
    pub stamp: Option<Stamp>,
}

/// Why a tree could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is nothing at the path.
    #[error("its files are missing")]
    Missing,
    /// It is neither a file nor a directory.
    #[error("it is neither a file nor a directory")]
    Special,
    /// A name SkillMeat cannot hash either.
    #[error("the name of `{0}` is not UTF-8, so it has no fingerprint")]
    NotUtf8(String),
    /// Over [`MAX_NODES`].
    #[error("it has more than {MAX_NODES} files and directories, so it has no fingerprint")]
    TooMany,
    /// A file or directory went away or changed while it was looked at.
    #[error("`{0}` changed while it was read")]
    Changed(String),
    /// The system refused.
    #[error("`{path}` cannot be read: {errno}")]
    Refused {
        /// Relative to the artifact.
        path: String,
        /// The system's reason.
        errno: Errno,
    },
}

/// Everything below `path`, in the order its files are hashed. A single file is a list of one node with an empty path.
///
/// # Errors
/// See [`TreeError`].
pub fn list(base: BorrowedFd<'_>, path: &str) -> Result<Vec<Node>, TreeError> {
    let stat = match stat_below(base, path) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(TreeError::Missing),
        Err(errno) => return Err(TreeError::Refused { path: String::new(), errno }),
    };
    match kind_of(&stat) {
        FileType::RegularFile => {
            Ok(vec![Node { path: String::new(), kind: NodeKind::File, stamp: Some(Stamp::of(&stat)) }])
        }
        FileType::Directory => {
            let mut nodes = Vec::new();
            let mut waiting = vec![String::new()];
            while let Some(directory) = waiting.pop() {
                list_directory(base, path, directory, &mut nodes, &mut waiting)?;
            }
            nodes.sort_unstable_by(|a, b| by_component(&a.path, &b.path));
            Ok(nodes)
        }
        _ => Err(TreeError::Special),
    }
}

fn list_directory(
    base: BorrowedFd<'_>,
    root: &str,
    directory: String,
    nodes: &mut Vec<Node>,
    waiting: &mut Vec<String>,
) -> Result<(), TreeError> {
    let is_root = directory.is_empty();
    let refused = |path: &str, errno: Errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => TreeError::Changed(path.to_owned()),
        errno => TreeError::Refused { path: path.to_owned(), errno },
    };
    // The artifact itself may be a link; what is below it may not.
    let opened =
        directory_below(base, join(root, &directory), is_root).map_err(|e| refused(&directory, e))?;
    // Stamped before it is listed, so that a name that comes later changes the stamp.
    let stamp = Stamp::of(&fstat(&opened).map_err(|e| refused(&directory, e))?);
    names(opened.as_fd(), |name, kind| {
        let name = str::from_utf8(name)
            .map_err(|_| TreeError::NotUtf8(join(&directory, &String::from_utf8_lossy(name))))?;
        let path = join(&directory, name);
        if nodes.len() + waiting.len() >= MAX_NODES {
            return Err(TreeError::TooMany);
        }
        match kind {
            FileType::Directory => waiting.push(path),
            FileType::RegularFile | FileType::Symlink | FileType::Unknown => {
                nodes.push(node(opened.as_fd(), name, path, kind).map_err(|e| refused(name, e))?);
            }
            _ => nodes.push(Node { path, kind: NodeKind::Other, stamp: None }),
        }
        Ok(())
    })
    .map_err(|error| match error {
        NamesError::Take(error) => error,
        NamesError::Listing(errno) => refused(&directory, errno),
    })?;
    nodes.push(Node { path: directory, kind: NodeKind::Directory, stamp: Some(stamp) });
    Ok(())
}

/// `kind` is what the listing says of the name itself; `Unknown` on file systems that do not say.
fn node(directory: BorrowedFd<'_>, name: &str, path: String, kind: FileType) -> Result<Node, Errno> {
    let other = |path| Ok(Node { path, kind: NodeKind::Other, stamp: None });
    let kind = match kind {
        FileType::Unknown => {
            kind_of(&rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
        }
        known => known,
    };
    let is_link = kind == FileType::Symlink;
    match stat_below(directory, name) {
        Ok(stat) if kind_of(&stat) == FileType::RegularFile => {
            let kind = if is_link { NodeKind::LinkedFile } else { NodeKind::File };
            Ok(Node { path, kind, stamp: Some(Stamp::of(&stat)) })
        }
        Ok(_) => other(path),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) if is_link => other(path),
        Err(errno) => Err(errno),
    }
}

pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() || name.is_empty() {
        return format!("{directory}{name}");
    }
    let mut path = String::with_capacity(directory.len() + 1 + name.len());
    path.push_str(directory);
    path.push('/');
    path.push_str(name);
    path
}

/// Why [`names`] stopped.
pub(super) enum NamesError<E> {
    /// The listing failed.
    Listing(Errno),
    /// Whoever took the names refused one.
    Take(E),
}

/// Call `take` with each name of an open directory but `.` and `..`, and the kind the listing gives for it.
pub(super) fn names<E>(
    directory: BorrowedFd<'_>,
    mut take: impl FnMut(&[u8], FileType) -> Result<(), E>,
) -> Result<(), NamesError<E>> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A name has at most 255 bytes, so a record always fits.
        let mut buffer = [std::mem::MaybeUninit::uninit(); 8192];
        let mut entries = rustix::fs::RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(NamesError::Listing)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                take(name, entry.file_type()).map_err(NamesError::Take)?;
            }
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    for entry in rustix::fs::Dir::read_from(directory).map_err(NamesError::Listing)? {
        let entry = entry.map_err(NamesError::Listing)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            take(name, entry.file_type()).map_err(NamesError::Take)?;
        }
    }
    Ok(())
}

/// The names and kinds of a list of nodes, without their stamps: what has to be looked at to see whether anything
/// changed. Packed into one text, because there are as many as artifacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Listing(Box<str>);

/// A number that changes when a file or directory does.
pub type Signature = Sha256Hex;

impl Listing {
    /// Of these nodes.
    #[must_use]
    pub fn of(nodes: &[Node]) -> Self {
        let mut packed = String::new();
        for node in nodes {
            packed.push(node.kind.letter());
            packed.push_str(&node.path);
            packed.push('\0');
        }
        Self(packed.into())
    }

    /// Of an artifact whose files are missing.
    #[must_use]
    pub fn missing() -> Self {
        Self::of(&[Node { path: String::new(), kind: NodeKind::Other, stamp: None }])
    }

    fn nodes(&self) -> impl Iterator<Item = Option<(NodeKind, &str)>> {
        self.0.split_terminator('\0').map(|packed| {
            let (letter, path) = packed.split_at_checked(1)?;
            Some((NodeKind::of_letter(letter)?, path))
        })
    }

    /// The signature of the same names now, or `None` when one of them has become something else.
    ///
    /// Directories are not listed again: a name cannot come or go without changing its directory's stamp.
    #[must_use]
    pub fn signature_now(&self, base: BorrowedFd<'_>, root: &str) -> Option<Signature> {
        let mut signer = Signer::default();
        let mut path = String::with_capacity(root.len() + 64);
        for node in self.nodes() {
            let (kind, below) = node?;
            path.clear();
            path.push_str(root);
            if !below.is_empty() {
                path.push('/');
                path.push_str(below);
            }
            let stat = stat_below(base, &path);
            let stamp = match (kind, &stat) {
                (NodeKind::Directory, Ok(stat)) if kind_of(stat) == FileType::Directory => {
                    Some(Stamp::of(stat))
                }
                (NodeKind::File | NodeKind::LinkedFile, Ok(stat))
                    if kind_of(stat) == FileType::RegularFile =>
                {
                    Some(Stamp::of(stat))
                }
                // A broken link may point to a file now.
                (NodeKind::Other, Ok(stat)) if kind_of(stat) == FileType::RegularFile => return None,
                // Nothing at the artifact's own path: something may be there now.
                (NodeKind::Other, Ok(_)) if below.is_empty() => return None,
                (NodeKind::Other, _) => None,
                _ => return None,
            };
            signer.add(kind, below, stamp.as_ref());
        }
        Some(signer.finish())
    }
}

/// The signature of nodes that were just listed, and the newest change among them.
#[must_use]
pub fn sign(nodes: &[Node]) -> (Signature, i128) {
    let mut signer = Signer::default();
    for node in nodes {
        signer.add(node.kind, &node.path, node.stamp.as_ref());
    }
    let newest = nodes.iter().filter_map(|node| node.stamp).map(|stamp| stamp.changed).max();
    (signer.finish(), newest.unwrap_or(i128::MIN))
}

/// The signature of an artifact whose files are missing.
#[must_use]
pub fn sign_missing() -> Signature {
    let mut signer = Signer::default();
    signer.add(NodeKind::Other, "", None);
    signer.finish()
}

#[derive(Default)]
struct Signer(Sha256);

impl Signer {
    fn add(&mut self, kind: NodeKind, path: &str, stamp: Option<&Stamp>) {
        let mut record = [0u8; 57];
        record[0] = kind.letter() as u8;
        if let Some(stamp) = stamp {
            record[1..9].copy_from_slice(&stamp.dev.to_le_bytes());
            record[9..17].copy_from_slice(&stamp.ino.to_le_bytes());
            record[17..25].copy_from_slice(&stamp.size.to_le_bytes());
            record[25..41].copy_from_slice(&stamp.modified.to_le_bytes());
            record[41..57].copy_from_slice(&stamp.changed.to_le_bytes());
        }
        self.0.update(path.as_bytes());
        self.0.update([0]);
        self.0.update(record);
    }

    fn finish(self) -> Signature {
        Sha256Hex(self.0.finalize().into())
    }
}
