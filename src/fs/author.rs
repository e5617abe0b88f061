//! Writing an artifact's own files: its entry file replaced, a new artifact put in place, an old one taken away.
//!
//! * An entry file is replaced as a manifest is ([`super::write`]), but with no lock file: that would lie among the
//!   artifact's files and change its fingerprint.
//! * A new artifact appears whole, under its name, or not at all: it is made under a hidden name, synced, and renamed to
//!   a name that must be free.
//! * An old one disappears at once: it is renamed to a hidden name and removed there. What is left of it after a crash
//!   can be told from what somebody has put in its place.
//!
//! Nothing is written outside of the collection's directory: links that lead out of it are refused.
//!
//! What this module does not do: touch manifests, or know what is in the files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::domain::frontmatter::entry_file;
use crate::domain::manifest::artifact_path;
use crate::domain::model::{ArtifactId, Kind};

/// A longer entry file is not one to be edited, bytes; its frontmatter is not read either.
pub const ENTRY_MAX: u64 = super::artifact::MAX_ENTRY_BYTES as u64;

/// Why an artifact's files were not touched.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// The manifest gives it a path that leads out of the collection, or nowhere.
    #[error("its path in the manifest leads out of the collection")]
    Outside,
    /// There is nothing at its path, or nothing that could be its entry file.
    #[error("it has no entry file at {}", .0.display())]
    NoEntryFile(PathBuf),
    /// The file cannot be edited.
    #[error("{} {why}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// Something is there already.
    #[error("there is something at {} already", .0.display())]
    Taken(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorError {
    let path = path.to_owned();
    move |source| AuthorError::Io { action, path, source }
}

/// Whether a path that exists leads into the collection, links followed.
fn is_inside(path: &Path, collection: &Path) -> bool {
    match (path.canonicalize(), collection.canonicalize()) {
        (Ok(path), Ok(collection)) => path.starts_with(collection),
        _ => false,
    }
}

/// An artifact's entry file and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFile {
    /// Where it is.
    pub path: PathBuf,
    /// Below the collection directory.
    pub relative: String,
    /// All of it.
    pub text: String,
}

/// Finds and reads the entry file of an artifact whose manifest entry says `path`.
///
/// # Errors
/// See [`AuthorError`].
pub fn read(collection: &Path, path: &str, kind: Kind) -> Result<EntryFile, AuthorError> {
    let below = artifact_path(path).map_err(|_| AuthorError::Outside)?.into_owned();
    let artifact = collection.join(&below);
    let missing = || AuthorError::NoEntryFile(artifact.clone());
    let found = fs::metadata(&artifact).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(),
        _ => failed("look at", &artifact)(error),
    })?;
    let relative = if found.is_dir() {
        let mut names = Vec::new();
        for entry in fs::read_dir(&artifact).map_err(failed("list", &artifact))? {
            let entry = entry.map_err(failed("list", &artifact))?;
            let is_file = fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        let name = entry_file(kind, true, names.iter().map(String::as_str)).ok_or_else(missing)?;
        format!("{below}/{name}")
    } else {
        let name = below.rsplit('/').next().unwrap_or(&below);
        entry_file(kind, false, [name]).ok_or_else(missing)?;
        below
    };
    let path = collection.join(&relative);
    if !is_inside(&path, collection) {
        return Err(AuthorError::Outside);
    }
    let found = fs::metadata(&path).map_err(failed("look at", &path))?;
    let unfit = |why| AuthorError::Unfit { path: path.clone(), why };
    if !found.is_file() {
        return Err(unfit("is not a regular file"));
    }
    if found.len() > ENTRY_MAX {
        return Err(unfit("is too long to be edited"));
    }
    let bytes = fs::read(&path).map_err(failed("read", &path))?;
    let text = String::from_utf8(bytes).map_err(|_| unfit("is not UTF-8"))?;
    Ok(EntryFile { path, relative, text })
}

