//! The control socket: HTTP over a Unix socket, spoken between the daemon and anyone of the same user.
//!
//! [`protocol`] is what goes over the wire, [`server`] turns requests into [`Ask`]s, [`client`] is the command line's
//! side. The daemon answers each [`Ask`] from its own loop, so an answer proves that the loop is alive.
//!
//! What this module does not do: know the daemon. It hands over questions and waits for answers.

pub mod api;
pub mod client;
pub mod events;
pub mod protocol;
pub mod server;
pub mod token;

use tokio::sync::oneshot;

use protocol::review::{Conflicts, History, Pick, Resolve, Resolved, Restored, VersionText};
use protocol::{Probed, Problems, Refusal, Resumed, Status, SyncRequest, Synced};

/// A question to the daemon, with the place its answer goes to.
#[derive(Debug)]
pub enum Ask {
    /// How it is.
    Status(oneshot::Sender<Status>),
    /// What is wrong, item by item.
    Problems(oneshot::Sender<Problems>),
    /// Wait until everything that happened before is applied.
    Sync {
        /// What besides is looked at.
        request: SyncRequest,
        /// The answer.
        answer: oneshot::Sender<Result<Synced, Refusal>>,
    },
    /// Whether the file watcher answers.
    Probe(oneshot::Sender<Probed>),
    /// Let the removals of a halted collection happen.
    Resume {
        /// The directory's name.
        collection: String,
        /// The answer.
        answer: oneshot::Sender<Result<Resumed, Refusal>>,
    },
    /// SkillMeat's own paths, and staleness.
    Api(api::Call),
    /// Something to look through or to decide.
    Review(Review),
}

/// Where the answer to a question goes, which may be refused.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Questions about what the daemon keeps for a person: conflicts, and the previous texts of manifests.
#[derive(Debug)]
pub enum Review {
    /// What waits for a decision.
    Conflicts(Reply<Conflicts>),
    /// Decide conflicts.
    Resolve(Resolve, Reply<Resolved>),
    /// The previous texts of one collection's manifest, or of all.
    History(Option<String>, Reply<History>),
    /// One of them.
    Show(Pick, Reply<VersionText>),
    /// Put one of them back in place.
    Restore(Pick, Reply<Restored>),
}
