//! What the system allows in watches, and how to say that it is not enough.

use std::path::Path;

/// The kernel's limits for inotify; `None` where they cannot be read (another system, a sealed `/proc`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `fs.inotify.max_user_watches`: watched directories per user.
    pub watches: Option<usize>,
    /// `fs.inotify.max_user_instances`: watchers per user.
    pub instances: Option<usize>,
}

impl Limits {
    /// Read them (inotify(7), "/proc interfaces").
    #[must_use]
    pub fn read() -> Self {
        let read = |name: &str| {
            let path = Path::new("/proc/sys/fs/inotify").join(name);
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        Self { watches: read("max_user_watches"), instances: read("max_user_instances") }
    }
}

/// Why no watcher could be created at all, with the remedy.
pub(super) fn explain_backend(error: &notify::Error) -> String {
    const EMFILE: i32 = 24;
    match &error.kind {
        notify::ErrorKind::Io(io) if io.raw_os_error() == Some(EMFILE) => {
            let limit = Limits::read().instances;
            format!(
                "every inotify instance this user may have ({}) is in use; allow more with: sudo sysctl fs.inotify.max_user_instances={}",
                limit.map_or_else(|| "the limit cannot be read".to_owned(), |n| n.to_string()),
                limit.map_or(512, |n| n.saturating_mul(4).max(512)),
            )
        }
        _ => format!("file events are not available: {error}"),
    }
}

/// Why not every directory is watched, with the remedy.
pub(super) fn explain(reason: &str, wanted: usize, held: usize) -> String {
    if held == 0 {
        return format!("{reason}; {wanted} directories are polled instead");
    }
    let limit = Limits::read().watches;
    format!(
        "{held} of {wanted} directories are watched and the rest is polled: the user's limit of inotify watches ({}) is used up ({reason}); allow more with: sudo sysctl fs.inotify.max_user_watches={}",
        limit.map_or_else(|| "it cannot be read".to_owned(), |n| n.to_string()),
        needed(limit.unwrap_or_default(), wanted - held),
    )
}

/// A limit that leaves room: what there is plus twice what is missing, rounded up to a power of two.
fn needed(limit: usize, missing: usize) -> usize {
    (limit + 2 * missing).next_power_of_two().max(65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_a_number_that_is_enough() {
        assert_eq!(needed(8_192, 100), 65_536);
        assert_eq!(needed(192_536, 40_000), 524_288);
        let text = explain("no space", 5_000, 1_000);
        assert!(text.contains("1000 of 5000"), "{text}");
        assert!(text.contains("sudo sysctl fs.inotify.max_user_watches="), "{text}");
    }

    #[test]
    fn an_exhausted_instance_limit_is_named_with_its_remedy() {
        let error = notify::Error::io(std::io::Error::from_raw_os_error(24));
        let text = explain_backend(&error);
        assert!(text.contains("sudo sysctl fs.inotify.max_user_instances="), "{text}");
    }
}
