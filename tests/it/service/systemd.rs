//! A systemd user manager of a test's own: private home, private runtime directory, private control group.
//!
//! What this module does not do: touch the manager of the person who runs the tests, or any process but its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::not_tested;
use crate::child::{Finished, Running, finish};
use crate::home::{Home, eventually};

const SYSTEMD: [&str; 2] = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"];

/// sd_booted(3): `systemctl` and the manager itself take a system without this directory for one without systemd.
const BOOTED: &str = "/run/systemd/system";

const CGROUPS: &str = "/sys/fs/cgroup";

/// Longest one `systemctl` call may take.
const CALL: Duration = Duration::from_secs(90);

/// The manager. Dropping it stops it with everything it runs.
pub(super) struct UserManager {
    running: Running,
    home: Arc<Home>,
    /// Removed last: it has to be empty.
    _group: Group,
}

impl UserManager {
    /// Starts one that serves `home`; says why and returns nothing where that cannot be done.
    pub(super) fn start(home: &Arc<Home>) -> Option<Self> {
        let what = "under a systemd user manager";
        let Some(systemd) = SYSTEMD.iter().find(|path| Path::new(path).exists()) else {
            not_tested(what, "there is no systemd");
            return None;
        };
        if let Err(error) = fs::create_dir_all(BOOTED) {
            not_tested(what, &format!("{BOOTED} cannot be made: {error}"));
            return None;
        }
        let group = match Group::make() {
            Ok(group) => group,
            Err(why) => {
                not_tested(what, &why);
                return None;
            }
        };
        let mut command = home.command("/bin/sh");
        command.arg("-c").arg(
            "systemd=$1; shift; for group; do echo $$ >\"$group/cgroup.procs\" || exit 9; done; exec \"$systemd\" --user",
        );
        command.arg("sh").arg(systemd).args(&group.joined);
        let running = Running::spawn("systemd", command, &home.logs());
        let mut manager = Self { running, home: Arc::clone(home), _group: group };
        eventually(CALL, "the user manager answers", || {
            if let Some(status) = manager.running.exited() {
                panic!("the user manager ended at once: {status}");
            }
            let state = manager.call(&["is-system-running"]);
            if state.stdout.trim() == "running" { Ok(()) } else { Err(format!("{state:?}")) }
        });
        Some(manager)
    }

    /// `systemctl --user` with these arguments, to its end.
    pub(super) fn call(&self, arguments: &[&str]) -> Finished {
        let mut command = self.home.command("systemctl");
        command.arg("--user").args(arguments);
        finish(command, "", CALL)
    }

    /// Puts the unit where a person would, and makes the manager read it.
    pub(super) fn install(&self, unit: &str) {
        self.home.write("config/systemd/user/skillmeatd.service", unit);
        self.call(&["daemon-reload"]).succeeded();
    }

    /// Changes the service as a person would, with a file of one's own.
    pub(super) fn override_with(&self, text: &str) {
        self.home.write("config/systemd/user/skillmeatd.service.d/test.conf", text);
        self.call(&["daemon-reload"]).succeeded();
    }

    /// The processes in the service's control group.
    pub(super) fn processes(&self) -> Vec<u32> {
        let group = self.property("ControlGroup");
        let hierarchies = [format!("{CGROUPS}/systemd{group}"), format!("{CGROUPS}{group}")];
        let listed =
            hierarchies.iter().find_map(|path| fs::read_to_string(format!("{path}/cgroup.procs")).ok());
        listed.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// One property of the service.
    pub(super) fn property(&self, name: &str) -> String {
        let shown = self.call(&["show", "--value", "--property", name, "skillmeatd"]).succeeded();
        shown.stdout.trim_end().to_owned()
    }
}

/// A control group of its own. Without it a manager that is started in the root group takes over that group and moves
/// every process in it, and two managers would share the groups of their services.
struct Group {
    name: String,
    /// Its directory in each hierarchy that systemd tracks processes by.
    joined: Vec<PathBuf>,
}

impl Group {
    fn make() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut group =
            Self { name: format!("skillmeatd-test-{}-{number}", std::process::id()), joined: Vec::new() };
        // Version 1 and both at once (cgroups(7)): named hierarchies. Version 2 alone: the mount point itself.
        let named = ["systemd", "unified"].map(|name| Path::new(CGROUPS).join(name));
        let mut hierarchies: Vec<_> = named.into_iter().filter(|path| path.exists()).collect();
        if hierarchies.is_empty() {
            hierarchies.push(CGROUPS.into());
        }
        for hierarchy in hierarchies {
            let path = hierarchy.join(&group.name);
            fs::create_dir(&path).map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
            if !path.join("cgroup.procs").exists() {
                let _ = fs::remove_dir(&path);
                return Err(format!("{} holds no control groups", hierarchy.display()));
            }
            group.joined.push(path);
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // systemd makes the group anew in every version 1 hierarchy that a unit's limits need.
        let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain([CGROUPS.into()]) {
            let path = hierarchy.join(&self.name);
            if path.exists() {
                // Only directories can be removed there, and only empty ones; the last process may just be going.
                eventually(CALL, "the test's control group is empty", || {
                    remove(&path).map_err(|error| format!("{}: {error}", path.display()))
                });
            }
        }
    }
}

fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
