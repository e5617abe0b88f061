//! How much memory and how many tasks the kernel lets a service have: a unit's limits hold only where its user manager
//! was given the control groups for them.
//!
//! What this module does not do: look at the limits of a session or of all services, which hold for others too.

use std::fs;
use std::path::Path;

const HIERARCHIES: &str = "/sys/fs/cgroup";

/// The limits of a service's own group; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
}

/// Those of the process `pid` (proc(5), `/proc/pid/cgroup`) as the unit of this name, which a group of its own is called by.
#[must_use]
pub fn limits(pid: u32, unit: &str) -> Limits {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    of_groups(&groups, unit, Path::new(HIERARCHIES))
}

/// A line is `number:controllers:/group`: no controllers in version 2 of control groups, one or more and a hierarchy of
/// their own in version 1. Both may be there at once (cgroups(7)).
fn of_groups(groups: &str, unit: &str, hierarchies: &Path) -> Limits {
    let mut limits = Limits::default();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let group = group.trim_start_matches('/');
        if !Path::new(group).ends_with(unit) {
            continue;
        }
        let read = |hierarchy: &str, file: &str| {
            let text = fs::read_to_string(hierarchies.join(hierarchy).join(group).join(file)).ok()?;
            // `max` in words, or version 1's largest multiple of a page.
            text.trim().parse().ok().filter(|limit| *limit < 1 << 62)
        };
        for controller in controllers.split(',') {
            match controller {
                "" => {
                    limits.memory = limits.memory.or_else(|| read("", "memory.max"));
                    limits.tasks = limits.tasks.or_else(|| read("", "pids.max"));
                }
                "memory" => {
                    limits.memory = limits.memory.or_else(|| read(controllers, "memory.limit_in_bytes"));
                }
                "pids" => limits.tasks = limits.tasks.or_else(|| read(controllers, "pids.max")),
                _ => {}
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let read = |groups: &str| of_groups(groups, "s.service", root.path());
        let both = Limits { memory: Some(1 << 30), tasks: Some(64) };
        write("user.slice/s.service/memory.max", "1073741824\n");
        write("user.slice/s.service/pids.max", "64\n");
        assert_eq!(read("0::/user.slice/s.service\n"), both);
        write("free/s.service/memory.max", "max\n");
        write("free/s.service/pids.max", "max\n");
        assert_eq!(read("0::/free/s.service\n"), Limits::default());
        assert_eq!(read("0::/not/there/s.service\n"), Limits::default());
        write("memory/s.service/memory.limit_in_bytes", "1073741824\n");
        write("memory/free/s.service/memory.limit_in_bytes", "9223372036854771712\n");
        write("pids/s.service/pids.max", "64\n");
        let version_1 =
            "9:name=systemd:/s.service\n8:pids:/s.service\n4:memory:/s.service\n1:cpu:/\n0::/s.service\n";
        assert_eq!(read(version_1), both);
        assert_eq!(read("4:memory:/free/s.service\n8:pids:/\n"), Limits::default());
        // A limit of all services is none of this one's own.
        write("pids/user.slice/pids.max", "4915\n");
        assert_eq!(read("8:pids:/user.slice\n"), Limits::default());
        assert_eq!(read("no line of that kind"), Limits::default());
    }
}
