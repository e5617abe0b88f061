//! Setting a database aside that cannot be used, so that another one can be made in its place.
//!
//! What this module does not do: look at what is in it, make another one, or do so while anybody has it open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDateTime;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::holders::{FILES, Holder, by_descriptor, by_lock, with_suffix};

/// Why the database was left where it is.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    /// Other processes have it open; what they write would be lost.
    #[error("it is open in {}", names(.0))]
    Held(Vec<Holder>),
    /// A file could not be locked or renamed. Those renamed before are back in their place.
    #[error("{path} cannot be moved", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn names(holders: &[Holder]) -> String {
    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A database that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Its new name; the companions have the same with their suffixes.
    pub path: PathBuf,
    /// From where to where, in the order it was done.
    moved: Vec<(PathBuf, PathBuf)>,
}

impl Aside {
    /// Puts everything back where it was.
    ///
    /// # Errors
    /// When a file cannot be renamed; the others are.
    pub fn put_back(self) -> io::Result<()> {
        let mut outcome = Ok(());
        for (from, to) in self.moved.iter().rev() {
            outcome = outcome.and(fs::rename(to, from));
        }
        outcome
    }
}

/// Renames the database at `path` and its companions to `<path>.aside-<now>` (naive UTC). `None` when there is no file.
///
/// It is locked meanwhile as SQLite locks, so nobody can begin to use it between the look for other users and the
/// renaming. Not to be called while this process has it open.
///
/// The database goes first: if the machine stops in between, SQLite finds companions without a database, which it
/// throws away when it makes another one; a database without its log would have lost what is only in the log.
///
/// # Errors
/// See [`AsideError`]; then everything is as it was.
pub fn set_aside(path: &Path, now: NaiveDateTime) -> Result<Option<Aside>, AsideError> {
    let failed = |path: &Path, source| AsideError::File { path: path.to_owned(), source };
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(source) => return Err(failed(path, source)),
    };
    if let Some(file) = &file {
        lock(path, file)?;
    }
    let holders = by_descriptor(path);
    if !holders.is_empty() {
        return Err(AsideError::Held(holders));
    }
    if file.is_none() {
        return Ok(None);
    }
    let target = free_name(path, now);
    let present: Vec<(PathBuf, PathBuf)> = FILES
        .iter()
        .map(|suffix| (with_suffix(path, suffix), with_suffix(&target, suffix)))
        .filter(|(from, _)| from.exists())
        .collect();
    // A second name first, where the file system has such: then no instant leaves the log without its database.
    let linked = present.iter().all(|(from, to)| fs::hard_link(from, to).is_ok());
    if !linked {
        unlink(&present);
    }
    let mut aside = Aside { path: target, moved: Vec::new() };
    for (from, to) in &present {
        let moved = if linked { fs::remove_file(from) } else { fs::rename(from, to) };
        match moved {
            Ok(()) => aside.moved.push((from.clone(), to.clone())),
            // A companion that SQLite removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => {
                // What could be moved can be moved back.
                let done = aside.moved.len();
                let _ = aside.put_back();
                if linked {
                    unlink(&present[done..]);
                }
                return Err(failed(from, source));
            }
        }
    }
    Ok(Some(aside))
}

/// Removes the second names; the first are still there.
fn unlink(pairs: &[(PathBuf, PathBuf)]) {
    for (from, to) in pairs.iter().filter(|(from, _)| from.exists()) {
        tracing::debug!(from = %from.display(), "taking back a second name");
        let _ = fs::remove_file(to);
    }
}

/// How often the lock is tried while nobody can be named who has it.
const TRIES: u32 = 200;

/// The pause between two tries. Without one, a neighbour who takes and leaves the lock without a pause can fall into
/// step with us: it always has it when we try, and never when we ask who.
const PAUSE: Duration = Duration::from_millis(1);

/// Held until the file is closed.
pub(super) fn lock(path: &Path, file: &File) -> Result<(), AsideError> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let Err(errno) = fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) else { return Ok(()) };
        if let Some(holder) = by_lock(file) {
            return Err(AsideError::Held(vec![holder]));
        }
        // Whoever had it has let go of it since, unless the system does not tell of it.
        if tries == 0 || !matches!(errno, Errno::AGAIN | Errno::ACCESS) {
            return Err(AsideError::File { path: path.to_owned(), source: errno.into() });
        }
        std::thread::sleep(PAUSE);
    }
}

fn free_name(path: &Path, now: NaiveDateTime) -> PathBuf {
    let stamp = now.format("%Y%m%dT%H%M%SZ");
    let taken = |name: &PathBuf| FILES.iter().any(|suffix| with_suffix(name, suffix).exists());
    (0..)
        .map(|n: u32| match n {
            0 => with_suffix(path, &format!(".aside-{stamp}")),
            n => with_suffix(path, &format!(".aside-{stamp}.{n}")),
        })
        .find(|name| !taken(name))
        .unwrap_or_else(|| with_suffix(path, ".aside"))
}
