//! The list pages: artifacts of a collection, groups, tags.
//!
//! Beside the web backend's own parameters the list page takes `tag` and `search`. A cursor need not name an artifact
//! that is still there. `version` and `origin_source` say what the row says (the backend leaves them out), and
//! `include_groups` works.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::super::protocol::Refusal;
use super::reply::{invalid, page_length, query, reply, segment, truth};
use super::{Call, Desk, READ, shape};
use crate::domain::catalog::{GroupsQuery, PageQuery, TagsQuery};

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/user-collections/{collection_id}/artifacts", get(artifacts))
        .route("/api/v1/groups", get(groups))
        .route("/api/v1/tags", get(tags))
}

#[derive(Debug, Deserialize)]
struct ArtifactsQuery {
    limit: Option<i64>,
    after: Option<String>,
    artifact_type: Option<String>,
    group_id: Option<String>,
    include_groups: Option<String>,
    tag: Option<String>,
    search: Option<String>,
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn decoded(after: Option<String>) -> Result<Option<String>, Refusal> {
    let bad =
        |cursor: &str| Refusal::new(400, "no such cursor", format!("{cursor:?} is not a cursor of a page"));
    given(after).map(|cursor| shape::id_of_cursor(&cursor).ok_or_else(|| bad(&cursor))).transpose()
}

async fn artifacts(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    let page = async {
        let collection = segment(path)?;
        let asked: ArtifactsQuery = query(&uri)?;
        let page = PageQuery {
            collection,
            limit: page_length(asked.limit, 20)?,
            after: decoded(asked.after)?,
            kind: given(asked.artifact_type),
            group: given(asked.group_id),
            tag: given(asked.tag),
            search: given(asked.search),
            with_groups: truth("include_groups", asked.include_groups.as_deref())?,
        };
        let continued = page.after.is_some();
        let page = desk.ask(READ, |reply| Call::Page(page, reply)).await?;
        Ok(shape::artifacts(page, continued))
    };
    reply(page.await)
}

#[derive(Debug, Deserialize)]
struct GroupsAsked {
    collection_id: Option<String>,
    search: Option<String>,
    artifact_id: Option<String>,
}

async fn groups(State(desk): State<Desk>, uri: Uri) -> Response {
    let groups = async {
        let asked: GroupsAsked = query(&uri)?;
        let collection = asked.collection_id.ok_or_else(|| invalid("collection_id is required"))?;
        let groups =
            GroupsQuery { collection, search: given(asked.search), artifact: given(asked.artifact_id) };
        Ok(shape::groups(desk.ask(READ, |reply| Call::Groups(groups, reply)).await?))
    };
    reply(groups.await)
}

#[derive(Debug, Deserialize)]
struct TagsAsked {
    limit: Option<i64>,
    after: Option<String>,
}

async fn tags(State(desk): State<Desk>, uri: Uri) -> Response {
    let tags = async {
        let asked: TagsAsked = query(&uri)?;
        // The backend gives out plain ids as cursors and wants them back in base64; here both are taken.
        let after = given(asked.after).map(|after| match shape::id_of_cursor(&after) {
            Some(id) if is_key(&id) => id,
            _ => after,
        });
        let continued = after.is_some();
        let tags = TagsQuery { limit: page_length(asked.limit, 50)?, after };
        Ok(shape::tags(desk.ask(READ, |reply| Call::Tags(tags, reply)).await?, continued))
    };
    reply(tags.await)
}

/// Whether a text could be a row's key: printable ASCII. A plain key that happens to be base64 decodes to anything.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
