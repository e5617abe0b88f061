//! What goes over the control socket, and out of `--json`.
//!
//! These types are a contract: fields are added, never renamed or removed, within [`VERSION`]. They are separate from
//! the domain's types so that the core can change without breaking a script.

pub mod artifact;
pub mod review;

use serde::{Deserialize, Serialize};

use crate::domain::model::Problem;

/// The version of this contract, part of every path (`/v1/…`) and answer.
pub const VERSION: u32 = 1;

/// The `Server` header of every answer.
pub const SERVER: &str = concat!("skillmeatd/", env!("CARGO_PKG_VERSION"));

/// The header that bears [`VERSION`].
pub const VERSION_HEADER: &str = "skillmeatd-protocol";

/// The daemon's answer to "how are you?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub schema: u32,
    /// The daemon's own version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Where it stands: `EPOCH:REVISION`. The epoch names this run of the daemon, the revision its last reconcile.
    #[serde(default)]
    pub clock: String,
    /// `~/.skillmeat`.
    pub root: String,
    /// In one word.
    pub state: State,
    /// In one sentence: what it waits for, or why it halted.
    pub detail: Option<String>,
    /// Where it listens besides the Unix socket, `ADDRESS:PORT`.
    #[serde(default)]
    pub http: Option<String>,
    /// How changes to files are noticed.
    pub watching: Watching,
    /// The cache database.
    pub database: Database,
    /// The last reconcile that came to its end.
    pub last_reconcile: Option<Reconciled>,
    /// From the first file event of the last change that led to rows, to these rows: microseconds.
    #[serde(default)]
    pub lag_us: Option<u64>,
    /// The last things that happened, the newest last; a few.
    #[serde(default)]
    pub recent: Vec<Event>,
    /// The collections, by directory name.
    pub collections: Vec<Collection>,
    /// Collections whose removals wait for `skillmeatd resume`.
    pub halts: Vec<Halt>,
    /// Number of entries of `problems`.
    pub problems: usize,
    /// Number of conflicts that wait for a decision.
    #[serde(default)]
    pub conflicts: usize,
    /// DB collections that no directory belongs to: what they hold stays in the database alone.
    #[serde(default)]
    pub database_only: Vec<DatabaseOnly>,
    /// What the system keeps the daemon from.
    #[serde(default)]
    pub sandbox: Sandbox,
}

/// A DB collection that no directory belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseOnly {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why none does.
    #[serde(default)]
    pub reason: String,
    /// How many groups it has.
    #[serde(default)]
    pub groups: usize,
}

/// What the system keeps the thread that writes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// `full`, `partial` or `none`; empty until the daemon has begun to work.
    pub enforced: String,
    /// Why not `full`.
    pub detail: Option<String>,
    /// The directories in which, and below which, files can be written. Nothing else can.
    pub writable: Vec<String>,
}

/// The daemon's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The first reconcile is not done.
    Starting,
    /// There is no home or no usable database yet; `detail` says which.
    Waiting,
    /// Files and database are equal, or about to be.
    Watching,
    /// As `watching`, but some removals wait for a person.
    Halted,
    /// The last reconcile failed and is being tried again; `detail` says why.
    Degraded,
}

/// How changes to files are noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// `events`, or `polling` when some or all directories cannot be watched.
    pub mode: String,
    /// Directories that should be watched.
    pub wanted: usize,
    /// Directories that are.
    pub held: usize,
    /// Why fewer are than should be, with the remedy.
    pub shortfall: Option<String>,
    /// How often events were lost since the start.
    pub lost: u64,
}

/// The cache database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its path.
    pub path: String,
    /// `skillmeat` (made by SkillMeat), `standalone` (made by us), or why there is none to use: `absent`, `empty`,
    /// `half_schema`, `incomplete`, `not_a_database`.
    pub kind: String,
    /// More about it, with the remedy where one is needed.
    pub detail: Option<String>,
}

/// One reconcile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Counts up from the daemon's start.
    pub revision: u64,
    /// RFC 3339, UTC: when it ended.
    pub at: String,
    /// Microseconds it took.
    pub took_us: u64,
    /// Rows it wrote; 0 when nothing had changed.
    pub rows: u64,
    /// Artifacts the files have, over all collections.
    pub artifacts: u64,
}