/// Makes an artifact of one file: `text` at `path` below the collection, or, with an `entry` name, in a directory of its
/// own.
///
/// # Errors
/// See [`AuthorError`]; then nothing is left behind.
pub fn create(collection: &Path, path: &str, entry: &str, text: &str) -> Result<PathBuf, AuthorError> {
    let target = collection.join(path);
    let container = target.parent().unwrap_or(collection).to_owned();
    match fs::DirBuilder::new().mode(0o755).create(&container) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make", &container)(error));
        }
        _ => {}
    }
    if !is_inside(&container, collection) {
        return Err(AuthorError::Outside);
    }
    if target.symlink_metadata().is_ok() {
        return Err(AuthorError::Taken(target));
    }
    let hidden = hidden(&target, "new");
    let made = make(&hidden, entry, text).and_then(|()| {
        renameat_with(CWD, &hidden, CWD, &target, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => AuthorError::Taken(target.clone()),
            errno => failed("put in place", &target)(errno.into()),
        })
    });
    if made.is_err() {
        let _ = discard(&hidden);
    }
    made?;
    sync(&container)?;
    Ok(target)
}

fn make(hidden: &Path, entry: &str, text: &str) -> Result<(), AuthorError> {
    let file = if entry.is_empty() {
        hidden.to_owned()
    } else {
        fs::DirBuilder::new().mode(0o755).create(hidden).map_err(failed("make", hidden))?;
        hidden.join(entry)
    };
    let write = || {
        let mut opened = File::options().write(true).create_new(true).mode(0o644).open(&file)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    };
    write().map_err(failed("write", &file))?;
    if entry.is_empty() { Ok(()) } else { sync(hidden) }
}

fn sync(directory: &Path) -> Result<(), AuthorError> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("sync", directory))
}

/// Which file or directory an artifact is: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    dev: u64,
    ino: u64,
}

impl Identity {
    /// Of what is at the artifact's path now; a link is the link.
    #[must_use]
    pub fn of(collection: &Path, path: &str) -> Option<Self> {
        let found = collection.join(&*artifact_path(path).ok()?).symlink_metadata().ok()?;
        Some(Self { dev: found.dev(), ino: found.ino() })
    }
}

/// Removes what is at `path` below the collection, if it still is what `identity` says; whether it was. A link is removed,
/// not what it leads to.
///
/// # Errors
/// See [`AuthorError`].
pub fn remove(collection: &Path, path: &str, identity: Identity) -> Result<bool, AuthorError> {
    let below = artifact_path(path).map_err(|_| AuthorError::Outside)?;
    let target = collection.join(&*below);
    // Every directory on the way is a real one.
    let mut at = collection.to_owned();
    for component in Path::new(&*below).parent().into_iter().flat_map(Path::components) {
        let Component::Normal(name) = component else { return Err(AuthorError::Outside) };
        at.push(name);
        if at.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink()) {
            return Err(AuthorError::Outside);
        }
    }
    let hidden = hidden(&target, "gone");
    let aside = Identity::of(collection, path) == Some(identity);
    if aside {
        fs::rename(&target, &hidden).map_err(failed("take away", &target))?;
    }
    // Also what an attempt that was cut short has left.
    discard(&hidden)?;
    Ok(aside)
}

/// The name under which something waits to be put in place or removed. SkillMeat looks at no name that begins with a
/// dot.
fn hidden(target: &Path, what: &str) -> PathBuf {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    target.with_file_name(format!(".{name}.skillmeatd-{what}"))
}

