//! Which other processes have the database open.
//!
//! Asked of the kernel: who has a descriptor of one of its files (proc(5), `/proc/pid/fd`; this sees the user's own
//! processes only, and works on Linux only), and who holds a lock that SQLite takes (fcntl(2), `F_GETLK`; this sees
//! everybody's). In WAL mode every connection holds such a lock for as long as it is open
//! (<https://www.sqlite.org/walformat.html#the_wal_read_lock>).
//!
//! What this module does not do: open the database.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::connect::FileId;

/// SQLite's companions of a database file, itself first.
pub(super) const FILES: [&str; 3] = ["", "-wal", "-shm"];

/// Where SQLite locks in the database file: the pending byte, the reserved byte and the 510 shared bytes
/// (`os.h`, `PENDING_BYTE`).
const LOCKS: (u64, u64) = (0x4000_0000, 512);

/// A process that has the database open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// Whether what it has open is there under that name; `false`: it works in a file that was deleted or replaced.
    pub current: bool,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Every other process that has the database at `path` open, or one that was there.
///
/// Not to be called while this process has the database open: closing any descriptor of a file gives up the locks that
/// the process has on it (fcntl(2)), SQLite's among them.
#[must_use]
pub fn holders(path: &Path) -> Vec<Holder> {
    let mut found = by_descriptor(path);
    if let Some(locker) = File::open(path).ok().and_then(|file| by_lock(&file))
        && !found.iter().any(|holder| holder.pid == locker.pid)
    {
        found.push(locker);
    }
    found.sort();
    found
}

/// Who has a descriptor of one of the files. Opens none of them.
pub(super) fn by_descriptor(path: &Path) -> Vec<Holder> {
    let names = FILES.map(|suffix| with_suffix(path, suffix));
    let files: Vec<FileId> = names.iter().filter_map(|name| FileId::of(name)).collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let (mut current, mut former) = (false, false);
        for fd in fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
            // Follows to the open file itself, deleted or not.
            let Ok(open) = fs::metadata(fd.path()) else { continue };
            if files.contains(&FileId { dev: open.dev(), ino: open.ino() }) {
                current = true;
            } else if open.is_file() && open.nlink() == 0 {
                former |= fs::read_link(fd.path()).is_ok_and(|target| was_one_of(&target, &names));
            }
        }
        if current || former {
            found.push(Holder { pid, name: name_of(pid), current: !former });
        }
    }
    found
}

/// The kernel puts ` (deleted)` behind the name a file had.
fn was_one_of(target: &Path, names: &[PathBuf]) -> bool {
    let target = target.to_string_lossy();
    target.strip_suffix(" (deleted)").is_some_and(|target| names.iter().any(|name| name == Path::new(target)))
}

/// Who holds one of SQLite's locks on the open database file, if anybody does.
pub(super) fn by_lock(file: &File) -> Option<Holder> {
    let (start, length) = LOCKS;
    let wanted =
        Flock { start, length, pid: None, typ: FlockType::WriteLock, offset_type: FlockOffsetType::Set };
    let held = fcntl_getlk(file, &wanted).ok()??;
    let pid = held.pid.map_or(0, |pid| u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0));
    Some(Holder { pid, name: name_of(pid), current: true })
}

/// What a person calls the process: its program, or the script or module that an interpreter runs. Arguments may hold
/// secrets, so no more of them is shown.
fn name_of(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let base = |word: &String| {
        Path::new(word).file_name().map_or_else(|| word.clone(), |name| name.to_string_lossy().into_owned())
    };
    let Some(program) = words.first().map(base) else {
        // It has just been started, or it is a thread of the kernel.
        return fs::read_to_string(format!("/proc/{pid}/comm"))
            .map_or_else(|_| "another process".to_owned(), |name| name.trim_end().to_owned());
    };
    if !program.starts_with("python") {
        return program;
    }
    match words.get(1).map(String::as_str) {
        Some("-m") => words.get(2).map_or(program, base),
        Some(script) if !script.starts_with('-') => base(&words[1]),
        _ => program,
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
