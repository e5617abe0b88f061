//! File events as hints: one non-recursive watch a directory, kept up to date by a thread of its own.
//!
//! The watcher promises little, on purpose: events are hints, and whoever uses them scans. It does promise that
//! * a directory that appears is watched *before* it is reported ([`Notice::Appeared`]), so a scan that follows sees
//!   what came before the watch;
//! * lost events are said to be lost ([`Notice::Lost`]): the kernel's queue overflowed, the root was removed, renamed or
//!   replaced, or the backend failed;
//! * a cookie ([`Watcher::lay_cookie`]) is reported after everything that happened before it was laid;
//! * running out of watches is said with the number that is needed ([`Coverage`]), and never ends the daemon.
//!
//! Watched are `~/.skillmeat` itself, `cache/` (for the database's own files), `collections/` and everything below it
//! except names that writers use while they work. The parent of the root is watched only while the root is missing or
//! is a symbolic link. Links are followed where SkillMeat follows them: the root, a collection, an artifact. On macOS
//! one recursive stream serves all of it, because FSEvents drops queued events whenever a watch is added.
//!
//! What this module does not do: read files, or decide anything.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use notify::event::{AccessKind, EventKind, ModifyKind, RenameMode};
use notify::{EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::domain::hint::{self, Hint};

mod cookie;
mod limits;

use cookie::Jar;
pub use limits::Limits;

/// What the watcher has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something may have changed there.
    Hint(Hint),
    /// A directory has come into being there, and is watched from now on.
    Appeared(Hint),
    /// Events were lost; ask for [`Watcher::rearm`], then look at everything.
    Lost(Loss),
    /// All watches were set up anew, or some could not be added at run time.
    Armed(Coverage),
    /// The cookie of this number was seen: everything that happened before it was laid has been reported.
    CookieSeen(u64),
    /// The cookie of this number could not be laid.
    CookieFailed(u64),
}

/// Why events were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The kernel's event queue overflowed.
    Overflow,
    /// The root appeared, vanished or was replaced.
    Root,
    /// The backend reported this.
    Backend(String),
}

/// How much of the tree is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Directories that should be watched.
    pub wanted: usize,
    /// Directories that are.
    pub held: usize,
    /// Why `held` is less than `wanted`, with the remedy; `None` while all is well.
    pub shortfall: Option<String>,
}

/// Whether to use the system's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Yes, as far as the system lets us.
    Events,
    /// No: whoever asked polls.
    Nothing,
}

/// So many messages are taken together at most: a storm of events is told of while it lasts, not when it lets up.
const BURST: usize = 1_024;

enum Message {
    Raw(notify::Result<notify::Event>),
    Rearm,
    Cookie(u64),
    Stop,
}

/// The watcher's thread has ended. It can only have panicked; its message is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the watcher's thread has ended")]
pub struct Gone;

/// The running watcher. Dropping it stops its thread and takes every watch back.
#[derive(Debug)]
pub struct Watcher {
    messages: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Start watching below `root` (`~/.skillmeat`, which need not exist). `cookies` is a directory of our own, made if
    /// it is missing. Every [`Notice`] goes to `sink`, from the watcher's thread; `sink` must not block. The first
    /// notice is [`Notice::Armed`].
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        root: PathBuf,
        cookies: PathBuf,
        events: Use,
        sink: impl FnMut(Notice) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (messages, inbox) = mpsc::channel();
        let raw = messages.clone();
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || {
            let mut warden = Warden {
                root,
                events,
                raw,
                backend: None,
                jar: Jar::new(cookies),
                held: BTreeSet::new(),
                refused: None,
                wanted: 0,
                sink,
            };
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
                warden.arm();
                warden.run(&inbox);
            }));
            drop(inbox); // first, so that whoever is told finds nobody here
            if ended.is_err() {
                (warden.sink)(Notice::Lost(Loss::Backend("the watcher's thread has panicked".into())));
            }
        })?;
        Ok(Self { messages, thread: Some(thread) })
    }

    /// Take every watch back and set all of them up anew; answered by [`Notice::Armed`].
    ///
    /// # Errors
    /// When the thread is gone; another watcher has to be started.
    pub fn rearm(&self) -> Result<(), Gone> {
        self.messages.send(Message::Rearm).map_err(|_| Gone)
    }

    /// Lay a cookie: answered by [`Notice::CookieSeen`] when everything that happened before this call has been
    /// reported, by [`Notice::CookieFailed`] when that cannot be known, and not at all when events are lost meanwhile
    /// ([`Notice::Lost`] or [`Notice::Armed`] comes instead) or the watcher is dead. `number` must be new.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn lay_cookie(&self, number: u64) -> Result<(), Gone> {
        self.messages.send(Message::Cookie(number)).map_err(|_| Gone)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Owns the backend and knows which directories are watched.