fn discard(path: &Path) -> Result<(), AuthorError> {
    let done = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes what a [`create`] or [`remove`] of this artifact that was cut short has left under a hidden name.
///
/// # Errors
/// See [`AuthorError`].
pub fn tidy(collection: &Path, path: &str) -> Result<(), AuthorError> {
    let target = collection.join(&*artifact_path(path).map_err(|_| AuthorError::Outside)?);
    discard(&hidden(&target, "new"))?;
    discard(&hidden(&target, "gone"))
}

/// The bytes of the entry file of an artifact made by [`create`].
#[must_use]
pub fn created(collection: &Path, path: &str, entry: &str) -> Option<Vec<u8>> {
    let target = collection.join(path);
    fs::read(if entry.is_empty() { target } else { target.join(entry) }).ok()
}

/// For messages.
#[must_use]
pub fn told(id: &ArtifactId, error: &AuthorError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{id}: {error}: {cause}"),
        None => format!("{id}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_artifact_appears_whole_and_only_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        create(root, "skills/a", "SKILL.md", "text").unwrap();
        create(root, "commands/b.md", "", "go").unwrap();
        assert_eq!(created(root, "skills/a", "SKILL.md").unwrap(), b"text");
        assert_eq!(read(root, "skills/a", Kind::Skill).unwrap().relative, "skills/a/SKILL.md");
        let command = read(root, "./commands//b.md", Kind::Command).unwrap();
        assert_eq!((command.relative.as_str(), command.text.as_str()), ("commands/b.md", "go"));
        for (path, entry) in [("skills/a", "SKILL.md"), ("commands/b.md", "")] {
            assert!(matches!(create(root, path, entry, "other"), Err(AuthorError::Taken(_))));
        }
        assert_eq!(fs::read_to_string(root.join("skills/a/SKILL.md")).unwrap(), "text");
        let left = fs::read_dir(root.join("skills")).unwrap().count();
        assert_eq!(left, 1, "nothing under a hidden name");
    }

    #[test]
    fn nothing_is_read_or_written_through_a_link_that_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("c"), dir.path().join("o"));
        fs::create_dir_all(outside.join("a")).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(outside.join("a/SKILL.md"), "theirs").unwrap();
        symlink(&outside, root.join("skills")).unwrap();
        assert!(matches!(read(&root, "skills/a", Kind::Skill), Err(AuthorError::Outside)));
        assert!(matches!(create(&root, "skills/b", "SKILL.md", "x"), Err(AuthorError::Outside)));
        let identity = Identity::of(&root, "skills/a").unwrap();
        assert!(matches!(remove(&root, "skills/a", identity), Err(AuthorError::Outside)));
        for path in ["/etc/passwd", "../o/a", ""] {
            assert!(matches!(read(&root, path, Kind::Skill), Err(AuthorError::Outside)), "{path}");
        }
        assert!(outside.join("a/SKILL.md").exists());
        // A link as the artifact itself goes, and what it leads to stays.
        symlink(outside.join("a"), root.join("link")).unwrap();
        assert!(matches!(read(&root, "link", Kind::Skill), Err(AuthorError::Outside)));
        assert!(remove(&root, "link", Identity::of(&root, "link").unwrap()).unwrap());
        assert!(outside.join("a/SKILL.md").exists() && root.join("link").symlink_metadata().is_err());
    }

    #[test]
    fn only_what_was_meant_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        create(root, "skills/a", "SKILL.md", "old").unwrap();
        let old = Identity::of(root, "skills/a").unwrap();
        fs::rename(root.join("skills/a"), root.join("kept")).unwrap();
        create(root, "skills/a", "SKILL.md", "new").unwrap();
        assert!(!remove(root, "skills/a", old).unwrap());
        assert_eq!(fs::read_to_string(root.join("skills/a/SKILL.md")).unwrap(), "new");
        assert!(remove(root, "skills/a", Identity::of(root, "skills/a").unwrap()).unwrap());
        assert!(!root.join("skills/a").exists());
        assert_eq!(fs::read_dir(root.join("skills")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_entry_file_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("skills/a/SKILL.md")).unwrap();
        assert!(matches!(read(root, "skills/a", Kind::Skill), Err(AuthorError::NoEntryFile(_))));
        assert!(matches!(read(root, "skills/none", Kind::Skill), Err(AuthorError::NoEntryFile(_))));
        fs::write(root.join("x.md"), b"\xff").unwrap();
        assert!(matches!(read(root, "x.md", Kind::Command), Err(AuthorError::Unfit { .. })));
        File::create(root.join("long.md")).unwrap().set_len(ENTRY_MAX + 1).unwrap();
        assert!(matches!(read(root, "long.md", Kind::Command), Err(AuthorError::Unfit { .. })));
    }
}
