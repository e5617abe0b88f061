//! Cookies: files of ours whose events tell how far the watcher has come.
//!
//! They lie in a directory of our own, outside SkillMeat's tree, but are watched by the same backend. All watches of an
//! inotify instance share one queue (inotify(7)), so the event of a cookie comes after every event that was queued before
//! it, wherever that was.
//!
//! What this module does not do: decide when one is needed, or what follows from it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Names begin so; the number follows.
const PREFIX: &str = "cookie-";

/// The directory of the cookies, and those on their way.
#[derive(Debug)]
pub(super) struct Jar {
    directory: PathBuf,
    expected: BTreeSet<u64>,
}

impl Jar {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, expected: BTreeSet::new() }
    }

    /// Make the directory if it is missing, and watch it. A backend that was just built is passed in: what was on its
    /// way in the one before is forgotten.
    pub(super) fn watch(&mut self, backend: &mut RecommendedWatcher) {
        self.expected.clear();
        if let Err(error) = self.plant(backend) {
            tracing::warn!(path = %self.directory.display(), %error, "no cookies can be laid");
        }
    }

    fn plant(&self, backend: &mut RecommendedWatcher) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for stray in fs::read_dir(&self.directory)?.flatten() {
            if number(&stray.path()).is_some() {
                let _ = fs::remove_file(stray.path()); // of a daemon that was killed between making and removing it
            }
        }
        backend.watch(&self.directory, RecursiveMode::NonRecursive).map_err(io::Error::other)
    }

    /// Make the cookie of this number, and remove it again: its event is all that is wanted of it.
    ///
    /// # Errors
    /// When it cannot be made; there will be no event then.
    pub(super) fn lay(&mut self, number: u64, backend: &mut RecommendedWatcher) -> io::Result<()> {
        let path = self.directory.join(format!("{PREFIX}{number}"));
        let make = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        if make().is_err() {
            // Somebody has tidied up the directory, or a cookie of this name was left in it.
            self.plant(backend)?;
            make()?;
        }
        self.expected.insert(number);
        fs::remove_file(&path)
    }

    /// The number of the cookie this event is of: `None` if it is of none, `Some(None)` if of one that nobody expects.
    #[expect(clippy::option_option, reason = "two questions: is it one, and is it awaited")]
    pub(super) fn take(&mut self, path: &Path) -> Option<Option<u64>> {
        if path != self.directory && path.parent() != Some(&self.directory) {
            return None;
        }
        Some(number(path).filter(|number| self.expected.remove(number)))
    }
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()
}
