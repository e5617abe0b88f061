//! What a service manager needs to run the daemon: a systemd user unit, a launchd agent.
//!
//! Both are files of the repository (`systemd/`, `launchd/`), embedded here. [`Kind::text`] fills in where the program
//! is; the rest of the text is as shipped, comments included.
//!
//! What this module does not do: install, start or ask a service manager anything.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::paths::Platform;

const UNIT: &str = include_str!("../../systemd/skillmeatd.service");
const AGENT: &str = include_str!("../../launchd/skillmeatd.plist");

/// The unit's words for the place `cargo install` puts programs in.
const SHIPPED_PROGRAM: &str = "%h/.cargo/bin/skillmeatd";

/// Which service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// systemd, the manager of one user.
    Systemd,
    /// launchd, an agent of one user.
    Launchd,
}

/// Why there is no text for the service manager.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Both formats are text, and a control character would end a line or be refused.
    #[error("the path {0:?} cannot be written into a service file: it is not plain text")]
    Unwritable(PathBuf),
    /// systemd refuses such programs however they are written (`string_is_safe` in its sources).
    #[error(
        "systemd runs no program whose path holds a quote or a backslash, as {0:?} does; link to it from elsewhere"
    )]
    QuoteInProgram(PathBuf),
}

impl Kind {
    /// The service manager of this platform.
    #[must_use]
    pub const fn current() -> Self {
        match Platform::current() {
            Platform::Xdg => Self::Systemd,
            Platform::MacOs => Self::Launchd,
        }
    }

    /// The whole file that makes this service manager run `program` (an absolute path). `home` is the user's home
    /// directory; systemd knows it by itself.
    ///
    /// # Errors
    /// When a path holds control characters or is not UTF-8; for systemd, when the program's holds quotes or backslashes.
    pub fn text(self, program: &Path, home: &Path) -> Result<String, ServiceError> {
        Ok(match self {
            Self::Systemd => {
                let text = plain(program)?;
                if text.contains(['"', '\'', '\\']) {
                    return Err(ServiceError::QuoteInProgram(program.to_owned()));
                }
                UNIT.replace(SHIPPED_PROGRAM, &systemd_word(text))
            }
            Self::Launchd => AGENT
                .replace("@PROGRAM@", &xml_text(plain(program)?))
                .replace("@HOME@", &xml_text(plain(home)?)),
        })
    }
}

fn plain(path: &Path) -> Result<&str, ServiceError> {
    path.to_str()
        .filter(|text| !text.contains(char::is_control))
        .ok_or_else(|| ServiceError::Unwritable(path.to_owned()))
}

/// A path as the first word of `ExecStart=` (systemd.service(5), "COMMAND LINES"): quoted where it has to be, and with
/// no specifiers in it. Quotes and backslashes cannot occur. A dollar sign stands for itself there: the program's name takes no variables.
fn systemd_word(path: &str) -> String {
    let path = path.replace('%', "%%");
    let safe = |c: char| c.is_alphanumeric() || "/._-+%".contains(c);
    if path.chars().all(safe) {
        return path;
    }
    format!("\"{path}\"")
}

fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The name of the running program that outlives an upgrade: the way it was called, symbolic links kept, if that leads
/// to `running` (what the system says is running). A package manager points such a link at each new version in turn.
///
/// `called` is the process's first argument, `search` is `$PATH`, `directory` the working directory.
#[must_use]
pub fn lasting_name(running: &Path, called: &OsStr, search: Option<&OsStr>, directory: &Path) -> PathBuf {
    let identity = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
    let called = Path::new(called);
    let candidates: Vec<PathBuf> = if called.components().count() > 1 {
        vec![directory.join(called)]
    } else {
        search
            .map(|search| std::env::split_paths(search).map(|dir| dir.join(called)).collect())
            .unwrap_or_default()
    };
    let same =
        |path: &PathBuf| path.is_absolute() && identity(path).is_some_and(|it| Some(it) == identity(running));
    // Without `.` and with no `..`: a way through a directory that may go is no lasting one.
    let straight = |path: PathBuf| {
        let path: PathBuf = path.components().collect();
        (!path.components().any(|part| part == std::path::Component::ParentDir)).then_some(path)
    };
    candidates.into_iter().find(same).and_then(straight).unwrap_or_else(|| running.to_owned())
}

#[cfg(test)]
mod tests;
