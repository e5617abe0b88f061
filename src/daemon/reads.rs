//! The desk that answers SkillMeat's own paths: from the rows, on a connection of its own, beside the loop.
//!
//! A page whose rows are all verified costs one read transaction and no file. For rows that are not (`synced_at` is
//! NULL) the loop is asked to look at the files first, once; ids for which that did not help are remembered for a
//! while, so that rows no manifest stands behind do not have every page read files.
//!
//! What this module does not do: write. Refreshes and invalidations go to the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use super::{Input, board};
use crate::control::api::{
    Authoring, Call, Invalidate, Refresh, Refreshed, RefreshedArtifact, Reply, StaleQuery, Staleness, Tally,
};
use crate::control::metrics::{Ending, Metrics};
use crate::control::protocol::Refusal;
use crate::control::protocol::artifact::Artifact;
use crate::db::{DbError, Reader};
use crate::domain::catalog::{GroupRow, GroupsQuery, Page, PageQuery, Tags, TagsQuery, iso};
use crate::domain::model::ArtifactId;
use crate::domain::rows::DEFAULT_COLLECTION;
use crate::domain::staleness::Ttl;

/// How long an id for which looking at the files did not help is not looked for again.
const FUTILE: Duration = Duration::from_secs(60);
/// How many such ids are remembered.
const FUTILE_MAX: usize = 10_000;

/// What the desk asks of the loop.
#[derive(Debug)]
pub(super) enum Errand {
    /// Look at everything now, and mark what this is about as verified.
    Refresh(Refresh, oneshot::Sender<Result<BTreeMap<String, Tally>, Refusal>>),
    /// Set `synced_at` to NULL.
    Invalidate(Invalidate, Reply<usize>),
    /// Look at an artifact's files, or change them.
    Author(Authoring, Reply<Artifact>),
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Desk {
    reader: AsyncMutex<Reader>,
    inputs: mpsc::UnboundedSender<Input>,
    collections: PathBuf,
    ttl: Mutex<Ttl>,
    futile: Mutex<BTreeMap<String, Instant>>,
    metrics: Metrics,
}

/// A database error as a refusal.
pub(super) fn refusal(error: &DbError) -> Refusal {
    Refusal::new(503, "the cache cannot be used", board::chain(error))
}

fn no_collection(id: &str) -> Refusal {
    Refusal::new(404, "no such collection", format!("Collection '{id}' not found"))
}

impl Desk {
    pub(super) fn new(
        cache_db: PathBuf,
        collections: PathBuf,
        ttl: Ttl,
        inputs: mpsc::UnboundedSender<Input>,
        metrics: Metrics,
    ) -> Self {
        Self {
            reader: AsyncMutex::new(Reader::new(cache_db)),
            inputs,
            collections,
            ttl: Mutex::new(ttl),
            futile: Mutex::default(),
            metrics,
        }
    }

    /// Use this time to live from now on.
    pub(super) fn configure(&self, ttl: Ttl) {
        *self.ttl.lock().unwrap_or_else(PoisonError::into_inner) = ttl;
    }