/// One collection directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// The directory's name.
    pub name: String,
    /// Entries that could be read.
    pub artifacts: usize,
    /// Why its entries cannot be told for certain, if so: `missing`, `empty`, `unreadable`, `unnamed`.
    pub doubt: Option<String>,
}

/// A collection whose removals wait for a person's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The directory's name.
    pub collection: String,
    /// `gone`, `unreadable` or `mass_removal`.
    pub reason: String,
    /// In a sentence, with what to do.
    pub message: String,
    /// The artifacts whose rows stay meanwhile, as `type:name`.
    pub artifacts: Vec<String>,
}

/// What is wrong, item by item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems {
    /// [`VERSION`].
    pub schema: u32,
    /// In the order of their paths.
    pub problems: Vec<Problem>,
}

/// The body of `POST /v1/sync`; every member may be left out, and so may the body.
///
/// Without members it is a barrier: the answer comes when everything that happened before the request is applied, in
/// files and database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncRequest {
    /// Read this collection directory again, whether an event told of it or not.
    pub collection: Option<String>,
    /// Read this artifact (`type:name`) again, in `collection` or wherever it is, whether an event told of it or not.
    pub artifact: Option<String>,
    /// Look at everything, whether an event told of it or not.
    pub full: bool,
    /// The clock of an earlier answer: `applied` tells what happened since.
    pub since: Option<String>,
    /// How long to wait, in milliseconds; 60,000 if not given, at most 600,000. What was asked for goes on after that.
    pub timeout_ms: Option<u64>,
}

/// Everything that happened before the request is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// [`VERSION`].
    pub schema: u32,
    /// Where the daemon stands, for `since` of a later request; see [`Status::clock`]. `None` without a daemon.
    pub clock: Option<String>,
    /// The reconcile that answered.
    pub reconcile: Reconciled,
    /// What was written since the request (or since its `since`).
    pub applied: Applied,
    /// Whether the daemon had to look at everything, or cannot tell what was written since `since`: it was started
    /// later, events were lost meanwhile, there are none, or it is too long ago.
    pub fresh_instance: bool,
    /// Removals that wait for their grace period.
    pub pending_removals: usize,
    /// Collections whose removals wait for a person.
    pub halts: Vec<Halt>,
    /// Number of problems.
    pub problems: usize,
    /// Number of conflicts that wait for a decision.
    #[serde(default)]
    pub conflicts: usize,
}

/// Rows that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// How many.
    pub rows: u64,
    /// How many artifacts they are about.
    pub artifacts: u64,
    /// The first of these, as `type:name`; at most [`NAMED`].
    pub named: Vec<String>,
}

/// Most artifacts that are named in one [`Applied`].
pub const NAMED: usize = 50;

impl Applied {
    /// Add what was written later.
    pub fn absorb(&mut self, later: &Self) {
        self.rows += later.rows;
        let known = self.named.iter().filter(|name| later.named.contains(name)).count() as u64;
        self.artifacts += later.artifacts - known;
        for name in &later.named {
            if self.named.len() < NAMED && !self.named.contains(name) {
                self.named.push(name.clone());
            }
        }
    }
}

/// Whether the file watcher answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// [`VERSION`].
    pub schema: u32,
    /// A file made in a watched directory was told of.
    pub alive: bool,
    /// [`Watching::mode`]; while polling there are no events to tell of, and `alive` is false.
    pub mode: String,
}

/// The last entries of the flight recorder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// [`VERSION`].
    pub schema: u32,
    /// The oldest first.
    pub entries: Vec<Traced>,
}

