//! Replaces a manifest so that nobody's update is lost and every reader sees the old file or the new one.
//!
//! SkillMeat writes `collection.toml` by a temporary file and a rename, without a lock and without looking at what it
//! replaces (`skillmeat.utils.filesystem.atomic_write`). A lock of ours alone cannot help, and checking the file just
//! before a rename leaves a gap. So the new file is *exchanged* with the one in place (renameat2(2) `RENAME_EXCHANGE`,
//! on macOS renameatx_np(2) `RENAME_SWAP`), and what comes out must be the file that was read. If it is another one,
//! somebody has written in between: their file goes back at once, by another exchange, and the patch is made anew on it.
//! (Patching what came out before it is back would leave it out of sight for the length of an fsync, and a writer who
//! reads in that time would lose it.)
//!
//! * A symlinked manifest is written through: the file it leads to is replaced, in its own directory; the link stays.
//!   There is no rule about where that is. What counts is the file: it must be regular, have one name, be writable for
//!   its owner, belong to the user we run as (root may write for anyone and leaves the owner as it is), hold at most
//!   [`MAX_SIZE`] bytes, and those must be UTF-8. Anything else is refused and stays as it is.
//! * The new file has the mode, owner, group, extended attributes and access list of the old one, never wider rights.
//! * Its modification time is later than the old one's, because SkillMeat's API takes an equal time for an unchanged
//!   file (`skillmeat.core.collection.CollectionManager.load_collection`).
//! * Until the exchange, an error leaves the file byte for byte as it was and no temporary file behind. After kill -9 a
//!   temporary file may stay; [`sweep`] finds it. If that happened in the microseconds between two exchanges, it holds
//!   somebody's update: `sweep` hands the text out.
//!
//! What this module does not do: undo what a writer does who read before our exchange and writes after it (nobody can;
//! it is repaired when it is noticed), follow a writer who keeps the old file open for longer than a directory fsync
//! while rewriting it in place, or know what is in the file.

mod attributes;
mod lock;
mod sweep;
mod target;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use sweep::{STRAY_AGE, Swept, strays, sweep};
use target::{Held, OpenError, Target, Temp};

/// The largest manifest that is read or written, in bytes: a hundred thousand entries.
pub const MAX_SIZE: u64 = 16 << 20;

/// How often a newer file of somebody else is followed before the attempt is given up.
const MAX_ROUNDS: u32 = 20;

/// How often a newer file is put back before that is given up: microseconds each, and what is at stake is an update.
const MAX_GIVE_BACKS: u32 = 10_000;

/// How long another process may hold the lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often a manifest may be found to lead somewhere else after it was written.
const MAX_MOVES: u32 = 4;

/// What became of a rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The patch changes nothing in the text that is in place, so nothing was written.
    Unchanged,
    /// A new text is in place and on disk.
    Written {
        /// How many exchanges it took; more than one means that somebody else wrote at the same moment.
        rounds: u32,
    },
}

/// Why a file is not one to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A directory, device, pipe, or a symlink put there this moment.
    #[error("it is not a regular file")]
    NotRegular,
    /// Replacing it would part it from its other names.
    #[error("it has {links} hard links, which replacing it would part; copy it over itself to keep only one")]
    HardLinked {
        /// How many names it has.
        links: u64,
    },
    /// Its mode says that it is not to be written.
    #[error("its mode makes it read-only")]
    ReadOnly,
    /// It belongs to somebody else, and would not after being replaced.
    #[error("it belongs to user {uid}")]
    Owner {
        /// Its owner.
        uid: u32,
    },
    /// More than [`MAX_SIZE`].
    #[error("it is {size} bytes long, more than {MAX_SIZE}")]
    TooLarge {
        /// In bytes.
        size: u64,
    },
    /// TOML is UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// Why a file was not rewritten. `E` is the patch's own error.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E: Error + 'static> {
    /// The file is not one to be replaced.
    #[error("{} is left alone", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What about it.
        #[source]
        why: Refusal,
    },
    /// Another process kept the lock.
    #[error("{} is locked by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Others wrote faster than the patch could be made again. Their newest text is in place.
    #[error("{} is written by others all the time", path.display())]
    Contended {
        /// The file.
        path: PathBuf,
    },
    /// The patch cannot be made on what is in place, which stays.
    #[error(transparent)]
    Patch(E),
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done to it.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl<E: Error + 'static> WriteError<E> {
    /// Whether the same attempt may well succeed later with nothing changed by hand: a full disk, a busy file.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Contended { .. } => true,
            Self::Io { source, .. } => passes(source),
            Self::Refused { .. } | Self::Patch(_) => false,
        }
    }

    fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }
}

