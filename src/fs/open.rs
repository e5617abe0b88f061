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

/// Append an open file to `bytes`, from where it stands to its end, or until there are more than `limit`. With room for all
/// of it and a little more it is read at once.
///
/// # Errors
/// As `read(2)`.
pub fn read_to_end(file: impl AsFd, bytes: &mut Vec<u8>, limit: usize) -> Result<(), Errno> {
    while bytes.len() <= limit {
        bytes.reserve(64);
        match rustix::io::read(&file, rustix::buffer::spare_capacity(bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// All of a regular file of at most `limit` bytes. Of a longer one, `limit` bytes and one more.
///
/// # Errors
/// As [`file_below`] and `read(2)`.
pub fn read_below(directory: impl AsFd, path: &str, limit: usize) -> Result<(Vec<u8>, Stamp), Errno> {
    let (file, stamp) = file_below(directory, path, true)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(limit).min(limit) + 64);
    read_to_end(file, &mut bytes, limit)?;
    bytes.truncate(limit + 1);
    Ok((bytes, stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_or_to_one_byte_more_than_the_limit() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("f");
        let path = path.to_str().unwrap();
        let text: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for length in [0, 1, 63, 64, 65, 199_999, 200_000] {
            std::fs::write(path, &text[..length]).unwrap();
            for limit in [0, 1, 64, 199_998, 199_999, 200_000, 300_000] {
                let (bytes, stamp) = read_below(rustix::fs::CWD, path, limit).unwrap();
                assert!(
                    bytes == text[..length.min(limit + 1)],
                    "{length} bytes, at most {limit}: {}",
                    bytes.len()
                );
                assert_eq!(stamp.size, length as u64);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_longer_than_it_said_is_read_to_its_end() {
        let (bytes, stamp) = read_below(rustix::fs::CWD, "/proc/self/maps", 1 << 20).unwrap();
        assert_eq!(stamp.size, 0);
        assert!(bytes.len() > 64 && bytes.ends_with(b"\n"), "{} bytes", bytes.len());
    }
}
