//! One artifact: looking at it, and writing its files.
//!
//! `PUT …/metadata` sets the fields that the body names and leaves all others; it is not the web backend's `PATCH`, which
//! answers 500. An `If-Match` that does not hold is 412, a change by somebody else at the same moment 409, both with the
//! artifact as it is now under `current`.

use axum::Json;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;

use super::super::protocol::Refusal;
use super::super::protocol::artifact::{Artifact, Create};
use super::super::server::answer::{bytes, read};
use super::reply::{invalid, query, refuse, segment};
use super::{Authoring, Call, Desk, REFRESH};
use crate::domain::authoring::Fields;
use crate::domain::model::ArtifactId;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/artifacts/{artifact_id}/metadata", get(show).put(edit))
        .route("/api/v1/artifacts/{artifact_id}", delete(remove))
        .route("/api/v1/artifacts", post(create))
}

#[derive(Debug, Deserialize)]
struct Asked {
    collection: Option<String>,
}

/// The artifact of the path, and the collection of the query.
fn named(
    path: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<(ArtifactId, Option<String>), Refusal> {
    let id = segment(path)?.parse().map_err(|error| invalid(&format!("{error}")))?;
    let Asked { collection } = query(uri)?;
    Ok((id, collection.filter(|name| !name.is_empty())))
}

fn condition(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let tag =
        |value: &HeaderValue| value.to_str().map(str::to_owned).map_err(|_| invalid("If-Match is not ASCII"));
    headers.get(header::IF_MATCH).map(tag).transpose()
}

/// The artifact with its `ETag`.
fn shown(status: StatusCode, answer: Result<Artifact, Refusal>) -> Response {
    match answer {
        Ok(artifact) => {
            let etag = HeaderValue::from_str(&format!("\"{}\"", artifact.etag));
            let mut response = (status, Json(artifact)).into_response();
            if let Ok(etag) = etag {
                response.headers_mut().insert(header::ETAG, etag);
            }
            response
        }
        Err(refusal) => refuse(&refusal, None),
    }
}

impl Desk {
    async fn author(&self, what: Authoring) -> Result<Artifact, Refusal> {
        self.ask(REFRESH, |reply| Call::Author(what, reply)).await
    }
}

async fn show(State(desk): State<Desk>, path: Result<Path<String>, PathRejection>, uri: Uri) -> Response {
    let artifact = async {
        let (id, collection) = named(path, &uri)?;
        desk.author(Authoring::Show { id, collection }).await
    };
    shown(StatusCode::OK, artifact.await)
}

async fn edit(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let artifact = async {
        let (uri, headers) = (request.uri().clone(), request.headers().clone());
        let fields: Fields = read(request).await?;
        let (id, collection) = named(path, &uri)?;
        let if_match = condition(&headers)?;
        desk.author(Authoring::Edit { id, collection, fields: Box::new(fields), if_match }).await
    };
    shown(StatusCode::OK, artifact.await)
}

async fn create(State(desk): State<Desk>, request: Request) -> Response {
    let artifact = async {
        let create: Create = read(request).await?;
        desk.author(Authoring::Create(Box::new(create))).await
    };
    shown(StatusCode::CREATED, artifact.await)
}

async fn remove(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let artifact = async {
        let (uri, headers) = (request.uri().clone(), request.headers().clone());
        bytes(request).await?;
        let (id, collection) = named(path, &uri)?;
        let if_match = condition(&headers)?;
        desk.author(Authoring::Remove { id, collection, if_match }).await
    };
    shown(StatusCode::OK, artifact.await)
}
