//! Where a value comes from, and what can be wrong with it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The place a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is built in.
    Default,
    /// In a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// By this flag, dashes included.
    Flag(String),
}

impl Origin {
    /// The name of the layer, as the JSON output spells it: `default`, `file`, `variable` or `flag`.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "variable",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the configuration. The message begins with its place.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file exists, or was asked for, and cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{at}: {reason}")]
    Syntax {
        /// Where.
        at: Origin,
        /// What the parser said.
        reason: String,
    },
    /// There is no such key, section or variable.
    #[error("{at}: unknown {what} `{name}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// Where.
        at: Origin,
        /// `key`, `section` or `variable`.
        what: &'static str,
        /// What was written.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// The value does not fit the key.
    #[error("{at}: `{key}` {reason}")]
    Value {
        /// Where.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What is wrong, as the end of a sentence that begins with the key.
        reason: String,
    },
    /// A section was given a value.
    #[error("{at}: `{section}` is a section, not a key; its keys are {}", keys.join(", "))]
    Section {
        /// Where.
        at: Origin,
        /// The section.
        section: String,
        /// The full names of the keys in it.
        keys: Vec<&'static str>,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
