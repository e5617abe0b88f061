//! The file to be replaced, in its directory, and the temporary files beside it. Everything is done relative to the
//! opened directory, so a directory renamed meanwhile is the same directory.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use super::{MAX_SIZE, Refusal, Stage, Step, attributes};
use crate::fs::open::{read_pieces, read_to_end};

/// The characters of Python's `tempfile` names, which is what SkillMeat's temporary files are called with.
const NAME_CHARACTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";

/// How often a file that is being written while it is read is read again.
const READS: u32 = 5;

/// A file by its directory and its name there.
#[derive(Debug)]
pub(super) struct Target {
    dir: File,
    path: PathBuf,
    name: OsString,
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) file: File,
    metadata: Metadata,
    pub(super) bytes: Vec<u8>,
    pub(super) modified: SystemTime,
}

#[derive(Debug)]
pub(super) enum OpenError {
    Refused(Refusal),
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Target {
    /// Follows symlinks to the file that `path` stands for.
    pub(super) fn resolve(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = File::from(rustix::fs::open(dir, flags, Mode::empty())?);
        Ok(Self { dir, name: name.to_owned(), path })
    }

    /// The file's real path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether `asked` still leads here, or nowhere.
    pub(super) fn is_at(&self, asked: &Path) -> bool {
        asked.canonicalize().map_or(true, |path| path == self.path)
    }

    /// The name beside the file that `tail` makes: `.<name><tail>`.
    pub(super) fn beside(&self, tail: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(tail);
        name
    }

    /// Opens or creates a file in the directory; never through a symlink.
    pub(super) fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.dir, name, flags, mode)?))
    }

    /// Reads the file, whole.
    pub(super) fn open(&self) -> Result<Held, OpenError> {
        self.read(&self.name)
    }

    /// Reads a regular file in the directory, whole.
    pub(super) fn read(&self, name: &OsStr) -> Result<Held, OpenError> {
        let file =
            self.open_at(name, OFlags::RDONLY, Mode::empty()).map_err(|error| match Errno::from_io_error(
                &error,
            ) {
                Some(Errno::LOOP) => OpenError::Refused(Refusal::NotRegular),
                _ => OpenError::Io(error),
            })?;
        let metadata = file.metadata()?;
        let modified = metadata.modified()?;
        let mut held = Held { file, metadata, bytes: Vec::new(), modified };
        held.read()?;
        Ok(held)
    }

    /// Whether the name stands for `file`.
    pub(super) fn is(&self, file: &File) -> io::Result<bool> {
        self.is_called(file, &self.name)
    }

    fn is_called(&self, file: &File, name: &OsStr) -> io::Result<bool> {
        let (named, file) =
            (rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?, rustix::fs::fstat(file)?);
        Ok((named.st_dev, named.st_ino) == (file.st_dev, file.st_ino))
    }

    pub(super) fn exchange(&self, temp: &Temp<'_>) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&self.dir, &temp.name, &self.dir, &self.name, RenameFlags::EXCHANGE)?)
    }

    pub(super) fn rename(&self, temp: &Temp<'_>) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.dir, &temp.name, &self.dir, &self.name)?)
    }

    /// Brings the names in the directory to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self.dir.sync_all() {
            // Some file systems cannot, and keep names safe in their own way.
            Err(error) if super::is_unsupported(&error) => Ok(()),
            result => result,
        }
    }
}

impl Held {
    fn read(&mut self) -> Result<(), OpenError> {
        for _ in 0..READS {
            self.metadata = self.file.metadata()?;
            if !self.metadata.is_file() {
                return Err(OpenError::Refused(Refusal::NotRegular));
            }
            if self.metadata.len() > MAX_SIZE {
                return Err(OpenError::Refused(Refusal::TooLarge { size: self.metadata.len() }));
            }
            self.file.rewind()?;
            self.bytes.clear();
            self.bytes.reserve(usize::try_from(self.metadata.len()).unwrap_or(0) + 64);
            let limit = usize::try_from(MAX_SIZE).unwrap_or(usize::MAX);
            read_to_end(&self.file, &mut self.bytes, limit).map_err(io::Error::from)?;
            if !self.is_changed() {
                break;
            }
        }
        self.modified = self.metadata.modified()?;
        Ok(())
    }