fn passes(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    use rustix::io::Errno;
    let by_kind = matches!(
        error.kind(),
        Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::ReadOnlyFilesystem
            | Kind::Interrupted
            | Kind::WouldBlock
            | Kind::ResourceBusy
            | Kind::StaleNetworkFileHandle
            | Kind::OutOfMemory
    );
    // These three have no kind of their own.
    by_kind || matches!(Errno::from_io_error(error), Some(Errno::IO | Errno::MFILE | Errno::NFILE))
}

/// The steps of a rewrite, each named before it is done, so that tests can fail or stop there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Lock,
    Open,
    Create,
    Write,
    Sync,
    Exchange,
    Compare,
    SyncDirectory,
    Remove,
    GiveBack,
    Rename,
}

type Step<'s> = dyn FnMut(Stage) -> io::Result<()> + 's;

/// Makes `patch` on the text of the file at `path`, and again on whatever newer text somebody else has put there
/// meanwhile, until the result is in place. `history` is given each text that a patched one is to replace, before it
/// does. Blocks: for the lock up to five seconds, and for the disk.
///
/// # Errors
///
/// See [`WriteError`]. With any error but one at syncing the directory (where the new text is in place, but may not
/// survive a power cut) what is in place is what others put there last.
pub fn rewrite<E: Error + 'static>(
    path: &Path,
    patch: &mut dyn FnMut(&str) -> Result<String, E>,
    history: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, WriteError<E>> {
    rewrite_in_steps(path, patch, history, Some(LOCK_WAIT), &mut |_| Ok(()))
}

/// [`rewrite`] with no lock file beside the target. The exchange alone protects everybody's updates; what the lock adds is
/// that rewrites of our own do not have to be repeated.
///
/// # Errors
/// As [`rewrite`].
pub fn rewrite_without_lock<E: Error + 'static>(
    path: &Path,
    patch: &mut dyn FnMut(&str) -> Result<String, E>,
) -> Result<Outcome, WriteError<E>> {
    rewrite_in_steps(path, patch, &mut |_| {}, None, &mut |_| Ok(()))
}

fn rewrite_in_steps<E: Error + 'static>(
    path: &Path,
    patch: &mut dyn FnMut(&str) -> Result<String, E>,
    history: &mut dyn FnMut(&[u8]),
    lock_wait: Option<Duration>,
    step: &mut Step<'_>,
) -> Result<Outcome, WriteError<E>> {
    for _ in 0..MAX_MOVES {
        let target = Target::resolve(path).map_err(|error| WriteError::io(path, "find", error))?;
        step(Stage::Lock).map_err(|error| WriteError::io(path, "lock", error))?;
        let _lock = lock_wait.map(|wait| lock::take(&target, wait)).transpose()?;
        let outcome =
            Rewrite { target: &target, patch: &mut *patch, history: &mut *history, step: &mut *step }
                .run()?;
        // SkillMeat replaces a symlink by a file of its own; then what was written is no longer what is read.
        if target.is_at(path) {
            return Ok(outcome);
        }
    }
    Err(WriteError::Contended { path: path.to_owned() })
}

struct Rewrite<'r, E> {
    target: &'r Target,
    patch: &'r mut dyn FnMut(&str) -> Result<String, E>,
    history: &'r mut dyn FnMut(&[u8]),
    step: &'r mut Step<'r>,
}