/// One entry of the flight recorder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// RFC 3339, UTC; when it came for the first time in a row.
    pub at: String,
    /// `event` for what came in, `effect` for what was done about it, `held` for how long the database was locked for
    /// that.
    pub kind: String,
    /// In the words of the program, for people.
    pub what: String,
    /// How often in a row.
    pub times: u32,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// [`VERSION`].
    pub schema: u32,
    /// `EPOCH:NUMBER`; the number counts up from 1 within one run of the daemon.
    pub id: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Rows were written.
    Applied {
        /// By which reconcile.
        revision: u64,
        /// Microseconds it took.
        took_us: u64,
        /// What.
        applied: Applied,
    },
    /// Problems came or went.
    Problems {
        /// Those that came; at most [`NAMED`].
        appeared: Vec<Problem>,
        /// How many went.
        gone: usize,
        /// How many there are now.
        now: usize,
    },
    /// The removals of a collection wait for a person.
    Halted {
        /// Which, and why.
        halt: Halt,
    },
    /// They do not any more.
    Released {
        /// The directory's name.
        collection: String,
    },
    /// The daemon's state is another.
    State {
        /// The new one.
        state: State,
        /// In one sentence.
        detail: Option<String>,
    },
    /// Conflicts came, or were resolved.
    Conflicts {
        /// The ids of those that came, as in `/v1/conflicts`; at most [`NAMED`].
        #[serde(default)]
        appeared: Vec<String>,
        /// The ids of those that were resolved; at most [`NAMED`].
        #[serde(default)]
        resolved: Vec<String>,
        /// How many there are now.
        now: usize,
    },
    /// File events were lost, and everything is looked at.
    EventsLost {
        /// Why.
        why: String,
    },
    /// Events before this one cannot be told any more: the reader was too slow, or the daemon was started anew.
    Gap,
}

impl What {
    /// `kind`, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Problems { .. } => "problems",
            Self::Halted { .. } => "halted",
            Self::Released { .. } => "released",
            Self::State { .. } => "state",
            Self::Conflicts { .. } => "conflicts",
            Self::EventsLost { .. } => "events_lost",
            Self::Gap => "gap",
        }
    }
}

/// A halted collection was released.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// [`VERSION`].
    pub schema: u32,
    /// The directory's name.
    pub collection: String,
    /// The artifacts whose rows go now, as `type:name`.
    pub removed: Vec<String>,
}

/// What nobody has verified for a while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stale {
    /// [`VERSION`].
    pub schema: u32,
    /// Every DB collection that has rows, by id.
    pub collections: Vec<StaleCollection>,
    /// The stale rows, by collection and artifact; 10,000 at most.
    pub artifacts: Vec<StaleItem>,
}

/// How long ago the rows of a DB collection were verified.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StaleCollection {
    /// Its id.
    pub name: String,
    /// Its rows.
    pub total: usize,
    /// Of these, rows never verified or longer ago than the time to live.
    pub stale: usize,
    /// All others.
    pub fresh: usize,
    /// Of the stale ones, those never verified.
    pub never: usize,
    /// Seconds since the verification that is longest ago.
    pub oldest_age_seconds: f64,
    /// To one decimal.
    pub percentage_stale: f64,
    /// The time to live.
    pub ttl_seconds: u64,
}

/// A stale row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleItem {
    /// The DB collection's id.
    pub collection: String,
    /// `type:name`
    pub artifact: String,
    /// ISO 8601, naive UTC: when it was last verified.
    pub synced_at: Option<String>,
}

/// Rows are no longer taken for verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalidated {
    /// [`VERSION`].
    pub schema: u32,
    /// How many.
    pub rows: usize,
}

/// Why something asked for was not done (RFC 9457, the members used here).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status code.
    pub status: u16,
    /// What kind of refusal, in a few words.
    pub title: String,
    /// What happened, and what to do.
    pub detail: String,
    /// For a change that was refused because something else has changed: how it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Box<serde_json::Value>>,
}

/// Titles of refusals that a client of another version may get for what is right in its own.
pub mod titles {
    /// There is nothing at the path.
    pub const UNKNOWN: &str = "no such path";
    /// The body is not of the shape that is expected there.
    pub const BODY: &str = "body not understood";
}

impl Refusal {
    /// A refusal with this HTTP status code.
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), current: None }
    }

    /// There will be no answer: the daemon is about to end.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(503, "stopping", "the daemon is stopping; try again when it is back")
    }

    /// The same with how the thing is now.
    #[must_use]
    pub fn with_current(self, current: &impl Serialize) -> Self {
        Self { current: serde_json::to_value(current).ok().map(Box::new), ..self }
    }
}
