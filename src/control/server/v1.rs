//! Our own paths, `/v1/…`.
//!
//! What this module does not do: anything under SkillMeat's paths.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::answer::{answer, read, read_or_default, refuse};
use super::asks::Asks;
use crate::control::Ask;
use crate::control::protocol::SyncRequest;

pub(super) fn routes() -> Router<Asks> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/problems", get(problems))
        .route("/v1/sync", post(sync))
        .route("/v1/probe", post(probe))
        .route("/v1/resume", post(resume))
}

async fn status(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Status).await)
}

async fn problems(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Problems).await)
}

async fn sync(State(asks): State<Asks>, request: Request) -> Response {
    let request: SyncRequest = match read_or_default(request).await {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    let patience = Duration::from_millis(request.timeout_ms.unwrap_or(60_000).min(600_000));
    let synced = asks.ask_for(patience, |answer| Ask::Sync { request, answer }).await;
    answer(synced.flatten())
}

async fn probe(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Probe).await)
}

/// The body of `POST /v1/resume`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Resume {
    pub(in crate::control) collection: String,
}

async fn resume(State(asks): State<Asks>, request: Request) -> Response {
    let body: Resume = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refuse(refusal),
    };
    let resumed = asks.ask(|answer| Ask::Resume { collection: body.collection, answer }).await;
    answer(resumed.flatten())
}
