//! What nobody has verified for a while, and making it so.
//!
//! `GET /api/v1/user-collections/cache-stats` is the web backend's own path, which its own routing hides there.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::super::protocol::{Invalidated, Stale, StaleCollection, StaleItem, VERSION};
use super::super::server::answer::read;
use super::reply::{invalid, query, reply};
use super::{Call, Desk, Invalidate, READ, StaleQuery, Staleness};
use crate::domain::catalog::iso;
use crate::domain::staleness::Counts;

/// Rows that are listed at most.
const LISTED: usize = 10_000;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/user-collections/cache-stats", get(stats))
        .route("/v1/stale", get(stale))
        .route("/v1/invalidate", post(invalidate))
}

#[derive(Debug, Deserialize)]
struct StatsAsked {
    ttl_seconds: Option<i64>,
    collection_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct Stats {
    total_artifacts: usize,
    stale_count: usize,
    fresh_count: usize,
    oldest_sync_age_seconds: f64,
    percentage_stale: f64,
    ttl_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection_id: Option<String>,
}

async fn stats(State(desk): State<Desk>, uri: Uri) -> Response {
    let stats = async {
        let asked: StatsAsked = query(&uri)?;
        let ttl = match asked.ttl_seconds {
            None => None,
            Some(seconds @ 60..=86_400) => Some(Duration::from_secs(seconds.unsigned_abs())),
            Some(seconds) => {
                return Err(invalid(&format!("ttl_seconds must be from 60 to 86400, not {seconds}")));
            }
        };
        let collection = asked.collection_id.filter(|id| !id.is_empty());
        let question = StaleQuery { collection: collection.clone(), ttl, limit: 0 };
        let found = desk.ask(READ, |reply| Call::Stale(question, reply)).await?;
        let counts = sum(&found.collections);
        let ttl = ttl.or_else(|| found.collections.values().map(|(_, ttl)| *ttl).min());
        Ok(Stats {
            total_artifacts: counts.total,
            stale_count: counts.stale,
            fresh_count: counts.fresh(),
            oldest_sync_age_seconds: counts.oldest_age(found.now),
            percentage_stale: counts.percentage_stale(),
            ttl_seconds: ttl.unwrap_or_default().as_secs(),
            collection_id: collection,
        })
    };
    reply(stats.await)
}

fn sum(collections: &BTreeMap<String, (Counts, Duration)>) -> Counts {
    collections.values().fold(Counts::default(), |sum, (counts, _)| sum.and(*counts))
}

#[derive(Debug, Deserialize)]
struct StaleAsked {
    collection: Option<String>,
    ttl_seconds: Option<u64>,
}

async fn stale(State(desk): State<Desk>, uri: Uri) -> Response {
    let stale = async {
        let asked: StaleAsked = query(&uri)?;
        let question = StaleQuery {
            collection: asked.collection.filter(|id| !id.is_empty()),
            ttl: asked.ttl_seconds.map(Duration::from_secs),
            limit: LISTED,
        };
        Ok(listed(desk.ask(READ, |reply| Call::Stale(question, reply)).await?))
    };
    reply(stale.await)
}

fn listed(found: Staleness) -> Stale {
    let Staleness { collections, rows, now } = found;
    let collection = |(name, (counts, ttl)): (String, (Counts, Duration))| StaleCollection {
        name,
        total: counts.total,
        stale: counts.stale,
        fresh: counts.fresh(),
        never: counts.never,
        oldest_age_seconds: counts.oldest_age(now),
        percentage_stale: counts.percentage_stale(),
        ttl_seconds: ttl.as_secs(),
    };
    let row = |row: crate::domain::staleness::StaleRow| StaleItem {
        collection: row.collection,
        artifact: row.artifact,
        synced_at: row.synced_at.as_deref().map(iso),
    };
    Stale {
        schema: VERSION,
        collections: collections.into_iter().map(collection).collect(),
        artifacts: rows.into_iter().map(row).collect(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InvalidateAsked {
    collection: Option<String>,
    artifact: Option<String>,
}

async fn invalidate(State(desk): State<Desk>, request: Request) -> Response {
    let invalidated = async {
        let asked: InvalidateAsked = read(request).await?;
        let what = match (asked.collection, asked.artifact) {
            (Some(collection), None) => Invalidate::Collection(collection),
            (None, Some(artifact)) => {
                Invalidate::Artifact(artifact.parse().map_err(|error| invalid(&format!("{error}")))?)
            }
            _ => return Err(invalid("name either a collection or an artifact")),
        };
        let rows = desk.ask(READ, |reply| Call::Invalidate(what, reply)).await?;
        Ok(Invalidated { schema: VERSION, rows })
    };
    reply(invalidated.await)
}
