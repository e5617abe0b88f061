//! Exit codes, and the one place where an error becomes text and an exit code.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::daemon::DaemonError;
use crate::daemon::lifecycle::LockError;
use crate::paths::PathsError;

use super::output::ReaderGone;

/// How a command ended. The numbers are part of the interface: scripts and unit files rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to do.
    Done = 0,
    /// It could not.
    Failed = 1,
    /// The command line, the environment or the configuration is wrong; trying again changes nothing.
    Usage = 2,
    /// The command needs the running daemon and there is none.
    NotRunning = 3,
    /// It works, and something waits for a person: a collection is halted, or there are conflicts.
    Attention = 4,
    /// There is no cache database that can be used.
    Database = 5,
    /// Another process serves this home.
    AnotherInstance = 6,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NotRunning,
        Self::Attention,
        Self::Database,
        Self::AnotherInstance,
    ];

    /// What the code means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "the command line, the environment or the configuration is wrong",
            Self::NotRunning => "the daemon is not running",
            Self::Attention => "something waits for a person: a collection is halted, or there are conflicts",
            Self::Database => "the database cannot be used",
            Self::AnotherInstance => "another instance serves this home",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table of codes, for the help text.
pub(super) fn table() -> String {
    Exit::ALL.iter().fold("Exit codes:\n".to_owned(), |mut text, exit| {
        let _ = writeln!(text, "  {}  {}", *exit as u8, exit.meaning());
        text
    })
}

/// An error that knows its exit code and what the person can do. Commands use it where the type of the error
/// below does not tell.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure that ends the process with `exit`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, source: None }
    }

    /// Adds what to do about it, as a sentence without its full stop.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error behind it.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Everything that is wrong with the configuration, as one error of many lines.
#[derive(Debug)]
pub(super) struct BadConfig(pub(super) Vec<ConfigError>);

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {}", one_line(error)))
    }
}

impl Error for BadConfig {}

/// An error and its causes on one line.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(line, ": {cause}");
        next = cause.source();
    }
    line
}

/// Prints `error` with its causes and a hint to standard error, and says how to exit.
pub(super) fn fold(error: &anyhow::Error) -> Exit {
    if reader_gone(error) {
        return Exit::Done;
    }
    let (exit, hint) = judge(error);
    // Nothing is left to be told if standard error is closed.
    let _ = io::stderr().lock().write_all(report(error, hint.as_deref()).as_bytes());
    exit
}

fn report(error: &anyhow::Error, hint: Option<&str>) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// The exit code and the hint of the first error in the chain that has any.
fn judge(error: &anyhow::Error) -> (Exit, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    error
        .chain()
        .find_map(|cause| {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                Some((failure.exit, failure.hint.clone()))
            } else if is_held(cause) {
                Some((Exit::AnotherInstance, hint("`skillmeatd status` asks the running one how it is")))
            } else if cause.is::<BadConfig>() {
                Some((Exit::Usage, hint("`skillmeatd config --help` lists every key and what it accepts")))
            } else if cause.is::<PathsError>() {
                Some((Exit::Usage, None))
            } else {
                None
            }
        })
        .unwrap_or((Exit::Failed, None))
}

/// Whether another instance holds the lock. [`DaemonError::Lock`] speaks with the lock's voice, so that the lock's own
/// error is no cause of its own.
fn is_held(cause: &(dyn Error + 'static)) -> bool {
    let lock = match cause.downcast_ref::<DaemonError>() {
        Some(DaemonError::Lock(lock)) => Some(lock),
        _ => cause.downcast_ref::<LockError>(),
    };
    matches!(lock, Some(LockError::Held { .. }))
}

fn reader_gone(error: &anyhow::Error) -> bool {
    let inner = |cause: &'_ (dyn Error + 'static)| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.and_then(|inner| inner.downcast_ref::<ReaderGone>()).is_some()
    };
    error.chain().any(inner)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context as _;

    use super::*;
    use crate::daemon::lifecycle::Holder;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        for (number, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(exit as usize, number);
            assert!(table().contains(&format!("\n  {number}  {}\n", exit.meaning())));
        }
    }

    #[test]
    fn an_error_is_told_once_with_its_causes_and_a_hint() {
        let failure = Failure::new(Exit::NotRunning, "the daemon does not answer")
            .hint("start it with `skillmeatd run`")
            .because(io::Error::other("no such socket"));
        let error = anyhow::Error::new(failure).context("cannot ask for the status");
        let (exit, hint) = judge(&error);
        assert_eq!(exit, Exit::NotRunning);
        assert_eq!(
            report(&error, hint.as_deref()),
            "error: cannot ask for the status\n  caused by: the daemon does not answer\n  caused by: no such \
             socket\nhint: start it with `skillmeatd run`\n"
        );
    }

    #[test]
    fn known_errors_have_their_codes() {
        let held =
            || LockError::Held { path: PathBuf::from("/l"), holder: Holder { pid: Some(7), since: None } };
        assert_eq!(judge(&anyhow::Error::new(held()).context("cannot start")).0, Exit::AnotherInstance);
        assert_eq!(judge(&DaemonError::Lock(held()).into()).0, Exit::AnotherInstance);
        assert_eq!(judge(&PathsError::EmptyHome.into()).0, Exit::Usage);
        assert_eq!(judge(&BadConfig(Vec::new()).into()).0, Exit::Usage);
        assert_eq!(judge(&anyhow::anyhow!("anything")), (Exit::Failed, None));
        let io = LockError::Io { path: PathBuf::from("/l"), source: io::Error::other("full") };
        assert_eq!(judge(&io.into()).0, Exit::Failed);
    }

    #[test]
    fn only_our_own_reader_may_go_unnoticed() {
        let output = Err::<(), _>(io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone)).context("printing");
        assert!(reader_gone(&output.unwrap_err()));
        let socket = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(!reader_gone(&socket));
    }
}