    fn ttl(&self) -> Ttl {
        self.ttl.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answer in a task of its own. If that ends without an answer, the asker learns it from its channel.
    pub(super) fn take(self: &Arc<Self>, call: Call) {
        let desk = Arc::clone(self);
        tokio::spawn(async move { desk.answer(call).await });
    }

    async fn answer(&self, call: Call) {
        // Whoever asked may have gone: then there is nobody to send to.
        match call {
            Call::Page(query, reply) => drop(reply.send(self.page(&query).await)),
            Call::Groups(query, reply) => drop(reply.send(self.groups(&query).await)),
            Call::Tags(query, reply) => drop(reply.send(self.tags(&query).await)),
            Call::Stale(query, reply) => drop(reply.send(self.stale(&query).await)),
            Call::Author(what, reply) => drop(reply.send(self.author(what).await)),
            Call::Refresh(refresh, reply) => {
                let refreshed = self.refresh(refresh).await;
                let result = match &refreshed {
                    Ok(_) => "done",
                    Err(refusal) if refusal.status < 500 => "refused",
                    Err(_) => "failed",
                };
                self.metrics.refreshes.get_or_create(&Ending { result }).inc();
                drop(reply.send(refreshed));
            }
            Call::Invalidate(what, reply) => match self.resolve_invalidation(what).await {
                Ok(what) => {
                    let _ = self.inputs.send(Input::Errand(Errand::Invalidate(what, reply)));
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
        }
    }

    async fn page(&self, query: &PageQuery) -> Result<Page, Refusal> {
        let page = self.read_page(query).await?;
        for (result, rows) in [("hit", page.items.len() - page.misses.len()), ("miss", page.misses.len())] {
            self.metrics.page_rows.get_or_create(&Ending { result }).inc_by(rows as u64);
        }
        if !self.is_worth_looking(&page.misses) {
            return Ok(page);
        }
        self.metrics.page_looks.inc();
        // A look that fails leaves the page as it is: the rows are the last good state.
        if self.look(Refresh::Metadata { older_than: Some(Duration::MAX), tags: Vec::new() }).await.is_err() {
            return Ok(page);
        }
        let page = self.read_page(query).await?;
        self.note_futile(&page.misses);
        Ok(page)
    }

    async fn read_page(&self, query: &PageQuery) -> Result<Page, Refusal> {
        let page = self.reader.lock().await.page(query).await.map_err(|error| refusal(&error))?;
        page.ok_or_else(|| no_collection(&query.collection))
    }

    fn is_worth_looking(&self, misses: &[String]) -> bool {
        if misses.is_empty() {
            return false;
        }
        let futile = self.futile.lock().unwrap_or_else(PoisonError::into_inner);
        misses.iter().any(|id| futile.get(id).is_none_or(|at| at.elapsed() > FUTILE))
    }

    fn note_futile(&self, misses: &[String]) {
        let mut futile = self.futile.lock().unwrap_or_else(PoisonError::into_inner);
        futile.retain(|_, at| at.elapsed() <= FUTILE);
        for id in misses {
            if futile.len() < FUTILE_MAX {
                futile.insert(id.clone(), Instant::now());
            }
        }
    }

    async fn groups(&self, query: &GroupsQuery) -> Result<Vec<GroupRow>, Refusal> {
        let groups = self.reader.lock().await.groups(query).await.map_err(|error| refusal(&error))?;
        groups.ok_or_else(|| no_collection(&query.collection))
    }

    async fn tags(&self, query: &TagsQuery) -> Result<Tags, Refusal> {
        self.reader.lock().await.tags(query).await.map_err(|error| refusal(&error))
    }

    async fn stale(&self, query: &StaleQuery) -> Result<Staleness, Refusal> {
        let ttl = query.ttl.map_or_else(|| self.ttl(), Ttl::same);
        let now = Utc::now().naive_utc();
        let cutoffs = ttl.cutoffs(now);
        let mut reader = self.reader.lock().await;
        let counts = reader.staleness(&cutoffs).await.map_err(|error| refusal(&error))?;
        let limit = query.limit;
        let rows = match limit {
            0 => Vec::new(),
            limit => reader
                .stale(&cutoffs, query.collection.as_deref(), limit)
                .await
                .map_err(|error| refusal(&error))?,
        };
        let known = reader.collections().await.map_err(|error| refusal(&error))?;
        drop(reader);
        let wanted = |id: &str| query.collection.as_ref().is_none_or(|wanted| wanted == id);
        if let Some(id) = &query.collection
            && !known.iter().any(|(known, _)| known == id)
        {
            return Err(no_collection(id));
        }
        let collections = known.into_iter().filter(|(id, _)| wanted(id)).map(|(id, _)| {
            let counts = counts.get(&id).copied().unwrap_or_default();
            let ttl = ttl.of(&id);
            (id, (counts, ttl))
        });
        Ok(Staleness { collections: collections.collect(), rows, now })
    }

    /// Have the loop look at everything.
    async fn look(&self, refresh: Refresh) -> Result<BTreeMap<String, Tally>, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Errand(Errand::Refresh(refresh, reply))).map_err(|_| Refusal::stopping())?;
        answer.await.map_err(|_| Refusal::stopping())?
    }

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, Refusal> {
        match refresh {
            Refresh::Collection(id) => {
                let id = self.resolve(&id).await?;
                let collections = self.look(Refresh::Collection(id)).await?;
                Ok(Refreshed { collections, artifact: None })
            }
            Refresh::Artifact(id) => self.refresh_artifact(id).await,
            refresh => Ok(Refreshed { collections: self.look(refresh).await?, artifact: None }),
        }
    }

    async fn refresh_artifact(&self, id: ArtifactId) -> Result<Refreshed, Refusal> {
        let name = id.to_string();
        let read = async || self.reader.lock().await.row(&name).await.map_err(|error| refusal(&error));
        let before = read().await?;
        let collections = self.look(Refresh::Artifact(id)).await?;
        let after = read().await?;
        let of = |rows: &BTreeMap<String, BTreeMap<&'static str, Option<String>>>| {
            rows.get(DEFAULT_COLLECTION).or_else(|| rows.values().next()).cloned()
        };
        let Some(row) = of(&after) else {
            return Err(Refusal::new(
                404,
                "no such artifact",
                format!("no collection's manifest names {name}, and there is no row for it"),
            ));
        };
        let old = of(&before);
        let changed = row.iter().filter(|(column, value)| {
            **column != "synced_at" && old.as_ref().is_some_and(|old| old.get(*column) != Some(value))
        });
        let changed: BTreeSet<&str> = changed.map(|(column, _)| *column).collect();
        let artifact = RefreshedArtifact {
            synced_at: row.get("synced_at").cloned().flatten().as_deref().map(iso),
            fields_updated: changed.into_iter().map(str::to_owned).collect(),
            created: old.is_none(),
        };
        Ok(Refreshed { collections, artifact: Some(artifact) })
    }

