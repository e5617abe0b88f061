//! The usual stage: a home with SkillMeat's cache, the daemon and the web backend running side by side.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::api::Api;
use super::judge;
use super::skillmeat::SkillMeat;
use crate::daemon::Daemon;
use crate::home::{Home, eventually};

/// Longest a change may take to be seen. It covers the five seconds an absence has to last before it counts, and a
/// machine that is busy with other tests; how long it really takes is what `latency` prints.
pub(crate) const SEEN: Duration = Duration::from_secs(30);

/// SkillMeat's processes are heavy: so many stages at a time, whatever the number of test threads.
static SEATS: Seats = Seats { free: Mutex::new(2), freed: Condvar::new() };

struct Seats {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run SkillMeat, until dropped.
pub(crate) struct Seat(());

impl Seat {
    pub(crate) fn take() -> Self {
        let mut free = SEATS.lock();
        while *free == 0 {
            free = SEATS.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Self(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *SEATS.lock() += 1;
        SEATS.freed.notify_one();
    }
}

/// A home, the daemon and the backend. Fields are dropped, and so stopped, in this order.
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) daemon: Daemon,
    pub(crate) home: Arc<Home>,
    _seat: Seat,
}

impl Stage {
    /// An empty home whose cache SkillMeat's command line has made; then the daemon, then the backend.
    pub(crate) fn open() -> Self {
        Self::after(&[])
    }

    /// The same with a collection `default`.
    pub(crate) fn with_collection() -> Self {
        Self::after(&["init", "--name", "default"])
    }

    /// The same after one call of SkillMeat's command line, if any.
    fn after(call: &[&str]) -> Self {
        let seat = Seat::take();
        let home = Arc::new(Home::new());
        let skillmeat = SkillMeat::new(&home);
        if !call.is_empty() {
            skillmeat.run(call);
        }
        skillmeat.make_cache();
        let daemon = Daemon::start(&home);
        let api = Api::start(&home);
        Self { api, daemon, home, _seat: seat }
    }

    /// SkillMeat's command line, whose refresh hook reaches nobody: what is seen is the daemon's doing.
    pub(crate) fn cli(&self) -> SkillMeat<'_> {
        SkillMeat::new(&self.home)
    }

    /// A file to add an artifact from, with frontmatter and a body.
    pub(crate) fn source(&self, relative: &str, frontmatter: &str) -> PathBuf {
        self.home.write(&format!("sources/{relative}"), &format!("---\n{frontmatter}---\n# Text\n\nBody.\n"))
    }

    /// A directory to add a skill from.
    pub(crate) fn skill(&self, name: &str, frontmatter: &str) -> PathBuf {
        let entry = self.source(&format!("{name}/SKILL.md"), frontmatter);
        entry.parent().expect("a skill's directory").to_owned()
    }

    /// Waits until the page and the rows say exactly what the manifests say. Nobody asks anybody to refresh.
    pub(crate) fn seen(&self, after: &str) {
        eventually(SEEN, &format!("the pages show {after}"), || {
            judge::compare(&judge::expected_page(&self.home), &judge::page(&self.api)?)
        });
        eventually(SEEN, &format!("the rows show {after}"), || {
            judge::compare(&judge::expected_rows(&self.home), &judge::rows(&self.home)?)
        });
    }

    /// [`Self::seen`] at once, again after the backend was restarted, and again after its own cache refresh: both write
    /// over columns of ours.
    pub(crate) fn settled(&mut self, after: &str) {
        self.seen(after);
        self.api.restart();
        self.seen(&format!("{after}, after a restart of the backend"));
        self.api.change("POST", "/user-collections/refresh-cache", None);
        self.seen(&format!("{after}, after a cache refresh"));
        self.healthy();
    }

    /// Waits until the daemon itself says that all is well.
    pub(crate) fn healthy(&self) {
        eventually(SEEN, "the daemon has nothing to report", || {
            let status = self.daemon.status()?;
            let quiet = status["state"] == "watching"
                && status["problems"] == 0
                && status["halts"].as_array().is_some_and(Vec::is_empty);
            if quiet { Ok(()) } else { Err(format!("{status}\n{}", self.daemon.problems())) }
        });
    }

    /// The ids the manifests name now.
    pub(crate) fn ids(&self) -> Vec<String> {
        judge::expected_page(&self.home).into_keys().collect()
    }
}
