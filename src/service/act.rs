//! Taking the steps of a plan.
//!
//! What this module does not do: start the service; whoever asked wants to watch that.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::call::Program;
use super::plan::{Act, Failing};

/// How often what comes too early is tried, and the pause between: for as long as an old process may take to end.
const TRIES: u32 = 80;
const PAUSE: Duration = Duration::from_millis(500);

/// Longest a program may take for a step: a service that is stopped may finish what it has in hand.
const STEP: Duration = Duration::from_mins(5);

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A file or directory could not be changed.
    #[error("cannot {does} {path}", path = path.display())]
    File {
        /// What was to be done.
        does: &'static str,
        /// With this.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run `{line}`")]
    Start {
        /// The command line.
        line: String,
        /// Why not.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{line}` failed: {complaint}")]
    Failed {
        /// The command line.
        line: String,
        /// What it said.
        complaint: String,
    },
}

impl Act {
    /// The step in a sentence that begins with a verb: `write …`, `run …`.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Write { path, .. } => format!("write {}", path.display()),
            Self::Aside { from, to } => format!("keep {} as {}", from.display(), to.display()),
            Self::Remove(path) => format!("remove {}", path.display()),
            Self::RemoveEmpty(directories) => {
                let names: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
                format!("remove what was made for it, if empty: {}", names.join(", "))
            }
            Self::Restore(path) => format!("leave {} as it was", path.display()),
            Self::Run { program, arguments, .. } => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                format!("run {}", program.line(&arguments))
            }
            Self::Start { again: false } => "start the service, and wait until it is ready".to_owned(),
            Self::Start { again: true } => "start the service anew, and wait until it is ready".to_owned(),
        }
    }

    /// Take the step. [`Act::Start`] is left to the caller.
    ///
    /// # Errors
    /// See [`ActError`].
    pub fn take(&self) -> Result<(), ActError> {
        match self {
            Self::Write { path, text } => write(path, text).map_err(at("write", path)),
            Self::Aside { from, to } => fs::rename(from, to).map_err(at("rename", from)),
            Self::Remove(path) => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
                _ => Ok(()),
            },
            Self::RemoveEmpty(directories) => {
                // One that is not empty, or gone, ends it, and is no failure.
                let _ = directories.iter().try_for_each(|directory| match fs::remove_dir(directory) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    result => result,
                });
                Ok(())
            }
            Self::Restore(path) => {
                if path.parent().is_some_and(Path::is_dir) {
                    fs::create_dir_all(path).map_err(at("make", path))?;
                }
                Ok(())
            }
            Self::Run { program, arguments, failing } => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                run(program, &arguments, *failing)
            }
            Self::Start { .. } => Ok(()),
        }
    }
}

fn run(program: &Program, arguments: &[&str], failing: Failing) -> Result<(), ActError> {
    let line = program.line(arguments);
    let mut tries = if failing == Failing::IsTooEarly { TRIES } else { 1 };
    loop {
        tries -= 1;
        match program.call_within(arguments, STEP) {
            Ok(said) if said.ok || failing == Failing::IsNothing => return Ok(()),
            Ok(said) if tries == 0 => return Err(ActError::Failed { line, complaint: said.complaint() }),
            Ok(_) => std::thread::sleep(PAUSE),
            Err(source) => return Err(ActError::Start { line, source }),
        }
    }
}

fn at(does: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ActError {
    move |source| ActError::File { does, path: path.to_owned(), source }
}

/// Whole or not at all, and never through a link.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = directory.join(name);
    let written = fs::OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