    /// Whether the file is another than what was read of it.
    fn is_changed(&self) -> bool {
        self.file.metadata().is_ok_and(|now| {
            now.len() != self.bytes.len() as u64
                || (now.mtime(), now.mtime_nsec()) != (self.metadata.mtime(), self.metadata.mtime_nsec())
        })
    }

    /// Whether what is in the file now is what was read.
    pub(super) fn reads_the_same(&mut self) -> bool {
        let mut buffer = vec![0; 1 << 16];
        for _ in 0..READS {
            let Ok(metadata) = self.file.metadata() else { return false };
            self.metadata = metadata;
            let mut rest = Some(self.bytes.as_slice());
            let compared = self.file.rewind().and_then(|()| {
                let compare = |piece: &[u8]| {
                    rest = rest.and_then(|rest| rest.strip_prefix(piece));
                    rest.is_some()
                };
                read_pieces(&self.file, &mut buffer, compare).map_err(io::Error::from)
            });
            if compared.is_err() || !self.is_changed() {
                return compared.is_ok() && rest.is_some_and(<[u8]>::is_empty);
            }
        }
        false // somebody is writing it
    }

    /// The text, if the file is one that may be replaced.
    pub(super) fn text(&self) -> Result<&str, Refusal> {
        let (links, uid) = (self.metadata.nlink(), self.metadata.uid());
        if links > 1 {
            return Err(Refusal::HardLinked { links });
        }
        if self.metadata.mode() & 0o200 == 0 {
            return Err(Refusal::ReadOnly);
        }
        if !keeps_owner(rustix::process::geteuid(), uid) {
            return Err(Refusal::Owner { uid });
        }
        std::str::from_utf8(&self.bytes).map_err(|_| Refusal::NotUtf8)
    }
}

/// A temporary file beside the target. It stays until it is removed: what is under its name may be somebody's update.
#[derive(Debug)]
pub(super) struct Temp<'t> {
    target: &'t Target,
    name: OsString,
    /// What was written, whatever stands under the name later.
    pub(super) file: File,
    /// When, as the file has it.
    pub(super) modified: SystemTime,
}