struct Warden<S> {
    root: PathBuf,
    events: Use,
    raw: mpsc::Sender<Message>,
    backend: Option<RecommendedWatcher>,
    jar: Jar,
    /// Watched directories, below the root where they are. There are as many as in all artifacts together.
    held: BTreeSet<Box<Path>>,
    wanted: usize,
    refused: Option<String>,
    sink: S,
}

impl<S: FnMut(Notice)> Warden<S> {
    fn run(&mut self, inbox: &mpsc::Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            // What has piled up is taken together, so that a burst on one path is one notice.
            let mut notices = Vec::new();
            for message in std::iter::once(first).chain(inbox.try_iter()).take(BURST) {
                match message {
                    Message::Stop => return,
                    Message::Rearm => {
                        notices.clear();
                        self.arm();
                    }
                    Message::Cookie(number) => self.lay_cookie(number, &mut notices),
                    Message::Raw(event) => self.take(event, &mut notices),
                }
            }
            let mut told = Vec::new();
            for notice in notices {
                if !told.contains(&notice) {
                    if told.len() < 64 {
                        told.push(notice.clone());
                    }
                    (self.sink)(notice);
                }
            }
        }
    }

    fn arm(&mut self) {
        self.backend = None; // first, so that its watches are free again
        self.held.clear();
        self.wanted = 0;
        self.refused = None;
        if self.events == Use::Nothing {
            self.refused = Some("file events are switched off (watch.mode = \"poll\")".into());
        } else {
            match self.backend() {
                Ok(mut backend) => {
                    self.jar.watch(&mut backend);
                    self.backend = Some(backend);
                }
                Err(error) => self.refused = Some(limits::explain_backend(&error)),
            }
        }
        self.plant_root();
        self.report();
    }

    fn lay_cookie(&mut self, number: u64, notices: &mut Vec<Notice>) {
        let laid = self.backend.as_mut().map(|backend| self.jar.lay(number, backend));
        if let Some(Err(error)) = &laid {
            tracing::debug!(%error, "a cookie could not be laid");
        }
        if !matches!(laid, Some(Ok(()))) {
            notices.push(Notice::CookieFailed(number));
        }
    }

    fn backend(&self) -> notify::Result<RecommendedWatcher> {
        let raw = self.raw.clone();
        // The handler runs on the thread that drains the kernel's queue: it only passes on.
        let handler = move |event| {
            let _ = raw.send(Message::Raw(event));
        };
        let config = notify::Config::default()
            .with_follow_symlinks(false)
            .with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE);
        RecommendedWatcher::new(handler, config)
    }

    fn report(&mut self) {
        let shortfall =
            self.refused.clone().map(|reason| limits::explain(&reason, self.wanted, self.held.len()));
        let coverage = Coverage { wanted: self.wanted, held: self.held.len(), shortfall };
        (self.sink)(Notice::Armed(coverage));
    }

    fn plant_root(&mut self) {
        let is_link = self.root.symlink_metadata().is_ok_and(|m| m.file_type().is_symlink());
        let exists = self.root.is_dir();
        if let Some(parent) = self.root.parent().map(Path::to_owned).filter(|_| !exists || is_link) {
            self.plant(&parent, RecursiveMode::NonRecursive);
        }
        if !exists {
            return;
        }
        let root = self.root.clone();
        if cfg!(target_os = "macos") {
            self.plant(&root, RecursiveMode::Recursive);
            return;
        }
        self.plant(&root, RecursiveMode::NonRecursive);
        for name in ["cache", "collections"] {
            self.plant_tree(&root.join(name));
        }
    }

    /// Watch a directory and what belongs to it below. Every directory is watched before it is listed, so that nothing
    /// can come into being between the two unseen.
    fn plant_tree(&mut self, top: &Path) {
        let mut pending = vec![top.to_owned()];
        while let Some(directory) = pending.pop() {
            let Some(place) = self.place(&directory) else { continue };
            if !self.plant(&directory, RecursiveMode::NonRecursive) || place == Place::Cache {
                continue;
            }
            let Ok(children) = std::fs::read_dir(&directory) else { continue };
            for child in children.flatten() {
                let is_directory = match child.file_type() {
                    Ok(kind) if kind.is_dir() => true,
                    Ok(kind) if kind.is_symlink() => place.follows_links() && child.path().is_dir(),
                    _ => false,
                };
                if is_directory {
                    pending.push(child.path());
                }
            }
        }
    }

    /// Watch one directory; whether it is a directory that is there now.
    fn plant(&mut self, directory: &Path, mode: RecursiveMode) -> bool {
        self.wanted += 1;
        let Some(backend) = &mut self.backend else {
            let there = directory.is_dir();
            self.wanted -= usize::from(!there);
            return there;
        };
        match backend.watch(directory, mode) {
            Ok(()) => {
                if !self.held.insert(below(&self.root, directory).into()) {
                    self.wanted -= 1;
                }
                true
            }
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                self.wanted -= 1;
                false
            }
            Err(error) if !directory.is_dir() => {
                tracing::trace!(%error, "gone before it could be watched");
                self.wanted -= 1;
                false
            }
            Err(error) => {
                self.refused.get_or_insert_with(|| error.to_string());
                true
            }
        }
    }

    fn take(&mut self, event: notify::Result<notify::Event>, notices: &mut Vec<Notice>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                notices.push(Notice::Lost(Loss::Backend(error.to_string())));
                return;
            }
        };
        if event.need_rescan() {
            notices.push(Notice::Lost(Loss::Overflow));
            return;
        }
        for path in &event.paths {
            self.take_path(&event.kind, path, notices);
        }
    }

    fn take_path(&mut self, kind: &EventKind, path: &Path, notices: &mut Vec<Notice>) {
        if let Some(cookie) = self.jar.take(path) {
            notices.extend(cookie.map(Notice::CookieSeen));
            return;
        }
        let came = matches!(
            kind,
            EventKind::Create(_)
                | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any | RenameMode::Both))
        );
        let went = matches!(
            kind,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::Any))
        );
        if path == self.root {
            if came || went {
                notices.push(Notice::Lost(Loss::Root));
            }
            return;
        }
        let Ok(below) = path.strip_prefix(&self.root) else { return };
        let components: Vec<std::borrow::Cow<'_, str>> =
            below.components().map(|c| c.as_os_str().to_string_lossy()).collect();
        let components: Vec<&str> = components.iter().map(AsRef::as_ref).collect();
        let renamed = matches!(kind, EventKind::Modify(ModifyKind::Name(_)));
        let Some(hint) = hint::classify(&components, renamed) else { return };
        let unwritten = matches!(
            kind,
            EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Access(AccessKind::Close(_))
        );
        if hint == Hint::Cache && unwritten {
            return; // SQLite opens, closes and chowns its files without anything having been committed
        }
        let is_directory = (came || went) && self.place(path).is_some() && path.is_dir();
        // An event about a directory that was moved aside still bears its old path, where another one may be by now:
        // what is there decides, and watching a path again finds the directory that is there.
        if went && !is_directory {
            self.forget(path);
        }
        if is_directory && !cfg!(target_os = "macos") {
            let wanted_more = self.refused.is_some();
            self.plant_tree(path);
            if self.refused.is_some() && !wanted_more {
                self.report();
            }
            notices.push(Notice::Appeared(hint));
        } else {
            notices.push(Notice::Hint(hint));
        }
    }

    /// A directory is gone from this path; the backend has dropped, or will drop, the watches of a deleted one, but a
    /// directory that was moved away would go on being watched.
    fn forget(&mut self, top: &Path) {
        let top = below(&self.root, top);
        let from = (Bound::Included(top), Bound::Unbounded);
        let held = self.held.range::<Path, _>(from).take_while(|held| held.starts_with(top));
        let gone: Vec<Box<Path>> = held.cloned().collect();
        for directory in gone {
            self.held.remove(&directory);
            let directory = self.root.join(directory);
            self.wanted = self.wanted.saturating_sub(1);
            if let Some(backend) = &mut self.backend {
                let _ = backend.unwatch(&directory); // not found: the backend was faster
            }
        }
    }

    /// What kind of place a directory is, if it is one to be watched.
    fn place(&self, directory: &Path) -> Option<Place> {
        let below = directory.strip_prefix(&self.root).ok()?;
        let names: Vec<_> = below.components().map(|c| c.as_os_str().to_string_lossy()).collect();
        let temporary = |name: &str| hint::is_temporary(name);
        match names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().as_slice() {
            [] => Some(Place::Shallow),
            ["cache"] => Some(Place::Cache),
            ["collections"] | ["collections", _] => Some(Place::Shallow),
            ["collections", _, container] => (!temporary(container)).then_some(Place::Shallow),
            ["collections", _, container, artifact, ..] => {
                (!temporary(container) && !temporary(artifact)).then_some(Place::Deep)
            }
            _ => None,
        }
    }
}

/// The path as [`Warden::held`] has it; joined to the root it is the path again.
fn below<'p>(root: &Path, path: &'p Path) -> &'p Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// Where a directory stands, as far as watching is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `cache/`: itself only.
    Cache,
    /// At or above a container of artifacts, where links to directories are followed.
    Shallow,
    /// Inside an artifact, where they are not.
    Deep,
}

impl Place {
    fn follows_links(self) -> bool {
        self == Self::Shallow
    }
}

#[cfg(test)]
mod tests;
