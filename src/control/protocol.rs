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
    /// `~/.skillmeat`.
    pub root: String,
    /// In one word.
    pub state: State,
    /// In one sentence: what it waits for, or why it halted.
    pub detail: Option<String>,
    /// How changes to files are noticed.
    pub watching: Watching,
    /// The cache database.
    pub database: Database,
    /// The last reconcile that came to its end.
    pub last_reconcile: Option<Reconciled>,
    /// The collections, by directory name.
    pub collections: Vec<Collection>,
    /// Collections whose removals wait for `skillmeatd resume`.
    pub halts: Vec<Halt>,
    /// Number of entries of `problems`.
    pub problems: usize,
    /// Number of conflicts that wait for a decision.
    #[serde(default)]
    pub conflicts: usize,
    /// DB collections with groups that no directory belongs to: their groups stay in the database alone.
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

/// A reconcile that was asked for is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// [`VERSION`].
    pub schema: u32,
    /// The reconcile.
    pub reconcile: Reconciled,
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
    pub current: Option<serde_json::Value>,
}

impl Refusal {
    /// A refusal with this HTTP status code.
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), current: None }
    }

    /// The same with how the thing is now.
    #[must_use]
    pub fn with_current(self, current: &impl Serialize) -> Self {
        Self { current: serde_json::to_value(current).ok(), ..self }
    }
}
