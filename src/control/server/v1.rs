//! Our own paths, `/v1/…`.
//!
//! What this module does not do: anything under SkillMeat's paths.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::answer::{answer, read, refuse};
use super::asks::Asks;
use crate::control::Ask;

pub(super) fn routes() -> Router<Asks> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/problems", get(problems))
        .route("/v1/sync", post(sync))
        .route("/v1/resume", post(resume))
}

async fn status(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Status).await)
}

async fn problems(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Problems).await)
}

async fn sync(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Sync).await.flatten())
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
