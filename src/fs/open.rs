//! Opening and reading files that other people own.
//!
//! Only regular files are read: the open does not block on a FIFO, does not take a terminal, and the kind is checked on
//! the open file, not on its name.
//!
//! What this module does not do: look at what the bytes mean.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use rustix::path::Arg;

/// What tells one state of a file from another. Two equal stamps mean the same content, unless the file was written to
/// within the clock's granularity: see [`crate::fs::stat_cache::is_settled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Device.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last modification, nanoseconds since 1970. Anyone can set it, SkillMeat does.
    pub modified: i128,
    /// Last change of content or attributes, nanoseconds since 1970. Nobody can set it.
    pub changed: i128,
}

impl Stamp {
    /// From a `stat`.
    #[must_use]
    pub fn of(stat: &Stat) -> Self {
        let time = |seconds: i128, nanos: i128| seconds * 1_000_000_000 + nanos;
        Self {
            dev: bits(stat.st_dev),
            ino: bits(stat.st_ino),
            size: bits(stat.st_size),
            modified: time(wide(stat.st_mtime), wide(stat.st_mtime_nsec)),
            changed: time(wide(stat.st_ctime), wide(stat.st_ctime_nsec)),
        }
    }
}

/// The integer types of a `stat` differ between systems.
fn wide<T: TryInto<i128>>(number: T) -> i128 {
    number.try_into().unwrap_or_default()
}

fn bits<T: TryInto<i128>>(number: T) -> u64 {
    // Negative numbers keep their bits: a `dev_t` is signed on some systems.
    wide(number) as u64
}

/// What kind of file a `stat` is of.
#[must_use]
pub fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The state of a path below a directory, symbolic links followed.
///
/// # Errors
/// As `fstatat(2)`.
pub fn stat_below(directory: impl AsFd, path: &str) -> Result<Stat, Errno> {
    statat(directory, path, AtFlags::empty())
}

/// Open a directory below another one for listing and as a starting point.
///
/// # Errors
/// As `openat(2)`; `ENOTDIR` when it is not a directory.
pub fn directory_below(parent: impl AsFd, path: impl Arg, follow: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !follow);
    openat(parent, path, flags, Mode::empty())
}

/// Open a regular file below a directory, and stamp it.
///
/// # Errors
/// As `openat(2)`; `EINVAL` when it is not a regular file.
pub fn file_below(directory: impl AsFd, path: &str, follow: bool) -> Result<(OwnedFd, Stamp), Errno> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::NOFOLLOW, !follow);
    let file = openat(directory, path, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if kind_of(&stat) == FileType::RegularFile { Ok((file, Stamp::of(&stat))) } else { Err(Errno::INVAL) }
}

/// Read an open file to its end, piece by piece, until `take` says it has had enough.
///
/// # Errors
/// As `read(2)`.
pub fn read_pieces(
    file: impl AsFd,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    loop {
        match rustix::io::read(&file, &mut *buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                if !take(buffer.get(..read).unwrap_or_default()) {
                    return Ok(());
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// All of a regular file of at most `limit` bytes. Of a longer one, `limit` bytes and one more.
///
/// # Errors
/// As [`file_below`] and `read(2)`.
pub fn read_below(directory: impl AsFd, path: &str, limit: usize) -> Result<(Vec<u8>, Stamp), Errno> {
    let (file, stamp) = file_below(directory, path, true)?;
    let expected = usize::try_from(stamp.size).unwrap_or(limit).min(limit) + 1;
    let mut bytes = Vec::with_capacity(expected);
    let mut buffer = vec![0; expected.clamp(512, 1 << 18)];
    read_pieces(file, &mut buffer, |piece| {
        let room = (limit + 1).saturating_sub(bytes.len());
        bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        bytes.len() <= limit
    })?;
    Ok((bytes, stamp))
}
