//! The stage of a fault: a home of skills, the daemon, and what a person or a program does to the files.
//!
//! What this module does not do: judge. See [`super::oracle`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::oracle;
use crate::child::Finished;
use crate::daemon::{Daemon, call};
use crate::home::{Home, eventually};

/// Longest anything may take to be seen. What it normally takes is milliseconds; the machine may be busy.
pub(crate) const SEEN: Duration = Duration::from_secs(30);

/// No SkillMeat is at hand, so the daemon makes the database.
const SETTINGS: &str = "database.create = \"standalone\"\n";

/// A home and the daemon that serves it.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) home: Arc<Home>,
}

impl Scene {
    /// A collection `default` of these skills, already in the database.
    pub(crate) fn of(skills: &[&str], settings: &str) -> Self {
        Self::open(home(skills, settings))
    }

    /// Starts the daemon and waits until it has done its first work.
    pub(crate) fn open(home: Arc<Home>) -> Self {
        let daemon = Daemon::start(&home);
        let scene = Self { daemon, home };
        scene.settled("the first look");
        scene
    }

    /// The daemon's command line, to its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Finished {
        call(&self.home, arguments)
    }

    pub(crate) fn status(&self) -> Value {
        self.daemon.status().expect("an answer")
    }

    /// What `problems --json` lists.
    pub(crate) fn problems(&self) -> Vec<Value> {
        let answer = self.call(&["problems", "--json"]);
        let problems: Value = serde_json::from_str(&answer.stdout).expect("JSON");
        problems["problems"].as_array().expect("a list").clone()
    }

    /// Number of the last reconcile.
    pub(crate) fn revision(&self) -> u64 {
        self.status()["last_reconcile"]["revision"].as_u64().unwrap_or_default()
    }

    /// Waits until the rows say what the manifests and files say.
    pub(crate) fn equal(&self, after: &str) {
        eventually(SEEN, &format!("the rows show {after}"), || oracle::difference(&self.home));
    }

    /// [`Self::equal`], and the daemon says that all is well.
    pub(crate) fn settled(&self, after: &str) {
        self.equal(after);
        self.in_state("watching", after);
        // The rows may be equal before the last problem is over: a file that changed while it was read is read again.
        eventually(SEEN, &format!("no problem is left after {after}"), || {
            let problems = self.problems();
            if problems.is_empty() { Ok(()) } else { Err(format!("{problems:?}")) }
        });
    }

    /// Waits until `status` says `state`.
    pub(crate) fn in_state(&self, state: &str, after: &str) -> Value {
        eventually(SEEN, &format!("the state is {state} after {after}"), || {
            let status = self.daemon.status()?;
            if status["state"] == state { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// The description in the row of `skill:<name>`; empty if there is none.
    pub(crate) fn description(&self, name: &str) -> String {
        let row = oracle::row(&self.home, &format!("skill:{name}"));
        row.ok().flatten().and_then(|row| Some(row["description"].as_str()?.to_owned())).unwrap_or_default()
    }

    /// Waits until that is `text`.
    pub(crate) fn described(&self, name: &str, text: &str) {
        eventually(SEEN, &format!("the row of {name} says {text:?}"), || {
            let description = self.description(name);
            if description == text { Ok(()) } else { Err(description) }
        });
    }
}

/// A home with a collection `default` of these skills, and no daemon.
pub(crate) fn home(skills: &[&str], settings: &str) -> Arc<Home> {
    let home = Arc::new(Home::new());
    home.configure(&format!("{SETTINGS}{settings}"));
    collection(&home, "default", skills);
    home
}

/// Writes a collection: files first, then the manifest, as SkillMeat does.
pub(crate) fn collection(home: &Home, collection: &str, skills: &[&str]) {
    for skill in skills {
        write_skill(&home.collection(collection), skill, &first_words(skill));
    }
    let entries: Vec<String> = skills.iter().map(|skill| entry(skill, &first_words(skill))).collect();
    save(&home.manifest(collection), &manifest(collection, &entries));
}

/// What a skill's description is when it is made.
pub(crate) fn first_words(skill: &str) -> String {
    format!("Use when {skill} is new")
}

/// Writes `skills/<name>` below `root`: an entry file and a script.
pub(crate) fn write_skill(root: &Path, name: &str, description: &str) -> PathBuf {
    let directory = root.join("skills").join(name);
    fs::create_dir_all(directory.join("scripts")).expect("a skill's directories");
    fs::write(directory.join("SKILL.md"), entry_file(name, description)).expect("its entry file");
    fs::write(directory.join("scripts/run.py"), format!("# {name}\n")).expect("its script");
    directory
}

/// The text of a `SKILL.md`.
pub(crate) fn entry_file(name: &str, description: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\n# {name}\n\nText.\n")
}

/// An entry as SkillMeat writes it.
pub(crate) fn entry(name: &str, description: &str) -> String {
    format!(
        "\n[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"local\"\n\
         added = \"2026-01-01T00:00:00.000123\"\ntags = [\n    \"first\",\n    \"{name}\",\n]\n\n\
         [artifacts.metadata]\ndescription = \"{description}\"\nversion = \"1.0.0\"\n"
    )
}

/// A manifest of these entries.
pub(crate) fn manifest(collection: &str, entries: &[String]) -> String {
    let none = if entries.is_empty() { "artifacts = []\n\n" } else { "" };
    format!(
        "{none}[collection]\nname = \"{collection}\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T00:00:00\"\n{}",
        entries.concat()
    )
}

/// Replaces a file as SkillMeat does (`skillmeat.utils.filesystem.atomic_write`).
pub(crate) fn save(path: &Path, text: &str) {
    let directory = path.parent().expect("a directory");
    fs::create_dir_all(directory).expect("the directory");
    let name = path.file_name().expect("a name").to_str().expect("UTF-8");
    let temporary = directory.join(format!(".{name}.a1b2c3d4.tmp"));
    fs::write(&temporary, text).expect("the temporary file");
    fs::rename(&temporary, path).expect("the rename");
}

/// Reads a file that is there.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
