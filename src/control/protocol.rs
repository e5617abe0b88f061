//! What goes over the control socket, and out of `--json`.
//!
//! These types are a contract: fields are added, never renamed or removed, within [`VERSION`]. They are separate from
//! the domain's types so that the core can change without breaking a script.

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
    /// What the system keeps the daemon from.
    #[serde(default)]
    pub sandbox: Sandbox,
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

/// Why something asked for was not done (RFC 9457, the members used here).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status code.
    pub status: u16,
    /// What kind of refusal, in a few words.
    pub title: String,
    /// What happened, and what to do.
    pub detail: String,
}

impl Refusal {
    /// A refusal with this HTTP status code.
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into() }
    }
}
