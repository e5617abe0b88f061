//! Watches: whether every directory has one, and whether the system has more to give.
//!
//! What this module does not do: ask the daemon how many it thinks it has; the facts here are the kernel's.

use super::{Finding, count, some};

/// What the kernel says about watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watches {
    /// Directories that a watcher of this home needs.
    pub needed: usize,
    /// Of these, those the running daemon has no watch on; `None` when there is no daemon or it cannot be told.
    pub unwatched: Option<Vec<String>>,
    /// `fs.inotify.max_user_watches`.
    pub limit: Option<usize>,
    /// Watches in use by this user's processes, as far as they can be seen: name, process id, number; most first.
    pub users: Vec<(String, u32, usize)>,
    /// The process id of the running daemon.
    pub daemon: Option<u32>,
}

/// What the running daemon says about how it notices changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether by events alone.
    pub by_events: bool,
    /// Why not, with the remedy.
    pub shortfall: Option<String>,
    /// Directories that should be watched, and those that are.
    pub wanted: usize,
    /// See `wanted`.
    pub held: usize,
    /// How often events were lost since its start.
    pub lost: u64,
}

/// Judge how changes to files are noticed; `told` is the daemon's own word, if it runs.
#[must_use]
pub fn watching(kernel: &Watches, told: Option<&Told>) -> Vec<Finding> {
    const CHECK: &str = "watching";
    let Some(told) = told else {
        return vec![Finding::skip(CHECK, "no daemon runs, so nothing is watched")];
    };
    let mut findings = Vec::new();
    if !told.by_events {
        let (found, fix) = match &told.shortfall {
            // The remedy is the last part of the daemon's sentence.
            Some(shortfall) => match shortfall.rsplit_once("; allow more with: ") {
                Some((found, fix)) => (found.to_owned(), fix.to_owned()),
                None => (shortfall.clone(), "set watch.mode = \"auto\" if that was not meant".to_owned()),
            },
            None => ("files are polled".to_owned(), "set watch.mode = \"auto\"".to_owned()),
        };
        findings.push(Finding::warn(CHECK, format!("changes are noticed late: {found}"), fix));
    } else if told.held < told.wanted {
        findings.push(Finding::fail(
            CHECK,
            format!("only {} of {} directories are watched", told.held, told.wanted),
            "restart the daemon",
        ));
    } else if let Some(unwatched) = kernel.unwatched.as_ref().filter(|unwatched| !unwatched.is_empty()) {
        findings.push(Finding::fail(
            CHECK,
            format!(
                "the kernel has no watch of the daemon's on {}: {}",
                count(unwatched.len(), "directory"),
                some(unwatched)
            ),
            "restart the daemon",
        ));
    }
    if findings.is_empty() {
        let lost = if told.lost == 0 {
            String::new()
        } else {
            format!("; events were lost {} times and made up for", told.lost)
        };
        findings.push(Finding::ok(CHECK, format!("{} directories by events{lost}", told.held)));
    }
    findings
}

/// Judge what the system has to give.
#[must_use]
pub fn table(kernel: &Watches) -> Finding {
    const CHECK: &str = "watch limit";
    let Some(limit) = kernel.limit else {
        return Finding::skip(CHECK, "this system does not say how many directories may be watched");
    };
    let used: usize = kernel.users.iter().map(|(_, _, number)| number).sum();
    let ours: usize = kernel
        .users
        .iter()
        .filter(|(_, pid, _)| Some(*pid) == kernel.daemon)
        .map(|(_, _, number)| number)
        .sum();
    let missing = kernel.needed.saturating_sub(ours);
    let total = used + missing;
    let biggest: Vec<String> = kernel
        .users
        .iter()
        .filter(|(_, pid, _)| Some(*pid) != kernel.daemon)
        .map(|(name, pid, number)| format!("{name} (pid {pid}) has {number}"))
        .collect();
    let who = if biggest.is_empty() { String::new() } else { format!("; {}", some(&biggest)) };
    let fix =
        format!("sudo sysctl fs.inotify.max_user_watches={}", (2 * total).next_power_of_two().max(65_536));
    if total > limit {
        Finding::fail(CHECK, format!("{total} watches are needed and the limit is {limit}{who}"), fix)
    } else if total > limit - limit / 10 {
        Finding::warn(CHECK, format!("{total} of {limit} watches are in use or needed{who}"), fix)
    } else {
        Finding::ok(CHECK, format!("{total} of {limit} watches in use or needed"))
    }
}
