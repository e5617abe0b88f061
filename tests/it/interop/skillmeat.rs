//! SkillMeat's command line.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::venv;
use crate::child::{Finished, finish};
use crate::home::Home;

/// Longest a call may take; one takes four seconds on an idle machine, most of it Python's imports.
const CALL: Duration = Duration::from_secs(120);

/// Skips the question whether the person trusts the artifact.
const TRUST: &str = "--dangerously-skip-permissions";

/// SkillMeat's command line in one home.
pub(crate) struct SkillMeat<'h> {
    home: &'h Home,
    /// The backend whose refresh hook `add` calls, if any.
    hook: Option<SocketAddr>,
}

impl<'h> SkillMeat<'h> {
    /// A command line whose refresh hook reaches nobody.
    pub(crate) fn new(home: &'h Home) -> Self {
        Self { home, hook: None }
    }

    /// A command line whose refresh hook reaches the backend at `address`, as it does on a desktop.
    pub(crate) fn hooked(home: &'h Home, address: SocketAddr) -> Self {
        Self { home, hook: Some(address) }
    }

    /// The command, not started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(venv::bin().join("skillmeat"));
        environment(&mut command, self.hook);
        command.args(arguments);
        command
    }

    /// Runs to the end and insists on success.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments), "", CALL).succeeded()
    }

    /// Runs a Python `script` in SkillMeat's environment, and what it printed.
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = self.home.command(venv::bin().join("python"));
        environment(&mut command, self.hook);
        command.args(["-c", script]).args(arguments);
        finish(command, "", CALL).succeeded().stdout
    }

    /// Makes the cache database as SkillMeat makes it when its command line is first used.
    pub(crate) fn make_cache(&self) {
        // Without a collection it fails, after it has made the database.
        let list = finish(self.command(&["list"]), "", CALL);
        assert!(self.home.cache_db().exists(), "`skillmeat list` made no cache database: {list:?}");
    }

    /// `add KIND SOURCE`, with further options.
    pub(crate) fn add(&self, kind: &str, source: &Path, options: &[&str]) {
        let source = source.to_str().expect("a source path in UTF-8");
        self.run(&[&["add", kind, source, TRUST], options].concat());
    }

    /// `add KIND SOURCE`, not started; for several at once.
    pub(crate) fn adding(&self, kind: &str, source: &Path) -> Command {
        self.command(&["add", kind, source.to_str().expect("a source path in UTF-8"), TRUST])
    }

    /// `snapshot`, and the id it was given.
    pub(crate) fn snapshot(&self, collection: &str) -> String {
        self.run(&["snapshot", "--message", "before the test", "--collection", collection]);
        let list = self.home.skillmeat().join("snapshots").join(collection).join("snapshots.toml");
        let list: toml::Table = fs::read_to_string(list).expect("snapshots").parse().expect("TOML");
        let snapshots = list["snapshots"].as_array().expect("a list of snapshots");
        let last = snapshots.iter().rfind(|s| s["message"].as_str() == Some("before the test"));
        last.and_then(|s| s["id"].as_str()).expect("our snapshot").to_owned()
    }

    /// `rollback`. It asks even with `--yes`.
    pub(crate) fn rollback(&self, snapshot: &str) {
        finish(self.command(&["rollback", snapshot, "--yes"]), "y\ny\ny\n", CALL).succeeded();
    }
}

/// What every SkillMeat process of a test needs to know. The hook goes to `backend`, or to a port where nobody listens:
/// the default address may belong to somebody's real backend.
pub(crate) fn environment(command: &mut Command, backend: Option<SocketAddr>) {
    let url = backend.map_or_else(|| "http://127.0.0.1:9".to_owned(), |address| format!("http://{address}"));
    command
        .env("SKILLMEAT_API_URL", url)
        .env("PYTHONUNBUFFERED", "1")
        // SkillMeat asks GitHub for its rate limit on every start; the tests have no business out there.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1");
}