impl<'t> Temp<'t> {
    /// Writes `bytes` to disk under a new name, with the attributes of `like` and a modification time after `later_than`.
    /// On failure nothing stays behind.
    pub(super) fn create(
        target: &'t Target,
        bytes: &[u8],
        like: &Held,
        later_than: SystemTime,
        step: &mut Step<'_>,
    ) -> io::Result<Self> {
        step(Stage::Create)?;
        let (name, file) = loop {
            let name = target.beside(&format!(".{}.tmp", random_letters()));
            match target.open_at(&name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR)
            {
                Ok(file) => break (name, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let mut temp = Self { target, name, file, modified: later_than };
        match temp.fill(bytes, like, later_than, step) {
            Ok(modified) => temp.modified = modified,
            Err(error) => {
                temp.remove();
                return Err(error);
            }
        }
        Ok(temp)
    }

    fn fill(
        &mut self,
        bytes: &[u8],
        like: &Held,
        later_than: SystemTime,
        step: &mut Step<'_>,
    ) -> io::Result<SystemTime> {
        step(Stage::Write)?;
        self.file.write_all(bytes)?;
        liken(&self.file, like)?;
        let modified = later(&self.file, later_than.max(like.modified))?;
        step(Stage::Sync)?;
        self.file.sync_all()?;
        Ok(modified)
    }

    /// Whether the name stands for `file` now.
    pub(super) fn now_is(&self, file: &File) -> io::Result<bool> {
        self.target.is_called(file, &self.name)
    }

    /// What stands under the name now.
    pub(super) fn open_now(&self) -> io::Result<File> {
        self.target.open_at(&self.name, OFlags::RDONLY, Mode::empty())
    }

    /// Removes what is under the name. A failure leaves a stray file, which a sweep finds.
    pub(super) fn remove(&self) {
        let _ = rustix::fs::unlinkat(&self.target.dir, &self.name, AtFlags::empty());
    }
}

/// Gives `file` the owner, group, extended attributes and mode of `like`; where the group cannot be kept, it gets no
/// rights.
fn liken(file: &File, like: &Held) -> io::Result<()> {
    let (is, wanted) = (file.metadata()?, &like.metadata);
    let mut mode = wanted.mode() & 0o777;
    if is.uid() != wanted.uid() {
        rustix::fs::fchown(file, Some(Uid::from_raw(wanted.uid())), None)?;
    }
    if is.gid() != wanted.gid() {
        match rustix::fs::fchown(file, None, Some(Gid::from_raw(wanted.gid()))) {
            Ok(()) => {}
            Err(Errno::PERM) => mode &= !0o070,
            Err(error) => return Err(error.into()),
        }
    }
    attributes::copy(&like.file, file)?;
    rustix::fs::fchmod(file, Mode::from_raw_mode((mode | 0o600) as rustix::fs::RawMode))?;
    Ok(())
}

/// Makes sure that the file's modification time is after `than` in steps that a file system and a Python float can tell
/// apart.
fn later(file: &File, than: SystemTime) -> io::Result<SystemTime> {
    for step in [Duration::from_millis(1), Duration::from_secs(2)] {
        let now = file.metadata()?.modified()?;
        if now.duration_since(than).is_ok_and(|after| after >= Duration::from_micros(1)) {
            return Ok(now);
        }
        file.set_times(FileTimes::new().set_modified(than + step))?;
    }
    file.metadata()?.modified()
}

/// Whether `me` can replace a file of `owner` and leave it theirs.
fn keeps_owner(me: Uid, owner: u32) -> bool {
    me.is_root() || me.as_raw() == owner
}

fn random_letters() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    // The first and last bytes of a version 4 UUID are random throughout.
    let random = bytes[..4].iter().chain(&bytes[12..]);
    random.map(|&byte| char::from(NAME_CHARACTERS[usize::from(byte) % NAME_CHARACTERS.len()])).collect()
}

/// Whether `name` is `.<of>.` and eight of [`NAME_CHARACTERS`] and `.tmp`.
pub(super) fn is_temp_name(name: &OsStr, of: &OsStr) -> bool {
    let letters = name
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|name| name.strip_prefix(of.as_encoded_bytes()))
        .and_then(|name| name.strip_prefix(b"."))
        .and_then(|name| name.strip_suffix(b".tmp"));
    letters.is_some_and(|letters| letters.len() == 8 && letters.iter().all(|c| NAME_CHARACTERS.contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_keeps_the_owner_of_anothers_file() {
        let may = |me, owner| keeps_owner(Uid::from_raw(me), owner);
        assert!(may(1_000, 1_000) && may(0, 1_000) && may(0, 0));
        assert!(!may(1_000, 1_001) && !may(1_000, 0));
    }

    #[test]
    fn names_are_like_those_of_pythons_tempfile() {
        let of = OsStr::new("collection.toml");
        for _ in 0..100 {
            let name = format!(".collection.toml.{}.tmp", random_letters());
            assert!(is_temp_name(OsStr::new(&name), of), "{name}");
        }
        assert!(!is_temp_name(OsStr::new("collection.toml.abcdefgh.tmp"), of));
        assert!(!is_temp_name(OsStr::new(".collection.toml.abcdefgh.tmp2"), of));
    }
}
