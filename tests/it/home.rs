//! A private home directory for one test.
//!
//! What this module does not do: start anything. Commands made here see nothing of the developer's environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Set to keep every home after its test, to look around in it.
const KEEP: &str = "SKILLMEATD_TEST_KEEP";

/// `$HOME`, the XDG directories and `$TMPDIR`, all inside one temporary directory that goes away with the value.
pub(crate) struct Home {
    root: TempDir,
    /// Searched before the system's programs.
    bin: Option<PathBuf>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let mut root = tempfile::Builder::new().prefix("smd-").tempdir().expect("a temporary directory");
        root.disable_cleanup(std::env::var_os(KEEP).is_some());
        let home = Self { root, bin: None };
        // Short names: a Unix socket's path has to fit in about a hundred bytes.
        for directory in ["run", "state", "config", "cache", "tmp", "logs", "sources"] {
            fs::create_dir(home.path().join(directory)).expect("a directory in the new home");
        }
        // The daemon must refuse a runtime directory that others can enter.
        #[cfg(unix)]
        fs::set_permissions(home.path().join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("a private runtime directory");
        home
    }

    /// The same files below another home; for comparing what two programs make of them.
    pub(crate) fn duplicate(&self) -> Self {
        let other = Self { bin: self.bin.clone(), ..Self::new() };
        copy_tree(&self.skillmeat(), &other.skillmeat());
        other
    }

    /// Puts the directory `bin` in front of the system's programs for every command of this home.
    pub(crate) fn with_programs(mut self, bin: PathBuf) -> Self {
        self.bin = Some(bin);
        self
    }

    /// `$HOME`.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// `~/.skillmeat`.
    pub(crate) fn skillmeat(&self) -> PathBuf {
        self.path().join(".skillmeat")
    }

    /// The directory of the collection `name`.
    pub(crate) fn collection(&self, name: &str) -> PathBuf {
        self.skillmeat().join("collections").join(name)
    }

    /// The manifest of the collection `name`.
    pub(crate) fn manifest(&self, name: &str) -> PathBuf {
        self.collection(name).join("collection.toml")
    }

    /// SkillMeat's cache database.
    pub(crate) fn cache_db(&self) -> PathBuf {
        self.skillmeat().join("cache").join("cache.db")
    }

    /// Where the children's output goes.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// Writes `text` to `relative` below `$HOME`, making the directories on the way.
    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path().join(relative);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("its directory");
        fs::write(&path, text).expect("the file");
        path
    }

    /// The daemon's configuration file.
    pub(crate) fn configure(&self, toml: &str) {
        self.write("config/skillmeatd/config.toml", toml);
    }

    /// A command that sees this home and nothing else of the environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let at = |name: &str| self.path().join(name);
        let mut programs = self.bin.as_ref().map(|bin| bin.display().to_string() + ":").unwrap_or_default();
        programs.push_str("/usr/local/bin:/usr/bin:/bin");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", at("run"))
            .env("XDG_STATE_HOME", at("state"))
            .env("XDG_CONFIG_HOME", at("config"))
            .env("XDG_CACHE_HOME", at("cache"))
            .env("TMPDIR", at("tmp"))
            .env("PATH", programs)
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .current_dir(self.path());
        command
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's directory");
    for entry in fs::read_dir(from).expect("a directory to copy") {
        let entry = entry.expect("an entry to copy");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}

/// Asks `probe` again and again until it answers, and returns the answer. `Err` carries what was seen instead; the
/// last of it is shown when `deadline` has passed.
pub(crate) fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = match probe() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}\nlast seen: {seen}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}
