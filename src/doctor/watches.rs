//! What the kernel has to say about watches.
//!
//! What this module does not do: use the watcher's own walk; if both went wrong together nobody would notice.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::processes;
use crate::domain::checkup::watches::Watches;
use crate::fs::watch::Limits;
use crate::paths::Paths;

pub(super) fn look(paths: &Paths, daemon: Option<u32>) -> Watches {
    let directories = to_be_watched(&paths.root);
    let mut users: Vec<(String, u32, usize)> = processes::of_this_user()
        .into_iter()
        .map(|process| (process.name(), process.pid, process.watched_inodes().len()))
        .filter(|(_, _, number)| *number > 0)
        .collect();
    users.sort_by(|a, b| b.2.cmp(&a.2).then(a.1.cmp(&b.1)));
    let unwatched = daemon.and_then(|pid| {
        let watched: BTreeSet<u64> = processes::process(pid).watched_inodes().into_iter().collect();
        let (held, not): (Vec<_>, Vec<_>) =
            directories.iter().partition(|(_, inode)| watched.contains(inode));
        // On some file systems (overlays) the kernel's inode numbers are not those of stat(2).
        (!held.is_empty()).then(|| not.into_iter().map(|(path, _)| path.display().to_string()).collect())
    });
    Watches { needed: directories.len(), unwatched, limit: limit(), users, daemon }
}

/// The narrower of the user's limit and the one of this user namespace (namespaces(7), `/proc/sys/user`).
fn limit() -> Option<usize> {
    let of_namespace = fs::read_to_string("/proc/sys/user/max_inotify_watches").ok();
    let of_namespace = of_namespace.and_then(|text| text.trim().parse().ok());
    Limits::read().watches.into_iter().chain(of_namespace).min()
}

/// The root, `cache`, and `collections` with everything below it, without the names that writers use while they work;
/// links are followed at and above the artifacts. With the inode of each.
fn to_be_watched(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut add = |path: &Path| match path.metadata() {
        Ok(it) if it.is_dir() => {
            found.push((path.to_owned(), it.ino()));
            true
        }
        _ => false,
    };
    if cfg!(target_os = "macos") || !add(root) {
        return Vec::new(); // one stream serves all of it
    }
    add(&root.join("cache"));
    let mut pending = vec![(root.join("collections"), 0)];
    while let Some((directory, depth)) = pending.pop() {
        if !add(&directory) {
            continue;
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            // Below `collections`: 0 a collection, 1 a container of artifacts, 2 an artifact, 3 and more inside of one.
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if !(hidden && (depth == 1 || depth == 2) || link && depth > 2) {
                pending.push((entry.path(), depth + 1));
            }
        }
    }
    found
}
