//! Which SkillMeat is installed, with which Python and which SQLite, and where its backend is sent to another database.
//!
//! What this module does not do: run SkillMeat. Its Python is started once, to name versions.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::processes;
use crate::config::Config;
use crate::domain::checkup::database::{self, URL_VARIABLES};

/// A Python on a cold disk takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// SkillMeat, installed.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub(super) program: String,
    pub(super) version: String,
}

/// The Python that runs it.
#[derive(Debug, Clone)]
pub(super) struct Python {
    pub(super) version: String,
    pub(super) sqlite: String,
}

/// What is installed, or why it is not known.
pub(super) async fn look(config: &Config) -> (Result<Installed, String>, Result<Python, String>) {
    let Some(program) = config.database.skillmeat.clone().or_else(on_path) else {
        let why = "there is no `skillmeat` on PATH; database.skillmeat can name one".to_owned();
        return (Err(why.clone()), Err(why));
    };
    match ask(&program).await {
        Ok((version, python)) => {
            (Ok(Installed { program: program.display().to_string(), version }), Ok(python))
        }
        Err(why) => (Err(why.clone()), Err(why)),
    }
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("skillmeat")).find(|program| program.is_file())
}

const SCRIPT: &str = "import platform, sqlite3
from importlib.metadata import version
print(version('skillmeat'), platform.python_version(), sqlite3.sqlite_version)";

async fn ask(program: &Path) -> Result<(String, Python), String> {
    let at = program.display();
    let mut head = Vec::new();
    let read = File::open(program).and_then(|file| file.take(4_096).read_to_end(&mut head));
    read.map_err(|error| format!("{at} cannot be read: {error}"))?;
    let (python, arguments) = interpreter(&String::from_utf8_lossy(&head))
        .ok_or_else(|| format!("{at} does not say which Python runs it"))?;
    let mut command = Command::new(&python);
    command
        .args(arguments)
        .args(["-c", SCRIPT])
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{python} did not answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("{python} cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [skillmeat, version, sqlite] => {
            let python = Python { version: (*version).to_owned(), sqlite: (*sqlite).to_owned() };
            Ok(((*skillmeat).to_owned(), python))
        }
        _ => Err(format!("{python}, which runs {at}, does not know SkillMeat")),
    }
}

/// The interpreter of a script that an installer made. Where its path is long or holds a space, the script begins as a
/// shell script that starts it (`distlib.scripts.ScriptMaker._build_shebang`).
fn interpreter(script: &str) -> Option<(String, Vec<String>)> {
    let mut lines = script.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    if first == "/bin/sh" {
        let quoted = lines.next()?.strip_prefix("'''exec' ")?;
        let program = match quoted.strip_prefix('"') {
            Some(rest) => rest.split('"').next()?,
            None => quoted.split(' ').next()?,
        };
        return Some((program.to_owned(), Vec::new()));
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let program = words.next()?;
    let arguments: Vec<String> = words.collect();
    let named = arguments.last().unwrap_or(&program);
    // A shell script around it: whatever that does, it would not understand a script of Python's.
    named.contains("python").then_some((program, arguments))
}

/// Where a variable sends SkillMeat's backend to a database other than the cache: this environment, the user manager's
/// as far as the daemon has it, and those of running SkillMeat processes of this home. Never the value: it may hold a password.
pub(super) fn leads_elsewhere(home: &Path, daemon: Option<u32>) -> Vec<String> {
    let mut places = Vec::new();
    for name in URL_VARIABLES {
        if std::env::var(name).is_ok_and(|value| database::leads_elsewhere(&value)) {
            places.push(format!("this environment ({name})"));
        }
    }
    for process in processes::of_this_user() {
        let ours = Some(process.pid) == daemon;
        let backend = process.is_called_with("skillmeat") && !process.is_called_with("skillmeatd");
        let of_this_home = process.variable("HOME").is_some_and(|of| Path::new(&of) == home);
        if !(ours || (backend && of_this_home)) {
            continue;
        }
        for name in URL_VARIABLES {
            if process.variable(name).is_some_and(|value| database::leads_elsewhere(&value)) {
                places.push(format!("the environment of {} (pid {}, {name})", process.name(), process.pid));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_every_kind_of_script() {
        let check = |script: &str, expected: Option<&str>| {
            let found =
                interpreter(script).map(|(program, arguments)| [vec![program], arguments].concat().join(" "));
            assert_eq!(found.as_deref(), expected, "{script}");
        };
        check("#!/home/u/venv/bin/python3\n# -*- coding: utf-8 -*-", Some("/home/u/venv/bin/python3"));
        check("#!/usr/bin/env python3\nimport re", Some("/usr/bin/env python3"));
        check("#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''", Some("/a b/bin/python"));
        check("#!/bin/sh\n'''exec' /long/bin/python \"$0\" \"$@\"\n' '''", Some("/long/bin/python"));
        check("#!/bin/sh\nexec something", None);
        check("#!/bin/bash\n", None);
        check("\u{7f}ELF", None);
    }
}