impl<E: Error + 'static> Rewrite<'_, E> {
    fn run(mut self) -> Result<Outcome, WriteError<E>> {
        let mut later_than = SystemTime::UNIX_EPOCH;
        for rounds in 1..=MAX_ROUNDS {
            let opened = (self.step)(Stage::Open).map_err(OpenError::Io).and_then(|()| self.target.open());
            let mut held = opened.map_err(|error| match error {
                OpenError::Refused(why) => self.refused(why),
                OpenError::Io(error) => self.io("read", error),
            })?;
            let text = held.text().map_err(|why| self.refused(why))?;
            let new = (self.patch)(text).map_err(WriteError::Patch)?;
            if new == text {
                return Ok(Outcome::Unchanged);
            }
            (self.history)(&held.bytes);
            let temp = Temp::create(self.target, new.as_bytes(), &held, later_than, self.step)
                .map_err(|error| self.io("write a new version of", error))?;
            later_than = temp.modified;
            if self.put(&temp, &mut held)? {
                return Ok(Outcome::Written { rounds });
            }
        }
        Err(WriteError::Contended { path: self.target.path().to_owned() })
    }

    /// Puts the new file in the place of the one that was read. `false` if another one turned out to be there, which then
    /// is there again.
    fn put(&mut self, temp: &Temp<'_>, held: &mut Held) -> Result<bool, WriteError<E>> {
        match (self.step)(Stage::Exchange).and_then(|()| self.target.exchange(temp)) {
            Ok(()) => {}
            Err(error) if is_unsupported(&error) => return self.put_by_rename(temp, held),
            Err(error) => {
                temp.remove();
                return Err(self.io("replace", error));
            }
        }
        // By identity and not by content: it is quick, and in the meantime a newer update may be out of sight.
        match (self.step)(Stage::Compare).and_then(|()| temp.now_is(&held.file)) {
            Ok(true) => {}
            Ok(false) => return self.give_back(temp).map(|()| false),
            Err(error) => {
                self.give_back(temp)?;
                return Err(self.io("compare", error));
            }
        }
        let synced = (self.step)(Stage::SyncDirectory).and_then(|()| self.target.sync());
        // Somebody may have had the old file open and written into it. The sync has given that time to show.
        if !held.reads_the_same() {
            return self.give_back(temp).map(|()| false);
        }
        (self.step)(Stage::Remove).map_err(|error| self.io("clean up beside", error))?;
        temp.remove();
        synced.map_err(|error| self.io("sync the directory of", error))?;
        Ok(true)
    }

    /// Exchanges what came out back in, until the file that comes out is the one that was put in before.
    fn give_back(&mut self, temp: &Temp<'_>) -> Result<(), WriteError<E>> {
        // Held open, so that no new file can get the same identity.
        let mut put_in = None;
        for _ in 0..MAX_GIVE_BACKS {
            let goes_in = temp.open_now();
            // On failure what came out stays under its temporary name: it is somebody's update.
            (self.step)(Stage::GiveBack)
                .and_then(|()| self.target.exchange(temp))
                .map_err(|error| self.io("restore", error))?;
            let goes_in = goes_in.map_err(|error| self.io("read", error))?;
            let ours_is_out = temp.now_is(put_in.as_ref().unwrap_or(&temp.file));
            if ours_is_out.map_err(|error| self.io("compare", error))? {
                temp.remove();
                return Ok(());
            }
            put_in = Some(goes_in);
        }
        Err(WriteError::Contended { path: self.target.path().to_owned() })
    }

    /// Where the file system cannot exchange: look once more directly before the rename. A writer who comes between the
    /// two is lost; it takes microseconds.
    fn put_by_rename(&mut self, temp: &Temp<'_>, held: &mut Held) -> Result<bool, WriteError<E>> {
        let in_place = (self.step)(Stage::Compare).and_then(|()| self.target.is(&held.file));
        if !matches!(in_place, Ok(true)) || !held.reads_the_same() {
            temp.remove();
            return in_place.map(|_| false).map_err(|error| self.io("compare", error));
        }
        if let Err(error) = (self.step)(Stage::Rename).and_then(|()| self.target.rename(temp)) {
            temp.remove();
            return Err(self.io("replace", error));
        }
        let synced = (self.step)(Stage::SyncDirectory).and_then(|()| self.target.sync());
        synced.map_err(|error| self.io("sync the directory of", error))?;
        Ok(true)
    }

    fn refused(&self, why: Refusal) -> WriteError<E> {
        WriteError::Refused { path: self.target.path().to_owned(), why }
    }

    fn io(&self, action: &'static str, error: io::Error) -> WriteError<E> {
        WriteError::io(self.target.path(), action, error)
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    // The last two are one number on Linux and two on macOS.
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP].into_iter().any(|one| errno == Some(one))
}
