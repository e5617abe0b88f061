//! `/v1/conflicts…` and `/v1/history…`.
//!
//! What this module does not do: decide anything; it passes the question on.

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::answer::{answer, read, refuse};
use super::asks::Asks;
use crate::control::protocol::Refusal;
use crate::control::protocol::review::{Pick, Resolve};
use crate::control::{Ask, Review};

pub(super) fn routes() -> Router<Asks> {
    Router::new()
        .route("/v1/conflicts", get(conflicts))
        .route("/v1/conflicts/resolve", post(resolve))
        .route("/v1/history", get(history))
        .route("/v1/history/show", get(show))
        .route("/v1/history/restore", post(restore))
}

async fn conflicts(State(asks): State<Asks>) -> Response {
    answer(asks.ask(|answer| Ask::Review(Review::Conflicts(answer))).await.flatten())
}

async fn resolve(State(asks): State<Asks>, request: Request) -> Response {
    let body: Resolve = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refuse(refusal),
    };
    answer(asks.ask(|answer| Ask::Review(Review::Resolve(body, answer))).await.flatten())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    collection: Option<String>,
}

async fn history(State(asks): State<Asks>, which: Result<Query<Which>, QueryError>) -> Response {
    match which {
        Ok(Query(which)) => {
            answer(asks.ask(|answer| Ask::Review(Review::History(which.collection, answer))).await.flatten())
        }
        Err(error) => refuse(not_understood(&error)),
    }
}

async fn show(State(asks): State<Asks>, pick: Result<Query<Pick>, QueryError>) -> Response {
    match pick {
        Ok(Query(pick)) => answer(asks.ask(|answer| Ask::Review(Review::Show(pick, answer))).await.flatten()),
        Err(error) => refuse(not_understood(&error)),
    }
}

async fn restore(State(asks): State<Asks>, request: Request) -> Response {
    let body: Pick = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refuse(refusal),
    };
    answer(asks.ask(|answer| Ask::Review(Review::Restore(body, answer))).await.flatten())
}

type QueryError = axum::extract::rejection::QueryRejection;

fn not_understood(error: &QueryError) -> Refusal {
    Refusal::new(422, "query not understood", error.body_text())
}
