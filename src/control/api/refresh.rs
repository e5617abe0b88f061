//! The refresh hooks that the SkillMeat command line calls after `add` and the like, and their finer kin.
//!
//! The daemon has usually carried the change over before the hook comes, so most answers say that all was right. The
//! answers have one key more than the web backend's, `created_count`: the backend's own refresh never makes a row.
//! `skipped_count` holds the rows that were right and had been verified recently enough.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};

use super::super::protocol::Refusal;
use super::super::server::answer::{bytes, read, read_or_default};
use super::reply::{invalid, refuse, reply, segment};
use super::{Call, Desk, REFRESH, Refresh, Refreshed};

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/user-collections/refresh-cache", post(all))
        .route("/api/v1/user-collections/sync-artifact", post(artifact))
        .route("/api/v1/user-collections/refresh-metadata", post(metadata))
        .route("/api/v1/user-collections/{collection_id}/refresh-cache", post(collection))
}

impl Desk {
    /// Ask for a refresh, unless too many were asked for.
    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, Response> {
        if let Err(wait) = self.refreshes.take(Instant::now()) {
            let detail = "refreshes are asked for too often; the daemon follows the files by itself";
            return Err(refuse(&Refusal::new(429, "too many refreshes", detail), Some(wait)));
        }
        let refreshed = self.ask(REFRESH, |reply| Call::Refresh(refresh, reply)).await;
        refreshed.map_err(|refusal| refuse(&refusal, None))
    }
}

#[derive(Debug, Serialize)]
struct CollectionRefreshed {
    collection_id: String,
    created_count: usize,
    updated_count: usize,
    skipped_count: usize,
    errors: Vec<String>,
}

async fn collection(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let collection_id = match bytes(request).await.and_then(|_| segment(path)) {
        Ok(collection) => collection,
        Err(refusal) => return refuse(&refusal, None),
    };
    let refreshed = match desk.refresh(Refresh::Collection(collection_id.clone())).await {
        Ok(refreshed) => refreshed,
        Err(response) => return response,
    };
    let sum = Sum::of(&refreshed);
    reply(Ok(CollectionRefreshed {
        collection_id,
        created_count: sum.created,
        updated_count: sum.updated,
        skipped_count: sum.skipped,
        errors: refreshed.collections.into_values().flat_map(|tally| tally.errors).collect(),
    }))
}

/// All collections together; a verified row is an updated one, as its `synced_at` has moved.
#[derive(Debug, Default)]
struct Sum {
    created: usize,
    updated: usize,
    skipped: usize,
}

impl Sum {
    fn of(refreshed: &Refreshed) -> Self {
        refreshed.collections.values().fold(Self::default(), |sum, tally| Self {
            created: sum.created + tally.created,
            updated: sum.updated + tally.updated + tally.verified,
            skipped: sum.skipped + tally.skipped,
        })
    }
}

#[derive(Debug, Serialize)]
struct AllRefreshed {
    success: bool,
    collections_refreshed: usize,
    total_created: usize,
    total_updated: usize,
    total_skipped: usize,
    errors: Vec<CollectionErrors>,
    duration_seconds: f64,
}

#[derive(Debug, Serialize)]
struct CollectionErrors {
    collection_id: String,
    errors: Vec<String>,
}

async fn all(State(desk): State<Desk>, request: Request) -> Response {
    let began = Instant::now();
    if let Err(refusal) = bytes(request).await {
        return refuse(&refusal, None);
    }
    let refreshed = match desk.refresh(Refresh::All).await {
        Ok(refreshed) => refreshed,
        Err(response) => return response,
    };
    let sum = Sum::of(&refreshed);
    let collections_refreshed = refreshed.collections.len();
    let errors = refreshed.collections.into_iter().filter(|(_, tally)| !tally.errors.is_empty());
    reply(Ok(AllRefreshed {
        success: true,
        collections_refreshed,
        total_created: sum.created,
        total_updated: sum.updated,
        total_skipped: sum.skipped,
        errors: errors
            .map(|(collection_id, tally)| CollectionErrors { collection_id, errors: tally.errors })
            .collect(),
        duration_seconds: (began.elapsed().as_secs_f64() * 100.0).round() / 100.0,
    }))
}

#[derive(Debug, Deserialize)]
struct ArtifactAsked {
    artifact_id: String,
}

#[derive(Debug, Serialize)]
struct ArtifactRefreshed {
    artifact_id: String,
    synced_at: Option<String>,
    fields_updated: Vec<String>,
    status: &'static str,
}

async fn artifact(State(desk): State<Desk>, request: Request) -> Response {
    let asked = async {
        let asked: ArtifactAsked = read(request).await?;
        asked.artifact_id.parse().map_err(|error| invalid(&format!("{error}")))
    };
    let id: crate::domain::model::ArtifactId = match asked.await {
        Ok(id) => id,
        Err(refusal) => return refuse(&refusal, None),
    };
    let refreshed = match desk.refresh(Refresh::Artifact(id.clone())).await {
        Ok(refreshed) => refreshed,
        Err(response) => return response,
    };
    let found = refreshed.artifact.unwrap_or_default();
    let status = match (found.created, found.fields_updated.is_empty()) {
        (true, _) => "created",
        (false, false) => "updated",
        (false, true) => "unchanged",
    };
    reply(Ok(ArtifactRefreshed {
        artifact_id: id.to_string(),
        synced_at: found.synced_at,
        fields_updated: found.fields_updated,
        status,
    }))
}

#[derive(Debug, Default, Deserialize)]
struct MetadataAsked {
    older_than_minutes: Option<f64>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct MetadataRefreshed {
    artifacts_refreshed: usize,
    skipped: usize,
    errors: Vec<String>,
}

async fn metadata(State(desk): State<Desk>, request: Request) -> Response {
    let asked = async {
        let asked: MetadataAsked = read_or_default(request).await?;
        let older_than = asked.older_than_minutes.map(|minutes| {
            Duration::try_from_secs_f64(minutes * 60.0)
                .map_err(|_| invalid("older_than_minutes must be 0 or more"))
        });
        Ok(Refresh::Metadata { older_than: older_than.transpose()?, tags: asked.tags.unwrap_or_default() })
    };
    let refresh = match asked.await {
        Ok(refresh) => refresh,
        Err(refusal) => return refuse(&refusal, None),
    };
    let refreshed = match desk.refresh(refresh).await {
        Ok(refreshed) => refreshed,
        Err(response) => return response,
    };
    let sum = Sum::of(&refreshed);
    reply(Ok(MetadataRefreshed {
        artifacts_refreshed: sum.created + sum.updated,
        skipped: sum.skipped,
        errors: refreshed.collections.into_values().flat_map(|tally| tally.errors).collect(),
    }))
}