    /// The files first, then the rows, before the answer.
    async fn author(&self, what: Authoring) -> Result<Artifact, Refusal> {
        let only_asked = matches!(what, Authoring::Show { .. });
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Errand(Errand::Author(what, reply))).map_err(|_| Refusal::stopping())?;
        let mut artifact = answer.await.map_err(|_| Refusal::stopping())??;
        if only_asked {
            artifact.mirrored = true;
            return Ok(artifact);
        }
        let nothing_stale = Refresh::Metadata { older_than: Some(Duration::MAX), tags: Vec::new() };
        artifact.mirrored = self.look(nothing_stale).await.is_ok();
        Ok(artifact)
    }

    async fn resolve_invalidation(&self, what: Invalidate) -> Result<Invalidate, Refusal> {
        Ok(match what {
            Invalidate::Collection(id) => Invalidate::Collection(self.resolve(&id).await?),
            artifact @ Invalidate::Artifact(_) => artifact,
        })
    }

    /// The DB collection that a hook means: by its id or its name; and, as the hooks of the command line send the names
    /// of directories, of which most have no DB collection of their own, `default` for any other directory.
    async fn resolve(&self, id: &str) -> Result<String, Refusal> {
        let known = self.reader.lock().await.collections().await.map_err(|error| refusal(&error))?;
        let by_id = known.iter().find(|(known, _)| known == id);
        if let Some((id, _)) = by_id.or_else(|| known.iter().find(|(_, name)| name == id)) {
            return Ok(id.clone());
        }
        let is_name = !id.is_empty() && !id.contains(['/', '\0']) && id != "." && id != "..";
        if is_name && self.collections.join(id).join("collection.toml").exists() {
            return Ok(DEFAULT_COLLECTION.to_owned());
        }
        Err(no_collection(id))
    }
}
