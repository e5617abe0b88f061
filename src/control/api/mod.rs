//! SkillMeat's own paths, answered by the daemon: list pages from the rows, and the refresh hooks as a fallback.
//!
//! Paths, parameters and keys are those of `skillmeat.api.routers.{user_collections, groups, tags}`, so that a client of
//! the web backend can be pointed here unchanged. What differs is listed at each route. Errors are problem+json
//! (RFC 9457).
//!
//! What this module does not do: know the daemon or a database. It hands over [`Call`]s and waits for answers.

mod artifacts;
mod catalog;
mod limit;
mod openapi;
mod refresh;
mod reply;
mod shape;
mod stale;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::oneshot;

use super::Ask;
use super::protocol::Refusal;
use super::protocol::artifact::{Artifact, Create};
use super::server::asks::Asks;
use crate::domain::authoring::Fields;
use crate::domain::catalog::{GroupRow, GroupsQuery, Page, PageQuery, Tags, TagsQuery};
use crate::domain::model::ArtifactId;
use crate::domain::staleness::{Counts, StaleRow};

use limit::Limiter;

/// How long a read may take; it waits for nobody unless a row has to be made good first.
const READ: Duration = Duration::from_secs(30);
/// How long a refresh may take. The command line of SkillMeat waits 3 seconds.
const REFRESH: Duration = Duration::from_secs(60);

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A question of this module.
#[derive(Debug)]
pub enum Call {
    /// A page of a collection's artifacts.
    Page(PageQuery, Reply<Page>),
    /// The groups of a collection.
    Groups(GroupsQuery, Reply<Vec<GroupRow>>),
    /// A page of tags.
    Tags(TagsQuery, Reply<Tags>),
    /// Look at the files now.
    Refresh(Refresh, Reply<Refreshed>),
    /// What nobody has verified for a while.
    Stale(StaleQuery, Reply<Staleness>),
    /// Forget that rows were verified.
    Invalidate(Invalidate, Reply<usize>),
    /// Look at an artifact's files, or change them.
    Author(Authoring, Reply<Artifact>),
}

/// What to do with an artifact's files. Collections are directories here; without one the first that has the artifact is
/// meant, the active one before all others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Authoring {
    /// Nothing: only say what is there.
    Show { id: ArtifactId, collection: Option<String> },
    /// Set fields.
    Edit { id: ArtifactId, collection: Option<String>, fields: Box<Fields>, if_match: Option<String> },
    /// Make one.
    Create(Box<Create>),
    /// Remove it with its files.
    Remove { id: ArtifactId, collection: Option<String>, if_match: Option<String> },
}

/// What to look at, and whose rows to mark as verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// A collection: a DB collection's id, or the name of a directory.
    Collection(String),
    /// Every collection.
    All,
    /// One artifact, marked as verified whenever it was last.
    Artifact(ArtifactId),
    /// Rows that were verified longer ago than this (without it: than their time to live), and carry one of these tags
    /// if there are any.
    Metadata {
        /// The age.
        older_than: Option<Duration>,
        /// Names or slugs.
        tags: Vec<String>,
    },
}

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// By DB collection id; of those the refresh was about.
    pub collections: BTreeMap<String, Tally>,
    /// For one artifact: its row afterwards.
    pub artifact: Option<RefreshedArtifact>,
}

/// What a refresh did to the rows of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that were not there before.
    pub created: usize,
    /// Rows that said something else than the files.
    pub updated: usize,
    /// Rows that were right, and are marked as verified now.
    pub verified: usize,
    /// All other rows of the collection: right and verified recently enough, or of artifacts that no manifest names.
    pub skipped: usize,
    /// What stood in the way, in sentences.
    pub errors: Vec<String>,
}

/// One artifact after its refresh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshedArtifact {
    /// When its row was verified; ISO 8601, naive UTC.
    pub synced_at: Option<String>,
    /// The columns whose value changed.
    pub fields_updated: Vec<String>,
    /// Whether there was no row before.
    pub created: bool,
}

/// Which stale rows, by which measure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleQuery {
    /// This collection's only.
    pub collection: Option<String>,
    /// Instead of the configured time to live.
    pub ttl: Option<Duration>,
    /// At most so many rows are listed.
    pub limit: usize,
}

/// The answer to a [`StaleQuery`].
#[derive(Debug, Clone, PartialEq)]
pub struct Staleness {
    /// By DB collection id.
    pub collections: BTreeMap<String, (Counts, Duration)>,
    /// The stale rows.
    pub rows: Vec<StaleRow>,
    /// When it was; naive UTC.
    pub now: chrono::NaiveDateTime,
}

/// Whose `synced_at` becomes NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidate {
    /// Every row of a collection: a DB collection's id, or the name of a directory.
    Collection(String),
    /// The rows of one artifact.
    Artifact(ArtifactId),
}

/// What the routes share.
#[derive(Clone)]
struct Desk {
    asks: Asks,
    refreshes: Arc<Limiter>,
}

impl Desk {
    async fn ask<T>(&self, patience: Duration, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Refusal> {
        self.asks.ask_for(patience, |reply| Ask::Api(call(reply))).await.flatten()
    }
}

/// The routes of this module. Questions go to `asks`.
pub(super) fn router(asks: Asks) -> Router {
    let desk = Desk { asks, refreshes: Arc::new(Limiter::of_refreshes()) };
    Router::new()
        .merge(catalog::routes())
        .merge(refresh::routes())
        .merge(stale::routes())
        .merge(artifacts::routes())
        .merge(openapi::routes())
        .with_state(desk)
}
