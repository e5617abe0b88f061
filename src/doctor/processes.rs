//! What the kernel tells of this user's processes (proc(5)). Elsewhere than on Linux it tells nothing, and then nothing
//! is found.
//!
//! What this module does not do: show arguments or values of variables, which may hold secrets.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process of this user.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) pid: u32,
    directory: PathBuf,
}

impl Process {
    /// What the kernel calls it: at most 15 characters of its program's name.
    pub(super) fn name(&self) -> String {
        fs::read_to_string(self.directory.join("comm"))
            .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
    }

    /// Whether a word of its command line has `text` in it.
    pub(super) fn is_called_with(&self, text: &str) -> bool {
        let line = fs::read(self.directory.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    }

    /// The value of a variable of its environment at its start.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let environment = fs::read(self.directory.join("environ")).ok()?;
        let prefix = format!("{name}=");
        environment
            .split(|byte| *byte == 0)
            .filter_map(|word| std::str::from_utf8(word).ok())
            .find_map(|word| word.strip_prefix(&prefix).map(str::to_owned))
    }

    /// The inodes it watches, one a watch.
    pub(super) fn watched_inodes(&self) -> Vec<u64> {
        let is_inotify =
            |fd: &Path| fs::read_link(fd).is_ok_and(|target| target.as_os_str() == "anon_inode:inotify");
        let mut inodes = Vec::new();
        for fd in fs::read_dir(self.directory.join("fd")).into_iter().flatten().flatten() {
            if !is_inotify(&fd.path()) {
                continue;
            }
            let info = fs::read_to_string(self.directory.join("fdinfo").join(fd.file_name()));
            let lines = info.unwrap_or_default();
            // `inotify wd:3 ino:9e7e sdev:800013 mask:…`, all in hexadecimal.
            inodes.extend(lines.lines().filter(|line| line.starts_with("inotify ")).filter_map(|line| {
                let inode = line.split(' ').find_map(|word| word.strip_prefix("ino:"))?;
                u64::from_str_radix(inode, 16).ok()
            }));
        }
        inodes
    }
}

/// The process with this id.
pub(super) fn process(pid: u32) -> Process {
    Process { pid, directory: PathBuf::from(format!("/proc/{pid}")) }
}

/// Every process of this user but this one.
pub(super) fn of_this_user() -> Vec<Process> {
    let me = rustix::process::getuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let mine = entry.metadata().is_ok_and(|found| found.uid() == me);
            (mine && pid != std::process::id()).then(|| Process { pid, directory: entry.path() })
        })
        .collect()
}

/// How often the list of locks is read before a lock that is not in it is taken for free.
const LOOKS: usize = 5;

/// Who holds a lock of flock(2) on the file at `path`, as `name (pid n)`. The lock itself is not touched: to try it would
/// be in the way of whoever comes at that moment.
pub(super) fn locker_of(path: &Path) -> Option<String> {
    let inode = fs::metadata(path).ok()?.ino();
    let look = || fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| locker(line, inode));
    // The kernel hands the list out in pieces, and while others let go of theirs a line is skipped between two of them.
    let pid = (0..LOOKS).find_map(|_| look())?;
    Some(format!("{} (pid {pid})", process(pid).name()))
}

/// From a line such as `3: FLOCK  ADVISORY  WRITE 2713 08:02:1573 0 EOF`. The device is left out of the comparison:
/// what is here and what stat(2) says differ on some file systems.
fn locker(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK");
    let (pid, place) = (words.nth(3)?, words.next()?);
    (place.rsplit(':').next()?.parse::<u64>().ok()? == inode).then(|| pid.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_locks_is_understood() {
        let line = "3: FLOCK  ADVISORY  WRITE 2713 08:02:1573 0 EOF";
        assert_eq!(locker(line, 1573), Some(2713));
        assert_eq!(locker(line, 1574), None);
        assert_eq!(locker("1: POSIX  ADVISORY  READ 5 08:02:1573 128 128", 1573), None);
        // Somebody who waits for it does not hold it.
        assert_eq!(locker("", 0), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_held_lock_is_seen_and_a_free_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(locker_of(&path), None);
        file.lock().unwrap();
        let seen = locker_of(&path).unwrap();
        assert!(seen.ends_with(&format!("(pid {})", std::process::id())), "{seen}");
        file.unlock().unwrap();
        assert_eq!(locker_of(&path), None);
    }
}
