//! One instance per home, and the signals that end or refresh it.
//!
//! What this module does not do: know the runtime, or do anything about a signal beyond handing it over. The
//! lock is the kernel's (flock(2)): it goes when its holder goes, however that was, so there is no stale
//! lock to detect and the text in the file is for people only.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use chrono::{Local, SecondsFormat};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::paths::{PrivateDirError, create_private};

/// Why this process is not the one that serves the home.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process is.
    #[error("another skillmeatd serves this home: {holder} holds {path}", path = path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who it says holds it.
        holder: Holder,
    },
    /// The directory of the lock file cannot be had.
    #[error("there is no place for the lock file")]
    Directory(#[from] PrivateDirError),
    /// The lock file cannot be opened, locked or written.
    #[error("cannot lock {path}", path = path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Who holds a lock, as far as the file tells: the holder writes it just after it has the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// When it took the lock, RFC 3339 with the local offset.
    pub since: Option<String>,
}

impl Holder {
    fn parse(text: &str) -> Self {
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Self {
            pid: field("pid ").and_then(|pid| pid.parse().ok()),
            since: field("since ").map(str::to_owned),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.since) {
            (Some(pid), Some(since)) => write!(f, "pid {pid} (since {since})"),
            (Some(pid), None) => write!(f, "pid {pid}"),
            (None, _) => f.write_str("a process that is just starting"),
        }
    }
}

/// The right to serve a home, for as long as the value lives.
#[derive(Debug)]
pub struct InstanceLock {
    /// Never unlinked: a file that is removed while locked lets two processes lock two files of one name.
    file: File,
}

impl InstanceLock {
    /// Takes the lock at `path` (see [`crate::paths::Paths::lock`]), without waiting. The directory is made if missing.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process, or another value in this one, has it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let fail = |source: io::Error| LockError::Io { path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            create_private(dir)?;
        }
        // Not truncated here: until the lock is ours the text belongs to the holder.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // A message without the holder's name is better than another error.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held { path: path.to_owned(), holder: Holder::parse(&text) });
            }
            Err(errno) => return Err(fail(errno.into())),
        }
        let text = format!(
            "pid {}\nsince {}\n",
            std::process::id(),
            Local::now().to_rfc3339_opts(SecondsFormat::Secs, false)
        );
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(fail)?;
        Ok(Self { file })
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // The text would name a process that is gone. Still locked, so nobody else's text can be hit.
        let _ = self.file.set_len(0);
        // Closing would not do while a child that is just being started still has a copy of the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// What the outside asks of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Finish what is in hand and end (SIGTERM, SIGINT).
    Terminate,
    /// Read the configuration again (SIGHUP).
    Reload,
}

/// The thread that hands signals over; ends when dropped.
#[derive(Debug)]
pub struct SignalThread {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Calls `deliver` on a thread of its own for each signal. Signals of one kind that arrive faster than
/// `deliver` returns may be merged.
///
/// A second SIGTERM or SIGINT ends the process at once, by that signal, from within the signal handler: it
/// works even when `deliver` or the daemon hangs. That stays so after the returned value is dropped.
///
/// # Errors
/// When the handlers or the thread cannot be had.
pub fn signals(mut deliver: impl FnMut(Signal) + Send + 'static) -> io::Result<SignalThread> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Handlers run in the order they were registered: the first signal finds the flag down and raises
        // it, the second finds it up.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&asked))?;
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            deliver(if signal == SIGHUP { Signal::Reload } else { Signal::Terminate });
        }
    })?;
    Ok(SignalThread { handle, thread: Some(thread) })
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It can only have panicked in `deliver`, and has said so on its own.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
